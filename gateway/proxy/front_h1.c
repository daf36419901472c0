/* front_h1.c -- HTTP/1.1 towards clients: the connection and its clocks.
 *
 * Bytes come in through `in` and go out through `out`; both are given back when
 * they run empty between requests.  While an exchange does not take content,
 * nothing more is read: the client feels it through TCP. */
#include <sys/socket.h>

#include "gateway/base/log.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/front_h2.h"
#include "gateway/proxy/front_parts.h"
#include "gateway/proxy/generation.h"
#include "gateway/proxy/quarantine.h"

enum {
	READ_HEAD = 4096,
	READ_BODY = 16384,
	DRAIN_MS = 2000,
	TURN_STEPS = 64, /* of one client before others have their turn */
};

struct front *front_of(struct list *link)
{
	return LIST_OF(link, struct front, link);
}

static bool is_idle(const struct front *f)
{
	return f->phase == FRONT_IDLE || f->phase == FRONT_HEAD || (f->phase == FRONT_H2 && h2_is_idle(f));
}

/* ---- The end of a connection ---- */

static void bury(struct task *t)
{
	struct front *f = LIST_OF(t, struct front, bury);

	mem_give(&f->proxy->memory, f, sizeof *f);
}

void front_shut(struct front *f, bool cut)
{
	struct proxy *p = f->proxy;
	struct exchange *x = f->x;

	if (f->phase == FRONT_CLOSED)
		return;
	if (f->phase == FRONT_HOP)
		metric_count(METRIC_REFUSED_HEADER);
	if (f->phase == FRONT_HANDSHAKING)
		metric_count(METRIC_TLS_FAILED);
	f->phase = FRONT_CLOSED;
	f->x = NULL;
	timer_stop(&f->timer);
	task_stop(&f->go);
	if (cut)
		sock_reset(&f->sock);
	else
		sock_close(&f->sock);
	if (x)
		exchange_abort(x, REASON_CLIENT_LEFT, "the client went away");
	h2_close(f);
	buf_done(&f->in);
	buf_done(&f->out);
	list_remove(&f->link);
	list_remove(&f->shake);
	list_remove(&f->idle);
	if (f->guarded)
		guard_left(p, f->place);
	p->fronts_n--;
	/* The exchange is buried first: it was charged to this connection. */
	task_start(p->loop, &f->bury);
	if (p->draining && !p->fronts_n && p->drained)
		p->drained(p);
}

void front_cut(struct front *f)
{
	static const char why[] = "the gateway stops";
	bool whole = f->tunnel && f->x;

	/* What a tunnel has carried is whole as far as it goes: it shall arrive. */
	if (whole)
		exchange_end_tunnel(f->x, why);
	if (f->phase == FRONT_H2)
		whole = h2_end_tunnels(f, why);
	front_shut(f, !whole);
}

bool front_evict(struct proxy *p)
{
	struct front *f = LIST_OF(p->idle.next, struct front, idle);

	if (list_empty(&p->idle))
		return false;
	if (f->phase == FRONT_H2)
		h2_say_goodbye(f);
	/* Whoever is in the middle of a head must not take the end for an answer. */
	front_shut(f, f->phase == FRONT_HEAD);
	return true;
}

void front_linger(struct front *f, uint32_t most)
{
	if (f->body_over && !f->sock.readable && !buf_len(&f->in)) {
		front_shut(f, false);
		return;
	}
	if (f->sock.tls)
		tls_shutdown(f->sock.tls);
	shutdown(f->sock.watch.fd, SHUT_WR);
	f->phase = FRONT_LINGERING;
	f->drained = 0;
	f->drain_most = most;
	buf_done(&f->in);
	timer_start(f->proxy->loop, &f->timer, DRAIN_MS);
	task_start(f->proxy->loop, &f->go);
}

/* ---- Timers ---- */

int64_t front_tick_ms(const struct front *f)
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

	/* In a tunnel nobody has to send anything. */
	if (f->tunnel || !wants_body(f))
		return false;
	f->body_waited_ms += passed_ms;
	return f->body_waited_ms > c->body_grace_ms &&
	       (int64_t)f->body_bytes < c->body_rate * f->body_waited_ms / 1000;
}

static bool too_slow_reading(struct front *f, int64_t now_ms)
{
	const struct config_client *c = &f->proxy->config->client;
	int64_t taken = (int64_t)(f->sent - f->stalled_sent);

	if (f->sock.writable || !f->stalled_ms) {
		f->stalled_ms = f->sock.writable ? 0 : now_ms;
		f->stalled_sent = f->sent;
		return false;
	}
	if (now_ms - f->stalled_ms < c->stall_ms)
		return false;
	f->stalled_ms = now_ms;
	f->stalled_sent = f->sent;
	/* Where any rate will do, nothing at all is still none. */
	return !taken || taken < c->body_rate * c->stall_ms / 1000;
}

