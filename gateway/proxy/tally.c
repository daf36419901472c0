/* tally.c -- what the data path counts when a request ends, and the gauges it is asked for.
 *
 * Counters elsewhere are single lines where the thing happens; these here need the whole exchange. */
#include "gateway/base/metric.h"
#include "gateway/proxy/record.h"
#include "gateway/proxy/upstream.h"

_Static_assert((unsigned)REASONS <= (unsigned)METRIC_REASONS, "a reason without a counter");

/* The same words as in the record. */
static enum metric_decision decision_of(const struct exchange *x)
{
	if (record_is_judged(x)) {
		if (x->chain.record.deciding < 0)
			return METRIC_PASS;
		return x->chain.verdict.kind == VERDICT_REDIRECT ? METRIC_REDIRECT : METRIC_BLOCK;
	}
	if (!x->failed)
		return METRIC_REDIRECT;
	return x->tries || x->failed == REASON_CLIENT_LEFT ? METRIC_FAILED : METRIC_BLOCK;
}

static enum reason reason_of(const struct exchange *x)
{
	if (!record_is_judged(x))
		return x->failed;
	return x->chain.record.deciding < 0 ? REASON_NONE : x->chain.verdict.reason;
}

void record_count(const struct exchange *x)
{
	int64_t now = loop_us(x->proxy->loop);
	unsigned class = x->status / 100;

	metric_request(x->site ? metric_site_of(x->site->head.key) : METRIC_SITE_NONE, decision_of(x), reason_of(x));
	metric_count((enum metric)(METRIC_ANSWERS_NONE + (class < 6 ? class : 0)));
	metric_count(x->version == 2 ? METRIC_REQUESTS_2 : x->req.minor ? METRIC_REQUESTS_1_1 : METRIC_REQUESTS_1_0);
	metric_add(METRIC_RECEIVED, x->body_bytes);
	metric_add(METRIC_SENT, x->sent_bytes);
	if (x->status != 101)
		metric_span(SPAN_REQUEST, now - x->began_us);
	if (x->judged_us)
		metric_span(SPAN_CHAIN, x->judged_us - x->began_us);
	if (x->head_us && x->asked_us)
		metric_span(SPAN_FIRST_BYTE, x->head_us - x->asked_us);
	if (x->facts.uninspected && x->tries) {
		metric_count(METRIC_UNINSPECTED);
		metric_add(METRIC_UNINSPECTED_BYTES, x->body_bytes);
	}
	if (x->facts.answer_uninspected && !x->own) {
		metric_count(METRIC_UNSEEN_ANSWERS);
		metric_add(METRIC_UNSEEN_ANSWER_BYTES, x->sent_bytes);
	}
}

/* ---- Gauges ---- */

static void measure_origins(const struct proxy *p)
{
	int64_t now_ms = loop_ms(p->loop);
	uint64_t idle = 0, out = 0;

	for (unsigned i = 0; i < p->config->origins.n; i++) {
		const struct proxy_origin *o = &p->current->origins[i];

		idle += o->idle_n;
		for (unsigned k = 0; k < o->n; k++) {
			idle += upstream_h2_idle(&o->servers[k]);
			out += o->servers[k].ejected_until_ms > now_ms;
		}
	}
	metric_set(METRIC_ORIGIN_IDLE, idle);
	metric_set(METRIC_ORIGIN_OUT, out);
}

void proxy_measure(const struct proxy *p)
{
	metric_set(METRIC_CONNECTIONS, p->fronts_n);
	metric_set(METRIC_MEMORY, p->memory.used);
	metric_set(METRIC_MEMORY_PEAK, p->memory.peak);
	metric_set(METRIC_MEMORY_LIMIT, p->memory.limit);
	metric_set(METRIC_SPOOL, p->spool.used);
	measure_origins(p);
}
