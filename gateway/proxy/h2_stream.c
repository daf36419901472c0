/* h2_stream.c -- one stream: its exchange's front.
 *
 * Content of an answer is never kept here: nghttp2 asks for it when the client, the connection and the other
 * streams leave room, the exchange is told that the client can take more, and what it brings is copied once,
 * to where the frame is being made.  Content of a request is given to the exchange where it lies; what that
 * does not take waits in `pending`, and the client's window is opened only for what was taken. */
#include "gateway/base/fail.h"
#include "gateway/proxy/h2_parts.h"
#include "gateway/proxy/quarantine.h"

enum {
	FRAME_LEAST = 1024,        /* a frame of DATA is not made smaller than this for want of room in the record */
	STREAM_WINDOW = 256 << 10, /* of an exchange that takes all that comes */
	STREAM_FIRST = 65535,      /* of others (RFC 9113 section 6.9.2) */
};

/* ---- Life ---- */

struct h2_stream *h2_stream_open(struct h2 *h, int32_t id)
{
	struct h2_stream *s = mem_take_zeroed(&h->front->budget, sizeof *s);

	if (!s)
		return NULL;
	s->h2 = h;
	s->id = id;
	buf_init(&s->pending, &h->front->budget);
	list_init(&s->turn);
	list_push_last(&h->streams, &s->link);
	h->streams_n++;
	list_remove(&h->front->idle);
	return s;
}

void h2_stream_close(struct h2_stream *s, enum reason why, const char *detail)
{
	struct h2 *h = s->h2;

	if (s->x)
		exchange_abort(s->x, why, detail);
	/* What it did not take is taken now, as far as the connection goes. */
	if (buf_len(&s->pending) && h->session)
		nghttp2_session_consume_connection(h->session, buf_len(&s->pending));
	buf_done(&s->pending);
	h2_trailers_drop(s);
	list_remove(&s->link);
	list_remove(&s->turn);
	if (!--h->streams_n) {
		h->idle_ms = loop_ms(h->front->proxy->loop);
		list_push_last(&h->front->proxy->idle, &h->front->idle);
	}
	mem_give(&h->front->budget, s, sizeof *s);
	h2_wake(h);
}

void h2_stream_reset(struct h2_stream *s, uint32_t error, const char *why)
{
	s->why = why;
	if (nghttp2_submit_rst_stream(s->h2->session, NGHTTP2_FLAG_NONE, s->id, error))
		s->h2->failed = true;
	h2_wake(s->h2);
}

/* ---- The request ---- */

static struct exchange *make_exchange(struct h2_stream *s)
{
	struct front *f = s->h2->front;
	struct exchange *x = exchange_new(f->proxy, &f->budget, &h2_operations, s);

	if (!x)
		return NULL;
	front_introduce(f, x);
	work_begin(&x->work, &s->h2->work);
	x->stream_id = (uint32_t)s->id;
	s->x = x;
	return x;
}

void h2_stream_malformed(struct h2_stream *s, enum reason reason, const char *why)
{
	struct exchange *x = s->x ? s->x : make_exchange(s);

	s->why = why;
	s->x = NULL;
	if (x)
		exchange_abort(x, reason, why);
}

/* What the client may send then has neither a rate nor an end. */
static bool asks_for_tunnel(const struct h2_stream *s)
{
	return s->x && s->x->req.upgrade != HTTP_UPGRADE_NONE;
}

/* A length of nothing, and yet it has not ended: wait whether it is true before anything goes upstream. */
static bool waits(const struct h2_stream *s, bool ended)
{
	return !ended && s->x->req.body == HTTP_BODY_NONE && !asks_for_tunnel(s);
}

static void start(struct h2_stream *s)
{
	s->waits = false;
	if (s->remote_ended && !buf_len(&s->pending)) {
		s->told = true;
		s->x->body_ended = true;
	}
	if (front_is_shed(s->h2->front))
		exchange_refuse(s->x, REASON_OVERLOAD, 0, "the worker is late");
	else
		exchange_start(s->x, s->h2->front->serve == CONFIG_REDIRECT);
}