static void tick(struct front *f)
{
	int64_t now = loop_ms(f->proxy->loop), passed = now - f->ticked_ms;

	f->ticked_ms = now;
	timer_start(f->proxy->loop, &f->timer, front_tick_ms(f));
	if (too_slow_reading(f, now)) {
		front_shut(f, true);
	} else if (too_slow_sending(f, passed)) {
		/* However little is missing: what comes now is not waited for, and nothing behind it is a request. */
		f->body = HTTP_BODY_CLOSE;
		exchange_body_broken(f->x, REASON_SLOW_BODY, "the content came too slowly");
	}
}

static void late(struct timer *t)
{
	struct front *f = LIST_OF(t, struct front, timer);

	switch ((enum front_phase)f->phase) {
	case FRONT_HEAD:
		front_refuse_head(f, REASON_SLOW_HEAD, 0, "the header section took too long");
		break;
	case FRONT_H2:
		h2_late(f);
		break;
	case FRONT_BUSY:
	case FRONT_FLUSHING:
		tick(f);
		break;
	default:
		front_shut(f, f->phase == FRONT_DRAINING);
	}
}

/* ---- From one request to the next ---- */

/* Between two requests the connection costs as little as it can. */
void front_next_request(struct front *f)
{
	f->phase = FRONT_IDLE;
	f->skipped_line = false;
	f->scan = (struct h1_scan){0};
	buf_release(&f->in);
	buf_release(&f->out);
	list_push_last(&f->proxy->idle, &f->idle);
	timer_start(f->proxy->loop, &f->timer, f->proxy->config->client.keep_alive_ms);
	if (f->proxy->draining)
		front_shut(f, false);
	else if (buf_len(&f->in) || f->sock.readable)
		task_start(f->proxy->loop, &f->go);
}

/* The answer is sent: on to the next request, past what is left of this one, or to the end. */
static void after_answer(struct front *f)
{
	if (!f->keep) {
		front_linger(f, FRONT_DRAIN_BYTES);
	} else if (f->body_over) {
		front_next_request(f);
	} else {
		f->phase = FRONT_DRAINING;
		f->drained = 0;
		timer_start(f->proxy->loop, &f->timer, DRAIN_MS);
	}
}

/* ---- Reading ---- */

static void stream_ended(struct front *f, bool broken)
{
	if (f->x && f->body_over && !broken) {
		f->keep = false; /* half-close: the answer is still wanted */
	} else if (f->x && f->tunnel && !broken) {
		f->body_over = true;
		exchange_body_end(f->x);
	} else {
		front_shut(f, false);
	}
}

/* No memory to read into. */
static void starved(struct front *f)
{
	if (f->phase == FRONT_IDLE || f->phase == FRONT_HEAD)
		front_refuse_head(f, guard_starved(f->proxy), guard_starved_head(f->proxy), "no memory for the header section");
	else if (f->x)
		exchange_body_broken(f->x, guard_starved(f->proxy), "no memory to read the content");
	else
		front_shut(f, true);
}

/* True when bytes came. */
static bool fill(struct front *f, uint32_t room)
{
	ssize_t n;

	if (!f->sock.readable)
		return false;
	if (!buf_room(&f->in, room)) {
		starved(f);
		return false;
	}
	n = sock_read(&f->sock, f->in.at + f->in.end, f->in.cap - f->in.end);
	if (n > 0) {
		f->in.end += (uint32_t)n;
		return true;
	}
	if (n != SOCK_AGAIN)
		stream_ended(f, n == SOCK_BROKEN);
	else
		buf_release(&f->in); /* who waits for more needs no room yet */
	return false;
}

static void drain(struct front *f)
{
	char trash[16384];

	for (unsigned steps = 0; f->sock.readable && f->drained < f->drain_most; steps++) {
		ssize_t n;

		if (steps == TURN_STEPS) {
			task_start(f->proxy->loop, &f->go);
			return;
		}
		n = sock_read(&f->sock, trash, sizeof trash);

		if (n == SOCK_AGAIN)
			return;
		if (n < 0) {
			front_shut(f, false);
			return;
		}
		f->drained += (uint32_t)n;
	}
	if (f->drained >= f->drain_most)
		front_shut(f, false);
}

bool front_speak_h2(struct front *f)
{
	if (h2_open(f))
		return true;
	front_shut(f, true);
	return false;
}

/* One step of whatever phase it is.  False: nothing more can be done now. */
static bool step(struct front *f)
{
	switch ((enum front_phase)f->phase) {
	case FRONT_HOP:
		return front_read_hop(f);
	case FRONT_HANDSHAKING:
		front_shake(f);
		return false;
	case FRONT_IDLE:
	case FRONT_HEAD:
		return front_parse_head(f) || fill(f, READ_HEAD);
	case FRONT_H2:
		h2_go(f);
		return false;
	case FRONT_BUSY:
		if (f->body_over)
			return false;
		return front_feed_body(f) || (f->phase == FRONT_BUSY && wants_body(f) && fill(f, READ_BODY));
	case FRONT_FLUSHING:
		if (buf_len(&f->out))
			return false;
		after_answer(f);
		return f->phase != FRONT_FLUSHING;
	case FRONT_DRAINING:
		if (f->body_over) {
			front_next_request(f);
			return false;
		}
		return front_feed_body(f) || fill(f, READ_BODY);
	case FRONT_LINGERING:
		drain(f);
		return false;
	case FRONT_CLOSED:
		return false;
	}
	return false;
}

