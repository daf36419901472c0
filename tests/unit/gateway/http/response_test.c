/* response_test.c -- origins may be broken or taken over: what of them is believed. */
#include "bed.h"

/* The request whose answer is parsed. */
static bool ask(struct bed *b, const char *method, const char *lines, struct request *r)
{
	char in[400];
	int n = snprintf(in, sizeof in, "%s / HTTP/1.1\r\nHost: a\r\n%s\r\n", method, lines);

	return bed_judge(b, slice_make(in, (size_t)n), false, r) == 0;
}

static bool answer(struct bed *b, const struct request *req, struct slice in, struct response *out)
{
	return h1_response(&b->a, guard_put(&b->guard, in), &limits, req, out, &b->why);
}

/* ---- Framing: RFC 9112 section 6.3 ---- */

static const struct {
	const char *method, *in; /* without the empty line */
	bool good;
	enum http_body body;
	uint64_t length;
	bool has_length, keep_alive;
	const char *says;
} cases[] = {
	{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5", true, HTTP_BODY_LENGTH, 5, true, true, "a length"},
	{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0", true, HTTP_BODY_NONE, 0, true, true, "length zero"},
	{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 007", true, HTTP_BODY_LENGTH, 7, true, true, "leading zeros are decimal"},
	{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", true, HTTP_BODY_CHUNKED, 0, false, true, "chunked"},
	{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked", true, HTTP_BODY_CHUNKED, 0, false, true, "in other case"},
	{"GET", "HTTP/1.1 200 OK", true, HTTP_BODY_CLOSE, 0, false, false, "neither: until the end"},
	{"GET", "HTTP/1.1 200 OK\r\nConnection: keep-alive", true, HTTP_BODY_CLOSE, 0, false, false, "whatever it says"},
	{"GET", "HTTP/1.1 200", true, HTTP_BODY_CLOSE, 0, false, false, "no reason and no space"},
	{"GET", "HTTP/1.1 200 ", true, HTTP_BODY_CLOSE, 0, false, false, "no reason"},
	{"GET", "HTTP/1.1 200 \xc3\xa9\t!", true, HTTP_BODY_CLOSE, 0, false, false, "any reason"},
	{"GET", "HTTP/1.0 200 OK\r\nContent-Length: 5", true, HTTP_BODY_LENGTH, 5, true, false, "HTTP/1.0 ends"},
	{"GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive", true, HTTP_BODY_LENGTH, 5, true, true, "unless it says so"},
	{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close", true, HTTP_BODY_LENGTH, 5, true, false, "close"},
	{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close, keep-alive", true, HTTP_BODY_LENGTH, 5, true, false, "close wins"},
	{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5 \t", true, HTTP_BODY_LENGTH, 5, true, true, "white space behind is only white space"},
	{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5", true, HTTP_BODY_NONE, 5, true, false, "HEAD has no content; if it comes, it is nobody's"},
	{"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", true, HTTP_BODY_NONE, 0, false, false, "however it would be framed"},
	{"HEAD", "HTTP/1.1 200 OK", true, HTTP_BODY_NONE, 0, false, false, "and needs no framing"},
	{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 0", true, HTTP_BODY_NONE, 0, true, true, "no content is expected"},
	{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5", true, HTTP_BODY_NONE, 5, true, false, "304 has no content; if it comes, it is nobody's"},
	{"GET", "HTTP/1.1 304 Not Modified", true, HTTP_BODY_NONE, 0, false, true, "304 without length"},
	{"GET", "HTTP/1.1 204 No Content", true, HTTP_BODY_NONE, 0, false, true, "204 has no content"},
	{"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0", true, HTTP_BODY_NONE, 0, true, true, "204 that says so"},
	{"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5", true, HTTP_BODY_NONE, 5, true, false, "A25: 204 with content is not read"},
	{"GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked", true, HTTP_BODY_NONE, 0, false, false, "A25: in chunks neither"},
	{"GET", "HTTP/1.1 100 Continue", true, HTTP_BODY_NONE, 0, false, true, "an informational head"},
	{"GET", "HTTP/1.1 103 Early Hints\r\nLink: x", true, HTTP_BODY_NONE, 0, false, true, "another one"},
	{"GET", "HTTP/1.1 103 Early Hints\r\nContent-Length: 5", true, HTTP_BODY_NONE, 5, true, false, "A25: with content is not read"},
	{"GET", "HTTP/1.1 599 x\r\nContent-Length: 1", true, HTTP_BODY_LENGTH, 1, true, true, "the last status"},
	{"GET", "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\nX_y.z: 1", true, HTTP_BODY_LENGTH, 5, true, true, "odd names are the origin's own"},

	{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", false, 0, 0, 0, 0, "A25: both"},
	{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", false, 0, 0, 0, 0, "A25: both, swapped"},
	{"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", false, 0, 0, 0, 0, "A25: both, to a HEAD"},
	{"GET", "HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\nContent-Length: 0", false, 0, 0, 0, 0, "A25: both, with 204"},
	{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6", false, 0, 0, 0, 0, "A25: two lengths"},
	{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5", false, 0, 0, 0, 0, "A25: two equal lengths"},
	{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5", false, 0, 0, 0, 0, "A25: a list"},
	{"GET", "HTTP/1.1 200 OK\r\nContent-Length: -1", false, 0, 0, 0, 0, "a sign"},
	{"GET", "HTTP/1.1 200 OK\r\nContent-Length: +1", false, 0, 0, 0, 0, "another sign"},
	{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0x1", false, 0, 0, 0, 0, "hexadecimal"},
	{"GET", "HTTP/1.1 200 OK\r\nContent-Length:", false, 0, 0, 0, 0, "empty"},
	{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999", false, 0, 0, 0, 0, "beyond 2^63"},
	{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip", false, 0, 0, 0, 0, "another coding"},
	{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked", false, 0, 0, 0, 0, "another one before"},
	{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity", false, 0, 0, 0, 0, "another one behind"},
	{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity", false, 0, 0, 0, 0, "none, by name"},
	{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding:", false, 0, 0, 0, 0, "an empty coding"},
	{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", false, 0, 0, 0, 0, "chunked twice"},
	{"GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked", false, 0, 0, 0, 0, "in HTTP/1.0"},
	{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked", false, 0, 0, 0, 0, "a space before the colon"},
	{"GET", "HTTP/1.1 200 OK\r\n Transfer-Encoding: chunked", false, 0, 0, 0, 0, "a folded first field"},
	{"GET", "HTTP/1.1 200 OK\r\nX: a\r\n b", false, 0, 0, 0, 0, "A25: folding"},
	{"GET", "HTTP/1.1 200 OK\r\nX", false, 0, 0, 0, 0, "no colon"},
	{"GET", "HTTP/1.1 200 OK\r\n: x", false, 0, 0, 0, 0, "no name"},
	{"GET", "HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: b", false, 0, 0, 0, 0, "A25: LF in a value"},
	{"GET", "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b", false, 0, 0, 0, 0, "CR in a value"},
	{"GET", "HTTP/1.1 200 OK\nX: a", false, 0, 0, 0, 0, "a status line that ends with LF"},
	{"GET", "HTTP/1.1 200 O\x01K", false, 0, 0, 0, 0, "a control character in the reason"},
	{"GET", "HTTP/1.1 200 OK\r\nConnection: a b", false, 0, 0, 0, 0, "a broken Connection"},
	{"GET", "HTTP/1.1 099 x", false, 0, 0, 0, 0, "below 100"},
	{"GET", "HTTP/1.1 600 x", false, 0, 0, 0, 0, "above 599"},
	{"GET", "HTTP/1.1 20 x", false, 0, 0, 0, 0, "two digits"},
	{"GET", "HTTP/1.1 2000 x", false, 0, 0, 0, 0, "four digits"},
	{"GET", "HTTP/1.1 2x0 x", false, 0, 0, 0, 0, "a letter"},
	{"GET", "HTTP/1.1  200 OK", false, 0, 0, 0, 0, "two spaces"},
	{"GET", "HTTP/1.1\t200 OK", false, 0, 0, 0, 0, "a tab"},
	{"GET", "HTTP/1.1 200\tOK", false, 0, 0, 0, 0, "a tab behind the status"},
	{"GET", "HTTP/1.2 200 OK", false, 0, 0, 0, 0, "HTTP/1.2"},
	{"GET", "HTTP/2.0 200 OK", false, 0, 0, 0, 0, "HTTP/2.0"},
	{"GET", "http/1.1 200 OK", false, 0, 0, 0, 0, "lower case"},
	{"GET", "ICY 200 OK", false, 0, 0, 0, 0, "another protocol"},
	{"GET", "GET / HTTP/1.1", false, 0, 0, 0, 0, "a request"},
	{"GET", "", false, 0, 0, 0, 0, "nothing"},
	{"GET", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket", false, 0, 0, 0, 0, "A25: 101 unasked"},
	{"GET", "HTTP/1.1 101 Switching Protocols", false, 0, 0, 0, 0, "A25: 101 without a word"},
};

static void test_framing(void **state)
{
	struct response out;
	struct request req;
	char in[300];
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(cases); i++) {
		int n = snprintf(in, sizeof in, "%s\r\n\r\n", cases[i].in);

		assert_true(ask(&b, cases[i].method, "", &req));
		b.why = NULL;
		if (answer(&b, &req, slice_make(in, (size_t)n), &out) != cases[i].good)
			fail_msg("%s: %s (%s)", cases[i].in, cases[i].says, b.why);
		assert_int_equal(b.why == NULL, cases[i].good);
		if (!cases[i].good)
			continue;
		if (out.body != cases[i].body || out.content_length != cases[i].length ||
		    out.has_length != cases[i].has_length || out.keep_alive != cases[i].keep_alive)
			fail_msg("%s: %s", cases[i].in, cases[i].says);
		assert_int_equal(out.status, (in[9] - '0') * 100 + (in[10] - '0') * 10 + in[11] - '0');
		assert_int_equal(out.minor, in[7] - '0');
	}
	bed_close(&b);
}

/* ---- 101 ---- */

#define HANDSHAKE                                                                                       \
	"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                    \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

static void test_switching_protocols_needs_the_right_answer(void **state)
{
	static const struct {
		const char *in;
		bool want;
		const char *says;
	} handshakes[] = {
		{"HTTP/1.1 101 x\r\n" UPGRADE ACCEPT, true, "the right answer"},
		{"HTTP/1.1 101 x\r\n" ACCEPT "Upgrade: WebSocket\r\nConnection: a, upgrade\r\n", true, "in other words"},
		{"HTTP/1.1 101 x\r\n" UPGRADE, false, "A19: no answer to the key"},
		{"HTTP/1.1 101 x\r\n" UPGRADE "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n", false, "A19: a wrong one"},
		{"HTTP/1.1 101 x\r\n" UPGRADE "Sec-WebSocket-Accept: s3ppLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", false, "another case"},
		{"HTTP/1.1 101 x\r\n" UPGRADE "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo\r\n", false, "a short one"},
		{"HTTP/1.1 101 x\r\n" UPGRADE ACCEPT ACCEPT, false, "two answers"},
		{"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n" ACCEPT, false, "Upgrade is not in Connection"},
		{"HTTP/1.1 101 x\r\nConnection: upgrade\r\n" ACCEPT, false, "no Upgrade"},
		{"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n" ACCEPT, false, "another protocol"},
		{"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket, h2c\r\n" ACCEPT, false, "two protocols"},
		{"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nUpgrade: x\r\n" ACCEPT, false, "two fields"},
		{"HTTP/1.1 101 x\r\n" UPGRADE ACCEPT "Sec-WebSocket-Protocol: chat\r\n", false, "A19: a subprotocol nobody asked for"},
		{"HTTP/1.0 101 x\r\n" UPGRADE ACCEPT, false, "in HTTP/1.0"},
		{"HTTP/1.1 101 x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n" UPGRADE ACCEPT, false, "with two framings"},
		{"HTTP/1.1 200 x\r\nContent-Length: 1\r\n" UPGRADE ACCEPT, true, "A18: a refusal to switch is an ordinary answer"},
		{"HTTP/1.1 426 x\r\nContent-Length: 1\r\n" UPGRADE, true, "A18: another refusal"},
	};
	struct response out;
	struct request req;
	char in[400];
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(handshakes); i++) {
		int n = snprintf(in, sizeof in, "%s\r\n", handshakes[i].in);

		assert_true(ask(&b, "GET", HANDSHAKE, &req));
		if (answer(&b, &req, slice_make(in, (size_t)n), &out) != handshakes[i].want)
			fail_msg("%s (%s)", handshakes[i].says, b.why);
		if (handshakes[i].want && out.status == 101)
			assert_false(out.keep_alive);
		if (handshakes[i].want)
			assert_true(bed_hidden(&out.fields, "upgrade") && bed_hidden(&out.fields, "connection"));
		assert_true(ask(&b, "POST", HANDSHAKE, &req));
		if (out.status == 101)
			assert_false(answer(&b, &req, slice_make(in, (size_t)n), &out));
	}
	bed_close(&b);
}

/* ---- Content that comes as things happen ---- */

static void test_a_stream_of_events_is_known_by_its_type(void **state)
{
	static const struct {
		const char *method, *fields;
		bool want;
	} types[] = {
		{"GET", "Content-Type: text/event-stream\r\n", true},
		{"GET", "Content-Type: Text/Event-Stream ;charset=utf-8\r\n", true},
		{"POST", "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n", true},
		{"HEAD", "Content-Type: text/event-stream\r\n", false},
		{"GET", "Content-Type: text/event-streams\r\n", false},
		{"GET", "Content-Type: text/html; a=text/event-stream\r\n", false},
		{"GET", "Content-Type: text/html\r\nContent-Type: text/event-stream\r\n", false},
		{"GET", "Content-Type: text/event-stream\r\nContent-Type: text/html\r\n", false},
		{"GET", "X: text/event-stream\r\n", false},
	};
	struct response out;
	struct request req;
	char in[200];
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(types); i++) {
		int n = snprintf(in, sizeof in, "HTTP/1.1 200 x\r\n%s\r\n", types[i].fields);

		assert_true(ask(&b, types[i].method, "", &req));
		assert_true(answer(&b, &req, slice_make(in, (size_t)n), &out));
		if (out.events != types[i].want)
			fail_msg("%s %s", types[i].method, types[i].fields);
	}
	bed_close(&b);
}

/* ---- G5, G9: what the client does not see ---- */

static const char *const hidden[] = {
	"Connection: x", "Keep-Alive: x", "Proxy-Connection: x", "TE: x", "Trailer: x", "Upgrade: x", "HTTP2-Settings: x",
	"Content-Length: 5", "Proxy-Authenticate: x", "Proxy-Authentication-Info: x", "X-Accel-Redirect: /x", "X-Accel-Expires: 1",
	"X-Sendfile: /x", "X-Lighttpd-Send-File: /x", "Surrogate-Control: x", "Surrogate-Key: x", "Connection: X-Secret\r\nX-Secret: 1",
};

/* What tells of the origin is another's to hide: mask_test.c. */
static const char *const shown[] = {
	"Content-Type: a/b", "Set-Cookie: a=b", "Location: /x", "Date: x", "ETag: x", "Cache-Control: x", "X-Frame-Options: x",
	"X-Request-Id: x", "Host: x-is-not-shown", "Server-Timing: a;dur=1", "Content-Encoding: gzip", "Server: nginx", "Via: 1.1 x",
	"Connection: Content-Type\r\nContent-Type: a/b", "Connection: Set-Cookie\r\nSet-Cookie: a=b", "Sec-WebSocket-Protocol: x",
};

/* The last name of `lines`, in lower case. */
static const char *last_name(const char *lines)
{
	static char name[64];
	const char *start = strstr(lines, "\r\n");
	size_t n = 0;

	for (start = start ? start + 2 : lines; start[n] != ':'; n++)
		name[n] = ascii_lower(start[n]);
	name[n] = 0;
	return name;
}

static void check_hidden(struct bed *b, const char *lines, bool want)
{
	struct response out;
	struct request req;
	char in[200];
	int n = snprintf(in, sizeof in, "HTTP/1.1 200 OK\r\n%s\r\n\r\n", lines);

	assert_true(ask(b, "GET", "", &req));
	assert_true(answer(b, &req, slice_make(in, (size_t)n), &out));
	assert_non_null(bed_value(&out.fields, last_name(lines)).at);
	if (bed_hidden(&out.fields, last_name(lines)) != want)
		fail_msg("%s is %s", lines, want ? "shown" : "hidden");
}

static void test_what_is_hidden(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(hidden); i++)
		check_hidden(&b, hidden[i], true);
	for (unsigned i = 0; i < ROWS(shown); i++)
		check_hidden(&b, shown[i], strncmp(shown[i], "Host", 4) == 0);
	bed_close(&b);
}

/* ---- Limits and memory ---- */

static void test_limits(void **state)
{
	struct h1_limits tight = {.head_bytes = 64, .target_bytes = 1, .fields = 2};
	struct request req = {0};
	struct response out;
	struct bed b;

	(void)state;
	bed_open(&b);
	assert_true(h1_response(&b.a, SLICE("HTTP/1.1 200 OK\r\na: 1\r\nb: 2\r\n\r\n"), &tight, &req, &out, &b.why));
	assert_false(h1_response(&b.a, SLICE("HTTP/1.1 200 OK\r\na: 1\r\nb: 2\r\nc: 3\r\n\r\n"), &tight, &req, &out, &b.why));
	tight.head_bytes = 30;
	assert_false(h1_response(&b.a, SLICE("HTTP/1.1 200 OK\r\na: 1\r\nb: 2\r\n\r\n"), &tight, &req, &out, &b.why));
	assert_false(h1_response(&b.a, SLICE("HTTP/1.1 200 OK\r\n\r"), &limits, &req, &out, &b.why));
	assert_false(h1_response(&b.a, SLICE("HTTP/1.1 200 OK\r\n\r\nX\r\n\r\n"), &limits, &req, &out, &b.why));
	bed_close(&b);
}

static void test_every_allocation_may_fail(void **state)
{
	struct request req = {0};
	struct response out;
	unsigned long n = 0;
	struct bed b;
	bool good;

	(void)state;
	bed_open(&b);
	do {
		arena_done(&b.a);
		arena_init(&b.a, &b.budget, 64);
		mem_fail_at(++n);
		good = answer(&b, &req, (struct slice)B("HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 5\r\n\r\n"), &out);
		if (mem_failed()) {
			assert_false(good);
			assert_ptr_equal(b.why, h1_no_memory);
		}
	} while (mem_failed());
	mem_fail_at(0);
	assert_true(good && n > 2);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_framing),
		cmocka_unit_test(test_switching_protocols_needs_the_right_answer),
		cmocka_unit_test(test_a_stream_of_events_is_known_by_its_type),
		cmocka_unit_test(test_what_is_hidden),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
