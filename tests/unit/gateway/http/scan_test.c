/* scan_test.c -- the end of a head, found in any split of the bytes, and what never has one. */
#include "bed.h"

static const struct {
	struct slice in;
	enum h1_found want;
	uint32_t at; /* HEAD: its length.  BAD: bytes that are needed to know it. */
	const char *says;
} cases[] = {
	{B(""), H1_MORE, 0, "nothing"},
	{B("G"), H1_MORE, 0, "a beginning"},
	{B("GET / HTTP/1.1\r\n\r\n"), H1_HEAD, 18, "no fields"},
	{B("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), H1_HEAD, 27, "one field"},
	{B("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n"), H1_HEAD, 27, "what follows is not looked at"},
	{B("GET / HTTP/1.1\r\nHost: a\r\n\r\n\n\0\r"), H1_HEAD, 27, "whatever it is"},
	{B("GET / HTTP/1.1\r\nHost: a\r\n\r"), H1_MORE, 0, "the last byte is missing"},
	{B("GET / HTTP/1.1\r\nHost: a\r\n"), H1_MORE, 0, "the empty line is missing"},
	{B("GET / HTTP/1.1\r"), H1_MORE, 0, "half an end of line"},
	{B("GET / HTTP/1.1\r\nX: a\tb\xff\r\n\r\n"), H1_HEAD, 27, "a tab and a byte above 0x7f in a value"},
	{B("GET / HTTP/1.1\r\n0123456789abcdef0123456789abcdef\r\n\r\n"), H1_HEAD, 52, "lines of whole vectors"},
	{B("GET /0123456789abcdef0123456789abcdef0123456789abcdef HTTP/1.1\r\n\r\n"), H1_HEAD, 66, "a long first line"},
	{B("HTTP/1.1 200 OK\r\n\r\n"), H1_HEAD, 19, "a response"},
	{B("HTTP/1.0 404 Not here\r\nServer: x\r\n\r\n"), H1_HEAD, 36, "of HTTP/1.0"},
	{B("HTTP/1.1 200\r\n\r\n"), H1_HEAD, 16, "without a reason"},
	{B("HTTP/1.1 200 \r\n\r\n"), H1_HEAD, 17, "with an empty one"},
	{B("GET / HTTP/2.0\r\n\r\n"), H1_HEAD, 18, "another version is the parser's business"},
	{B("GET / HTTP/1.1\nHost: a\r\n\r\n"), H1_BAD, 15, "a bare LF ends no line"},
	{B("GET / HTTP/1.1\r\nHost: a\n\r\n"), H1_BAD, 24, "nor a field"},
	{B("GET / HTTP/1.1\r\n\n"), H1_BAD, 17, "nor a head"},
	{B("GET / HTTP/1.1\rHost"), H1_BAD, 16, "a bare CR"},
	{B("GET / HTTP/1.1\r\nA: b\rc"), H1_BAD, 22, "a bare CR in a value"},
	{B("GET / HTTP/1.1\r\r\n"), H1_BAD, 16, "CR CR LF"},
	{B("GET / HTTP/1.1\r\n\rX"), H1_BAD, 18, "CR and something else for the empty line"},
	{B("GET / HTTP/1.1\r\nA: \0\r\n\r\n"), H1_BAD, 20, "a NUL"},
	{B("GET / HTTP/1.1\r\nA: \x01"), H1_BAD, 20, "a control character"},
	{B("GET / HTTP/1.1\r\nA: \x0b"), H1_BAD, 20, "a vertical tab"},
	{B("GET / HTTP/1.1\r\nA: \x1f"), H1_BAD, 20, "the last control character"},
	{B("GET / HTTP/1.1\r\nA: \x7f"), H1_BAD, 20, "DEL"},
	{B("GET / HTTP/1.1\r\nA: 0123456789abcdef0123456789\x1b"), H1_BAD, 46, "far behind"},
	{B("\x16\x03\x01\x00\xa5\x01"), H1_BAD, 1, "D6: TLS on a plain port, at its first byte"},
	{B("\0GET / HTTP/1.1\r\n\r\n"), H1_BAD, 1, "a NUL in front"},
	{B("\nGET / HTTP/1.1\r\n\r\n"), H1_BAD, 1, "a LF in front"},
	{B("\r\n"), H1_BAD, 2, "an empty line in front is the caller's to remove"},
	{B("GET /\r\n"), H1_BAD, 7, "A22: HTTP/0.9 has no second line"},
	{B("GET / HTTP/1\r\n"), H1_BAD, 14, "no minor version"},
	{B("GET / HTTP/1.11\r\n"), H1_BAD, 17, "two digits"},
	{B("GET / HTTP/4294967295.255\r\n"), H1_BAD, 27, "A22: many digits"},
	{B("GET / HTTP/1.1 \r\n"), H1_BAD, 17, "a space behind"},
	{B("GET /\tHTTP/1.1\r\n"), H1_BAD, 16, "A22: a tab before the version"},
	{B("GET /\t HTTP/1.1\r\n"), H1_BAD, 17, "a tab in the target"},
	{B(" / HTTP/1.1\r\n"), H1_BAD, 13, "no method"},
	{B("GET HTTP/1.1\r\n"), H1_BAD, 14, "no target"},
	{B("G@T / HTTP/1.1\r\n"), H1_BAD, 16, "a method that is not a token"},
	{B("HTTP/1.1 20\r\n"), H1_BAD, 13, "a short status"},
	{B("HTTP/1.1 2000\r\n"), H1_BAD, 15, "a long status"},
	{B("HTTP/1.1 abc\r\n"), H1_BAD, 14, "a status of letters"},
	{B("HTTP/2 200\r\n"), H1_BAD, 12, "a response of another version"},
	{B("HTTP/1.1\t200 OK\r\n"), H1_BAD, 17, "a tab before the status"},
	{B("ICY 200 OK\r\n"), H1_BAD, 12, "a radio"},
	{B("SSH-2.0-x\r\n"), H1_BAD, 11, "another protocol"},
	{B("220 mail ESMTP\r\n"), H1_BAD, 16, "another one"},
	{B("<html>\r\n"), H1_BAD, 8, "A25: HTTP/0.9 for an answer"},
};

/* Two pieces, cut at `cut`; the second call sees all bytes, as the contract says. */
static enum h1_found scan_split(struct bed *b, struct slice in, size_t cut, uint32_t *len)
{
	struct h1_scan s = {0};
	enum h1_found found = h1_scan(&s, guard_put(&b->guard, slice_first(in, cut)), len, &b->why);

	return found == H1_MORE ? h1_scan(&s, guard_put(&b->guard, in), len, &b->why) : found;
}

static void test_any_split_gives_the_same_answer(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(cases); i++)
		for (size_t cut = 0; cut <= cases[i].in.len; cut++) {
			uint32_t len = 0;
			enum h1_found found;

			b.why = NULL;
			found = scan_split(&b, cases[i].in, cut, &len);
			if (found != cases[i].want || (found == H1_HEAD && len != cases[i].at))
				fail_msg("row %u cut at %zu: %s", i, cut, cases[i].says);
			assert_int_equal(b.why != NULL, found == H1_BAD);
		}
	bed_close(&b);
}

/* Byte by byte, and each answer as early as it can be known. */
static void test_answers_come_at_the_first_byte_that_tells(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(cases); i++) {
		struct h1_scan s = {0};
		enum h1_found found = H1_MORE;
		uint32_t len = 0;
		size_t n = 0;

		while (found == H1_MORE && n < cases[i].in.len)
			found = h1_scan(&s, guard_put(&b.guard, slice_first(cases[i].in, ++n)), &len, &b.why);
		if (found != cases[i].want || (found != H1_MORE && n != cases[i].at))
			fail_msg("row %u after %zu: %s", i, n, cases[i].says);
	}
	bed_close(&b);
}

