/* trailers_test.c -- what may stand behind content, and how it is read and written. */
#include "bed.h"

static bool section_of(struct bed *b, struct slice in, struct fields *out)
{
	b->why = "";
	return h1_trailers(&b->a, guard_put(&b->guard, in), 4, out, &b->why);
}

static const struct {
	struct slice in;
	const char *shown; /* what is written of it; NULL: refused */
	const char *says;
} sections[] = {
	{B("\r\n"), "", "none"},
	{B("X-Sum: abc\r\n\r\n"), "x-sum: abc\r\n", "one"},
	{B("A:\r\nb:\tc \r\n\r\n"), "a: \r\nb: c\r\n", "empty, and with space around"},
	{B("Grpc-Status: 0\r\nRepr-Digest: x\r\nETag: y\r\n\r\n"), "grpc-status: 0\r\nrepr-digest: x\r\netag: y\r\n", "what tells of the content"},
	{B("Content-Length: 5\r\nHost: b\r\nX-Forwarded-For: 1.1.1.1\r\nA: b\r\n\r\n"), "a: b\r\n", "A10: what others would believe"},
	{B("Set-Cookie: a\r\nAuthorization: b\r\nLocation: c\r\nContent-Type: d\r\n\r\n"), "", "what changes how an answer is taken"},
	{B("Access-Control-Allow-Origin: *\r\nIf-None-Match: a\r\nSec-X: b\r\nAge: 1\r\n\r\n"), "", "families, and caches"},
	{B("Trailer: x\r\nTE: x\r\nConnection: x\r\nProxy-Foo: x\r\n\r\n"), "", "hop by hop"},
	{B("A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\n\r\n"), NULL, "one too many"},
	{B("X: a\r\n"), NULL, "without its end"},
	{B("X: a\rb\r\n\r\n"), NULL, "a bare CR"},
	{B("X: a\nb: c\r\n\r\n"), NULL, "a bare LF"},
	{B("X a\r\n\r\n"), NULL, "no colon"},
	{B("X : a\r\n\r\n"), NULL, "space before the colon"},
	{B(" X: a\r\n\r\n"), NULL, "folded"},
	{B("X: a\0b\r\n\r\n"), NULL, "a NUL"},
};

static void test_what_is_read_is_what_is_written(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(sections); i++) {
		struct fields f;
		struct buf out;
		char want[200];

		buf_init(&out, &b.budget);
		if (section_of(&b, sections[i].in, &f) != (sections[i].shown != NULL))
			fail_msg("row %u: %s: %s", i, sections[i].says, b.why);
		if (!sections[i].shown)
			continue;
		assert_true(h1_write_last_chunk(&out, &f));
		snprintf(want, sizeof want, "0\r\n%s\r\n", sections[i].shown);
		if (!slice_is(buf_slice(&out), want))
			fail_msg("row %u: %s: %.*s", i, sections[i].says, SLICE_F(buf_slice(&out)));
		buf_done(&out);
	}
	bed_close(&b);
}

static void test_what_may_not_be_sent_is_not_written(void **state)
{
	static const struct {
		struct slice name, value;
	} rows[] = {{B("content-length"), B("5")}, {B("transfer-encoding"), B("chunked")}, {B("x y"), B("a")}, {B("x"), B("a\r\nb: c")}, {B("x"), B("\0")}};
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(rows); i++) {
		struct fields f = {0};
		struct buf out;

		buf_init(&out, &b.budget);
		assert_true(fields_add(&f, &b.a, rows[i].name, rows[i].value));
		assert_false(h1_write_last_chunk(&out, &f));
		assert_int_equal(buf_len(&out), 0);
		buf_done(&out);
	}
	bed_close(&b);
}

/* ---- Who takes them ---- */

static const struct {
	const char *name, *value;
	bool want;
} te[] = {
	{"te", "trailers", true}, {"te", "gzip, Trailers", true}, {"te", "trailers;q=0", false}, {"te", "trailersx", false},
	{"te", "", false},        {"x", "trailers", false},       {"te", ",,trailers,", true},
};

static void test_te(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(te); i++) {
		struct fields f = {0};

		assert_true(fields_add(&f, &b.a, slice_of(te[i].name), slice_of(te[i].value)));
		assert_int_equal(http_takes_trailers(&f), te[i].want);
	}
	bed_close(&b);
}

/* ---- From the decoder ---- */

static void test_the_decoder_keeps_the_section_in_any_split(void **state)
{
	static const struct slice in = B("5;x\r\nhello\r\n0;y=z\r\nX-Sum: a\r\nB:\r\n\r\n");
	struct bed b;

	(void)state;
	bed_open(&b);
	for (size_t cut = 0; cut <= in.len; cut++) {
		struct slice data = SLICE_NONE, rest = slice_first(in, cut);
		struct h1_chunks c;
		struct buf kept;
		enum h1_chunk end;
		size_t used;

		buf_init(&kept, &b.budget);
		h1_chunks_init(&c);
		c.trailers = &kept;
		for (unsigned part = 0; part < 2; part++, rest = slice_after(in, cut))
			do {
				end = h1_chunks_next(&c, rest, &used, &data, &b.why);
				rest = slice_after(rest, used);
			} while (end == H1_CHUNK_DATA);
		assert_int_equal(end, H1_CHUNK_END);
		assert_true(slice_is(buf_slice(&kept), "X-Sum: a\r\nB:\r\n\r\n"));
		buf_done(&kept);
	}
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_read_is_what_is_written),
		cmocka_unit_test(test_what_may_not_be_sent_is_not_written),
		cmocka_unit_test(test_te),
		cmocka_unit_test(test_the_decoder_keeps_the_section_in_any_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
