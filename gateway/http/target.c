/* target.c -- the canonical path: one form for rules, WAF, cache and origin.
 *
 * Percent escapes are decoded exactly once; then "//" is one slash, "." and ".."
 * are resolved; then what may not stand in a path (RFC 3986 section 3.3) is
 * encoded again.  Whatever two servers are known to read differently is refused:
 * an encoded slash or backslash, ";", controls, "%u", overlong UTF-8, a dot
 * segment in disguise.  "%2561" is the text "%61" and stays that: nothing is
 * decoded twice.  The query is not touched: it is data. */
#include "gateway/base/text.h"
#include "gateway/http/bytes.h"
#include "gateway/http/parts.h"

static bool bad(const char **why, const char *text)
{
	*why = text;
	return false;
}

static bool bad_target_byte(const char **why, char c)
{
	if (c == '#')
		return bad(why, "a fragment in the target");
	return bad(why, "a byte in the target that is not visible ASCII");
}

/* Already canonical: nothing to decode, resolve, merge or encode.  Most are. */
static bool is_plain(struct slice path)
{
	for (size_t i = 0; i < path.len; i++) {
		if (!byte_is(path.at[i], BYTE_PATH))
			return false;
		if (path.at[i] == '/' && i + 1 < path.len && (path.at[i + 1] == '/' || path.at[i + 1] == '.'))
			return false;
	}
	return true;
}

/* ---- Decoding ---- */

static bool decode_escape(struct slice in, size_t at, char *out, const char **why)
{
	int high, low;
	unsigned c;

	if (in.len - at < 3)
		return bad(why, "a cut percent escape in the path");
	high = text_hex_digit(in.at[at + 1]);
	low = text_hex_digit(in.at[at + 2]);
	if (high < 0 || low < 0)
		return bad(why, "a malformed percent escape in the path");
	c = (unsigned)high << 4 | (unsigned)low;
	if (c == '/' || c == '\\')
		return bad(why, "an encoded slash in the path");
	if (c < 0x20 || c == 0x7f)
		return bad(why, "an encoded control character in the path");
	*out = (char)c;
	return true;
}

static bool decode(struct slice in, char *out, size_t *len, const char **why)
{
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		out[n] = in.at[i];
		if (in.at[i] == ';')
			return bad(why, "a path parameter");
		if (in.at[i] == '\\')
			return bad(why, "a backslash in the path");
		if (in.at[i] == '%') {
			if (!decode_escape(in, i, &out[n], why))
				return false;
			i += 2;
		}
		n++;
	}
	*len = n;
	return true;
}

/* The forms in which lenient decoders find "/" or "." (RFC 3629 section 10).  Other bytes above
 * 0x7f need not be UTF-8: old sites have paths in other character sets. */
static bool is_overlong(const char *at, const char *end)
{
	uint8_t lead = (uint8_t)*at, next = at + 1 < end ? (uint8_t)at[1] : 0;

	if (lead == 0xc0 || lead == 0xc1)
		return true;
	if (next < 0x80 || next > 0xbf)
		return false;
	return (lead == 0xe0 && next < 0xa0) || (lead == 0xf0 && next < 0x90) || (lead >= 0xf8 && lead <= 0xfd);
}

static bool has_overlong(const char *at, size_t len)
{
	const char *end = at + len;

	for (; at < end; at++)
		if (is_overlong(at, end))
			return true;
	return false;
}

/* ---- Segments ---- */

/* Dots, and behind them what some servers cut off: a parameter, or spaces. */
static bool is_disguised(struct slice segment)
{
	size_t dots = 0;

	while (dots < segment.len && segment.at[dots] == '.')
		dots++;
	if (!dots || dots == segment.len)
		return false;
	return segment.at[dots] == ';' || slice_trim(segment).len == dots;
}

/* Merge slashes and resolve dot segments where they stand; what is written never overtakes what
 * is read.  `at` begins with "/". */
static bool resolve(char *at, size_t *len, const char **why)
{
	size_t out = 1, in = 1;

	while (in < *len) {
		struct slice segment = slice_make(at + in, *len - in);
		bool last;

		segment.len = slice_find(segment, '/');
		last = in + segment.len == *len;
		in += segment.len + 1;
		if (!segment.len || slice_is(segment, "."))
			continue;
		if (is_disguised(segment))
			return bad(why, "a disguised dot segment in the path");
		if (slice_is(segment, "..")) {
			if (out == 1)
				return bad(why, "the path climbs above its root");
			for (out--; at[out - 1] != '/'; out--)
				;
			continue;
		}
		memmove(at + out, segment.at, segment.len);
		out += segment.len;
		if (!last)
			at[out++] = '/';
	}
	*len = out;
	return true;
}

static char *encode(char *out, const char *at, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)at[i];

		if (byte_is(at[i], BYTE_PATH)) {
			*out++ = at[i];
			continue;
		}
		*out++ = '%';
		*out++ = digits[c >> 4];
		*out++ = digits[c & 15];
	}
	return out;
}

static bool canonical(struct arena *a, struct slice path, struct slice tail, struct request *out, const char **why)
{
	char *decoded = arena_take(a, path.len), *target, *end;
	size_t len;

	if (!decoded)
		return bad(why, h1_no_memory);
	if (!decode(path, decoded, &len, why))
		return false;
	if (has_overlong(decoded, len))
		return bad(why, "overlong UTF-8 in the path");
	if (!resolve(decoded, &len, why))
		return false;
	target = arena_take(a, 3 * len + tail.len);
	if (!target)
		return bad(why, h1_no_memory);
	end = encode(target, decoded, len);
	if (tail.len)
		memcpy(end, tail.at, tail.len);
	out->path = slice_make(decoded, len);
	out->target = slice_make(target, (size_t)(end - target) + tail.len);
	return true;
}

bool h1_target(struct arena *a, struct slice target, struct request *out, const char **why)
{
	size_t stop = bytes_not_target(target.at, target.len), cut;
	struct slice path, tail;

	if (stop < target.len)
		return bad_target_byte(why, target.at[stop]);
	if (!target.len || target.at[0] != '/')
		return bad(why, "the target is not a path");
	cut = slice_find(target, '?');
	path = slice_first(target, cut);
	tail = slice_after(target, cut);
	out->raw_target = target;
	out->has_query = tail.len > 0;
	out->query = out->has_query ? slice_after(tail, 1) : slice_after(tail, 0);
	out->path = path;
	out->target = target;
	return is_plain(path) || canonical(a, path, tail, out, why);
}
