/* proxy_header.c -- a line of text, or a block of bytes: the two versions of the PROXY header. */
#include "gateway/http/proxy_header.h"

#include "gateway/base/text.h"

static enum proxy_header_found bad(const char **why, const char *text)
{
	*why = text;
	return PROXY_HEADER_BAD;
}

/* ---- Version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443" CRLF ---- */

static bool read_port(struct slice text, uint16_t *out)
{
	uint64_t n;

	if (!text.len || text.len > 5 || (text.len > 1 && text.at[0] == '0') || !text_uint(text, &n) || n > UINT16_MAX)
		return false;
	*out = (uint16_t)n;
	return true;
}

/* As addr_parse, but of this family only, and never in brackets. */
static bool read_address(struct slice text, bool v6, struct addr *out)
{
	bool colons = slice_find(text, ':') < text.len;

	return text.len && text.at[0] != '[' && colons == v6 && addr_parse(text, out);
}

/* What stands behind "PROXY TCP4 " or "PROXY TCP6 ". */
static bool read_ends(struct slice rest, bool v6, struct proxy_header *out)
{
	struct slice part[4];

	for (unsigned i = 0; i < 4; i++)
		if (!slice_cut(&rest, ' ', &part[i]))
			return false;
	out->named = true;
	return !rest.at && read_address(part[0], v6, &out->source) && read_address(part[1], v6, &out->target) &&
	       read_port(part[2], &out->source_port) && read_port(part[3], &out->target_port);
}

static bool is_visible(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < ' ' || s.at[i] > '~')
			return false;
	return true;
}

/* `line` is without "PROXY " and CRLF. */
static bool read_words(struct slice line, struct proxy_header *out)
{
	static const struct slice v4 = {"TCP4 ", 5}, v6 = {"TCP6 ", 5}, unknown = {"UNKNOWN", 7};

	if (slice_starts(line, v4) || slice_starts(line, v6))
		return read_ends(slice_after(line, v4.len), line.at[3] == '6', out);
	if (!slice_starts(line, unknown))
		return false;
	line = slice_after(line, unknown.len);
	return !line.len || (line.at[0] == ' ' && is_visible(line));
}

static enum proxy_header_found read_line(struct slice in, struct proxy_header *out, uint32_t *len, const char **why)
{
	static const struct slice word = {"PROXY ", 6};
	struct slice seen = slice_first(in, in.len < PROXY_HEADER_LINE ? in.len : PROXY_HEADER_LINE);
	size_t end = slice_find(seen, '\n');

	if (memcmp(in.at, word.at, in.len < word.len ? in.len : word.len) != 0)
		return bad(why, "neither a PROXY line nor a PROXY block");
	if (end == seen.len)
		return in.len < PROXY_HEADER_LINE ? PROXY_HEADER_MORE : bad(why, "a PROXY line that does not end");
	if (end <= word.len || in.at[end - 1] != '\r')
		return bad(why, "a PROXY line that does not end with CRLF");
	*len = (uint32_t)end + 1;
	if (!read_words(slice_make(in.at + word.len, end - 1 - word.len), out))
		return bad(why, "a malformed PROXY line");
	return PROXY_HEADER_WHOLE;
}

/* ---- Version 2: a signature, command and family, a length, addresses, additions ---- */

enum {
	FIXED = 16,
	LOCAL = 0x20,
	PROXY = 0x21,
	UNSPECIFIED = 0x00,
	TCP4 = 0x11,
	TCP6 = 0x21,
	TLV_CRC32C = 0x03,
};

static unsigned be16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* RFC 3720 appendix B.4; the four bytes from `hole` on count as zeros. */
static uint32_t crc32c(const uint8_t *at, size_t n, size_t hole)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= i >= hole && i < hole + 4 ? 0 : at[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static const char *check_sum(const uint8_t *block, size_t n, size_t at, size_t len)
{
	uint32_t said;

	if (len != 4)
		return "a PROXY checksum that is none";
	said = (uint32_t)be16(block + at) << 16 | be16(block + at + 2);
	return said == crc32c(block, n, at) ? NULL : "a wrong PROXY checksum";
}

/* The additions from `at` to the end of the block; NULL when they are well-formed. */
static const char *check_additions(const uint8_t *block, size_t n, size_t at)
{
	bool summed = false;

	while (at < n) {
		const char *why = NULL;
		size_t len;

		if (n - at < 3 || (len = be16(block + at + 1)) > n - at - 3)
			return "PROXY additions that do not fill their room";
		if (block[at] == TLV_CRC32C)
			why = summed ? "two PROXY checksums" : check_sum(block, n, at + 3, len);
		if (why)
			return why;
		summed |= block[at] == TLV_CRC32C;
		at += 3 + len;
	}
	return NULL;
}

static const char *read_addresses(const uint8_t *block, size_t n, struct proxy_header *out)
{
	unsigned family = block[13], each = family == TCP4 ? 4 : 16;
	size_t end = FIXED + 2 * each + 4;

	if (family == UNSPECIFIED)
		return NULL;
	if (family != TCP4 && family != TCP6)
		return "a PROXY block of another family than TCP";
	if (n < end)
		return "a PROXY block that is too short for its addresses";
	out->named = true;
	addr_from_bytes(block + FIXED, each, &out->source);
	addr_from_bytes(block + FIXED + each, each, &out->target);
	out->source_port = (uint16_t)be16(block + end - 4);
	out->target_port = (uint16_t)be16(block + end - 2);
	return check_additions(block, n, end);
}

static enum proxy_header_found read_block(struct slice in, struct proxy_header *out, uint32_t *len, const char **why)
{
	static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";
	const size_t signed_n = sizeof signature - 1;
	const uint8_t *block = (const uint8_t *)in.at;
	const char *wrong;
	size_t n;

	if (memcmp(block, signature, in.len < signed_n ? in.len : signed_n) != 0)
		return bad(why, "neither a PROXY line nor a PROXY block");
	if (in.len < FIXED)
		return PROXY_HEADER_MORE;
	if (block[12] != LOCAL && block[12] != PROXY)
		return bad(why, "a PROXY block of an unknown version or command");
	n = FIXED + be16(block + 14);
	if (n > PROXY_HEADER_MOST)
		return bad(why, "a PROXY block that is too long");
	if (in.len < n)
		return PROXY_HEADER_MORE;
	*len = (uint32_t)n;
	wrong = block[12] == PROXY ? read_addresses(block, n, out) : NULL;
	return wrong ? bad(why, wrong) : PROXY_HEADER_WHOLE;
}

enum proxy_header_found proxy_header_read(struct slice in, struct proxy_header *out, uint32_t *len, const char **why)
{
	*out = (struct proxy_header){0};
	if (!in.len)
		return PROXY_HEADER_MORE;
	return in.at[0] == '\r' ? read_block(in, out, len, why) : read_line(in, out, len, why);
}
