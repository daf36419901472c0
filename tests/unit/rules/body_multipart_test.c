/* body_multipart_test.c -- multipart/form-data in the one form that all readers share. */
#include "bed.h"
#include "rules/body.h"

#define PART "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n"
#define END "--X--\r\n"
#define HEAD(lines) "--X\r\n" lines "\r\n\r\n1\r\n" END

static struct guard guard;
static const struct body_limits limits = {100, 8, 3};
static struct arena arena;

static struct body_fault check(struct slice body, struct body_look *look)
{
	arena_done(&arena);
	*look = (struct body_look){.files = true, .extras = {.arena = &arena, .most = limits.arguments}};
	return body_multipart(body, SLICE("X"), &limits, look);
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

static void forms(void **state)
{
	static const struct {
		struct slice in;
		bool fine;
		const char *says;
	} rows[] = {
		{B(PART END), true, "one part"},
		{B(PART "--X--"), true, "no line end behind the last boundary"},
		{B(PART PART PART END), true, "as many parts as allowed"},
		{B("--X--\r\n"), true, "no part at all"},
		{B("--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n" END), true, "an empty part"},
		{B(HEAD("Content-Disposition: form-data; name=\"f\"; filename=\"x.png\"\r\nContent-Type: image/png")), true, "a file"},
		{B(HEAD("content-disposition: form-data; name=f")), true, "a name without quotes"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: binary")), true, "no encoding"},
		{B("--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n-- X --X\r\n\r\n" END), true, "dashes in the data"},
		{B("preamble\r\n" PART END), false, "data before"},
		{B("\r\n" PART END), false, "a line end before"},
		{B(PART END "more"), false, "data after"},
		{B(PART "--X-- \r\n"), false, "a space behind the last boundary"},
		{B(PART), false, "no last boundary"},
		{B(PART "--X"), false, "a last boundary without its dashes"},
		{B("--X\nContent-Disposition: form-data; name=\"a\"\n\n1\n--X--\n"), false, "bare line feeds"},
		{B("--X\r\nContent-Disposition: form-data; name=\"a\"\n\r\n\r\n1\r\n" END), false, "one bare line feed"},
		{B("--XY\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--XY--"), false, "a longer boundary"},
		{B("--X \r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n" END), false, "a space behind a boundary"},
		{B("--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n" END), false, "no line end before the boundary"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"\r\n--X: b")), false, "a boundary that is a header, too"},
		{B(HEAD("--Xy: b\r\nContent-Disposition: form-data; name=\"a\"")), false, "a longer one, before any other"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"\r\n-X: b")), true, "a header with a dash less"},
		{B(HEAD("X: y")), false, "no Content-Disposition"},
		{B("--X\r\n\r\n1\r\n" END), false, "no headers"},
		{B(HEAD("Content-Disposition: attachment; name=\"a\"")), false, "another disposition"},
		{B(HEAD("Content-Disposition: form-data")), false, "no name"},
		{B(HEAD("Content-Disposition: form-data; filename=\"a\"")), false, "only a file name"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"; name=\"b\"")), false, "two names"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"; filename=\"b\"; filename=\"c\"")), false, "two file names"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"; NAME=\"b\"")), false, "a name in other case"},
		{B(HEAD("Content-Disposition: form-data; name=a;filename=")), false, "an empty value"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\\\"b\"")), false, "an escaped quote"},
		{B(HEAD("Content-Disposition: form-data; name='a'; x='")), false, "an unknown parameter"},
		{B(HEAD("Content-Disposition: form-data; name=\"a")), false, "a quote that does not end"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\" b")), false, "something behind a value"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\0b\"")), false, "NUL in a header"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\rb\"")), false, "a bare CR in a header"},
		{B(HEAD("Content-Disposition: form-data;\r\n name=\"a\"")), false, "a folded header"},
		{B(HEAD("Content-Disposition : form-data; name=\"a\"")), false, "a space before the colon"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"b\"")), false, "a header twice"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64")), false, "base64"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: quoted-printable")), false, "quoted-printable"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain; charset=utf-7")), false, "a charset"},
		{B(HEAD("Content-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain\r\nContent-Type: text/html")), false, "two types"},
		{B("--X\r\nContent-Disposition: form-data; name=\"_charset_\"\r\n\r\nutf-7\r\n" END), false, "_charset_"},
		{B("--X\r\nContent-Disposition: form-data; name=\"_charset_\"\r\n\r\nUTF-8\r\n" END), true, "_charset_ that changes nothing"},
		{B(PART PART PART PART END), false, "one part too many"},
		{B("x"), false, "one byte"},
	};

	struct body_look look;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct body_fault f = check(guard_put(&guard, rows[i].in), &look);

		if (!f.why != rows[i].fine)
			fail_msg("%s (%s)", rows[i].says, f.why ? f.why : "taken");
	}
}

