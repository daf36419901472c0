/* redis_server.h -- a real redis-server of the test's own, and a client that talks to it.
 *
 * Each server listens on a free port of 127.0.0.1, keeps nothing on disk, and is
 * ended by its process id alone. */
#ifndef PORTCULLIS_TESTS_REDIS_SERVER_H
#define PORTCULLIS_TESTS_REDIS_SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/redis/redis.h"

enum { TEST_SKIPPED = 77 };

struct redis_server {
	pid_t pid;
	uint16_t port;
	const char *password; /* NULL: none */
};

static inline int listen_on(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0) {
		perror("listen_on");
		exit(1);
	}
	*port = ntohs(at.sin_port);
	return fd;
}

static inline bool port_answers(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = connect(fd, (struct sockaddr *)&at, sizeof at) == 0;

	close(fd);
	return yes;
}

/* Start it; with a port of 0 on a free one.  False when there is no redis-server here. */
static inline bool redis_server_start(struct redis_server *s)
{
	char port[8];

	if (access("/usr/bin/redis-server", X_OK) != 0)
		return false;
	if (!s->port)
		close(listen_on(&s->port));
	snprintf(port, sizeof port, "%u", s->port);
	s->pid = fork();
	if (s->pid == 0) {
		int quiet = open("/dev/null", O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(quiet, 1);
		execl("/usr/bin/redis-server", "redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "",
		      "--appendonly", "no", "--requirepass", s->password ? s->password : "", (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 1000; i++) {
		if (port_answers(s->port))
			return true;
		usleep(10000);
	}
	fprintf(stderr, "redis-server does not come up on port %u\n", s->port);
	exit(1);
}

static inline void redis_server_kill(struct redis_server *s)
{
	if (!s->pid)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

static inline struct redis_plan plan_for(uint16_t port, uint32_t deadline_ms)
{
	struct redis_plan plan = {.port = port, .deadline_ms = deadline_ms};

	if (!addr_parse(SLICE("127.0.0.1"), &plan.address))
		abort();
	return plan;
}

/* Turn the loop until the client is ready (or not); false after `ms`. */
static inline bool turn_until_ready(struct loop *l, const struct redis *r, bool want, int ms)
{
	int64_t end = loop_clock_us() + (int64_t)ms * 1000;

	while (redis_ready(r) != want) {
		if (loop_clock_us() > end)
			return false;
		loop_turn(l, 5);
	}
	return true;
}

/* One question with what became of it. */
struct asked {
	struct redis_ask q;
	unsigned told; /* how often it was answered */
	enum redis_outcome how;
	enum redis_kind kind;
	int64_t integer;
	unsigned n;
	char text[128];
	int64_t at_us, took_us;
};

static inline void keep_answer(struct redis_ask *q, enum redis_outcome how, const struct redis_value *v)
{
	struct asked *a = q->owner;

	a->told++;
	a->how = how;
	a->took_us = loop_clock_us() - a->at_us;
	if (!v)
		return;
	a->kind = v->kind;
	a->integer = v->integer;
	a->n = v->n;
	if (v->text.len)
		snprintf(a->text, sizeof a->text, "%.*s", SLICE_F(v->text));
}

enum { WORDS_MOST = 8 };

/* `command` is cut at single spaces. */
static inline bool ask(struct redis *r, struct asked *a, const char *command)
{
	struct slice rest = slice_of(command), argv[WORDS_MOST];
	unsigned n = 0;

	*a = (struct asked){.q = {.answered = keep_answer, .owner = a}, .at_us = loop_clock_us()};
	while (n < WORDS_MOST && slice_cut(&rest, ' ', &argv[n]))
		n++;
	return redis_ask(r, &a->q, argv, n);
}

static inline bool turn_until_told(struct loop *l, const struct asked *a, int ms)
{
	int64_t end = loop_clock_us() + (int64_t)ms * 1000;

	while (!a->told) {
		if (loop_clock_us() > end)
			return false;
		loop_turn(l, 1);
	}
	return true;
}

#endif
