/* fail_test.c -- what the operator is told, and that it outlives what it is about. */
#include "gateway/base/fail.h"

#include <stdlib.h>

#include "bed.h"

static char *print(const struct fail *f, bool notes)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	fail_print(f, out, notes);
	fclose(out);
	return text;
}

static void test_one_line_each(void **state)
{
	struct fail f = {0};
	char *text;

	(void)state;
	assert_false(fail_at(&f, (struct place){"a.yaml", 3, 7}, "no %s", "x"));
	fail_warn(&f, (struct place){"a.yaml", 0, 0}, "w");
	fail_note(&f, (struct place){NULL, 0, 0}, "n");
	assert_int_equal(f.errors, 1);
	assert_int_equal(f.warnings, 1);
	assert_int_equal(f.n, 3);
	text = print(&f, true);
	assert_string_equal(text, "a.yaml:3:7: error: no x\na.yaml: warning: w\nportcullis: note: n\n");
	free(text);
	text = print(&f, false);
	assert_string_equal(text, "a.yaml:3:7: error: no x\na.yaml: warning: w\n");
	free(text);
	fail_done(&f);
	assert_int_equal(f.n + f.errors + f.warnings, 0);
}

static void test_the_name_of_the_file_is_kept(void **state)
{
	char *file = strdup("gone.yaml"), *text;
	struct fail f = {0};

	(void)state;
	fail_at(&f, (struct place){file, 1, 2}, "x");
	memset(file, '!', strlen(file));
	free(file);
	text = print(&f, false);
	assert_string_equal(text, "gone.yaml:1:2: error: x\n");
	free(text);
	fail_done(&f);
}

static void test_a_flood_is_counted_but_not_kept(void **state)
{
	struct fail f = {0};

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		fail_at(&f, (struct place){"x", i, 1}, "%u", i);
	assert_int_equal(f.errors, 100000);
	assert_int_equal(f.n, 200);
	assert_string_equal(f.at[199].text, "199");
	fail_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_line_each),
		cmocka_unit_test(test_the_name_of_the_file_is_kept),
		cmocka_unit_test(test_a_flood_is_counted_but_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