static void a_bound_is_told_from_a_mistake(void **state)
{
	struct body_look look;

	(void)state;
	assert_true(check(SLICE(PART PART PART PART END), &look).too_much);
	assert_false(check(SLICE(PART PART), &look).too_much);
}

static void every_cut_is_refused(void **state)
{
	static const struct slice whole = B(PART PART "--X--");
	struct body_look look;

	(void)state;
	for (size_t n = 0; n < whole.len; n++)
		assert_non_null(check(guard_put(&guard, slice_first(whole, n)), &look).why);
}

#define FILE(parameters) HEAD("Content-Disposition: form-data; name=\"f\"; " parameters)

static void headers_of_a_part_are_bounded(void **state)
{
	char body[1024] = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n";
	size_t n = strlen(body);
	struct body_look look;

	(void)state;
	for (unsigned i = 0; i < 31; i++, n += 6)
		memcpy(body + n, "X: y\r\n", 6);
	memcpy(body + n, "\r\n1\r\n--X--", 10);
	assert_null(check(slice_make(body, n + 10), &look).why);
	memcpy(body + n, "X: y\r\n\r\n1\r\n--X--", 16);
	assert_true(check(slice_make(body, n + 16), &look).too_much);
}

static void the_rules_see_each_name_of_a_file(void **state)
{
	static const struct {
		struct slice in;
		const char *told; /* NULL: refused; empty: nothing beside what the engine finds */
		const char *says;
	} rows[] = {
		{B(FILE("filename=\"x.txt\"")), "", "one name"},
		{B(FILE("filename=x.txt; filename*=utf-8''x.txt")), "x.txt", "both, as .NET says it"},
		{B(FILE("filename=\"x.txt\"; filename*=UTF-8''shell%2Ephp")), "shell.php", "the second is another"},
		{B(FILE("filename=\"x.txt\"; filename*=utf-8''%e2%82%ac.txt")), "\xe2\x82\xac.txt", "letters of UTF-8"},
		{B(FILE("filename*=utf-8''x.txt")), NULL, "the second alone"},
		{B(FILE("filename=\"x.txt\"; filename*=utf-8''a; filename*=utf-8''b")), NULL, "two second ones"},
		{B(FILE("filename=\"x.txt\"; filename*=iso-8859-1''x.txt")), NULL, "another charset"},
		{B(FILE("filename=\"x.txt\"; filename*=utf-8'en'x.txt")), NULL, "a language"},
		{B(FILE("filename=\"x.txt\"; filename*=utf-8''x%0")), NULL, "a cut escape"},
		{B(FILE("filename=\"x.txt\"; filename*=utf-8''x%00.php")), NULL, "NUL in it"},
		{B(FILE("filename=\"x.txt\"; filename*=utf-8''%c0%af")), NULL, "no UTF-8"},
		{B(FILE("filename=\"x.txt\"; filename*0=\"a\"; filename*1=\"b\"")), NULL, "continuations"},
		{B(FILE("filename=\"=?utf-8?B?c2hlbGwucGhw?=\"")), "shell.php", "an encoded word in base64"},
		{B(FILE("filename=\"=?UTF-8?q?shell=2Ephp?=\"")), "shell.php", "an encoded word in quoted-printable"},
		{B(FILE("filename=\"a=?utf-8?B?Yg==?=c\"")), "abc", "an encoded word in the middle"},
		{B(FILE("filename=\"=?iso-8859-1?B?YQ==?=\"")), NULL, "an encoded word in another charset"},
		{B(FILE("filename=\"=?utf-8?B?*?=\"")), NULL, "an encoded word that is not base64"},
		{B(FILE("filename=\"=?utf-8?B?YQ==\"")), NULL, "an encoded word that does not end"},
		{B(HEAD("Content-Disposition: form-data; name=\"=?utf-8?B?YQ==?=\"")), NULL, "a part's name as an encoded word"},
		{B(FILE("filename=\"\"")), NULL, "content of a file without a name"},
		{B("--X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"\"\r\n\r\n\r\n" END), "", "a field for a file, left empty"},
	};
	struct body_look look;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct body_fault f = check(guard_put(&guard, rows[i].in), &look);
		struct slice told = look.extras.n ? look.extras.at[0].value : SLICE_NONE;

		if (!f.why != !!rows[i].told || (!f.why && !slice_is(told, rows[i].told)))
			fail_msg("%s: %s, \"%.*s\"", rows[i].says, f.why ? f.why : "taken", SLICE_F(told));
		assert_true(f.why || !look.extras.n || look.extras.at[0].kind == EXTRA_FILE);
	}
}

