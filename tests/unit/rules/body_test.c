/* body_test.c -- forms and texts; that each type comes to its reader. */
#include "bed.h"
#include "rules/body.h"

static struct guard guard;
static const struct body_limits limits = {3, 4, 2};
static struct hash_seed seed;
static struct arena arena;
static struct body_look look;

static struct body_fault check(const char *type, struct slice body)
{
	struct media m = media_parse(slice_of(type));

	arena_done(&arena);
	look = (struct body_look){.files = true, .extras = {.arena = &arena}};
	return body_check(&m, guard_put(&guard, body), &limits, &seed, &look);
}

static int open_bed(void **state)
{
	(void)state;
	guard_open(&guard, 4096);
	arena_init(&arena, NULL, 4096);
	return 0;
}

static int close_bed(void **state)
{
	(void)state;
	guard_close(&guard);
	arena_done(&arena);
	return 0;
}

static void forms_have_so_many_fields(void **state)
{
	static const char form[] = "application/x-www-form-urlencoded";

	(void)state;
	assert_null(check(form, SLICE("a=1&b=2&c=3")).why);
	assert_true(check(form, SLICE("a=1&b=2&c=3&d")).too_much);
	assert_true(check(form, SLICE("&&&")).too_much);
	assert_null(check(form, SLICE("")).why);
}

static void a_form_keeps_its_charset(void **state)
{
	static const struct {
		const char *body;
		bool fine;
	} rows[] = {{"_charset_=utf-8", true}, {"_charset_=UTF-8&a=b", true}, {"_charset_=", true}, {"_charset_", true},
		    {"a=b&_charset_=utf-7", false}, {"%5fcharset%5F=utf-7", false}, {"_charset_=utf%2d16", false}, {"_charset_x=utf-7", true}};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		if (!check("application/x-www-form-urlencoded", slice_of(rows[i].body)).why != rows[i].fine)
			fail_msg("%s", rows[i].body);
}

/* Is it among what the engine is shown beside what it finds? */
static bool is_told(const char *value)
{
	for (uint32_t i = 0; i < look.extras.n; i++)
		if (slice_is(look.extras.at[i].value, value))
			return true;
	return false;
}

static void json_in_a_form_is_looked_into(void **state)
{
	(void)state;
	assert_null(check("application/x-www-form-urlencoded", SLICE("data=%7b%22q%22%3a%221%5cu0027+or%22%7d")).why);
	assert_true(is_told("1' or"));
	assert_null(check("application/x-www-form-urlencoded", SLICE(" {\"q\":\"1\\u0027 or\"}")).why);
	assert_true(is_told("1' or"));
	assert_null(check("application/x-www-form-urlencoded", SLICE("a=b&c=%22d%22")).why);
	assert_int_equal(look.extras.n, 0);
}

static void a_text_is_read_in_every_way(void **state)
{
	static const struct {
		struct slice body;
		enum body_reading reading;
		const char *told; /* NULL: nothing */
		const char *says;
	} rows[] = {
		{B("hello"), BODY_AS_TEXT, "hello", "prose"},
		{B("a=b&c=d"), BODY_AS_FORM, "a=b&c=d", "a form, and as a whole"},
		{B("{\"a\":\"1\\u0027\"}"), BODY_AS_JSON, NULL, "JSON is left to the engine's reader"},
		{B("{\"a\":\"1\\u0027\",}"), BODY_AS_TEXT, "1'", "what is nearly JSON: its strings"},
		{B("1\n\"\\u003cb\"\n"), BODY_AS_TEXT, "<b", "lines of JSON"},
		{B("say \"\n{\"a\":\"b\\tc\"}"), BODY_AS_TEXT, "b\tc", "a quote reaches no further than its line"},
		{B("<a b='1&#39;'/>"), BODY_AS_FORM, "1'", "XML"},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		if (check("text/plain", rows[i].body).why || look.reading != rows[i].reading || (rows[i].told && !is_told(rows[i].told)) ||
		    (!rows[i].told && look.extras.n))
			fail_msg("%s", rows[i].says);
	assert_non_null(check("text/plain", (struct slice)B("a\0b")).why);
	assert_true(check("text/plain", SLICE("\"a\" \"b\" \"c\"")).too_much);
	assert_true(check("text/plain", SLICE("[[[[[")).too_much);
}

static void each_type_comes_to_its_reader(void **state)
{
	(void)state;
	assert_null(check("image/png", SLICE("\x89PNG")).why);
	assert_int_equal(look.reading, BODY_AS_SAID);
	assert_non_null(check("application/json", SLICE("\x89PNG")).why);
	assert_non_null(check("text/xml", SLICE("\x89PNG")).why);
	assert_non_null(check("multipart/form-data; boundary=x", SLICE("\x89PNG")).why);
	assert_null(check("application/csp-report", SLICE("{}")).why);
	assert_int_equal(look.reading, BODY_AS_JSON);
	assert_null(check("image/png", SLICE_NONE).why);
	assert_null(check("application/json", SLICE("")).why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_have_so_many_fields),
		cmocka_unit_test(a_form_keeps_its_charset),
		cmocka_unit_test(json_in_a_form_is_looked_into),
		cmocka_unit_test(a_text_is_read_in_every_way),
		cmocka_unit_test(each_type_comes_to_its_reader),
	};

	hash_seed_random(&seed);
	return cmocka_run_group_tests(tests, open_bed, close_bed);
}
