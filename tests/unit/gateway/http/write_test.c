/* write_test.c -- what leaves the gateway: exactly one message, and nothing unfit in it. */
#include "bed.h"

/* ---- Requests ---- */

#define ASK "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static const struct {
	const char *in, *out; /* without the empty lines */
	const char *says;
} requests[] = {
	{"GET / HTTP/1.1\r\nHost: a", "GET / HTTP/1.1\r\nHost: a", "the smallest"},
	{"GET /x/../y?q HTTP/1.0\r\nHOST: A.:80\r\nX: 1\r\nX:2 \r\nx:",
	 "GET /y?q HTTP/1.1\r\nHost: a\r\nx: 1\r\nx: 2\r\nx: ", "canonical, in order"},
	{"GET http://a:81/%7e HTTP/1.1\r\nHost: a:81", "GET /~ HTTP/1.1\r\nHost: a:81", "A21: origin form"},
	{"GET http://Other.example:81?x HTTP/1.1\r\nHost: a", "GET /?x HTTP/1.1\r\nHost: other.example:81", "A21: the target's host"},
	{"GET http://other.example/ HTTP/1.1\r\nHost: a:81", "GET / HTTP/1.1\r\nHost: other.example", "and its port"},
	{"GET /a%2561%20 HTTP/1.1\r\nHost: a", "GET /a%2561%20 HTTP/1.1\r\nHost: a", "F9: as it was judged"},
	{"OPTIONS * HTTP/1.1\r\nHost: a", "OPTIONS * HTTP/1.1\r\nHost: a", "the asterisk"},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 010", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10", "A3: a number"},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0", "length zero"},
	{"POST / HTTP/1.1\r\nHost: a", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0", "no length is zero"},
	{"PATCH / HTTP/1.1\r\nHost: a", "PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 0", "for PATCH"},
	{"DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 0", "DELETE / HTTP/1.1\r\nHost: a", "not for DELETE"},
	{"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3", "A11: a GET with content"},
	{"POST / HTTP/1.1\r\nTransfer-Encoding: CHUNKED\r\nHost: a",
	 "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked", "A4: one coding"},
	{"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1",
	 "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1", "A14: no Expect"},
	{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-A\r\nX-A: 1\r\nKeep-Alive: 1\r\nTE: trailers\r\nTrailer: b\r\nX-B: 2",
	 "GET / HTTP/1.1\r\nHost: a\r\nx-b: 2", "G2: nothing of this hop"},
	{"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
	 "GET / HTTP/1.1\r\nHost: a", "A20: no h2c"},
	{"GET / HTTP/1.1\r\nHost: a\r\nX_Auth_User: root\r\nProxy: x\r\nX-Accel-Redirect: /y", "GET / HTTP/1.1\r\nHost: a", "G3, G9"},
	{"GET / HTTP/1.1\r\nHost: a\r\n" ASK KEY "X: y",
	 "GET / HTTP/1.1\r\nHost: a\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nx: y\r\n"
	 "Connection: upgrade\r\nUpgrade: websocket", "A19: a whole handshake"},
	{"GET / HTTP/1.1\r\nHost: a\r\n" ASK "X: y",
	 "GET / HTTP/1.1\r\nHost: a\r\nsec-websocket-version: 13\r\nx: y", "A19: no upgrade without a key"},
	{"GET / HTTP/1.1\r\nHost: [2001:DB8::0:1]:8080", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080", "IPv6"},
	{"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\t\"", "GET / HTTP/1.1\r\nHost: a\r\nx: \xff\t\"", "values as they are"},
};

static void parse(struct bed *b, const char *in, struct request *r)
{
	char head[600];
	int n = snprintf(head, sizeof head, "%s\r\n\r\n", in);

	bed_good(b, slice_make(head, (size_t)n), false, r);
}

static void check_bytes(const struct buf *out, const char *want, const char *says)
{
	char head[600];

	snprintf(head, sizeof head, "%s\r\n\r\n", want);
	if (!slice_is(buf_slice(out), head))
		fail_msg("%s: wrote\n%.*s", says, SLICE_F(buf_slice(out)));
}

static void test_requests(void **state)
{
	struct request r;
	struct buf out;
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(requests); i++) {
		buf_init(&out, &b.budget);
		parse(&b, requests[i].in, &r);
		assert_true(h1_write_request(&out, &r, NULL, r.body, r.content_length));
		check_bytes(&out, requests[i].out, requests[i].says);
		buf_done(&out);
	}
	bed_close(&b);
}