void h2_stream_begin(struct h2_stream *s, bool ended)
{
	struct h2 *h = s->h2;
	struct proxy *p = h->front->proxy;
	struct h1_limits limits = h2_limits(h);
	struct exchange *x = make_exchange(s);
	const char *why = NULL;
	unsigned status;

	if (!x) {
		h2_stream_reset(s, NGHTTP2_REFUSED_STREAM, "memory is used up");
		return;
	}
	s->remote_ended = ended;
	x->print = quarantine_print(p, buf_slice(&h->list.bytes));
	quarantine_mark(p, x->print);
	if (quarantine_has(p, x->print)) {
		exchange_refuse(x, REASON_QUARANTINED, 0, "the same request has killed workers");
		return;
	}
	status = h2_request(&x->arena, &h->list, ended, &limits, h->front->sock.tls != NULL, &x->req, &why);
	if (status)
		front_refuse_request(x, status, why);
	else if (waits(s, ended))
		s->waits = true;
	else
		start(s);
}

/* ---- Its content ---- */

/* As much as the exchange takes.  The client may send so much more. */
static size_t deliver(struct h2_stream *s, struct slice bytes)
{
	size_t taken = 0, n;

	while (s->x && !s->waits && taken < bytes.len) {
		quarantine_mark(s->h2->front->proxy, s->x->print);
		n = exchange_body(s->x, slice_after(bytes, taken));
		if (!n)
			break;
		taken += n;
	}
	/* Nobody wants the rest. */
	if (!s->x)
		taken = bytes.len;
	if (taken && nghttp2_session_consume(s->h2->session, s->id, taken))
		s->h2->failed = true;
	return taken;
}

static bool is_too_much(const struct h2_stream *s, size_t n)
{
	return s->x && s->x->req.body == HTTP_BODY_LENGTH && s->body_bytes + n > s->x->req.content_length;
}

/* Who has taken a whole window as it came is sent more at a time. */
static void widen(struct h2_stream *s)
{
	if (s->wide || s->body_bytes < STREAM_FIRST || asks_for_tunnel(s))
		return;
	s->wide = true;
	if (nghttp2_session_set_local_window_size(s->h2->session, NGHTTP2_FLAG_NONE, s->id, STREAM_WINDOW))
		s->h2->failed = true;
}

void h2_stream_content(struct h2_stream *s, struct slice bytes)
{
	size_t taken = 0;

	if (is_too_much(s, bytes.len)) {
		nghttp2_session_consume_connection(s->h2->session, bytes.len);
		h2_stream_reset(s, NGHTTP2_PROTOCOL_ERROR, NULL);
		return;
	}
	s->body_bytes += bytes.len;
	if (!buf_len(&s->pending))
		taken = deliver(s, bytes);
	if (taken == bytes.len) {
		widen(s);
		return;
	}
	if (!buf_put_slice(&s->pending, slice_after(bytes, taken))) {
		nghttp2_session_consume_connection(s->h2->session, bytes.len - taken);
		s->ours = true;
		if (s->x)
			exchange_body_broken(s->x, guard_starved(s->h2->front->proxy), "no memory for the content");
	}
}

static void tell_end(struct h2_stream *s)
{
	if (!s->remote_ended || s->told || buf_len(&s->pending) || !s->x || s->waits)
		return;
	s->told = true;
	exchange_body_end(s->x);
}

void h2_stream_feed(struct h2_stream *s)
{
	buf_eat(&s->pending, (uint32_t)deliver(s, buf_slice(&s->pending)));
	buf_release(&s->pending);
	tell_end(s);
}

void h2_stream_ended(struct h2_stream *s)
{
	s->remote_ended = true;
	if (s->waits && s->x)
		start(s);
	else
		tell_end(s);
}

static void op_want(struct exchange *x)
{
	struct h2_stream *s = x->stream;

	if (list_empty(&s->turn))
		list_push_last(&s->h2->wanting, &s->turn);
	h2_wake(s->h2);
}

/* ---- The answer's head ---- */

enum { FIELDS_MOST = 160 }; /* of an answer; without memory of their own */

struct head {
	nghttp2_nv *at;
	size_t n;
	uint8_t flags;
};

static void put(struct head *h, struct slice name, struct slice value)
{
	h->at[h->n++] = (nghttp2_nv){(uint8_t *)(uintptr_t)name.at, (uint8_t *)(uintptr_t)value.at, name.len, value.len, h->flags};
}

static bool put_fields(struct head *h, const struct fields *f)
{
	for (uint32_t i = 0; f && i < f->n; i++) {
		if (f->at[i].hidden)
			continue;
		if (!h1_may_answer(&f->at[i]))
			return false;
		put(h, f->at[i].name, f->at[i].value);
	}
	return true;
}

static struct slice digits_of(char room[20], uint64_t n)
{
	unsigned first = 20;

	do
		room[--first] = (char)('0' + n % 10);
	while (n /= 10);
	return slice_make(room + first, 20 - first);
}

