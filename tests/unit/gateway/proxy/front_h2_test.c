/* front_h2_test.c -- an HTTP/2 connection in one process, with every allocation failing once.
 *
 * Whatever fails, the client gets whole answers, resets or the end of its connection, and nothing stays allocated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MUST(that) assert_true(that)
#include "h2_bed.h"

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0";

/* Appends a frame. */
static size_t frame(char *to, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t n)
{
	const char head[] = {(char)(n >> 16), (char)(n >> 8), (char)n, (char)type, (char)flags, 0, 0, (char)(stream >> 8), (char)stream};

	memcpy(to, head, H2_FRAME_HEAD);
	memcpy(to + H2_FRAME_HEAD, payload, n);
	return H2_FRAME_HEAD + n;
}

/* A GET that is whole, and a POST with content in two frames. */
static size_t conversation(char *to)
{
	size_t n = sizeof preface;

	memcpy(to, preface, n);
	n += frame(to + n, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, 1, "\x82\x86\x84\x41\x01\x61", 6);
	n += frame(to + n, H2_HEADERS, H2_END_HEADERS, 3, "\x83\x86\x84\x41\x01\x61", 6);
	n += frame(to + n, H2_DATA, 0, 3, "more", 4);
	return n + frame(to + n, H2_DATA, H2_END_STREAM, 3, "end", 3);
}

struct heard {
	unsigned whole, resets, goaways;
	size_t content;
	bool closed;
};

/* Count what the frames say; they are well-formed. */
static void hear(const char *at, size_t n, struct heard *out)
{
	struct h2_frame f;

	while (n >= H2_FRAME_HEAD) {
		assert_true(h2_peek(at) <= n);
		h2_frame_read(at, &f);
		if (H2_FRAME_HEAD + f.length > n)
			break;
		out->resets += f.type == H2_RST_STREAM;
		out->goaways += f.type == H2_GOAWAY;
		out->content += f.type == H2_DATA ? f.length : 0;
		out->whole += f.type == H2_DATA && f.flags & H2_END_STREAM;
		at += H2_FRAME_HEAD + f.length;
		n -= H2_FRAME_HEAD + f.length;
	}
	/* Half a frame only where the connection was cut. */
	assert_true(n == 0 || out->closed);
}

static struct heard talk(unsigned long fail_at)
{
	static char text[1024], got[400000];
	struct heard heard = {0};
	static struct bed bed;
	size_t len = conversation(text), n = 0;

	bed_open(&bed, fail_at);
	assert_true(send(bed.client, text, len, MSG_NOSIGNAL) == (ssize_t)len || fail_at);
	for (int turn = 0; turn < 60 && !heard.closed; turn++) {
		ssize_t r;

		bed_turn(&bed, turn < 30 ? 1 : 100);
		r = recv(bed.client, got + n, sizeof got - n, MSG_DONTWAIT);
		n += r > 0 ? (size_t)r : 0;
		heard.closed = r == 0 || (r < 0 && errno != EAGAIN);
	}
	hear(got, n, &heard);
	bed_close(&bed);
	return heard;
}

static void requests_are_answered_and_the_connection_ends(void **state)
{
	struct heard heard = talk(0);

	(void)state;
	assert_int_equal(heard.whole, 2);
	assert_int_equal(heard.content, 40000);
	assert_int_equal(heard.resets, 0);
	assert_int_equal(heard.goaways, 1);
	assert_true(heard.closed);
}

static void every_allocation_may_fail_once(void **state)
{
	unsigned long n;

	(void)state;
	for (n = 1;; n++) {
		static char text[1024];
		static struct bed bed;
		bool failed;

		/* The whole conversation; mem_failed is asked before the bed forgets it. */
		bed_open(&bed, n);
		(void)!send(bed.client, text, conversation(text), MSG_NOSIGNAL);
		for (int turn = 0; turn < 40; turn++)
			bed_turn(&bed, turn < 30 ? 1 : 100);
		failed = mem_failed();
		bed_close(&bed);
		if (!failed)
			break;
		assert_true(n < 1000);
	}
	/* Exchanges, buffers, connections to the origin: there was something to fail. */
	assert_true(n > 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_answered_and_the_connection_ends),
		cmocka_unit_test(every_allocation_may_fail_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