/* Something of ours may be sent. */
static bool is_open(const struct front *f)
{
	return f->phase != FRONT_HOP && f->phase != FRONT_HANDSHAKING && f->phase != FRONT_CLOSED;
}

void front_go(struct front *f)
{
	unsigned steps = 0;

	quarantine_mark(f->proxy, f->print);
	if (f->phase == FRONT_H2) {
		h2_go(f);
		return;
	}
	if (is_open(f) && f->sock.writable)
		front_flush(f);
	while (!f->broken && steps < TURN_STEPS && step(f))
		steps++;
	/* A client that is faster than we are would never let the loop turn. */
	if (steps == TURN_STEPS && f->phase != FRONT_CLOSED)
		task_start(f->proxy->loop, &f->go);
	if (is_open(f) && buf_len(&f->out) && f->sock.writable && !f->broken)
		front_flush(f);
	if (f->phase != FRONT_CLOSED && f->broken)
		front_shut(f, true);
	/* A tunnel may be silent for long. */
	if (f->phase == FRONT_BUSY && f->tunnel) {
		buf_release(&f->in);
		buf_release(&f->out);
	}
}

static void go_task(struct task *t)
{
	front_go(LIST_OF(t, struct front, go));
}

static void ready(struct watch *w, unsigned what)
{
	struct front *f = LIST_OF(w, struct front, sock.watch);

	sock_marks(&f->sock, what);
	f->spoken = f->spoken || what & LOOP_READ;
	/* A new socket is writable at once; there is nothing to say before the client has spoken. */
	if (!f->spoken)
		return;
	if (what & LOOP_HANGUP && f->phase != FRONT_LINGERING) {
		front_shut(f, true);
		return;
	}
	if (f->x && what & LOOP_WRITE && f->x->state == EXCHANGE_ANSWERING) {
		front_flush(f);
		if (f->x && !buf_len(&f->out) && !f->broken)
			exchange_writable(f->x);
	}
	front_go(f);
}

void front_drain(struct front *f)
{
	f->keep = false;
	if (f->phase == FRONT_H2)
		h2_drain(f);
	else if (is_idle(f) && !buf_len(&f->in))
		front_shut(f, false);
}

void front_begin(struct front *f)
{
	f->phase = f->sock.tls ? FRONT_HANDSHAKING : FRONT_IDLE;
	if (!f->sock.tls)
		list_push_last(&f->proxy->idle, &f->idle);
}

bool front_open(struct proxy *p, const struct proxy_listener *listener, bool hop, int fd, const struct addr *peer,
		uint16_t port)
{
	struct front *f = mem_take_zeroed(&p->memory, sizeof *f);

	if (!f)
		return false;
	f->proxy = p;
	f->serve = listener->serve;
	f->http2 = listener->http2;
	f->peer = *peer;
	f->peer_port = port;
	f->came_us = loop_us(p->loop);
	f->budget = (struct budget){.limit = (size_t)p->config->client.memory, .parent = &p->memory,
				    .refusals = 1 + METRIC_MEMORY_CONNECTION};
	buf_init(&f->in, &f->budget);
	buf_init(&f->out, &f->budget);
	timer_init(&f->timer, late);
	task_init(&f->go, go_task);
	task_init(&f->bury, bury);
	list_init(&f->link);
	list_init(&f->shake);
	list_init(&f->idle);
	if (!sock_open(&f->sock, p->loop, fd, ready)) {
		mem_give(&p->memory, f, sizeof *f);
		return false;
	}
	f->phase = FRONT_IDLE;
	if (listener->serve == CONFIG_HTTPS) {
		f->phase = FRONT_HANDSHAKING;
		f->sock.tls = tls_accept(p->current->tls, fd);
		if (!f->sock.tls) {
			watch_remove(&f->sock.watch);
			mem_give(&p->memory, f, sizeof *f);
			return false;
		}
		tls_charge(f->sock.tls, &f->budget);
		if (f->http2)
			tls_offer_h2(f->sock.tls);
	}
	if (!hop) {
		f->place = guard_came(p, peer);
		f->guarded = true;
	}
	p->fronts_n++;
	list_push_last(&p->fronts, &f->link);
	if (hop)
		f->phase = FRONT_HOP;
	else
		front_begin(f);
	timer_start(p->loop, &f->timer,
		    f->phase == FRONT_IDLE ? p->config->client.head_ms : p->config->client.handshake_ms);
	return true;
}
