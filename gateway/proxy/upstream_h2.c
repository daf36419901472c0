/* upstream_h2.c -- a connection of HTTP/2 to an origin server: its beginning, its bytes, its clock and its end. */
#include "gateway/proxy/upstream_h2.h"

#include "gateway/base/log.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/generation.h"
#include "gateway/proxy/guard.h"
#include "gateway/proxy/pick.h"

enum {
	READ_MOST = 16384,
	OUT_MOST = 16384,       /* gathered for one write: one TLS record */
	AGAIN_MS = 200,         /* after a connection that failed, where there are others */
	TURN_BYTES = 256 << 10, /* of one connection, in and out, before others have their turn */
};

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

void upstream_h2_wake(struct upstream_h2 *l)
{
	if (l->state != UPSTREAM_H2_SHUT)
		task_start(l->proxy->loop, &l->go);
}

/* ---- Its end ---- */

static void bury(struct task *t)
{
	struct upstream_h2 *l = LIST_OF(t, struct upstream_h2, bury);

	nghttp2_session_del(l->session);
	mem_give(&l->proxy->memory, l, sizeof *l);
}

static void shut(struct upstream_h2 *l)
{
	struct generation *g = l->generation;

	if (l->state == UPSTREAM_H2_SHUT)
		return;
	l->state = UPSTREAM_H2_SHUT;
	list_remove(&l->of_server);
	l->server->h2_n--;
	timer_stop(&l->timer);
	task_stop(&l->go);
	sock_close(&l->sock);
	buf_done(&l->out);
	h2_list_done(&l->list);
	task_start(l->proxy->loop, &l->bury);
	generation_drop(g);
}

/* In good order: nobody is asked over it. */
static void close_idle(struct upstream_h2 *l)
{
	const uint8_t *at;
	ssize_t n;

	if (l->state == UPSTREAM_H2_READY && !buf_len(&l->out) && !nghttp2_session_terminate_session(l->session, NGHTTP2_NO_ERROR))
		while (l->sock.writable && (n = nghttp2_session_mem_send(l->session, &at)) > 0)
			sock_write(&l->sock, at, (size_t)n);
	shut(l);
}

static bool is_wanted(const struct upstream_h2 *l)
{
	return !l->retiring && !l->proxy->draining && l->generation == l->proxy->current && l->origin->config->keep;
}

void upstream_h2_leave_one(struct upstream_h2 *l)
{
	l->streams_n--;
	upstream_h2_wake(l);
	if (l->streams_n || l->state != UPSTREAM_H2_READY)
		return;
	timer_start(l->proxy->loop, &l->timer, l->origin->config->idle_ms);
	/* Whoever waits may have it yet; in the next turn it is looked at again. */
	if (!l->inside && !is_wanted(l) && list_empty(&l->server->waiting))
		close_idle(l);
}

/* What is asked over it: each learns it once, and may ask elsewhere at once. */
static void fail_streams(struct upstream_h2 *l, enum reason reason, const char *why)
{
	while (!list_empty(&l->streams)) {
		struct upstream *u = LIST_OF(l->streams.next, struct upstream, turn);

		list_remove(&u->turn);
		l->streams_n--;
		u->over = NULL;
		u->blamed = true;
		u->reused = l->answered;
		if (u->state == LEFT)
			upstream_shut(u);
		else if (!u->end_seen) /* else all of it is here */
			upstream_fail(u, reason, why);
	}
}

static bool has_another(const struct upstream_h2 *l)
{
	LIST_EACH(link, &l->server->h2)
		if (link != &l->of_server && !LIST_OF(link, struct upstream_h2, of_server)->retiring)
			return true;
	return false;
}

/* Who waits, where no other connection is or comes. */
static void fail_waiting(struct proxy_server *s, enum reason reason, const char *why)
{
	bool ours = reason != REASON_ORIGIN_REFUSED && reason != REASON_ORIGIN_SLOW && reason != REASON_ORIGIN_BROKEN;
	struct list now;

	list_push_first(&s->waiting, &now);
	list_remove(&s->waiting);
	while (!list_empty(&now)) {
		struct upstream *u = LIST_OF(now.next, struct upstream, turn);

		list_remove(&u->turn);
		u->blamed = true;
		if (ours)
			upstream_give_up(u, reason, why);
		else
			upstream_fail(u, reason, why);
	}
}

/* Whether the server is to blame: not for closing what has served, with nothing begun on it. */
static bool is_blamed(const struct upstream_h2 *l)
{
	if (l->state != UPSTREAM_H2_READY || !l->answered)
		return true;
	LIST_EACH(link, &l->streams)
		if (LIST_OF(link, struct upstream, turn)->got_any)
			return true;
	return false;
}

