/* exchange_tunnel.c -- a WebSocket through an exchange: who may ask for one, its bytes both ways, its bounds and its end.
 *
 * The handshake is a request like any other, its head before every filter, and the origin's 101 is its answer.  What
 * follows is carried, not read: the origin's bytes by the way of an answer's content, the client's by that of a
 * request's, each with the back-pressure those have.  The filters have said that it is uninspected.
 *
 * A tunnel may stay for days, and holds the generation it began with.  Once that is not the current one any more it has
 * as long as any request has in all: a configuration that was replaced goes away. */
#include "gateway/proxy/exchange_parts.h"

#include "gateway/base/metric.h"
#include "gateway/http/websocket.h"
#include "gateway/proxy/guard.h"
#include "gateway/proxy/identity.h"
#include "gateway/proxy/upstream.h"

enum {
	LOOK_MS = 60000,   /* at most so long between two looks at the bounds */
	GOODBYE_MS = 1000, /* for the client to take the last frame */
};

/* ---- Who may ask ---- */

static bool is_listed(const struct config_site *site, struct slice origin)
{
	const struct slice *listed = site->websocket_origins.at;

	for (unsigned i = 0; i < site->websocket_origins.n; i++)
		if (slice_is(listed[i], "*") || slice_eq(listed[i], origin))
			return true;
	return false;
}

/* Browsers let any page open one, with the cookies of whom it is opened to, and say whose page it is (RFC 6455 section
 * 10.2).  Who is no browser can say what it likes, and has no cookies of others. */
static bool is_foreign(const struct exchange *x)
{
	bool secure = slice_is(identity_scheme(x), "https");
	const struct field *f;
	uint32_t i = 0;

	while ((f = fields_next(&x->req.fields, SLICE("origin"), &i)) != NULL)
		if (!is_listed(x->site, f->value) && !websocket_is_same_origin(f->value, x->req.authority, secure))
			return true;
	return false;
}

/* Over HTTP/2 a client has no key (RFC 8441 section 5); the origin is asked with one of ours. */
static bool add_key(struct exchange *x)
{
	static const struct slice name = {"sec-websocket-key", 17};
	char *key = arena_take(&x->arena, WEBSOCKET_KEY);
	uint8_t random[16];
	struct field *said;
	uint32_t i = 0;

	if (!key)
		return false;
	proxy_random(x->proxy, random, sizeof random);
	websocket_key(random, key);
	/* What a client says there all the same means nothing. */
	said = fields_next(&x->req.fields, name, &i);
	if (!said)
		return fields_add(&x->req.fields, &x->arena, name, slice_make(key, WEBSOCKET_KEY));
	said->value = slice_make(key, WEBSOCKET_KEY);
	while ((said = fields_next(&x->req.fields, name, &i)) != NULL)
		said->hidden = 1;
	return true;
}

static bool refuse(struct exchange *x, enum reason why, unsigned status, const char *detail)
{
	exchange_refuse(x, why, status, detail);
	return false;
}

bool tunnel_may_open(struct exchange *x)
{
	if (x->req.upgrade == HTTP_UPGRADE_NONE)
		return true;
	/* RFC 9220 section 3 has this status for what cannot be connected to, and so it is for what may not be. */
	if (!x->site->websocket && x->version == 2)
		return refuse(x, REASON_METHOD, 501, "an extended CONNECT to a site that passes no WebSocket on");
	if (!x->site->websocket) {
		x->req.upgrade = HTTP_UPGRADE_NONE;
		return true;
	}
	if (is_foreign(x))
		return refuse(x, REASON_FOREIGN_ORIGIN, 0, "a WebSocket for a page of another origin");
	x->tunnel.counted = guard_tunnel_came(x->proxy, &x->facts.client, &x->tunnel.counted_at);
	if (!x->tunnel.counted)
		return refuse(x, REASON_TUNNELS, 0, "the client has as many WebSockets as it may");
	if (x->version == 2 && !add_key(x))
		return refuse(x, guard_starved(x->proxy), guard_starved_head(x->proxy), NULL);
	return true;
}

/* Over HTTP/2 any 2xx opens the tunnel (RFC 8441 section 5, RFC 9110 section 9.3.6): the client would read a page of the
 * origin's, which others may have a hand in, as frames. */
bool tunnel_is_feigned(const struct exchange *x)
{
	return x->version == 2 && x->req.upgrade != HTTP_UPGRADE_NONE && x->response.status / 100 == 2;
}

/* ---- Bounds ---- */

static const struct config_client *bounds_of(const struct exchange *x)
{
	return &x->generation->config->client;
}

