/* upstream_answer.c -- hearing an origin server: its head, its content, and where they end. */
#include "gateway/proxy/upstream_parts.h"

#include "gateway/proxy/pick.h"
#include "gateway/proxy/upstream_h2.h"

enum {
	READ_FIRST = 4096,
	READ_MOST = 32768,
	TURN_BYTES = 256 << 10, /* of an answer before others have their turn */
};

/* The answer is whole: into the pool if the connection is as good as new. */
static void complete(struct upstream *u)
{
	struct exchange *x = u->x;
	bool clean = u->keep && u->req_over && !buf_len(&u->out) && !buf_len(&u->in) && u->body != HTTP_BODY_CLOSE &&
		     !u->sock.peer_closed && x->generation == u->proxy->current;

	pick_good(u->server);
	u->x = NULL;
	if (!clean || !upstream_keep(u))
		upstream_shut(u);
	exchange_response_end(x);
}

enum parsed { PARSED_MORE, PARSED_BLOCKED, PARSED_GONE };

static enum parsed parse_head(struct upstream *u)
{
	const struct config_client *bounds = &u->proxy->config->client;
	struct h1_limits limits = {(uint32_t)bounds->head_bytes, (uint32_t)bounds->target_bytes, (uint32_t)bounds->fields};
	struct exchange *x = u->x;
	const char *why = "the head is too large";
	uint32_t len;

	switch (h1_scan(&u->scan, buf_slice(&u->in), &len, &why)) {
	case H1_MORE:
		if (buf_len(&u->in) <= limits.head_bytes)
			return PARSED_MORE;
		break;
	case H1_HEAD:
		if (!h1_response(&x->arena, slice_first(buf_slice(&u->in), len), &limits, &x->req, &x->response, &why))
			break;
		buf_eat(&u->in, len);
		u->scan = (struct h1_scan){0};
		if (x->response.status >= 200) {
			u->part = PART_BODY;
			u->body = x->response.body;
			u->left = x->response.content_length;
			u->keep = x->response.keep_alive;
			h1_chunks_init(&u->chunks);
			u->chunks.trailers = &u->trailers;
		}
		if (x->response.status == 101) {
			u->part = PART_BODY;
			u->body = HTTP_BODY_CLOSE;
			u->switched = true;
		}
		return exchange_response(x) ? PARSED_MORE : PARSED_GONE;
	case H1_BAD:
		break;
	}
	upstream_fail(u, REASON_ORIGIN_BROKEN, why);
	return PARSED_GONE;
}

/* Pass `n` bytes from the front of `in` on; BLOCKED when not all were taken. */
static enum parsed pass(struct upstream *u, uint32_t n)
{
	size_t taken = exchange_response_body(u->x, slice_make(u->in.at + u->in.start, n));

	buf_eat(&u->in, (uint32_t)taken);
	if (u->body == HTTP_BODY_LENGTH)
		u->left -= taken;
	else if (u->body == HTTP_BODY_CHUNKED)
		u->pending -= (uint32_t)taken;
	return taken < n ? PARSED_BLOCKED : PARSED_MORE;
}

/* Behind the last chunk there is at least the empty line. */
static bool read_trailers(struct upstream *u, const char **why)
{
	uint32_t most = (uint32_t)u->proxy->config->client.fields;
	bool good = buf_len(&u->trailers) <= 2 ||
		    h1_trailers(&u->x->arena, buf_slice(&u->trailers), most, &u->x->response.trailers, why);

	buf_done(&u->trailers);
	return good;
}

static enum parsed parse_chunks(struct upstream *u)
{
	const char *why = "broken chunks";
	struct slice data;
	size_t used;

	while (!u->pending) {
		switch (h1_chunks_next(&u->chunks, buf_slice(&u->in), &used, &data, &why)) {
		case H1_CHUNK_DATA:
			/* Data ends where the decoder stopped: leave it at the front until it is taken. */
			buf_eat(&u->in, (uint32_t)(used - data.len));
			u->pending = (uint32_t)data.len;
			break;
		case H1_CHUNK_END:
			buf_eat(&u->in, (uint32_t)used);
			u->part = PART_OVER;
			if (read_trailers(u, &why))
				return PARSED_MORE;
			upstream_fail(u, REASON_ORIGIN_BROKEN, why);
			return PARSED_GONE;
		case H1_CHUNK_MORE:
			buf_eat(&u->in, (uint32_t)used);
			return PARSED_MORE;
		case H1_CHUNK_BAD:
			u->keep = false;
			upstream_fail(u, REASON_ORIGIN_BROKEN, why);
			return PARSED_GONE;
		}
	}
	return pass(u, u->pending);
}

