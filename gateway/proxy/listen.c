/* listen.c -- accepting clients, and one worker's data path as a whole. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/fail.h"
#include "gateway/base/log.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/front_h1.h"
#include "gateway/proxy/generation.h"
#include "gateway/proxy/guard.h"
#include "gateway/proxy/shed.h"
#include "gateway/proxy/upstream.h"

enum {
	ACCEPT_BATCH = 64,
	ACCEPT_PAUSE_MS = 100,
	UNSENT = 256 << 10, /* bytes the kernel holds for a client that does not read */
};

void proxy_random(struct proxy *p, void *at, size_t n)
{
	CHECK(n <= sizeof p->random);
	if (p->random_left < n) {
		CHECK(getrandom(p->random, sizeof p->random, 0) == (ssize_t)sizeof p->random);
		p->random_left = sizeof p->random;
	}
	p->random_left -= (unsigned)n;
	memcpy(at, p->random + p->random_left, n);
	explicit_bzero(p->random + p->random_left, n);
}

/* ---- Accepting ---- */

static void accepting(struct watch *w, unsigned what);

/* Ours, then the adopted ones; NULL behind the last. */
static struct proxy_listener *listener_at(struct proxy *p, unsigned i)
{
	unsigned ours = p->current->listeners_n;

	if (i < ours)
		return &p->current->listeners[i];
	return i - ours < p->adopted_n ? &p->adopted[i - ours] : NULL;
}

static void stop_accepting(struct proxy *p)
{
	struct proxy_listener *l;

	for (unsigned i = 0; (l = listener_at(p, i)); i++)
		watch_remove(&l->watch);
}

static bool start_accepting(struct proxy *p)
{
	struct proxy_listener *l;

	for (unsigned i = 0; (l = listener_at(p, i)); i++)
		if (l->fd >= 0 && !l->watch.loop && !watch_add_listener(p->loop, &l->watch, l->fd, accepting))
			return false;
	return true;
}

/* Descriptors or memory ran out: look away for a while instead of spinning on a ready listener. */
static void pause_accepting(struct proxy *p, const char *why)
{
	if (!p->accept_paused)
		log_warn("accepting pauses for %d ms: %s", ACCEPT_PAUSE_MS, why);
	p->accept_paused = true;
	metric_count(METRIC_ACCEPT_PAUSES);
	stop_accepting(p);
	timer_start(p->loop, &p->accept_again, ACCEPT_PAUSE_MS);
}

static void accept_again(struct timer *t)
{
	struct proxy *p = LIST_OF(t, struct proxy, accept_again);

	p->accept_paused = false;
	if (!p->draining)
		proxy_accept(p);
}

bool proxy_accept(struct proxy *p)
{
	if (p->accept_paused || p->draining || start_accepting(p))
		return true;
	pause_accepting(p, "the event loop is full");
	return false;
}

static void refuse(int fd, enum metric cause)
{
	metric_count(cause);
	close(fd);
}

/* What its listener says now.  NULL: an adopted one of a generation before this, that no longer stands there. */
static const struct config_listener *config_of(const struct proxy_listener *listener)
{
	const struct config *c = listener->proxy->config;
	const struct config_listener *l = (const struct config_listener *)c->listeners.at + listener->number;

	return listener->number < c->listeners.n && l->port == listener->port ? l : NULL;
}

/* Where load balancers are named nobody else may come, and whom they bring is known when they have said it. */
static enum metric refuses_peer(const struct proxy *p, const struct config_listener *l, const struct addr *peer)
{
	if (l && !l->proxy_protocol.n)
		return guard_refuses(p, peer);
	return l && config_lists(&l->proxy_protocol, peer) ? METRICS : METRIC_REFUSED_SOURCE;
}

/* METRICS: it may come in. */
static enum metric refuses(struct proxy_listener *listener, const struct config_listener *l, int fd, const struct addr *peer)
{
	struct proxy *p = listener->proxy;
	enum metric cause = refuses_peer(p, l, peer);

	/* A handshake is what costs; who speaks plain HTTP is told. */
	if (cause == METRICS && listener->serve == CONFIG_HTTPS && shed_handshake(p))
		return METRIC_REFUSED_OVERLOAD;
	return cause == METRICS ? guard_is_full(p, fd) : cause;
}

