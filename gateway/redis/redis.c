/* redis.c -- questions: their order, their deadlines and the breaker.
 *
 * Replies come in the order of the questions, so a late or forgotten question
 * keeps its place until its reply has been read and thrown away. */
#include <stdio.h>
#include <string.h>

#include "gateway/base/fail.h"
#include "gateway/base/hash.h"
#include "gateway/redis/inside.h"

static bool put_count(struct buf *out, char mark, size_t n)
{
	char text[24];
	int len = snprintf(text, sizeof text, "%c%zu\r\n", mark, n);

	return buf_put(out, text, (size_t)len);
}

bool command_print(struct buf *out, const struct slice *argv, unsigned argc, uint32_t most)
{
	uint32_t before = buf_len(out);
	bool whole = put_count(out, '*', argc);

	for (unsigned i = 0; whole && i < argc; i++)
		whole = argv[i].len <= COMMAND_BYTES && put_count(out, '$', argv[i].len) && buf_put_slice(out, argv[i]) &&
			buf_put(out, "\r\n", 2) && buf_len(out) <= most;
	if (!whole)
		out->end = out->start + before;
	return whole;
}

void pipeline_push(struct redis *r, struct redis_ask *q)
{
	struct slot *s = slot_at(r, r->tail);

	*s = (struct slot){q, loop_ms(r->loop) + r->plan.deadline_ms};
	if (q) {
		q->pending = true;
		q->redis = r;
		q->place = r->tail;
	}
	r->tail++;
	/* The clock already runs for an older question. */
	if (r->due + 1 == r->tail)
		clock_set(r);
	task_start(r->loop, &r->flush);
}

static void tell(struct slot *s, enum redis_outcome how, const struct redis_value *v)
{
	struct redis_ask *q = s->q;

	s->q = NULL;
	if (!q)
		return;
	q->pending = false;
	q->answered(q, how, v);
}

/* The server is there but cannot count for us: another may stand at its address soon. */
static bool is_unfit(const struct redis_value *v)
{
	static const char *const words[] = {"LOADING", "READONLY", "MASTERDOWN", "NOAUTH"};

	for (size_t i = 0; v->kind == REDIS_ERROR && i < sizeof words / sizeof *words; i++)
		if (slice_starts(v->text, slice_of(words[i])))
			return true;
	return false;
}

bool pipeline_answer(struct redis *r, const struct redis_value *v)
{
	bool in_time = r->head >= r->due, unfit = is_unfit(v);

	if (r->head == r->tail)
		return false;
	r->heard_ms = loop_ms(r->loop);
	if (in_time) {
		r->due = r->head + 1;
		r->late_row = 0;
		if (r->state == UP && !unfit)
			r->back_off_ms = BACK_OFF_LEAST_MS;
	}
	r->head++;
	tell(slot_at(r, r->head - 1), REDIS_ANSWERED, v);
	if (unfit)
		connection_lost(r, v->text);
	return true;
}

void pipeline_lose(struct redis *r)
{
	while (r->head != r->tail)
		tell(slot_at(r, r->head++), REDIS_LOST, NULL);
	r->due = r->tail;
	r->late_row = 0;
}

void clock_set(struct redis *r)
{
	int64_t next;

	if (r->head == r->tail) {
		if (r->state == UP)
			timer_start(r->loop, &r->clock, r->heard_ms + IDLE_MS - loop_ms(r->loop));
		else
			timer_stop(&r->clock);
		return;
	}
	next = slot_at(r, r->head)->due_ms + SILENT_MS;
	if (r->due != r->tail && slot_at(r, r->due)->due_ms < next)
		next = slot_at(r, r->due)->due_ms;
	timer_start(r->loop, &r->clock, next - loop_ms(r->loop));
}

static void look_alive(struct redis *r)
{
	static const struct slice ping[] = {{"PING", 4}};

	if (command_print(&r->out, ping, 1, OUT_BYTES))
		pipeline_push(r, &r->probe);
}

static void probed(struct redis_ask *q, enum redis_outcome how, const struct redis_value *value)
{
	(void)q;
	(void)how;
	(void)value;
}

/* A deadline, or the end of patience with silence, or nobody has asked for long. */
void clock_fired(struct timer *t)
{
	struct redis *r = LIST_OF(t, struct redis, clock);
	int64_t now = loop_ms(r->loop);

	if (r->head == r->tail && r->state == UP && now - r->heard_ms >= IDLE_MS) {
		buf_release(&r->out);
		look_alive(r);
		return;
	}
	while (r->state != DOWN && r->due != r->tail && slot_at(r, r->due)->due_ms <= now) {
		/* What waits behind a late question is late for the same cause. */
		if (r->head == r->due)
			r->late_row++;
		r->due++;
		tell(slot_at(r, r->due - 1), REDIS_LATE, NULL);
	}
	if (r->state != DOWN && r->late_row >= LATE_ROW)
		connection_lost(r, SLICE("it answers late"));
	if (r->state != DOWN && r->head != r->due && now >= slot_at(r, r->head)->due_ms + SILENT_MS)
		connection_lost(r, SLICE("it is silent"));
	if (r->state != DOWN)
		clock_set(r);
}