/* Status, fields and length.  False: they may not be sent. */
static bool fill(struct h2_stream *s, struct head *h, unsigned status, const struct fields *fields,
		 const struct fields *extra, const uint64_t *length)
{
	static const struct slice status_name = {":status", 7}, length_name = {"content-length", 14};
	char *code = s->code;

	if (status < 100 || status > 599)
		return false;
	code[0] = (char)('0' + status / 100);
	code[1] = (char)('0' + status / 10 % 10);
	code[2] = (char)('0' + status % 10);
	put(h, status_name, slice_make(code, 3));
	if (!put_fields(h, fields) || !put_fields(h, extra))
		return false;
	if (length)
		put(h, length_name, digits_of(s->length, *length));
	return true;
}

static void submit(struct h2_stream *s, const struct head *h, unsigned status)
{
	nghttp2_data_provider content = {.source.ptr = s, .read_callback = h2_stream_read};
	int failed;

	if (status < 200)
		failed = nghttp2_submit_headers(s->h2->session, NGHTTP2_FLAG_NONE, s->id, NULL, h->at, h->n, NULL);
	else
		failed = nghttp2_submit_response(s->h2->session, s->id, h->at, h->n, s->bare ? NULL : &content);
	if (failed)
		s->h2->failed = true;
	h2_wake(s->h2);
}

static bool says_length(unsigned status, enum http_body body)
{
	if (status < 200 || status == 204)
		return false;
	return body == HTTP_BODY_LENGTH || (body == HTTP_BODY_NONE && status != 304);
}

static void op_head(struct exchange *x, unsigned status, const struct fields *fields, const struct fields *extra,
		    enum http_body body, uint64_t length)
{
	nghttp2_nv room[FIELDS_MOST];
	struct h2_stream *s = x->stream;
	size_t most = fields->n + (extra ? extra->n : 0) + 2;
	struct head h = {.at = most > FIELDS_MOST ? ARENA_ARRAY(&x->arena, nghttp2_nv, most) : room};
	bool final = status >= 200 || status == 101;

	/* What HTTP/1.1 says with 101 (RFC 8441 section 5).  An end that came before the tunnel is its end. */
	if (status == 101) {
		status = 200;
		body = HTTP_BODY_CHUNKED;
		s->told = false;
	}
	if (body == HTTP_BODY_NONE)
		length = 0;
	/* Only a new handshake asks again for what this connection does not bring. */
	if (final && x->failed == REASON_CLIENT_CERT)
		h2_retire(s->h2);
	s->headed = s->headed || final;
	s->bare = final && (x->req.head || status == 204 || status == 304 ||
			    ((body == HTTP_BODY_NONE || body == HTTP_BODY_LENGTH) && !length));
	/* Where content must follow, names and values stay until it has been sent. */
	h.flags = final && !s->bare && body == HTTP_BODY_LENGTH ? NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE
								: NGHTTP2_NV_FLAG_NONE;
	if (!h.at || !fill(s, &h, status, fields, extra, says_length(status, body) ? &length : NULL)) {
		s->ours = true;
		h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR, "the answer's head cannot be sent");
		return;
	}
	submit(s, &h, status);
}

static void op_go_ahead(struct exchange *x)
{
	static const struct fields none;

	op_head(x, 100, &none, NULL, HTTP_BODY_NONE, 0);
}

/* ---- The answer's content ---- */

/* Outside of a frame nothing is taken; nghttp2 learns that there is something to ask for. */
static size_t op_body(struct exchange *x, struct slice bytes)
{
	struct h2_stream *s = x->stream;
	struct h2 *h = s->h2;
	struct buf *out = &h->front->out;
	uint32_t n = h->granted - h->given;

	if (h->pulled != s) {
		if (s->deferred && bytes.len) {
			s->deferred = false;
			nghttp2_session_resume_data(h->session, s->id);
			h2_wake(h);
		}
		return 0;
	}
	if (bytes.len < n)
		n = (uint32_t)bytes.len;
	memcpy(out->at + out->end + H2_FRAME_HEAD + h->given, bytes.at, n);
	h->given += n;
	return n;
}

static void op_end(struct exchange *x, bool whole)
{
	struct h2_stream *s = x->stream;
	const struct fields *trailers = whole && !s->bare ? exchange_trailers(x) : NULL;
	struct h2 *h = s->h2;

	s->x = NULL;
	s->ended = true;
	s->cut = !whole || (trailers && !h2_trailers_keep(s, trailers));
	if (h->pulled == s)
		return;
	if (s->cut) {
		s->ours = true;
		h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR, "the answer was cut");
	} else if (s->deferred) {
		s->deferred = false;
		nghttp2_session_resume_data(h->session, s->id);
	}
	h2_wake(h);
}

