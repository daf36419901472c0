/* upstream.c -- asking one origin server, over a pooled or a new connection. */
#include "gateway/proxy/upstream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/fail.h"
#include "gateway/base/log.h"
#include "gateway/base/metric.h"
#include "gateway/http/h1.h"
#include "gateway/proxy/identity.h"
#include "gateway/proxy/pick.h"
#include "gateway/proxy/quarantine.h"
#include "gateway/proxy/sock.h"

enum {
	READ_FIRST = 4096,
	READ_MOST = 32768,
	WRITE_MOST = 16384,
	TURN_BYTES = 256 << 10, /* of an answer before others have their turn */
};

enum upstream_state { CONNECTING, HANDSHAKING, ASKING, IDLE, CLOSED };
enum upstream_part { PART_HEAD, PART_BODY, PART_OVER };

struct upstream {
	struct sock sock;
	struct proxy *proxy;
	struct proxy_origin *origin;
	struct proxy_server *server;
	struct exchange *x;   /* NULL: pooled or closed */
	struct list pooled;
	struct timer timer;
	struct task more, bury;
	struct buf in, out;
	enum upstream_state state;
	bool reused;
	int64_t dialled_us;

	/* The request on its way */
	enum http_body req_body;
	uint64_t req_left;    /* of a body with a length */
	bool sent_any, req_over;

	/* The answer on its way */
	enum upstream_part part;
	struct h1_scan scan;
	struct h1_chunks chunks;
	enum http_body body;
	uint64_t left;
	uint32_t pending;     /* decoded bytes at the front of `in` */
	bool got_any, keep;
};

static void ready(struct watch *w, unsigned what);
static void pump(struct upstream *u);
static void more(struct task *t);

/* ---- Ends ---- */

static void bury(struct task *t)
{
	struct upstream *u = LIST_OF(t, struct upstream, bury);

	mem_give(&u->proxy->memory, u, sizeof *u);
}

static void shut(struct upstream *u)
{
	if (u->state == CLOSED)
		return;
	if (u->state == IDLE)
		u->origin->idle_n--;
	u->state = CLOSED;
	list_remove(&u->pooled);
	timer_stop(&u->timer);
	task_stop(&u->more);
	sock_close(&u->sock);
	buf_done(&u->in);
	buf_done(&u->out);
	u->x = NULL;
	task_start(u->proxy->loop, &u->bury);
}

void upstream_abandon(struct upstream *u)
{
	shut(u);
}

void upstream_close_idle(struct proxy_origin *o)
{
	for (unsigned i = 0; i < o->n; i++)
		while (!list_empty(&o->servers[i].idle))
			shut(LIST_OF(o->servers[i].idle.next, struct upstream, pooled));
}

void upstream_take_over(struct proxy_origin *to, struct proxy_server *t, struct proxy_origin *from, struct proxy_server *s)
{
	t->failures = s->failures;
	t->ejected_until_ms = s->ejected_until_ms;
	while (!list_empty(&s->idle)) {
		struct upstream *u = LIST_OF(s->idle.prev, struct upstream, pooled);

		list_remove(&u->pooled);
		list_push_first(&t->idle, &u->pooled);
		from->idle_n--;
		to->idle_n++;
		u->origin = to;
		u->server = t;
	}
}

static void fail(struct upstream *u, enum reason why, const char *detail)
{
	struct exchange *x = u->x;
	enum upstream_failure how = !u->sent_any ? UPSTREAM_UNSENT : !u->got_any ? UPSTREAM_UNANSWERED : UPSTREAM_CUT;

	metric_count(METRIC_ORIGIN_FAILURES);
	/* A pooled connection that the server closed meanwhile says nothing about its health. */
	if (!u->reused || u->got_any)
		pick_bad(u->origin, u->server, loop_ms(u->proxy->loop));
	x->last = u->reused ? NULL : u->server;
	log_info("origin %.*s: server %.*s: %s", SLICE_F(u->origin->config->head.key), SLICE_F(u->server->config->url),
		 detail);
	shut(u);
	exchange_upstream_failed(x, why, detail, how);
}

