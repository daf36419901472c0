/* h2_request_test.c -- which header lists of HTTP/2 are requests, and what the others get. */
#include "bed.h"
#include "gateway/http/h2.h"

enum { END = 1, MORE = 2 };

/* Fields as "name\0value\0"; a row ends at its length. */
struct list_row {
	struct slice in;
	int ends; /* END: no content follows */
	unsigned want;
	const char *says;
};

#define GET ":method\0GET\0:scheme\0https\0:authority\0a\0:path\0/\0"
#define POST ":method\0POST\0:scheme\0https\0:authority\0a\0:path\0/\0"

static unsigned judge_with(struct bed *b, struct slice in, bool ended, const struct h1_limits *most, struct request *r)
{
	struct slice rest = guard_put(&b->guard, in), name, value;
	struct h2_list list;
	unsigned status;

	arena_done(&b->a);
	b->why = "";
	h2_list_init(&list, &b->budget);
	while (rest.len) {
		name = slice_first(rest, slice_find(rest, 0));
		rest = slice_after(rest, name.len + 1);
		value = slice_first(rest, slice_find(rest, 0));
		rest = slice_after(rest, value.len + 1);
		assert_true(h2_list_add(&list, most, name, value));
	}
	status = h2_request(&b->a, &list, ended, most, true, r, &b->why);
	h2_list_done(&list);
	return status;
}

static unsigned judge(struct bed *b, struct slice in, bool ended, struct request *r)
{
	return judge_with(b, in, ended, &limits, r);
}

