/* h2_response_test.c -- which header lists of an origin are answers, and which are trailers. */
#include "bed.h"
#include "gateway/http/h2.h"

static bool collect(struct bed *b, struct slice in, struct h2_list *list)
{
	struct slice rest = guard_put(&b->guard, in), name, value;

	arena_done(&b->a);
	b->why = "";
	h2_list_init(list, &b->budget);
	while (rest.len) {
		name = slice_first(rest, slice_find(rest, 0));
		rest = slice_after(rest, name.len + 1);
		value = slice_first(rest, slice_find(rest, 0));
		rest = slice_after(rest, value.len + 1);
		if (!h2_list_add(list, &limits, name, value))
			return false;
	}
	return true;
}

#define OK ":status\000200\0"

/* Fields as "name\0value\0". */
static const struct {
	struct slice in;
	bool head, ended, want;
	enum http_body body;
	const char *says;
} answers[] = {
	{B(OK), false, true, true, HTTP_BODY_NONE, "the smallest"},
	{B(OK), false, false, true, HTTP_BODY_CHUNKED, "content of unknown length"},
	{B(OK "content-length\0" "5\0"), false, false, true, HTTP_BODY_LENGTH, "a length"},
	{B(OK "content-length\0" "0\0"), false, false, true, HTTP_BODY_NONE, "a length of nothing"},
	{B(OK "content-length\0" "5\0"), true, true, true, HTTP_BODY_NONE, "to HEAD it says what GET would have"},
	{B(OK "content-length\0" "5\0"), true, false, true, HTTP_BODY_NONE, "to HEAD, its end is still to come"},
	{B(":status\000304\0content-length\0" "5\0"), false, true, true, HTTP_BODY_NONE, "so does 304"},
	{B(":status\000103\0link\0a\0"), false, false, true, HTTP_BODY_NONE, "informational"},
	{B(OK "te\0trailers\0"), false, true, true, HTTP_BODY_NONE, "TE: trailers, hidden"},

	{B(""), false, true, false, 0, "nothing"},
	{B("a\0b\0"), false, true, false, 0, "no :status"},
	{B("a\0b\0" OK), false, true, false, 0, ":status behind a field"},
	{B(OK OK), false, true, false, 0, ":status twice"},
	{B(OK ":path\0/\0"), false, true, false, 0, "another pseudo-field"},
	{B(":status\0" "20\0"), false, true, false, 0, "two digits"},
	{B(":status\0" "2000\0"), false, true, false, 0, "four"},
	{B(":status\0" "20x\0"), false, true, false, 0, "a letter"},
	{B(":status\000600\0"), false, true, false, 0, "beyond 599"},
	{B(":status\000099\0"), false, true, false, 0, "below 100"},
	{B(":status\000101\0"), false, false, false, 0, "RFC 9113 section 8.6: no 101"},
	{B(":status\000103\0"), false, true, false, 0, "an end behind 103"},
	{B(OK "X-Upper\0a\0"), false, true, false, 0, "upper case"},
	{B(OK "\0a\0"), false, true, false, 0, "no name"},
	{B(OK "x y\0a\0"), false, true, false, 0, "a space in a name"},
	{B(OK "x\0a\rb\0"), false, true, false, 0, "CR in a value"},
	{B(OK "x\0a\nb\0"), false, true, false, 0, "LF in a value"},
	{B(OK "x\0 a\0"), false, true, false, 0, "space before a value"},
	{B(OK "x\0a\t\0"), false, true, false, 0, "a tab behind it"},
	{B(OK "connection\0close\0"), false, true, false, 0, "connection"},
	{B(OK "transfer-encoding\0chunked\0"), false, false, false, 0, "transfer-encoding"},
	{B(OK "keep-alive\0a\0"), false, true, false, 0, "keep-alive"},
	{B(OK "upgrade\0h2c\0"), false, true, false, 0, "upgrade"},
	{B(OK "content-length\0" "5\0"), false, true, false, 0, "a length and no content"},
	{B(OK "content-length\0" "5\0content-length\0" "5\0"), false, false, false, 0, "two lengths"},
	{B(OK "content-length\0+5\0"), false, false, false, 0, "a sign"},
	{B(OK "content-length\0" "5, 5\0"), false, false, false, 0, "a list"},
	{B(OK "content-length\0" "9223372036854775808\0"), false, false, false, 0, "beyond 2^63"},
};

