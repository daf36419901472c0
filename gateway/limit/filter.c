/* filter.c -- the rate-limit filter: ask all limits of a request at once, decide.
 *
 * With Redis the request waits for one answer; when there is none in time, each
 * limit's on_failure says whether this node counts a share of it, lets the request
 * pass, or refuses it. */
#include "gateway/base/fail.h"
#include "gateway/base/log.h"
#include "gateway/base/metric.h"
#include "gateway/limit/asked.h"
#include "gateway/limit/gcra_script.h"

enum { SECOND_US = 1000000, SAY_AGAIN_MS = 10000 };

struct state {
	struct redis_ask question;
	struct visit *visit;
	struct wait *wait;
	struct asked *at;
	unsigned n;
	bool whole; /* the script itself was sent */
};

bool limit_prepare(struct limit_config *c, bool greet)
{
	const struct slice load[] = {SLICE("SCRIPT"), SLICE("LOAD"), gcra_script};

	if (greet && c->redis)
		redis_greet(c->redis, load, 3);
	return store_prepare(c);
}

void asked_set(struct asked *a, unsigned share)
{
	uint64_t number = a->limit->number / share, burst = a->limit->burst / share;

	a->gcra = gcra_make(number ? number : 1, a->limit->period_ms, burst ? burst : 1);
	a->charge = gcra_charge(&a->gcra, a->cost);
}

/* ---- The verdict ---- */

static struct verdict over(const struct asked *a, int64_t retry_after_us)
{
	const struct policy_limit *l = a->limit;
	struct verdict v = {
		.kind = l->over_act == POLICY_REDIRECT ? VERDICT_REDIRECT : VERDICT_DENY,
		.reason = REASON_RATE_LIMIT,
		.status = l->over_status,
		.would = !asked_enforced(a),
		.retry_after_s = l->over_retry_after_s,
		.location = l->over_act == POLICY_REDIRECT ? l->over_to : SLICE_NONE,
		.by = l->entry,
	};

	if (v.retry_after_s <= 0)
		v.retry_after_s = (retry_after_us + SECOND_US - 1) / SECOND_US;
	return v;
}

/* The first that refuses decides; who comes back does so when none refuses any more. */
static struct verdict decide(struct visit *v, struct verdict otherwise)
{
	struct state *st = v->state;
	const struct asked *first = NULL, *would = NULL;
	int64_t retry_us = 0, would_us = 0;

	for (unsigned i = 0; i < st->n; i++) {
		const struct asked *a = &st->at[i];
		int64_t us;

		if (!a->counted || a->allowed)
			continue;
		us = gcra_tell(&a->gcra, false, a->ahead, a->charge).retry_after_us;
		if (asked_enforced(a)) {
			first = first ? first : a;
			retry_us = us > retry_us ? us : retry_us;
		} else if (!would) {
			would = a;
			would_us = us;
		}
		note(v, asked_enforced(a) ? "over" : "would-be-over", "%.*s", SLICE_F(a->limit->entry.id));
	}
	if (!advertise(v->facts, v->arena, st->at, st->n))
		return DENY(REASON_POLICY_MEMORY);
	if (first)
		return over(first, retry_us);
	return would ? over(would, would_us) : otherwise;
}

/* ---- This node alone ---- */

/* Count in the words what is not decided yet: `n` of the state's counters, by index. */
static void count_here(struct visit *v, const unsigned *which, unsigned n, unsigned share)
{
	const struct limit_config *c = v->conf;
	struct state *st = v->state;
	struct words_charge charges[POLICY_ASKS];

	for (unsigned i = 0; i < n; i++) {
		struct asked *a = &st->at[which[i]];

		asked_set(a, share);
		charges[i] = (struct words_charge){
			.tag = store_tag(c, a), .limit = a->gcra, .charge = a->charge, .enforced = asked_enforced(a)};
	}
	words_ask(c->words, charges, n, loop_us(v->run->loop) * GCRA_TICKS_PER_US);
	for (unsigned i = 0; i < n; i++) {
		struct asked *a = &st->at[which[i]];

		a->counted = true;
		a->allowed = charges[i].allowed;
		a->ahead = charges[i].ahead;
	}
}

static struct verdict count_all_here(struct visit *v)
{
	struct state *st = v->state;
	unsigned which[POLICY_ASKS];

	for (unsigned i = 0; i < st->n; i++)
		which[i] = i;
	count_here(v, which, st->n, 1);
	return decide(v, PASS);
}

/* Redis cannot say: each limit's on_failure does. */
static struct verdict without_store(struct visit *v, const char *why)
{
	const struct limit_config *c = v->conf;
	struct state *st = v->state;
	struct verdict otherwise = PASS;
	unsigned which[POLICY_ASKS], n = 0;

