/* chunks_test.c -- chunked bodies: one reading, in any split. */
#include "bed.h"

/* A good row holds what comes behind the body, too: its last `behind` bytes. */
static const struct {
	struct slice in;
	const char *data; /* NULL: refused */
	unsigned behind;
	const char *says;
} cases[] = {
	{B("0\r\n\r\n"), "", 0, "an empty body"},
	{B("5\r\nhello\r\n0\r\n\r\n"), "hello", 0, "one chunk"},
	{B("5\r\nhello\r\n1\r\n,\r\n6\r\n world\r\n0\r\n\r\n"), "hello, world", 0, "three"},
	{B("A\r\n0123456789\r\n0\r\n\r\n"), "0123456789", 0, "upper case"},
	{B("a\r\n0123456789\r\n0\r\n\r\n"), "0123456789", 0, "lower case"},
	{B("10\r\n0123456789abcdef\r\n0\r\n\r\n"), "0123456789abcdef", 0, "two digits"},
	{B("0005\r\nhello\r\n000\r\n\r\n"), "hello", 0, "leading zeros"},
	{B("0000000000000005\r\nhello\r\n0\r\n\r\n"), "hello", 0, "sixteen digits"},
	{B("2\r\n\r\n\r\n0\r\n\r\n"), "\r\n", 0, "data that looks like an end of line"},
	{B("5\r\n0\r\n\r\n\r\n0\r\n\r\n"), "0\r\n\r\n", 0, "data that looks like an end of body"},
	{B("0\r\n\r\nGET / HTTP/1.1\r\n"), "", 16, "the next request is not the body's"},
	{B("1\r\nx\r\n0\r\n\r\n\r\n"), "x", 2, "neither is an empty line"},
	{B("0\r\n\r\n\0"), "", 1, "nor a NUL"},
	{B("5;a\r\nhello\r\n0\r\n\r\n"), "hello", 0, "an extension is dropped"},
	{B("5;a=b\r\nhello\r\n0;c=d;e\r\n\r\n"), "hello", 0, "with a value, and on the last chunk"},
	{B("5;a=\"b;c\\\"\\\\ \"\r\nhello\r\n0\r\n\r\n"), "hello", 0, "with a quoted value"},
	{B("5;a=\"\"\r\nhello\r\n0\r\n\r\n"), "hello", 0, "with an empty quoted value"},
	{B("5 ;a\r\nhello\r\n0\r\n\r\n"), "hello", 0, "white space before an extension"},
	{B("5; \ta;b\r\nhello\r\n0\r\n\r\n"), "hello", 0, "within it"},
	{B("5;a\t =\t b ; c\r\nhello\r\n0 ; d\r\n\r\n"), "hello", 0, "around its value, and on the last chunk"},
	{B("5;a=\"\xff\t\\\xff\\\t\"\r\nhello\r\n0\r\n\r\n"), "hello", 0, "a tab and bytes above 0x7f in quotes"},
	{B("0\r\nContent-Length: 5\r\nHost: b\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n"), "", 0, "A10: trailers are dropped"},
	{B("0\r\nA:\r\nb:\tc \xff\r\n\r\n"), "", 0, "A10: values may be anything a field's may"},

	/* A8 */
	{B("0x5\r\nhello\r\n"), NULL, 0, "A8: a prefix"},
	{B("+5\r\nhello\r\n"), NULL, 0, "A8: a plus sign"},
	{B("-5\r\nhello\r\n"), NULL, 0, "a minus sign"},
	{B("-0x0\r\n\r\n"), NULL, 0, "A8: sign and prefix"},
	{B("5_0\r\nhello\r\n"), NULL, 0, "A8: an underscore"},
	{B("\r\nhello\r\n"), NULL, 0, "A8: no size"},
	{B("\r\n\r\n"), NULL, 0, "A8: no size at the end"},
	{B(" 5\r\nhello\r\n"), NULL, 0, "A8: a space before"},
	{B("\t5\r\nhello\r\n"), NULL, 0, "a tab before"},
	{B("5 \r\nhello\r\n"), NULL, 0, "A8: a space behind"},
	{B("5\t\r\nhello\r\n"), NULL, 0, "a tab behind"},
	{B("5 5\r\nhello\r\n"), NULL, 0, "a space within"},
	{B("FFFFFFFFFFFFFFFFF\r\nhello\r\n"), NULL, 0, "A8: 17 digits"},
	{B("00000000000000005\r\nhello\r\n"), NULL, 0, "17 digits, most of them zeros"},
	{B("FFFFFFFFFFFFFFFF\r\nhello\r\n"), NULL, 0, "2^64-1"},
	{B("8000000000000000\r\nhello\r\n"), NULL, 0, "2^63"},
	{B("Z\r\nhello\r\n"), NULL, 0, "A8: no digit"},
	{B("1these-bytes\r\n"), NULL, 0, "A8: words behind a digit"},
	{B("5g\r\nhello\r\n"), NULL, 0, "the letter behind f"},
	{B("5.0\r\nhello\r\n"), NULL, 0, "a fraction"},
	{B("5,5\r\nhello\r\n"), NULL, 0, "a list"},
	{B("\"5\"\r\nhello\r\n"), NULL, 0, "quoted"},
	{B("5\0\r\nhello\r\n"), NULL, 0, "a NUL behind"},
	{B("\0" "5\r\nhello\r\n"), NULL, 0, "a NUL before"},
	{B("5\x0b\r\nhello\r\n"), NULL, 0, "a vertical tab behind"},
	{B("5\xa0\r\nhello\r\n"), NULL, 0, "a no-break space behind"},
	{B("\xef\xbc\x95\r\nhello\r\n"), NULL, 0, "a wide digit"},
	{B("5\nhello\r\n0\r\n\r\n"), NULL, 0, "a bare LF behind the size"},
	{B("5\rhello\r\n0\r\n\r\n"), NULL, 0, "a bare CR behind the size"},
	{B("5\r\r\nhello\r\n0\r\n\r\n"), NULL, 0, "CR CR LF"},
	{B("5\n\rhello\r\n"), NULL, 0, "LF CR"},

	/* A9 */
	{B("5;\nhello\r\n0\r\n\r\n"), NULL, 0, "A9: an extension that LF ends"},
	{B("5;\r\nhello\r\n0\r\n\r\n"), NULL, 0, "A9: an extension without name"},
	{B("5;;a\r\nhello\r\n"), NULL, 0, "two semicolons"},
	{B("5;a=\r\nhello\r\n"), NULL, 0, "an extension without its value"},
	{B("5;=b\r\nhello\r\n"), NULL, 0, "a value without a name"},
	{B("5;a b\r\nhello\r\n"), NULL, 0, "a space in a name"},
	{B("5;a=b c\r\nhello\r\n"), NULL, 0, "a space in a value"},
	{B("5 ;a \r\nhello\r\n"), NULL, 0, "a space before the end of the line"},
	{B("5;a=b\t\r\nhello\r\n"), NULL, 0, "a tab before it"},
	{B("5;a= \r\nhello\r\n"), NULL, 0, "a space for a value"},
	{B("5; \r\nhello\r\n"), NULL, 0, "a space for a name"},
	{B("5 =b\r\nhello\r\n"), NULL, 0, "a space, and a value without a name"},
	{B("5 a\r\nhello\r\n"), NULL, 0, "a space, and no semicolon"},
	{B("5;a=\"b\" c\r\nhello\r\n"), NULL, 0, "letters and a space behind a quoted value"},
	{B("5;a=\"b\x7f\"\r\nhello\r\n"), NULL, 0, "DEL in quotes"},
	{B("5;a=\"\\\0\"\r\nhello\r\n"), NULL, 0, "NUL behind a backslash"},
	{B("5;a=b=c\r\nhello\r\n"), NULL, 0, "two values"},
	{B("5;a=\"b\"c\r\nhello\r\n"), NULL, 0, "letters behind a quoted value"},
	{B("5;a=b\"c\"\r\nhello\r\n"), NULL, 0, "quotes within a value"},
	{B("2\r\r;a\r\n02\r\n"), NULL, 0, "A9: CR CR before an extension"},
	{B("5;a\r;b\r\nhello\r\n"), NULL, 0, "CR within extensions"},
	{B("5;a=\"\r\n\"\r\nhello\r\n"), NULL, 0, "A9: CRLF in quotes"},
	{B("5;a=\"\\\r\n\"\r\nhello\r\n"), NULL, 0, "CR behind a backslash"},
	{B("5;a=\"b\nc\"\r\nhello\r\n"), NULL, 0, "LF in quotes"},
	{B("5;a=\"b\r\nhello\r\n"), NULL, 0, "an open quote"},
	{B("5;\0e\r\nhello\r\n"), NULL, 0, "A9: a NUL in an extension"},
	{B("5;a\0\r\nhello\r\n"), NULL, 0, "a NUL behind it"},
	{B("5;\xff\r\nhello\r\n"), NULL, 0, "a byte above 0x7f in an extension"},
	{B("5\r\nhelloXX0\r\n\r\n"), NULL, 0, "A9: data goes on behind its chunk"},
	{B("5\r\nhello\n0\r\n\r\n"), NULL, 0, "A9: LF behind data"},
	{B("5\r\nhello\r0\r\n\r\n"), NULL, 0, "CR behind data"},
	{B("5\r\nhello0\r\n\r\n"), NULL, 0, "nothing behind data"},
	{B("5\r\nhello\r\n\r\n0\r\n\r\n"), NULL, 0, "an empty line too many"},
	{B("5\r\nhell\r\n0\r\n\r\n"), NULL, 0, "a byte too few"},
	{B("0\r\n\n"), NULL, 0, "A9: LF at the end of the trailers"},
	{B("0\r\n\rX"), NULL, 0, "CR at the end of the trailers"},
	{B("0\n\r\n"), NULL, 0, "LF behind the last chunk"},
	{B("0\n\n"), NULL, 0, "two of them"},
	{B("00\r\n\r\r\n"), NULL, 0, "CR CR LF at the end"},

	/* A10 */
	{B("0\r\nX: a\n\r\n"), NULL, 0, "a trailer that LF ends"},
	{B("0\r\nX: a\r\r\n"), NULL, 0, "CR CR LF behind a trailer"},
	{B("0\r\nX\r\n\r\n"), NULL, 0, "A9: a trailer without a colon"},
	{B("0\r\n: a\r\n\r\n"), NULL, 0, "a trailer without a name"},
	{B("0\r\nX : a\r\n\r\n"), NULL, 0, "a space before its colon"},
	{B("0\r\n X: a\r\n\r\n"), NULL, 0, "a space before its name"},
	{B("0\r\nX: a\r\n b\r\n\r\n"), NULL, 0, "folding"},
	{B("0\r\nX: a\0\r\n\r\n"), NULL, 0, "a NUL in a trailer"},
	{B("0\r\nX: \x1b\r\n\r\n"), NULL, 0, "a control character"},
	{B("0\r\nX: \x7f\r\n\r\n"), NULL, 0, "DEL"},
	{B("0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), NULL, 0, "a request for a trailer"},
};

struct result {
	enum h1_chunk end;
	char data[64];
	size_t len, used;
};

/* Feed `in` until the decoder is done with it; `out` goes on from where it was. */
static void feed(struct bed *b, struct h1_chunks *c, struct slice in, struct result *out)
{
	in = guard_put(&b->guard, in);
	do {
		struct slice data = SLICE_NONE;
		size_t used;

		b->why = NULL;
		out->end = h1_chunks_next(c, in, &used, &data, &b->why);
		assert_true(used <= in.len);
		assert_int_equal(b->why != NULL, out->end == H1_CHUNK_BAD);
		if (out->end == H1_CHUNK_MORE)
			assert_int_equal(used, in.len);
		if (out->end == H1_CHUNK_DATA) {
			assert_true(data.len > 0 && data.at + data.len == in.at + used);
			assert_true(out->len + data.len <= sizeof out->data);
			memcpy(out->data + out->len, data.at, data.len);
			out->len += data.len;
		}
		in = slice_after(in, used);
		out->used += used;
	} while (out->end == H1_CHUNK_DATA);
}

static void check(const struct result *r, unsigned i, size_t cut)
{
	if (!cases[i].data ? r->end != H1_CHUNK_BAD : r->end != H1_CHUNK_END)
		fail_msg("row %u cut at %zu: %s", i, cut, cases[i].says);
	if (!cases[i].data)
		return;
	if (!slice_eq(slice_make(r->data, r->len), slice_of(cases[i].data)))
		fail_msg("row %u cut at %zu: other data: %s", i, cut, cases[i].says);
	if (r->used != cases[i].in.len - cases[i].behind)
		fail_msg("row %u cut at %zu: ends elsewhere: %s", i, cut, cases[i].says);
}

static void test_any_split_gives_the_same_body(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(cases); i++)
		for (size_t cut = 0; cut <= cases[i].in.len; cut++) {
			struct result r = {0};
			struct h1_chunks c;

			h1_chunks_init(&c);
			feed(&b, &c, slice_first(cases[i].in, cut), &r);
			if (r.end == H1_CHUNK_MORE)
				feed(&b, &c, slice_after(cases[i].in, cut), &r);
			check(&r, i, cut);
		}
	bed_close(&b);
}

static void test_byte_by_byte(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(cases); i++) {
		struct result r = {0};
		struct h1_chunks c;

		h1_chunks_init(&c);
		for (size_t n = 0; n < cases[i].in.len && (!n || r.end == H1_CHUNK_MORE); n++)
			feed(&b, &c, slice_make(cases[i].in.at + n, 1), &r);
		check(&r, i, 1);
	}
	bed_close(&b);
}