static const struct list_row lists[] = {
	{B(GET), END, 0, "the smallest request"},
	{B(POST), MORE, 0, "content of unknown length"},
	{B(POST "content-length\0" "5\0"), MORE, 0, "content of a length"},
	{B(POST "content-length\0" "0\0"), END, 0, "no content, and it says so"},
	{B(POST "content-length\0" "0\0"), MORE, 0, "no content, and its end is still to come"},
	{B(POST "content-length\0" "5\0"), END, 400, "B9: a length without content"},
	{B(POST "content-length\0" "5\0content-length\0" "5\0"), MORE, 400, "B9: two lengths"},
	{B(POST "content-length\0" "+5\0"), MORE, 400, "B9: a signed length"},
	{B(POST "content-length\0" "5,5\0"), MORE, 400, "B9: a list of lengths"},
	{B(POST "content-length\0" "\0"), MORE, 400, "B9: an empty length"},
	{B(POST "content-length\0" "9223372036854775808\0"), MORE, 400, "B9: a length beyond 2^63"},

	/* B10 */
	{B(GET "x\0a\rb\0"), END, 400, "B10: CR in a value"},
	{B(GET "x\0a\nb\0"), END, 400, "B10: LF in a value"},
	{B(GET "x\0a\r\nb: c\0"), END, 400, "B10: a line break in a value"},
	{B(GET "x\0a\x7f\0"), END, 400, "B10: DEL in a value"},
	{B(GET "x\0a\x01\0"), END, 400, "B10: a control character in a value"},
	{B(GET "x\0 a\0"), END, 400, "B10: a space before a value"},
	{B(GET "x\0a \0"), END, 400, "B10: a space behind a value"},
	{B(GET "x\0\ta\0"), END, 400, "B10: a tab before a value"},
	{B(GET "x\0a\tb\0"), END, 0, "a tab within a value, as in HTTP/1.1"},
	{B(GET "x\0a\xff\0"), END, 0, "bytes above 0x7f in a value, as in HTTP/1.1"},
	{B(GET "x\0\0"), END, 0, "an empty value"},
	{B(GET "X\0a\0"), END, 400, "B10: a name in upper case"},
	{B(GET "xY\0a\0"), END, 400, "B10: a name partly in upper case"},
	{B(GET "\0a\0"), END, 400, "B10: no name"},
	{B(GET "x:y\0a\0"), END, 400, "B10: a colon in a name"},
	{B(GET "x y\0a\0"), END, 400, "B10: a space in a name"},
	{B(GET "x\r\ny\0a\0"), END, 400, "B10: a line break in a name"},
	{B(GET "x\x80\0a\0"), END, 400, "B10: a byte above 0x7f in a name"},
	{B(GET "x\x7f\0a\0"), END, 400, "B10: DEL in a name"},
	{B(GET "(x)\0a\0"), END, 400, "B10: parentheses in a name"},
	{B(GET "transfer_encoding\0chunked\0"), END, 400, "G3: a name that looks like a protected one"},
	{B(GET "x.forwarded.for\0" "1.1.1.1\0"), END, 400, "G3: with dots"},

	/* B11 */
	{B(":method\0GET\0" GET), END, 400, "B11: :method twice"},
	{B(":path\0/\0" GET), END, 400, "B11: :path twice"},
	{B(":scheme\0https\0" GET), END, 400, "B11: :scheme twice"},
	{B(":authority\0a\0" GET), END, 400, "B11: :authority twice"},
	{B(":scheme\0https\0:authority\0a\0:path\0/\0"), END, 400, "B11: no :method"},
	{B(":method\0GET\0:authority\0a\0:path\0/\0"), END, 400, "B11: no :scheme"},
	{B(":method\0GET\0:scheme\0https\0:authority\0a\0"), END, 400, "B11: no :path"},
	{B(":method\0GET\0:scheme\0https\0:path\0/\0"), END, 400, "B11: neither :authority nor Host"},
	{B(":method\0GET\0:scheme\0https\0:path\0/\0host\0a\0"), END, 0, "Host in place of :authority"},
	{B(":method\0GET\0:scheme\0https\0x\0y\0:authority\0a\0:path\0/\0"), END, 400, "B11: a pseudo-field behind a field"},
	{B(GET ":foo\0bar\0"), END, 400, "B11: an unknown pseudo-field"},
	{B(GET ":status\0" "200\0"), END, 400, "B11: a pseudo-field of answers"},
	{B(GET ":protocol\0websocket\0"), END, 400, "B13: :protocol is for CONNECT alone"},
	{B(GET ":\0bar\0"), END, 400, "B11: a colon alone"},
	{B(GET "host\0a\0"), END, 0, "B11: Host is the same"},
	{B(GET "host\0A\0"), END, 0, "B11: Host is the same in upper case"},
	{B(GET "host\0a:443\0"), END, 0, "B11: Host is the same with the scheme's port"},
	{B(GET "host\0b\0"), END, 400, "B11: Host is another"},
	{B(GET "host\0a:8443\0"), END, 400, "B11: Host has another port"},
	{B(GET "host\0\0"), END, 400, "B11: Host is empty"},
	{B(GET "host\0a\0host\0a\0"), END, 400, "B11: two Hosts"},
#define WITH(method, scheme, authority, path) \
	":method\0" method "\0:scheme\0" scheme "\0:authority\0" authority "\0:path\0" path "\0"
	{B(WITH("GET", "https", "u@a", "/")), END, 400, "B11: a user in :authority"},
	{B(WITH("GET", "https", "", "/")), END, 400, "B11: an empty :authority"},
	{B(WITH("GET", "https", "a b", "/")), END, 400, "B11: a space in :authority"},
	{B(WITH("GET", "https", "a", "hello")), END, 400, "B11: a :path without a slash"},
	{B(WITH("GET", "https", "a", "")), END, 400, "B11: an empty :path"},
	{B(WITH("GET", "https", "a", "http://x/")), END, 400, "B11: an address in :path"},
	{B(WITH("GET", "https", "a", "/a b")), END, 400, "B11: a space in :path"},
	{B(WITH("GET", "https", "a", "/ HTTP/1.1\r\nX: y")), END, 400, "B11: a line break in :path"},
	{B(WITH("GET", "https", "a", "/\x80")), END, 400, "B11: a byte above 0x7f in :path"},
	{B(WITH("GET", "https", "a", "/#f")), END, 400, "B11: a fragment in :path"},
	{B(WITH("GET", "https", "a", "/../b")), END, 400, "a path above its root"},
	{B(WITH("GET", "https", "a", "/a%2fb")), END, 400, "an encoded slash"},
	{B(WITH("GET", "https", "a", "*")), END, 400, "* is for OPTIONS"},
	{B(WITH("OPTIONS", "https", "a", "*")), END, 0, "OPTIONS *"},
	{B(WITH("GET /x HTTP/1.1\r\n", "https", "a", "/")), END, 400, "B11: a request line in :method"},
	{B(WITH("GE T", "https", "a", "/")), END, 400, "B11: a space in :method"},
	{B(WITH("", "https", "a", "/")), END, 400, "B11: an empty :method"},
	{B(WITH("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "https", "a", "/")), END, 501, "a method of 33 bytes"},
	{B(WITH("TRACE", "https", "a", "/")), END, 405, "G5: TRACE"},
	{B(WITH("CONNECT", "https", "a", "/")), END, 405, "B13: CONNECT"},
	{B(":method\0CONNECT\0:authority\0a:25\0"), MORE, 405, "B13: CONNECT as it must be"},
	{B(WITH("GET", "http", "a", "/")), END, 421, "another scheme than the connection's"},
	{B(WITH("GET", "ftp", "a", "/")), END, 400, "a scheme of another protocol"},
	{B(WITH("GET", "http://h/?", "a", "/")), END, 400, "B11: an address in :scheme"},
	{B(WITH("GET", "HTTPS", "a", "/")), END, 0, "schemes have no case (RFC 3986 section 3.1)"},

	/* RFC 8441 */
#define EXTENDED(protocol) \
	":method\0CONNECT\0:scheme\0https\0:authority\0a\0:path\0/\0:protocol\0" protocol "\0"
#define VERSION "sec-websocket-version\0" "13\0"
	{B(EXTENDED("websocket") VERSION), MORE, 0, "an extended CONNECT"},
	{B(EXTENDED("websocket") "origin\0https://a\0" VERSION "sec-websocket-key\0x\0"), MORE, 0, "with a key that means nothing"},
	{B(EXTENDED("websocket") VERSION), END, 400, "B13: one that has ended"},
	{B(EXTENDED("websocket")), MORE, 400, "A19: no version"},
	{B(EXTENDED("websocket") "sec-websocket-version\0" "777\0"), MORE, 400, "A19: version 777"},
	{B(EXTENDED("websocket") VERSION VERSION), MORE, 400, "A19: two versions"},
	{B(EXTENDED("websocket") VERSION "content-length\0" "5\0"), MORE, 400, "B13: with content"},
	{B(EXTENDED("websocket") VERSION "content-length\0" "0\0"), MORE, 400, "B13: with a length"},
	{B(EXTENDED("websocket") VERSION "expect\0" "100-continue\0"), MORE, 400, "B13: with an expectation"},
	{B(EXTENDED("websocket") VERSION "upgrade\0websocket\0"), MORE, 400, "B12: with Upgrade"},
	{B(EXTENDED("websocket") VERSION "host\0b\0"), MORE, 400, "B11: with another Host"},
	{B(EXTENDED("websocket\0:protocol\0websocket") VERSION), MORE, 400, "B11: :protocol twice"},
	{B(EXTENDED("WebSocket") VERSION), MORE, 501, "another protocol in other case"},
	{B(EXTENDED("connect-udp")), MORE, 501, "B13: another protocol"},
	{B(EXTENDED("")), MORE, 501, "B13: an empty one"},
	{B(":method\0CONNECT\0:authority\0a:25\0:protocol\0websocket\0" VERSION), MORE, 400, "B13: without :scheme and :path"},
	{B(":method\0CONNECT\0:scheme\0https\0:path\0/\0:protocol\0websocket\0host\0a\0" VERSION), MORE, 400, "B13: without :authority"},
	{B(WITH("POST", "https", "a", "/") ":protocol\0websocket\0" VERSION), MORE, 400, "A19: POST"},

	/* B12 */
	{B(GET "connection\0close\0"), END, 400, "B12: Connection"},
	{B(GET "connection\0\0"), END, 400, "B12: an empty Connection"},
	{B(GET "keep-alive\0timeout=5\0"), END, 400, "B12: Keep-Alive"},
	{B(GET "proxy-connection\0keep-alive\0"), END, 400, "B12: Proxy-Connection"},
	{B(GET "upgrade\0h2c\0"), END, 400, "B12: Upgrade"},
	{B(GET "http2-settings\0AAMAAABkAARAAAAAAAIAAAAA\0"), END, 400, "A20: HTTP2-Settings"},
	{B(POST "transfer-encoding\0chunked\0"), MORE, 400, "B9: Transfer-Encoding"},
	{B(GET "te\0gzip\0"), END, 400, "B12: TE: gzip"},
	{B(GET "te\0trailers, gzip\0"), END, 400, "B12: TE: trailers, gzip"},
	{B(GET "te\0trailers\0"), END, 0, "B12: TE: trailers"},
	{B(GET "expect\0" "100-continue\0"), END, 0, "Expect without content"},
	{B(POST "expect\0yes\0"), MORE, 417, "another expectation"},
	{B(GET "authorization\0x\0authorization\0y\0"), END, 400, "two Authorizations, as in HTTP/1.1"},
	{B(POST "content-type\0a/b\0content-type\0a/c\0"), MORE, 400, "two Content-Types, as in HTTP/1.1"},
};

static void lists_are_judged(void **state)
{
	unsigned wrong = 0;
	struct request r;
	struct bed b;

	(void)state;
	bed_open(&b);
	for (size_t i = 0; i < ROWS(lists); i++) {
		unsigned got = judge(&b, lists[i].in, lists[i].ends == END, &r);

		if (got != lists[i].want || (got && !*b.why)) {
			print_error("%s: wanted %u, got %u (%s)\n", lists[i].says, lists[i].want, got, b.why);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
	bed_close(&b);
}

/* ---- What comes of it ---- */

static void an_extended_connect_is_a_handshake(void **state)
{
	static const struct slice extended = B(EXTENDED("websocket") VERSION);
	static const struct slice get = B(GET VERSION "sec-websocket-key\0" "dGhlIHNhbXBsZSBub25jZQ==\0");
	struct request r;
	struct bed b;

	(void)state;
	bed_open(&b);
	assert_int_equal(judge(&b, extended, false, &r), 0);
	assert_true(slice_is(r.method, "GET") && r.upgrade == HTTP_UPGRADE_WEBSOCKET && r.body == HTTP_BODY_NONE);
	assert_true(slice_is(r.target, "/") && slice_is(r.authority, "a") && !r.head && !r.expect_continue);
	assert_int_equal(judge(&b, get, true, &r), 0);
	assert_int_equal(r.upgrade, HTTP_UPGRADE_NONE);
	bed_close(&b);
}

static void a_request_is_the_same_as_in_http1(void **state)
{
	struct request one, two;
	struct bed b, c;

	(void)state;
	bed_open(&b);
	bed_open(&c);
	bed_good(&b, SLICE("POST /a//b/../c%2d?q HTTP/1.1\r\nHost: A.example:8443\r\nContent-Length: 07\r\nCookie: a=1; b=2\r\n"
			   "X-Y: z\r\nTE: trailers\r\nX_Z: 1\r\nX*Z: 2\r\nExpect: 100-continue\r\n\r\n"), true, &one);
	assert_int_equal(judge(&c, SLICE(":method\0POST\0:scheme\0https\0:path\0/a//b/../c%2d?q\0:authority\0A.example:8443\0"
					 "content-length\0" "07\0cookie\0a=1\0x-y\0z\0cookie\0b=2\0te\0trailers\0x_z\0" "1\0x*z\0" "2\0"
					 "expect\0" "100-continue\0"), false, &two), 0);
	assert_slice(two.method, "POST");
	assert_true(slice_eq(one.method, two.method) && slice_eq(one.host, two.host) && slice_eq(one.authority, two.authority));
	assert_true(slice_eq(one.path, two.path) && slice_eq(one.target, two.target) && slice_eq(one.query, two.query));
	assert_true(slice_eq(one.raw_target, two.raw_target) && one.has_query == two.has_query && one.port == two.port);
	assert_true(one.body == two.body && one.content_length == two.content_length && one.secure == two.secure);
	assert_true(one.expect_continue && two.expect_continue && one.head == two.head && one.upgrade == two.upgrade);
	assert_int_equal(one.minor, two.minor);
	assert_int_equal(one.fields.n, two.fields.n);
	for (uint32_t i = 0; i < one.fields.n; i++) {
		uint32_t k = 0;
		const struct field *f = fields_next(&two.fields, one.fields.at[i].name, &k);

		assert_non_null(f);
		assert_true(slice_eq(f->value, one.fields.at[i].value) && f->id == one.fields.at[i].id);
		assert_int_equal(f->hidden, one.fields.at[i].hidden);
	}
	bed_close(&b);
	bed_close(&c);
}

static void crumbs_are_one_cookie(void **state)
{
	struct request r;
	struct bed b;

	(void)state;
	bed_open(&b);
	assert_int_equal(judge(&b, SLICE(GET "a\0" "1\0cookie\0x=1\0b\0" "2\0cookie\0\0cookie\0y=2; z=3\0c\0" "3\0"), true, &r), 0);
	assert_int_equal(fields_count(&r.fields, FIELD_COOKIE), 1);
	assert_slice(bed_value(&r.fields, "cookie"), "x=1; ; y=2; z=3");
	assert_int_equal(r.fields.n, 5);
	assert_slice(r.fields.at[0].name, "host");
	assert_slice(r.fields.at[2].name, "cookie");
	assert_slice(r.fields.at[4].name, "c");
	assert_true(bed_hidden(&r.fields, "host"));
	bed_close(&b);
	bed_open(&b);
	assert_int_equal(judge(&b, SLICE(GET "cookie\0x=1\0cookie\0\0"), true, &r), 0);
	assert_slice(bed_value(&r.fields, "cookie"), "x=1;");
	bed_close(&b);
}

static void content_is_framed(void **state)
{
	static const struct {
		struct slice in;
		bool ended;
		enum http_body body;
	} cases[] = {
		{B(GET), true, HTTP_BODY_NONE},
		{B(POST), true, HTTP_BODY_NONE},
		{B(POST), false, HTTP_BODY_CHUNKED},
		{B(POST "content-length\0" "3\0"), false, HTTP_BODY_LENGTH},
		{B(POST "content-length\0" "0\0"), false, HTTP_BODY_NONE},
		{B(POST "content-length\0" "0\0"), true, HTTP_BODY_NONE},
	};
	struct request r;
	struct bed b;

	(void)state;
	bed_open(&b);
	for (size_t i = 0; i < ROWS(cases); i++) {
		assert_int_equal(judge(&b, cases[i].in, cases[i].ended, &r), 0);
		assert_int_equal(r.body, cases[i].body);
	}
	bed_close(&b);
}

static void a_nul_is_refused_wherever_it_stands(void **state)
{
	static const char *const usual[] = {":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/", "x", "y"};
	struct request r;
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned at = 0; at <= 10; at++) {
		struct h2_list list;

		arena_done(&b.a);
		h2_list_init(&list, &b.budget);
		for (unsigned i = 0; i < 10; i += 2)
			h2_list_add(&list, &limits, at == i ? SLICE("\0") : slice_of(usual[i]), at == i + 1 ? SLICE("\0") : slice_of(usual[i + 1]));
		assert_int_equal(h2_request(&b.a, &list, true, &limits, true, &r, &b.why), at == 10 ? 0 : 400);
		h2_list_done(&list);
	}
	bed_close(&b);
}

/* ---- Bounds ---- */

static unsigned add_many(struct bed *b, unsigned n, struct slice name, struct slice value, bool *bomb, struct request *r)
{
	static const struct slice begin[] = {B(":method"), B("GET"), B(":scheme"), B("https"), B(":authority"), B("a"), B(":path"), B("/")};
	struct h2_list list;
	unsigned status;

	arena_done(&b->a);
	h2_list_init(&list, &b->budget);
	*bomb = false;
	for (unsigned i = 0; i < 8; i += 2)
		assert_true(h2_list_add(&list, &limits, begin[i], begin[i + 1]));
	for (unsigned i = 0; i < n && !*bomb; i++)
		*bomb = !h2_list_add(&list, &limits, name, value);
	/* What is not kept takes nothing. */
	assert_true(b->budget.used < 3 * limits.head_bytes);
	status = h2_request(&b->a, &list, true, &limits, true, r, &b->why);
	h2_list_done(&list);
	return status;
}

static void a_list_has_bounds(void **state)
{
	static char value[4096];
	struct request r;
	struct bed b;
	bool bomb;

	(void)state;
	memset(value, 'v', sizeof value);
	bed_open(&b);
	assert_int_equal(add_many(&b, 100, SLICE("x"), SLICE(""), &bomb, &r), 0);
	assert_int_equal(add_many(&b, 101, SLICE("x"), SLICE(""), &bomb, &r), 431);
	assert_false(bomb);
	assert_int_equal(add_many(&b, 100, SLICE("cookie"), SLICE("a=1"), &bomb, &r), 0);
	assert_int_equal(add_many(&b, 101, SLICE("cookie"), SLICE("a=1"), &bomb, &r), 431);
	assert_int_equal(add_many(&b, 51, SLICE("cookie"), SLICE("a=1; b=1"), &bomb, &r), 431);
	assert_int_equal(add_many(&b, 7, SLICE("x"), slice_make(value, sizeof value), &bomb, &r), 0);
	assert_int_equal(add_many(&b, 8, SLICE("x"), slice_make(value, sizeof value), &bomb, &r), 431);
	assert_false(bomb);
	assert_int_equal(add_many(&b, 400, SLICE("x"), SLICE(""), &bomb, &r), 431);
	assert_false(bomb);
	assert_int_equal(add_many(&b, 401, SLICE("x"), SLICE(""), &bomb, &r), 431);
	assert_true(bomb);
	assert_int_equal(add_many(&b, 401, SLICE("cookie"), SLICE(""), &bomb, &r), 431);
	assert_true(bomb);
	assert_int_equal(add_many(&b, 40, SLICE("x"), slice_make(value, sizeof value), &bomb, &r), 431);
	assert_true(bomb);
	bed_close(&b);
}

static void a_target_has_a_bound(void **state)
{
	static char in[9000];
	struct request r;
	struct bed b;
	size_t n;

	(void)state;
	bed_open(&b);
	for (unsigned over = 0; over < 2; over++) {
		static const char begin[] = ":method\0GET\0:scheme\0https\0:authority\0a\0:path";

		memcpy(in, begin, sizeof begin);
		n = sizeof begin;
		memset(in + n, '/', 1);
		memset(in + n + 1, 'p', 8191 + over);
		in[n + 8192 + over] = 0;
		assert_int_equal(judge(&b, slice_make(in, n + 8193 + over), true, &r), over ? 414 : 0);
	}
	bed_close(&b);
}

static void every_allocation_may_fail(void **state)
{
	struct request r;
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned long n = 1;; n++) {
		unsigned status;

		mem_fail_at(n);
		status = judge(&b, SLICE(GET "cookie\0a\0cookie\0b\0x\0y\0host\0A\0"), true, &r);
		assert_int_equal(status, mem_failed() ? 503 : 0);
		if (!mem_failed())
			break;
	}
	mem_fail_at(0);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_judged),
		cmocka_unit_test(an_extended_connect_is_a_handshake),
		cmocka_unit_test(a_request_is_the_same_as_in_http1),
		cmocka_unit_test(crumbs_are_one_cookie),
		cmocka_unit_test(content_is_framed),
		cmocka_unit_test(a_nul_is_refused_wherever_it_stands),
		cmocka_unit_test(a_list_has_bounds),
		cmocka_unit_test(a_target_has_a_bound),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
