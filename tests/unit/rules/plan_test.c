/* plan_test.c -- the zygote's orders: written, read, and refused with their line. */
#include "bed.h"
#include "rules/plan.h"

static struct plan plan, back;

static void a_plan_comes_out_as_it_went_in(void **state)
{
	struct buf out = {0};
	const char *why;
	unsigned line;

	(void)state;
	plan = (struct plan){.rulesets_n = 2, .recycle_jobs = 500, .recycle_bytes = 5000000000};
	plan.rulesets[0] = (struct plan_ruleset){.name = SLICE("crs"), .arguments = 10, .json_depth = 20, .parts = 30, .body_max = 40};
	plan.rulesets[1] = (struct plan_ruleset){.name = SLICE("our own"), .arguments = 1};
	assert_true(plan_pack(&out, &plan));
	assert_true(plan_unpack(buf_slice(&out), &back, &line, &why));
	assert_int_equal(back.rulesets_n, 2);
	assert_int_equal(back.recycle_jobs, 500);
	assert_int_equal(back.recycle_bytes, 5000000000);
	assert_true(slice_is(back.rulesets[0].name, "crs") && slice_is(back.rulesets[1].name, "our own"));
	assert_int_equal(back.rulesets[0].arguments, 10);
	assert_int_equal(back.rulesets[0].json_depth, 20);
	assert_int_equal(back.rulesets[0].parts, 30);
	assert_int_equal(back.rulesets[0].body_max, 40);
	assert_int_equal(back.rulesets[1].arguments, 1);
	buf_done(&out);
}

static void what_a_line_cannot_hold_is_not_packed(void **state)
{
	static const struct slice bad[] = {B("a\nruleset\tx"), B("a\tb"), B("a\0b"), B(""), B("a\x7f")};
	struct buf out = {0};

	(void)state;
	for (size_t i = 0; i < ROWS(bad); i++) {
		plan = (struct plan){.rulesets_n = 1};
		plan.rulesets[0] = (struct plan_ruleset){.name = bad[i]};
		assert_false(plan_pack(&out, &plan));
	}
	plan = (struct plan){.rulesets_n = 0};
	assert_false(plan_pack(&out, &plan));
	plan.rulesets_n = PLAN_RULESETS + 1;
	assert_false(plan_pack(&out, &plan));
	buf_done(&out);
}

static void mistakes_are_named_by_line(void **state)
{
	static const struct {
		const char *in;
		unsigned line;
		const char *why;
	} rows[] = {
		{"", 1, "no rule set"},
		{"parts\t1\n", 1, "an item of no rule set"},
		{"ruleset\tcrs\nparts 1\n", 2, "not a word, a tab and a value"},
		{"ruleset\tcrs\nparts\t\n", 2, "not a word, a tab and a value"},
		{"ruleset\tcrs\nparts\t1\npatrs\t1\n", 3, "unknown word"},
		{"ruleset\tcrs\nparts\t-1\n", 2, "not a number in its bounds"},
		{"ruleset\tcrs\nparts\t1000001\n", 2, "not a number in its bounds"},
		{"ruleset\tcrs\nbody_max\t99999999999\n", 2, "not a number in its bounds"},
		{"recycle_jobs\tmany\n", 1, "not a number in its bounds"},
		{"recycle_bytes\t-1\n", 1, "not a number in its bounds"},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const char *why = NULL;
		unsigned line = 0;

		assert_false(plan_unpack(slice_of(rows[i].in), &back, &line, &why));
		assert_string_equal(why, rows[i].why);
		if (i)
			assert_int_equal(line, rows[i].line);
	}
}

static void too_much_is_refused(void **state)
{
	struct buf text = {0};
	const char *why;
	unsigned line;

	(void)state;
	for (unsigned i = 0; i <= PLAN_RULESETS; i++)
		buf_print(&text, "ruleset\tcrs\n");
	assert_false(plan_unpack(buf_slice(&text), &back, &line, &why));
	assert_int_equal(line, 1 + PLAN_RULESETS);
	buf_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_comes_out_as_it_went_in),
		cmocka_unit_test(what_a_line_cannot_hold_is_not_packed),
		cmocka_unit_test(mistakes_are_named_by_line),
		cmocka_unit_test(too_much_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
