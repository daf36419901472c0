/* front_h2.c -- HTTP/2 towards clients: the connection, its bytes, its clocks and its end.
 *
 * Frames are looked at before nghttp2 gets them: what they cost is counted here, and a frame on a stream that is
 * over is judged by how that ended, which nghttp2 forgets.  What goes out is gathered for one write at the end
 * of the loop's turn. */
#include "gateway/proxy/front_h2.h"

#include "gateway/base/fail.h"
#include "gateway/base/log.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/h2_parts.h"

_Static_assert(METRIC_H2_STALL - METRIC_H2_RESETS == H2_COST_STALL - H2_COST_RESETS, "a bound without a counter");

enum {
	PREFACE = 24,
	READ_ROOM = 16384,
	LINGER_BYTES = 4 << 20, /* of a client that sends on, read away so that it reads why it is over */
	TURN_BYTES = 256 << 10, /* of one client, in and out, before others have their turn */
	GOODBYE_MS = 1000,      /* for what a client has sent before it knew that the connection ends */
};

void h2_wake(struct h2 *h)
{
	task_start(h->front->proxy->loop, &h->front->go);
}

/* ---- Ends ---- */

void h2_end(struct h2 *h, uint32_t error)
{
	if (h->over)
		return;
	h->over = true;
	if (nghttp2_session_terminate_session(h->session, error))
		h->failed = true;
	h2_wake(h);
}

static void tell(const struct h2 *h, const char *why)
{
	char text[ADDR_TEXT];

	addr_text(&h->front->peer, text);
	log_info("closed the HTTP/2 connection of %s: %s", text, why);
}

void h2_calm(struct h2 *h, enum h2_cost cost)
{
	if (h->over)
		return;
	h->cost = cost;
	metric_count((enum metric)(METRIC_H2_RESETS + cost - H2_COST_RESETS));
	tell(h, h2_cost_text(cost));
	h2_end(h, NGHTTP2_ENHANCE_YOUR_CALM);
}

void h2_last_goodbye(struct h2 *h)
{
	if (h->going != H2_NOTICED)
		return;
	h->going = H2_GOES;
	if (nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(h->session),
				  NGHTTP2_NO_ERROR, NULL, 0))
		h->failed = true;
	h2_wake(h);
}

/* First that an end is coming, then, when that has been read, which stream was the last (section 6.8): nothing
 * that was on its way is lost. */
void h2_retire(struct h2 *h)
{
	static const uint8_t mark[8] = "goodbye";

	if (h->going != H2_STAYS || h->over)
		return;
	h->going = H2_NOTICED;
	h->noticed_ms = loop_ms(h->front->proxy->loop);
	if (nghttp2_submit_shutdown_notice(h->session) || nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, mark))
		h->failed = true;
	h2_wake(h);
}

static enum reason why_closed(const struct h2 *h, const char **detail)
{
	if (h->cost) {
		*detail = h2_cost_text(h->cost);
		return REASON_H2_BOUND;
	}
	*detail = h->starved ? "memory of the connection is used up" : "the client went away";
	return h->starved ? guard_starved(h->front->proxy) : REASON_CLIENT_LEFT;
}

void h2_close(struct front *f)
{
	struct h2 *h = f->h2;
	const char *detail;
	enum reason why;

	if (!h)
		return;
	why = why_closed(h, &detail);
	LIST_EACH_SAFE(link, &h->streams)
		h2_stream_close(LIST_OF(link, struct h2_stream, link), why, detail);
	work_group_done(&h->work);
	h2_list_done(&h->list);
	nghttp2_session_del(h->session);
	f->h2 = NULL;
	task_stop(&f->go);
	list_remove(&f->idle);
	mem_give(&f->budget, h, sizeof *h);
}

/* ---- What comes in ---- */

static bool is_clients(const struct h2_frame *frame)
{
	return frame->stream & 1;
}

/* On a stream that nghttp2 does not know: begun and over, or skipped.  0, or the error that ends the connection. */
static uint32_t judge_stray(const struct h2 *h, const struct h2_frame *frame)
{
	if (h->going == H2_GOES || !is_clients(frame) || frame->stream > h->fates.newest ||
	    nghttp2_session_find_stream(h->session, (int32_t)frame->stream))
		return NGHTTP2_NO_ERROR;
	switch (h2_fate_of(&h->fates, frame->stream)) {
	case H2_UNUSED:
		return NGHTTP2_PROTOCOL_ERROR;
	case H2_CLOSED:
		return NGHTTP2_STREAM_CLOSED;
	case H2_OLD:
		return frame->type == H2_HEADERS ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_NO_ERROR;
	default:
		return NGHTTP2_NO_ERROR;
	}
}

