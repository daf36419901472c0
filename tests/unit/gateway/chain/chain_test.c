/* chain_test.c -- filters that pass, decide, wait, come late, or meet a client that leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/chain/chain.h"

static struct loop *loop;
static struct arena arena;
static struct request request;
static struct facts facts;
static struct chain_run run;
static struct wait *waiting;
static int done_calls, cancels, leaves, steps;
static bool stopped;

static struct verdict passes(struct visit *v)
{
	(void)v;
	steps++;
	return PASS;
}

static struct verdict denies(struct visit *v)
{
	note(v, "why", "number %d", 7);
	return DENY(REASON_POLICY_RULE);
}

static struct verdict would_deny(struct visit *v)
{
	struct verdict verdict = DENY(REASON_RATE_LIMIT);

	(void)v;
	verdict.would = true;
	return verdict;
}

static void cancelled(void *ticket)
{
	assert_ptr_equal(ticket, &request);
	cancels++;
}

static struct verdict after_wait(struct visit *v)
{
	steps++;
	return v->run->wait.outcome == OUTCOME_ANSWERED ? PASS : DENY(REASON_WAF_LOST);
}

static struct verdict waits(struct visit *v)
{
	waiting = wait_open(v, 50, cancelled, &request);
	return (struct verdict){.kind = VERDICT_WAIT, .next = after_wait};
}

static struct verdict unsure_blocks(struct visit *v)
{
	(void)v;
	return (struct verdict){.kind = VERDICT_UNSURE, .reason = REASON_LIMIT_STORE, .block = true};
}

static struct verdict unsure_passes(struct visit *v)
{
	(void)v;
	return (struct verdict){.kind = VERDICT_UNSURE, .reason = REASON_LIMIT_STORE};
}

static void leaving(struct visit *v)
{
	(void)v;
	leaves++;
}

static enum body_use held(const struct visit *v)
{
	(void)v;
	return BODY_HELD;
}

static enum body_use streamed(const struct visit *v)
{
	(void)v;
	return BODY_STREAMED;
}

static const struct filter pass = {.name = "pass", .at = {passes, passes}, .leave = leaving};
static const struct filter deny = {.name = "deny", .at = {denies}};
static const struct filter detect = {.name = "detect", .at = {would_deny}};
static const struct filter wait_filter = {.name = "wait", .state_size = 64, .at = {waits}, .body = held, .leave = leaving};
static const struct filter watch_answer = {.name = "watch", .at = {[GATE_RESPONSE] = would_deny}, .answer = streamed};
static const struct filter hold_answer = {.name = "hold", .at = {[GATE_RESPONSE_BODY] = denies}, .answer = held};
static const struct filter strict = {.name = "strict", .at = {unsure_blocks}};
static const struct filter lax = {.name = "lax", .at = {unsure_passes}};

static void done(struct chain_run *r, bool stop)
{
	assert_ptr_equal(r, &run);
	done_calls++;
	stopped = stop;
}

static int make(void **state)
{
	(void)state;
	loop = loop_new();
	loop_virtual(loop, 1000000000);
	arena_init(&arena, NULL, 1024);
	done_calls = cancels = leaves = steps = 0;
	stopped = false;
	waiting = NULL;
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	chain_done(&run);
	arena_done(&arena);
	loop_free(loop);
	return 0;
}

static void begin(const struct filter *const *filters)
{
	assert_true(chain_init(&run, loop, filters, NULL, &request, &facts, &arena, done, NULL));
	chain_gate(&run, GATE_REQUEST);
}

static void pass_time(int64_t ms)
{
	loop_virtual(loop, loop_us(loop) + ms * 1000);
	loop_turn(loop, 0);
	loop_turn(loop, 0);
}

static void all_pass_and_leave_no_step(void **state)
{
	static const struct filter *const filters[] = {&pass, &pass, NULL};

	(void)state;
	begin(filters);
	assert_int_equal(done_calls, 1);
	assert_false(stopped);
	assert_int_equal(run.record.steps_n, 0);
	assert_int_equal(run.record.deciding, -1);
	assert_int_equal(chain_body(&run), BODY_UNSEEN);
}

static void the_first_denial_ends_the_walk(void **state)
{
	static const struct filter *const filters[] = {&detect, &deny, &pass, NULL};

	(void)state;
	begin(filters);
	assert_true(stopped);
	assert_int_equal(steps, 0);
	assert_int_equal(run.verdict.status, 403);
	assert_int_equal(run.record.steps_n, 2);
	assert_true(run.record.steps[0].would);
	assert_int_equal(run.record.deciding, 1);
	assert_int_equal(run.record.notes_n, 1);
	assert_string_equal(run.record.notes[0].filter, "deny");
}

static void an_answer_goes_on_from_the_task_queue(void **state)
{
	static const struct filter *const filters[] = {&wait_filter, &pass, NULL};

	(void)state;
	begin(filters);
	assert_int_equal(done_calls, 0);
	assert_int_equal(chain_body(&run), BODY_HELD);
	loop_virtual(loop, loop_us(loop) + 3000);
	wait_done(waiting, OUTCOME_ANSWERED);
	assert_int_equal(done_calls, 0);
	loop_turn(loop, 0);
	assert_int_equal(done_calls, 1);
	assert_false(stopped);
	assert_int_equal(steps, 2);
	assert_int_equal(run.record.steps[0].waited_us, 3000);
	assert_int_equal(cancels, 0);
	pass_time(1000);
	assert_int_equal(done_calls, 1);
}

static void what_is_late_is_cancelled_once(void **state)
{
	static const struct filter *const filters[] = {&wait_filter, NULL};

	(void)state;
	begin(filters);
	pass_time(49);
	assert_int_equal(done_calls, 0);
	pass_time(2);
	assert_int_equal(cancels, 1);
	assert_int_equal(done_calls, 1);
	assert_true(stopped);
	assert_int_equal(run.verdict.reason, REASON_WAF_LOST);
	chain_done(&run);
	assert_int_equal(cancels, 1);
}

static void a_client_that_leaves_cancels_and_hears_no_more(void **state)
{
	static const struct filter *const filters[] = {&wait_filter, &pass, NULL};

	(void)state;
	begin(filters);
	chain_done(&run);
	assert_int_equal(cancels, 1);
	assert_int_equal(leaves, 2);
	pass_time(1000);
	assert_int_equal(done_calls, 0);

	/* Also when the answer has come and its step has not run. */
	begin(filters);
	wait_done(waiting, OUTCOME_ANSWERED);
	chain_done(&run);
	pass_time(1000);
	assert_int_equal(done_calls, 0);
}

