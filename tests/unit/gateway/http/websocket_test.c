/* websocket_test.c -- what is a WebSocket handshake, and what answers it. */
#include "bed.h"
#include "gateway/http/parts.h"

/* ---- WebSocket ---- */

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define ASK "Connection: Upgrade\r\nUpgrade: websocket\r\n"

static void test_websocket_needs_the_whole_handshake(void **state)
{
	static const struct {
		const char *in;
		bool want;
		const char *says;
	} cases[] = {
		{"GET / HTTP/1.1\r\n" ASK KEY VERSION, true, "a handshake"},
		{"GET / HTTP/1.1\r\nConnection: keep-alive, UPGRADE\r\nUpgrade: WebSocket\r\n" KEY VERSION, true, "in other case"},
		{"POST / HTTP/1.1\r\n" ASK KEY VERSION, false, "A19: POST"},
		{"get / HTTP/1.1\r\n" ASK KEY VERSION, false, "A19: not GET"},
		{"GET / HTTP/1.0\r\n" ASK KEY VERSION, false, "HTTP/1.0"},
		{"GET / HTTP/1.1\r\nContent-Length: 3\r\n" ASK KEY VERSION, false, "with content"},
		{"GET / HTTP/1.1\r\nUpgrade: websocket\r\n" KEY VERSION, false, "not in Connection"},
		{"GET / HTTP/1.1\r\nConnection: Upgrade\r\n" KEY VERSION, false, "no Upgrade"},
		{"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: foo\r\n" KEY VERSION, false, "A18: another protocol"},
		{"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" KEY VERSION, false, "A20: h2c"},
		{"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n" KEY VERSION, false, "A20: a choice"},
		{"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n" KEY VERSION, false, "a choice of two fields"},
		{"GET / HTTP/1.1\r\n" ASK KEY "Sec-WebSocket-Version: 777\r\n", false, "A19: version 777"},
		{"GET / HTTP/1.1\r\n" ASK KEY, false, "A19: no version"},
		{"GET / HTTP/1.1\r\n" ASK KEY VERSION VERSION, false, "two versions"},
		{"GET / HTTP/1.1\r\n" ASK VERSION, false, "no key"},
		{"GET / HTTP/1.1\r\n" ASK KEY KEY VERSION, false, "two keys"},
		{"GET / HTTP/1.1\r\n" ASK VERSION "Sec-WebSocket-Key: short\r\n", false, "a short key"},
		{"GET / HTTP/1.1\r\n" ASK VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==\r\n", false, "a key that is not base64"},
		{"GET / HTTP/1.1\r\n" ASK VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQaa\r\n", false, "a key of 18 bytes"},
	};
	struct request r;
	struct bed b;
	char in[300];

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(cases); i++) {
		int n = snprintf(in, sizeof in, "%sHost: a\r\n\r\n", cases[i].in);

		bed_good(&b, slice_make(in, (size_t)n), false, &r);
		if ((r.upgrade == HTTP_UPGRADE_WEBSOCKET) != cases[i].want)
			fail_msg("%s", cases[i].says);
		assert_true(bed_hidden(&r.fields, "upgrade") && bed_hidden(&r.fields, "connection"));
	}
	bed_close(&b);
}

static void test_accept_is_the_standards_own_example(void **state)
{
	static const struct {
		const char *key, *accept;
	} cases[] = {
		{"dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, /* RFC 6455 section 1.3 */
		{"x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="},
		{"AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="},
	};
	char accept[WEBSOCKET_ACCEPT];

	(void)state;
	for (unsigned i = 0; i < ROWS(cases); i++) {
		websocket_accept(slice_of(cases[i].key), accept);
		assert_slice(slice_make(accept, sizeof accept), cases[i].accept);
	}
}

static void test_a_key_of_ours_is_a_key(void **state)
{
	static const uint8_t sample[] = "the sample nonce"; /* RFC 6455 section 1.3 */
	static const uint8_t high[16] = {0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8, 0xf7, 0xf6, 0xf5, 0xf4, 0xf3, 0xf2, 0xf1, 0xf0};
	char key[WEBSOCKET_KEY];

	(void)state;
	websocket_key(sample, key);
	assert_slice(slice_make(key, sizeof key), "dGhlIHNhbXBsZSBub25jZQ==");
	websocket_key(high, key);
	assert_slice(slice_make(key, sizeof key), "//79/Pv6+fj39vX08/Lx8A==");
	assert_true(websocket_is_key(slice_make(key, sizeof key)));
}

static void test_an_origin_agrees_to_what_was_offered(void **state)
{
	static const char protocol[] = "sec-websocket-protocol", extensions[] = "sec-websocket-extensions";
	static const struct {
		const char *asked[2][2], *answered[2][2];
		bool want;
		const char *says;
	} cases[] = {
		{{{0}}, {{0}}, true, "nothing asked, nothing agreed"},
		{{{protocol, "chat, soup"}}, {{0}}, true, "none of those"},
		{{{protocol, "chat, soup"}}, {{protocol, "soup"}}, true, "one of those"},
		{{{protocol, "chat"}, {protocol, "soup"}}, {{protocol, "soup"}}, true, "one of the second line"},
		{{{0}}, {{protocol, "chat"}}, false, "A19: unasked"},
		{{{protocol, "chat"}}, {{protocol, "Chat"}}, false, "another case is another name"},
		{{{protocol, "chat"}}, {{protocol, "chatter"}}, false, "a longer one"},
		{{{protocol, "chatter"}}, {{protocol, "chat"}}, false, "a shorter one"},
		{{{protocol, "chat, soup"}}, {{protocol, "chat, soup"}}, false, "two in a line"},
		{{{protocol, "chat, soup"}}, {{protocol, "chat"}, {protocol, "soup"}}, false, "two in two lines"},
		{{{protocol, "chat"}}, {{protocol, ""}}, false, "an empty one"},
		{{{protocol, "chat,,soup"}}, {{protocol, ""}}, false, "an empty one that was offered"},
		{{{extensions, "permessage-deflate; client_max_window_bits"}}, {{extensions, "permessage-deflate; server_max_window_bits=10"}},
		 true, "an extension with other parameters"},
		{{{extensions, "a, b"}}, {{extensions, "b, a"}}, true, "two extensions"},
		{{{0}}, {{extensions, "permessage-deflate"}}, false, "an extension unasked"},
		{{{extensions, "a"}}, {{extensions, "a, b"}}, false, "one of two unasked"},
		{{{extensions, "a; b"}}, {{extensions, "b"}}, false, "a parameter is no name"},
		{{{extensions, "a"}}, {{extensions, "a,"}}, false, "nothing behind a comma"},
		{{{protocol, "a"}}, {{extensions, "a"}}, false, "a protocol is no extension"},
	};
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(cases); i++) {
		struct fields asked = {0}, answered = {0};

		for (unsigned k = 0; k < 2; k++) {
			if (cases[i].asked[k][0])
				fields_add(&asked, &b.a, slice_of(cases[i].asked[k][0]), slice_of(cases[i].asked[k][1]));
			if (cases[i].answered[k][0])
				fields_add(&answered, &b.a, slice_of(cases[i].answered[k][0]), slice_of(cases[i].answered[k][1]));
		}
		if (websocket_agrees(&asked, &answered) != cases[i].want)
			fail_msg("%s", cases[i].says);
	}
	bed_close(&b);
}

static void test_where_a_frame_may_stand(void **state)
{
	static const struct {
		struct slice in;
		bool between;
		const char *says;
	} cases[] = {
		{B(""), true, "before the first"},
		{B("\x81"), false, "a byte of a head"},
		{B("\x81\0"), true, "an empty frame"},
		{B("\x81\x02"), false, "no payload yet"},
		{B("\x81\x02h"), false, "half a payload"},
		{B("\x81\x02hi"), true, "a frame"},
		{B("\x81\x02hi\x01"), false, "a frame and a byte"},
		{B("\x01\x01h\x80\x01i"), true, "fragments"},
		{B("\x01\x01h"), true, "between fragments a control frame may stand (section 5.4)"},
		{B("\x82\x7e\0\x03xy"), false, "two bytes of length, payload short"},
		{B("\x82\x7e\0\x03xyz"), true, "two bytes of length"},
		{B("\x82\x7e\0"), false, "half a length"},
		{B("\x82\x7f\0\0\0\0\0\0\0\x02xy"), true, "eight bytes of length"},
		{B("\x82\x7f\0\0\0\0\0\0\x02\0xy"), false, "512 bytes, two are here"},
		{B("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xffxy"), false, "more than there will ever be"},
		{B("\x81\x82mask12"), true, "a masked one, which no server sends"},
		{B("\x81\x82mask1"), false, "half of it"},
		{B("\x88\x02\x03\xe8"), false, "behind Close nothing may stand"},
		{B("\x88\0\x81\0"), false, "whatever follows it"},
		{B("\x89\0\x8a\0"), true, "ping and pong"},
	};

	(void)state;
	for (unsigned i = 0; i < ROWS(cases); i++)
		for (size_t cut = 0; cut <= cases[i].in.len; cut++) {
			struct websocket_place p = {0};

			websocket_follow(&p, slice_first(cases[i].in, cut));
			websocket_follow(&p, slice_after(cases[i].in, cut));
			if (websocket_is_between(&p) != cases[i].between)
				fail_msg("%s", cases[i].says);
		}
}

static void test_pages_of_the_same_origin(void **state)
{
	static const struct {
		const char *origin, *authority;
		bool secure, same, is_one;
	} cases[] = {
		{"https://a.example", "a.example", true, true, true},
		{"https://a.example:443", "a.example", true, true, true},
		{"https://a.example:8443", "a.example:8443", true, true, true},
		{"https://[2001:db8::1]", "[2001:db8::1]", true, true, true},
		{"http://a.example", "a.example", false, true, true},
		{"http://a.example:80", "a.example", false, true, true},
		{"https://a.example", "a.example", false, true, true}, /* TLS ends before us */
		{"http://a.example", "a.example", true, false, true},
		{"http://a.example:443", "a.example", false, false, true},
		{"https://a.example:80", "a.example", true, false, true},
		{"https://a.example:8443", "a.example", true, false, true},
		{"https://b.a.example", "a.example", true, false, true},
		{"https://a.example.b", "a.example", true, false, true},
		{"https://aa.example", "a.example", true, false, true},
		{"https://A.example", "a.example", true, false, false},
		{"HTTPS://a.example", "a.example", true, false, false},
		{"https://a.example/", "a.example", true, false, false},
		{"https://u@a.example", "a.example", true, false, false},
		{"https://", "a.example", true, false, false},
		{"a.example", "a.example", true, false, false},
		{"null", "null", true, false, false},
		{"", "a.example", true, false, false},
		{"wss://a.example", "a.example", true, false, false},
		{"https://a.example https://b.example", "a.example", true, false, false},
	};

	(void)state;
	for (unsigned i = 0; i < ROWS(cases); i++) {
		struct slice origin = slice_of(cases[i].origin);

		if (websocket_is_origin(origin) != cases[i].is_one ||
		    websocket_is_same_origin(origin, slice_of(cases[i].authority), cases[i].secure) != cases[i].same)
			fail_msg("\"%s\" and %s", cases[i].origin, cases[i].authority);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_websocket_needs_the_whole_handshake),
		cmocka_unit_test(test_accept_is_the_standards_own_example),
		cmocka_unit_test(test_a_key_of_ours_is_a_key),
		cmocka_unit_test(test_an_origin_agrees_to_what_was_offered),
		cmocka_unit_test(test_where_a_frame_may_stand),
		cmocka_unit_test(test_pages_of_the_same_origin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
