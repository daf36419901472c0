/* section_test.c -- field lines: which are refused, which travel on. */
#include "bed.h"

/* ---- Field lines, between a good request line and the end ---- */

static const struct row lines[] = {
	/* A7 */
	{B("X: v"), 0, "an ordinary field"},
	{B("X:v"), 0, "no space is needed"},
	{B("X:  \t v \t "), 0, "white space around a value is not the value"},
	{B("X:"), 0, "an empty value"},
	{B("X: \xe4\xb8\xad\xff"), 0, "bytes above 0x7f in a value are data"},
	{B("X: a\tb"), 0, "a tab within a value"},
	{B("X : v"), 400, "A7: space before the colon"},
	{B("X\t: v"), 400, "A7: tab before the colon"},
	{B("Content-Length : 34"), 400, "A7: space before the colon of a framing field"},
	{B(" X: v"), 400, "A7: a folded line"},
	{B("\tX: v"), 400, "A7: a line folded with a tab"},
	{B("X: a\r\n b"), 400, "A7: folding"},
	{B("X: a\r\n\tb"), 400, "A7: folding with a tab"},
	{B("X: a\r\n "), 400, "A7: an empty folded line"},
	{B("X"), 400, "A7: no colon"},
	{B(": v"), 400, "A7: no name"},
	{B(":"), 400, "A7: a colon alone"},
	{B("Con\x85tent: v"), 400, "A7: a byte above 0x7f in a name"},
	{B("\xef\xbb\xbfX: v"), 400, "a byte order mark before a name"},
	{B("X(: v"), 400, "a delimiter in a name"},
	{B("X/Y: v"), 400, "a slash in a name"},
	{B("X@Y: v"), 400, "an at sign in a name"},
	{B("\"X\": v"), 400, "a quoted name"},
	{B("X Y: v"), 400, "a space in a name"},
	{B("X: a\x01""b"), 400, "a control character in a value"},
	{B("X: a\x0b""b"), 400, "a vertical tab in a value"},
	{B("X: a\x0c""b"), 400, "a form feed in a value"},
	{B("X: a\x1b[2J"), 400, "G7: an escape in a value"},
	{B("X: a\x7f"), 400, "DEL in a value"},
	{B("X: a\x08"), 400, "a backspace in a value"},
	{B("GET /admin HTTP/1.1"), 400, "a request line for a field"},
	{B("!#$%&'*+-^`|~09azAZ: v"), 0, "every token byte but _ and . in a name"},

	/* A1 to A3, A12 */
	{B("Content-Length: 5"), 0, "a length"},
	{B("Content-Length:5"), 0, "a length without space"},
	{B("CONTENT-LENGTH: 5"), 0, "names have no case"},
	{B("Content-Length: 0"), 0, "length zero"},
	{B("Content-Length: 010"), 0, "A3: leading zeros are decimal; a number goes upstream"},
	{B("Content-Length: 9223372036854775807"), 0, "the largest length"},
	{B("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400, "A1: CL.TE"},
	{B("Transfer-Encoding: chunked\r\nContent-Length: 5"), 400, "A1: TE.CL"},
	{B("Content-Length: 0\r\nTransfer-Encoding: chunked"), 400, "A1: a length of zero and a coding"},
	{B("Content-Length: 5\r\nTransfer-Encoding: identity"), 400, "A1: a length and any coding"},
	{B("Content-Length:\r\nTransfer-Encoding: chunked"), 400, "A1: an empty length and a coding"},
	{B("Content-Length: 0\r\nContent-Length: 44"), 400, "A2: two lengths"},
	{B("Content-Length: 5\r\nContent-Length: 5"), 400, "A2: two equal lengths"},
	{B("Content-Length:\r\nContent-Length: 59"), 400, "A2: an empty length, then another"},
	{B("Content-Length: 59\r\nContent-Length:"), 400, "A2: a length, then an empty one"},
	{B("Content-Length: 5\r\ncontent-length: 5"), 400, "A2: two lengths in different case"},
	{B("Content-Length: 5, 5"), 400, "A2: a list of equal lengths"},
	{B("Content-Length: 5,5"), 400, "A2: a list without space"},
	{B("Content-Length: 5,6"), 400, "A2: a list of lengths"},
	{B("Content-Length: ,5"), 400, "A2: a list with an empty element"},
	{B("Content-Length: 5,"), 400, "A2: a list that ends with a comma"},
	{B("Content-Length: +5"), 400, "A3: a plus sign"},
	{B("Content-Length: -48"), 400, "A3: a minus sign"},
	{B("Content-Length: -0"), 400, "A3: minus zero"},
	{B("Content-Length: 0x10"), 400, "A3: hexadecimal"},
	{B("Content-Length: 5_0"), 400, "A3: an underscore between digits"},
	{B("Content-Length: 5e0"), 400, "A3: an exponent"},
	{B("Content-Length: 5.0"), 400, "A3: a fraction"},
	{B("Content-Length: 1Z"), 400, "A3: a letter behind"},
	{B("Content-Length:"), 400, "A3: empty"},
	{B("Content-Length: "), 400, "A3: a space alone"},
	{B("Content-Length: \"5\""), 400, "A3: quoted"},
	{B("Content-Length: 5 5"), 400, "A3: a space between digits"},
	{B("Content-Length: 18446744073709551617"), 400, "A3: 2^64+1"},
	{B("Content-Length: 18446744073709551615"), 400, "2^64-1"},
	{B("Content-Length: 9223372036854775808"), 400, "2^63"},
	{B("Content-Length: 000000000000000000005"), 400, "A3: 20 zeros, then 5"},
	{B("Content-Length: 5;"), 400, "a parameter"},
	{B("Content-Length: NotDigits"), 400, "no digits"},
	{B("Content-Length: \xd9\xa3"), 400, "a digit of another script"},
	{B("Content-Length: 5\x0b"), 400, "a vertical tab behind"},
	{B("Content-Length: \x0c""5"), 400, "a form feed before"},
	{B("Content-Length: 5\x00"), 400, "a NUL behind"},
	{B("Content-Length:\t5"), 0, "a tab before"},
	{B("Content-Length: 5 "), 0, "a space behind"},
	{B("Content-Length: 5\t"), 0, "a tab behind"},
	{B("Content_Length: 5"), 400, "G3: a look-alike length"},
	{B("Content.Length: 5"), 400, "G3: a look-alike length with a dot"},
	{B("Content-Length\x00: 5"), 400, "a NUL behind the name"},
	{B("Content-Length:\r\n 7"), 400, "A12: a length on a folded line"},
	{B("X: x\nContent-Length: 7"), 400, "A12: a length behind a bare LF"},
	{B("X: x\r\n Content-Length: 7"), 400, "A12: a length as a folded line"},
	{B("X: x\rContent-Length: 7"), 400, "A12: a length behind a bare CR"},
	{B("Content-Length:\r\n 7\r\nExpect: 100-continue"), 400, "A12: with an expectation"},

	/* A14 */
	{B("Expect: 100-continue"), 0, "the one expectation"},
	{B("Expect: 100-Continue"), 0, "has no case"},
	{B("Expect: y 100-continue"), 417, "A14: something before it"},
	{B("Expect: 100-continue, x"), 417, "A14: a list"},
	{B("Expect: 100-continue;q=1"), 417, "A14: a parameter"},
	{B("Expect: 200-ok"), 417, "A14: another expectation"},
	{B("Expect:"), 417, "A14: an empty expectation"},
	{B("Expect: 100-continue\r\nExpect: 100-continue"), 417, "A14: two expectations"},
	{B("Expect:\r\n 100-continue"), 400, "A14: on a folded line"},

	/* G2, F1 and other lists */
	{B("Connection: close, X-Forwarded-For, X-Auth-User, Host, Content-Length, Cookie"), 0, "G2: names, harmless"},
	{B("Connection: keep-alive,, close,"), 0, "empty elements"},
	{B("Connection: a b"), 400, "Connection is a list of names"},
	{B("Connection: close;x"), 400, "Connection has no parameters"},
	{B("Connection: \"close\""), 400, "Connection has no quoted names"},
	{B("Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p"), 0, "sixteen names"},
	{B("Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"), 400, "seventeen names"},
	{B("Connection: a,b,c,d,e,f,g,h\r\nConnection: a,b,c,d,e,f,g,h,i"), 400, "seventeen names in two fields"},
	{B("Connection: ,,,,,,,,,,,,,,,,,"), 400, "empty elements count"},
	{B("Content-Type: a/b\r\nContent-Type: c/d"), 400, "F1: two media types"},
	{B("Content-Type: a/b\r\ncontent-type: a/b"), 400, "F1: two equal media types"},
	{B("Authorization: a\r\nAuthorization: b"), 400, "two credentials"},
	{B("Host: a"), 400, "A23: a second Host"},
	{B("host: b"), 400, "A23: a second Host in other case"},

	/* G3 */
	{B("Transfer_Encoding: chunked"), 400, "A4, G3: a look-alike coding"},
	{B("Transfer.Encoding: chunked"), 400, "G3: a look-alike coding with a dot"},
	{B("X_Forwarded_For: 127.0.0.1"), 400, "G3: a look-alike address"},
	{B("X-Forwarded_For: 127.0.0.1"), 400, "G3: half a look-alike"},
	{B("X_Forwarded_Anything: 1"), 400, "G3: a look-alike of the family"},
	{B("X.Real.IP: 127.0.0.1"), 400, "G3: dots"},
	{B("X__Real__Ip: 127.0.0.1"), 400, "G3: doubled underscores"},
	{B("Ho_st: b"), 400, "G3: folding takes the underscore away"},
	{B("_Host: b"), 400, "G3: an underscore in front"},
	{B("Cookie_: a=b"), 400, "G3: an underscore behind"},
	{B("True_Client_IP: 127.0.0.1"), 400, "G3: another address"},
	{B("Content_Type: a/b"), 400, "G3: a look-alike media type"},
	{B("Proxy_: http://evil"), 400, "G9: a look-alike of httpoxy"},
	{B("X!Forwarded!For: 127.0.0.1"), 400, "G3: some read every sign as one"},
	{B("X-Forwarded~For: 127.0.0.1"), 400, "G3: a tilde"},
	{B("Content`Length: 5"), 400, "G3: a backtick"},
	{B("Authorization': x"), 400, "G3: a quote behind"},
	{B("X_Auth_User: root"), 0, "G3: an unknown name is not refused, but hidden"},
	{B("X.Auth.User: root"), 0, "G3: neither with dots"},
	{B("X$Auth$User: root"), 0, "G3: nor with other signs"},
	{B("X-Auth-User\x00: root"), 400, "G3: a NUL behind a name"},
	{B("X-Auth-User : root"), 400, "G3: a space behind a name"},
};

static void test_field_lines(void **state)
{
	(void)state;
	RUN(lines, "POST / HTTP/1.1\r\nHost: a\r\n", "\r\n\r\n");
}

/* ---- What is hidden ---- */

static const struct {
	const char *lines, *name;
	bool hidden;
	const char *says;
} hiding[] = {
	{"Connection: close", "connection", true, "hop by hop"},
	{"Keep-Alive: 5", "keep-alive", true, "hop by hop"},
	{"Proxy-Connection: keep-alive", "proxy-connection", true, "hop by hop"},
	{"TE: trailers", "te", true, "hop by hop"},
	{"Trailer: x", "trailer", true, "hop by hop"},
	{"Upgrade: h2c", "upgrade", true, "A20: no h2c"},
	{"Upgrade: TLS/1.0", "upgrade", true, "A20: no TLS within"},
	{"HTTP2-Settings: AAMAAABkAAQAAP__", "http2-settings", true, "A20: its settings"},
	{"Content-Length: 3", "content-length", true, "framing is written anew"},
	{"Transfer-Encoding: chunked", "transfer-encoding", true, "framing is written anew"},
	{"Expect: 100-continue", "expect", true, "A14: answered here"},
	{"Proxy-Authorization: Basic eA==", "proxy-authorization", true, "for a proxy"},
	{"Proxy: http://evil/", "proxy", true, "G9: httpoxy"},
	{"X-Accel-Redirect: /x", "x-accel-redirect", true, "G9: an order to a proxy"},
	{"X-Accel-Buffering: no", "x-accel-buffering", true, "G9: of the same family"},
	{"X-Sendfile: /etc/passwd", "x-sendfile", true, "G9: an order to a server"},
	{"X-Sendfile-Type: X", "x-sendfile-type", true, "G9: of the same family"},
	{"Surrogate-Control: x", "surrogate-control", true, "G9: an order to a cache"},
	{"Surrogate-Capability: x", "surrogate-capability", true, "G9: of the same family"},
	{"Early-Data: 1", "early-data", true, "ours to say"},
	{"X_Auth_User: root", "x_auth_user", true, "G3: no origin reads it"},
	{"X.Auth.User: root", "x.auth.user", true, "G3: no origin reads it"},
	{"X-Auth-User: root", "x-auth-user", false, "G3: the plain name is the client's own"},
	{"Connection: X-Auth-User\r\nX-Auth-User: root", "x-auth-user", true, "G2: named in Connection"},
	{"X-Auth-User: root\r\nConnection: x-auth-user", "x-auth-user", true, "G2: named afterwards"},
	{"X-A: 1\r\nX-a: 2\r\nConnection: X-A", "x-a", true, "G2: every field of that name"},
	{"Connection: X-Forwarded-For\r\nX-Forwarded-For: 1", "x-forwarded-for", false, "G2: not for Connection to hide"},
	{"Connection: X-Forwarded-New\r\nX-Forwarded-New: 1", "x-forwarded-new", false, "G2: nor its family"},
	{"Connection: X-Real-IP\r\nX-Real-IP: 1", "x-real-ip", false, "G2: nor another address"},
	{"Connection: Cookie\r\nCookie: a=b", "cookie", false, "G2: nor a cookie"},
	{"Connection: Authorization\r\nAuthorization: x", "authorization", false, "G2: nor credentials"},
	{"Connection: Content-Type\r\nContent-Type: a/b", "content-type", false, "G2: nor a media type"},
	{"Connection: User-Agent\r\nUser-Agent: x", "user-agent", false, "G2: nor anything relied on"},
	{"Connection: Sec-Fetch-Site\r\nSec-Fetch-Site: x", "sec-fetch-site", false, "G2: nor the browser's word"},
	{"Connection: close\r\nClose: x", "close", false, "an option is no name"},
	{"Via: 1.1 x", "via", false, "a client may have come through others"},
	{"Server: x", "server", false, "means nothing in a request"},
	{"X-Forwarded-For: 127.0.0.1", "x-forwarded-for", false, "G1: the identity step's to hide"},
	{"Sec-WebSocket-Key: x", "sec-websocket-key", false, "end to end"},
};

static void test_what_is_hidden(void **state)
{
	struct request r;
	struct bed b;
	char in[200];

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(hiding); i++) {
		int n = snprintf(in, sizeof in, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", hiding[i].lines);

		bed_good(&b, slice_make(in, (size_t)n), false, &r);
		assert_non_null(bed_value(&r.fields, hiding[i].name).at);
		if (bed_hidden(&r.fields, hiding[i].name) != hiding[i].hidden)
			fail_msg("%s: %s", hiding[i].lines, hiding[i].says);
		assert_true(bed_hidden(&r.fields, "host"));
	}
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_field_lines),
		cmocka_unit_test(test_what_is_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
