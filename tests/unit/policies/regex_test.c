/* regex_test.c -- the door to RE2: bytes, anchors, what is refused, and an empty heap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policies/regex.h"
#include "tests/unit/starve.h"

static void bytes_are_matched_as_they_are(void **state)
{
	static const struct {
		const char *pattern, *text;
		size_t len;
		bool want;
	} rows[] = {
		{"b", "abc", 3, true},          {"^b", "abc", 3, false},        {"c$", "abc", 3, true},
		{"c$", "abc\n", 4, false},      {"A", "abc", 3, false},         {"(?i)A", "abc", 3, true},
		{"a.c", "a\nc", 3, false},      {"a.c", "a\xff" "c", 3, true},  {"^\\xff$", "\xff", 1, true},
		{"^a\\x00b$", "a\0b", 3, true}, {"b", "a\0b", 3, true},         {"^$", "", 0, true},
		{"(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", 41, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		void *regex = regex_new(rows[i].pattern, strlen(rows[i].pattern), NULL, 0, NULL);

		assert_non_null(regex);
		if (regex_match(regex, rows[i].text, rows[i].len) != (rows[i].want ? REGEX_YES : REGEX_NO))
			fail_msg("%s on \"%s\"", rows[i].pattern, rows[i].text);
		regex_free(regex);
	}
}

static void what_is_not_valid_is_shown(void **state)
{
	static const struct {
		const char *pattern;
		size_t at;
	} rows[] = {{"a(b", 0}, {"ab[c", 2}, {"a\\qb", 1}, {"x{2,1}", 1}, {"(?=a)", 0}, {"(a)\\1", 3}};
	char why[160];
	size_t at;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		at = 99;
		why[0] = 0;
		assert_null(regex_new(rows[i].pattern, strlen(rows[i].pattern), why, sizeof why, &at));
		if (at != rows[i].at || !why[0])
			fail_msg("%s: at %zu: %s", rows[i].pattern, at, why);
	}
	assert_null(regex_new("(", 1, NULL, 0, NULL));
}

static void every_allocation_of_a_match_may_fail_once(void **state)
{
	static const char pattern[] = "^/([a-z]+|[0-9]{1,9})/x.*(y|z)$", text[] = "/abcdef/x 0123456789 y";
	unsigned long failed = 0;
	void *regex;

	(void)state;
	/* The states that matching makes are kept: each time a new expression. */
	for (unsigned long n = 1;; n++) {
		enum regex_found found;

		regex = regex_new(pattern, sizeof pattern - 1, NULL, 0, NULL);
		assert_non_null(regex);
		starve_at(n);
		found = regex_match(regex, text, sizeof text - 1);
		starve_at(0);
		if (!starved()) {
			assert_int_equal(found, REGEX_YES);
			regex_free(regex);
			break;
		}
		failed++;
		assert_int_not_equal(found, REGEX_NO);
		/* The next one is as good as ever. */
		assert_int_equal(regex_match(regex, text, sizeof text - 1), REGEX_YES);
		regex_free(regex);
	}
	print_message("%lu allocations failed\n", failed);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_matched_as_they_are),
		cmocka_unit_test(what_is_not_valid_is_shown),
		cmocka_unit_test(every_allocation_of_a_match_may_fail_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