static void fail(struct upstream_h2 *l, enum reason reason, const char *why)
{
	bool ready = l->state == UPSTREAM_H2_READY, alone = !ready && !has_another(l);
	bool ours = reason == REASON_DESCRIPTORS || reason == REASON_MEMORY_WORKER;
	struct generation *g = generation_hold(l->generation);

	log_info("origin %.*s: server %.*s: HTTP/2: %s", SLICE_F(l->origin->config->head.key), SLICE_F(l->server->config->url),
		 why);
	if (!ours && is_blamed(l))
		pick_bad(l->origin, l->server, loop_ms(l->proxy->loop));
	if (!ready)
		l->server->h2_again_ms = loop_ms(l->proxy->loop) + AGAIN_MS;
	shut(l);
	fail_streams(l, reason, why);
	if (alone)
		fail_waiting(l->server, reason, why);
	else if (ready)
		upstream_h2_serve(l->server);
	generation_drop(g);
}

/* ---- Bytes ---- */

static void take_in(struct upstream_h2 *l, const char *at, size_t n)
{
	ssize_t used;

	l->heard_us = loop_us(l->proxy->loop);
	if (!upstream_h2_count(l, slice_make(at, n)))
		return;
	l->inside = true;
	used = nghttp2_session_mem_recv(l->session, (const uint8_t *)at, n);
	l->inside = false;
	if (used >= 0 || l->failed)
		return;
	l->failed = true;
	if (!l->why)
		l->why = l->state == UPSTREAM_H2_SETTLING ? "the origin does not speak HTTP/2" : "the origin broke HTTP/2";
	log_debug("HTTP/2 of an origin: %s", nghttp2_strerror((int)used));
}

/* False: there is nothing to read now. */
static bool read_more(struct upstream_h2 *l, size_t *got)
{
	char piece[READ_MOST];
	ssize_t n;

	if (!l->sock.readable || l->failed)
		return false;
	n = sock_read(&l->sock, piece, sizeof piece);
	if (n == SOCK_AGAIN)
		return false;
	if (n < 0) {
		l->failed = true;
		l->why = l->state == UPSTREAM_H2_SETTLING ? "the connection ended without a word of HTTP/2" :
			 n == SOCK_EOF			  ? "the connection was closed" :
							    "the connection broke";
		return false;
	}
	*got += (size_t)n;
	take_in(l, piece, (size_t)n);
	return true;
}

/* Fill `out` up to a record.  False: nghttp2 has nothing more. */
static bool gather(struct upstream_h2 *l)
{
	const uint8_t *at;
	ssize_t n = 1;

	l->inside = true;
	while (buf_len(&l->out) < OUT_MOST && n > 0 && !l->failed) {
		n = nghttp2_session_mem_send(l->session, &at);
		if (n < 0 || (n > 0 && !buf_put(&l->out, at, (size_t)n))) {
			l->failed = true;
			l->why = "no memory for what is sent";
		}
	}
	l->inside = false;
	return buf_len(&l->out);
}

static void send_out(struct upstream_h2 *l, size_t *sent)
{
	while (!l->failed && *sent < TURN_BYTES && l->sock.writable && gather(l))
		while (buf_len(&l->out) && l->sock.writable && !l->failed) {
			ssize_t n = sock_write(&l->sock, l->out.at + l->out.start, buf_len(&l->out));

			if (n == SOCK_BROKEN) {
				/* What the server said before it closed is read first. */
				l->sock.writable = false;
				l->sock.readable = true;
				upstream_h2_wake(l);
			}
			if (n <= 0)
				return;
			*sent += (size_t)n;
			buf_eat(&l->out, (uint32_t)n);
		}
}

/* ---- Its turn ---- */

/* Clients have left: a ping behind the resets of their streams comes back when those have been read. */
static void ask_whether_noticed(struct upstream_h2 *l)
{
	static const uint8_t mark[8] = "noticed?";

	if (l->pings != l->pongs)
		return;
	LIST_EACH(link, &l->streams) {
		if (LIST_OF(link, struct upstream, turn)->state != LEFT)
			continue;
		l->pings++;
		if (nghttp2_submit_ping(l->session, NGHTTP2_FLAG_NONE, mark))
			l->failed = true;
		upstream_h2_wake(l);
		return;
	}
}

static bool is_over(const struct upstream_h2 *l)
{
	return !buf_len(&l->out) && !nghttp2_session_want_read(l->session) && !nghttp2_session_want_write(l->session);
}