const struct exchange_front h2_operations = {
	.version = 2, .head = op_head, .body = op_body, .end = op_end, .want = op_want, .go_ahead = op_go_ahead,
};

/* How much fits into the record that is being gathered. */
static uint32_t room_for(const struct h2 *h)
{
	uint32_t taken = buf_len(&h->front->out) + H2_FRAME_HEAD;

	return taken < H2_OUT_MOST ? H2_OUT_MOST - taken : 0;
}

ssize_t h2_stream_read(nghttp2_session *session, int32_t id, uint8_t *at, size_t length, uint32_t *flags,
		       nghttp2_data_source *source, void *user)
{
	struct h2_stream *s = source->ptr;
	struct h2 *h = user;
	uint32_t room = room_for(h);

	(void)at;
	if (room < length && room < FRAME_LEAST)
		return NGHTTP2_ERR_PAUSE;
	h->granted = room < length ? room : (uint32_t)length;
	h->given = 0;
	if (!buf_room(&h->front->out, H2_FRAME_HEAD + h->granted)) {
		h->failed = h->starved = true;
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	h->pulled = s;
	if (s->x) {
		quarantine_mark(h->front->proxy, s->x->print);
		exchange_writable(s->x);
	}
	h->pulled = NULL;
	if (s->cut) {
		s->ours = true;
		s->why = "the answer was cut";
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	if (!h->given && !s->ended) {
		s->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY | (s->ended ? NGHTTP2_DATA_FLAG_EOF : 0u);
	if (s->ended && s->trailers_n)
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
	if (s->ended && s->trailers_n && nghttp2_submit_trailer(session, id, s->trailers, s->trailers_n))
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	return (ssize_t)h->given;
}

/* ---- Its clocks ---- */

/* A call of gRPC has nothing to say for as long as it likes; what bounds it are the origin's clocks and its own. */
static bool wants_body(const struct h2_stream *s)
{
	return s->x && !s->x->facts.grpc && !s->remote_ended && !s->x->own && (s->waits || s->x->state != EXCHANGE_JUDGING) &&
	       !buf_len(&s->pending);
}

/* The client sends below the rate.  Where nothing is to come, its end is part of the head. */
static bool is_slow_sending(struct h2_stream *s, int64_t passed_ms)
{
	const struct config_client *c = &s->h2->front->proxy->config->client;

	if (asks_for_tunnel(s) || !wants_body(s))
		return false;
	s->body_waited_ms += passed_ms;
	if (s->waits)
		return s->body_waited_ms > c->head_ms;
	return s->body_waited_ms > c->body_grace_ms && (int64_t)s->body_bytes < c->body_rate * s->body_waited_ms / 1000;
}

/* There is something for the client, and its window of this stream is shut. */
static bool is_shut_out(const struct h2_stream *s)
{
	return s->headed && !s->bare && !s->deferred && !s->finished &&
	       nghttp2_session_get_stream_remote_window_size(s->h2->session, s->id) <= 0;
}

static bool is_slow_reading(struct h2_stream *s, int64_t now_ms)
{
	const struct config_client *c = &s->h2->front->proxy->config->client;
	int64_t taken = (int64_t)(s->sent - s->stalled_sent);

	if (!is_shut_out(s) || !s->stalled_ms) {
		s->stalled_ms = is_shut_out(s) ? now_ms : 0;
		s->stalled_sent = s->sent;
		return false;
	}
	if (now_ms - s->stalled_ms < c->stall_ms)
		return false;
	s->stalled_ms = now_ms;
	s->stalled_sent = s->sent;
	return !taken || taken < c->body_rate * c->stall_ms / 1000;
}

void h2_stream_tick(struct h2_stream *s, int64_t now_ms, int64_t passed_ms)
{
	if (is_slow_reading(s, now_ms)) {
		h2_stream_reset(s, NGHTTP2_CANCEL, "the client did not read the answer");
		return;
	}
	if (!is_slow_sending(s, passed_ms))
		return;
	if (s->waits)
		exchange_refuse(s->x, REASON_SLOW_HEAD, 0, "the end of the request took too long");
	else
		exchange_body_broken(s->x, REASON_SLOW_BODY, "the content came too slowly");
}
