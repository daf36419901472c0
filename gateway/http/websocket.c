/* websocket.c -- the WebSocket opening handshake (RFC 6455 section 4): its one computation, what the two sides agree
 * on, and whose pages may begin one; and of what follows, where frames end.
 *
 * SHA-1 (FIPS 180-4) is no protection here and is used for nothing else: it shows that
 * the origin has read the key and means to speak this protocol. */
#include "gateway/http/bytes.h"
#include "gateway/http/websocket.h"

static uint32_t turn(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static void sha1_block(uint32_t h[5], const uint8_t block[64])
{
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

	for (unsigned i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
		       (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (unsigned i = 16; i < 80; i++)
		w[i] = turn(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (unsigned i = 0; i < 80; i++) {
		uint32_t mix = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
			       : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
			       : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
					: (b ^ c ^ d) + 0xca62c1d6;

		mix += turn(a, 5) + e + w[i];
		e = d;
		d = c;
		c = turn(b, 30);
		b = a;
		a = mix;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

/* Of exactly 60 bytes: a key and the protocol's GUID.  With the padding that is two blocks. */
static void sha1_60(const uint8_t in[60], uint8_t out[21])
{
	uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
	uint8_t padded[128] = {0};

	memcpy(padded, in, 60);
	padded[60] = 0x80;
	padded[126] = 60 * 8 >> 8;
	padded[127] = 60 * 8 & 0xff;
	sha1_block(h, padded);
	sha1_block(h, padded + 64);
	for (unsigned i = 0; i < 20; i++)
		out[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
	out[20] = 0;
}

static bool is_base64(char c)
{
	return byte_is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '+' || c == '/';
}

bool websocket_is_key(struct slice key)
{
	if (key.len != 24 || key.at[22] != '=' || key.at[23] != '=')
		return false;
	for (unsigned i = 0; i < 22; i++)
		if (!is_base64(key.at[i]))
			return false;
	return true;
}

/* Three bytes in base64 (RFC 4648 section 4). */
static void write_three(const uint8_t in[3], char out[4])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t three = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];

	for (unsigned k = 0; k < 4; k++)
		out[k] = digits[three >> (18 - 6 * k) & 63];
}

void websocket_accept(struct slice key, char out[WEBSOCKET_ACCEPT])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t in[60], hash[21];

	memcpy(in, key.at, 24);
	memcpy(in + 24, guid, 36);
	sha1_60(in, hash);
	for (unsigned i = 0; i < 7; i++)
		write_three(hash + 3 * i, out + 4 * i);
	out[27] = '=';
}

void websocket_key(const uint8_t random[16], char out[WEBSOCKET_KEY])
{
	uint8_t in[18] = {0};

	memcpy(in, random, 16);
	for (unsigned i = 0; i < 6; i++)
		write_three(in + 3 * i, out + 4 * i);
	out[22] = out[23] = '=';
}

/* ---- What is agreed on ---- */

/* The name of a subprotocol, or of an extension before its parameters. */
static struct slice name_of(struct slice element)
{
	return slice_trim(slice_first(element, slice_find(element, ';')));
}

static bool is_offered(const struct fields *asked, struct slice field, struct slice name)
{
	const struct field *f;
	struct slice rest, one;
	uint32_t i = 0;

	while ((f = fields_next(asked, field, &i)) != NULL)
		for (rest = f->value; slice_cut(&rest, ',', &one);)
			if (slice_eq(name_of(one), name))
				return true;
	return false;
}

/* Every element of the answer's field was offered; `most` of them. */
static bool only_offered(const struct fields *asked, const struct fields *answered, struct slice field, unsigned most)
{
	const struct field *f;
	struct slice rest, one;
	uint32_t i = 0;
	unsigned n = 0;

	while ((f = fields_next(answered, field, &i)) != NULL)
		for (rest = f->value; slice_cut(&rest, ',', &one);)
			if (++n > most || !name_of(one).len || !is_offered(asked, field, name_of(one)))
				return false;
	return true;
}

bool websocket_agrees(const struct fields *asked, const struct fields *answered)
{
	return only_offered(asked, answered, SLICE("sec-websocket-protocol"), 1) &&
	       only_offered(asked, answered, SLICE("sec-websocket-extensions"), 16);
}

/* ---- Where frames end ---- */

enum { OPCODE = 15, CLOSE = 8, MASKED = 128, LENGTH = 127, LENGTH_16 = 126, LENGTH_64 = 127 };

static unsigned length_bytes(const uint8_t *head)
{
	return (head[1] & LENGTH) == LENGTH_16 ? 2 : (head[1] & LENGTH) == LENGTH_64 ? 8 : 0;
}

static uint64_t payload_of(const uint8_t *head)
{
	unsigned n = length_bytes(head);
	uint64_t length = n ? 0 : head[1] & LENGTH;

	for (unsigned i = 0; i < n; i++)
		length = length << 8 | head[2 + i];
	return length;
}

static void follow_head(struct websocket_place *p, uint8_t byte)
{
	p->head[p->have++] = byte;
	if (p->have < 2 || p->have < 2 + length_bytes(p->head) + (p->head[1] & MASKED ? 4 : 0))
		return;
	p->left = payload_of(p->head);
	p->closed = p->closed || (p->head[0] & OPCODE) == CLOSE;
	p->have = 0;
}

void websocket_follow(struct websocket_place *p, struct slice bytes)
{
	while (bytes.len) {
		size_t n = bytes.len < p->left ? bytes.len : (size_t)p->left;

		p->left -= n;
		bytes = slice_after(bytes, n);
		if (bytes.len) {
			follow_head(p, (uint8_t)bytes.at[0]);
			bytes = slice_after(bytes, 1);
		}
	}
}

bool websocket_is_between(const struct websocket_place *p)
{
	return !p->left && !p->have && !p->closed;
}

/* ---- Whose pages ---- */

bool websocket_is_origin(struct slice text)
{
	struct slice host;

	if (slice_starts(text, SLICE("https://")))
		host = slice_after(text, 8);
	else if (slice_starts(text, SLICE("http://")))
		host = slice_after(text, 7);
	else
		return false;
	for (size_t i = 0; i < host.len; i++)
		if (host.at[i] != ascii_lower(host.at[i]) || (!byte_is(host.at[i], BYTE_HOST) && !strchr(":[]", host.at[i])))
			return false;
	return host.len > 0;
}

bool websocket_is_same_origin(struct slice origin, struct slice authority, bool secure)
{
	bool https = slice_starts(origin, SLICE("https://"));
	struct slice port = https ? SLICE(":443") : SLICE(":80");
	struct slice host;

	if (!websocket_is_origin(origin) || (secure && !https))
		return false;
	host = slice_after(origin, https ? 8 : 7);
	if (slice_ends(host, port))
		host = slice_first(host, host.len - port.len);
	return slice_eq(host, authority);
}