/* Before nghttp2 gets it.  False: the connection ends with it. */
static bool judge(struct h2 *h, const struct h2_frame *frame)
{
	enum h2_cost cost = h2_budget_frame(&h->budget, frame, loop_ms(h->front->proxy->loop));
	uint32_t error = NGHTTP2_NO_ERROR;

	if (cost) {
		h2_calm(h, cost);
		return false;
	}
	/* In a header block nghttp2 allows nothing but what belongs to it. */
	if (h->block)
		return true;
	if (frame->type == H2_DATA || frame->type == H2_HEADERS)
		error = judge_stray(h, frame);
	/* Of priorities as they were in RFC 7540 nothing is used; they must be well-formed (RFC 9113 section 5.3.2). */
	if (frame->type == H2_PRIORITY && (!frame->stream || (frame->length == 5 && frame->parent == frame->stream)))
		error = NGHTTP2_PROTOCOL_ERROR;
	if (error)
		h2_end(h, error);
	return !error;
}

/* A frame is complete, or its head has been read. */
static void note_progress(struct h2 *h, const struct h2_frame *frame)
{
	if (frame->type == H2_HEADERS && !(frame->flags & H2_END_HEADERS))
		h->block = frame->stream;
	else if (frame->type == H2_HEADERS || (frame->type == H2_CONTINUATION && frame->flags & H2_END_HEADERS))
		h->block = 0;
	/* Content has a clock of its own, that of its stream. */
	if (frame->type == H2_DATA)
		h->frame_ms = 0;
}

/* nghttp2 takes what it needs; what is more than the connection may have, it has had for one frame. */
static bool is_over_budget(struct h2 *h)
{
	const struct budget *b = &h->front->budget;

	if (h->starved || !b->limit || b->used <= b->limit)
		return h->starved;
	h->starved = true;
	metric_count(METRIC_MEMORY_CONNECTION);
	tell(h, "its memory is used up");
	return true;
}

static bool give(struct h2 *h, struct slice bytes)
{
	ssize_t used = nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes.at, bytes.len);

	if (used == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
		h2_end(h, NGHTTP2_PROTOCOL_ERROR);
	} else if (used < 0) {
		log_debug("HTTP/2: %s", nghttp2_strerror((int)used));
		h->failed = true;
	}
	h->failed = h->failed || is_over_budget(h);
	h->over = h->over || !nghttp2_session_want_read(h->session);
	return !h->over && !h->failed;
}

/* The next run of bytes that can be judged as a whole: of the preface, of a payload, or a head with what is here
 * of its payload.  Empty: more must come, or the connection ends. */
static struct slice next_run(struct h2 *h, struct slice in)
{
	struct h2_frame frame;
	uint32_t head;

	if (h->preface || h->left) {
		uint32_t *left = h->preface ? &h->preface : &h->left;
		uint32_t n = in.len < *left ? (uint32_t)in.len : *left;

		*left -= n;
		return slice_first(in, n);
	}
	if (in.len && !h->frame_ms)
		h->frame_ms = loop_ms(h->front->proxy->loop);
	if (in.len < H2_FRAME_HEAD || in.len < (head = h2_peek(in.at)))
		return SLICE_NONE;
	h2_frame_read(in.at, &frame);
	if (!judge(h, &frame))
		return SLICE_NONE;
	note_progress(h, &frame);
	h->left = frame.length - (head - H2_FRAME_HEAD);
	return slice_first(in, head);
}

/* Feed nghttp2 frame by frame; what is left is the beginning of the next. */
static void take_in(struct h2 *h)
{
	struct buf *in = &h->front->in;

	while (buf_len(in) && !h->over && !h->failed) {
		struct slice run = next_run(h, buf_slice(in));

		if (!run.len)
			break;
		if (give(h, run) && !h->left && !h->block)
			h->frame_ms = 0;
		buf_eat(in, (uint32_t)run.len);
	}
	if (h->over)
		buf_eat(in, buf_len(in));
}