/* What is written is read as the same request: nothing is in it that only we understand. */
static void test_written_requests_are_fixed_points(void **state)
{
	struct buf first, second;
	struct request r;
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(requests); i++) {
		buf_init(&first, &b.budget);
		buf_init(&second, &b.budget);
		parse(&b, requests[i].in, &r);
		assert_true(h1_write_request(&first, &r, NULL, r.body, r.content_length));
		bed_good(&b, buf_slice(&first), false, &r);
		assert_true(h1_write_request(&second, &r, NULL, r.body, r.content_length));
		assert_true(slice_eq(buf_slice(&first), buf_slice(&second)));
		buf_done(&first);
		buf_done(&second);
	}
	bed_close(&b);
}

static void test_extra_fields_follow(void **state)
{
	struct fields extra = {0};
	struct request r;
	struct buf out;
	struct bed b;

	(void)state;
	bed_open(&b);
	buf_init(&out, &b.budget);
	parse(&b, "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Auth-User\r\nX-Auth-User: root", &r);
	assert_true(fields_add(&extra, &b.a, SLICE("x-auth-user"), SLICE("nobody")));
	assert_true(fields_add(&extra, &b.a, SLICE("x-hidden"), SLICE("x")));
	extra.at[1].hidden = 1;
	assert_true(buf_put(&out, "before", 6));
	assert_true(h1_write_request(&out, &r, &extra, HTTP_BODY_CHUNKED, 7));
	check_bytes(&out, "beforeGET / HTTP/1.1\r\nHost: a\r\nx-auth-user: nobody\r\nTransfer-Encoding: chunked",
		    "G2: Connection does not reach what we add");
	buf_done(&out);
	bed_close(&b);
}

/* ---- What is not fit ---- */

static const struct {
	struct slice name, value;
	const char *says;
} unfit[] = {
	{B("x"), B("a\rb"), "G6: CR in a value"},
	{B("x"), B("a\nb"), "G6: LF in a value"},
	{B("x"), B("a\r\nSet-Cookie: b"), "G6: a field in a value"},
	{B("x"), B("a\0b"), "G6: NUL in a value"},
	{B("x"), B("0123456789abcdef0123456789abcdef\n"), "at the end of a long value"},
	{B("x"), B("\x1b"), "an escape in a value"},
	{B("x"), B("\x7f"), "DEL in a value"},
	{B(""), B("a"), "no name"},
	{B("x y"), B("a"), "a space in a name"},
	{B("x:"), B("a"), "a colon in a name"},
	{B("x\r\n"), B("a"), "CRLF in a name"},
	{B("x\0"), B("a"), "NUL in a name"},
	{B("\xff"), B("a"), "a byte above 0x7f in a name"},
	{B("content-length"), B("5"), "a second framing"},
	{B("transfer-encoding"), B("chunked"), "another second framing"},
	{B("connection"), B("upgrade"), "a connection option"},
	{B("upgrade"), B("h2c"), "an upgrade"},
	{B("keep-alive"), B("1"), "hop by hop"},
	{B("proxy-connection"), B("close"), "hop by hop, old"},
	{B("http2-settings"), B("x"), "settings of another version"},
	{B("expect"), B("100-continue"), "an expectation"},
};

