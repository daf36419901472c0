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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_websocket_needs_the_whole_handshake),
		cmocka_unit_test(test_accept_is_the_standards_own_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