static void test_every_byte_in_every_lane(void **state)
{
	static const char begin[] = "GET / HTTP/1.1\r\nA:";
	char in[96];
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned at = sizeof begin - 1; at < 60; at++)
		for (unsigned c = 0; c < 256; c++) {
			bool fits = c == '\t' || (c >= ' ' && c != 0x7f);
			struct slice head;
			enum h1_found found;

			memset(in, 'x', sizeof in);
			memcpy(in, begin, sizeof begin - 1);
			in[at] = (char)c;
			memcpy(in + 60, "\r\n\r\n", 4);
			found = bed_scan(&b, guard_put(&b.guard, slice_make(in, 64)), &head);
			if (found != (fits ? H1_HEAD : H1_BAD))
				fail_msg("byte %02x at %u", c, at);
		}
	bed_close(&b);
}

static void test_first_line_tells_which_limit_broke(void **state)
{
	struct h1_scan s = {0};
	uint32_t len;
	const char *why;

	(void)state;
	assert_int_equal(h1_scan(&s, SLICE("GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), &len, &why), H1_MORE);
	assert_false(s.first_line_done);
	s = (struct h1_scan){0};
	assert_int_equal(h1_scan(&s, SLICE("GET / HTTP/1.1\r\nA: aaaaaaaaaaaaaaaaaaa"), &len, &why), H1_MORE);
	assert_true(s.first_line_done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_split_gives_the_same_answer),
		cmocka_unit_test(test_answers_come_at_the_first_byte_that_tells),
		cmocka_unit_test(test_every_byte_in_every_lane),
		cmocka_unit_test(test_first_line_tells_which_limit_broke),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
