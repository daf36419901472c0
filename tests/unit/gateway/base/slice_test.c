/* slice_test.c -- comparing and cutting bytes, up to the last one and no further. */
#include "gateway/base/slice.h"

#include "bed.h"

static struct guard guard;

static void test_only_ascii_letters_fold(void **state)
{
	static const struct {
		struct slice a, b;
		bool same;
		const char *says;
	} rows[] = {
		{B("Host"), B("hOST"), true, "letters fold"},
		{B("a"), B("ab"), false, "lengths differ"},
		{B(""), B(""), true, "nothing is nothing"},
		{B("["), B("{"), false, "0x5b and 0x7b differ by the case bit and are no letters"},
		{B("@"), B("`"), false, "so do 0x40 and 0x60"},
		{B("\xc3\x84"), B("\xc3\xa4"), false, "no letters beyond ASCII"},
		{B("a\0b"), B("A\0B"), true, "NUL is a byte"},
		{B("a\0b"), B("A\0C"), false, "and not the end"},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		if (slice_ieq(guard_put(&guard, rows[i].a), rows[i].b) != rows[i].same)
			fail_msg("%s", rows[i].says);
}

static void test_starts_ends_contains(void **state)
{
	static const struct {
		struct slice s, part;
		bool starts, ends, contains;
	} rows[] = {
		{B("abcabc"), B("abc"), true, true, true}, {B("abcd"), B("bc"), false, false, true},
		{B("ab"), B("abc"), false, false, false},  {B(""), B("a"), false, false, false},
		{B("a"), B(""), true, true, true},	   {B("a\0b"), B("\0b"), false, true, true},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct slice s = guard_put(&guard, rows[i].s);

		assert_int_equal(slice_starts(s, rows[i].part), rows[i].starts);
		assert_int_equal(slice_ends(s, rows[i].part), rows[i].ends);
		assert_int_equal(slice_contains(s, rows[i].part), rows[i].contains);
	}
}

static void test_trim_takes_spaces_and_tabs_only(void **state)
{
	static const struct {
		struct slice in, out;
	} rows[] = {
		{B(" \ta b\t "), B("a b")}, {B("   "), B("")}, {B(""), B("")},
		{B("\ra\n"), B("\ra\n")},   {B("\xa0" "a"), B("\xa0" "a")}, {B("\va"), B("\va")},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		assert_slice(slice_trim(guard_put(&guard, rows[i].in)), rows[i].out);
}

static void test_cut_gives_every_part_once(void **state)
{
	static const struct {
		struct slice in;
		unsigned n;
		struct slice parts[4];
	} rows[] = {
		{B("a,b"), 2, {B("a"), B("b")}},
		{B("a"), 1, {B("a")}},
		{B(""), 1, {B("")}},
		{B(",a,,"), 4, {B(""), B("a"), B(""), B("")}},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct slice rest = guard_put(&guard, rows[i].in), part;

		for (unsigned k = 0; k < rows[i].n; k++) {
			assert_true(slice_cut(&rest, ',', &part));
			assert_slice(part, rows[i].parts[k]);
		}
		assert_false(slice_cut(&rest, ',', &part));
	}
}

static void test_find(void **state)
{
	(void)state;
	assert_int_equal(slice_find(SLICE("a:b:c"), ':'), 1);
	assert_int_equal(slice_find(SLICE("abc"), ':'), 3);
	assert_int_equal(slice_find(SLICE_NONE, ':'), 0);
	assert_int_equal(slice_find(guard_put(&guard, SLICE("a\0b")), 'b'), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_ascii_letters_fold), cmocka_unit_test(test_starts_ends_contains),
		cmocka_unit_test(test_trim_takes_spaces_and_tabs_only), cmocka_unit_test(test_cut_gives_every_part_once),
		cmocka_unit_test(test_find),
	};

	guard_open(&guard, 4096);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
