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

/* The oldest connection between two requests makes room for a new one. */
static bool make_room(struct proxy *p)
{
	LIST_EACH(link, &p->fronts) {
		struct front *f = front_of(link);

		if (front_is_idle(f)) {
			front_cut(f);
			metric_count(METRIC_EVICTED);
			return true;
		}
	}
	return false;
}

static void refuse(int fd, enum metric cause)
{
	metric_count(cause);
	close(fd);
}

static void take(struct proxy_listener *listener, int fd, const struct sockaddr_storage *from)
{
	struct proxy *p = listener->proxy;
	struct addr peer;
	uint16_t port;
	int one = 1, unsent = UNSENT;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
	metric_count(METRIC_ACCEPTED);
	if (!addr_from_sockaddr(from, &peer, &port) || !guard_allows(p, &peer))
		refuse(fd, METRIC_REFUSED_ADDRESS);
	else if (p->fronts_n >= p->fronts_max && !make_room(p))
		refuse(fd, METRIC_REFUSED_FULL);
	else if (!front_open(p, listener, fd, &peer, port))
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
			more[p->adopted_n + i] = (struct proxy_listener){.proxy = p, .fd = fds[i], .slot = slot,
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
	p->plan = *plan;
	p->loop = plan->loop;
	list_init(&p->fronts);
	list_init(&p->ack_waiters);
	list_init(&p->left);
	timer_init(&p->accept_again, accept_again);
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
	if (p->current)
		generation_retire(p->current);
	upstream_close_left(p);
	/* What was closed is freed by the loop's tasks. */
	loop_turn(p->loop, 0);
	if (p->current)
		generation_drop(p->current);
	free(p->adopted);
	free(p);
}
