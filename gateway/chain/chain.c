/* chain.c -- walking the filters, waiting on their behalf, keeping the record. */
#include "gateway/chain/chain.h"

#include "gateway/base/fail.h"

static void walk(struct chain_run *run);

static void resume(struct task *t)
{
	struct chain_run *run = LIST_OF(t, struct chain_run, resume);

	walk(run);
}

static void late(struct timer *t)
{
	struct wait *w = LIST_OF(t, struct wait, timer);
	void (*cancel)(void *) = w->cancel;

	w->cancel = NULL;
	if (cancel)
		cancel(w->ticket);
	wait_done(w, OUTCOME_LATE);
}

bool chain_init(struct chain_run *run, struct loop *l, const struct filter *const *filters,
		const void *const *confs, const struct request *req, struct facts *facts, struct arena *a,
		void (*done)(struct chain_run *, bool stop), void *owner)
{
	run->filters = filters;
	run->n = run->index = 0;
	run->running = false;
	run->loop = l;
	run->next = NULL;
	run->done = done;
	run->owner = owner;
	run->record.steps_n = run->record.notes_n = run->record.cut = 0;
	run->record.deciding = -1;
	run->verdict = PASS;
	run->background = 0;
	run->settled = NULL;
	run->wait.open = false;
	timer_init(&run->wait.timer, late);
	task_init(&run->resume, resume);
	for (; filters[run->n]; run->n++) {
		struct visit *v = &run->visits[run->n];

		CHECK(run->n < CHAIN_FILTERS);
		*v = (struct visit){
			.conf = confs ? confs[run->n] : NULL, .req = req, .facts = facts, .arena = a, .run = run};
		if (filters[run->n]->state_size) {
			v->state = arena_take_zeroed(a, filters[run->n]->state_size);
			if (!v->state)
				return false;
		}
	}
	return true;
}

/* What passed without waiting and without a policy line needs no mention. */
static void keep(struct chain_run *run, const struct verdict *v, int64_t waited_us)
{
	struct record *r = &run->record;

	if (v->kind == VERDICT_PASS && !v->would && !v->by.id.len && !waited_us)
		return;
	if (r->steps_n == RECORD_STEPS) {
		r->cut++;
		return;
	}
	r->steps[r->steps_n++] = (struct record_step){
		.filter = run->filters[run->index]->name,
		.gate = run->gate,
		.kind = v->kind,
		.reason = v->reason,
		.would = v->would,
		.status = v->status,
		.waited_us = waited_us,
		.by = v->by,
	};
}

/* True when the verdict ends the walk. */
static bool ends(struct chain_run *run, struct verdict v)
{
	int64_t waited = run->wait.since_us ? loop_us(run->loop) - run->wait.since_us : 0;

	run->wait.since_us = 0;
	if (!v.status)
		v.status = (uint16_t)reason_status(v.reason);
	keep(run, &v, waited);
	if (v.kind == VERDICT_PASS || v.would || (v.kind == VERDICT_UNSURE && !v.block))
		return false;
	if (v.kind == VERDICT_UNSURE)
		v.kind = VERDICT_DENY;
	run->record.deciding = (int)run->record.steps_n - 1;
	run->verdict = v;
	return true;
}

static void walk(struct chain_run *run)
{
	for (; run->index < run->n; run->index++) {
		step_fn *step = run->next ? run->next : run->filters[run->index]->at[run->gate];
		struct verdict v;

		run->next = NULL;
		if (!step)
			continue;
		v = step(&run->visits[run->index]);
		if (v.kind == VERDICT_WAIT) {
			CHECK(run->wait.since_us && v.next);
			run->next = v.next;
			return;
		}
		if (ends(run, v)) {
			run->running = false;
			run->done(run, true);
			return;
		}
	}
	run->running = false;
	run->done(run, false);
}

void chain_gate(struct chain_run *run, enum gate gate)
{
	CHECK(!run->running);
	run->running = true;
	run->gate = gate;
	run->index = 0;
	run->next = NULL;
	run->wait.since_us = 0;
	walk(run);
}

/* Of the request's body, or of the answer's. */
static enum body_use strictest(const struct chain_run *run, bool answer)
{
	enum body_use use = BODY_UNSEEN;

	for (unsigned i = 0; i < run->n; i++) {
		enum body_use (*ask)(const struct visit *) = answer ? run->filters[i]->answer : run->filters[i]->body;
		enum body_use one = ask ? ask(&run->visits[i]) : BODY_UNSEEN;

		if (one > use)
			use = one;
	}
	return use;
}

enum body_use chain_body(struct chain_run *run)
{
	return strictest(run, false);
}

enum body_use chain_answer(struct chain_run *run)
{
	return strictest(run, true);
}

void chain_stop(struct chain_run *run)
{
	task_stop(&run->resume);
	run->running = false;
	if (run->wait.open) {
		void (*cancel)(void *) = run->wait.cancel;

		run->wait.open = false;
		timer_stop(&run->wait.timer);
		if (cancel)
			cancel(run->wait.ticket);
	}
}

void chain_done(struct chain_run *run)
{
	chain_stop(run);
	for (unsigned i = 0; i < run->n; i++)
		if (run->filters[i]->leave)
			run->filters[i]->leave(&run->visits[i]);
	run->n = 0;
}

struct wait *wait_open(struct visit *v, uint32_t ms, void (*cancel)(void *ticket), void *ticket)
{
	struct wait *w = &v->run->wait;

	CHECK(!w->open);
	w->run = v->run;
	w->cancel = cancel;
	w->ticket = ticket;
	if (!w->since_us)
		w->since_us = loop_us(v->run->loop);
	w->open = true;
	timer_start(v->run->loop, &w->timer, ms);
	return w;
}

void wait_done(struct wait *w, enum outcome how)
{
	CHECK(w->open);
	w->open = false;
	w->outcome = how;
	timer_stop(&w->timer);
	task_start(w->run->loop, &w->run->resume);
}

void background_begin(struct visit *v)
{
	v->run->background++;
}

void background_done(struct visit *v)
{
	CHECK(v->run->background);
	if (--v->run->background == 0 && v->run->settled)
		v->run->settled(v->run);
}

void note(struct visit *v, const char *key, const char *fmt, ...)
{
	struct record *r = &v->run->record;
	struct slice text;
	va_list args;

	if (r->notes_n == RECORD_NOTES) {
		r->cut++;
		return;
	}
	va_start(args, fmt);
	text = arena_vprint(v->arena, fmt, args);
	va_end(args);
	if (text.at)
		r->notes[r->notes_n++] = (struct record_note){v->run->filters[v - v->run->visits]->name, key, text};
}