/* Whether the field came with the message or was added: all or nothing is written. */
static void test_unfit_fields_write_nothing(void **state)
{
	struct request r = {.method = SLICE("GET"), .target = SLICE("/"), .authority = SLICE("a")};
	struct buf out;
	struct bed b;

	(void)state;
	bed_open(&b);
	buf_init(&out, &b.budget);
	assert_true(buf_put(&out, "before", 6));
	for (unsigned i = 0; i < ROWS(unfit); i++) {
		struct fields f = {0};

		assert_true(fields_add(&f, &b.a, SLICE("fit"), SLICE("x")));
		assert_true(fields_add(&f, &b.a, unfit[i].name, unfit[i].value));
		r.fields = f;
		if (h1_write_request(&out, &r, NULL, HTTP_BODY_NONE, 0) ||
		    h1_write_response(&out, 200, &f, NULL, HTTP_BODY_NONE, 0, true))
			fail_msg("%s", unfit[i].says);
		r.fields = (struct fields){0};
		if (h1_write_request(&out, &r, &f, HTTP_BODY_NONE, 0) ||
		    h1_write_response(&out, 200, NULL, &f, HTTP_BODY_NONE, 0, true))
			fail_msg("%s, added", unfit[i].says);
		assert_slice(buf_slice(&out), "before");
		f.at[1].hidden = 1;
		if (unfit[i].name.len)
			assert_true(h1_write_request(&out, &r, &f, HTTP_BODY_NONE, 0));
		buf_done(&out);
		assert_true(buf_put(&out, "before", 6));
	}
	buf_done(&out);
	bed_close(&b);
}

/* Lines of a head; 0 if a CR, LF or NUL stands anywhere but in a line's end. */
static unsigned count_lines(struct slice out)
{
	unsigned n = 0;

	for (size_t i = 0; i < out.len; i++) {
		if (out.at[i] == '\r' && i + 1 < out.len && out.at[i + 1] == '\n') {
			n++;
			i++;
		} else if (out.at[i] == '\r' || out.at[i] == '\n' || !out.at[i]) {
			return 0;
		}
	}
	return n;
}

enum { METHOD, TARGET, AUTHORITY, NAME, VALUE, EXTRA_NAME, EXTRA_VALUE, SLOTS };

static bool write_slots(struct bed *b, struct slice slot[SLOTS], bool response, struct buf *out)
{
	struct request r = {.method = slot[METHOD], .target = slot[TARGET], .authority = slot[AUTHORITY]};
	struct fields extra = {0};

	assert_true(fields_add(&r.fields, &b->a, slot[NAME], slot[VALUE]));
	assert_true(fields_add(&extra, &b->a, slot[EXTRA_NAME], slot[EXTRA_VALUE]));
	return response ? h1_write_response(out, 200, &r.fields, &extra, HTTP_BODY_LENGTH, 5, true)
			: h1_write_request(out, &r, &extra, HTTP_BODY_LENGTH, 5);
}

/* G6: whatever byte stands in whatever place, what is written has the lines it should have, or nothing is written. */
static void test_no_byte_anywhere_makes_a_line(void **state)
{
	unsigned refused = 0;
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned place = 0; place < SLOTS; place++)
		for (unsigned c = 0; c < 256; c++)
			for (unsigned at = 0; at < 3; at++)
				for (unsigned response = 0; response < 2; response++) {
					struct slice slot[SLOTS] = {B("GET"), B("/x"), B("a"), B("x-a"), B("one"), B("x-b"), B("two")};
					char bytes[] = "/aaaaaaaaaaaaaaaaaaa";
					struct buf out;
					bool written;

					bytes[at == 0 ? place != TARGET ? 0 : 1 : at == 1 ? 9 : 19] = (char)c;
					slot[place] = slice_make(bytes + (place != TARGET), 20 - (place != TARGET));
					buf_init(&out, &b.budget);
					written = write_slots(&b, slot, response, &out);
					if (written && count_lines(buf_slice(&out)) != (response ? 5u : 6u))
						fail_msg("byte %u in place %u", c, place);
					if (!written)
						assert_int_equal(buf_len(&out), 0);
					refused += !written;
					buf_done(&out);
					arena_done(&b.a);
				}
	assert_in_range(refused, 2000, 9000);
	bed_close(&b);
}

