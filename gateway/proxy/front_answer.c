/* front_answer.c -- HTTP/1.1 towards clients: heads and content of answers. */
#include "gateway/proxy/front_parts.h"

enum { OUT_MOST = 16384 }; /* one TLS record */

void front_break_off(struct front *f)
{
	f->broken = true;
	task_start(f->proxy->loop, &f->go);
}

void front_flush(struct front *f)
{
	while (buf_len(&f->out) && !f->broken) {
		ssize_t n = sock_write(&f->sock, f->out.at + f->out.start, buf_len(&f->out));

		if (n == SOCK_BROKEN)
			front_break_off(f);
		if (n <= 0)
			return;
		f->sent += (uint64_t)n;
		buf_eat(&f->out, (uint32_t)n);
	}
}

static enum http_body framing(const struct exchange *x, enum http_body body)
{
	if (body != HTTP_BODY_CHUNKED && body != HTTP_BODY_CLOSE)
		return body;
	return x->req.minor > 0 ? HTTP_BODY_CHUNKED : HTTP_BODY_CLOSE;
}

/* May another request follow on this connection?  Not behind content that will not be read. */
static bool may_keep(const struct front *f, const struct exchange *x, enum http_body body)
{
	const struct proxy *p = f->proxy;

	/* An HTTP/1.0 client is always answered and left: keeping it is a matter of luck. */
	if (!x->req.keep_alive || !x->req.minor || p->draining || f->requests >= (uint64_t)p->config->client.requests)
		return false;
	if (body == HTTP_BODY_CLOSE || f->body == HTTP_BODY_CLOSE)
		return false;
	return f->body_over || (f->body == HTTP_BODY_LENGTH && f->left <= FRONT_DRAIN_BYTES && !x->expecting);
}

static void op_head(struct exchange *x, unsigned status, const struct fields *fields, const struct fields *extra,
		    enum http_body body, uint64_t length)
{
	struct front *f = x->stream;

	if (status == 101) {
		/* From here on the connection has no other request. */
		f->tunnel = true;
		f->body = HTTP_BODY_LENGTH;
		f->left = UINT64_MAX;
		f->body_over = false;
	}
	if (status >= 200) {
		body = framing(x, body);
		f->keep = may_keep(f, x, body);
		f->out_chunked = body == HTTP_BODY_CHUNKED && !x->req.head;
	}
	if (!h1_write_response(&f->out, status, fields, extra, body, length, status < 200 || f->keep))
		front_break_off(f);
	else
		task_start(f->proxy->loop, &f->go);
}

static size_t put_chunk(struct front *f, struct slice bytes)
{
	char head[20];
	unsigned n;

	if (buf_len(&f->out) >= OUT_MOST)
		front_flush(f);
	if (buf_len(&f->out) >= OUT_MOST)
		return 0;
	if (bytes.len > OUT_MOST)
		bytes.len = OUT_MOST;
	n = h1_chunk_head(head, bytes.len);
	if (!buf_room(&f->out, n + (uint32_t)bytes.len + 2)) {
		front_break_off(f);
		return 0;
	}
	buf_put(&f->out, head, n);
	buf_put_slice(&f->out, bytes);
	buf_put(&f->out, "\r\n", 2);
	task_start(f->proxy->loop, &f->go);
	return bytes.len;
}

/* What fits beside the head goes into one record with it; larger runs are sent from where they are. */
static size_t put_plain(struct front *f, struct slice bytes)
{
	size_t taken = 0;

	/* A large head alone may be more than that. */
	if (buf_len(&f->out) >= OUT_MOST)
		front_flush(f);
	if (buf_len(&f->out) >= OUT_MOST)
		return 0;
	if (buf_len(&f->out) + bytes.len <= OUT_MOST || buf_len(&f->out)) {
		taken = OUT_MOST - buf_len(&f->out);
		if (taken > bytes.len)
			taken = bytes.len;
		if (!buf_put(&f->out, bytes.at, taken)) {
			front_break_off(f);
			return 0;
		}
		task_start(f->proxy->loop, &f->go);
		if (taken == bytes.len)
			return taken;
		front_flush(f);
	}
	while (taken < bytes.len && !buf_len(&f->out) && f->sock.writable && !f->broken) {
		size_t n = bytes.len - taken;
		ssize_t put = sock_write(&f->sock, bytes.at + taken, n > OUT_MOST ? OUT_MOST : n);

		if (put == SOCK_BROKEN)
			front_break_off(f);
		if (put <= 0)
			break;
		taken += (size_t)put;
		f->sent += (uint64_t)put;
	}
	return taken;
}

static size_t op_body(struct exchange *x, struct slice bytes)
{
	struct front *f = x->stream;
	size_t taken = 0;

	if (f->broken || !bytes.len)
		return 0;
	if (!f->out_chunked)
		return put_plain(f, bytes);
	while (taken < bytes.len) {
		size_t n = put_chunk(f, slice_after(bytes, taken));

		if (!n)
			break;
		taken += n;
	}
	return taken;
}

static void op_end(struct exchange *x, bool whole)
{
	struct front *f = x->stream;

	f->x = NULL;
	if (!whole) {
		front_flush(f);
		front_break_off(f);
		return;
	}
	if (f->out_chunked && !h1_write_last_chunk(&f->out, http_takes_trailers(&x->req.fields) ? exchange_trailers(x) : NULL))
		front_break_off(f);
	f->out_chunked = false;
	f->phase = FRONT_FLUSHING;
	front_flush(f);
	if (!buf_len(&f->out) && f->body_over && f->keep && !buf_len(&f->in) && !f->broken)
		front_next_request(f);
	else
		task_start(f->proxy->loop, &f->go);
}

static void op_want(struct exchange *x)
{
	struct front *f = x->stream;

	task_start(f->proxy->loop, &f->go);
}

static void op_go_ahead(struct exchange *x)
{
	struct front *f = x->stream;

	if (!buf_put(&f->out, "HTTP/1.1 100 Continue\r\n\r\n", 25))
		front_break_off(f);
	front_flush(f);
}

const struct exchange_front front_operations = {
	.version = 1, .head = op_head, .body = op_body, .end = op_end, .want = op_want, .go_ahead = op_go_ahead,
};
