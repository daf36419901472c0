/* upstream_h2_dial.c -- how a connection of HTTP/2 to an origin server begins: TCP, TLS and ALPN, until there is a session. */
#include "gateway/proxy/upstream_h2.h"

#include "gateway/base/log.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/generation.h"
#include "gateway/proxy/guard.h"

bool upstream_h2_speaks(const struct proxy_origin *o, const struct proxy_server *s)
{
	switch (o->config->http) {
	case CONFIG_HTTP_2:
		return true;
	case CONFIG_HTTP_AUTO:
		return s->config->tls && !s->plain;
	default:
		return false;
	}
}

static void settle(struct upstream_h2 *l)
{
	l->state = UPSTREAM_H2_SETTLING;
	if (!upstream_h2_session_open(l)) {
		upstream_h2_fail(l, REASON_MEMORY_WORKER, "no memory for HTTP/2");
		return;
	}
	upstream_h2_turn(l);
}

/* It speaks HTTP/1.1, which is as well: those who wait ask by that, and so does everybody from now on. */
static void fall_back(struct upstream_h2 *l)
{
	struct generation *g = generation_hold(l->generation);
	struct proxy_origin *o = l->origin;
	struct proxy_server *s = l->server;
	struct list now;

	s->plain = true;
	upstream_h2_shut(l);
	list_push_first(&s->waiting, &now);
	list_remove(&s->waiting);
	while (!list_empty(&now)) {
		struct upstream *u = LIST_OF(now.next, struct upstream, turn);
		struct exchange *x = u->x;

		list_remove(&u->turn);
		upstream_shut(u);
		x->upstream = NULL;
		upstream_ask(x, o, s);
	}
	generation_drop(g);
}

static void agreed(struct upstream_h2 *l)
{
	if (slice_eq(tls_alpn(l->sock.tls), SLICE("h2"))) {
		settle(l);
	} else if (l->origin->config->http == CONFIG_HTTP_AUTO) {
		fall_back(l);
	} else {
		log_error("origin %.*s: server %.*s does not agree on HTTP/2 (ALPN); `http: auto` would ask it by HTTP/1.1",
			  SLICE_F(l->origin->config->head.key), SLICE_F(l->server->config->url));
		upstream_h2_fail(l, REASON_ORIGIN_REFUSED, "the server does not agree on HTTP/2 (ALPN)");
	}
}

static void connected(struct upstream_h2 *l)
{
	if (!l->sock.tls) {
		settle(l);
		return;
	}
	l->state = UPSTREAM_H2_SHAKING;
	switch (tls_handshake(l->sock.tls)) {
	case TLS_AGAIN:
		return;
	case TLS_DONE:
		agreed(l);
		return;
	default:
		upstream_h2_fail(l, REASON_ORIGIN_REFUSED, tls_why(l->sock.tls));
	}
}

static void ready(struct watch *w, unsigned what)
{
	struct upstream_h2 *l = LIST_OF(w, struct upstream_h2, sock.watch);
	const char *wrong;

	sock_marks(&l->sock, what);
	switch (l->state) {
	case UPSTREAM_H2_DIALLING:
		if (!(what & (LOOP_WRITE | LOOP_HANGUP)))
			return;
		wrong = upstream_dialled(&l->sock);
		if (wrong)
			upstream_h2_fail(l, REASON_ORIGIN_REFUSED, wrong);
		else
			connected(l);
		return;
	case UPSTREAM_H2_SHAKING:
		connected(l);
		return;
	case UPSTREAM_H2_SETTLING:
	case UPSTREAM_H2_READY:
		upstream_h2_turn(l);
		return;
	case UPSTREAM_H2_SHUT:
		return;
	}
}

static void late(struct timer *t)
{
	struct upstream_h2 *l = LIST_OF(t, struct upstream_h2, timer);

	if (l->state != UPSTREAM_H2_READY)
		upstream_h2_fail(l, REASON_ORIGIN_SLOW, "no connection in time");
	else if (!l->streams_n)
		upstream_h2_close(l);
}

static struct upstream_h2 *make(struct proxy_origin *o, struct proxy_server *s)
{
	struct proxy *p = o->generation->proxy;
	struct upstream_h2 *l = mem_take_zeroed(&p->memory, sizeof *l);

	if (!l)
		return NULL;
	l->proxy = p;
	l->generation = generation_hold(o->generation);
	l->origin = o;
	l->server = s;
	l->dialled_us = loop_us(p->loop);
	list_init(&l->streams);
	timer_init(&l->timer, late);
	task_init(&l->go, upstream_h2_go);
	task_init(&l->bury, upstream_h2_bury);
	buf_init(&l->out, &p->memory);
	h2_list_init(&l->list, &p->memory);
	list_push_first(&s->h2, &l->of_server);
	s->h2_n++;
	return l;
}

void upstream_h2_dial(struct proxy_origin *o, struct proxy_server *s)
{
	struct proxy *p = o->generation->proxy;
	struct upstream_h2 *l = make(o, s);
	const char *detail;
	enum reason why;

	if (!l) {
		upstream_h2_fail_waiting(s, guard_starved(p), "no memory for a connection");
		return;
	}
	timer_start(p->loop, &l->timer, o->config->connect_ms);
	why = upstream_dial(&l->sock, p, o, s, ready, &detail);
	if (why == REASON_DESCRIPTORS)
		metric_count(METRIC_DESCRIPTORS);
	if (!why && l->sock.tls && !tls_ask_h2(l->sock.tls, o->config->http == CONFIG_HTTP_2)) {
		why = REASON_MEMORY_WORKER;
		detail = "no memory for TLS";
	}
	if (why)
		upstream_h2_fail(l, why, detail);
}
