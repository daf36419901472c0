/* front_shake.c -- TLS handshakes with clients have a share of each turn.
 *
 * A ClientHello costs its sender nothing and us a signature: with a key of RSA 4096
 * some 6 ms, and hundreds may come at once.  So they wait in a queue, and each turn of
 * the loop works at it for a little while: who is connected waits for one handshake at
 * most.  Those that have begun go before new ones, since little of them is left. */
#include "gateway/base/log.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/front_parts.h"
#include "gateway/proxy/quarantine.h"

enum { SHARE_US = 2000 };

/* A client that speaks HTTP in clear to a TLS port is told so, in clear and in the words of any other refusal. */
static void not_tls(struct front *f)
{
	bool http = tls_was_http(f->sock.tls);

	log_debug("TLS handshake: %s", tls_why(f->sock.tls));
	tls_free(f->sock.tls);
	f->sock.tls = NULL;
	if (!http) {
		front_shut(f, false);
		return;
	}
	metric_count(METRIC_TLS_FAILED);
	f->phase = FRONT_IDLE;
	front_refuse_head(f, REASON_BAD_REQUEST, 0, "plain HTTP on a TLS port");
	front_go(f);
}

static void shaken(struct front *f)
{
	metric_count(tls_resumed(f->sock.tls) ? METRIC_TLS_RESUMED : METRIC_TLS_FULL);
	metric_span(SPAN_HANDSHAKE, loop_us(f->proxy->loop) - f->came_us);
	f->phase = FRONT_IDLE;
	list_push_last(&f->proxy->idle, &f->idle);
	f->sock.readable = true;
	timer_start(f->proxy->loop, &f->timer, f->proxy->config->client.head_ms);
	if (!slice_is(tls_alpn(f->sock.tls), "h2") || front_speak_h2(f))
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
		not_tls(f);
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
	bool begun = first_of(&p->shakes.begun), fresh = first_of(&p->shakes.fresh), any = begun || fresh;

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

int64_t front_shakes_wait_us(const struct proxy *p)
{
	const struct front *first = LIST_OF(p->shakes.fresh.next, struct front, shake);

	return list_empty(&p->shakes.fresh) ? 0 : loop_us(p->loop) - first->queued_us;
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
