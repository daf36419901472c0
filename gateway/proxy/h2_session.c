/* h2_session.c -- what nghttp2 makes of what a client sends, and of what it has sent for us.
 *
 * Everything here runs inside nghttp2_session_mem_recv or nghttp2_session_mem_send. */
#include "gateway/proxy/h2_parts.h"

#include "gateway/base/fail.h"
#include "gateway/proxy/h2_memory.h"

enum {
	SETTINGS_ENTRIES_MOST = 32,
	UNSENT_ACKS_MOST = 100,
	MEMORY_LEFT = 128 << 10,
	REQUESTS_BEYOND = 100, /* of a client that has been told that the connection ends */
};

/* The same for all connections of a worker; made with the first. */
static nghttp2_session_callbacks *callbacks;
static nghttp2_option *options;

struct h1_limits h2_limits(const struct h2 *h)
{
	const struct config_client *c = &h->front->proxy->config->client;

	return (struct h1_limits){(uint32_t)c->head_bytes, (uint32_t)c->target_bytes, (uint32_t)c->fields};
}

static struct h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
	return id ? nghttp2_session_get_stream_user_data(session, id) : NULL;
}

/* ---- Header lists ---- */

/* What was left and still does something counts as well: a client cannot have more at work by leaving it.  And
 * the streams that are there shall not fail for want of memory that a new one has. */
static bool has_room(const struct h2 *h)
{
	const struct config_client *c = &h->front->proxy->config->client;
	const struct budget *b = &h->front->budget;

	return h->streams_n < c->streams && h->work.n < c->streams && b->used + MEMORY_LEFT <= b->limit;
}

/* After so many the connection ends; a client that does not hear is not waited for. */
static void count_request(struct h2 *h)
{
	uint64_t most = (uint64_t)h->front->proxy->config->client.requests;

	if (++h->front->requests >= most)
		h2_retire(h);
	if (h->front->requests >= most + REQUESTS_BEYOND)
		h2_last_goodbye(h);
}

/* nghttp2 keeps what it says; here only that it has come. */
static void note_early(struct h2 *h, const nghttp2_ext_priority_update *said)
{
	if ((uint32_t)said->stream_id > h->fates.newest)
		h->early[h->early_n++ % H2_EARLY] = said->stream_id;
}

static bool came_early(const struct h2 *h, int32_t id)
{
	for (unsigned i = 0; i < H2_EARLY; i++)
		if (h->early[i] == id)
			return true;
	return false;
}

/* One after the other is given its share, unless the client says that it wants one whole (RFC 9218 section 10 leaves
 * that to the server). */
static void take_turns(struct h2 *h, int32_t id)
{
	const nghttp2_extpri in_turn = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};

	if (!came_early(h, id))
		nghttp2_session_change_extpri_stream_priority(h->session, id, &in_turn, 0);
}