static void turn(struct upstream_h2 *l)
{
	size_t in = 0, out = 0;

	while (in < TURN_BYTES && read_more(l, &in))
		;
	send_out(l, &out);
	if (!l->failed && is_over(l)) {
		l->failed = true;
		l->why = l->why ? l->why : "the origin ended the connection";
	}
	/* Who leaves in good order, with nothing to do, is not looked after. */
	if (l->failed && !l->streams_n && l->state == UPSTREAM_H2_READY && l->answered) {
		struct generation *g = generation_hold(l->generation);

		shut(l);
		upstream_h2_serve(l->server);
		generation_drop(g);
		return;
	}
	if (l->failed) {
		fail(l, REASON_ORIGIN_BROKEN, l->why ? l->why : "the origin broke HTTP/2");
		return;
	}
	if (!buf_len(&l->out) && out < TURN_BYTES)
		ask_whether_noticed(l);
	if (in >= TURN_BYTES || out >= TURN_BYTES)
		upstream_h2_wake(l);
	if (l->state != UPSTREAM_H2_READY)
		return;
	upstream_h2_serve(l->server);
	if (l->state == UPSTREAM_H2_READY && is_wanted(l))
		upstream_h2_spare(l);
	if (!l->streams_n) {
		buf_release(&l->out);
		h2_list_done(&l->list);
		if (l->state == UPSTREAM_H2_READY && !is_wanted(l))
			close_idle(l);
	}
}

static void go(struct task *t)
{
	struct upstream_h2 *l = LIST_OF(t, struct upstream_h2, go);

	if (l->state == UPSTREAM_H2_SETTLING || l->state == UPSTREAM_H2_READY)
		turn(l);
}

/* ---- Its beginning ---- */

static void settle(struct upstream_h2 *l)
{
	l->state = UPSTREAM_H2_SETTLING;
	if (!upstream_h2_session_open(l)) {
		fail(l, REASON_MEMORY_WORKER, "no memory for HTTP/2");
		return;
	}
	turn(l);
}

/* It speaks HTTP/1.1, which is as well: those who wait ask by that, and so does everybody from now on. */
static void fall_back(struct upstream_h2 *l)
{
	struct generation *g = generation_hold(l->generation);
	struct proxy_origin *o = l->origin;
	struct proxy_server *s = l->server;
	struct list now;

	s->plain = true;
	shut(l);
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
		fail(l, REASON_ORIGIN_REFUSED, "the server does not agree on HTTP/2 (ALPN)");
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
		fail(l, REASON_ORIGIN_REFUSED, tls_why(l->sock.tls));
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
			fail(l, REASON_ORIGIN_REFUSED, wrong);
		else
			connected(l);
		return;
	case UPSTREAM_H2_SHAKING:
		connected(l);
		return;
	case UPSTREAM_H2_SETTLING:
	case UPSTREAM_H2_READY:
		turn(l);
		return;
	case UPSTREAM_H2_SHUT:
		return;
	}
}

static void late(struct timer *t)
{
	struct upstream_h2 *l = LIST_OF(t, struct upstream_h2, timer);

	if (l->state != UPSTREAM_H2_READY)
		fail(l, REASON_ORIGIN_SLOW, "no connection in time");
	else if (!l->streams_n)
		close_idle(l);
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
	task_init(&l->go, go);
	task_init(&l->bury, bury);
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
		fail_waiting(s, guard_starved(p), "no memory for a connection");
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
		fail(l, why, detail);
}

/* ---- Generations ---- */

void upstream_h2_retire(struct proxy_server *s)
{
	LIST_EACH_SAFE(link, &s->h2) {
		struct upstream_h2 *l = LIST_OF(link, struct upstream_h2, of_server);

		if (l->state == UPSTREAM_H2_READY && !l->streams_n && !l->inside)
			close_idle(l);
	}
	/* Who waits may have waited for one that has been taken over. */
	upstream_h2_serve(s);
}

void upstream_h2_take_over(struct proxy_origin *to, struct proxy_server *t, struct proxy_server *s)
{
	t->plain = s->plain;
	while (!list_empty(&s->h2)) {
		struct upstream_h2 *l = LIST_OF(s->h2.prev, struct upstream_h2, of_server);
		struct generation *old = l->generation;

		list_remove(&l->of_server);
		list_push_first(&t->h2, &l->of_server);
		s->h2_n--;
		t->h2_n++;
		l->origin = to;
		l->server = t;
		l->generation = generation_hold(to->generation);
		generation_drop(old);
	}
}