static enum parsed parse_body(struct upstream *u)
{
	uint32_t n = buf_len(&u->in);

	switch (u->body) {
	case HTTP_BODY_CHUNKED:
		return parse_chunks(u);
	case HTTP_BODY_LENGTH:
		if (!u->left) {
			u->part = PART_OVER;
			return PARSED_MORE;
		}
		if (n > u->left)
			n = (uint32_t)u->left;
		return n ? pass(u, n) : PARSED_MORE;
	case HTTP_BODY_CLOSE:
		return n ? pass(u, n) : PARSED_MORE;
	default:
		u->part = PART_OVER;
		return PARSED_MORE;
	}
}

/* Work on what is in the buffer until it says nothing more. */
static enum parsed parse(struct upstream *u)
{
	for (;;) {
		enum upstream_part part = u->part;
		uint32_t len = buf_len(&u->in);
		enum parsed done;

		if (part == PART_OVER) {
			complete(u);
			return PARSED_GONE;
		}
		if (part == PART_HEAD && !len)
			return PARSED_MORE;
		done = part == PART_HEAD ? parse_head(u) : parse_body(u);
		if (done != PARSED_MORE)
			return done;
		if (u->part == part && buf_len(&u->in) == len)
			return PARSED_MORE;
	}
}

static void stream_ended(struct upstream *u)
{
	if (u->part == PART_BODY && u->body == HTTP_BODY_CLOSE && !buf_len(&u->in)) {
		u->keep = false;
		complete(u);
	} else {
		upstream_fail(u, u->got_any || !u->reused ? REASON_ORIGIN_BROKEN : REASON_ORIGIN_REFUSED,
		     u->got_any ? "the answer was cut" : "the connection was closed without an answer");
	}
}

/* A head grows to its own bound, which parse_head keeps; of content as much is read as is passed on at once. */
static bool make_room(struct upstream *u)
{
	uint32_t len = buf_len(&u->in);

	if (u->part == PART_HEAD)
		return buf_room(&u->in, READ_FIRST);
	return len < READ_MOST && buf_room(&u->in, READ_MOST - len);
}

int64_t upstream_between_ms(const struct upstream *u)
{
	const struct config_origin *o = u->origin->config;
	bool events = u->x && (u->x->facts.grpc || (u->part != PART_HEAD && u->x->response.events));

	return events && o->events_ms > o->between_ms ? o->events_ms : o->between_ms;
}

void upstream_pump(struct upstream *u)
{
	for (size_t got = 0;;) {
		enum parsed done = parse(u);
		ssize_t n;

		if (done == PARSED_BLOCKED)
			timer_stop(&u->timer);
		/* A tunnel may be silent for long. */
		if (done == PARSED_MORE && u->switched && !u->sock.readable)
			buf_release(&u->in);
		if (done != PARSED_MORE || !u->sock.readable)
			return;
		if (got >= TURN_BYTES) {
			task_start(u->proxy->loop, &u->more);
			return;
		}
		if (!make_room(u)) {
			upstream_fail(u, REASON_ORIGIN_BROKEN, "no room for the answer");
			return;
		}
		n = sock_read(&u->sock, u->in.at + u->in.end, u->in.cap - u->in.end);
		if (n == SOCK_AGAIN)
			return;
		if (n == SOCK_EOF) {
			stream_ended(u);
			return;
		}
		if (n == SOCK_BROKEN) {
			upstream_fail(u, u->got_any ? REASON_ORIGIN_BROKEN : REASON_ORIGIN_REFUSED, "the connection broke");
			return;
		}
		u->got_any = true;
		u->in.end += (uint32_t)n;
		got += (size_t)n;
		timer_start(u->proxy->loop, &u->timer, upstream_between_ms(u));
	}
}

/* An origin that is faster than we are would never let the loop turn. */
void upstream_more(struct task *t)
{
	struct upstream *u = LIST_OF(t, struct upstream, more);

	if (u->state == ASKING && u->sock.readable)
		upstream_pump(u);
}

void upstream_resume(struct upstream *u)
{
	if (u->state != ASKING || u->part == PART_HEAD)
		return;
	if (u->h2) {
		upstream_h2_resume(u);
		return;
	}
	timer_start(u->proxy->loop, &u->timer, upstream_between_ms(u));
	upstream_pump(u);
}
