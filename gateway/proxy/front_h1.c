/* front_h1.c -- HTTP/1.1 towards clients.
 *
 * Bytes come in through `in` and go out through `out`; both are given back when
 * they run empty between requests.  While an exchange does not take content,
 * nothing more is read: the client feels it through TCP. */
#include "gateway/proxy/front_h1.h"

#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/fail.h"
#include "gateway/base/log.h"
#include "gateway/http/h1.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/guard.h"
#include "gateway/proxy/sock.h"

enum {
	READ_HEAD = 4096,
	READ_BODY = 16384,
	OUT_MOST = 16384,     /* one TLS record */
	DRAIN_BYTES = 65536,  /* of content that is read only to be thrown away */
	DRAIN_MS = 2000,
};

enum phase {
	HANDSHAKING,
	IDLE,      /* between requests */
	HEAD,      /* part of a head is here */
	BUSY,      /* an exchange is in progress */
	FLUSHING,  /* the answer is complete, not all of it is sent */
	DRAINING,  /* the rest of the content is read away before the next request */
	LINGERING, /* our side is closed; wait for the client's end, so that it reads the answer */
	CLOSED,
};

struct front {
	struct sock sock;
	struct proxy *proxy;
	const struct proxy_listener *listener;
	struct budget budget;
	struct list link;
	struct timer timer;
	struct task go, bury;
	struct buf in, out;
	struct exchange *x;
	struct addr peer;
	uint16_t peer_port;
	uint16_t cell; /* of the address guard */
	uint8_t phase; /* enum phase */
	bool keep, broken, ended;
	bool out_chunked, body_over, skipped_line;
	bool spoken; /* the client has sent its first byte */
	uint32_t requests, drained;
	struct h1_scan scan;

	/* Content of the request in progress */
	struct h1_chunks chunks;
	enum http_body body;
	uint64_t left, body_bytes;
	uint32_t pending; /* decoded bytes at the front of `in` */

	/* Progress, for the rate and the stall */
	int64_t ticked_ms, body_waited_ms, stalled_ms;
	uint64_t sent, stalled_sent;
};

static void go(struct front *f);
static void next_request(struct front *f);

struct front *front_of(struct list *link)
{
	return LIST_OF(link, struct front, link);
}

bool front_is_idle(const struct front *f)
{
	return f->phase == IDLE || f->phase == HEAD;
}

/* ---- The end of a connection ---- */

static void bury(struct task *t)
{
	struct front *f = LIST_OF(t, struct front, bury);

	mem_give(&f->proxy->memory, f, sizeof *f);
}

static void shut(struct front *f, bool cut)
{
	struct proxy *p = f->proxy;
	struct exchange *x = f->x;

	if (f->phase == CLOSED)
		return;
	f->phase = CLOSED;
	f->x = NULL;
	timer_stop(&f->timer);
	task_stop(&f->go);
	if (cut)
		sock_reset(&f->sock);
	else
		sock_close(&f->sock);
	if (x)
		exchange_abort(x, REASON_CLIENT_LEFT, "the client went away");
	buf_done(&f->in);
	buf_done(&f->out);
	list_remove(&f->link);
	guard_left(p, f->cell);
	p->fronts_n--;
	/* The exchange is buried first: it was charged to this connection. */
	task_start(p->loop, &f->bury);
	if (p->draining && !p->fronts_n && p->drained)
		p->drained(p);
}

void front_cut(struct front *f)
{
	shut(f, true);
}

/* Close so that the client can still read what was sent: end our side, read the rest away. */
static void linger(struct front *f)
{
	if (f->body_over && !f->sock.readable && !buf_len(&f->in)) {
		shut(f, false);
		return;
	}
	if (f->sock.tls)
		tls_shutdown(f->sock.tls);
	shutdown(f->sock.watch.fd, SHUT_WR);
	f->phase = LINGERING;
	f->drained = 0;
	buf_done(&f->in);
	timer_start(f->proxy->loop, &f->timer, DRAIN_MS);
	task_start(f->proxy->loop, &f->go);
}

