/* upstream_h2.c -- a connection of HTTP/2 to an origin server: its bytes, its turn and its end. */
#include "gateway/proxy/upstream_h2.h"

#include "gateway/base/log.h"
#include "gateway/proxy/generation.h"
#include "gateway/proxy/pick.h"

enum {
	READ_MOST = 16384,
	OUT_MOST = 16384,       /* gathered for one write: one TLS record */
	AGAIN_MS = 200,         /* after a connection that failed, where there are others */
	TURN_BYTES = 256 << 10, /* of one connection, in and out, before others have their turn */
};

void upstream_h2_wake(struct upstream_h2 *l)
{
	if (l->state != UPSTREAM_H2_SHUT)
		task_start(l->proxy->loop, &l->go);
}

/* ---- Its end ---- */

void upstream_h2_bury(struct task *t)
{
	struct upstream_h2 *l = LIST_OF(t, struct upstream_h2, bury);

	nghttp2_session_del(l->session);
	mem_give(&l->proxy->memory, l, sizeof *l);
}

void upstream_h2_shut(struct upstream_h2 *l)
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

void upstream_h2_close(struct upstream_h2 *l)
{
	const uint8_t *at;
	ssize_t n;

	if (l->state == UPSTREAM_H2_READY && !buf_len(&l->out) && !nghttp2_session_terminate_session(l->session, NGHTTP2_NO_ERROR))
		while (l->sock.writable && (n = nghttp2_session_mem_send(l->session, &at)) > 0)
			sock_write(&l->sock, at, (size_t)n);
	upstream_h2_shut(l);
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
		upstream_h2_close(l);
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

void upstream_h2_fail_waiting(struct proxy_server *s, enum reason reason, const char *why)
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
		if (LIST_OF(link, struct upstream, turn)->got_any && LIST_OF(link, struct upstream, turn)->x)
			return true;
	return false;
}

void upstream_h2_fail(struct upstream_h2 *l, enum reason reason, const char *why)
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
	upstream_h2_shut(l);
	fail_streams(l, reason, why);
	if (alone)
		upstream_h2_fail_waiting(l->server, reason, why);
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
		l->why = n == SOCK_EOF ? "the connection was closed" : "the connection broke";
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

static const char *why_failed(const struct upstream_h2 *l)
{
	if (l->state == UPSTREAM_H2_SETTLING)
		return "the server does not speak HTTP/2";
	return l->why ? l->why : "the origin broke HTTP/2";
}

void upstream_h2_turn(struct upstream_h2 *l)
{
	size_t in = 0, out = 0;

	while (in < TURN_BYTES && read_more(l, &in))
		;
	send_out(l, &out);
	if (!l->failed && is_over(l)) {
		l->failed = true;
	}
	/* Who leaves in good order, with nothing to do, is not looked after. */
	if (l->failed && !l->streams_n && l->state == UPSTREAM_H2_READY && l->answered) {
		struct generation *g = generation_hold(l->generation);

		upstream_h2_shut(l);
		upstream_h2_serve(l->server);
		generation_drop(g);
		return;
	}
	if (l->failed) {
		upstream_h2_fail(l, REASON_ORIGIN_BROKEN, why_failed(l));
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
			upstream_h2_close(l);
	}
}

void upstream_h2_go(struct task *t)
{
	struct upstream_h2 *l = LIST_OF(t, struct upstream_h2, go);

	if (l->state == UPSTREAM_H2_SETTLING || l->state == UPSTREAM_H2_READY)
		upstream_h2_turn(l);
}

/* ---- Generations ---- */

void upstream_h2_retire(struct proxy_server *s)
{
	LIST_EACH_SAFE(link, &s->h2) {
		struct upstream_h2 *l = LIST_OF(link, struct upstream_h2, of_server);

		if (!l->streams_n && !l->inside && (l->state == UPSTREAM_H2_READY || list_empty(&s->waiting)))
			upstream_h2_close(l);
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

unsigned upstream_h2_idle(const struct proxy_server *s)
{
	unsigned n = 0;

	LIST_EACH(link, &s->h2) {
		const struct upstream_h2 *l = LIST_OF(link, struct upstream_h2, of_server);

		n += l->state == UPSTREAM_H2_READY && !l->streams_n;
	}
	return n;
}
