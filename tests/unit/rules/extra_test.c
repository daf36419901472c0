/* extra_test.c -- strings and cookies that the engine would not find. */
#include "bed.h"
#include "rules/extra.h"

static struct arena arena;
static struct extras told;

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

static void begin(uint32_t most)
{
	arena_done(&arena);
	told = (struct extras){.arena = &arena, .most = most};
}

/* All of them behind each other, "a|b|". */
static const char *joined(void)
{
	static char text[512];
	int n = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < told.n; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, "%.*s=%.*s|", SLICE_F(told.at[i].name), SLICE_F(told.at[i].value));
	return text;
}

static void strings(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{"no string", ""},
		{"\"a\"", "s=a|"},
		{"{\"a\": \"b c\", \"\": 1}", "s=a|s=b c|"},
		{"\"a\\\"b\"", "s=a\"b|"},
		{"\"\\u003cb\\u003E\"", "s=<b>|"},
		{"\"\\ud83d\\ude00\"", "s=\xf0\x9f\x98\x80|"},
		{"\"\\x27\\047\"", "s=''|"},
		{"\"\\n\\q\\\\\"", "s=\nq\\|"},
		{"\"\\u12\"", "s=u12|"},
		{"\"open", "s=open|"},
		{"\"open\n\"b\"", "s=open|s=b|"},
		{"\"a\\", "s=a|"},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		begin(10);
		assert_true(extras_add_strings(&told, SLICE("s"), slice_of(rows[i].in)));
		if (strcmp(joined(), rows[i].want) != 0)
			fail_msg("%s: \"%s\"", rows[i].in, joined());
	}
}

static void cookies(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{"a=b; c=d", ""},
		{"a=\"b\"", ""},
		{"=b", "=b|"},
		{"a=1; =b; c", "=b|"},
		{" = ", ""},
		{"a=\"1\\047 or\"", "a=1' or|"},
		{"a=\"b; c=d\"", "a=b; c=d|"},
		{"a=\"b\\\"; c=\"", "a=b\"; c=|"},
		{"a=\"b; c=d", "a=b; c=d|"},
		{"a=b\\047", ""},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct fields f = {0};

		begin(10);
		fields_add(&f, &arena, SLICE("x-cookie"), SLICE("=x"));
		fields_add(&f, &arena, SLICE("cookie"), slice_of(rows[i].in));
		assert_true(extras_add_cookies(&told, &f));
		if (strcmp(joined(), rows[i].want) != 0)
			fail_msg("%s: \"%s\"", rows[i].in, joined());
		assert_true(!told.n || told.at[0].kind == EXTRA_COOKIE);
	}
}

static void more_than_fits_is_told(void **state)
{
	(void)state;
	begin(2);
	assert_false(extras_add_strings(&told, SLICE("s"), SLICE("\"a\"\"b\"\"c\"")));
	assert_true(told.over && told.n == 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings),
		cmocka_unit_test(cookies),
		cmocka_unit_test(more_than_fits_is_told),
	};

	return cmocka_run_group_tests(tests, open_bed, close_bed);
}
