/* front_request.c -- HTTP/1.1 from clients: heads and content of requests. */
#include "gateway/proxy/front_parts.h"
#include "gateway/proxy/quarantine.h"
#include "gateway/proxy/shed.h"

/* ---- Heads ---- */

void front_introduce(const struct front *f, struct exchange *x)
{
	x->peer = f->peer;
	x->hop = f->hop;
	x->hopped = f->hopped;
	x->facts.client = f->peer;
	x->facts.client_port = f->peer_port;
	x->req.minor = 1;
	if (!f->sock.tls)
		return;
	x->tls = f->sock.tls;
	x->facts.secure = true;
	x->facts.tls_version = slice_of(tls_version(f->sock.tls));
	x->facts.tls_sni = tls_sni(f->sock.tls);
	x->facts.policy_facts.tls_version = tls_version_number(f->sock.tls);
	x->facts.policy_facts.tls_sni = x->facts.tls_sni;
}

static struct exchange *begin(struct front *f)
{
	struct exchange *x = exchange_new(f->proxy, &f->budget, &front_operations, f);

	if (!x) {
		front_shut(f, true);
		return NULL;
	}
	f->x = x;
	list_remove(&f->idle);
	f->requests++;
	f->phase = FRONT_BUSY;
	f->keep = f->out_chunked = false;
	f->pending = 0;
	f->body_bytes = 0;
	f->body_waited_ms = f->stalled_ms = 0;
	f->ticked_ms = loop_ms(f->proxy->loop);
	timer_start(f->proxy->loop, &f->timer, front_tick_ms(f));
	front_introduce(f, x);
	return x;
}

/* What cannot be a request ends the connection: where the next one would begin is unknown. */
void front_refuse_head(struct front *f, enum reason reason, unsigned status, const char *why)
{
	struct exchange *x = begin(f);

	if (!x)
		return;
	/* As far as one can tell: an answer to HEAD has no content, whatever is wrong with it. */
	x->req.head = slice_starts(buf_slice(&f->in), SLICE("HEAD "));
	f->body = HTTP_BODY_CLOSE;
	f->body_over = false;
	exchange_refuse(x, reason, status, why);
}

static enum reason reason_of(const struct exchange *x, unsigned status)
{
	switch (status) {
	case 405:
		return REASON_METHOD;
	case 414:
		return REASON_TARGET_TOO_LONG;
	case 417:
		return REASON_EXPECTATION;
	case 421:
		return REASON_UNKNOWN_HOST;
	case 431:
		return REASON_HEAD_TOO_LARGE;
	case 503:
		return guard_starved(x->proxy);
	default:
		return REASON_BAD_REQUEST;
	}
}

void front_refuse_request(struct exchange *x, unsigned status, const char *why)
{
	exchange_refuse(x, reason_of(x, status), status == 503 ? guard_starved_head(x->proxy) : status, why);
}

bool front_is_shed(const struct front *f)
{
	return shed_request(f->proxy, f->sock.tls || f->requests > 1 ? SHED_REQUEST : SHED_CONNECTION);
}

static void start_request(struct front *f, struct slice head)
{
	const struct config_client *c = &f->proxy->config->client;
	struct h1_limits limits = {(uint32_t)c->head_bytes, (uint32_t)c->target_bytes, (uint32_t)c->fields};
	struct exchange *x = begin(f);
	const char *why = NULL;
	unsigned status;

	if (!x)
		return;
	x->print = f->print = quarantine_print(f->proxy, head);
	quarantine_mark(f->proxy, f->print);
	if (quarantine_has(f->proxy, f->print)) {
		buf_eat(&f->in, (uint32_t)head.len);
		f->body = HTTP_BODY_CLOSE;
		f->body_over = false;
		exchange_refuse(x, REASON_QUARANTINED, 0, "the same request has killed workers");
		return;
	}
	status = h1_request(&x->arena, head, &limits, f->serve == CONFIG_HTTPS, &x->req, &why);
	buf_eat(&f->in, (uint32_t)head.len);
	if (status) {
		f->body = HTTP_BODY_CLOSE;
		f->body_over = false;
		front_refuse_request(x, status, why);
		return;
	}
	f->body = x->req.body;
	f->left = x->req.content_length;
	f->body_over = f->body == HTTP_BODY_NONE || (f->body == HTTP_BODY_LENGTH && !f->left);
	h1_chunks_init(&f->chunks);
	if (f->body_over)
		x->body_ended = true;
	if (front_is_shed(f))
		exchange_refuse(x, REASON_OVERLOAD, 0, "the worker is late");
	else
		exchange_start(x, f->serve == CONFIG_REDIRECT);
}

