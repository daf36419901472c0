/* upstream_pool.c -- connections to origin servers between two requests. */
#include "gateway/proxy/upstream_h2.h"

#include <errno.h>
#include <sys/socket.h>

bool upstream_keep(struct upstream *u)
{
	if (u->origin->idle_n >= (uint64_t)u->origin->config->keep || u->proxy->draining)
		return false;
	u->state = IDLE;
	u->origin->idle_n++;
	list_push_first(&u->server->idle, &u->pooled);
	buf_done(&u->in);
	buf_done(&u->out);
	buf_done(&u->trailers);
	timer_start(u->proxy->loop, &u->timer, u->origin->config->idle_ms);
	return true;
}

/* A pooled connection on which anything has come since is not the one we left: what an origin sends
 * unasked must never be the answer to somebody's next request. */
bool upstream_is_quiet(struct upstream *u)
{
	ssize_t n;
	char byte;

	if (u->sock.peer_closed)
		return false;
	/* The kernel is asked itself: what came in this turn may not have been told yet. */
	n = recv(u->sock.watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		return false;
	if (!u->sock.tls)
		return n < 0;
	/* Tickets may have come: only content counts. */
	if (n > 0)
		sock_marks(&u->sock, LOOP_READ);
	return !u->sock.readable || sock_read(&u->sock, &byte, 1) == SOCK_AGAIN;
}

struct upstream *upstream_take(struct proxy_origin *o, struct proxy_server *s)
{
	while (!list_empty(&s->idle)) {
		struct upstream *u = LIST_OF(s->idle.next, struct upstream, pooled);

		if (!upstream_is_quiet(u)) {
			upstream_shut(u);
			continue;
		}
		list_remove(&u->pooled);
		o->idle_n--;
		u->reused = true;
		u->state = ASKING;
		return u;
	}
	return NULL;
}

void upstream_close_idle(struct proxy_origin *o)
{
	for (unsigned i = 0; i < o->n; i++) {
		while (!list_empty(&o->servers[i].idle))
			upstream_shut(LIST_OF(o->servers[i].idle.next, struct upstream, pooled));
		upstream_h2_retire(&o->servers[i]);
	}
}

void upstream_take_over(struct proxy_origin *to, struct proxy_server *t, struct proxy_origin *from, struct proxy_server *s)
{
	upstream_h2_take_over(to, t, s);
	t->failures = s->failures;
	t->ejected_until_ms = s->ejected_until_ms;
	while (!list_empty(&s->idle)) {
		struct upstream *u = LIST_OF(s->idle.prev, struct upstream, pooled);

		list_remove(&u->pooled);
		list_push_first(&t->idle, &u->pooled);
		from->idle_n--;
		to->idle_n++;
		u->origin = to;
		u->server = t;
	}
}