/* ---- Timers ---- */

static int64_t tick_ms(const struct front *f)
{
	const struct config_client *c = &f->proxy->config->client;
	int64_t ms = (c->stall_ms < c->body_grace_ms ? c->stall_ms : c->body_grace_ms) / 4;

	return ms < 50 ? 50 : ms > 1000 ? 1000 : ms;
}

static bool wants_body(const struct front *f)
{
	return f->x && !f->body_over && !f->x->own && f->x->state != EXCHANGE_JUDGING && !buf_len(&f->in);
}

/* The client is slow to send (content below the rate) or to read (a stalled answer). */
static bool too_slow_sending(struct front *f, int64_t passed_ms)
{
	const struct config_client *c = &f->proxy->config->client;

	if (!wants_body(f))
		return false;
	f->body_waited_ms += passed_ms;
	return f->body_waited_ms > c->body_grace_ms &&
	       (int64_t)f->body_bytes < c->body_rate * f->body_waited_ms / 1000;
}

static bool too_slow_reading(struct front *f, int64_t now_ms)
{
	const struct config_client *c = &f->proxy->config->client;
	bool slow;

	if (f->sock.writable || !f->stalled_ms) {
		f->stalled_ms = f->sock.writable ? 0 : now_ms;
		f->stalled_sent = f->sent;
		return false;
	}
	if (now_ms - f->stalled_ms < c->stall_ms)
		return false;
	slow = (int64_t)(f->sent - f->stalled_sent) < c->body_rate * c->stall_ms / 1000;
	f->stalled_ms = now_ms;
	f->stalled_sent = f->sent;
	return slow;
}

static void tick(struct front *f)
{
	int64_t now = loop_ms(f->proxy->loop), passed = now - f->ticked_ms;

	f->ticked_ms = now;
	timer_start(f->proxy->loop, &f->timer, tick_ms(f));
	if (too_slow_reading(f, now))
		shut(f, true);
	else if (too_slow_sending(f, passed))
		exchange_body_broken(f->x, REASON_SLOW_BODY, "the content came too slowly");
}

static void refuse_head(struct front *f, enum reason reason, unsigned status, const char *why);

static void late(struct timer *t)
{
	struct front *f = LIST_OF(t, struct front, timer);

	switch ((enum phase)f->phase) {
	case HEAD:
		refuse_head(f, REASON_SLOW_HEAD, 0, "the header section took too long");
		break;
	case BUSY:
	case FLUSHING:
		tick(f);
		break;
	default:
		shut(f, f->phase == DRAINING);
	}
}

/* ---- Sending ---- */

static void break_off(struct front *f)
{
	f->broken = true;
	task_start(f->proxy->loop, &f->go);
}

