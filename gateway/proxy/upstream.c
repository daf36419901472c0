/* upstream.c -- asking one origin server, over a pooled or a new connection. */
#include "gateway/proxy/upstream_parts.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/fail.h"
#include "gateway/base/log.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/guard.h"
#include "gateway/proxy/identity.h"
#include "gateway/proxy/pick.h"
#include "gateway/proxy/quarantine.h"
#include "gateway/proxy/upstream_h2.h"

enum { WRITE_MOST = 16384 };

static void ready(struct watch *w, unsigned what);

/* ---- Ends ---- */

static void bury(struct task *t)
{
	struct upstream *u = LIST_OF(t, struct upstream, bury);

	mem_give(&u->proxy->memory, u, sizeof *u);
}

void upstream_shut(struct upstream *u)
{
	if (u->state == CLOSED)
		return;
	if (u->state == IDLE)
		u->origin->idle_n--;
	u->state = CLOSED;
	if (u->h2)
		upstream_h2_part(u);
	work_end(&u->work);
	list_remove(&u->pooled);
	timer_stop(&u->timer);
	task_stop(&u->more);
	sock_close(&u->sock);
	buf_done(&u->in);
	buf_done(&u->out);
	buf_done(&u->trailers);
	u->x = NULL;
	task_start(u->proxy->loop, &u->bury);
}

void upstream_abandon(struct upstream *u)
{
	upstream_shut(u);
}

/* Our end is closed, which many origins take as a reason to stop; what they send says that they have. */
void upstream_leave(struct upstream *u, struct work_group *g)
{
	if (u->h2) {
		upstream_h2_leave(u, g);
		return;
	}
	if (u->state != ASKING || !u->sent_any || u->got_any) {
		upstream_shut(u);
		return;
	}
	u->state = LEFT;
	u->x = NULL;
	work_begin(&u->work, g);
	list_push_last(&u->proxy->left, &u->pooled);
	buf_done(&u->in);
	buf_done(&u->out);
	if (u->sock.tls)
		tls_shutdown(u->sock.tls);
	shutdown(u->sock.watch.fd, SHUT_WR);
	timer_start(u->proxy->loop, &u->timer, u->origin->config->first_byte_ms);
}

void upstream_close_left(struct proxy *p)
{
	while (!list_empty(&p->left))
		upstream_shut(LIST_OF(p->left.next, struct upstream, pooled));
}

void upstream_fail(struct upstream *u, enum reason why, const char *detail)
{
	struct exchange *x = u->x;
	enum upstream_failure how = !u->sent_any ? UPSTREAM_UNSENT : !u->got_any ? UPSTREAM_UNANSWERED : UPSTREAM_CUT;

	metric_count(METRIC_ORIGIN_FAILURES);
	/* A pooled connection that the server closed meanwhile says nothing about its health. */
	if ((!u->reused || u->got_any) && !u->blamed)
		pick_bad(u->origin, u->server, loop_ms(u->proxy->loop));
	x->last = u->reused ? NULL : u->server;
	log_info("origin %.*s: server %.*s: %s", SLICE_F(u->origin->config->head.key), SLICE_F(u->server->config->url),
		 detail);
	upstream_shut(u);
	exchange_upstream_failed(x, why, detail, how);
}

void upstream_give_up(struct upstream *u, enum reason why, const char *detail)
{
	struct exchange *x = u->x;

	upstream_shut(u);
	exchange_upstream_failed(x, why, detail, UPSTREAM_CUT);
}

static void late(struct timer *t)
{
	struct upstream *u = LIST_OF(t, struct upstream, timer);

	if (u->h2)
		upstream_h2_doubt(u);
	switch (u->state) {
	case IDLE:
	case LEFT:
		upstream_shut(u);
		break;
	case CONNECTING:
	case HANDSHAKING:
		upstream_fail(u, REASON_ORIGIN_SLOW, "no connection in time");
		break;
	default:
		if (u->switched)
			break;
		upstream_fail(u, REASON_ORIGIN_SLOW, u->got_any ? "the answer stopped" : "no answer in time");
	}
}

/* ---- Sending ---- */

