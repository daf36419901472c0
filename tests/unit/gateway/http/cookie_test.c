/* cookie_test.c -- the words of old cookie grammars end here, the cookies go on. */
#include "bed.h"

static const struct {
	struct slice in, out;
	const char *says;
} rows[] = {
	{B("a=b; c=\"d\""), B("a=b; c=\"d\""), "what has none stays as it is"},
	{B("a=b;c=d;"), B("a=b;c=d;"), "however it is written"},
	{B("a=$Version; b=$1"), B("a=$Version; b=$1"), "a value is no name"},
	{B("$id=1; a=b"), B("$id=1; a=b"), "another name with that sign"},
	{B("$Version=1; a=b"), B("a=b"), "a version"},
	{B("$version=\"1\"; a=\"x; b=y\"; $Path=/"), B("a=\"x; b=y\""), "a version and a path"},
	{B("a=1;$Domain=x;b=2; $PORT"), B("a=1; b=2"), "domain and port"},
	{B("$Version = 1 ;a=b"), B("a=b"), "space around"},
	{B("$Version=1, a=b"), B(""), "commas, the whole of it"},
	{B("$Version=1"), B(""), "nothing else"},
};

static void cookies(void **state)
{
	struct bed bed;

	(void)state;
	bed_open(&bed);
	for (size_t i = 0; i < ROWS(rows); i++) {
		static const char begin[] = "GET / HTTP/1.1\r\nHost: a\r\nCookie: ";
		char head[256];
		int n = snprintf(head, sizeof head, "%s%.*s\r\nX-Cookie: $Version=1\r\n\r\n", begin, SLICE_F(rows[i].in));
		const struct field *cookie;
		struct request req;

		assert_int_equal(bed_judge(&bed, slice_make(head, (size_t)n), true, &req), 0);
		cookie = fields_find(&req.fields, FIELD_COOKIE);
		if (!cookie || !slice_eq(cookie->value, rows[i].out) || cookie->hidden != !rows[i].out.len)
			fail_msg("%s: \"%.*s\"", rows[i].says, SLICE_F(cookie ? cookie->value : SLICE_NONE));
		assert_true(slice_is(bed_value(&req.fields, "x-cookie"), "$Version=1"));
	}
	bed_close(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(cookies)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
