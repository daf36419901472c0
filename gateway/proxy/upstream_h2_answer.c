/* upstream_h2_answer.c -- what comes back over a stream: heads, content, trailers, and its end.
 *
 * Content that the exchange does not take at once waits in `in`, at most a stream's window of it. */
#include "gateway/proxy/guard.h"
#include "gateway/proxy/pick.h"
#include "gateway/proxy/quarantine.h"
#include "gateway/proxy/upstream_h2.h"

static void refuse(struct upstream *u, const char *why)
{
	u->refused = true;
	upstream_fail(u, REASON_ORIGIN_BROKEN, why);
}

static struct h1_limits limits_of(const struct upstream *u)
{
	const struct config_client *c = &u->proxy->config->client;

	return (struct h1_limits){(uint32_t)c->head_bytes, (uint32_t)c->target_bytes, (uint32_t)c->fields};
}

/* ---- The end ---- */

/* The answer is whole, and the exchange has it. */
static void complete(struct upstream *u)
{
	struct exchange *x = u->x;

	if (u->body == HTTP_BODY_LENGTH && u->left) {
		refuse(u, "less content than was announced");
		return;
	}
	pick_good(u->server);
	u->part = PART_OVER;
	upstream_shut(u);
	exchange_response_end(x);
}

/* Give the exchange what waits. */
static void deliver(struct upstream *u)
{
	while (buf_len(&u->in)) {
		uint32_t n = buf_len(&u->in);
		size_t taken;

		u->inside = true;
		taken = exchange_response_body(u->x, buf_slice(&u->in));
		u->inside = false;
		/* It may have ended in there, and the buffer with it. */
		if (!u->x)
			return;
		buf_eat(&u->in, (uint32_t)taken);
		if (u->over && taken) {
			nghttp2_session_consume_stream(u->over->session, u->stream, taken);
			upstream_h2_wake(u->over);
		}
		if (taken < n) {
			timer_stop(&u->timer);
			return;
		}
	}
	buf_release(&u->in);
	if (u->end_seen)
		complete(u);
}

void upstream_h2_ended(struct upstream *u)
{
	u->end_seen = true;
	if (u->over)
		u->over->answered = true;
	if (!buf_len(&u->in) && !u->inside)
		complete(u);
}

void upstream_h2_closed(struct upstream *u, uint32_t error)
{
	struct upstream_h2 *l = u->over;

	/* nghttp2 has forgotten it: nothing is to be reset. */
	list_remove(&u->turn);
	u->over = NULL;
	upstream_h2_leave_one(l);
	if (u->state == LEFT) {
		upstream_shut(u);
	} else if (u->end_seen) {
		/* Content of it still waits for the client. */
	} else if (error == NGHTTP2_REFUSED_STREAM) {
		/* Nothing was done with it (RFC 9113 section 8.7); whoever refuses is not broken. */
		u->sent_any = false;
		u->reused = u->blamed = true;
		upstream_fail(u, REASON_ORIGIN_REFUSED, "the origin refused the stream");
	} else {
		upstream_fail(u, REASON_ORIGIN_BROKEN, u->refused ? "the origin's answer is malformed" : "the origin reset the stream");
	}
}

/* ---- Heads and trailers ---- */

static void take_head(struct upstream *u, bool ended)
{
	struct h1_limits limits = limits_of(u);
	struct exchange *x = u->x;
	const char *why = NULL;

	if (!h2_response(&x->arena, &u->over->list, ended, &limits, &x->req, &x->response, &why)) {
		refuse(u, why);
		return;
	}
	if (x->response.status >= 200) {
		u->part = PART_BODY;
		u->body = x->response.body;
		u->left = x->response.content_length;
		u->end_seen = ended;
	}
	u->inside = true;
	exchange_response(x);
	u->inside = false;
	if (u->x && ended)
		upstream_h2_ended(u);
}

void upstream_h2_heard(struct upstream *u, bool ended)
{
	struct h1_limits limits = limits_of(u);
	const char *why = NULL;

	quarantine_mark(u->proxy, u->x->print);
	upstream_h2_clock(u, upstream_between_ms(u));
	if (u->part == PART_HEAD)
		take_head(u, ended);
	else if (!ended)
		refuse(u, "a second head");
	else if (!h2_trailers(&u->x->arena, &u->over->list, &limits, false, &u->x->response.trailers, &why))
		refuse(u, why);
	else
		upstream_h2_ended(u);
}

/* ---- Content ---- */

static const char *misfit(const struct upstream *u, size_t n)
{
	if (u->part != PART_BODY)
		return "content before a head";
	if (u->body == HTTP_BODY_NONE)
		return "content where none may be";
	return u->body == HTTP_BODY_LENGTH && n > u->left ? "more content than was announced" : NULL;
}

void upstream_h2_content(struct upstream *u, struct slice bytes)
{
	const char *why = bytes.len ? misfit(u, bytes.len) : NULL;
	size_t taken = 0;

	if (why) {
		refuse(u, why);
		return;
	}
	quarantine_mark(u->proxy, u->x->print);
	upstream_h2_clock(u, upstream_between_ms(u));
	u->left -= u->body == HTTP_BODY_LENGTH ? bytes.len : 0;
	if (!buf_len(&u->in) && !u->inside) {
		u->inside = true;
		taken = exchange_response_body(u->x, bytes);
		u->inside = false;
	}
	if (!u->x)
		return;
	if (taken)
		nghttp2_session_consume_stream(u->over->session, u->stream, taken);
	if (taken == bytes.len)
		return;
	timer_stop(&u->timer);
	if (!buf_put_slice(&u->in, slice_after(bytes, taken)))
		upstream_give_up(u, guard_starved(u->proxy), "no memory for the answer");
}

void upstream_h2_resume(struct upstream *u)
{
	if (u->inside)
		return;
	if (!u->end_seen)
		timer_start(u->proxy->loop, &u->timer, upstream_between_ms(u));
	deliver(u);
}
