/* upstream_h2_session.c -- what nghttp2 makes of what an origin server sends, and the bounds on that.
 *
 * All but upstream_h2_count runs inside nghttp2_session_mem_recv or nghttp2_session_mem_send. */
#include "gateway/base/metric.h"
#include "gateway/proxy/upstream_h2.h"

enum {
	CONNECTION_WINDOW = 4 << 20, /* of content on its way; what waits here is bounded by the streams' windows */
	SETTINGS_ENTRIES_MOST = 32,
	UNSENT_ACKS_MOST = 100,
	CONTINUATIONS_MOST = 8,      /* of one header block */
	CONTROL_MOST = 1200,         /* a minute: servers measure by pings how much they may have on its way */
	WINDOWS_FREE = 1000,
	WINDOWS_OF_REQUEST = 4,
	WINDOWS_OF_DATA = 10,        /* for each frame of content that was sent */
};

/* The same for all connections of a worker; made with the first. */
static nghttp2_session_callbacks *callbacks;
static nghttp2_option *options;

static struct upstream *asked(nghttp2_session *session, int32_t id)
{
	return id ? nghttp2_session_get_stream_user_data(session, id) : NULL;
}

static int give_up(struct upstream_h2 *l, const char *why)
{
	l->failed = true;
	if (!l->why)
		l->why = why;
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* ---- Bounds ---- */

static bool one_more_control(struct upstream_h2 *l)
{
	return h2_meter_count(&l->control, loop_ms(l->proxy->loop)) <= CONTROL_MOST;
}

/* The answer to a ping of ours: clients who leave cause as many as they like, and the origin has to send them. */
static bool is_pong(struct upstream_h2 *l, uint8_t type, uint8_t flags)
{
	return type == H2_PING && flags & H2_ACK && l->pongs_counted < l->pings && ++l->pongs_counted;
}

/* CONTINUATION has a bound in nghttp2 as well; so has the length of any frame. */
static bool is_worth(struct upstream_h2 *l, uint32_t length, uint8_t type, uint8_t flags)
{
	switch (type) {
	case H2_HEADERS:
		l->continuations = 0;
		return true;
	case H2_RST_STREAM: /* as many as there are requests */
		return true;
	case H2_CONTINUATION:
		return ++l->continuations <= CONTINUATIONS_MOST;
	case H2_WINDOW_UPDATE:
		return ++l->windows <= WINDOWS_FREE + l->windows_granted;
	case H2_DATA:
		return length || flags & H2_END_STREAM || one_more_control(l);
	default:
		return is_pong(l, type, flags) || one_more_control(l);
	}
}

bool upstream_h2_count(struct upstream_h2 *l, struct slice in)
{
	while (in.len) {
		size_t n = l->skip ? l->skip : (size_t)H2_FRAME_HEAD - l->head_n;
		const uint8_t *h = (const uint8_t *)l->head;

		n = n < in.len ? n : in.len;
		if (l->skip) {
			l->skip -= (uint32_t)n;
		} else {
			memcpy(l->head + l->head_n, in.at, n);
			l->head_n += (uint8_t)n;
		}
		in = slice_after(in, n);
		if (l->head_n < H2_FRAME_HEAD)
			continue;
		l->head_n = 0;
		l->skip = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
		if (!is_worth(l, l->skip, h[3], h[4])) {
			give_up(l, "the origin sent more frames than its answers are worth");
			return false;
		}
	}
	return true;
}

/* ---- Header lists ---- */

static struct h1_limits limits_of(const struct upstream_h2 *l)
{
	const struct config_client *c = &l->proxy->config->client;

	return (struct h1_limits){(uint32_t)c->head_bytes, (uint32_t)c->target_bytes, (uint32_t)c->fields};
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct upstream *u = asked(session, frame->hd.stream_id);
	struct upstream_h2 *l = user;

	h2_list_clear(&l->list);
	if (u)
		u->got_any = true;
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
		     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
	struct upstream_h2 *l = user;
	struct h1_limits limits = limits_of(l);

	(void)session;
	(void)frame;
	(void)flags;
	if (h2_list_add(&l->list, &limits, slice_make((const char *)name, name_len), slice_make((const char *)value, value_len)))
		return 0;
	return give_up(l, "the origin's header list is several times beyond the bounds");
}

/* nghttp2 would go on without a field whose name or value is none: here the stream ends. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
			     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
	(void)session;
	(void)frame;
	(void)name;
	(void)name_len;
	(void)value;
	(void)value_len;
	(void)flags;
	(void)user;
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* ---- Frames ---- */

static void settled(struct upstream_h2 *l)
{
	if (l->state != UPSTREAM_H2_SETTLING)
		return;
	l->state = UPSTREAM_H2_READY;
	metric_span(SPAN_CONNECT, loop_us(l->proxy->loop) - l->dialled_us);
	timer_start(l->proxy->loop, &l->timer, l->origin->config->idle_ms);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct upstream *u = asked(session, frame->hd.stream_id);
	bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	struct upstream_h2 *l = user;

	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
		if (u)
			upstream_h2_heard(u, ended);
		break;
	case NGHTTP2_DATA:
		if (u && ended)
			upstream_h2_ended(u);
		break;
	case NGHTTP2_SETTINGS:
		if (!(frame->hd.flags & NGHTTP2_FLAG_ACK))
			settled(l);
		break;
	case NGHTTP2_GOAWAY:
		/* What it has not begun nghttp2 closes next, as refused. */
		l->retiring = true;
		break;
	case NGHTTP2_PING:
		if (frame->hd.flags & NGHTTP2_FLAG_ACK)
			upstream_h2_noticed(l);
		break;
	default:
		break;
	}
	return l->failed ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* nghttp2 resets the stream, or ends the session. */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
	struct upstream *u = asked(session, frame->hd.stream_id);
	struct upstream_h2 *l = user;

	if (u)
		u->refused = true;
	else if (!l->why && !frame->hd.stream_id)
		l->why = nghttp2_strerror(error);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *at, size_t n, void *user)
{
	struct upstream *u = asked(session, id);
	struct upstream_h2 *l = user;

	(void)flags;
	nghttp2_session_consume_connection(session, n);
	if (u)
		upstream_h2_content(u, slice_make((const char *)at, n));
	return l->failed ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* on_frame_send comes with the frame behind it, when this one may have been written and the connection broken. */
static int on_frame_leaves(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct upstream *u = asked(session, frame->hd.stream_id);

	(void)user;
	if (u && frame->hd.type == NGHTTP2_HEADERS)
		u->sent_any = true;
	return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct upstream *u = asked(session, frame->hd.stream_id);
	struct upstream_h2 *l = user;

	if (frame->hd.type == NGHTTP2_DATA)
		l->windows_granted += WINDOWS_OF_DATA;
	if (frame->hd.type == NGHTTP2_HEADERS)
		l->windows_granted += WINDOWS_OF_REQUEST;
	if (u && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA)) {
		u->end_sent = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
		if (u->end_sent && !u->got_any)
			upstream_h2_clock(u, u->origin->config->first_byte_ms);
	}
	return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
	struct upstream *u = asked(session, id);

	(void)user;
	if (u)
		upstream_h2_closed(u, error);
	return 0;
}

/* ---- Opening ---- */

static bool make_callbacks(void)
{
	if (callbacks)
		return true;
	if (nghttp2_option_new(&options))
		return false;
	if (nghttp2_session_callbacks_new(&callbacks)) {
		nghttp2_option_del(options);
		callbacks = NULL;
		return false;
	}
	nghttp2_option_set_no_auto_window_update(options, 1);
	nghttp2_option_set_max_outbound_ack(options, UNSENT_ACKS_MOST);
	nghttp2_option_set_max_settings(options, SETTINGS_ENTRIES_MOST);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_before_frame_send_callback(callbacks, on_frame_leaves);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	return true;
}

bool upstream_h2_session_open(struct upstream_h2 *l)
{
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)l->proxy->config->client.head_bytes},
	};

	h2_memory_init(&l->mem, &l->proxy->memory);
	return make_callbacks() && !nghttp2_session_client_new3(&l->session, callbacks, l, options, &l->mem) &&
	       !nghttp2_submit_settings(l->session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings) &&
	       !nghttp2_session_set_local_window_size(l->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
}
