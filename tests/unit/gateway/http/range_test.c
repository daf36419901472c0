/* range_test.c -- which ranges an origin is asked for. */
#include "bed.h"

static const struct {
	struct slice in;
	bool good;
	const char *says;
} rows[] = {
	{B("bytes=0-499"), true, "the first"},
	{B("bytes=500-999"), true, "the second"},
	{B("bytes=-500"), true, "the last"},
	{B("bytes=9500-"), true, "from there on"},
	{B("bytes=0-0"), true, "one byte"},
	{B("bytes=-0"), true, "none, but said well"},
	{B("bytes=0-0,-1"), true, "the first and the last"},
	{B("bytes= 0-999, 4500-5499\t,9000-"), true, "white space"},
	{B("BYTES=0-1"), true, "units have no case"},
	{B("bytes=999999999999999999-"), true, "eighteen digits"},
	{B("bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18"), true, "ten"},
	{B("lines=1-5"), true, "another unit"},
	{B("lines=1-5,1-5,whatever"), true, "another unit in its own words"},
	{B("bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20"), false, "eleven"},
	{B("bytes=0-,0-"), false, "twice the same"},
	{B("bytes=0-10,10-20"), false, "a byte in both"},
	{B("bytes=5-,0-9"), false, "an open one over another"},
	{B("bytes=-5,-6"), false, "two ends"},
	{B("bytes=0-,-1"), false, "an end of an open one"},
	{B("bytes="), false, "nothing"},
	{B("bytes"), false, "a unit alone"},
	{B(""), false, "empty"},
	{B("=0-1"), false, "no unit"},
	{B("by tes=0-1"), false, "a unit that is no token"},
	{B("bytes=5-4"), false, "backwards"},
	{B("bytes=a-b"), false, "letters"},
	{B("bytes=-"), false, "a dash"},
	{B("bytes=1"), false, "no dash"},
	{B("bytes=1-2-3"), false, "two dashes"},
	{B("bytes=--1"), false, "less than nothing"},
	{B("bytes=0-1,"), false, "nothing behind a comma"},
	{B("bytes=,0-1"), false, "nothing before a comma"},
	{B("bytes=0 - 1"), false, "white space within"},
	{B("bytes=+1-2"), false, "a sign"},
	{B("bytes=0x1-2"), false, "hexadecimal"},
	{B("bytes=1000000000000000000-"), false, "nineteen digits"},
	{B("bytes=0-18446744073709551616"), false, "more than there is room for"},
};

static struct bed bed;

static const char *check(struct slice value, unsigned times)
{
	struct fields f = {0};

	for (unsigned i = 0; i < times; i++)
		assert_true(fields_add(&f, &bed.a, SLICE("range"), value));
	assert_true(fields_add(&f, &bed.a, SLICE("accept"), SLICE("*/*")));
	return http_check_range(&f);
}

static void test_what_is_asked_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		if (!check(guard_put(&bed.guard, rows[i].in), 1) != rows[i].good)
			fail_msg("%s", rows[i].says);
}

static void test_one_field_or_none(void **state)
{
	(void)state;
	assert_null(check(rows[0].in, 0));
	assert_non_null(check(rows[0].in, 2));
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
		cmocka_unit_test(test_what_is_asked_for),
		cmocka_unit_test(test_one_field_or_none),
	};

	return cmocka_run_group_tests(tests, open_bed, close_bed);
}