static int open_stream(struct h2 *h, int32_t id)
{
	struct h2_stream *s = has_room(h) ? h2_stream_open(h, id) : NULL;

	count_request(h);
	h2_budget_request(&h->budget);
	h2_fate_set(&h->fates, (uint32_t)id, H2_OPEN);
	if (!s) {
		nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	nghttp2_session_set_stream_user_data(h->session, id, s);
	take_turns(h, id);
	return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2 *h = user;

	(void)session;
	h2_list_clear(&h->list);
	return frame->headers.cat == NGHTTP2_HCAT_REQUEST ? open_stream(h, frame->hd.stream_id) : 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
		     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
	struct h2 *h = user;
	struct h1_limits limits = h2_limits(h);

	(void)session;
	(void)frame;
	(void)flags;
	if (h2_list_add(&h->list, &limits, slice_make((const char *)name, name_len), slice_make((const char *)value, value_len)))
		return 0;
	h2_calm(h, H2_COST_FIELDS);
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* ---- Frames ---- */

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2_stream *s = stream_of(session, frame->hd.stream_id);
	bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	struct h2 *h = user;

	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
		if (s && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
			h2_stream_begin(s, ended);
		else if (s && ended)
			h2_stream_trailed(s);
		break;
	case NGHTTP2_DATA:
		if (s && ended)
			h2_stream_ended(s);
		break;
	case NGHTTP2_RST_STREAM:
		if (s)
			s->why = "the client left the stream";
		break;
	case NGHTTP2_PRIORITY_UPDATE:
		note_early(h, frame->ext.payload);
		break;
	case NGHTTP2_PING:
		if (frame->hd.flags & NGHTTP2_FLAG_ACK)
			h2_last_goodbye(h);
		break;
	default:
		break;
	}
	return h->failed ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* nghttp2 resets the stream, or ends the session. */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
	struct h2_stream *s = stream_of(session, frame->hd.stream_id);
	struct h2 *h = user;

	if (frame->hd.stream_id & 1 && error == NGHTTP2_ERR_REFUSED_STREAM)
		h2_fate_set(&h->fates, (uint32_t)frame->hd.stream_id, H2_RESET);
	if (s && frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		h2_stream_malformed(s, REASON_BAD_REQUEST, "a malformed header list");
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *at, size_t n, void *user)
{
	struct h2_stream *s = stream_of(session, id);
	struct h2 *h = user;

	(void)flags;
	if (s)
		h2_stream_content(s, slice_make((const char *)at, n));
	else
		nghttp2_session_consume_connection(session, n);
	return h->failed ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* ---- What went out ---- */

/* The answer is sent, and the client still sends: what it sends is not wanted (section 8.1). */
static void answer_sent(struct h2_stream *s)
{
	s->finished = true;
	if (!s->remote_ended)
		nghttp2_submit_rst_stream(s->h2->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
}

static void reset_sent(struct h2 *h, struct h2_stream *s, int32_t id)
{
	/* What the client provoked counts as if it had reset it: it costs the same. */
	bool provoked = !s || (!s->ours && !s->finished);

	if (id & 1)
		h2_fate_set(&h->fates, (uint32_t)id, H2_RESET);
	if (provoked && !h2_budget_count(&h->budget, H2_COST_RESETS, loop_ms(h->front->proxy->loop)))
		h2_calm(h, H2_COST_RESETS);
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2_stream *s = stream_of(session, frame->hd.stream_id);
	struct h2 *h = user;

	if (frame->hd.type == NGHTTP2_DATA)
		h2_budget_data(&h->budget);
	if (frame->hd.type == NGHTTP2_RST_STREAM)
		reset_sent(h, s, frame->hd.stream_id);
	else if (s && (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
		 frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		answer_sent(s);
	return 0;
}

/* A frame that was made in place: its head goes in front of its content. */
static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t length,
			nghttp2_data_source *source, void *user)
{
	struct h2_stream *s = source->ptr;
	struct h2 *h = user;
	struct buf *out = &h->front->out;

	(void)session;
	(void)frame;
	CHECK(length == h->given && out->cap - out->end >= H2_FRAME_HEAD + length);
	memcpy(out->at + out->end, head, H2_FRAME_HEAD);
	out->end += (uint32_t)(H2_FRAME_HEAD + length);
	s->sent += length;
	return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
	struct h2_stream *s = stream_of(session, id);
	struct h2 *h = user;
	bool malformed = error == NGHTTP2_PROTOCOL_ERROR && s && !s->why && !h->over;

	if (id & 1 && h2_fate_of(&h->fates, (uint32_t)id) == H2_OPEN)
		h2_fate_set(&h->fates, (uint32_t)id, H2_CLOSED);
	if (malformed)
		h2_stream_close(s, REASON_BAD_REQUEST, "content that is not what its head says");
	else if (s)
		h2_stream_close(s, REASON_CLIENT_LEFT, s->why ? s->why : "the stream was closed");
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
	nghttp2_option_set_builtin_recv_extension_type(options, NGHTTP2_PRIORITY_UPDATE);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
	nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	return true;
}

bool h2_session_open(struct h2 *h)
{
	const struct config *config = h->front->proxy->config;
	const struct config_client *c = &config->client;
	/* The last one is for where some site passes WebSocket on (RFC 8441 section 3). */
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)c->streams},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)c->head_bytes},
		/* What RFC 7540 had is not looked at; RFC 9218 is. */
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
		{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
	};
	size_t n = sizeof settings / sizeof *settings - !config->websocket_used;

	h2_memory_init(&h->mem, &h->front->budget);
	return make_callbacks() && !nghttp2_session_server_new3(&h->session, callbacks, h, options, &h->mem) &&
	       !nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, n) &&
	       !nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, H2_CONNECTION_WINDOW);
}