/* False: there is nothing to read now. */
static bool read_more(struct h2 *h, size_t *n)
{
	struct front *f = h->front;
	ssize_t got;

	if (!f->sock.readable || h->over || h->failed)
		return false;
	if (!buf_room(&f->in, READ_ROOM - buf_len(&f->in))) {
		h->failed = h->starved = true;
		return false;
	}
	got = sock_read(&f->sock, f->in.at + f->in.end, f->in.cap - f->in.end);
	if (got == SOCK_AGAIN)
		return false;
	if (got < 0) {
		h->failed = true;
		h->gone = got == SOCK_EOF;
		return false;
	}
	f->in.end += (uint32_t)got;
	*n += (size_t)got;
	return true;
}

/* ---- What goes out ---- */

/* Fill `out` up to a record.  False: nghttp2 has nothing more. */
static bool gather(struct h2 *h)
{
	struct buf *out = &h->front->out;
	uint32_t before = buf_len(out);
	const uint8_t *at;
	ssize_t n;

	while (buf_len(out) < H2_OUT_MOST && !h->failed) {
		n = nghttp2_session_mem_send(h->session, &at);
		h->starved = h->starved || (n > 0 && !buf_put(out, at, (size_t)n));
		h->failed = h->failed || h->starved || n < 0;
		/* It has nothing, or what it has does not fit into this record. */
		if (n <= 0)
			return buf_len(out) > before;
	}
	return !h->failed;
}

static void send_out(struct h2 *h, size_t *sent)
{
	struct front *f = h->front;
	bool more = true;

	while (more && !h->failed && *sent < TURN_BYTES && f->sock.writable) {
		more = gather(h);
		while (buf_len(&f->out) && f->sock.writable && !h->failed) {
			ssize_t n = sock_write(&f->sock, f->out.at + f->out.start, buf_len(&f->out));

			if (n == SOCK_BROKEN)
				h->failed = true;
			if (n <= 0)
				return;
			f->sent += (uint64_t)n;
			*sent += (size_t)n;
			buf_eat(&f->out, (uint32_t)n);
		}
	}
}

/* ---- The turn of a connection ---- */

static void feed_wanting(struct h2 *h)
{
	struct list now;

	if (list_empty(&h->wanting))
		return;
	/* Who wants more while it is fed has its turn in the next one. */
	list_push_first(&h->wanting, &now);
	list_remove(&h->wanting);
	while (!list_empty(&now)) {
		struct h2_stream *s = LIST_OF(now.next, struct h2_stream, turn);

		list_remove(&s->turn);
		h2_stream_feed(s);
	}
}

static bool is_done(const struct h2 *h)
{
	return !buf_len(&h->front->out) && !nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session);
}

/* Between two requests the connection costs as little as it can. */
static void rest(struct h2 *h)
{
	buf_release(&h->front->in);
	buf_release(&h->front->out);
	h2_list_done(&h->list);
}

/* Since when it is idle counts, not what else it sends meanwhile. */
static int64_t idle_left_ms(const struct h2 *h)
{
	const struct front *f = h->front;
	const struct config_client *c = &f->proxy->config->client;

	return h->idle_ms + (f->requests ? c->keep_alive_ms : c->head_ms) - loop_ms(f->proxy->loop);
}

static void set_clock(struct h2 *h)
{
	struct front *f = h->front;
	bool busy = h->streams_n || h->frame_ms || h->going == H2_NOTICED || buf_len(&f->out);

	if (busy == f->ticking)
		return;
	f->ticking = busy;
	h->ticked_ms = loop_ms(f->proxy->loop);
	timer_start(f->proxy->loop, &f->timer, busy ? front_tick_ms(f) : idle_left_ms(h));
}

void h2_go(struct front *f)
{
	struct h2 *h = f->h2;
	size_t in = 0, out = 0;

	do {
		take_in(h);
		feed_wanting(h);
	} while (in < TURN_BYTES && read_more(h, &in));
	send_out(h, &out);
	if (h->failed || is_over_budget(h)) {
		front_shut(f, !h->gone);
		return;
	}
	if (is_done(h)) {
		h2_close(f);
		front_linger(f, LINGER_BYTES);
		return;
	}
	if (in >= TURN_BYTES || out >= TURN_BYTES || !list_empty(&h->wanting))
		h2_wake(h);
	if (!h->streams_n)
		rest(h);
	set_clock(h);
}

/* ---- Clocks ---- */