/* HTTP/2 without TLS begins with what is no request (RFC 9113 section 3.4), where the listener takes it.  True: it
 * does so, or may do so yet. */
static bool begins_as_h2(const struct front *f, bool *whole)
{
	static const struct slice preface = {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24};
	struct slice in = buf_slice(&f->in);
	size_t n = in.len < preface.len ? in.len : preface.len;

	*whole = n == preface.len;
	return f->http2 && !f->sock.tls && !f->requests && !f->scan.seen &&
	       slice_eq(slice_first(in, n), slice_first(preface, n));
}

bool front_parse_head(struct front *f)
{
	const struct config_client *c = &f->proxy->config->client;
	const char *why = "not HTTP";
	uint32_t len;
	bool whole;

	if (!f->skipped_line && !f->scan.seen && buf_len(&f->in) && f->in.at[f->in.start] == '\r') {
		if (buf_len(&f->in) < 2)
			return false;
		if (f->in.at[f->in.start + 1] == '\n') {
			buf_eat(&f->in, 2);
			f->skipped_line = true;
		}
	}
	if (!buf_len(&f->in))
		return false;
	if (f->phase == FRONT_IDLE) {
		f->phase = FRONT_HEAD;
		list_remove(&f->idle);
		list_push_last(&f->proxy->idle, &f->idle);
		timer_start(f->proxy->loop, &f->timer, c->head_ms);
	}
	if (begins_as_h2(f, &whole)) {
		if (whole)
			front_speak_h2(f);
		return whole;
	}
	switch (h1_scan(&f->scan, buf_slice(&f->in), &len, &why)) {
	case H1_HEAD:
		if (len > c->head_bytes)
			front_refuse_head(f, REASON_HEAD_TOO_LARGE, 0, "the header section is too large");
		else
			start_request(f, slice_first(buf_slice(&f->in), len));
		return true;
	case H1_BAD:
		front_refuse_head(f, REASON_BAD_REQUEST, 0, why);
		return true;
	case H1_MORE:
		if (buf_len(&f->in) < c->head_bytes)
			return false;
		if (!f->scan.first_line_done)
			front_refuse_head(f, REASON_TARGET_TOO_LONG, 0, "the request line is too long");
		else
			front_refuse_head(f, REASON_HEAD_TOO_LARGE, 0, "the header section is too large");
		return true;
	}
	return false;
}

/* ---- Content ---- */

/* Where decoded content goes: to the exchange, or nowhere when its answer is complete. */
static size_t deliver(struct front *f, struct slice bytes)
{
	if (f->x)
		return exchange_body(f->x, bytes);
	f->drained += (uint32_t)bytes.len;
	return bytes.len;
}

static void body_ended(struct front *f)
{
	f->body_over = true;
	if (f->x)
		exchange_body_end(f->x);
}

/* Decode until there are bytes to deliver.  False: more must come, or the framing is broken. */
static bool next_chunk(struct front *f)
{
	const char *why = "broken chunks";
	struct slice data;
	size_t used;

	switch (h1_chunks_next(&f->chunks, buf_slice(&f->in), &used, &data, &why)) {
	case H1_CHUNK_DATA:
		buf_eat(&f->in, (uint32_t)(used - data.len));
		f->pending = (uint32_t)data.len;
		return true;
	case H1_CHUNK_END:
		buf_eat(&f->in, (uint32_t)used);
		body_ended(f);
		return true;
	case H1_CHUNK_MORE:
		buf_eat(&f->in, (uint32_t)used);
		return false;
	case H1_CHUNK_BAD:
		break;
	}
	f->body = HTTP_BODY_CLOSE;
	f->keep = false;
	if (f->x)
		exchange_body_broken(f->x, REASON_BAD_REQUEST, why);
	else
		front_break_off(f);
	return false;
}

bool front_feed_body(struct front *f)
{
	uint32_t n = buf_len(&f->in);
	size_t taken;

	if (f->body == HTTP_BODY_CHUNKED && !f->pending)
		return n && next_chunk(f);
	if (f->body == HTTP_BODY_CHUNKED && n > f->pending)
		n = f->pending;
	if (f->body == HTTP_BODY_LENGTH && n > f->left)
		n = (uint32_t)f->left;
	if (!n || f->body == HTTP_BODY_CLOSE)
		return false;
	taken = deliver(f, slice_make(f->in.at + f->in.start, n));
	if (f->phase == FRONT_CLOSED)
		return false;
	buf_eat(&f->in, (uint32_t)taken);
	f->body_bytes += taken;
	if (f->body == HTTP_BODY_CHUNKED)
		f->pending -= (uint32_t)taken;
	else
		f->left -= taken;
	if (f->body == HTTP_BODY_LENGTH && !f->left)
		body_ended(f);
	return taken > 0;
}
