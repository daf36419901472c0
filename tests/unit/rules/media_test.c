/* media_test.c -- one media type per message, and everybody reads the same one. */
#include "bed.h"
#include "rules/media.h"

static void types(void **state)
{
	static const struct {
		const char *in;
		enum media_kind want;
		const char *says;
	} rows[] = {
		{"application/x-www-form-urlencoded", MEDIA_FORM, "a form"},
		{"Application/X-WWW-Form-Urlencoded; charset=UTF-8", MEDIA_FORM, "types ignore case"},
		{"application/x-www-form-urlencoded, text/plain", MEDIA_BAD, "two types in one field"},
		{"application/x-www-form-urlencodedx", MEDIA_OTHER, "a longer name is another type"},
		{"multipart/form-data; boundary=abc", MEDIA_MULTIPART, "one boundary"},
		{"multipart/form-data; boundary=\"a b\"", MEDIA_BAD, "a space in the boundary"},
		{"multipart/form-data; boundary=\"abc\"", MEDIA_MULTIPART, "a quoted boundary"},
		{"multipart/form-data", MEDIA_BAD, "no boundary"},
		{"multipart/form-data; boundary=", MEDIA_BAD, "an empty boundary"},
		{"multipart/form-data; boundary=a; boundary=b", MEDIA_BAD, "two boundaries"},
		{"multipart/form-data; boundary=a; BOUNDARY=a", MEDIA_BAD, "two boundaries, though alike"},
		{"multipart/form-data; boundary=\"a\\\"b\"", MEDIA_BAD, "an escaped boundary"},
		{"multipart/form-data; boundary=\"abc", MEDIA_BAD, "a quote that does not end"},
		{"multipart/form-data; boundary = abc", MEDIA_BAD, "space around ="},
		{"multipart/form-data boundary=abc", MEDIA_BAD, "no semicolon"},
		{"multipart/form-data; boundary=abc,def", MEDIA_BAD, "a comma outside quotes"},
		{"multipart/form-data; charset=utf-8; boundary=abc", MEDIA_MULTIPART, "a charset beside it"},
		{"multipart/form-data; x=\"boundary=evil\"; boundary=abc", MEDIA_BAD, "a boundary in another value"},
		{"multipart/form-data; x-boundary=evil; boundary=abc", MEDIA_BAD, "a boundary in another name"},
		{"multipart/mixed; boundary=abc", MEDIA_OTHER, "another multipart"},
		{"application/json", MEDIA_JSON, "JSON"},
		{"application/json;charset=utf-8", MEDIA_JSON, "no space is needed"},
		{"application/json; charset=utf-8; charset=utf-7", MEDIA_BAD, "two charsets"},
		{"application/ld+json", MEDIA_JSON, "a JSON dialect"},
		{"text/x+json", MEDIA_TEXT, "a suffix outside application/"},
		{"application/csp-report", MEDIA_JSON, "a browser's report"},
		{"application/json-seq", MEDIA_TEXT, "records of JSON"},
		{"application/jsonp", MEDIA_OTHER, "not JSON"},
		{"application/xml;", MEDIA_XML, "a trailing semicolon is harmless"},
		{"text/xml", MEDIA_XML, "text/xml"},
		{"application/soap+xml", MEDIA_XML, "an XML dialect"},
		{"text/plain", MEDIA_TEXT, "a text"},
		{"Text/CSV; header=present", MEDIA_TEXT, "another text"},
		{"text/", MEDIA_BAD, "no subtype of text"},
		{"application/graphql", MEDIA_TEXT, "a query"},
		{"application/x-ndjson", MEDIA_TEXT, "lines of JSON"},
		{"image/png", MEDIA_OTHER, "no parser"},
		{"", MEDIA_BAD, "empty"},
		{"text", MEDIA_BAD, "no subtype"},
		{"/json", MEDIA_BAD, "no type"},
		{"application/", MEDIA_BAD, "no subtype"},
		{"application /json", MEDIA_BAD, "space in the name"},
		{"application/json/xml", MEDIA_BAD, "two slashes"},
		{"text/plain;;", MEDIA_BAD, "an empty parameter in the middle"},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		if (media_parse(slice_of(rows[i].in)).kind != rows[i].want)
			fail_msg("%s: \"%s\"", rows[i].says, rows[i].in);
	assert_int_equal(media_parse((struct slice)B("application/json\0")).kind, MEDIA_BAD);
}

static void long_boundaries_are_refused(void **state)
{
	char text[200];

	(void)state;
	snprintf(text, sizeof text, "multipart/form-data; boundary=%070d", 1);
	assert_int_equal(media_parse(slice_of(text)).kind, MEDIA_MULTIPART);
	snprintf(text, sizeof text, "multipart/form-data; boundary=%071d", 1);
	assert_int_equal(media_parse(slice_of(text)).kind, MEDIA_BAD);
}

static void of_two_fields_neither_counts(void **state)
{
	struct fields f = {0};
	struct arena a;

	(void)state;
	arena_init(&a, NULL, 512);
	assert_int_equal(media_of(&f).kind, MEDIA_NONE);
	fields_add(&f, &a, SLICE("content-type"), SLICE("application/json"));
	assert_int_equal(media_of(&f).kind, MEDIA_JSON);
	fields_add(&f, &a, SLICE("content-type"), SLICE("application/json"));
	assert_int_equal(media_of(&f).kind, MEDIA_BAD);
	arena_done(&a);
}

static void charsets(void **state)
{
	static const struct {
		const char *type;
		bool want;
	} rows[] = {
		{"application/x-www-form-urlencoded", true},
		{"application/x-www-form-urlencoded; charset=Windows-1252", true},
		{"application/x-www-form-urlencoded; charset=utf-7", false},
		{"application/x-www-form-urlencoded; charset=ibm037", false},
		{"application/x-www-form-urlencoded; charset=utf-16", false},
		{"application/json; charset=\"UTF-8\"", true},
		{"application/json; charset=iso-8859-1", false},
		{"text/xml; charset=utf-16le", false},
		{"text/xml; charset=us-ascii", true},
		{"application/json; charset=utf8", true},
		{"application/json; charset='utf-8'", true},
		{"application/json; charset=utf-88", false},
		{"text/plain; charset=iso-8859-1", true},
		{"text/plain; charset=utf-16", false},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct media m = media_parse(slice_of(rows[i].type));

		if (m.kind == MEDIA_BAD || media_charset_ok(&m) != rows[i].want)
			fail_msg("%s", rows[i].type);
	}
}

static void codings(void **state)
{
	static const struct {
		const char *first, *second;
		enum media_coding want;
	} rows[] = {
		{NULL, NULL, CODING_NONE}, {"identity", NULL, CODING_NONE}, {"gzip", NULL, CODING_GZIP}, {"X-Gzip", NULL, CODING_GZIP},
		{"deflate", NULL, CODING_DEFLATE}, {"br", NULL, CODING_BROTLI}, {"zstd", NULL, CODING_ZSTD}, {"compress", NULL, CODING_OTHER},
		{"gzip, gzip", NULL, CODING_OTHER}, {"gzip", "gzip", CODING_OTHER}, {"identity", "identity", CODING_OTHER},
		{"", NULL, CODING_OTHER}, {"gzip,", NULL, CODING_OTHER}, {"gzip;q=1", NULL, CODING_OTHER}, {"gzipped", NULL, CODING_OTHER},
	};
	struct arena a;

	(void)state;
	arena_init(&a, NULL, 512);
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct fields f = {0};

		if (rows[i].first)
			fields_add(&f, &a, SLICE("content-encoding"), slice_of(rows[i].first));
		if (rows[i].second)
			fields_add(&f, &a, SLICE("content-encoding"), slice_of(rows[i].second));
		if (media_coding(&f) != rows[i].want)
			fail_msg("row %zu: \"%s\"", i, rows[i].first);
	}
	arena_done(&a);
}

static void lists(void **state)
{
	struct media m = media_parse(SLICE("image/PNG; x=y"));

	(void)state;
	assert_true(media_listed(&m, SLICE("image/jpeg, image/png")));
	assert_true(media_listed(&m, SLICE("IMAGE/PNG")));
	assert_false(media_listed(&m, SLICE("image/pn,image/pngx")));
	assert_false(media_listed(&m, SLICE_NONE));
	m = media_parse(SLICE(""));
	assert_false(media_listed(&m, SLICE("image/png,")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types),
		cmocka_unit_test(long_boundaries_are_refused),
		cmocka_unit_test(of_two_fields_neither_counts),
		cmocka_unit_test(charsets),
		cmocka_unit_test(codings),
		cmocka_unit_test(lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
