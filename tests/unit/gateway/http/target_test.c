/* target_test.c -- the canonical path, and what has none. */
#include "bed.h"

static const struct {
	const char *in, *path, *target; /* target NULL: as it came in */
	const char *says;
} good[] = {
	{"/", "/", NULL, "the root"},
	{"/a/b.html", "/a/b.html", NULL, "a plain path"},
	{"/a/b/", "/a/b/", NULL, "a trailing slash is part of the name"},
	{"/ADMIN", "/ADMIN", NULL, "F9: case is kept"},
	{"/-._~!$&'()*+,=:@", "/-._~!$&'()*+,=:@", NULL, "every byte that stands for itself"},
	{"/%2d%2E%5f%7e%41%7a%30", "/-._~Az0", "/-._~Az0", "unreserved bytes are never escaped"},
	{"/%21%24%26%27%28%29%2a%2b%2c%3d%3a%40", "/!$&'()*+,=:@", "/!$&'()*+,=:@", "others that need none"},
	{"/a%20b", "/a b", "/a%20b", "a space stays escaped"},
	{"/admin%20", "/admin ", "/admin%20", "F9: a space at the end is part of the name"},
	{"/%20index.html", "/ index.html", "/%20index.html", "and at the beginning"},
	{"/%c3%a9", "/\xc3\xa9", "/%C3%A9", "UTF-8 is escaped in upper case"},
	{"/%e2%82%ac", "/\xe2\x82\xac", "/%E2%82%AC", "three bytes of UTF-8"},
	{"/%F0%9F%98%80", "/\xf0\x9f\x98\x80", NULL, "four bytes of UTF-8"},
	{"/%e0%a4%b9", "/\xe0\xa4\xb9", "/%E0%A4%B9", "the smallest three-byte lead, not overlong"},
	{"/%FFindex", "/\xff" "index", NULL, "not UTF-8, but no disguise either"},
	{"/%e9t%e9", "/\xe9t\xe9", "/%E9t%E9", "an old site's Latin-1"},
	{"/a<b>\"c^`d{e|f}[g]", "/a<b>\"c^`d{e|f}[g]", "/a%3Cb%3E%22c%5E%60d%7Be%7Cf%7D%5Bg%5D", "what browsers send raw"},
	{"/foo%3f/attack", "/foo?/attack", "/foo%3F/attack", "F8: an escaped question mark is in the path"},
	{"/foo%3fx=1/../attack", "/attack", "/attack", "F8: and hides no dot segments"},
	{"/foo%23/attack", "/foo#/attack", "/foo%23/attack", "F8: an escaped number sign"},
	{"/a%3bb", "/a;b", "/a%3Bb", "an escaped semicolon is text"},
	{"/a%3b/b", "/a;/b", "/a%3B/b", "at the end of a segment, too"},
	{"/%2561dmin", "/%61dmin", "/%2561dmin", "F9: nothing is decoded twice"},
	{"/%252e%252e/x", "/%2e%2e/x", "/%252e%252e/x", "F9: dots neither"},
	{"/a%252fb", "/a%2fb", "/a%252fb", "F9: nor slashes"},
	{"/a%255cb", "/a%5cb", "/a%255cb", "F9: nor backslashes"},
	{"/%25", "/%", "/%25", "a percent sign"},
	{"/%2500", "/%00", "/%2500", "nor NULs"},
	{"/%25u002f", "/%u002f", "/%25u002f", "nor other escapes"},
	{"//admin", "/admin", "/admin", "F9: two slashes are one"},
	{"///", "/", "/", "three as well"},
	{"/a//b///c", "/a/b/c", "/a/b/c", "within the path"},
	{"/a//", "/a/", "/a/", "and at its end"},
	{"/./admin", "/admin", "/admin", "F9: a dot is where it stands"},
	{"/.", "/", "/", "alone"},
	{"/./", "/", "/", "with a slash"},
	{"/admin/.", "/admin/", "/admin/", "F9: at the end it leaves the slash"},
	{"/a/./b", "/a/b", "/a/b", "in the middle"},
	{"/a/..", "/", "/", "two dots go up"},
	{"/a/../", "/", "/", "with a slash"},
	{"/a/b/..", "/a/", "/a/", "and leave the slash"},
	{"/a/b/../..", "/", "/", "twice"},
	{"/a/b/../c/./d/../e", "/a/c/e", "/a/c/e", "many"},
	{"/a/%2e%2e/admin", "/admin", "/admin", "F9: escaped dots are dots"},
	{"/a/%2e./admin", "/admin", "/admin", "half escaped"},
	{"/a/.%2E/admin", "/admin", "/admin", "the other half, upper case"},
	{"/%2e/admin", "/admin", "/admin", "one escaped dot"},
	{"/a//../b", "/b", "/b", "slashes are merged first"},
	{"/...", "/...", NULL, "three dots are a name"},
	{"/.hidden", "/.hidden", NULL, "a dot in front is a name"},
	{"/..hidden", "/..hidden", NULL, "two as well"},
	{"/a../b", "/a../b", NULL, "dots behind a name"},
	{"/a./b", "/a./b", NULL, "one dot behind a name"},
};