static void late(struct timer *t)
{
	struct upstream *u = LIST_OF(t, struct upstream, timer);

	switch (u->state) {
	case IDLE:
		shut(u);
		break;
	case CONNECTING:
	case HANDSHAKING:
		fail(u, REASON_ORIGIN_SLOW, "no connection in time");
		break;
	default:
		fail(u, REASON_ORIGIN_SLOW, u->got_any ? "the answer stopped" : "no answer in time");
	}
}

/* The answer is whole: into the pool if the connection is as good as new. */
static void complete(struct upstream *u)
{
	struct exchange *x = u->x;
	bool clean = u->keep && u->req_over && !buf_len(&u->out) && !buf_len(&u->in) && u->body != HTTP_BODY_CLOSE &&
		     !u->sock.peer_closed && x->generation == u->proxy->current;

	pick_good(u->server);
	u->x = NULL;
	if (clean && u->origin->idle_n < (uint64_t)u->origin->config->keep && !u->proxy->draining) {
		u->state = IDLE;
		u->origin->idle_n++;
		list_push_first(&u->server->idle, &u->pooled);
		buf_done(&u->in);
		buf_done(&u->out);
		timer_start(u->proxy->loop, &u->timer, u->origin->config->idle_ms);
	} else {
		shut(u);
	}
	exchange_response_end(x);
}

/* ---- Sending ---- */

static void sent_all(struct upstream *u)
{
	timer_start(u->proxy->loop, &u->timer, u->origin->config->first_byte_ms);
}

/* False: the connection broke and the exchange has been told. */
static bool flush(struct upstream *u)
{
	while (buf_len(&u->out) && u->sock.writable) {
		ssize_t n = sock_write(&u->sock, u->out.at + u->out.start, buf_len(&u->out));

		if (n == SOCK_BROKEN) {
			/* An answer may have been sent before the connection was closed: read it first. */
			u->sock.writable = false;
			buf_done(&u->out);
			u->req_over = false;
			u->keep = false;
			u->sock.readable = true;
			pump(u);
			return false;
		}
		if (n <= 0)
			return true;
		u->sent_any = true;
		buf_eat(&u->out, (uint32_t)n);
	}
	if (!buf_len(&u->out) && u->req_over)
		sent_all(u);
	return true;
}

static void send_head(struct upstream *u)
{
	struct exchange *x = u->x;
	struct fields extra = {0};

	u->state = ASKING;
	u->part = PART_HEAD;
	u->req_body = x->held ? HTTP_BODY_LENGTH : x->req.body;
	u->req_left = x->held ? x->spool.len : x->req.content_length;
	u->req_over = u->req_body == HTTP_BODY_NONE || (u->req_body == HTTP_BODY_LENGTH && !u->req_left);
	if (!identity_upstream(x, &extra) ||
	    !h1_write_request(&u->out, &x->req, &extra, u->req_body, u->req_left)) {
		fail(u, REASON_OVERLOAD, "the request cannot be written");
		return;
	}
	timer_start(u->proxy->loop, &u->timer, u->origin->config->between_ms);
	if (flush(u) && !u->req_over && !buf_len(&u->out))
		exchange_upstream_writable(x);
}

size_t upstream_body(struct upstream *u, struct slice bytes)
{
	uint32_t out = buf_len(&u->out);

	if (u->state != ASKING || u->req_over || out >= WRITE_MOST)
		return 0;
	if (bytes.len > WRITE_MOST)
		bytes.len = WRITE_MOST;
	if (u->req_body == HTTP_BODY_CHUNKED) {
		char head[20];
		unsigned n = h1_chunk_head(head, bytes.len);

		if (!buf_room(&u->out, n + (uint32_t)bytes.len + 2))
			return 0;
		buf_put(&u->out, head, n);
		buf_put_slice(&u->out, bytes);
		buf_put(&u->out, "\r\n", 2);
	} else {
		CHECK(bytes.len <= u->req_left);
		if (!buf_put_slice(&u->out, bytes))
			return 0;
		u->req_left -= bytes.len;
	}
	timer_start(u->proxy->loop, &u->timer, u->origin->config->between_ms);
	flush(u);
	return bytes.len;
}