/* Nothing that is sent arrives: the socket is full, or the window of the whole connection is shut. */
static bool is_stuck(const struct h2 *h)
{
	if (!h->front->sock.writable)
		return true;
	return h->streams_n && nghttp2_session_get_remote_window_size(h->session) <= 0;
}

static bool is_slow_reading(struct h2 *h, int64_t now_ms)
{
	struct front *f = h->front;
	const struct config_client *c = &f->proxy->config->client;
	int64_t taken = (int64_t)(f->sent - h->stalled_sent);

	if (!is_stuck(h) || !h->stalled_ms) {
		h->stalled_ms = is_stuck(h) ? now_ms : 0;
		h->stalled_sent = f->sent;
		return false;
	}
	if (now_ms - h->stalled_ms < c->stall_ms)
		return false;
	h->stalled_ms = now_ms;
	h->stalled_sent = f->sent;
	return !taken || taken < c->body_rate * c->stall_ms / 1000;
}

/* A head that takes too long is refused as in HTTP/1.1, though nobody reads why; its connection ends. */
static void end_slow_head(struct h2 *h)
{
	struct h2_stream *s = h->block ? nghttp2_session_get_stream_user_data(h->session, (int32_t)h->block) : NULL;

	if (s)
		h2_stream_malformed(s, REASON_SLOW_HEAD, "the header section took too long");
	h2_end(h, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void tick(struct h2 *h)
{
	struct front *f = h->front;
	int64_t now = loop_ms(f->proxy->loop), passed = now - h->ticked_ms;

	h->ticked_ms = now;
	timer_start(f->proxy->loop, &f->timer, front_tick_ms(f));
	if (is_slow_reading(h, now)) {
		h2_calm(h, H2_COST_STALL);
		/* Where the socket is full, not even that can be said. */
		if (!f->sock.writable)
			front_shut(f, true);
		return;
	}
	LIST_EACH(link, &h->streams)
		h2_stream_tick(LIST_OF(link, struct h2_stream, link), now, passed);
	if (h->frame_ms && now - h->frame_ms > f->proxy->config->client.head_ms)
		end_slow_head(h);
	if (!h->streams_n && idle_left_ms(h) <= 0)
		h2_end(h, NGHTTP2_NO_ERROR);
	if (h->going == H2_NOTICED && now - h->noticed_ms >= GOODBYE_MS)
		h2_last_goodbye(h);
	h2_wake(h);
}

void h2_late(struct front *f)
{
	struct h2 *h = f->h2;

	if (f->ticking) {
		tick(h);
		return;
	}
	h2_end(h, NGHTTP2_NO_ERROR);
}

/* ---- For the others ---- */

bool h2_is_idle(const struct front *f)
{
	return !f->h2->streams_n;
}

void h2_say_goodbye(struct front *f)
{
	size_t sent = 0;

	h2_end(f->h2, NGHTTP2_NO_ERROR);
	send_out(f->h2, &sent);
}

bool h2_end_tunnels(struct front *f, const char *why)
{
	bool others = false;
	size_t sent = 0;

	LIST_EACH_SAFE(link, &f->h2->streams) {
		struct h2_stream *s = LIST_OF(link, struct h2_stream, link);

		if (s->x && s->x->tunnel.open)
			exchange_end_tunnel(s->x, why);
		else
			others = others || s->x;
	}
	send_out(f->h2, &sent);
	return !others;
}

void h2_drain(struct front *f)
{
	if (f->h2->streams_n)
		h2_retire(f->h2);
	else
		h2_end(f->h2, NGHTTP2_NO_ERROR);
}

bool h2_open(struct front *f)
{
	struct h2 *h = mem_take_zeroed(&f->budget, sizeof *h);

	if (!h)
		return false;
	h->front = f;
	h->preface = PREFACE;
	h->idle_ms = loop_ms(f->proxy->loop);
	list_init(&h->streams);
	list_init(&h->wanting);
	work_group_init(&h->work);
	h2_list_init(&h->list, &f->budget);
	if (!h2_session_open(h)) {
		nghttp2_session_del(h->session);
		mem_give(&f->budget, h, sizeof *h);
		return false;
	}
	f->h2 = h;
	f->ticking = false;
	f->phase = FRONT_H2;
	f->body_over = false;
	timer_start(f->proxy->loop, &f->timer, idle_left_ms(h));
	metric_count(METRIC_H2_CONNECTIONS);
	if (f->proxy->draining)
		h2_retire(h);
	return true;
}