static void test_unfit_first_lines_write_nothing(void **state)
{
	static const struct {
		struct slice method, target, authority;
		enum http_body body;
		const char *says;
	} cases[] = {
		{B(""), B("/"), B("a"), HTTP_BODY_NONE, "no method"},
		{B("G T"), B("/"), B("a"), HTTP_BODY_NONE, "a space in the method"},
		{B("GET / HTTP/1.1\r\n"), B("/"), B("a"), HTTP_BODY_NONE, "B11: a line in the method"},
		{B("GET"), B(""), B("a"), HTTP_BODY_NONE, "no target"},
		{B("GET"), B("hello"), B("a"), HTTP_BODY_NONE, "a target that is no path"},
		{B("GET"), B("http://x/"), B("a"), HTTP_BODY_NONE, "absolute form"},
		{B("GET"), B("*"), B("a"), HTTP_BODY_NONE, "the asterisk of another method"},
		{B("GET"), B("/ HTTP/1.1\r\nX: y"), B("a"), HTTP_BODY_NONE, "G6: a line in the target"},
		{B("GET"), B("/a b"), B("a"), HTTP_BODY_NONE, "a space in the target"},
		{B("GET"), B("/\0"), B("a"), HTTP_BODY_NONE, "NUL in the target"},
		{B("GET"), B("/\xc3\xa9"), B("a"), HTTP_BODY_NONE, "bytes above 0x7f in the target"},
		{B("GET"), B("/#"), B("a"), HTTP_BODY_NONE, "a fragment"},
		{B("GET"), B("/"), B(""), HTTP_BODY_NONE, "no authority"},
		{B("GET"), B("/"), B("a\r\nX: y"), HTTP_BODY_NONE, "G6: a line in the authority"},
		{B("GET"), B("/"), B("a b"), HTTP_BODY_NONE, "a space in the authority"},
		{B("GET"), B("/"), B("u@a"), HTTP_BODY_NONE, "a user in the authority"},
		{B("GET"), B("/"), B("a"), HTTP_BODY_CLOSE, "A5: a request until the connection ends"},
	};
	struct buf out;
	struct bed b;

	(void)state;
	bed_open(&b);
	buf_init(&out, &b.budget);
	for (unsigned i = 0; i < ROWS(cases); i++) {
		struct request r = {.method = cases[i].method, .target = cases[i].target, .authority = cases[i].authority};

		if (h1_write_request(&out, &r, NULL, cases[i].body, 0) || buf_len(&out))
			fail_msg("%s", cases[i].says);
	}
	assert_false(h1_write_response(&out, 99, NULL, NULL, HTTP_BODY_NONE, 0, true));
	assert_false(h1_write_response(&out, 600, NULL, NULL, HTTP_BODY_NONE, 0, true));
	assert_int_equal(buf_len(&out), 0);
	bed_close(&b);
}

/* ---- Responses ---- */

