/* body_test.c -- forms and XML in their strict form. */
#include "bed.h"
#include "rules/body.h"

static struct guard guard;
static const struct body_limits limits = {3, 4, 2};
static struct hash_seed seed;

static int open_bed(void **state)
{
	(void)state;
	guard_open(&guard, 4096);
	return 0;
}

static int close_bed(void **state)
{
	(void)state;
	guard_close(&guard);
	return 0;
}

static void forms_have_so_many_fields(void **state)
{
	struct media m = media_parse(SLICE("application/x-www-form-urlencoded"));

	(void)state;
	assert_null(body_check(&m, SLICE("a=1&b=2&c=3"), &limits, &seed).why);
	assert_true(body_check(&m, SLICE("a=1&b=2&c=3&d"), &limits, &seed).too_much);
	assert_true(body_check(&m, SLICE("&&&"), &limits, &seed).too_much);
	assert_null(body_check(&m, SLICE(""), &limits, &seed).why);
}

static void xml(void **state)
{
	static const struct {
		struct slice in;
		bool fine;
		const char *says;
	} rows[] = {
		{B("<a>x</a>"), true, "an element"},
		{B("<?xml version=\"1.0\" encoding=\"UTF-8\"?><a/>"), true, "a declaration"},
		{B("<?xml version='1.0' encoding='utf-8'?><a/>"), true, "a declaration in single quotes"},
		{B("\xef\xbb\xbf<?xml version=\"1.0\"?><a/>"), true, "a byte order mark of UTF-8"},
		{B("<a><![CDATA[ <!DOCTYPE x> ]]></a>"), true, "CDATA is text"},
		{B("<a><!-- <!DOCTYPE x> --></a>"), true, "a comment is a comment"},
		{B("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>"), false, "an entity"},
		{B("<!doctype a><a/>"), false, "whatever begins with <!"},
		{B("<a/><!ENTITY x 'y'>"), false, "an entity outside"},
		{B("<a><![CDATA[ x </a>"), false, "CDATA that does not end"},
		{B("<a><!-- x </a>"), false, "a comment that does not end"},
		{B("<?xml version=\"1.0\" "), false, "a declaration that does not end"},
		{B("<?xml version=\"1.0\" encoding=\"utf-7\"?><a/>"), false, "another encoding"},
		{B("<?xml version=\"1.0\" encoding=\"utf-8x\"?><a/>"), false, "an encoding that only begins well"},
		{B("<?xml version=\"1.0\" encoding = \"ibm037\"?><a/>"), false, "another encoding, with spaces"},
		{B("\xff\xfe<\0a\0/\0>\0"), false, "UTF-16"},
		{B("<a>\0</a>"), false, "NUL"},
	};
	struct media m = media_parse(SLICE("text/xml"));

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		if (!body_check(&m, guard_put(&guard, rows[i].in), &limits, &seed).why != rows[i].fine)
			fail_msg("%s", rows[i].says);
}

static void other_types_are_not_judged(void **state)
{
	struct media m = media_parse(SLICE("image/png"));

	(void)state;
	assert_null(body_check(&m, SLICE("\x89PNG"), &limits, &seed).why);
	m = media_parse(SLICE("application/json"));
	assert_non_null(body_check(&m, SLICE("\x89PNG"), &limits, &seed).why);
	m = media_parse(SLICE("multipart/form-data; boundary=x"));
	assert_non_null(body_check(&m, SLICE("\x89PNG"), &limits, &seed).why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_have_so_many_fields),
		cmocka_unit_test(xml),
		cmocka_unit_test(other_types_are_not_judged),
	};

	hash_seed_random(&seed);
	return cmocka_run_group_tests(tests, open_bed, close_bed);
}