/* The client is told to go (1001, RFC 6455 section 7.4.1), where that does not fall into a frame of the origin's. */
void exchange_end_tunnel(struct exchange *x, const char *why)
{
	static const struct slice going_away = {"\x88\x02\x03\xe9", 4};
	struct tunnel *t = &x->tunnel;

	x->failed = REASON_TUNNEL_BOUND;
	x->why = why;
	if (t->closing || !websocket_is_between(&t->place)) {
		exchange_finish(x, true);
		return;
	}
	t->closing = true;
	if (x->upstream)
		upstream_abandon(x->upstream);
	x->upstream = NULL;
	x->page = going_away;
	timer_start(x->proxy->loop, &t->clock, GOODBYE_MS);
	exchange_writable(x);
}

static bool has_carried_too_much(const struct exchange *x)
{
	uint64_t most = (uint64_t)bounds_of(x)->tunnel_bytes;

	return most && x->body_bytes + x->sent_bytes > most;
}

/* NULL: it may go on. */
static const char *why_over(struct exchange *x, int64_t now_ms)
{
	const struct config_client *c = bounds_of(x);
	struct tunnel *t = &x->tunnel;

	if (x->generation == x->proxy->current)
		t->outdated_ms = 0;
	else if (!t->outdated_ms)
		t->outdated_ms = now_ms;
	if (now_ms - t->moved_ms >= c->tunnel_idle_ms)
		return "the tunnel was idle";
	if (c->tunnel_total_ms && now_ms - t->opened_ms >= c->tunnel_total_ms)
		return "the tunnel was open for as long as it may be";
	if (t->outdated_ms && now_ms - t->outdated_ms >= c->total_ms)
		return "the tunnel's configuration was replaced";
	return NULL;
}

static void look_again(struct exchange *x, int64_t now_ms)
{
	const struct config_client *c = bounds_of(x);
	const struct tunnel *t = &x->tunnel;
	int64_t wait = t->moved_ms + c->tunnel_idle_ms - now_ms;
	int64_t left = c->tunnel_total_ms ? t->opened_ms + c->tunnel_total_ms - now_ms : LOOK_MS;
	int64_t kept = t->outdated_ms ? t->outdated_ms + c->total_ms - now_ms : LOOK_MS;

	wait = left < wait ? left : wait;
	wait = kept < wait ? kept : wait;
	timer_start(x->proxy->loop, &x->tunnel.clock, wait < LOOK_MS ? wait : LOOK_MS);
}

static void look(struct timer *t)
{
	struct exchange *x = LIST_OF(t, struct exchange, tunnel.clock);
	int64_t now_ms = loop_ms(x->proxy->loop);
	const char *why = x->tunnel.closing ? x->why : why_over(x, now_ms);

	if (why)
		exchange_end_tunnel(x, why);
	else
		look_again(x, now_ms);
}

/* ---- Its life ---- */

void tunnel_init(struct exchange *x)
{
	timer_init(&x->tunnel.clock, look);
}

void tunnel_stop(struct exchange *x)
{
	timer_stop(&x->tunnel.clock);
	if (x->tunnel.open)
		metric_fall(METRIC_TUNNELS);
	if (x->tunnel.counted)
		guard_tunnel_left(x->proxy, x->tunnel.counted_at);
	x->tunnel.open = x->tunnel.counted = false;
}

/* Which only says that our key was read. */
static void hide_accept(struct fields *f)
{
	struct field *accept;
	uint32_t i = 0;

	while ((accept = fields_next(f, SLICE("sec-websocket-accept"), &i)) != NULL)
		accept->hidden = 1;
}

void tunnel_open(struct exchange *x)
{
	struct tunnel *t = &x->tunnel;

	x->status = x->response.status;
	x->state = EXCHANGE_ANSWERING;
	x->answer.phase = ANSWER_FLOWS;
	x->answer.use = BODY_UNSEEN;
	x->body_ended = false;
	t->open = true;
	t->opened_ms = t->moved_ms = loop_ms(x->proxy->loop);
	timer_stop(&x->total);
	look_again(x, t->opened_ms);
	metric_count(METRIC_TUNNELS);
	/* It may have ended while its 101 was before the filters: then this is all of it. */
	if (x->upstream)
		upstream_tunnel(x->upstream);
	if (x->version == 2)
		hide_accept(&x->response.fields);
	x->front->head(x, x->status, &x->response.fields, &x->facts.client_fields, HTTP_BODY_NONE, 0);
	x->front->want(x);
}

size_t tunnel_take(struct exchange *x, struct slice bytes)
{
	size_t taken;

	if (!x->upstream || x->body_ended)
		return bytes.len;
	taken = upstream_body(x->upstream, bytes);
	x->body_bytes += taken;
	if (taken)
		x->tunnel.moved_ms = loop_ms(x->proxy->loop);
	/* Where it broke in there, it is over by now. */
	if (x->tunnel.open && has_carried_too_much(x))
		exchange_end_tunnel(x, "the tunnel carried more than it may");
	return taken;
}

void tunnel_passed(struct exchange *x, struct slice bytes)
{
	x->tunnel.moved_ms = loop_ms(x->proxy->loop);
	websocket_follow(&x->tunnel.place, bytes);
	if (has_carried_too_much(x))
		exchange_end_tunnel(x, "the tunnel carried more than it may");
}
