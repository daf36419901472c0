/* line.c -- which characters may stand in a line, and what stands there instead of the others. */
#include "gateway/base/line.h"

#include <stdint.h>

#include "gateway/base/text.h"

/* Format characters, separators of lines, fillers: the reading direction, joiners, variation and tags. */
static const struct {
	uint32_t from, to;
} unseen[] = {
	{0x00ad, 0x00ad}, {0x034f, 0x034f}, {0x061c, 0x061c}, {0x115f, 0x1160}, {0x17b4, 0x17b5}, {0x180b, 0x180f},
	{0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff},
	{0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

static bool is_unseen(uint32_t c)
{
	for (unsigned i = 0; i < sizeof unseen / sizeof *unseen && c >= unseen[i].from; i++)
		if (c <= unseen[i].to)
			return true;
	return false;
}

size_t line_plain(struct slice s)
{
	const unsigned char *at = (const unsigned char *)s.at;
	unsigned char c = at[0];
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	uint32_t code;

	if (c < 0x80)
		return c >= 0x20 && c != 0x7f;
	if (n > s.len || !text_is_utf8(slice_first(s, n)))
		return 0;
	code = c & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		code = code << 6 | (at[i] & 0x3fu);
	/* Up to U+009F they are controls of terminals. */
	return code < 0xa0 || is_unseen(code) ? 0 : n;
}

size_t line_escape(char *out, size_t room, struct slice s, bool quotes)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (size_t i = 0; i < s.len;) {
		size_t plain = line_plain(slice_after(s, i));
		unsigned char c = (unsigned char)s.at[i];

		if (quotes && (c == '"' || c == '\\'))
			plain = 0;
		if (c == '\\' && i + 1 < s.len && s.at[i + 1] == 'x')
			plain = 0;
		if (n + (plain ? plain : 4) > room)
			break;
		if (plain) {
			memcpy(out + n, s.at + i, plain);
		} else {
			out[n] = '\\';
			out[n + 1] = 'x';
			out[n + 2] = digits[c >> 4];
			out[n + 3] = digits[c & 15];
		}
		n += plain ? plain : 4;
		i += plain ? plain : 1;
	}
	return n;
}
