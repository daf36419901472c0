/* line_test.c -- a line stays a line, shows what is in it, and gives the bytes back. */
#include "gateway/base/line.h"

#include "bed.h"
#include "gateway/base/text.h"

static struct guard guard;

static void test_what_may_stand(void **state)
{
	static const struct {
		struct slice in;
		size_t len;
		const char *says;
	} rows[] = {
		{B("a"), 1, "a letter"}, {B(" "), 1, "a space"}, {B("~"), 1, "the last of ASCII"},
		{B("\""), 1, "a quote is no control"}, {B("\\"), 1, "nor a backslash"},
		{B("\0"), 0, "NUL"}, {B("\n"), 0, "a line end"}, {B("\r"), 0, "a return"}, {B("\t"), 0, "a tab"},
		{B("\x1b"), 0, "an escape"}, {B("\x7f"), 0, "DEL"}, {B("\x1f"), 0, "the last control"},
		{B("\xc3\xa4"), 2, "a letter of two bytes"}, {B("\xe2\x82\xac"), 3, "of three"}, {B("\xf0\x9f\x98\x80"), 4, "of four"},
		{B("\xc2\xa0"), 2, "a hard space"}, {B("\xc2\x9f"), 0, "the last C1 control"}, {B("\xc2\x80"), 0, "the first"},
		{B("\xc2\xad"), 0, "a soft hyphen"}, {B("\xe2\x80\xae"), 0, "U+202E"}, {B("\xe2\x80\xa8"), 0, "U+2028"},
		{B("\xe2\x80\xaf"), 3, "U+202F is a space"}, {B("\xe2\x80\x8a"), 3, "U+200A as well"}, {B("\xe2\x80\x8b"), 0, "U+200B is not"},
		{B("\xe2\x81\xa6"), 0, "U+2066"}, {B("\xe2\x81\xb0"), 3, "U+2070"}, {B("\xef\xbb\xbf"), 0, "U+FEFF"},
		{B("\xef\xb8\x8f"), 0, "a variation"}, {B("\xef\xbf\xbd"), 3, "U+FFFD"}, {B("\xf3\xa0\x80\x81"), 0, "a tag"},
		{B("\xff"), 0, "no character"}, {B("\xc3"), 0, "half of one"}, {B("\xe2\x82"), 0, "two thirds"}, {B("\xc0\xaf"), 0, "overlong"},
		{B("\xed\xa0\x80"), 0, "a surrogate"}, {B("\xf4\x90\x80\x80"), 0, "beyond Unicode"}, {B("\x80"), 0, "the end of one"},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		if (line_plain(guard_put(&guard, rows[i].in)) != rows[i].len)
			fail_msg("%s", rows[i].says);
}

/* What the manual says: "\xNN" is a byte. */
static size_t undo(char *out, struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len;) {
		if (s.len - i >= 4 && s.at[i] == '\\' && s.at[i + 1] == 'x') {
			out[n++] = (char)(text_hex_digit(s.at[i + 2]) << 4 | text_hex_digit(s.at[i + 3]));
			i += 4;
		} else {
			out[n++] = s.at[i++];
		}
	}
	return n;
}

static void check_round(struct slice in, bool quotes)
{
	char out[4096], back[4096];
	size_t n = line_escape(out, sizeof out, guard_put(&guard, in), quotes);

	assert_true(text_is_utf8(slice_make(out, n)));
	for (size_t i = 0; i < n;) {
		size_t plain = line_plain(slice_make(out + i, n - i));

		assert_true(plain);
		assert_true(!quotes || (out[i] != '"' && (out[i] != '\\' || out[i + 1] == 'x')));
		i += plain;
	}
	assert_slice(slice_make(back, undo(back, slice_make(out, n))), in);
}

static void test_the_bytes_come_back(void **state)
{
	static const struct slice rows[] = {
		B(""), B("plain"), B("\\"), B("\\x"), B("\\x41"), B("\\\\x41"), B("\\\\\\x"), B("x\\"), B("\\u202e"), B("\"q\""),
		B("a\r\nb\0c\x1b[2J"), B("\xe2\x80\xae\xff\xc3(\xc3\xa4\xed\xa0\x80"), B("${jndi:ldap://x}"), B("\\x5cx41"),
	};
	char all[512];

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		check_round(rows[i], false);
		check_round(rows[i], true);
	}
	/* All pairs of bytes. */
	for (unsigned first = 0; first < 256; first++) {
		for (unsigned k = 0; k < 256; k++) {
			all[2 * k] = (char)first;
			all[2 * k + 1] = (char)k;
		}
		check_round(slice_make(all, sizeof all), first & 1);
	}
}

static void test_a_small_room_cuts_between_characters(void **state)
{
	static const struct slice in = B("a\xc3\xa4\xff\n\xf0\x9f\x98\x80\\x");
	char whole[64], out[64];
	size_t n = line_escape(whole, sizeof whole, in, true);

	(void)state;
	for (size_t room = 0; room <= n; room++) {
		size_t part = line_escape(out, room, in, true);

		assert_true(part <= room && text_is_utf8(slice_make(out, part)));
		assert_memory_equal(out, whole, part);
		assert_true(room - part < 4);
	}
}

static int open_guard(void **state)
{
	(void)state;
	guard_open(&guard, 4096);
	return 0;
}

static int close_guard(void **state)
{
	(void)state;
	guard_close(&guard);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_may_stand),
		cmocka_unit_test(test_the_bytes_come_back),
		cmocka_unit_test(test_a_small_room_cuts_between_characters),
	};

	return cmocka_run_group_tests(tests, open_guard, close_guard);
}
