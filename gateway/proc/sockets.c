/* sockets.c -- listeners, log outputs, lanes and shared memory: made once, kept by the supervisor. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/limit/words.h"
#include "gateway/proc/node.h"
#include "gateway/proc/spawn.h"
#include "geoip/geoip.h"
#include "rules/plan.h"

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

bool node_open_listeners(struct node *n)
{
	const struct config_listener *ls = n->config->listeners.at;
	unsigned each = n->config->listeners.n;

	n->listeners = calloc((size_t)n->workers * each, sizeof *n->listeners);
	if (!n->listeners)
		return false;
	for (unsigned i = 0; i < each; i++)
		for (unsigned w = 0; w < n->workers; w++) {
			int fd = w == 0 && !free_to_take(&ls[i]) ? -1 : open_listener(&ls[i], true);

			if (fd < 0) {
				fprintf(stderr, "%s:%u:%u: error: cannot listen on %.*s: %s\n", ls[i].head.place.file,
					ls[i].head.place.line, ls[i].head.place.column, SLICE_F(ls[i].address_text),
					errno == EADDRINUSE ? "the address is in use; stop what uses it (ss -ltnp shows it)"
							    : strerror(errno));
				return false;
			}
			n->listeners[w * each + i] = fd;
		}
	return true;
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

static bool pair(int ends[2])
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

bool node_open_logs(struct node *n)
{
	const struct slice where[3] = {[LOG_ERRORS] = n->config->logs.errors,
				       [LOG_REQUESTS] = n->config->logs.requests,
				       [LOG_WAF] = n->config->logs.waf};

	for (unsigned s = 0; s < 3; s++) {
		n->outputs[s] = open_output(where[s]);
		if (n->outputs[s] < 0) {
			fprintf(stderr, "portcullis: cannot open the log %.*s: %s%s\n", SLICE_F(where[s]), strerror(errno),
				errno == ENOENT ? "; make its directory, or name another path under logs" : "");
			return false;
		}
	}
	n->logs = calloc(n->workers + 2, sizeof *n->logs);
	if (!n->logs)
		return false;
	for (unsigned i = 0; i < n->workers + 2; i++)
		if (!pair(n->logs[i]))
			return false;
	return true;
}

/* ---- Shared memory ---- */

static int memory(const char *name, size_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool pack_plan(struct node *n)
{
	const struct config_ruleset *sets = n->config->rulesets.at;
	struct plan *plan = calloc(1, sizeof *plan);
	struct buf out;
	bool packed;

	if (!plan)
		return false;
	plan->recycle_jobs = (uint32_t)n->config->waf.recycle_jobs;
	plan->rulesets_n = n->config->rulesets.n < PLAN_RULESETS ? n->config->rulesets.n : PLAN_RULESETS;
	for (unsigned i = 0; i < plan->rulesets_n; i++) {
		struct plan_ruleset *to = &plan->rulesets[i];
		const struct slice *before = sets[i].before.at;

		to->name = sets[i].head.key;
		to->path = sets[i].path;
		to->setup = sets[i].setup;
		to->before_n = sets[i].before.n < PLAN_BEFORE ? sets[i].before.n : PLAN_BEFORE;
		for (unsigned k = 0; k < to->before_n; k++)
			to->before[k] = before[k];
		to->arguments = (uint32_t)n->config->waf.arguments;
		to->json_depth = (uint32_t)n->config->waf.json_depth;
		to->parts = (uint32_t)n->config->waf.parts;
		to->body_max = (uint64_t)n->config->client.body;
	}
	buf_init(&out, NULL);
	packed = plan_pack(&out, plan);
	n->plan_fd = packed ? memory("portcullis-rules", buf_len(&out)) : -1;
	packed = n->plan_fd >= 0 && pwrite(n->plan_fd, out.at + out.start, buf_len(&out), 0) == (ssize_t)buf_len(&out);
	buf_done(&out);
	free(plan);
	return packed;
}

bool node_open_shared(struct node *n)
{
	size_t size = sizeof(struct shared) + n->workers * sizeof(struct proxy_guard);

	n->shared_fd = memory("portcullis-shared", size);
	n->words_fd = memory("portcullis-words", words_size(WORDS));
	if (n->shared_fd < 0 || n->words_fd < 0)
		return false;
	n->shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, n->shared_fd, 0);
	if (n->shared == MAP_FAILED)
		return false;
	n->shared->tickets.n = 1;
	if (getrandom(n->shared->tickets.key[0], TLS_TICKET_BYTES, 0) != TLS_TICKET_BYTES)
		return false;
	hash_seed_random(&n->shared->guard_seed);
	n->lanes = calloc(n->workers, sizeof *n->lanes);
	if (!n->lanes)
		return false;
	if (!n->config->waf_used)
		return true;
	n->waf_fd = memory("portcullis-waf", sizeof(struct waf_shared));
	if (n->waf_fd < 0 || !pack_plan(n))
		return false;
	for (unsigned w = 0; w < n->workers; w++)
		for (unsigned lane = 0; lane < WAF_LANES; lane++)
			if (!pair(n->lanes[w][lane]))
				return false;
	n->doors = calloc(n->inspectors, sizeof *n->doors);
	for (unsigned i = 0; n->doors && i < n->inspectors; i++)
		if (!pair(n->doors[i]))
			return false;
	return n->doors != NULL;
}

/* ---- Places ---- */

static bool open_database(struct node *n, struct slice path, int *fd)
{
	struct fail f = {0};
	bool refuse = n->config->geoip.missing == CONFIG_GEOIP_REFUSE, good;

	*fd = -1;
	if (!path.len)
		return true;
	*fd = geoip_seal(path.at, &f, (struct place){0});
	good = *fd >= 0 && geoip_check(*fd, path.at, &f, (struct place){0});
	if (!good) {
		fail_print(&f, stderr, false);
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		if (!refuse)
			fprintf(stderr, "portcullis: places are unknown until the database is replaced (geoip: missing: degrade)\n");
	}
	fail_done(&f);
	return good || !refuse;
}

bool node_open_places(struct node *n)
{
	return open_database(n, n->config->geoip.country, &n->country_fd) &&
	       open_database(n, n->config->geoip.asn, &n->asn_fd);
}
