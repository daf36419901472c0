/* upstream_h2_test.c -- an origin of HTTP/2 in one process, in order and not, with every allocation failing once.
 *
 * Whatever fails, the client gets whole answers, pages of ours or the end of its connection, and nothing stays allocated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <netinet/tcp.h>

#define MUST(that) assert_true(that)
#include "h2_bed.h"

enum { PREFACE = 24, CONNECTIONS = 16, CONTENT = 20000 };

enum deed { ANSWERS, TRAILS, REFUSES_ONCE, RESETS, LEAVES_ONCE, HANGS_UP, LIES, FLOODS };

struct end {
	int fd;
	struct buf in;
	bool greeted;
};

struct server {
	enum deed deed;
	bool done; /* what is done once */
	struct end ends[CONNECTIONS];
	unsigned n;
};

/* ---- The origin ---- */

static void say(struct end *e, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t n)
{
	const char head[] = {(char)(n >> 16), (char)(n >> 8), (char)n, (char)type, (char)flags, 0, 0, (char)(stream >> 8), (char)stream};

	if (send(e->fd, head, sizeof head, MSG_NOSIGNAL) == (ssize_t)sizeof head && n)
		(void)!send(e->fd, payload, n, MSG_NOSIGNAL);
}

static void answer(struct end *e, uint32_t stream, bool trails)
{
	static const char content[CONTENT];

	say(e, H2_HEADERS, H2_END_HEADERS, stream, "\x88", 1);
	say(e, H2_DATA, 0, stream, content, 16000);
	say(e, H2_DATA, trails ? 0 : H2_END_STREAM, stream, content, CONTENT - 16000);
	if (trails)
		say(e, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, stream, "\x00\x01x\x01y", 5);
}

