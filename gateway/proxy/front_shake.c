/* front_shake.c -- TLS handshakes with clients have a share of each turn.
 *
 * A ClientHello costs its sender nothing and us a signature: with a key of RSA 4096
 * some 6 ms, and hundreds may come at once.  So they wait in a queue, and each turn of
 * the loop works at it for a little while: who is connected waits for one handshake at
 * most.  Those that have begun go before new ones, since little of them is left. */
#include <sys/socket.h>

#include "gateway/base/log.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/front_parts.h"
#include "gateway/proxy/quarantine.h"

enum { SHARE_US = 2000 };

static void answer_plain_http(struct front *f)
{
	static const char text[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

	if (tls_was_http(f->sock.tls) && send(f->sock.watch.fd, text, sizeof text - 1, MSG_NOSIGNAL) < 0)
		log_debug("a client spoke plain HTTP on a TLS port and left");
	tls_free(f->sock.tls);
	f->sock.tls = NULL;
	front_shut(f, false);
}

static void shaken(struct front *f)
{
	metric_count(tls_resumed(f->sock.tls) ? METRIC_TLS_RESUMED : METRIC_TLS_FULL);
	metric_span(SPAN_HANDSHAKE, loop_us(f->proxy->loop) - f->came_us);
	f->phase = FRONT_IDLE;
	f->sock.readable = true;
	timer_start(f->proxy->loop, &f->timer, f->proxy->config->client.head_ms);
	front_go(f);
}

static void step(struct front *f)
{
	quarantine_mark(f->proxy, f->print);
	f->shaking = true;
	switch (tls_handshake(f->sock.tls)) {
	case TLS_DONE:
		shaken(f);
		break;
	case TLS_AGAIN:
		break;
	default:
		log_debug("TLS handshake: %s", tls_why(f->sock.tls));
		answer_plain_http(f);
	}
}

/* So long in the queue that whoever it was has hardly the patience for the rest: the work would be for nobody. */
static bool waited_too_long(const struct front *f)
{
	return !f->shaking && loop_us(f->proxy->loop) - f->queued_us > f->proxy->config->client.handshake_ms * 1000 / 2;
}

static bool first_of(struct list *queue)
{
	struct front *f;

	if (list_empty(queue))
		return false;
	f = LIST_OF(queue->next, struct front, shake);
	list_remove(&f->shake);
	if (waited_too_long(f)) {
		metric_count(METRIC_TLS_SHED);
		front_shut(f, true);
	} else {
		step(f);
	}
	return true;
}

/* At least one of each, and then as many as there is time for. */
static void share(struct task *t)
{
	struct proxy *p = LIST_OF(t, struct proxy, shakes.task);
	int64_t until = loop_clock_us() + SHARE_US;
	bool any = first_of(&p->shakes.begun) | first_of(&p->shakes.fresh);

	while (any && loop_clock_us() < until)
		any = first_of(&p->shakes.begun) || first_of(&p->shakes.fresh);
	if (!list_empty(&p->shakes.begun) || !list_empty(&p->shakes.fresh))
		task_start(p->loop, &p->shakes.task);
}

void front_shakes_init(struct proxy *p)
{
	list_init(&p->shakes.begun);
	list_init(&p->shakes.fresh);
	task_init(&p->shakes.task, share);
}

void front_shakes_stop(struct proxy *p)
{
	task_stop(&p->shakes.task);
}

void front_shake(struct front *f)
{
	struct proxy *p = f->proxy;

	if (!list_empty(&f->shake))
		return;
	f->queued_us = loop_us(p->loop);
	list_push_last(f->shaking ? &p->shakes.begun : &p->shakes.fresh, &f->shake);
	task_start(p->loop, &p->shakes.task);
}
