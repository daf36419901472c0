/* request_test.c -- which request heads are served, and what the others get. */
#include "bed.h"
#include "codings.h"

/* ---- Whole heads ---- */

static const struct row whole[] = {
	{B("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 0, "the smallest request"},
	{B("GET / HTTP/1.0\r\nHost: a\r\n\r\n"), 0, "HTTP/1.0 with Host"},
	{B("get / HTTP/1.1\r\nHost: a\r\n\r\n"), 0, "methods are case-sensitive, any token is one"},
	{B("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\nHost: a\r\n\r\n"), 0, "every token byte in a method"},
	{B("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n"), 0, "extension methods are policy's business"},
	{B("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n"), 0, "a method of 32 bytes"},
	{B("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n"), 501, "a method of 33 bytes"},
	{B("CONNECT a:25 HTTP/1.1\r\nHost: a:25\r\n\r\n"), 405, "A21: no tunnels"},
	{B("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"), 405, "A21: no tunnels, whatever the target"},
	{B("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"), 405, "G5: TRACE would show our own fields"},
	{B("G=\":<>(e) / HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "A22: a method that is not a token"},
	{B(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "space before the method"},
	{B("\tGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "tab before the method"},
	{B("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "A22: a tab does not part the request line"},
	{B("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n"), 400, "A22: a tab before the version"},
	{B("GET / \tHTTP/1.1\r\nHost: a\r\n\r\n"), 400, "A22: tab and space before the version"},
	{B("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "A22: two spaces before the target"},
	{B("GET /  HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "A22: two spaces before the version"},
	{B("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), 400, "space behind the version"},
	{B("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "a space in the target"},
	{B("GET /a HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "two versions"},
	{B("GET HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "no target"},
	{B("GET  HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "an empty target"},
	{B("/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "no method"},
	{B("GET /\r\n\r\n"), 400, "A22: HTTP/0.9"},
	{B("GET /\r\n"), 400, "A22: HTTP/0.9 is refused at its line"},
	{B("GET\r\n"), 400, "one word"},
	{B("\r\n\r\n"), 400, "an empty first line"},
	{B("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), 505, "A22: HTTP/1.2"},
	{B("GET / HTTP/1.9\r\nHost: a\r\n\r\n"), 505, "HTTP/1.9"},
	{B("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505, "A22: HTTP/2.0"},
	{B("GET / HTTP/3.0\r\nHost: a\r\n\r\n"), 505, "HTTP/3.0"},
	{B("GET / HTTP/0.9\r\nHost: a\r\n\r\n"), 505, "HTTP/0.9 by name"},
	{B("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, "A20: the preface of HTTP/2 on this listener"},
	{B("GET / HTTP/2\r\nHost: a\r\n\r\n"), 400, "a version without a minor"},
	{B("GET / HTTP/4294967295.255\r\nHost: a\r\n\r\n"), 400, "A22: a version of many digits"},
	{B("GET / HTTP/01.1\r\nHost: a\r\n\r\n"), 400, "a leading zero in the version"},
	{B("GET / HTTP/1.10\r\nHost: a\r\n\r\n"), 400, "two digits of minor version"},
	{B("GET / http/1.1\r\nHost: a\r\n\r\n"), 400, "the version's name is upper case"},
	{B("GET / HTTP 1.1\r\nHost: a\r\n\r\n"), 400, "a space for the slash"},
	{B("GET / HTTP\\1.1\r\nHost: a\r\n\r\n"), 400, "a backslash for the slash"},
	{B("GET / HTTPS/1.1\r\nHost: a\r\n\r\n"), 400, "another protocol's name"},
	{B("GET / JUNK/1.0\r\nHost: a\r\n\r\n"), 400, "no protocol's name"},
	{B("GET / HTTP/1,1\r\nHost: a\r\n\r\n"), 400, "a comma in the version"},
	{B("HTTP/1.1 200 OK\r\nHost: a\r\n\r\n"), 400, "a response is no request"},
	{B("\x16\x03\x01\x02"), 400, "D6: a TLS record is refused at its first byte"},
	{B("\x80\x2e\x01\x03\x01\r\n"), 400, "an SSLv2 hello"},
	{B("EHLO mail\r\n"), 400, "D6: a mail client is refused at its first line"},
	{B("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), 400, "G4: a PROXY header where none is expected"},
	{B("\r\n\r\n\0\r\nQUIT\n"), 400, "G4: the second form of a PROXY header"},

	/* A6 */
	{B("GET / HTTP/1.1\nHost: a\n\n"), 400, "A6: LF alone ends no line"},
	{B("GET / HTTP/1.1\r\nHost: a\n\r\n"), 400, "A6: LF alone ends no field"},
	{B("GET / HTTP/1.1\r\nHost: a\r\n\n"), 400, "A6: LF alone ends no head"},
	{B("GET /\nHTTP/1.1\r\nHost: a\r\n\r\n"), 400, "A6: LF in the request line"},
	{B("GET / HTTP/1.1\rHost: a\r\n\r\n"), 400, "A6: CR alone ends no line"},
	{B("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"), 400, "A6: CR CR LF"},
	{B("GET / HTTP/1.1\r\nHost: a\r\n\rX"), 400, "A6: CR and something else at the end of the head"},
	{B("GET / HTTP/1.1\r\nHost: a\r\n\r\r\n"), 400, "A6: CR CR LF at the end of the head"},
	{B("GET / HTTP/1.1\r\nHost: a\r\nX: v\rlue\r\n\r\n"), 400, "A6: CR in a value"},
	{B("GET / HTTP/1.1\r\nHost: a\r\nX: v\r\r\n\r\n"), 400, "A6: CR at the end of a value"},
	{B("GET / HTTP/1.1\r\nHost: a\r\nX: v\x00\r\n\r\n"), 400, "A6: NUL in a value"},
	{B("GET / HTTP/1.1\r\nHost: a\r\nX\x00: v\r\n\r\n"), 400, "A6: NUL in a name"},
	{B("GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "A6: NUL in the target"},
	{B("GET\x00 / HTTP/1.1\r\nHost: a\r\n\r\n"), 400, "A6: NUL in the method"},
	{B("GET / HTTP/1.1\r\n\x00Host: a\r\n\r\n"), 400, "A6: NUL before a name"},
	{B("GET / HTTP/1.1\r\nHost: a\r\n\x00\r\n\r\n"), 400, "A6: a line of one NUL"},
	{B("GET / HTTP/1.1\r\n\r\n"), 400, "A23: no Host"},
	{B("GET / HTTP/1.0\r\n\r\n"), 400, "A23: no Host in HTTP/1.0"},
	{B("GET / HTTP/1.1\r\nHost: a\r\n"), NEVER_ENDS, "no empty line yet"},
	{B("GET / HTTP/1.1\r\nHost: a\r\n\r"), NEVER_ENDS, "half an end of line"},
};

static void test_whole_heads(void **state)
{
	(void)state;
	RUN(whole, "", "");
}

/* ---- Codings ---- */

static void test_transfer_encoding(void **state)
{
	(void)state;
	RUN(codings, "POST / HTTP/1.1\r\nHost: a\r\n", "\r\n\r\n");
}

static const struct row codings_1_0[] = {
	{B("Transfer-Encoding: chunked"), 400, "A5: HTTP/1.0 has no codings"},
	{B("Transfer-Encoding: gzip"), 400, "A5: none at all"},
	{B("Transfer-Encoding: chunked\r\nContent-Length: 3"), 400, "A5: with a length"},
	{B("Connection: keep-alive\r\nTransfer-Encoding: chunked"), 400, "A5: nor with keep-alive"},
	{B("Content-Length: 3"), 0, "a length is fine"},
	{B("Expect: 100-continue"), 0, "an expectation is not for us"},
};

static void test_codings_in_http_1_0(void **state)
{
	(void)state;
	RUN(codings_1_0, "POST / HTTP/1.0\r\nHost: a\r\n", "\r\n\r\n");
}

/* ---- A21, A23: hosts ---- */

static const struct row targets[] = {
	{B("GET http://a/x HTTP/1.1\r\nHost: a"), 0, "absolute form"},
	{B("GET HTTP://A/x HTTP/1.1\r\nHost: a"), 0, "schemes and hosts have no case"},
	{B("GET http://a:80/x HTTP/1.1\r\nHost: a"), 0, "the scheme's own port says nothing"},
	{B("GET http://a HTTP/1.1\r\nHost: a"), 0, "no path is the root"},
	{B("GET http://a?x=1 HTTP/1.1\r\nHost: a"), 0, "no path, but a query"},
	{B("OPTIONS http://a HTTP/1.1\r\nHost: a"), 0, "no path with OPTIONS is the server itself"},
	{B("GET http://a/x HTTP/1.0\r\nHost: a"), 0, "absolute form in HTTP/1.0"},
	{B("GET http://169.254.169.254/ HTTP/1.1\r\nHost: a"), 0, "A21: another address; who it is for is the gateway's to say"},
	{B("GET http://other/ HTTP/1.1\r\nHost: a"), 0, "A21: the target's host counts"},
	{B("GET http://a/ HTTP/1.1\r\nHost: a b"), 400, "but Host must be one"},
	{B("GET http://a/ HTTP/1.1\r\nHost: a@b"), 400, "whatever the target says"},
	{B("GET http://a/ HTTP/1.1\r\nX: y"), 400, "and be there"},
	{B("GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b"), 400, "once"},
	{B("GET https://a/ HTTP/1.1\r\nHost: a"), 421, "https without TLS"},
	{B("GET https://a/ HTTP/1.1\r\nHost: a:443"), 421, "https without TLS"},
	{B("GET ftp://a/ HTTP/1.1\r\nHost: a"), 400, "another scheme"},
	{B("GET file:///etc/passwd HTTP/1.1\r\nHost: a"), 400, "a file"},
	{B("GET http:/a HTTP/1.1\r\nHost: a"), 400, "one slash"},
	{B("GET http:///x HTTP/1.1\r\nHost: a"), 400, "no authority"},
	{B("GET http:// HTTP/1.1\r\nHost: a"), 400, "a scheme alone"},
	{B("GET http://u@a/ HTTP/1.1\r\nHost: a"), 400, "a user in the target"},
	{B("GET http://a@evil/ HTTP/1.1\r\nHost: a"), 400, "our host as a user"},
	{B("GET http://a\\@evil/ HTTP/1.1\r\nHost: a"), 400, "a backslash ends no host"},
	{B("GET http://a#@evil/ HTTP/1.1\r\nHost: a"), 400, "a fragment in the target"},
	{B("GET http://a/#x HTTP/1.1\r\nHost: a"), 400, "a fragment behind the path"},
	{B("GET http://a;x/ HTTP/1.1\r\nHost: a"), 400, "a parameter of the host"},
	{B("GET http://a/../x HTTP/1.1\r\nHost: a"), 400, "above the root in absolute form"},
	{B("GET @evil/ HTTP/1.1\r\nHost: a"), 400, "A21: a target that becomes a host"},
	{B("GET .evil/ HTTP/1.1\r\nHost: a"), 400, "A21: a target that lengthens a host"},
	{B("GET :80/ HTTP/1.1\r\nHost: a"), 400, "A21: a target that becomes a port"},
	{B("GET evil/ HTTP/1.1\r\nHost: a"), 400, "no slash in front"},
	{B("GET //evil/ HTTP/1.1\r\nHost: a"), 0, "A21: two slashes are one, no host"},
	{B("GET a:80 HTTP/1.1\r\nHost: a"), 400, "authority form is for CONNECT"},
	{B("GET 1.2.3.4:80 HTTP/1.1\r\nHost: a"), 400, "nor with an address"},
	{B("OPTIONS * HTTP/1.1\r\nHost: a"), 0, "A21: OPTIONS *"},
	{B("GET * HTTP/1.1\r\nHost: a"), 400, "* is for OPTIONS"},
	{B("OPTIONS ** HTTP/1.1\r\nHost: a"), 400, "one star only"},
	{B("OPTIONS *?x HTTP/1.1\r\nHost: a"), 400, "no query of *"},
	{B("GET ?x=1 HTTP/1.1\r\nHost: a"), 400, "a query alone"},
	{B("GET /a#frag HTTP/1.1\r\nHost: a"), 400, "A22: a fragment"},
	{B("GET /a?b#frag HTTP/1.1\r\nHost: a"), 400, "A22: a fragment behind a query"},
	{B("GET /\x80 HTTP/1.1\r\nHost: a"), 400, "A22: a byte above 0x7f"},
	{B("GET /?\xff HTTP/1.1\r\nHost: a"), 400, "A22: the same in a query"},
	{B("GET /\xe2\x80\xae HTTP/1.1\r\nHost: a"), 400, "G7: a bidirectional control"},
	{B("GET /\x1b[2J HTTP/1.1\r\nHost: a"), 400, "G7: an escape"},
	{B("GET /\x7f HTTP/1.1\r\nHost: a"), 400, "DEL in the target"},
	{B("GET /redir?u=%0d%0aSet-Cookie:x=1 HTTP/1.1\r\nHost: a"), 0, "G6: escapes in a query are data"},
	{B("GET / HTTP/1.1\r\nHost: a, b"), 400, "A23: two hosts in one"},
	{B("GET / HTTP/1.1\r\nHost: a@b"), 400, "A23: a user"},
	{B("GET / HTTP/1.1\r\nHost: a:99999"), 400, "A23: a port beyond all ports"},
	{B("GET / HTTP/1.1\r\nHost: a b"), 400, "A23: a space"},
	{B("GET / HTTP/1.1\r\nHost: [::1"), 400, "A23: an open bracket"},
	{B("GET / HTTP/1.1\r\nHost:"), 400, "A23: empty"},
	{B("GET / HTTP/1.1\r\nHost: a."), 0, "A23: a trailing dot is normalised"},
	{B("GET / HTTP/1.1\r\nHost: A.Example"), 0, "A23: upper case is normalised"},
	{B("GET / HTTP/1.1\r\nHost: 192.0.2.1"), 0, "A23: an address; who it is for is the gateway's to say"},
	{B("GET / HTTP/1.1\r\nHost:\ta"), 0, "a tab before the host"},
	{B("GET / HTTP/1.1\r\nHost: a \t"), 0, "white space behind the host"},
	{B("GET / HTTP/1.1\r\nHost: a\r\nHost: a"), 400, "A23: two Hosts"},
	{B("GET / HTTP/1.0\r\nHost: a\r\nHost: b"), 400, "A23: two Hosts in HTTP/1.0"},
	{B("GET / HTTP/1.1\r\nHost: a\r\nHost:"), 400, "A23: a second empty Host"},
	{B("GET / HTTP/1.1\r\nHost : a"), 400, "A23: a space before Host's colon"},
	{B("GET / HTTP/1.1\r\n Host: a"), 400, "A23: Host on a folded line"},
};

static void test_targets_and_hosts(void **state)
{
	(void)state;
	RUN(targets, "", "\r\n\r\n");
}

/* ---- Limits ---- */

static unsigned judge_many(struct bed *b, const char *line, unsigned times)
{
	static char in[200000];
	struct request r;
	int len = snprintf(in, sizeof in, "GET / HTTP/1.1\r\nHost: a\r\n");

	for (unsigned i = 0; i < times; i++)
		len += snprintf(in + len, sizeof in - (size_t)len, "%s\r\n", line);
	len += snprintf(in + len, sizeof in - (size_t)len, "\r\n");
	return bed_judge(b, slice_make(in, (size_t)len), false, &r);
}

static unsigned judge_length(struct bed *b, const char *fmt, int n)
{
	static char in[80000], fill[70000];
	struct request r;

	memset(fill, 'a', sizeof fill);
	n = snprintf(in, sizeof in, fmt, n, fill);
	return bed_judge(b, slice_make(in, (size_t)n), false, &r);
}

static void test_limits_are_exact(void **state)
{
	static const struct {
		const char *line;
		unsigned times, want;
		const char *says;
	} many[] = {
		{"x: y", 99, 0, "a hundred fields with Host"},
		{"x: y", 100, 431, "A24: 101 fields"},
		{": y", 10000, 431, "A24: ten thousand empty names, by size"},
		{": y", 100, 400, "A24: a hundred empty names, at the first"},
		{"cookie: a=b", 100, 431, "101 fields, cookies among them"},
		{"cookie: a=1; b=2; c=3", 33, 0, "33 cookies of three crumbs are 99"},
		{"cookie: a=1; b=2; c=3; d=4", 25, 431, "25 cookies of four crumbs are 100, and Host"},
		{"cookie: ;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;", 2, 431, "empty crumbs count"},
		{"x: ;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;", 2, 0, "only cookies have crumbs"},
	};
	static const struct {
		const char *fmt;
		int n;
		unsigned want;
		const char *says;
	} lengths[] = {
		{"GET /%.*s HTTP/1.1\r\nHost: a\r\n\r\n", 8191, 0, "a target of 8192 bytes"},
		{"GET /%.*s HTTP/1.1\r\nHost: a\r\n\r\n", 8192, 414, "A22: a target of 8193 bytes"},
		{"GET /%.*s HTTP/1.1\r\nHost: a\r\n\r\n", 9216, 414, "A22: a target of 9 KiB"},
		{"GET http://a/%.*s HTTP/1.1\r\nHost: a\r\n\r\n", 8192, 414, "in absolute form, too"},
		{"GET / HTTP/1.1\r\nHost: a\r\nx: %.*s\r\n\r\n", 32768 - 32, 0, "a head of 32 KiB"},
		{"GET / HTTP/1.1\r\nHost: a\r\nx: %.*s\r\n\r\n", 32768 - 31, 431, "A24: one byte over 32 KiB"},
		{"GET / HTTP/1.1\r\nHost: a\r\n%.*s: y\r\n\r\n", 32768, 431, "A24: a name of 32 KiB"},
		{"GET / HTTP/1.1\r\nHost: a\r\n%.*s: y\r\n\r\n", 32000, 0, "a long name within the head"},
		{"%.*s / HTTP/1.1\r\nHost: a\r\n\r\n", 5000, 501, "a long method"},
		{"GET / HTTP/1.1\r\nHost: %.*s\r\n\r\n", 300, 400, "a long host"},
	};
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(many); i++)
		if (judge_many(&b, many[i].line, many[i].times) != many[i].want)
			fail_msg("%s (%s)", many[i].says, b.why);
	for (unsigned i = 0; i < ROWS(lengths); i++)
		if (judge_length(&b, lengths[i].fmt, lengths[i].n) != lengths[i].want)
			fail_msg("%s (%s)", lengths[i].says, b.why);
	bed_close(&b);
}

/* The parser is not told that a head was scanned: what the scanner refuses, it refuses as well. */
static void test_parser_does_not_trust_the_scanner(void **state)
{
	static const struct slice heads[] = {
		B(""),
		B("\r\n"),
		B("\r\n\r\n"),
		B("GET / HTTP/1.1\r\n\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a\r\n\r\nX: y\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a\r\n"),
		B("GET / HTTP/1.1\nHost: a\r\n\r\n"),
		B("GET / HTTP/1.1\rHost: a\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a\nXY: z\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a\rXY: z\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a\0XY: z\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
		B("GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n"),
		B("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	};
	struct request r;
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(heads); i++)
		if (h1_request(&b.a, guard_put(&b.guard, heads[i]), &limits, false, &r, &b.why) != 400)
			fail_msg("head %u was not refused", i);
	bed_close(&b);
}

/* ---- What comes out ---- */

static void test_names_and_values(void **state)
{
	struct request r;
	struct bed b;

	(void)state;
	bed_open(&b);
	bed_good(&b, HEAD("GET /a/../B%41?q=%2f&r=..%00 HTTP/1.1\r\nHost: WWW.Example.:8443\r\nX-One:  a\tb \t\r\nX-ONE:\r\nAccept:*/*"),
	     true, &r);
	assert_slice(r.method, "GET");
	assert_slice(r.host, "www.example");
	assert_slice(r.authority, "www.example:8443");
	assert_int_equal(r.port, 8443);
	assert_slice(r.path, "/BA");
	assert_slice(r.target, "/BA?q=%2f&r=..%00");
	assert_slice(r.query, "q=%2f&r=..%00");
	assert_slice(r.raw_target, "/a/../B%41?q=%2f&r=..%00");
	assert_true(r.has_query && r.secure && r.keep_alive && !r.head && !r.expect_continue);
	assert_int_equal(r.minor, 1);
	assert_int_equal(r.fields.n, 4);
	assert_slice(r.fields.at[0].name, "host");
	assert_slice(r.fields.at[1].name, "x-one");
	assert_slice(r.fields.at[1].value, "a\tb");
	assert_slice(r.fields.at[2].name, "x-one");
	assert_slice(r.fields.at[2].value, "");
	assert_slice(r.fields.at[3].value, "*/*");
	bed_close(&b);
}

static void test_forms_of_the_target(void **state)
{
	static const struct {
		const char *line, *path, *target, *query;
	} cases[] = {
		{"GET / ", "/", "/", ""},
		{"GET /? ", "/", "/?", ""},
		{"GET /x?a?b ", "/x", "/x?a?b", "a?b"},
		{"GET http://a ", "/", "/", ""},
		{"GET http://a? ", "/", "/?", ""},
		{"GET http://a?x ", "/", "/?x", "x"},
		{"GET http://a/x?y ", "/x", "/x?y", "y"},
		{"GET http://a/%41 ", "/A", "/A", ""},
		{"OPTIONS http://a ", "*", "*", ""},
		{"OPTIONS http://a/ ", "/", "/", ""},
		{"OPTIONS http://a?x ", "/", "/?x", "x"},
		{"OPTIONS * ", "*", "*", ""},
	};
	struct request r;
	struct bed b;
	char in[100];

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(cases); i++) {
		int n = snprintf(in, sizeof in, "%sHTTP/1.1\r\nHost: a\r\n\r\n", cases[i].line);

		bed_good(&b, slice_make(in, (size_t)n), false, &r);
		assert_slice(r.path, cases[i].path);
		assert_slice(r.target, cases[i].target);
		assert_slice(r.query, cases[i].query);
		assert_int_equal(r.has_query, memchr(r.target.at, '?', r.target.len) != NULL);
		assert_true(slice_starts(slice_of(strchr(in, ' ') + 1), r.raw_target));
	}
	bed_close(&b);
}

static void test_framing_that_comes_out(void **state)
{
	static const struct {
		const char *in;
		enum http_body body;
		uint64_t length;
		bool keep_alive, waits;
		const char *says;
	} cases[] = {
		{"GET / HTTP/1.1", HTTP_BODY_NONE, 0, true, false, "nothing"},
		{"GET / HTTP/1.1\r\nContent-Length: 34", HTTP_BODY_LENGTH, 34, true, false, "A11: a GET with content"},
		{"HEAD / HTTP/1.1\r\nContent-Length: 34", HTTP_BODY_LENGTH, 34, true, false, "A11: a HEAD with content"},
		{"OPTIONS / HTTP/1.1\r\nContent-Length: 34", HTTP_BODY_LENGTH, 34, true, false, "A11: OPTIONS with content"},
		{"DELETE / HTTP/1.1\r\nTransfer-Encoding: chunked", HTTP_BODY_CHUNKED, 0, true, false, "A11: DELETE with content"},
		{"POST / HTTP/1.1\r\nContent-Length: 010", HTTP_BODY_LENGTH, 10, true, false, "A3: leading zeros"},
		{"POST / HTTP/1.1\r\nContent-Length: 0", HTTP_BODY_NONE, 0, true, false, "length zero is nothing"},
		{"POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue", HTTP_BODY_LENGTH, 5, true, true, "A14"},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue", HTTP_BODY_CHUNKED, 0, true, true, "A14"},
		{"GET / HTTP/1.1\r\nExpect: 100-continue", HTTP_BODY_NONE, 0, true, false, "nothing to wait for"},
		{"POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue", HTTP_BODY_LENGTH, 5, false, false, "not in HTTP/1.0"},
		{"GET / HTTP/1.1\r\nConnection: close", HTTP_BODY_NONE, 0, false, false, "close"},
		{"GET / HTTP/1.1\r\nConnection: x, CLOSE", HTTP_BODY_NONE, 0, false, false, "close in a list"},
		{"GET / HTTP/1.1\r\nConnection: keep-alive\r\nConnection: close", HTTP_BODY_NONE, 0, false, false, "close wins"},
		{"GET / HTTP/1.0", HTTP_BODY_NONE, 0, false, false, "HTTP/1.0 ends"},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive", HTTP_BODY_NONE, 0, true, false, "unless asked"},
		{"POST / HTTP/1.0\r\nConnection: keep-alive", HTTP_BODY_NONE, 0, false, false, "A5: content of unknown length"},
		{"PUT / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0", HTTP_BODY_NONE, 0, true, false, "a known length"},
		{"GET / HTTP/1.1\r\nProxy-Connection: close", HTTP_BODY_NONE, 0, true, false, "says nothing"},
	};
	struct request r;
	struct bed b;
	char in[200];

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(cases); i++) {
		int n = snprintf(in, sizeof in, "%s\r\nHost: a\r\n\r\n", cases[i].in);

		bed_good(&b, slice_make(in, (size_t)n), false, &r);
		if (r.body != cases[i].body || r.content_length != cases[i].length || r.keep_alive != cases[i].keep_alive ||
		    r.expect_continue != cases[i].waits)
			fail_msg("row %u: %s", i, cases[i].says);
		assert_int_equal(r.head, cases[i].in[0] == 'H');
	}
	bed_close(&b);
}

/* ---- Memory ---- */

static void test_every_allocation_may_fail(void **state)
{
	static const struct slice in =
		B("GET http://A.example:81/%41/../b%20?c HTTP/1.1\r\nHost: a.example:81\r\n"
		  "a: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\ne: 5\r\nf: 6\r\ng: 7\r\nh: 8\r\ni: 9\r\nj: 10\r\nk: 11\r\nl: 12\r\nm: 13\r\n"
		  "n: 14\r\no: 15\r\np: 16\r\nq: 17\r\nr: 18\r\ns: 19\r\nt: 20\r\nu: 21\r\nv: 22\r\nw: 23\r\nx: 24\r\ny: 25\r\n\r\n");
	struct request r;
	unsigned long n = 0;
	unsigned status;
	struct bed b;

	(void)state;
	bed_open(&b);
	do {
		arena_done(&b.a);
		arena_init(&b.a, &b.budget, 64);
		mem_fail_at(++n);
		status = h1_request(&b.a, guard_put(&b.guard, in), &limits, false, &r, &b.why);
		if (mem_failed()) {
			assert_int_equal(status, 503);
			assert_ptr_equal(b.why, h1_no_memory);
		}
	} while (mem_failed());
	mem_fail_at(0);
	assert_int_equal(status, 0);
	assert_slice(r.path, "/b ");
	assert_true(n > 6);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_heads),
		cmocka_unit_test(test_transfer_encoding),
		cmocka_unit_test(test_codings_in_http_1_0),
		cmocka_unit_test(test_targets_and_hosts),
		cmocka_unit_test(test_limits_are_exact),
		cmocka_unit_test(test_parser_does_not_trust_the_scanner),
		cmocka_unit_test(test_names_and_values),
		cmocka_unit_test(test_forms_of_the_target),
		cmocka_unit_test(test_framing_that_comes_out),
		cmocka_unit_test(test_every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