static void sent_all(struct upstream *u)
{
	if (u->switched) {
		/* The client has ended its side: so do we, and hear what the origin has still to say. */
		if (u->sock.tls)
			tls_shutdown(u->sock.tls);
		shutdown(u->sock.watch.fd, SHUT_WR);
		return;
	}
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
			upstream_pump(u);
			return false;
		}
		if (n <= 0)
			return true;
		u->sent_any = true;
		buf_eat(&u->out, (uint32_t)n);
	}
	if (u->switched)
		buf_release(&u->out);
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
		upstream_give_up(u, guard_starved(x->proxy), "the request cannot be written");
		return;
	}
	timer_start(u->proxy->loop, &u->timer, u->origin->config->between_ms);
	if (flush(u) && !u->req_over && !buf_len(&u->out))
		exchange_upstream_writable(x);
}

size_t upstream_body(struct upstream *u, struct slice bytes)
{
	uint32_t out = buf_len(&u->out);

	if (u->h2)
		return upstream_h2_body(u, bytes);
	if (u->state != ASKING || u->req_over || out >= WRITE_MOST)
		return 0;
	if (bytes.len > WRITE_MOST)
		bytes.len = WRITE_MOST;
	if (u->req_body == HTTP_BODY_CHUNKED) {
		char head[20];
		unsigned n = h1_chunk_head(head, bytes.len);

		if (!buf_room(&u->out, n + (uint32_t)bytes.len + 2)) {
			upstream_give_up(u, guard_starved(u->proxy), "no memory for the request's content");
			return 0;
		}
		buf_put(&u->out, head, n);
		buf_put_slice(&u->out, bytes);
		buf_put(&u->out, "\r\n", 2);
	} else {
		CHECK(bytes.len <= u->req_left);
		if (!buf_put_slice(&u->out, bytes)) {
			upstream_give_up(u, guard_starved(u->proxy), "no memory for the request's content");
			return 0;
		}
		u->req_left -= bytes.len;
	}
	timer_start(u->proxy->loop, &u->timer, u->origin->config->between_ms);
	flush(u);
	return bytes.len;
}

void upstream_body_end(struct upstream *u)
{
	if (u->h2) {
		upstream_h2_body_end(u);
		return;
	}
	if (u->state != ASKING || u->req_over)
		return;
	if (u->req_body == HTTP_BODY_CHUNKED && !buf_put(&u->out, "0\r\n\r\n", 5)) {
		upstream_give_up(u, guard_starved(u->proxy), "no memory for the request's content");
		return;
	}
	if (u->req_body == HTTP_BODY_LENGTH && u->req_left)
		return;
	u->req_over = true;
	flush(u);
}

void upstream_tunnel(struct upstream *u)
{
	u->req_body = HTTP_BODY_CLOSE;
	u->req_left = UINT64_MAX;
	u->req_over = false;
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
			upstream_fail(u, REASON_ORIGIN_REFUSED, tls_why(u->sock.tls));
			return;
		}
	}
	metric_count(METRIC_ORIGIN_NEW);
	metric_span(SPAN_CONNECT, loop_us(u->proxy->loop) - u->dialled_us);
	send_head(u);
}

enum reason upstream_dial(struct sock *sock, struct proxy *p, const struct proxy_origin *o, const struct proxy_server *s,
			  void (*on_ready)(struct watch *w, unsigned what), const char **detail)
{
	const struct config_server *server = s->config;
	struct sockaddr_storage to;
	socklen_t len = addr_to_sockaddr(&server->address, server->port, &to);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	*detail = "no descriptor left for a connection";
	if (fd < 0)
		return REASON_DESCRIPTORS;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS) {
		*detail = errno == ECONNREFUSED ? "connection refused" : "cannot connect";
		close(fd);
		return REASON_ORIGIN_REFUSED;
	}
	if (!sock_open(sock, p->loop, fd, on_ready)) {
		close(fd);
		*detail = "the event loop is full";
		return REASON_DESCRIPTORS;
	}
	sock->writable = false;
	if (server->tls) {
		struct slice name = o->config->tls_name.len ? o->config->tls_name : server->name;

		sock->tls = tls_connect(o->tls, fd, name);
		if (!sock->tls) {
			*detail = "no memory for TLS";
			return REASON_MEMORY_WORKER;
		}
		tls_charge(sock->tls, &p->memory);
	}
	return REASON_NONE;
}

