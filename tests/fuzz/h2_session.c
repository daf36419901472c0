/* h2_session.c -- fuzz: an HTTP/2 connection, from frames to an origin.
 *
 * Whatever a client sends: memory, buffers and streams stay within their bounds, never more than a hundred requests
 * are at work at the origin, each byte the origin gets belongs to a well-formed request, and when the connection is
 * over nothing is left.
 *
 * Input: steps, each a byte and what it needs: frames of any kind on any stream, requests that are in order, raw
 * bytes, time, reading or not. */
#include "fuzz.h"

#include "tests/unit/gateway/proxy/h2_bed.h"

struct script {
	const uint8_t *at, *end;
	struct bed *bed;
	uint32_t next; /* stream */
};

static uint8_t byte(struct script *s)
{
	return s->at < s->end ? *s->at++ : 0;
}

/* What does not fit is lost, as it would be if the gateway had closed. */
static void put(struct script *s, const void *bytes, size_t n)
{
	if (send(s->bed->client, bytes, n, MSG_NOSIGNAL) < 0)
		return;
}

static void frame(struct script *s, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t n)
{
	uint8_t head[H2_FRAME_HEAD] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, type, flags,
				       (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};

	put(s, head, sizeof head);
	put(s, payload, n);
}

static size_t rest(const struct script *s, size_t most)
{
	size_t n = (size_t)(s->end - s->at);

	return n < most ? n : most;
}

/* ":method GET" or POST, ":scheme http", ":path /", ":authority a" by the static table, and what the input adds. */
static void request(struct script *s, bool ended)
{
	uint8_t block[300] = {ended ? 0x82 : 0x83, 0x86, 0x84, 0x41, 0x01, 'a'};
	size_t n = rest(s, byte(s) % 200);

	memcpy(block + 6, s->at, n);
	s->at += n;
	frame(s, H2_HEADERS, (uint8_t)(H2_END_HEADERS | ended), s->next, block, 6 + n);
	s->next += 2;
}

static void any_frame(struct script *s)
{
	uint8_t type = byte(s), flags = byte(s);
	uint32_t stream = byte(s);
	size_t n = rest(s, byte(s));

	frame(s, type % 20, flags, stream, s->at, n);
	s->at += n;
}

static void content(struct script *s)
{
	static const uint8_t zeros[H2_FRAME_MOST];
	uint32_t stream = byte(s);
	size_t n = (size_t)byte(s) * 64;

	frame(s, H2_DATA, byte(s) & 1, stream, zeros, n);
}

static void window(struct script *s)
{
	uint32_t stream = byte(s);
	uint8_t more[4] = {0, 0, byte(s), byte(s)};

	frame(s, H2_WINDOW_UPDATE, 0, stream, more, sizeof more);
}

static void setting(struct script *s)
{
	uint8_t one[6] = {0, byte(s) % 10, 0, 0, byte(s), byte(s)};

	frame(s, H2_SETTINGS, 0, 0, one, sizeof one);
}

static void read_away(struct script *s)
{
	static char trash[65536];

	while (recv(s->bed->client, trash, sizeof trash, MSG_DONTWAIT) > 0)
		;
}

static void step(struct script *s)
{
	uint8_t what = byte(s);

	switch (what % 12) {
	case 0:
		any_frame(s);
		break;
	case 1:
	case 2:
		request(s, what % 12 == 1);
		break;
	case 3:
		content(s);
		break;
	case 4:
		window(s);
		break;
	case 5:
		setting(s);
		break;
	case 6:
		bed_turn(s->bed, byte(s) * 8);
		break;
	case 7:
		read_away(s);
		break;
	case 8:
		frame(s, H2_RST_STREAM, 0, byte(s), "\0\0\0\x08", 4);
		break;
	case 9:
		s->bed->deaf = !s->bed->deaf;
		break;
	case 10:
		put(s, s->at, rest(s, 1 + what / 12));
		s->at += rest(s, 1 + what / 12);
		break;
	default:
		bed_turn(s->bed, 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	static struct bed bed;
	struct script s = {bytes, bytes + n, &bed, 1};
	uint8_t mode = byte(&s);

	bed_open(&bed, mode & 1 ? 1 + byte(&s) : 0);
	put(&s, preface, 24);
	frame(&s, H2_SETTINGS, 0, 0, "\0\x04\0\0\0\0", mode & 2 ? 6 : 0);
	for (unsigned steps = 0; s.at < s.end && steps < 400; steps++)
		step(&s);
	for (int i = 0; i < 4; i++)
		bed_turn(&bed, 0);
	read_away(&s);
	/* Long after, nobody is here any more. */
	bed.deaf = false;
	for (int i = 0; i < 12; i++) {
		bed_turn(&bed, 300);
		read_away(&s);
	}
	bed_close(&bed);
	return 0;
}