static void doubt_goes_the_way_policy_says(void **state)
{
	static const struct filter *const blocks[] = {&strict, &pass, NULL};
	static const struct filter *const passing[] = {&lax, &pass, NULL};

	(void)state;
	begin(blocks);
	assert_true(stopped);
	assert_int_equal(run.verdict.kind, VERDICT_DENY);
	assert_int_equal(run.verdict.status, 503);
	chain_done(&run);
	begin(passing);
	assert_false(stopped);
	assert_int_equal(run.record.steps[0].kind, VERDICT_UNSURE);
}

static void random_waiters_end_exactly_once(void **state)
{
	static const struct filter *const filters[] = {&wait_filter, &pass, &wait_filter, &detect, &wait_filter, NULL};

	(void)state;
	srand(5);
	for (int i = 0; i < 2000; i++) {
		done_calls = 0;
		begin(filters);
		while (!done_calls) {
			int what = rand() % 4;

			if (what == 0) {
				chain_done(&run);
				pass_time(100);
				assert_int_equal(done_calls, 0);
				break;
			}
			if (what == 1 && waiting->open)
				wait_done(waiting, rand() % 2 ? OUTCOME_ANSWERED : OUTCOME_LOST);
			pass_time(rand() % 60);
		}
		chain_done(&run);
		arena_done(&arena);
		arena_init(&arena, NULL, 1024);
	}
}

static void the_record_names_filter_reason_and_time(void **state)
{
	static const struct filter *const filters[] = {&detect, &deny, NULL};
	char line[1024];
	struct json j;
	struct slice text;

	(void)state;
	begin(filters);
	json_begin(&j, line, sizeof line);
	chain_record(&run, &j);
	text = json_finish(&j);
	assert_true(slice_contains(text, SLICE("\"decision\":\"block\",\"filter\":\"deny\",\"reason\":\"policy-rule\"")));
	assert_true(slice_contains(text, SLICE("\"verdict\":\"would-block\",\"reason\":\"rate-limit\"")));
	assert_true(slice_contains(text, SLICE("\"why\":\"number 7\"")));
}

static void the_answer_has_gates_and_uses_of_its_own(void **state)
{
	static const struct filter *const watching[] = {&watch_answer, &pass, NULL};
	static const struct filter *const holding[] = {&watch_answer, &hold_answer, &pass, NULL};

	(void)state;
	begin(watching);
	assert_int_equal(chain_body(&run), BODY_UNSEEN);
	assert_int_equal(chain_answer(&run), BODY_STREAMED);
	chain_done(&run);
	begin(holding);
	assert_int_equal(chain_body(&run), BODY_UNSEEN);
	assert_int_equal(chain_answer(&run), BODY_HELD);
	chain_gate(&run, GATE_RESPONSE);
	assert_false(stopped);
	assert_int_equal(run.record.steps[0].gate, GATE_RESPONSE);
	chain_gate(&run, GATE_RESPONSE_BODY);
	assert_true(stopped && run.record.deciding == 1);
	assert_int_equal(run.record.steps[1].gate, GATE_RESPONSE_BODY);
	assert_int_equal(done_calls, 4);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(all_pass_and_leave_no_step),
		CASE(the_first_denial_ends_the_walk),
		CASE(an_answer_goes_on_from_the_task_queue),
		CASE(what_is_late_is_cancelled_once),
		CASE(a_client_that_leaves_cancels_and_hears_no_more),
		CASE(doubt_goes_the_way_policy_says),
		CASE(random_waiters_end_exactly_once),
		CASE(the_answer_has_gates_and_uses_of_its_own),
		CASE(the_record_names_filter_reason_and_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