static void test_answers(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(answers); i++) {
		struct request req = {.head = answers[i].head};
		struct response out;
		struct h2_list list;
		bool got;

		assert_true(collect(&b, answers[i].in, &list));
		got = h2_response(&b.a, &list, answers[i].ended, &limits, &req, &out, &b.why);
		if (got != answers[i].want || (got && out.body != answers[i].body))
			fail_msg("row %u: %s: %s", i, answers[i].says, b.why);
		h2_list_done(&list);
	}
	bed_close(&b);
}

static void test_a_stream_of_events_is_known_by_its_type(void **state)
{
	const struct {
		struct slice in;
		bool head, want;
	} rows[] = {
		{B(OK "content-type\0text/event-stream; charset=utf-8\0"), false, true},
		{B(OK "content-type\0text/event-stream\0"), true, false},
		{B(OK "content-type\0text/html\0"), false, false},
	};
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(rows); i++) {
		struct request req = {.head = rows[i].head};
		struct response out;
		struct h2_list list;

		assert_true(collect(&b, rows[i].in, &list));
		assert_true(h2_response(&b.a, &list, false, &limits, &req, &out, &b.why));
		assert_int_equal(out.events, rows[i].want);
		h2_list_done(&list);
	}
	bed_close(&b);
}

static const struct {
	struct slice in;
	bool want;
	unsigned shown;
	const char *says;
} trailers[] = {
	{B(""), true, 0, "none"},
	{B("grpc-status\0" "0\0grpc-message\0\0"), true, 2, "of a call"},
	{B("set-cookie\0a\0content-length\0" "5\0host\0b\0x\0y\0"), true, 1, "what may not be there is hidden"},
	{B(":status\000200\0"), false, 0, "a pseudo-field"},
	{B("x\0y\0:path\0/\0"), false, 0, "behind a field"},
	{B("X\0y\0"), false, 0, "upper case"},
	{B("connection\0x\0"), false, 0, "a field of a connection"},
	{B("x\0a\nb\0"), false, 0, "LF"},
};

static void test_trailers(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(trailers); i++) {
		struct h2_list list;
		struct fields out;
		unsigned shown = 0;

		assert_true(collect(&b, trailers[i].in, &list));
		if (h2_trailers(&b.a, &list, &limits, false, &out, &b.why) != trailers[i].want)
			fail_msg("row %u: %s: %s", i, trailers[i].says, b.why);
		for (uint32_t k = 0; trailers[i].want && k < out.n; k++)
			shown += !out.at[k].hidden;
		assert_int_equal(shown, trailers[i].shown);
		h2_list_done(&list);
	}
	bed_close(&b);
}

static void test_limits(void **state)
{
	struct h1_limits few = {.head_bytes = 64, .target_bytes = 1, .fields = 1};
	struct request req = {0};
	struct response out;
	struct h2_list list;
	struct bed b;

	(void)state;
	bed_open(&b);
	h2_list_init(&list, &b.budget);
	assert_true(h2_list_add(&list, &few, SLICE(":status"), SLICE("200")));
	assert_true(h2_list_add(&list, &few, SLICE("a"), SLICE("b")));
	assert_true(h2_response(&b.a, &list, true, &few, &req, &out, &b.why));
	assert_true(h2_list_add(&list, &few, SLICE("c"), SLICE("d")));
	assert_false(h2_response(&b.a, &list, true, &few, &req, &out, &b.why));
	assert_false(h2_trailers(&b.a, &list, &few, false, &out.fields, &b.why));
	h2_list_done(&list);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_a_stream_of_events_is_known_by_its_type),
		cmocka_unit_test(test_trailers),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