static bool copy_text(struct redis *r, struct slice *text)
{
	char *copy;

	if (!text->len)
		return true;
	copy = mem_take(r->plan.budget, text->len);
	if (!copy)
		return false;
	memcpy(copy, text->at, text->len);
	text->at = copy;
	return true;
}

/* Passwords do not stay behind in free memory. */
static void give_text(struct redis *r, struct slice text)
{
	if (!text.len)
		return;
	explicit_bzero((char *)(uintptr_t)text.at, text.len);
	mem_give(r->plan.budget, (char *)(uintptr_t)text.at, text.len);
}

struct redis *redis_new(struct loop *l, const struct redis_plan *plan)
{
	struct redis *r = mem_take_zeroed(plan->budget, sizeof *r);
	struct hash_seed seed;

	if (!r)
		return NULL;
	hash_seed_random(&seed);
	*r = (struct redis){.loop = l, .plan = *plan, .fd = -1, .random = seed.k0 | 1, .back_off_ms = BACK_OFF_LEAST_MS};
	r->plan.user = r->plan.password = SLICE_NONE;
	if (!r->plan.deadline_ms)
		r->plan.deadline_ms = 1;
	buf_init(&r->out, plan->budget);
	buf_init(&r->greetings, plan->budget);
	timer_init(&r->clock, clock_fired);
	timer_init(&r->again, connection_again);
	task_init(&r->flush, connection_flush);
	r->probe.answered = probed;
	r->slots = mem_take_zeroed(plan->budget, PIPELINE * sizeof *r->slots);
	if (!r->slots)
		goto no_slots;
	r->plan.user = plan->user;
	if (!copy_text(r, &r->plan.user))
		goto no_user;
	r->plan.password = plan->password;
	if (!copy_text(r, &r->plan.password))
		goto no_password;
	connection_open(r);
	return r;
no_password:
	give_text(r, r->plan.user);
no_user:
	mem_give(plan->budget, r->slots, PIPELINE * sizeof *r->slots);
no_slots:
	mem_give(plan->budget, r, sizeof *r);
	return NULL;
}

bool redis_is(const struct redis *r, const struct redis_plan *plan)
{
	return addr_compare(&r->plan.address, &plan->address) == 0 && r->plan.port == plan->port &&
	       slice_eq(r->plan.user, plan->user) && slice_eq(r->plan.password, plan->password) &&
	       r->plan.database == plan->database && r->plan.deadline_ms == (plan->deadline_ms ? plan->deadline_ms : 1);
}

void redis_free(struct redis *r)
{
	if (!r)
		return;
	r->told = true;
	connection_lost(r, SLICE("closed"));
	timer_stop(&r->again);
	replies_done(&r->in);
	buf_done(&r->greetings);
	give_text(r, r->plan.password);
	give_text(r, r->plan.user);
	mem_give(r->plan.budget, r->slots, PIPELINE * sizeof *r->slots);
	mem_give(r->plan.budget, r, sizeof *r);
}

bool redis_ready(const struct redis *r)
{
	/* While one is late the next would be too. */
	return r->state == UP && r->head == r->due && r->tail - r->head < PIPELINE && buf_len(&r->out) < OUT_BYTES;
}

bool redis_ask(struct redis *r, struct redis_ask *q, const struct slice *argv, unsigned argc)
{
	CHECK(!q->pending);
	if (!redis_ready(r) || !command_print(&r->out, argv, argc, OUT_BYTES))
		return false;
	pipeline_push(r, q);
	return true;
}

void redis_forget(struct redis_ask *q)
{
	if (!q->pending)
		return;
	q->pending = false;
	slot_at(q->redis, q->place)->q = NULL;
}

bool redis_greet(struct redis *r, const struct slice *argv, unsigned argc)
{
	if (r->greetings_n == REDIS_GREETS || !command_print(&r->greetings, argv, argc, 2 * COMMAND_BYTES))
		return false;
	r->greetings_n++;
	/* Too late for this connection's greeting.  Where it does not fit, the next one brings it. */
	if (redis_ready(r) && command_print(&r->out, argv, argc, OUT_BYTES))
		pipeline_push(r, NULL);
	return true;
}
