/* upstream_h2_ask.c -- a request as a stream: finding a connection, its head, its content, and leaving it. */
#include "gateway/base/fail.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/guard.h"
#include "gateway/proxy/identity.h"
#include "gateway/proxy/upstream_h2.h"

enum {
	WRITE_MOST = 16384,
	RESETS_MOST = 80, /* a minute; as many again may be on their way then */
};

/* ---- The head ---- */

struct head {
	nghttp2_nv *at;
	size_t n;
};

/* One connection carries the secrets of many clients: none of them is left in a table that others' fields are
 * compressed by. */
static bool is_secret(const struct field *f)
{
	return f->id == FIELD_COOKIE || f->id == FIELD_AUTHORIZATION;
}

static void put(struct head *h, struct slice name, struct slice value, uint8_t flags)
{
	h->at[h->n++] = (nghttp2_nv){(uint8_t *)(uintptr_t)name.at, (uint8_t *)(uintptr_t)value.at, name.len, value.len, flags};
}

static bool put_fields(struct head *h, const struct fields *f)
{
	for (uint32_t i = 0; i < f->n; i++) {
		if (f->at[i].hidden)
			continue;
		if (!h1_may_ask(&f->at[i]))
			return false;
		put(h, f->at[i].name, f->at[i].value, is_secret(&f->at[i]) ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE);
	}
	return true;
}

/* False: it may not be sent, or there is no memory. */
static bool fill(struct upstream *u, struct head *h)
{
	struct exchange *x = u->x;
	const struct request *req = &x->req;
	struct fields extra = {0};
	struct slice length;

	if (!identity_upstream(x, &extra) || !h1_may_be_sent(req))
		return false;
	h->at = ARENA_ARRAY(&x->arena, nghttp2_nv, req->fields.n + extra.n + 6);
	length = arena_print(&x->arena, "%llu", (unsigned long long)u->req_left);
	if (!h->at || !length.at)
		return false;
	put(h, SLICE(":method"), req->method, NGHTTP2_NV_FLAG_NONE);
	put(h, SLICE(":scheme"), u->server->config->tls ? SLICE("https") : SLICE("http"), NGHTTP2_NV_FLAG_NONE);
	put(h, SLICE(":authority"), req->authority, NGHTTP2_NV_FLAG_NONE);
	put(h, SLICE(":path"), req->target, NGHTTP2_NV_FLAG_NONE);
	if (!put_fields(h, &req->fields) || !put_fields(h, &extra))
		return false;
	if (x->facts.grpc || http_takes_trailers(&req->fields))
		put(h, SLICE("te"), SLICE("trailers"), NGHTTP2_NV_FLAG_NONE);
	if (u->req_body == HTTP_BODY_LENGTH)
		put(h, SLICE("content-length"), length, NGHTTP2_NV_FLAG_NONE);
	return true;
}

/* ---- Finding a connection ---- */