void upstream_body_end(struct upstream *u)
{
	if (u->state != ASKING || u->req_over)
		return;
	if (u->req_body == HTTP_BODY_CHUNKED && !buf_put(&u->out, "0\r\n\r\n", 5))
		return;
	if (u->req_body == HTTP_BODY_LENGTH && u->req_left)
		return;
	u->req_over = true;
	flush(u);
}

/* ---- Connecting ---- */

static void connected(struct upstream *u)
{
	enum tls_state done;

	if (u->server->config->tls) {
		u->state = HANDSHAKING;
		done = tls_handshake(u->sock.tls);
		if (done == TLS_AGAIN)
			return;
		if (done != TLS_DONE) {
			fail(u, REASON_ORIGIN_REFUSED, tls_why(u->sock.tls));
			return;
		}
	}
	metric_count(METRIC_ORIGIN_NEW);
	metric_span(SPAN_CONNECT, loop_us(u->proxy->loop) - u->dialled_us);
	send_head(u);
}

static const char *dial(struct upstream *u)
{
	const struct config_server *server = u->server->config;
	struct sockaddr_storage to;
	socklen_t len = addr_to_sockaddr(&server->address, server->port, &to);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return "no descriptor left for a connection";
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS) {
		const char *why = errno == ECONNREFUSED ? "connection refused" : "cannot connect";

		close(fd);
		return why;
	}
	if (!sock_open(&u->sock, u->proxy->loop, fd, ready)) {
		close(fd);
		return "the event loop is full";
	}
	u->sock.writable = false;
	if (server->tls) {
		struct slice name = u->origin->config->tls_name.len ? u->origin->config->tls_name : server->name;

		u->sock.tls = tls_connect(u->origin->tls, fd, name);
		if (!u->sock.tls)
			return "no memory for TLS";
	}
	return NULL;
}

static struct upstream *upstream_new(struct exchange *x, struct proxy_origin *o, struct proxy_server *s)
{
	struct upstream *u = mem_take_zeroed(&x->proxy->memory, sizeof *u);

	if (!u)
		return NULL;
	u->proxy = x->proxy;
	u->origin = o;
	u->server = s;
	u->dialled_us = loop_us(x->proxy->loop);
	list_init(&u->pooled);
	timer_init(&u->timer, late);
	task_init(&u->more, more);
	task_init(&u->bury, bury);
	buf_init(&u->in, &x->proxy->memory);
	buf_init(&u->out, &x->proxy->memory);
	return u;
}

static void prepare(struct upstream *u, struct exchange *x)
{
	u->x = x;
	x->upstream = u;
	x->server_name = u->server->config->url.at;
	u->sent_any = u->got_any = u->req_over = u->keep = false;
	u->part = PART_HEAD;
	u->scan = (struct h1_scan){0};
	u->pending = 0;
	u->body = HTTP_BODY_NONE;
}

/* A pooled connection on which anything has come since is not the one we left: what an origin sends
 * unasked must never be the answer to somebody's next request. */
static bool is_quiet(struct upstream *u)
{
	ssize_t n;
	char byte;

	if (u->sock.peer_closed)
		return false;
	/* The kernel is asked itself: what came in this turn may not have been told yet. */
	n = recv(u->sock.watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		return false;
	if (!u->sock.tls)
		return n < 0;
	/* Tickets may have come: only content counts. */
	if (n > 0)
		sock_marks(&u->sock, LOOP_READ);
	return !u->sock.readable || sock_read(&u->sock, &byte, 1) == SOCK_AGAIN;
}

static struct upstream *take_pooled(struct proxy_origin *o, struct proxy_server *s)
{
	while (!list_empty(&s->idle)) {
		struct upstream *u = LIST_OF(s->idle.next, struct upstream, pooled);

		if (!is_quiet(u)) {
			shut(u);
			continue;
		}
		list_remove(&u->pooled);
		o->idle_n--;
		u->reused = true;
		u->state = ASKING;
		return u;
	}
	return NULL;
}

void upstream_open(struct exchange *x)
{
	struct proxy_origin *o = &x->generation->origins[x->site->origin->number];
	struct proxy_server *s = pick_server(o, x->last, loop_ms(x->proxy->loop));
	struct upstream *u;
	const char *why;

	if (!s) {
		exchange_upstream_failed(x, REASON_ORIGIN_NONE, "the origin has no server", UPSTREAM_CUT);
		return;
	}
	/* A second try never trusts a pooled connection. */
	u = x->tries == 1 ? take_pooled(o, s) : NULL;
	if (u) {
		metric_count(METRIC_ORIGIN_POOLED);
		prepare(u, x);
		send_head(u);
		return;
	}
	u = upstream_new(x, o, s);
	if (!u) {
		exchange_upstream_failed(x, REASON_OVERLOAD, "memory of the worker is used up", UPSTREAM_CUT);
		return;
	}
	prepare(u, x);
	timer_start(x->proxy->loop, &u->timer, o->config->connect_ms);
	why = dial(u);
	if (why)
		fail(u, REASON_ORIGIN_REFUSED, why);
}

static void dialled(struct upstream *u)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(u->sock.watch.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error)
		fail(u, REASON_ORIGIN_REFUSED, error == ECONNREFUSED ? "connection refused" : "cannot connect");
	else
		connected(u);
}