static void test_an_end_stays_an_end(void **state)
{
	struct result r = {0};
	struct h1_chunks c;
	struct bed b;

	(void)state;
	bed_open(&b);
	h1_chunks_init(&c);
	feed(&b, &c, SLICE("0\r\n\r\n"), &r);
	r.used = 0;
	feed(&b, &c, SLICE("5\r\nhello"), &r);
	assert_int_equal(r.end, H1_CHUNK_END);
	assert_int_equal(r.used, 0);
	h1_chunks_init(&c);
	feed(&b, &c, SLICE("x"), &r);
	feed(&b, &c, SLICE("0\r\n\r\n"), &r);
	assert_int_equal(r.end, H1_CHUNK_BAD);
	bed_close(&b);
}

/* Repeats `piece` until the decoder refuses; returns how many it took. */
static unsigned count_until_bad(const char *begin, const char *piece, unsigned most)
{
	struct slice data = SLICE_NONE;
	struct h1_chunks c;
	const char *why;
	size_t used;

	h1_chunks_init(&c);
	assert_int_not_equal(h1_chunks_next(&c, slice_of(begin), &used, &data, &why), H1_CHUNK_BAD);
	for (unsigned n = 0; n < most; n++) {
		struct slice in = slice_of(piece);
		enum h1_chunk got;

		while ((got = h1_chunks_next(&c, in, &used, &data, &why)) == H1_CHUNK_DATA)
			in = slice_after(in, used);
		if (got == H1_CHUNK_BAD)
			return n;
	}
	return most;
}

