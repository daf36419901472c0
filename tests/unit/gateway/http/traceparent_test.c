/* traceparent_test.c -- a trace is passed on whole, or not at all. */
#include "bed.h"

#define ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static const struct {
	struct slice in;
	bool passed;
	const char *says;
} rows[] = {
	{B("00-" ID "-" PARENT "-01"), true, "the form of the specification"},
	{B("00-" ID "-" PARENT "-00"), true, "not sampled"},
	{B("00-" ID "-" PARENT "-ff"), true, "flags nobody knows"},
	{B("cc-" ID "-" PARENT "-01"), true, "a later version"},
	{B("cc-" ID "-" PARENT "-01-what the future brings"), true, "a later version with more parts"},
	{B(""), false, "empty"},
	{B("00"), false, "cut"},
	{B("00-" ID "-" PARENT "-0"), false, "one digit short"},
	{B("00-" ID "-" PARENT "-01-"), false, "version 00 has no more parts"},
	{B("00-" ID "-" PARENT "-011"), false, "one digit more"},
	{B("cc-" ID "-" PARENT "-01."), false, "more, and not behind a dash"},
	{B("ff-" ID "-" PARENT "-01"), false, "version ff is none"},
	{B("00-00000000000000000000000000000000-" PARENT "-01"), false, "trace 0 is none"},
	{B("00-" ID "-0000000000000000-01"), false, "parent 0 is none"},
	{B("00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01"), false, "upper case"},
	{B("00-4bf92f3577b34da6a3ce929d0e0e473g-" PARENT "-01"), false, "not a digit"},
	{B("00_" ID "-" PARENT "-01"), false, "not a dash"},
	{B("00-" ID "_" PARENT "-01"), false, "not a dash"},
	{B("00-" ID "-" PARENT "_01"), false, "not a dash"},
	{B("0x-" ID "-" PARENT "-01"), false, "a version that is no number"},
	{B("00-" ID "-" PARENT "-0x"), false, "flags that are no number"},
};

static struct bed bed;

static struct slice check(struct fields *f, struct slice value, unsigned times)
{
	*f = (struct fields){0};
	for (unsigned i = 0; i < times; i++)
		assert_true(fields_add(f, &bed.a, SLICE("traceparent"), value));
	assert_true(fields_add(f, &bed.a, SLICE("tracestate"), SLICE("vendor=1")));
	assert_true(fields_add(f, &bed.a, SLICE("accept"), SLICE("*/*")));
	return http_check_trace(f);
}

static void test_whole_or_not_at_all(void **state)
{
	struct fields f;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct slice id = check(&f, guard_put(&bed.guard, rows[i].in), 1);

		if (slice_is(id, ID) != rows[i].passed || f.at[0].hidden == rows[i].passed || f.at[1].hidden == rows[i].passed ||
		    f.at[2].hidden)
			fail_msg("%s", rows[i].says);
	}
}

static void test_two_are_none(void **state)
{
	struct fields f;

	(void)state;
	assert_null(check(&f, rows[0].in, 2).at);
	assert_true(f.at[0].hidden && f.at[1].hidden && f.at[2].hidden && !f.at[3].hidden);
}

static void test_a_state_without_its_parent_is_dropped(void **state)
{
	struct fields f;

	(void)state;
	assert_null(check(&f, SLICE_NONE, 0).at);
	assert_true(f.at[0].hidden && !f.at[1].hidden);
}

static int open_bed(void **state)
{
	(void)state;
	bed_open(&bed);
	return 0;
}

static int close_bed(void **state)
{
	(void)state;
	bed_close(&bed);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_or_not_at_all),
		cmocka_unit_test(test_two_are_none),
		cmocka_unit_test(test_a_state_without_its_parent_is_dropped),
	};

	return cmocka_run_group_tests(tests, open_bed, close_bed);
}
