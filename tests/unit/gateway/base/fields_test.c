/* fields_test.c -- the field list finds what it holds, and knows its names exactly. */
#include "gateway/base/fields.h"

#include "bed.h"

static void test_every_known_name_is_found(void **state)
{
	(void)state;
	for (unsigned id = 1; id < FIELD_NAMES; id++) {
		struct slice name = field_name_text((enum field_name)id);

		assert_true(name.len > 0);
		assert_int_equal(field_name_of(name), id);
		/* One byte more or less is another name. */
		assert_int_equal(field_name_of(slice_first(name, name.len - 1)), FIELD_OTHER);
		for (size_t i = 0; i < name.len; i++)
			assert_int_equal(ascii_lower(name.at[i]), name.at[i]);
	}
}

static void test_other_names(void **state)
{
	static const struct slice rows[] = {B(""), B("hos"), B("hostt"), B("HOST"), B("x"), B("content_length"), B("h\0st"), B("\xff")};
	struct guard guard;

	(void)state;
	guard_open(&guard, 64);
	for (size_t i = 0; i < ROWS(rows); i++)
		assert_int_equal(field_name_of(guard_put(&guard, rows[i])), FIELD_OTHER);
	guard_close(&guard);
}

static void test_fields_keep_their_order(void **state)
{
	struct fields f = {0};
	struct arena a;
	uint32_t i = 0;

	(void)state;
	arena_init(&a, NULL, 4096);
	for (unsigned k = 0; k < 100; k++)
		assert_true(fields_add(&f, &a, k % 3 ? SLICE("x") : SLICE("cookie"), arena_print(&a, "%u", k)));
	assert_int_equal(f.n, 100);
	assert_int_equal(fields_count(&f, FIELD_COOKIE), 34);
	assert_slice(fields_find(&f, FIELD_COOKIE)->value, SLICE("0"));
	assert_null(fields_find(&f, FIELD_HOST));
	assert_slice(fields_next(&f, SLICE("x"), &i)->value, SLICE("1"));
	assert_slice(fields_next(&f, SLICE("x"), &i)->value, SLICE("2"));
	assert_slice(fields_next(&f, SLICE("x"), &i)->value, SLICE("4"));
	i = 99;
	assert_slice(fields_next(&f, SLICE("cookie"), &i)->value, SLICE("99"));
	assert_null(fields_next(&f, SLICE("cookie"), &i));
	assert_int_equal(i, 100);
	arena_done(&a);
}

static void test_a_failed_add_leaves_the_list_whole(void **state)
{
	struct budget budget = {.limit = 3000};
	struct fields f = {0};
	struct arena a;
	uint32_t n;

	(void)state;
	arena_init(&a, &budget, 512);
	while (fields_add(&f, &a, SLICE("x"), SLICE("y")))
		;
	n = f.n;
	assert_true(n >= 24);
	assert_false(fields_add(&f, &a, SLICE("x"), SLICE("y")));
	assert_int_equal(f.n, n);
	assert_slice(f.at[n - 1].value, SLICE("y"));
	arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_known_name_is_found),
		cmocka_unit_test(test_other_names),
		cmocka_unit_test(test_fields_keep_their_order),
		cmocka_unit_test(test_a_failed_add_leaves_the_list_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