static void take(struct proxy_listener *listener, int fd, const struct sockaddr_storage *from)
{
	const struct config_listener *l = config_of(listener);
	struct proxy *p = listener->proxy;
	struct addr peer;
	enum metric cause;
	uint16_t port;
	int one = 1, unsent = UNSENT;

	metric_count(METRIC_ACCEPTED);
	cause = addr_from_sockaddr(from, &peer, &port) ? refuses(listener, l, fd, &peer) : METRIC_REFUSED_ADDRESS;
	if (cause != METRICS) {
		refuse(fd, cause);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
	if (!front_open(p, listener, l->proxy_protocol.n > 0, fd, &peer, port))
		refuse(fd, METRIC_REFUSED_MEMORY);
}

static void accepting(struct watch *w, unsigned what)
{
	struct proxy_listener *listener = LIST_OF(w, struct proxy_listener, watch);

	(void)what;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage from;
		socklen_t len = sizeof from;
		int fd = accept4(listener->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take(listener, fd, &from);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_accepting(listener->proxy, "no descriptor or memory left");
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

/* ---- For a worker that is not there ---- */

void proxy_adopt(struct proxy *p, unsigned slot, const int *fds, unsigned n)
{
	unsigned known = p->current ? p->current->listeners_n : 0;
	struct proxy_listener *more;

	proxy_return(p, slot);
	stop_accepting(p);
	more = n == known && !p->draining ? realloc(p->adopted, (p->adopted_n + n) * sizeof *more) : NULL;
	for (unsigned i = 0; i < n; i++)
		if (more)
			more[p->adopted_n + i] = (struct proxy_listener){.proxy = p, .number = i, .fd = fds[i], .slot = slot,
									 .serve = p->current->listeners[i].serve,
									 .port = p->current->listeners[i].port,
									 .http2 = p->current->listeners[i].http2};
		else
			close(fds[i]);
	if (more) {
		p->adopted = more;
		p->adopted_n += n;
	}
	proxy_accept(p);
}

void proxy_return(struct proxy *p, unsigned slot)
{
	unsigned kept = 0;

	if (!p->adopted_n)
		return;
	stop_accepting(p);
	for (unsigned i = 0; i < p->adopted_n; i++)
		if (p->adopted[i].slot == slot)
			close(p->adopted[i].fd);
		else
			p->adopted[kept++] = p->adopted[i];
	p->adopted_n = kept;
	proxy_accept(p);
}

/* ---- The data path as a whole ---- */

struct proxy *proxy_new(const struct proxy_plan *plan)
{
	struct proxy *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->spool_shares = calloc(PROXY_ADDRESS_CELLS, sizeof *p->spool_shares);
	if (!p->spool_shares) {
		free(p);
		return NULL;
	}
	p->plan = *plan;
	p->loop = plan->loop;
	p->memory.refusals = 1 + METRIC_MEMORY_WORKER;
	p->spool.refusals = 1 + METRIC_SPOOL_FULL;
	list_init(&p->fronts);
	list_init(&p->idle);
	p->descriptors = guard_descriptors();
	list_init(&p->ack_waiters);
	list_init(&p->left);
	timer_init(&p->accept_again, accept_again);
	front_shakes_init(p);
	return p;
}

void proxy_drain(struct proxy *p, void (*drained)(struct proxy *p))
{
	/* Who came before is taken in; who comes now is refused, not left to wait. */
	for (unsigned i = 0; p->current && i < p->current->listeners_n && !p->accept_paused; i++)
		accepting(&p->current->listeners[i].watch, LOOP_READ);
	p->draining = true;
	p->drained = drained;
	timer_stop(&p->accept_again);
	while (p->adopted_n)
		proxy_return(p, p->adopted[0].slot);
	if (p->current)
		generation_retire(p->current);
	LIST_EACH_SAFE(link, &p->fronts)
		front_drain(front_of(link));
	if (!p->fronts_n)
		drained(p);
}

void proxy_cut(struct proxy *p)
{
	LIST_EACH_SAFE(link, &p->fronts)
		front_cut(front_of(link));
}

void proxy_free(struct proxy *p)
{
	if (!p)
		return;
	timer_stop(&p->accept_again);
	while (p->adopted_n)
		proxy_return(p, p->adopted[0].slot);
	upstream_close_left(p);
	if (p->current)
		generation_retire(p->current);
	/* What was closed is freed by the loop's tasks. */
	loop_turn(p->loop, 0);
	front_shakes_stop(p);
	if (p->current)
		generation_drop(p->current);
	free(p->adopted);
	free(p->spool_shares);
	free(p);
}