static void act(struct server *s, struct end *e, uint32_t stream)
{
	bool first = !s->done;

	s->done = true;
	switch (s->deed) {
	case REFUSES_ONCE:
		if (first)
			say(e, H2_RST_STREAM, 0, stream, "\0\0\0\7", 4);
		else
			answer(e, stream, false);
		return;
	case RESETS:
		say(e, H2_HEADERS, H2_END_HEADERS, stream, "\x88", 1);
		say(e, H2_RST_STREAM, 0, stream, "\0\0\0\2", 4);
		return;
	case LEAVES_ONCE:
		if (first)
			say(e, H2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
		else
			answer(e, stream, false);
		return;
	case HANGS_UP:
		shutdown(e->fd, SHUT_RDWR);
		return;
	case LIES:
		say(e, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, stream, "\x88\x0f\x0d\x01" "5", 5);
		return;
	case FLOODS:
		for (unsigned i = 0; i < 3000; i++)
			say(e, 77, 0, 0, "x", 1);
		answer(e, stream, false);
		return;
	default:
		answer(e, stream, s->deed == TRAILS);
	}
}

static void hear(struct server *s, struct end *e)
{
	struct h2_frame f;

	if (!e->greeted) {
		if (buf_len(&e->in) < PREFACE)
			return;
		buf_eat(&e->in, PREFACE);
		e->greeted = true;
		say(e, H2_SETTINGS, 0, 0, "", 0);
	}
	while (buf_len(&e->in) >= H2_FRAME_HEAD) {
		const char *at = e->in.at + e->in.start;

		if (h2_peek(at) > buf_len(&e->in))
			return;
		h2_frame_read(at, &f);
		if (H2_FRAME_HEAD + f.length > buf_len(&e->in))
			return;
		buf_eat(&e->in, H2_FRAME_HEAD + f.length);
		if (f.type == H2_SETTINGS && !(f.flags & H2_ACK))
			say(e, H2_SETTINGS, H2_ACK, 0, "", 0);
		if (f.type == H2_PING && !(f.flags & H2_ACK))
			say(e, H2_PING, H2_ACK, 0, "noticed?", 8);
		if ((f.type == H2_HEADERS || f.type == H2_DATA) && f.flags & H2_END_STREAM)
			act(s, e, f.stream);
	}
}

static void serve(struct server *s, struct bed *b)
{
	static char piece[65536];
	int fd, one = 1;

	while (s->n < CONNECTIONS && (fd = accept4(b->origin_listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		s->ends[s->n] = (struct end){.fd = fd};
		buf_init(&s->ends[s->n++].in, NULL);
	}
	for (unsigned i = 0; i < s->n; i++) {
		ssize_t n = recv(s->ends[i].fd, piece, sizeof piece, MSG_DONTWAIT);

		/* An allocation that is to fail may be ours; it fails once. */
		if (n > 0)
			assert_true(buf_put(&s->ends[i].in, piece, (size_t)n) || buf_put(&s->ends[i].in, piece, (size_t)n));
		hear(s, &s->ends[i]);
	}
}

/* ---- The client ---- */

static const char requests[] = "GET /a HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n"
			       "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ncontent\r\n0\r\n\r\n"
			       "PUT /c HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nend";

static unsigned count(const char *in, size_t n, const char *word)
{
	unsigned found = 0;

	for (const char *at = in; (at = memmem(at, n - (size_t)(at - in), word, strlen(word))); at++)
		found++;
	return found;
}

struct heard {
	unsigned answers, good;
	size_t bytes;
	bool failed; /* the allocation was there, and failed */
};

static struct heard talk(enum deed deed, unsigned long fail_at)
{
	static char got[200000];
	static struct bed bed;
	struct server s = {.deed = deed};
	struct heard heard = {0};

	bed_open(&bed, fail_at);
	bed_origin.http = CONFIG_HTTP_2;
	bed_origin.retries = 1;
	(void)!send(bed.client, requests, sizeof requests - 1, MSG_NOSIGNAL);
	for (int turn = 0; turn < 80; turn++) {
		ssize_t r;

		bed.now_us += turn < 60 ? 1000 : 100000;
		loop_virtual(bed.loop, bed.now_us);
		serve(&s, &bed);
		loop_turn(bed.loop, 0);
		bed_check(&bed);
		r = recv(bed.client, got + heard.bytes, sizeof got - heard.bytes, MSG_DONTWAIT);
		heard.bytes += r > 0 ? (size_t)r : 0;
	}
	heard.answers = count(got, heard.bytes, "HTTP/1.1 ");
	heard.good = count(got, heard.bytes, "HTTP/1.1 200 ");
	/* One of the three has said that he takes them. */
	assert_true(count(got, heard.bytes, "x: y\r\n") == (deed == TRAILS) || fail_at);
	heard.failed = mem_failed();
	bed_close(&bed);
	for (unsigned i = 0; i < s.n; i++) {
		close(s.ends[i].fd);
		buf_done(&s.ends[i].in);
	}
	return heard;
}

/* A request with content that streams cannot be asked again. */
static const struct {
	const char *says;
	enum deed deed;
	unsigned answers, good;
} cases[] = {
	{"in order", ANSWERS, 3, 3},
	{"with trailers", TRAILS, 3, 3},
	{"the first stream is refused", REFUSES_ONCE, 3, 3},
	{"every stream is reset", RESETS, 1, 1},
	{"the first connection ends before its first stream", LEAVES_ONCE, 3, 3},
	{"it hangs up", HANGS_UP, 1, 0},
	{"it announces content and sends none", LIES, 1, 0},
	{"it floods", FLOODS, 1, 0},
};

static void what_an_origin_does(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct heard h = talk(cases[i].deed, 0);

		if (h.answers < cases[i].answers || h.good != cases[i].good)
			fail_msg("%s: %u answers, %u good", cases[i].says, h.answers, h.good);
	}
}

static void every_allocation_may_fail_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		unsigned long n = 1;

		for (;; n++) {
			struct heard h = talk(cases[i].deed, n);

			assert_true(h.answers <= 3 && h.good <= cases[i].good);
			if (!h.failed)
				break;
			assert_true(n < 2000);
		}
		print_message("%s: %lu allocations\n", cases[i].says, n - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_an_origin_does),
		cmocka_unit_test(every_allocation_may_fail_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