static unsigned room(const struct upstream_h2 *l)
{
	uint32_t most = nghttp2_session_get_remote_settings(l->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

	if (most > UPSTREAM_H2_STREAMS)
		most = UPSTREAM_H2_STREAMS;
	return l->streams_n < most && nghttp2_session_check_request_allowed(l->session) ? most - l->streams_n : 0;
}

/* The server takes no more content over it, whosever: what one client has sent may be all that it holds. */
static bool is_shut(const struct upstream_h2 *l)
{
	return nghttp2_session_get_remote_window_size(l->session) <= 0;
}

static bool is_usable(const struct upstream_h2 *l)
{
	return l->state == UPSTREAM_H2_READY && !l->retiring && !l->failed;
}

/* A second try never trusts a connection that was there before the first. */
static struct upstream_h2 *find(const struct proxy_server *s, const struct exchange *x)
{
	struct upstream_h2 *found = NULL;

	LIST_EACH(link, &s->h2) {
		struct upstream_h2 *l = LIST_OF(link, struct upstream_h2, of_server);

		if (!is_usable(l) || (x->tries > 1 && l->dialled_us < x->asked_us) || !room(l))
			continue;
		if (!is_shut(l))
			return l;
		found = l;
	}
	return found;
}

static void begin(struct upstream_h2 *l, struct upstream *u)
{
	nghttp2_data_provider content = {.source.ptr = NULL, .read_callback = upstream_h2_read};
	struct exchange *x = u->x;
	struct head h = {.n = 0};

	u->req_body = x->held ? HTTP_BODY_LENGTH : x->req.body;
	u->req_left = x->held ? x->spool.len : x->req.content_length;
	if (u->req_body == HTTP_BODY_LENGTH && !u->req_left)
		u->req_body = HTTP_BODY_NONE;
	u->req_over = u->req_body == HTTP_BODY_NONE;
	if (!fill(u, &h)) {
		upstream_give_up(u, guard_starved(u->proxy), "the request cannot be written");
		return;
	}
	u->stream = nghttp2_submit_request(l->session, NULL, h.at, h.n, u->req_over ? NULL : &content, u);
	if (u->stream < 0) {
		l->retiring = true;
		u->reused = true;
		upstream_fail(u, REASON_ORIGIN_REFUSED, "the connection takes no more requests");
		return;
	}
	u->state = ASKING;
	u->over = l;
	list_push_last(&l->streams, &u->turn);
	l->streams_n++;
	timer_start(u->proxy->loop, &u->timer, upstream_between_ms(u));
	upstream_h2_wake(l);
}

static bool is_one_coming(const struct proxy_server *s)
{
	LIST_EACH(link, &s->h2)
		if (LIST_OF(link, struct upstream_h2, of_server)->state < UPSTREAM_H2_READY)
			return true;
	return false;
}

/* Who takes no more requests, or no more content, is kept by those that it has, each of which may last as long as its
 * client likes: were it counted, a few of them would keep everybody else out. */
static unsigned in_use(const struct proxy_server *s)
{
	unsigned n = 0;

	LIST_EACH(link, &s->h2) {
		const struct upstream_h2 *l = LIST_OF(link, struct upstream_h2, of_server);

		n += !l->retiring && !(l->state == UPSTREAM_H2_READY && is_shut(l));
	}
	return n;
}

/* One at a time: when it is ready it is seen whether that is enough. */
static bool may_dial(const struct proxy_server *s, int64_t now_ms)
{
	return !is_one_coming(s) && in_use(s) < UPSTREAM_H2_CONNECTIONS && (!s->h2_n || now_ms >= s->h2_again_ms);
}

void upstream_h2_spare(struct upstream_h2 *l)
{
	if (!is_usable(l) || !is_shut(l))
		return;
	LIST_EACH(link, &l->server->h2) {
		const struct upstream_h2 *other = LIST_OF(link, struct upstream_h2, of_server);

		if (is_usable(other) && !is_shut(other))
			return;
	}
	if (may_dial(l->server, loop_ms(l->proxy->loop)))
		upstream_h2_dial(l->origin, l->server);
}

void upstream_h2_serve(struct proxy_server *s)
{
	while (!list_empty(&s->waiting)) {
		struct upstream *u = LIST_OF(s->waiting.next, struct upstream, turn);
		struct upstream_h2 *l = find(s, u->x);

		if (!l) {
			if (may_dial(s, loop_ms(u->proxy->loop)))
				upstream_h2_dial(u->origin, s);
			return;
		}
		list_remove(&u->turn);
		metric_count(l->streams_n || l->answered ? METRIC_ORIGIN_POOLED : METRIC_ORIGIN_NEW);
		begin(l, u);
	}
}

void upstream_h2_ask(struct exchange *x, struct proxy_origin *o, struct proxy_server *s)
{
	struct upstream *u = upstream_new(x, o, s);

	if (!u) {
		exchange_upstream_failed(x, guard_starved(x->proxy), NULL, UPSTREAM_CUT);
		return;
	}
	u->h2 = true;
	u->state = CONNECTING;
	upstream_prepare(u, x);
	timer_start(x->proxy->loop, &u->timer, o->config->connect_ms);
	list_push_last(&s->waiting, &u->turn);
	upstream_h2_serve(s);
}

/* ---- Content ---- */

static void resume(struct upstream *u)
{
	if (!u->deferred || !u->over)
		return;
	u->deferred = false;
	nghttp2_session_resume_data(u->over->session, u->stream);
	upstream_h2_wake(u->over);
}

size_t upstream_h2_body(struct upstream *u, struct slice bytes)
{
	if (u->state != ASKING || u->req_over || buf_len(&u->out) >= WRITE_MOST)
		return 0;
	if (bytes.len > WRITE_MOST)
		bytes.len = WRITE_MOST;
	CHECK(u->req_body != HTTP_BODY_LENGTH || bytes.len <= u->req_left);
	if (!buf_put_slice(&u->out, bytes)) {
		upstream_give_up(u, guard_starved(u->proxy), "no memory for the request's content");
		return 0;
	}
	if (u->req_body == HTTP_BODY_LENGTH)
		u->req_left -= bytes.len;
	upstream_h2_clock(u, upstream_between_ms(u));
	resume(u);
	return bytes.len;
}

void upstream_h2_body_end(struct upstream *u)
{
	if (u->state != ASKING || u->req_over || (u->req_body == HTTP_BODY_LENGTH && u->req_left))
		return;
	u->req_over = true;
	resume(u);
}

ssize_t upstream_h2_read(nghttp2_session *session, int32_t id, uint8_t *at, size_t length, uint32_t *flags,
			 nghttp2_data_source *source, void *user)
{
	struct upstream *u = nghttp2_session_get_stream_user_data(session, id);
	uint32_t n;

	(void)source;
	(void)user;
	/* The exchange has left it meanwhile: its reset is on its way. */
	if (!u)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (!buf_len(&u->out) && !u->req_over)
		exchange_upstream_writable(u->x);
	if (u->state != ASKING)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	n = buf_len(&u->out) < length ? buf_len(&u->out) : (uint32_t)length;
	if (!n && !u->req_over) {
		buf_release(&u->out);
		u->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	if (n)
		memcpy(at, u->out.at + u->out.start, n);
	buf_eat(&u->out, n);
	if (u->req_over && !buf_len(&u->out))
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

/* ---- Leaving ---- */

/* Many an origin ends a connection on which too much is reset (CVE-2023-44487), with all that is on it.  Those who
 * leave shall not do that to others: before it comes to that, what is new goes over another. */
static void count_reset(struct upstream_h2 *l)
{
	if (h2_meter_count(&l->resets, loop_ms(l->proxy->loop)) >= RESETS_MOST)
		l->retiring = true;
}

static void reset(struct upstream *u, uint32_t error)
{
	struct upstream_h2 *l = u->over;

	nghttp2_session_set_stream_user_data(l->session, u->stream, NULL);
	upstream_h2_wake(l);
	if (u->end_sent && u->end_seen)
		return;
	count_reset(l);
	if (nghttp2_submit_rst_stream(l->session, NGHTTP2_FLAG_NONE, u->stream, error))
		l->failed = true;
}

void upstream_h2_part(struct upstream *u)
{
	struct upstream_h2 *l = u->over;

	list_remove(&u->turn);
	if (!l)
		return;
	/* Of what was left, the reset is sent already. */
	if (u->x)
		reset(u, u->refused ? NGHTTP2_PROTOCOL_ERROR : u->end_seen ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
	u->over = NULL;
	upstream_h2_leave_one(l);
}

void upstream_h2_leave(struct upstream *u, struct work_group *g)
{
	if (u->state != ASKING || !u->over || !u->sent_any || u->end_seen) {
		upstream_shut(u);
		return;
	}
	reset(u, NGHTTP2_CANCEL);
	u->state = LEFT;
	u->x = NULL;
	u->mark = u->over->pings + 1;
	work_begin(&u->work, g);
	list_push_last(&u->proxy->left, &u->pooled);
	buf_done(&u->in);
	buf_done(&u->out);
	timer_start(u->proxy->loop, &u->timer, u->origin->config->first_byte_ms);
}

void upstream_h2_noticed(struct upstream_h2 *l)
{
	if (l->pongs == l->pings)
		return;
	l->pongs++;
	LIST_EACH_SAFE(link, &l->streams) {
		struct upstream *u = LIST_OF(link, struct upstream, turn);

		if (u->state == LEFT && u->mark <= l->pongs)
			upstream_shut(u);
	}
	upstream_h2_wake(l);
}

/* Nothing at all has come since it was asked: the connection may be dead.  Whoever waits blames nobody: where all are
 * full the server is at work, and a connection that does not come is blamed once, by itself. */
void upstream_h2_doubt(struct upstream *u)
{
	if (u->state == CONNECTING)
		u->blamed = true;
	else if (u->over && u->x && u->over->heard_us < u->x->asked_us)
		u->over->retiring = true;
	/* Who has the word is the client. */
	if (u->over && u->x && !u->req_over && !buf_len(&u->out))
		u->blamed = true;
}
