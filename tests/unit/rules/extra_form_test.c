/* extra_form_test.c -- queries and forms in the readings of other origins. */
#include "bed.h"
#include "rules/extra.h"

static struct arena arena;

static int open_bed(void **state)
{
	(void)state;
	arena_init(&arena, NULL, 4096);
	return 0;
}

static int close_bed(void **state)
{
	(void)state;
	arena_done(&arena);
	return 0;
}

static const struct {
	const char *in, *want, *says;
} rows[] = {
	{"", "", "nothing"},
	{"a=1&b=2", "", "what the engine finds by itself"},
	{"a=1;b=2", "a=1|b=2|", "semicolons"},
	{"a=1;b", "a=1|", "a semicolon before no field"},
	{"a;b;c", "", "semicolons and no field"},
	{"a=1%3Bb=2", "", "an encoded semicolon parts nothing"},
	{"x=1&q=1;id=%27+or", "q=1|id=' or|", "decoded"},
	{"a=1+UNION&b=x&a=SELECT", "a=1 UNION,SELECT|", "two halves"},
	{"a=1&%61=2&A=3", "a=1,2,3|", "one name, however written"},
	{"a=&a=&a=", "", "joined nothing"},
	{"&&", "", "fields without a name"},
	{"=a&=b", "=a,b|", "values without a name"},
	{"a=b&ab=c&b=d", "", "three names"},
	{"q=%7B%22k%22:%22%5Cu0027%22%7D", "q=k|q='|", "JSON in a field"},
	{"q=%5B%22a%22%5D&q=+%7B%22b%22:1%7D", "q=a|q=b|q=[\"a\"], {\"b\":1}|", "JSON in two fields"},
	{"{\"k\":\"\\x27\"}", "form=k|form='|", "JSON that says it is a form"},
};

static void readings(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct extras told = {.arena = &arena, .most = 20};
		char text[512] = "";
		int n = 0;

		arena_done(&arena);
		assert_true(extras_add_form(&told, slice_of(rows[i].in)));
		for (uint32_t k = 0; k < told.n; k++)
			n += snprintf(text + n, sizeof text - (size_t)n, "%.*s=%.*s|", SLICE_F(told.at[k].name), SLICE_F(told.at[k].value));
		if (strcmp(text, rows[i].want) != 0)
			fail_msg("%s: \"%s\"", rows[i].says, text);
	}
}

static void bounds_are_told(void **state)
{
	struct extras told = {.arena = &arena, .most = 1};
	struct budget none = {.limit = 1};
	struct arena empty;

	(void)state;
	assert_false(extras_add_form(&told, SLICE("a=1;b=2")));
	assert_true(told.over);
	arena_init(&empty, &none, 64);
	told = (struct extras){.arena = &empty, .most = 10};
	assert_false(extras_add_form(&told, SLICE("a=1&a=2")));
	assert_true(told.starved);
	arena_done(&empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readings),
		cmocka_unit_test(bounds_are_told),
	};

	return cmocka_run_group_tests(tests, open_bed, close_bed);
}