	note(v, "store", "%s", why);
	for (unsigned i = 0; i < st->n; i++) {
		const struct policy_limit *l = st->at[i].limit;
		struct verdict unsure = {.kind = VERDICT_UNSURE, .reason = REASON_LIMIT_STORE, .by = l->entry};

		st->at[i].counted = false;
		if (l->lost == POLICY_LOST_LOCAL) {
			which[n++] = i;
		} else if (l->lost == POLICY_LOST_BLOCK && l->mode == POLICY_ENFORCE) {
			unsure.block = true;
			unsure.retry_after_s = 1;
			return unsure;
		} else if (otherwise.kind == VERDICT_PASS) {
			otherwise = unsure;
		}
	}
	if (n)
		count_here(v, which, n, c->local_share ? c->local_share : 1);
	return decide(v, otherwise);
}

/* ---- All nodes together ---- */

static void forget(void *ticket)
{
	struct state *st = ticket;

	redis_forget(&st->question);
}

/* An error is no secret to the operator, but one line is enough. */
static void say_error(struct state *st, struct slice text)
{
	static int64_t said_ms;
	int64_t now_ms = loop_ms(st->visit->run->loop);

	if (text.len > 100)
		text.len = 100;
	note(st->visit, "store", "%.*s", SLICE_F(text));
	if (said_ms && now_ms - said_ms < SAY_AGAIN_MS)
		return;
	said_ms = now_ms;
	log_warn("limits: redis does not count: %.*s", SLICE_F(text));
}

static void answered(struct redis_ask *q, enum redis_outcome how, const struct redis_value *value)
{
	struct state *st = q->owner;
	enum outcome outcome = how == REDIS_LATE ? OUTCOME_LATE : OUTCOME_LOST;

	if (how == REDIS_ANSWERED && value->kind == REDIS_ERROR) {
		/* A Redis that was flushed or replaced has lost the script; EVAL brings it back. */
		if (slice_starts(value->text, SLICE("NOSCRIPT")) && !st->whole) {
			st->whole = true;
			if (store_ask(st->visit->conf, q, st->at, st->n, true))
				return;
		}
		say_error(st, value->text);
	} else if (how == REDIS_ANSWERED) {
		if (store_read(value, st->at, st->n))
			outcome = OUTCOME_ANSWERED;
		else
			say_error(st, SLICE("its answer is not the script's"));
	}
	wait_done(st->wait, outcome);
}

static struct verdict after_wait(struct visit *v)
{
	metric_span(SPAN_LIMIT, loop_us(v->run->loop) - v->run->wait.since_us);
	switch (v->run->wait.outcome) {
	case OUTCOME_ANSWERED:
		metric_count(METRIC_REDIS_ANSWERED);
		return decide(v, PASS);
	case OUTCOME_LATE:
		metric_count(METRIC_REDIS_LATE);
		return without_store(v, "late");
	case OUTCOME_LOST:
		metric_count(METRIC_REDIS_LOST);
		break;
	}
	return without_store(v, "lost");
}

static struct verdict ask_all(struct visit *v)
{
	const struct limit_config *c = v->conf;
	struct state *st = v->state;

	st->question = (struct redis_ask){.answered = answered, .owner = st};
	if (!store_ask(c, &st->question, st->at, st->n, false)) {
		metric_count(METRIC_REDIS_UNASKED);
		return without_store(v, "not ready");
	}
	st->wait = wait_open(v, c->deadline_ms, forget, st);
	return (struct verdict){.kind = VERDICT_WAIT, .next = after_wait};
}

/* ---- The gate ---- */

static void note_policy(void *context, const char *what, const struct policy_entry *by, struct slice text)
{
	note(context, what, "%.*s%s%.*s", SLICE_F(by->id), text.len ? " " : "", SLICE_F(text));
}

static struct verdict refuse(const struct policy_asks *asks)
{
	struct verdict v = DENY(asks->refuse_status == 503 ? REASON_POLICY_MEMORY : REASON_LIMIT_KEY);

	v.status = asks->refuse_status;
	v.by = asks->refuse_by;
	return v;
}

static struct verdict at_request(struct visit *v)
{
	const struct limit_config *c = v->conf;
	struct state *st = v->state;
	struct policy_asks asks;

	if (!v->facts->policy || !v->facts->policy_ran || v->facts->canary)
		return PASS;
	asks.n = 0;
	asks.refuse = false;
	policy_limits(&v->facts->policy_run, &asks, note_policy, v);
	if (asks.refuse)
		return refuse(&asks);
	if (!asks.n)
		return PASS;
	metric_count(METRIC_LIMITED);
	st->visit = v;
	st->n = asks.n;
	st->at = ARENA_ARRAY(v->arena, struct asked, asks.n);
	if (!st->at)
		return DENY(REASON_POLICY_MEMORY);
	for (unsigned i = 0; i < asks.n; i++) {
		st->at[i] = (struct asked){.limit = asks.at[i].limit, .key = asks.at[i].key, .cost = asks.at[i].cost};
		asked_set(&st->at[i], 1);
	}
	return c->redis ? ask_all(v) : count_all_here(v);
}

const struct filter limit_filter = {
	.name = "limit",
	.state_size = sizeof(struct state),
	.at = {[GATE_REQUEST] = at_request},
};
