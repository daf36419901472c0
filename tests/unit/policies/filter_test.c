/* filter_test.c -- a policy's verdict as the chain records it. */
#include "tests/unit/policies/policy_help.h"

#include "policies/filter.h"

static const struct filter *const filters[] = {&policy_filter, NULL};

struct walk {
	struct help help;
	struct loop *loop;
	struct request request;
	struct facts facts;
	struct chain_run run;
	char record[4096];
};

static int done_calls;
static bool stopped;

static void done(struct chain_run *run, bool stop)
{
	(void)run;
	done_calls++;
	stopped = stop;
}

static void walk_begin(struct walk *w, const char *policy)
{
	help_begin(&w->help, policy);
	help_request(&w->help);
	w->loop = loop_new();
	assert_non_null(w->loop);
	w->facts = (struct facts){.policy = w->help.policy, .policy_facts = w->help.facts};
	assert_true(chain_init(&w->run, w->loop, filters, NULL, &w->request, &w->facts, &w->help.request, done, w));
}

static const char *walk(struct walk *w)
{
	struct json j;
	struct slice line;

	done_calls = 0;
	chain_gate(&w->run, GATE_REQUEST);
	assert_int_equal(done_calls, 1);
	json_begin(&j, w->record, sizeof w->record - 1);
	chain_record(&w->run, &j);
	line = json_finish(&j);
	w->record[line.len] = 0;
	return w->record;
}

static void walk_end(struct walk *w)
{
	chain_done(&w->run);
	loop_free(w->loop);
	help_done(&w->help);
}

static struct walk w;

static void a_block_stops_the_chain_with_its_line(void **state)
{
	(void)state;
	walk_begin(&w, "policy: t\nwaf: {mode: off}\nrules:\n  - {id: r, do: block 451, retry_after: 60s, when: 'ip.country == DE'}\n");
	walk(&w);
	assert_true(stopped);
	assert_int_equal(w.run.verdict.kind, VERDICT_DENY);
	assert_int_equal(w.run.verdict.reason, REASON_POLICY_RULE);
	assert_int_equal(w.run.verdict.status, 451);
	assert_int_equal(w.run.verdict.retry_after_s, 60);
	assert_true(slice_is(w.run.verdict.by.id, "r"));
	assert_int_equal(w.run.verdict.by.line, 4);
	assert_true(w.facts.policy_ran);
	assert_non_null(strstr(w.record, "\"policy-rule\""));
	walk_end(&w);
}

static void a_redirect_says_where_to(void **state)
{
	(void)state;
	walk_begin(&w, "policy: t\nwaf: {mode: off}\nrules:\n  - {id: r, do: redirect 308, to: 'https://h.example', keep: path}\n");
	walk(&w);
	assert_true(stopped);
	assert_int_equal(w.run.verdict.kind, VERDICT_REDIRECT);
	assert_int_equal(w.run.verdict.status, 308);
	assert_true(slice_is(w.run.verdict.location, "https://h.example/"));
	walk_end(&w);
}

static void what_cannot_be_known_has_a_reason_of_its_own(void **state)
{
	(void)state;
	walk_begin(&w, "policy: t\nwaf: {mode: off}\nrules:\n  - {id: r, do: block, when: 'ip.country == KP'}\n");
	w.facts.policy_facts.country_known = POLICY_UNKNOWN;
	walk(&w);
	assert_true(stopped);
	assert_int_equal(w.run.verdict.reason, REASON_POLICY_UNKNOWN);
	assert_non_null(strstr(w.record, "the country is not known"));
	walk_end(&w);
}

static void detect_and_labels_leave_notes_and_pass(void **state)
{
	(void)state;
	walk_begin(&w, "policy: t\nwaf: {mode: off}\nrules:\n  - {id: l, do: label x}\n  - {id: r, do: block, mode: detect, when: 'label.x'}\n");
	walk(&w);
	assert_false(stopped);
	assert_true(w.facts.policy_ran);
	assert_int_equal(w.facts.policy_run.labels, 1);
	assert_non_null(strstr(w.record, "would-block"));
	assert_non_null(strstr(w.record, "l: x"));
	walk_end(&w);
}

static void a_site_without_policy_passes(void **state)
{
	(void)state;
	walk_begin(&w, "policy: t\nwaf: {mode: off}\nrules:\n  - {id: r, do: block}\n");
	w.facts.policy = NULL;
	walk(&w);
	assert_false(stopped);
	assert_false(w.facts.policy_ran);
	walk_end(&w);
}

static void used_up_memory_refuses(void **state)
{
	struct budget small = {.limit = 600};
	struct arena tight;

	(void)state;
	walk_begin(&w, "policy: t\nwaf: {mode: off}\nrules:\n  - {id: r, do: block, when: 'query.q == \"x\"'}\n");
	arena_init(&tight, &small, 512);
	while (arena_take(&tight, 8))
		;
	w.facts.policy_facts.arena = &tight;
	walk(&w);
	assert_true(stopped);
	assert_int_equal(w.run.verdict.reason, REASON_POLICY_MEMORY);
	assert_int_equal(w.run.verdict.status, 503);
	arena_done(&tight);
	walk_end(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_stops_the_chain_with_its_line),
		cmocka_unit_test(a_redirect_says_where_to),
		cmocka_unit_test(what_cannot_be_known_has_a_reason_of_its_own),
		cmocka_unit_test(detect_and_labels_leave_notes_and_pass),
		cmocka_unit_test(a_site_without_policy_passes),
		cmocka_unit_test(used_up_memory_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