static void check_same(struct bed *b, const struct request *r)
{
	struct request again = {0};

	assert_true(h1_target(&b->a, r->target, &again, &b->why));
	assert_true(slice_eq(again.path, r->path) && slice_eq(again.target, r->target) && slice_eq(again.query, r->query));
	assert_int_equal(again.has_query, r->has_query);
}

static void test_one_form(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(good); i++) {
		struct slice in = guard_put(&b.guard, slice_of(good[i].in));
		struct request r = {0};

		if (!h1_target(&b.a, in, &r, &b.why))
			fail_msg("%s: %s (%s)", good[i].in, good[i].says, b.why);
		assert_slice(r.path, good[i].path);
		assert_slice(r.target, good[i].target ? good[i].target : good[i].in);
		assert_slice(r.raw_target, good[i].in);
		assert_false(r.has_query);
		check_same(&b, &r);
	}
	bed_close(&b);
}

static const struct {
	struct slice in;
	const char *says;
} bad[] = {
	{B(""), "nothing"},
	{B("a"), "no slash in front"},
	{B("*"), "the asterisk is not a path"},
	{B("?a"), "a query alone"},
	{B("%2fa"), "an escaped slash in front"},
	{B("\\index.html"), "a backslash in front"},
	{B("/a/..;/admin"), "F9: a parameter behind dots"},
	{B("/..;/"), "the same at the root"},
	{B("/a/..%3b/admin"), "the same, escaped"},
	{B("/a/.%3b/admin"), "one dot and a parameter"},
	{B("/a/%2e%2e%3bx=1/admin"), "all of it escaped"},
	{B("/a/..%3bx"), "at the end"},
	{B("/a;b"), "a path parameter"},
	{B("/a;jsessionid=1"), "F8: a session in the path"},
	{B("/;/a"), "an empty segment with a parameter"},
	{B("/a/;b?x"), "before a query"},
	{B("/a%2fadmin"), "F9: an escaped slash"},
	{B("/a%2Fadmin"), "in upper case"},
	{B("/..%2fadmin"), "behind dots"},
	{B("/a%5cadmin"), "F9: an escaped backslash"},
	{B("/a%5Cadmin"), "in upper case"},
	{B("/a\\admin"), "F9: a backslash"},
	{B("/..\\admin"), "behind dots"},
	{B("/a%00"), "F8, F9: an escaped NUL"},
	{B("/a%00.html"), "before an extension"},
	{B("/admin%09"), "F9: an escaped tab"},
	{B("/foo%0abar"), "an escaped LF"},
	{B("/foo%0D%0Abar"), "G6: an escaped CRLF"},
	{B("/a%1b"), "an escaped escape"},
	{B("/a%1f"), "the last control character"},
	{B("/a%7f"), "an escaped DEL"},
	{B("/%"), "a percent sign at the end"},
	{B("/%4"), "half an escape"},
	{B("/%4?1"), "half an escape before a query"},
	{B("/%zz"), "no hexadecimal digits"},
	{B("/%4g"), "one of them"},
	{B("/% 41"), "a space within"},
	{B("/%-1"), "a sign within"},
	{B("/%u002f"), "F9: another kind of escape"},
	{B("/%u0061dmin"), "whatever it means"},
	{B("/%U002F"), "in upper case"},
	{B("/%%32%66"), "an escape made of escapes"},
	{B("/%c0%af"), "F9: an overlong slash"},
	{B("/%C0%AF"), "in upper case"},
	{B("/%c0%ae%c0%ae/"), "overlong dots"},
	{B("/%c1%9c"), "an overlong backslash"},
	{B("/%c0%80"), "an overlong NUL"},
	{B("/%c0"), "its first byte alone"},
	{B("/%c0%6f"), "its first byte with a wrong second one"},
	{B("/%c1%1c"), "a control character within"},
	{B("/%e0%80%af"), "three bytes"},
	{B("/%e0%9f%bf"), "the last of three bytes"},
	{B("/%f0%80%80%af"), "four bytes"},
	{B("/%f0%8f%bf%bf"), "the last of four bytes"},
	{B("/%f8%80%80%80%af"), "five bytes"},
	{B("/%fc%80%80%80%80%af"), "six bytes"},
	{B("/a/%c0%ae/../b"), "in a segment that is resolved away"},
	{B("/.."), "above the root"},
	{B("/../"), "with a slash"},
	{B("/../../etc/passwd"), "twice"},
	{B("/a/../.."), "after coming down"},
	{B("/a/../../b"), "on the way"},
	{B("/%2e%2e/"), "escaped"},
	{B("/./.."), "behind a dot"},
	{B("//.."), "behind slashes"},
	{B("/..%20"), "dots and a space, cut off by some"},
	{B("/a/..%20/b"), "in the middle"},
	{B("/a/.%20%20/b"), "one dot and spaces"},
	{B("/...%20/b"), "three dots and a space"},
	{B("/a#b"), "A22: a fragment"},
	{B("/#"), "an empty one"},
	{B("/a?b#c"), "behind a query"},
	{B("/a b"), "a space"},
	{B("/a?b c"), "a space in the query"},
	{B("/a\tb"), "a tab"},
	{B("/a?\t"), "a tab in the query"},
	{B("/a\0b"), "a NUL"},
	{B("/a?\0"), "a NUL in the query"},
	{B("/\x1f"), "a control character"},
	{B("/a?\r\nX: y"), "G6: CRLF in the query"},
	{B("/\x7f"), "DEL"},
	{B("/\x80"), "A22: a byte above 0x7f"},
	{B("/\xc3\xa9"), "UTF-8 as it is"},
	{B("/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xff"), "far behind"},
	{B("/?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa#"), "a fragment far behind"},
};