struct upstream *upstream_new(struct exchange *x, struct proxy_origin *o, struct proxy_server *s)
{
	struct upstream *u = mem_take_zeroed(&x->proxy->memory, sizeof *u);

	if (!u)
		return NULL;
	u->proxy = x->proxy;
	u->origin = o;
	u->server = s;
	u->dialled_us = loop_us(x->proxy->loop);
	list_init(&u->pooled);
	list_init(&u->turn);
	work_init(&u->work);
	timer_init(&u->timer, late);
	task_init(&u->more, upstream_more);
	task_init(&u->bury, bury);
	buf_init(&u->in, &x->proxy->memory);
	buf_init(&u->out, &x->proxy->memory);
	buf_init(&u->trailers, &x->proxy->memory);
	return u;
}

void upstream_prepare(struct upstream *u, struct exchange *x)
{
	u->x = x;
	x->upstream = u;
	x->server_name = u->server->config->url.at;
	x->origin_version = u->h2 ? 2 : 1;
	u->sent_any = u->got_any = u->req_over = u->keep = u->switched = false;
	u->part = PART_HEAD;
	u->scan = (struct h1_scan){0};
	u->pending = 0;
	u->body = HTTP_BODY_NONE;
}

void upstream_ask(struct exchange *x, struct proxy_origin *o, struct proxy_server *s)
{
	struct upstream *u;
	enum reason why;
	const char *detail;

	/* A second try never trusts a pooled connection. */
	u = x->tries == 1 ? upstream_take(o, s) : NULL;
	if (u) {
		metric_count(METRIC_ORIGIN_POOLED);
		upstream_prepare(u, x);
		send_head(u);
		return;
	}
	u = upstream_new(x, o, s);
	if (!u) {
		exchange_upstream_failed(x, guard_starved(x->proxy), NULL, UPSTREAM_CUT);
		return;
	}
	upstream_prepare(u, x);
	timer_start(x->proxy->loop, &u->timer, o->config->connect_ms);
	why = upstream_dial(&u->sock, u->proxy, o, s, ready, &detail);
	if (why == REASON_DESCRIPTORS)
		metric_count(METRIC_DESCRIPTORS);
	if (why == REASON_ORIGIN_REFUSED)
		upstream_fail(u, why, detail);
	else if (why)
		upstream_give_up(u, why, detail);
}

void upstream_open(struct exchange *x)
{
	struct proxy_origin *o = &x->generation->origins[x->site->origin->number];
	struct proxy_server *s = pick_server(o, x->last, loop_ms(x->proxy->loop));

	if (!s)
		exchange_upstream_failed(x, REASON_ORIGIN_NONE, "the origin has no server", UPSTREAM_CUT);
	else if (upstream_h2_speaks(o, s) && x->req.upgrade == HTTP_UPGRADE_NONE) /* a tunnel has a connection of its own */
		upstream_h2_ask(x, o, s);
	else
		upstream_ask(x, o, s);
}

const char *upstream_dialled(const struct sock *sock)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(sock->watch.fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && !error)
		return NULL;
	return error == ECONNREFUSED ? "connection refused" : "cannot connect";
}

static void dialled(struct upstream *u)
{
	const char *wrong = upstream_dialled(&u->sock);

	if (wrong)
		upstream_fail(u, REASON_ORIGIN_REFUSED, wrong);
	else
		connected(u);
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
		if (what & LOOP_READ && !upstream_is_quiet(u))
			upstream_shut(u);
		break;
	case LEFT:
		if (what & (LOOP_READ | LOOP_HANGUP))
			upstream_shut(u);
		break;
	case ASKING:
		if (buf_len(&u->out) && u->sock.writable && !flush(u))
			return;
		if (u->state == ASKING && !u->req_over && !buf_len(&u->out) && u->sock.writable)
			exchange_upstream_writable(u->x);
		if (u->state == ASKING && u->sock.readable)
			upstream_pump(u);
		break;
	case CLOSED:
		break;
	}
}