static void test_responses(void **state)
{
	static const struct {
		unsigned status;
		enum http_body body;
		uint64_t length;
		bool keep_alive;
		const char *out, *says;
	} cases[] = {
		{200, HTTP_BODY_LENGTH, 5, true, "HTTP/1.1 200 OK\r\na: b\r\nContent-Length: 5", "a length"},
		{200, HTTP_BODY_LENGTH, 0, true, "HTTP/1.1 200 OK\r\na: b\r\nContent-Length: 0", "length zero"},
		{200, HTTP_BODY_LENGTH, UINT64_MAX, true, "HTTP/1.1 200 OK\r\na: b\r\nContent-Length: 18446744073709551615", "the longest"},
		{200, HTTP_BODY_NONE, 5, true, "HTTP/1.1 200 OK\r\na: b\r\nContent-Length: 0", "none is zero"},
		{404, HTTP_BODY_CHUNKED, 0, true, "HTTP/1.1 404 Not Found\r\na: b\r\nTransfer-Encoding: chunked", "chunked"},
		{200, HTTP_BODY_CLOSE, 0, false, "HTTP/1.1 200 OK\r\na: b\r\nConnection: close", "until the end"},
		{200, HTTP_BODY_CLOSE, 0, true, "HTTP/1.1 200 OK\r\na: b", "a HEAD of unknown length"},
		{403, HTTP_BODY_LENGTH, 9, false, "HTTP/1.1 403 Forbidden\r\na: b\r\nContent-Length: 9\r\nConnection: close", "the end of a connection"},
		{204, HTTP_BODY_NONE, 0, true, "HTTP/1.1 204 No Content\r\na: b", "204 has no length"},
		{204, HTTP_BODY_LENGTH, 5, true, "HTTP/1.1 204 No Content\r\na: b", "whatever is said"},
		{204, HTTP_BODY_CHUNKED, 0, true, "HTTP/1.1 204 No Content\r\na: b", "nor chunks"},
		{304, HTTP_BODY_NONE, 0, true, "HTTP/1.1 304 Not Modified\r\na: b", "304 need not have one"},
		{304, HTTP_BODY_LENGTH, 5, true, "HTTP/1.1 304 Not Modified\r\na: b\r\nContent-Length: 5", "but may"},
		{100, HTTP_BODY_NONE, 0, true, "HTTP/1.1 100 Continue\r\na: b", "an informational head"},
		{103, HTTP_BODY_LENGTH, 5, false, "HTTP/1.1 103 Early Hints\r\na: b", "has no framing"},
		{101, HTTP_BODY_NONE, 0, true, "HTTP/1.1 101 Switching Protocols\r\na: b\r\nConnection: upgrade\r\nUpgrade: websocket", "101"},
		{599, HTTP_BODY_NONE, 0, true, "HTTP/1.1 599 Status\r\na: b\r\nContent-Length: 0", "a status without a reason"},
	};
	struct fields f = {0};
	struct buf out;
	struct bed b;

	(void)state;
	bed_open(&b);
	assert_true(fields_add(&f, &b.a, SLICE("server"), SLICE("secret")));
	f.at[0].hidden = 1;
	assert_true(fields_add(&f, &b.a, SLICE("a"), SLICE("b")));
	for (unsigned i = 0; i < ROWS(cases); i++) {
		buf_init(&out, &b.budget);
		assert_true(h1_write_response(&out, cases[i].status, &f, NULL, cases[i].body, cases[i].length,
					      cases[i].keep_alive));
		check_bytes(&out, cases[i].out, cases[i].says);
		buf_done(&out);
	}
	bed_close(&b);
}

static void test_keep_alive_may_be_said_to_old_clients(void **state)
{
	struct fields extra = {0};
	struct buf out;
	struct bed b;

	(void)state;
	bed_open(&b);
	buf_init(&out, &b.budget);
	assert_true(fields_add(&extra, &b.a, SLICE("connection"), SLICE("keep-alive")));
	assert_true(h1_write_response(&out, 200, NULL, &extra, HTTP_BODY_NONE, 0, true));
	check_bytes(&out, "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\nContent-Length: 0", "HTTP/1.0");
	buf_done(&out);
	extra.at[0].value = SLICE("keep-alive, upgrade");
	assert_false(h1_write_response(&out, 200, NULL, &extra, HTTP_BODY_NONE, 0, true));
	bed_close(&b);
}

static void test_a_full_budget_writes_nothing(void **state)
{
	struct request r = {.method = SLICE("GET"), .target = SLICE("/"), .authority = SLICE("a")};
	struct buf out;

	(void)state;
	buf_init(&out, NULL);
	mem_fail_at(1);
	assert_false(h1_write_request(&out, &r, NULL, HTTP_BODY_NONE, 0));
	assert_true(mem_failed());
	mem_fail_at(1);
	assert_false(h1_write_response(&out, 200, NULL, NULL, HTTP_BODY_NONE, 0, true));
	mem_fail_at(0);
	assert_int_equal(buf_len(&out), 0);
	assert_true(h1_write_request(&out, &r, NULL, HTTP_BODY_NONE, 0));
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_written_requests_are_fixed_points),
		cmocka_unit_test(test_extra_fields_follow),
		cmocka_unit_test(test_unfit_fields_write_nothing),
		cmocka_unit_test(test_no_byte_anywhere_makes_a_line),
		cmocka_unit_test(test_unfit_first_lines_write_nothing),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_keep_alive_may_be_said_to_old_clients),
		cmocka_unit_test(test_a_full_budget_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
