/* sockets.c -- listeners, log outputs and shared memory: made and kept by the supervisor. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/limit/words.h"
#include "gateway/proc/activation.h"
#include "gateway/proc/node.h"
#include "gateway/proc/spawn.h"

enum { BACKLOG = 4096, WORDS = 1 << 20, SOCKET_ROOM = 2 << 20 };

/* ---- Listeners ---- */

static int open_listener(const struct config_listener *l, bool shared_port)
{
	static const struct addr any;
	struct sockaddr_storage at;
	socklen_t len = addr_to_sockaddr(&l->address, l->port, &at);
	int one = 1, zero = 0, fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 && errno == EAFNOSUPPORT && addr_compare(&l->address, &any) == 0) {
		/* No IPv6 in this kernel: "any" is IPv4. */
		struct sockaddr_in *in = (struct sockaddr_in *)(void *)&at;

		memset(&at, 0, sizeof at);
		in->sin_family = AF_INET;
		in->sin_port = htons(l->port);
		len = sizeof *in;
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	}
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (at.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
	if (shared_port)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&at, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	one = errno;
	close(fd);
	errno = one;
	return -1;
}

/* A shared port could be shared with somebody else by mistake: ask for it alone first. */
static bool free_to_take(const struct config_listener *l)
{
	int fd = open_listener(l, false);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* One worker's socket: a queue of connections of its own, or, where a service manager keeps the socket, all
 * workers' one queue: it hands over one. */
static int open_slot(const struct config_listener *l, unsigned worker)
{
	int given = activation_find(&l->address, l->port);

	if (given >= 0)
		return fcntl(given, F_DUPFD_CLOEXEC, SPAWN_FIRST);
	return worker == 0 && !free_to_take(l) ? -1 : open_listener(l, true);
}

/* The same address in the release in force: its sockets go on, with whoever waits in their backlogs. */
static const int *sockets_of(const struct node *n, const struct release *beside, const struct config_listener *l, int *found)
{
	const struct config_listener *ls = beside ? beside->config->listeners.at : NULL;
	unsigned each = beside ? beside->config->listeners.n : 0;

	for (unsigned i = 0; i < each; i++) {
		if (addr_compare(&ls[i].address, &l->address) != 0 || ls[i].port != l->port)
			continue;
		for (unsigned w = 0; w < n->workers; w++)
			found[w] = beside->listeners[w * each + i];
		return found;
	}
	return NULL;
}

static bool take_address(struct node *n, struct release *r, unsigned i, const struct release *beside)
{
	const struct config_listener *l = (const struct config_listener *)r->config->listeners.at + i;
	unsigned each = r->config->listeners.n;
	int found[SHARED_WORKERS];
	const int *old = sockets_of(n, beside, l, found);

	for (unsigned w = 0; w < n->workers; w++) {
		int fd = old ? fcntl(old[w], F_DUPFD_CLOEXEC, SPAWN_FIRST) : open_slot(l, w);

		if (fd < 0)
			return false;
		r->listeners[w * each + i] = fd;
	}
	return true;
}

bool node_open_listeners(struct node *n, struct release *r, const struct release *beside, char *why, size_t room)
{
	const struct config_listener *ls = r->config->listeners.at;
	unsigned each = r->config->listeners.n;

	r->listeners = malloc((size_t)n->workers * each * sizeof *r->listeners + 1);
	if (!r->listeners)
		return false;
	memset(r->listeners, 0xff, (size_t)n->workers * each * sizeof *r->listeners);
	for (unsigned i = 0; i < each; i++)
		if (!take_address(n, r, i, beside)) {
			snprintf(why, room, "%s:%u:%u: error: cannot listen on %.*s: %s", ls[i].head.place.file,
				 ls[i].head.place.line, ls[i].head.place.column, SLICE_F(ls[i].address_text),
				 errno == EADDRINUSE ? "the address is in use; stop what uses it (ss -ltnp shows it)"
						     : strerror(errno));
			return false;
		}
	why[0] = 0; /* it says so itself */
	return activation_end();
}

/* ---- Logs ---- */

static int open_output(struct slice where)
{
	if (slice_is(where, "stdout"))
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, SPAWN_FIRST);
	if (slice_is(where, "stderr"))
		return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, SPAWN_FIRST);
	if (slice_is(where, "off"))
		return open("/dev/null", O_WRONLY | O_CLOEXEC);
	return open(where.at, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

bool node_pair(int ends[2])
{
	int room = SOCKET_ROOM;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return false;
	for (int i = 0; i < 2; i++) {
		/* Beyond the system's bound when we may; as much as it allows when not. */
		if (setsockopt(ends[i], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0)
			setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	}
	return true;
}

bool node_open_outputs(const struct config *c, int outputs[LOG_STREAMS], char *why, size_t room)
{
	const struct slice where[LOG_STREAMS] = {
		[LOG_ERRORS] = c->logs.errors, [LOG_REQUESTS] = c->logs.requests, [LOG_WAF] = c->logs.waf};

	for (unsigned s = 0; s < LOG_STREAMS; s++) {
		outputs[s] = open_output(where[s]);
		if (outputs[s] >= 0)
			continue;
		snprintf(why, room, "error: cannot open the log %.*s: %s%s", SLICE_F(where[s]), strerror(errno),
			 errno == ENOENT ? "; make its directory, or name another path under logs" : "");
		return false;
	}
	return true;
}

bool node_open_logs(struct node *n)
{
	n->logs = calloc(n->workers + NODE_WRITERS, sizeof *n->logs);
	if (!n->logs)
		return false;
	for (unsigned i = 0; i < n->workers + NODE_WRITERS; i++)
		if (!node_pair(n->logs[i]))
			return false;
	return true;
}

/* ---- Shared memory ---- */

int node_memory(const char *name, size_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

bool node_open_shared(struct node *n)
{
	size_t size = sizeof(struct shared) + n->workers * sizeof(struct proxy_guard);

	n->shared_fd = node_memory("portcullis-shared", size);
	n->words_fd = node_memory("portcullis-words", words_size(WORDS));
	if (n->shared_fd < 0 || n->words_fd < 0)
		return false;
	n->shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, n->shared_fd, 0);
	if (n->shared == MAP_FAILED)
		return false;
	hash_seed_random(&n->shared->guard_seed);
	return tls_ticket_turn(&n->shared->tickets);
}