static void boundaries_that_only_some_see_are_refused(void **state)
{
	static const struct {
		struct slice in;
		bool fine;
		const char *says;
	} rows[] = {
		{B("--X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\nx\n--X\r\ny\r\n" END), false, "a bare line feed before it"},
		{B("--X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\nx\r--X\r\ny\r\n" END), false, "a bare carriage return"},
		{B("--X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\nx --X\r\ny\n--Y\r\n" END), true, "no line begins with it"},
		{B(HEAD("Content-Disposition: form-data; name=\"f\"\r\nContent-Type: multipart/mixed; boundary=Y")), false, "parts within a part"},
	};
	struct body_look look;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		if (!check(guard_put(&guard, rows[i].in), &look).why != rows[i].fine)
			fail_msg("%s", rows[i].says);
}

#define TYPED(parameters, type, data) \
	"--X\r\nContent-Disposition: form-data; name=\"j\"" parameters "\r\nContent-Type: " type "\r\n\r\n" data "\r\n" END

static void a_part_that_says_it_is_json_or_xml_is_looked_into(void **state)
{
	static const struct {
		struct slice in;
		bool files;
		unsigned n;
		const char *told, *says;
	} rows[] = {
		{B(TYPED("", "application/json", "{\"a\":\"1\\u0027 or\"}")), true, 1, "1' or", "a field"},
		{B(TYPED("; filename=\"blob\"", "application/json", "{\"a\":\"1\\u0027 or\"}")), true, 2, "{\"a\":\"1\\u0027 or\"}", "a file, and as a whole"},
		{B(TYPED("; filename=\"blob\"", "application/json", "{\"a\":\"1\\u0027 or\"}")), false, 0, "", "a file where files are not looked into"},
		{B(TYPED("; filename=\"x.xml\"", "text/xml", "<a b='1&#39; or'/>")), true, 2, "<a b='1&#39; or'/>", "XML, and as a whole"},
		{B(TYPED("; filename=\"x.xml\"", "text/xml", "<a b='1&#39; or'>")), true, 2, "<a b='1&#39; or'>", "what is no XML after all is a text"},
		{B(TYPED("; filename=\"x.txt\"", "text/plain", "{\"a\":\"1\\u0027 or\"}")), true, 0, "", "another type"},
	};
	struct body_look look;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct slice last;

		arena_done(&arena);
		look = (struct body_look){.files = rows[i].files, .extras = {.arena = &arena, .most = 100}};
		assert_null(body_multipart(guard_put(&guard, rows[i].in), SLICE("X"), &limits, &look).why);
		last = look.extras.n ? look.extras.at[look.extras.n - 1].value : SLICE_NONE;
		if (look.extras.n != rows[i].n || !slice_is(last, rows[i].told))
			fail_msg("%s: %u, \"%.*s\"", rows[i].says, look.extras.n, SLICE_F(last));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(a_bound_is_told_from_a_mistake),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(headers_of_a_part_are_bounded),
		cmocka_unit_test(the_rules_see_each_name_of_a_file),
		cmocka_unit_test(boundaries_that_only_some_see_are_refused),
		cmocka_unit_test(a_part_that_says_it_is_json_or_xml_is_looked_into),
	};

	return cmocka_run_group_tests(tests, open_bed, close_bed);
}