static void test_overhead_is_bounded_per_message(void **state)
{
	(void)state;
	assert_int_equal(count_until_bad("1;", "a", 65536), 4096);
	assert_int_equal(count_until_bad("1;a=\"", " ", 65536), 4096 - 3);
	/* ";a" is two bytes on each chunk. */
	assert_int_equal(count_until_bad("", "1;a\r\nx\r\n", 100000), 2048);
	assert_int_equal(count_until_bad("0\r\n", "X: y\r\n", 65536), 4096 / 6);
	assert_int_equal(count_until_bad("0\r\nX:", "y", 65536), 4096 - 2);
	assert_int_equal(count_until_bad("", "1\r\nx\r\n", 100000), 100000);
}

static void test_large_chunks_are_counted_in_64_bits(void **state)
{
	struct slice data = SLICE_NONE;
	struct h1_chunks c;
	const char *why;
	size_t used;

	(void)state;
	h1_chunks_init(&c);
	assert_int_equal(h1_chunks_next(&c, SLICE("7fffffffffffffff\r\nabc"), &used, &data, &why), H1_CHUNK_DATA);
	assert_slice(data, "abc");
	assert_int_equal(c.left, (uint64_t)INT64_MAX - 3);
	h1_chunks_init(&c);
	assert_int_equal(h1_chunks_next(&c, SLICE("100000000\r\nabc"), &used, &data, &why), H1_CHUNK_DATA);
	assert_int_equal(c.left, (1ull << 32) - 3);
}

static void test_chunk_head_is_read_back(void **state)
{
	static const uint64_t sizes[] = {0, 1, 9, 10, 15, 16, 255, 256, 4096, 65535, 1u << 31, 1ull << 32, INT64_MAX};
	char head[20];

	(void)state;
	for (unsigned i = 0; i < ROWS(sizes); i++) {
		unsigned n = h1_chunk_head(head, sizes[i]);
		struct slice data;
		struct h1_chunks c;
		const char *why;
		size_t used;

		assert_true(n <= sizeof head);
		h1_chunks_init(&c);
		assert_int_equal(h1_chunks_next(&c, slice_make(head, n), &used, &data, &why), H1_CHUNK_MORE);
		assert_int_equal(c.left, sizes[i]);
	}
	assert_int_equal(h1_chunk_head(head, UINT64_MAX), 18);
	assert_slice(slice_make(head, 18), "ffffffffffffffff\r\n");
	assert_slice(slice_make(head, h1_chunk_head(head, 4096)), "1000\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_split_gives_the_same_body),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_an_end_stays_an_end),
		cmocka_unit_test(test_overhead_is_bounded_per_message),
		cmocka_unit_test(test_large_chunks_are_counted_in_64_bits),
		cmocka_unit_test(test_chunk_head_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
