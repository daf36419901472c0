/* text_test.c -- small readers take the whole input or nothing. */
#include "gateway/base/text.h"

#include "bed.h"

static struct guard guard;

static void test_numbers(void **state)
{
	static const struct {
		struct slice in;
		bool ok;
		uint64_t out;
	} rows[] = {
		{B("0"), true, 0}, {B("18446744073709551615"), true, UINT64_MAX},
		{B("18446744073709551616"), false, 0}, {B("99999999999999999999999"), false, 0},
		{B("007"), true, 7}, {B(""), false, 0}, {B("+1"), false, 0}, {B("-1"), false, 0}, {B(" 1"), false, 0},
		{B("1 "), false, 0}, {B("1\0"), false, 0}, {B("0x1"), false, 0}, {B("1_0"), false, 0}, {B("1e3"), false, 0},
		{B("\xd9\xa1"), false, 0}, /* an Arabic one */
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		uint64_t n = 0;

		if (text_uint(guard_put(&guard, rows[i].in), &n) != rows[i].ok || n != rows[i].out)
			fail_msg("\"%.*s\"", SLICE_F(rows[i].in));
	}
}

static void test_signed_numbers(void **state)
{
	static const struct {
		struct slice in;
		bool ok;
		int64_t out;
	} rows[] = {
		{B("-1"), true, -1}, {B("9223372036854775807"), true, INT64_MAX}, {B("9223372036854775808"), false, 0},
		{B("-9223372036854775807"), true, -INT64_MAX}, {B("-"), false, 0}, {B("--1"), false, 0}, {B("-0"), true, 0},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		int64_t n = 0;

		if (text_int(guard_put(&guard, rows[i].in), &n) != rows[i].ok || n != rows[i].out)
			fail_msg("\"%.*s\"", SLICE_F(rows[i].in));
	}
}

static void test_hexadecimal(void **state)
{
	uint64_t n;

	(void)state;
	assert_true(text_hex(guard_put(&guard, SLICE("fFfFfFfFfFfFfFfF")), &n));
	assert_true(n == UINT64_MAX);
	assert_true(text_hex(SLICE("0a"), &n));
	assert_int_equal(n, 10);
	assert_false(text_hex(SLICE("10000000000000000"), &n));
	assert_false(text_hex(SLICE(""), &n));
	assert_false(text_hex(SLICE("0x1"), &n));
	assert_false(text_hex(SLICE("g"), &n));
	assert_int_equal(text_hex_digit('@'), -1);
	assert_int_equal(text_hex_digit('`'), -1);
	assert_int_equal(text_hex_digit('G'), -1);
}

static void test_durations(void **state)
{
	static const struct {
		struct slice in;
		int64_t ms; /* -1: refused */
	} rows[] = {
		{B("500ms"), 500}, {B("30s"), 30000}, {B("10m"), 600000}, {B("2h"), 7200000}, {B("7d"), 604800000},
		{B("0s"), 0}, {B("30"), -1}, {B("s"), -1}, {B(""), -1}, {B("-1s"), -1}, {B("1.5s"), -1}, {B("30 s"), -1},
		{B("30S"), -1}, {B("1h30m"), -1}, {B("106751991167d"), 106751991167 * 86400000},
		{B("106751991168d"), -1}, {B("99999999999999999999s"), -1}, {B("30s\0"), -1},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		int64_t ms = -1;

		if (!text_duration(guard_put(&guard, rows[i].in), &ms))
			ms = -1;
		if (ms != rows[i].ms)
			fail_msg("\"%.*s\": %lld", SLICE_F(rows[i].in), (long long)ms);
	}
}

static void test_sizes(void **state)
{
	static const struct {
		struct slice in;
		int64_t bytes;
	} rows[] = {
		{B("512B"), 512}, {B("64KiB"), 65536}, {B("10MiB"), 10485760}, {B("1GiB"), 1073741824}, {B("1KB"), -1},
		{B("1k"), -1}, {B("1"), -1}, {B("1 KiB"), -1}, {B("1kib"), -1}, {B("8589934592GiB"), -1},
		{B("8589934591GiB"), 8589934591 * 1073741824}, {B("KiB"), -1},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		uint64_t bytes;
		int64_t have = text_size(guard_put(&guard, rows[i].in), &bytes) ? (int64_t)bytes : -1;

		if (have != rows[i].bytes)
			fail_msg("\"%.*s\": %lld", SLICE_F(rows[i].in), (long long)have);
	}
}