static void test_ambiguous_paths_are_refused(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(bad); i++) {
		struct request r = {0};

		b.why = NULL;
		if (h1_target(&b.a, guard_put(&b.guard, bad[i].in), &r, &b.why))
			fail_msg("%.*s: %s", SLICE_F(bad[i].in), bad[i].says);
		assert_non_null(b.why);
		assert_ptr_not_equal(b.why, h1_no_memory);
	}
	bed_close(&b);
}

/* The query is data for the application and the WAF: nothing in it changes who answers. */
static void test_query_is_not_touched(void **state)
{
	static const char *const queries[] = {
		"", "a=b", "?", "a?b", "/../..", "a=%2f%5C%00%c0%af", "a=%", "a=%zz&%u0027", "a;b=c;d", "\"<>\\^`{|}[]", "a=1&a=UNION",
		"x='--+", "!$&'()*+,;=:@/?", "..;/", "//",
	};
	char target[100];
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < 2 * ROWS(queries); i++) {
		const char *query = queries[i / 2];
		struct request r = {0};
		int n = snprintf(target, sizeof target, "%s?%s", i % 2 ? "/%61" : "/a", query);

		if (!h1_target(&b.a, guard_put(&b.guard, slice_make(target, (size_t)n)), &r, &b.why))
			fail_msg("%s was refused: %s", target, b.why);
		assert_slice(r.path, "/a");
		assert_slice(r.query, query);
		assert_true(r.has_query);
		n = snprintf(target, sizeof target, "/a?%s", query);
		assert_slice(r.target, target);
		check_same(&b, &r);
	}
	bed_close(&b);
}

static void test_every_byte_and_every_escape(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned c = 0; c < 256; c++) {
		char raw[] = {'/', (char)c, 'x'}, escaped[8];
		bool fits = c > 0x20 && c < 0x7f && !strchr("#;\\%", (int)c);
		bool unescapes = c >= 0x20 && c != 0x7f && c != '/' && c != '\\' && c != 0xc0 && c != 0xc1;
		struct request r = {0};

		if (h1_target(&b.a, slice_make(raw, 3), &r, &b.why) != fits)
			fail_msg("byte %02x", c);
		if (fits)
			check_same(&b, &r);
		snprintf(escaped, sizeof escaped, "/%%%02xx", c);
		if (h1_target(&b.a, slice_of(escaped), &r, &b.why) != unescapes)
			fail_msg("escape %s", escaped);
		if (unescapes) {
			assert_int_equal((unsigned char)r.path.at[1], c);
			check_same(&b, &r);
		}
	}
	bed_close(&b);
}

static void test_a_full_budget_is_not_a_bad_path(void **state)
{
	struct request r = {0};
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned n = 1; n <= 2; n++) {
		arena_done(&b.a);
		arena_init(&b.a, &b.budget, 1);
		mem_fail_at(n);
		assert_false(h1_target(&b.a, SLICE("/%41"), &r, &b.why));
		assert_true(mem_failed());
		assert_ptr_equal(b.why, h1_no_memory);
	}
	mem_fail_at(0);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_form),
		cmocka_unit_test(test_ambiguous_paths_are_refused),
		cmocka_unit_test(test_query_is_not_touched),
		cmocka_unit_test(test_every_byte_and_every_escape),
		cmocka_unit_test(test_a_full_budget_is_not_a_bad_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
