/* hosts_test.c -- which entry serves a host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "gateway/base/hosts.h"

struct entry {
	struct slice name;
	int what;
};

static int by_name(const void *a, const void *b)
{
	return hosts_compare(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void exact_before_longest_wildcard_before_any(void **state)
{
	static const struct { const char *host; int want; const char *says; } cases[] = {
		{"a.test", 1, "exact"},
		{"a.test.", 5, "a dot at the end is another name"},
		{"b.test", 2, "below a wildcard"},
		{"x.b.test", 2, "two labels below it"},
		{"x.deep.test", 3, "the longest wildcard"},
		{"deep.test", 2, "which does not hold its own name"},
		{"test", 5, "nor does the other"},
		{".test", 5, "a wildcard is not asked for by its entry's name"},
		{"..test", 2, "an empty label is a label"},
		{"*", 5, "any"},
		{"", 5, "no name"},
		{"other.example", 5, "any other"},
		{"1.2.3.4", 4, "an address"},
	};
	struct entry all[] = {{SLICE("a.test"), 1}, {SLICE(".test"), 2}, {SLICE(".deep.test"), 3}, {SLICE("1.2.3.4"), 4}, {SLICE("*"), 5}};
	unsigned n = sizeof all / sizeof *all;

	(void)state;
	qsort(all, n, sizeof *all, by_name);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		unsigned at = hosts_find(all, n, sizeof *all, slice_of(cases[i].host));

		print_message("%s\n", cases[i].says);
		assert_true(at < n);
		assert_int_equal(all[at].what, cases[i].want);
	}
}

static void without_a_star_some_have_none(void **state)
{
	struct entry one[] = {{SLICE("a.test"), 1}};

	(void)state;
	assert_int_equal(hosts_find(one, 1, sizeof *one, SLICE("a.test")), 0);
	assert_int_equal(hosts_find(one, 1, sizeof *one, SLICE("b.test")), 1);
	assert_int_equal(hosts_find(one, 1, sizeof *one, SLICE("a.tes")), 1);
	assert_int_equal(hosts_find(NULL, 0, sizeof *one, SLICE("a.test")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_before_longest_wildcard_before_any),
		cmocka_unit_test(without_a_star_some_have_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