static void test_times(void **state)
{
	static const struct {
		struct slice in;
		int64_t seconds;
	} rows[] = {
		{B("1970-01-01"), 0}, {B("1970-01-01T00:00:01Z"), 1}, {B("2000-02-29"), 951782400}, {B("2027-02-01"), 1801440000},
		{B("2027-02-01T02:00:00Z"), 1801447200}, {B("2100-02-29"), -1}, {B("2027-02-29"), -1}, {B("2028-02-29"), 1835395200},
		{B("2027-13-01"), -1}, {B("2027-00-01"), -1}, {B("2027-04-31"), -1}, {B("2027-01-00"), -1}, {B("1969-12-31"), -1},
		{B("2027-2-1"), -1}, {B("2027-02-01T24:00:00Z"), -1}, {B("2027-02-01T02:60:00Z"), -1},
		{B("2016-12-31T23:59:60Z"), -1}, {B("2027-02-01 02:00:00Z"), -1}, {B("2027-02-01T02:00:00+"), -1},
		{B("2027-02-0a"), -1}, {B("9999-12-31"), 253402214400}, {B(""), -1},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		int64_t seconds = -1;

		if (!text_time(guard_put(&guard, rows[i].in), &seconds))
			seconds = -1;
		if (seconds != rows[i].seconds)
			fail_msg("\"%.*s\": %lld", SLICE_F(rows[i].in), (long long)seconds);
	}
}

static void test_utf8(void **state)
{
	static const struct {
		struct slice in;
		bool ok;
		const char *says;
	} rows[] = {
		{B(""), true, "nothing"},
		{B("a\0b"), true, "NUL is a character"},
		{B("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), true, "the edges of each length"},
		{B("\xc0\x80"), false, "NUL in two bytes"},
		{B("\xc1\xbf"), false, "overlong in two"},
		{B("\xe0\x9f\xbf"), false, "overlong in three"},
		{B("\xf0\x8f\xbf\xbf"), false, "overlong in four"},
		{B("\xed\xa0\x80"), false, "the first surrogate"},
		{B("\xed\xbf\xbf"), false, "the last surrogate"},
		{B("\xed\x9f\xbf\xee\x80\x80"), true, "beside the surrogates"},
		{B("\xf4\x90\x80\x80"), false, "above U+10FFFF"},
		{B("\xf5\x80\x80\x80"), false, "a first byte of nothing"},
		{B("\xff"), false, "0xff"},
		{B("\x80"), false, "a middle without a beginning"},
		{B("\xc3"), false, "cut after one of two"},
		{B("\xe2\x82"), false, "cut after two of three"},
		{B("\xf0\x9f\x98"), false, "cut after three of four"},
		{B("\xc3" "a"), false, "a letter in the middle"},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		if (text_is_utf8(guard_put(&guard, rows[i].in)) != rows[i].ok)
			fail_msg("%s", rows[i].says);
}

static void test_nearest(void **state)
{
	static const char *const names[] = {"listeners", "certificates", "sites", "client", "waf", NULL};
	static const struct {
		struct slice word;
		const char *near;
	} rows[] = {
		{B("listener"), "listeners"}, {B("lsiteners"), "listeners"}, {B("Sites"), "sites"}, {B("site"), "sites"},
		{B("certs"), NULL}, {B("wfa"), "waf"}, {B("fw"), NULL}, {B("waff"), "waf"}, {B("zzzzzzzz"), NULL}, {B(""), NULL},
	};
	char far[200];

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const char *near = text_nearest(guard_put(&guard, rows[i].word), names);

		if ((near == NULL) != (rows[i].near == NULL) || (near && strcmp(near, rows[i].near)))
			fail_msg("\"%.*s\": %s", SLICE_F(rows[i].word), near ? near : "none");
	}
	memset(far, 'a', sizeof far);
	assert_null(text_nearest(slice_make(far, sizeof far), names));
}

static void test_unescape(void **state)
{
	static const struct {
		struct slice in, plain, form;
	} rows[] = {
		{B("a%20b+c"), B("a b+c"), B("a b c")}, {B("%41%4a%4A"), B("AJJ"), B("AJJ")}, {B("%00"), B("\0"), B("\0")},
		{B("%"), B("%"), B("%")}, {B("%4"), B("%4"), B("%4")}, {B("%zz%41"), B("%zzA"), B("%zzA")},
		{B("%4x"), B("%4x"), B("%4x")}, {B("%2541"), B("%41"), B("%41")}, {B("%%34%31"), B("%41"), B("%41")},
		{B(""), B(""), B("")},
	};
	struct arena a;

	(void)state;
	arena_init(&a, NULL, 512);
	for (size_t i = 0; i < ROWS(rows); i++) {
		assert_slice(text_unescape(&a, guard_put(&guard, rows[i].in), false), rows[i].plain);
		assert_slice(text_unescape(&a, guard_put(&guard, rows[i].in), true), rows[i].form);
	}
	arena_done(&a);
	arena_init(&a, NULL, 512);
	mem_fail_at(1);
	assert_null(text_unescape(&a, SLICE("%41"), false).at);
	mem_fail_at(0);
	arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),	  cmocka_unit_test(test_signed_numbers), cmocka_unit_test(test_hexadecimal),
		cmocka_unit_test(test_durations), cmocka_unit_test(test_sizes),		 cmocka_unit_test(test_times),
		cmocka_unit_test(test_utf8),	  cmocka_unit_test(test_nearest),	 cmocka_unit_test(test_unescape),
	};

	guard_open(&guard, 4096);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