static void flush(struct front *f)
{
	while (buf_len(&f->out) && !f->broken) {
		ssize_t n = sock_write(&f->sock, f->out.at + f->out.start, buf_len(&f->out));

		if (n == SOCK_BROKEN)
			break_off(f);
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
	return f->body_over || (f->body == HTTP_BODY_LENGTH && f->left <= DRAIN_BYTES && !x->expecting);
}

static void op_head(struct exchange *x, unsigned status, const struct fields *fields, const struct fields *extra,
		    enum http_body body, uint64_t length)
{
	struct front *f = x->stream;

	if (status >= 200) {
		body = framing(x, body);
		f->keep = may_keep(f, x, body);
		f->out_chunked = body == HTTP_BODY_CHUNKED && !x->req.head;
	}
	if (!h1_write_response(&f->out, status, fields, extra, body, length, status < 200 || f->keep))
		break_off(f);
	else
		task_start(f->proxy->loop, &f->go);
}

static size_t put_chunk(struct front *f, struct slice bytes)
{
	char head[20];
	unsigned n;

	if (buf_len(&f->out) >= OUT_MOST)
		flush(f);
	if (buf_len(&f->out) >= OUT_MOST)
		return 0;
	if (bytes.len > OUT_MOST)
		bytes.len = OUT_MOST;
	n = h1_chunk_head(head, bytes.len);
	if (!buf_room(&f->out, n + (uint32_t)bytes.len + 2)) {
		break_off(f);
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

	if (buf_len(&f->out) + bytes.len <= OUT_MOST || buf_len(&f->out)) {
		taken = OUT_MOST - buf_len(&f->out);
		if (taken > bytes.len)
			taken = bytes.len;
		if (!buf_put(&f->out, bytes.at, taken)) {
			break_off(f);
			return 0;
		}
		task_start(f->proxy->loop, &f->go);
		if (taken == bytes.len)
			return taken;
		flush(f);
	}
	while (taken < bytes.len && !buf_len(&f->out) && f->sock.writable && !f->broken) {
		size_t n = bytes.len - taken;
		ssize_t put = sock_write(&f->sock, bytes.at + taken, n > OUT_MOST ? OUT_MOST : n);

		if (put == SOCK_BROKEN)
			break_off(f);
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
	f->ended = true;
	if (!whole) {
		flush(f);
		break_off(f);
		return;
	}
	if (f->out_chunked && !buf_put(&f->out, "0\r\n\r\n", 5))
		break_off(f);
	f->out_chunked = false;
	f->phase = FLUSHING;
	flush(f);
	if (!buf_len(&f->out) && f->body_over && f->keep && !buf_len(&f->in) && !f->broken)
		next_request(f);
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
		break_off(f);
	flush(f);
}

static const struct exchange_front operations = {
	.head = op_head, .body = op_body, .end = op_end, .want = op_want, .go_ahead = op_go_ahead,
};

/* ---- Requests ---- */

/* Between two requests the connection costs as little as it can. */
static void next_request(struct front *f)
{
	f->phase = IDLE;
	f->ended = false;
	f->skipped_line = false;
	f->scan = (struct h1_scan){0};
	buf_release(&f->in);
	buf_release(&f->out);
	list_remove(&f->link);
	list_push_last(&f->proxy->fronts, &f->link);
	timer_start(f->proxy->loop, &f->timer, f->proxy->config->client.keep_alive_ms);
	if (f->proxy->draining)
		shut(f, false);
	else if (buf_len(&f->in) || f->sock.readable)
		task_start(f->proxy->loop, &f->go);
}

/* The answer is sent: on to the next request, past what is left of this one, or to the end. */
static void after_answer(struct front *f)
{
	if (!f->keep) {
		linger(f);
	} else if (f->body_over) {
		next_request(f);
	} else {
		f->phase = DRAINING;
		f->drained = 0;
		timer_start(f->proxy->loop, &f->timer, DRAIN_MS);
	}
}

static struct exchange *begin(struct front *f)
{
	struct exchange *x = exchange_new(f->proxy, &f->budget, &operations, f);

	if (!x) {
		shut(f, true);
		return NULL;
	}
	f->x = x;
	f->requests++;
	f->phase = BUSY;
	f->ended = f->keep = f->out_chunked = false;
	f->pending = 0;
	f->body_bytes = 0;
	f->body_waited_ms = f->stalled_ms = 0;
	f->ticked_ms = loop_ms(f->proxy->loop);
	timer_start(f->proxy->loop, &f->timer, tick_ms(f));
	x->peer = f->peer;
	x->facts.client = f->peer;
	x->facts.client_port = f->peer_port;
	x->req.minor = 1;
	if (f->sock.tls) {
		x->facts.secure = true;
		x->facts.tls_version = slice_of(tls_version(f->sock.tls));
		x->facts.tls_cipher = slice_of(tls_cipher(f->sock.tls));
		x->facts.tls_sni = tls_sni(f->sock.tls);
		x->facts.policy_facts.tls_version = tls_version_number(f->sock.tls);
		x->facts.policy_facts.tls_sni = x->facts.tls_sni;
	}
	return x;
}

/* What cannot be a request ends the connection: where the next one would begin is unknown. */
static void refuse_head(struct front *f, enum reason reason, unsigned status, const char *why)
{
	struct exchange *x = begin(f);

	if (!x)
		return;
	f->body = HTTP_BODY_CLOSE;
	f->body_over = false;
	exchange_refuse(x, reason, status, why);
}

static enum reason reason_of(unsigned status)
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
	default:
		return REASON_BAD_REQUEST;
	}
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
	status = h1_request(&x->arena, head, &limits, f->listener->serve == CONFIG_HTTPS, &x->req, &why);
	buf_eat(&f->in, (uint32_t)head.len);
	if (status) {
		f->body = HTTP_BODY_CLOSE;
		f->body_over = false;
		exchange_refuse(x, reason_of(status), status, why);
		return;
	}
	f->body = x->req.body;
	f->left = x->req.content_length;
	f->body_over = f->body == HTTP_BODY_NONE || (f->body == HTTP_BODY_LENGTH && !f->left);
	h1_chunks_init(&f->chunks);
	if (f->body_over)
		x->body_ended = true;
	exchange_start(x, f->listener->serve == CONFIG_REDIRECT);
}

/* Look for a head in `in`.  True when something was done and it is worth looking again. */
static bool parse_head(struct front *f)
{
	const struct config_client *c = &f->proxy->config->client;
	const char *why = "not HTTP";
	uint32_t len;

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
	if (f->phase == IDLE) {
		f->phase = HEAD;
		timer_start(f->proxy->loop, &f->timer, c->head_ms);
	}
	switch (h1_scan(&f->scan, buf_slice(&f->in), &len, &why)) {
	case H1_HEAD:
		if (len > c->head_bytes)
			refuse_head(f, REASON_HEAD_TOO_LARGE, 0, "the header section is too large");
		else
			start_request(f, slice_first(buf_slice(&f->in), len));
		return true;
	case H1_BAD:
		refuse_head(f, REASON_BAD_REQUEST, 0, why);
		return true;
	case H1_MORE:
		if (buf_len(&f->in) < c->head_bytes)
			return false;
		if (!f->scan.first_line_done)
			refuse_head(f, REASON_TARGET_TOO_LONG, 0, "the request line is too long");
		else
			refuse_head(f, REASON_HEAD_TOO_LARGE, 0, "the header section is too large");
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
		break_off(f);
	return false;
}

/* Feed what is in `in`.  True when something was consumed. */
static bool feed_body(struct front *f)
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
	if (f->phase == CLOSED)
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

/* ---- Reading ---- */

static void stream_ended(struct front *f, bool broken)
{
	if (f->x && f->body_over && !broken)
		f->keep = false; /* half-close: the answer is still wanted */
	else
		shut(f, false);
}

/* True when bytes came. */
static bool fill(struct front *f, uint32_t room)
{
	ssize_t n;

	if (!f->sock.readable)
		return false;
	if (!buf_room(&f->in, room)) {
		shut(f, true);
		return false;
	}
	n = sock_read(&f->sock, f->in.at + f->in.end, f->in.cap - f->in.end);
	if (n > 0) {
		f->in.end += (uint32_t)n;
		return true;
	}
	if (n != SOCK_AGAIN)
		stream_ended(f, n == SOCK_BROKEN);
	else if (f->phase == IDLE)
		buf_release(&f->in);
	return false;
}

static void drain(struct front *f)
{
	char trash[4096];

	while (f->sock.readable && f->drained < DRAIN_BYTES) {
		ssize_t n = sock_read(&f->sock, trash, sizeof trash);

		if (n == SOCK_AGAIN)
			return;
		if (n < 0) {
			shut(f, false);
			return;
		}
		f->drained += (uint32_t)n;
	}
	if (f->drained >= DRAIN_BYTES)
		shut(f, false);
}

static void answer_plain_http(struct front *f)
{
	static const char text[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

	if (tls_was_http(f->sock.tls) && send(f->sock.watch.fd, text, sizeof text - 1, MSG_NOSIGNAL) < 0)
		log_debug("a client spoke plain HTTP on a TLS port and left");
	tls_free(f->sock.tls);
	f->sock.tls = NULL;
	shut(f, false);
}

static bool handshake(struct front *f)
{
	switch (tls_handshake(f->sock.tls)) {
	case TLS_DONE:
		f->phase = IDLE;
		f->sock.readable = true;
		timer_start(f->proxy->loop, &f->timer, f->proxy->config->client.head_ms);
		return true;
	case TLS_AGAIN:
		return false;
	default:
		log_debug("TLS handshake: %s", tls_why(f->sock.tls));
		answer_plain_http(f);
		return false;
	}
}

/* One step of whatever phase it is.  False: nothing more can be done now. */
static bool step(struct front *f)
{
	switch ((enum phase)f->phase) {
	case HANDSHAKING:
		return handshake(f);
	case IDLE:
	case HEAD:
		return parse_head(f) || fill(f, READ_HEAD);
	case BUSY:
		if (f->body_over)
			return false;
		return feed_body(f) || (f->phase == BUSY && wants_body(f) && fill(f, READ_BODY));
	case FLUSHING:
		if (buf_len(&f->out))
			return false;
		after_answer(f);
		return f->phase != FLUSHING;
	case DRAINING:
		if (f->body_over) {
			next_request(f);
			return false;
		}
		return feed_body(f) || fill(f, READ_BODY);
	case LINGERING:
		drain(f);
		return false;
	case CLOSED:
		return false;
	}
	return false;
}

static void go(struct front *f)
{
	if (f->phase != HANDSHAKING && f->phase != CLOSED && f->sock.writable)
		flush(f);
	while (!f->broken && step(f))
		;
	if (f->phase != CLOSED && f->phase != HANDSHAKING && buf_len(&f->out) && f->sock.writable && !f->broken)
		flush(f);
	if (f->phase != CLOSED && f->broken)
		shut(f, true);
}

static void go_task(struct task *t)
{
	go(LIST_OF(t, struct front, go));
}

static void ready(struct watch *w, unsigned what)
{
	struct front *f = LIST_OF(w, struct front, sock.watch);

	sock_marks(&f->sock, what);
	f->spoken = f->spoken || what & LOOP_READ;
	/* A new socket is writable at once; there is nothing to say before the client has spoken. */
	if (!f->spoken)
		return;
	if (what & LOOP_HANGUP && f->phase != LINGERING) {
		shut(f, true);
		return;
	}
	if (f->x && what & LOOP_WRITE && f->x->state == EXCHANGE_ANSWERING) {
		flush(f);
		if (f->x && !buf_len(&f->out) && !f->broken)
			exchange_writable(f->x);
	}
	go(f);
}

void front_drain(struct front *f)
{
	f->keep = false;
	if (front_is_idle(f) && !buf_len(&f->in))
		shut(f, false);
}

bool front_open(struct proxy *p, const struct proxy_listener *listener, int fd, const struct addr *peer, uint16_t port)
{
	struct front *f = mem_take_zeroed(&p->memory, sizeof *f);

	if (!f)
		return false;
	f->proxy = p;
	f->listener = listener;
	f->peer = *peer;
	f->peer_port = port;
	f->budget = (struct budget){.limit = (size_t)p->config->client.memory, .parent = &p->memory};
	buf_init(&f->in, &f->budget);
	buf_init(&f->out, &f->budget);
	timer_init(&f->timer, late);
	task_init(&f->go, go_task);
	task_init(&f->bury, bury);
	list_init(&f->link);
	if (!sock_open(&f->sock, p->loop, fd, ready)) {
		mem_give(&p->memory, f, sizeof *f);
		return false;
	}
	f->phase = IDLE;
	if (listener->serve == CONFIG_HTTPS) {
		f->phase = HANDSHAKING;
		f->sock.tls = tls_accept(p->tls, fd);
		if (!f->sock.tls) {
			watch_remove(&f->sock.watch);
			mem_give(&p->memory, f, sizeof *f);
			return false;
		}
	}
	f->cell = guard_came(p, peer);
	p->fronts_n++;
	list_push_last(&p->fronts, &f->link);
	timer_start(p->loop, &f->timer,
		    f->phase == HANDSHAKING ? p->config->client.handshake_ms : p->config->client.head_ms);
	return true;
}