/* ---- Receiving ---- */

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
		}
		return exchange_response(x) ? PARSED_MORE : PARSED_GONE;
	case H1_BAD:
		break;
	}
	fail(u, REASON_ORIGIN_BROKEN, why);
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
			return PARSED_MORE;
		case H1_CHUNK_MORE:
			buf_eat(&u->in, (uint32_t)used);
			return PARSED_MORE;
		case H1_CHUNK_BAD:
			u->keep = false;
			fail(u, REASON_ORIGIN_BROKEN, why);
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
		fail(u, u->got_any || !u->reused ? REASON_ORIGIN_BROKEN : REASON_ORIGIN_REFUSED,
		     u->got_any ? "the answer was cut" : "the connection was closed without an answer");
	}
}

static void pump(struct upstream *u)
{
	for (size_t got = 0;;) {
		enum parsed done = parse(u);
		uint32_t room = u->part == PART_HEAD ? READ_FIRST : READ_MOST;
		ssize_t n;

		if (done == PARSED_BLOCKED)
			timer_stop(&u->timer);
		if (done != PARSED_MORE || !u->sock.readable)
			return;
		if (got >= TURN_BYTES) {
			task_start(u->proxy->loop, &u->more);
			return;
		}
		if (buf_len(&u->in) >= READ_MOST || !buf_room(&u->in, room - (u->part == PART_BODY ? buf_len(&u->in) : 0))) {
			fail(u, REASON_ORIGIN_BROKEN, "no room for the answer");
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
			fail(u, u->got_any ? REASON_ORIGIN_BROKEN : REASON_ORIGIN_REFUSED, "the connection broke");
			return;
		}
		u->got_any = true;
		u->in.end += (uint32_t)n;
		got += (size_t)n;
		timer_start(u->proxy->loop, &u->timer, u->origin->config->between_ms);
	}
}

/* An origin that is faster than we are would never let the loop turn. */
static void more(struct task *t)
{
	struct upstream *u = LIST_OF(t, struct upstream, more);

	if (u->state == ASKING && u->sock.readable)
		pump(u);
}

void upstream_resume(struct upstream *u)
{
	if (u->state != ASKING || u->part == PART_HEAD)
		return;
	timer_start(u->proxy->loop, &u->timer, u->origin->config->between_ms);
	pump(u);
}

static void ready(struct watch *w, unsigned what)
{
	struct upstream *u = LIST_OF(w, struct upstream, sock.watch);

	sock_marks(&u->sock, what);
	quarantine_mark(u->proxy, u->x ? u->x->print : 0);
	switch (u->state) {
	case CONNECTING:
		if (what & (LOOP_WRITE | LOOP_HANGUP))
			dialled(u);
		break;
	case HANDSHAKING:
		connected(u);
		break;
	case IDLE:
		if (what & LOOP_READ && !is_quiet(u))
			shut(u);
		break;
	case ASKING:
		if (buf_len(&u->out) && u->sock.writable && !flush(u))
			return;
		if (u->state == ASKING && !u->req_over && !buf_len(&u->out) && u->sock.writable)
			exchange_upstream_writable(u->x);
		if (u->state == ASKING && u->sock.readable)
			pump(u);
		break;
	case CLOSED:
		break;
	}
}
