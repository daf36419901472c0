/* door.c -- where the commands of this machine's administrator reach the supervisor.
 *
 * A SOCK_SEQPACKET socket in the gateway's directory, for root and the user it runs
 * as; one word a connection ("reload"), answered with lines until it is closed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/proc/node.h"
#include "gateway/proc/rundir.h"

enum { VISITORS = 8, PATIENCE_MS = 2000 };

struct visitor {
	struct node *node;
	struct watch watch;
	struct timer patience;
};

static struct visitor visitors[VISITORS];
static char socket_path[RUNDIR_PATH];

static void let_go(struct visitor *v, bool shut)
{
	timer_stop(&v->patience);
	watch_remove(&v->watch);
	if (shut)
		close(v->watch.fd);
	v->node = NULL;
}

static void impatient(struct timer *t)
{
	let_go(LIST_OF(t, struct visitor, patience), true);
}

static void asked(struct watch *w, unsigned what)
{
	static const char no[] = "error: not a command of this version\n";
	struct visitor *v = LIST_OF(w, struct visitor, watch);
	struct node *n = v->node;
	char word[16];
	ssize_t got = recv(w->fd, word, sizeof word, MSG_DONTWAIT);

	(void)what;
	if (got == 6 && memcmp(word, "reload", 6) == 0) {
		let_go(v, false);
		reload_begin(n, w->fd);
		return;
	}
	if (got > 0)
		(void)!send(w->fd, no, sizeof no - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	let_go(v, true);
}

static bool may_enter(int fd)
{
	struct ucred who;
	socklen_t len = sizeof who;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && (who.uid == 0 || who.uid == geteuid());
}

static void knocked(struct watch *w, unsigned what)
{
	struct node *n = LIST_OF(w, struct node, door);
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct visitor *free_one = NULL;

	(void)what;
	if (fd < 0)
		return;
	for (unsigned i = 0; i < VISITORS; i++)
		if (!visitors[i].node)
			free_one = &visitors[i];
	if (!free_one || !may_enter(fd) || !watch_add_level(n->loop, &free_one->watch, fd, asked)) {
		close(fd);
		return;
	}
	free_one->node = n;
	timer_init(&free_one->patience, impatient);
	timer_start(n->loop, &free_one->patience, PATIENCE_MS);
}

/* One that is left of a gateway that is gone answers nobody. */
static bool is_answered(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	bool answered = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) == 0;

	if (fd >= 0)
		close(fd);
	return answered;
}

void door_open(struct node *n)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd;

	n->door.fd = -1;
	if (!rundir_make(n->config_path) || !rundir_path(n->config_path, "control.sock", socket_path, sizeof socket_path) ||
	    strlen(socket_path) >= sizeof at.sun_path)
		goto no;
	memcpy(at.sun_path, socket_path, strlen(socket_path) + 1);
	if (is_answered(&at)) {
		errno = EADDRINUSE;
		goto no;
	}
	unlink(socket_path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) < 0 || chmod(socket_path, 0600) < 0 || listen(fd, VISITORS) < 0 ||
	    !watch_add_level(n->loop, &n->door, fd, knocked)) {
		if (fd >= 0)
			close(fd);
		goto no;
	}
	return;
no:
	log_warn("no control socket (%s): portcullis reload will not find this gateway; SIGHUP reloads it", strerror(errno));
	socket_path[0] = 0;
}

void door_close(struct node *n)
{
	if (!socket_path[0])
		return;
	watch_remove(&n->door);
	close(n->door.fd);
	unlink(socket_path);
	if (rundir_path(n->config_path, "", socket_path, sizeof socket_path))
		rmdir(socket_path);
	socket_path[0] = 0;
}
