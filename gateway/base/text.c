/* text.c -- small readers of text. */
#include "gateway/base/text.h"

#include <stdlib.h>

bool text_uint(struct slice s, uint64_t *out)
{
	uint64_t n = 0;

	if (!s.len)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
		if (__builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, (uint64_t)(s.at[i] - '0'), &n))
			return false;
	}
	*out = n;
	return true;
}

bool text_int(struct slice s, int64_t *out)
{
	bool minus = s.len && s.at[0] == '-';
	uint64_t n;

	if (!text_uint(minus ? slice_after(s, 1) : s, &n) || n > INT64_MAX)
		return false;
	*out = minus ? -(int64_t)n : (int64_t)n;
	return true;
}

int text_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool text_hex(struct slice s, uint64_t *out)
{
	uint64_t n = 0;

	if (!s.len || s.len > 16)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		int digit = text_hex_digit(s.at[i]);

		if (digit < 0)
			return false;
		n = n << 4 | (uint64_t)digit;
	}
	*out = n;
	return true;
}

struct unit {
	const char *text;
	uint64_t factor;
};

static bool with_unit(struct slice s, const struct unit *units, uint64_t *out)
{
	size_t digits = 0;
	uint64_t n;

	while (digits < s.len && s.at[digits] >= '0' && s.at[digits] <= '9')
		digits++;
	if (!text_uint(slice_first(s, digits), &n))
		return false;
	for (; units->text; units++)
		if (slice_is(slice_after(s, digits), units->text))
			return !__builtin_mul_overflow(n, units->factor, out) && *out <= INT64_MAX;
	return false;
}

bool text_duration(struct slice s, int64_t *ms)
{
	static const struct unit units[] = {{"ms", 1},       {"s", 1000},     {"m", 60000},
					    {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
	uint64_t n;

	if (!with_unit(s, units, &n))
		return false;
	*ms = (int64_t)n;
	return true;
}

bool text_size(struct slice s, uint64_t *bytes)
{
	static const struct unit units[] = {
		{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0}};

	return with_unit(s, units, bytes);
}

/* Days since 1970-01-01 of a date in the Gregorian calendar. */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
	int64_t era, of_era, of_year;

	y -= m <= 2;
	era = y / 400;
	of_era = y - era * 400;
	of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool digits_at(struct slice s, size_t at, size_t n, int64_t *out)
{
	uint64_t v;

	if (!text_uint(slice_make(s.at + at, n), &v))
		return false;
	*out = (int64_t)v;
	return true;
}

bool text_time(struct slice s, int64_t *seconds)
{
	static const int64_t length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t y, mo, d, h = 0, mi = 0, sec = 0, last;

	if (s.len != 10 && s.len != 20)
		return false;
	if (s.at[4] != '-' || s.at[7] != '-' || !digits_at(s, 0, 4, &y) || !digits_at(s, 5, 2, &mo) ||
	    !digits_at(s, 8, 2, &d))
		return false;
	if (s.len == 20 && (s.at[10] != 'T' || s.at[13] != ':' || s.at[16] != ':' || s.at[19] != 'Z' ||
			    !digits_at(s, 11, 2, &h) || !digits_at(s, 14, 2, &mi) || !digits_at(s, 17, 2, &sec)))
		return false;
	if (y < 1970 || mo < 1 || mo > 12 || h > 23 || mi > 59 || sec > 59)
		return false;
	last = length[mo - 1] + (mo == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
	if (d < 1 || d > last)
		return false;
	*seconds = days_of(y, mo, d) * 86400 + h * 3600 + mi * 60 + sec;
	return true;
}

bool text_is_utf8(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.at, *end = p + s.len;

	while (p < end) {
		unsigned c = *p++, more, least;

		if (c < 0x80)
			continue;
		if (c >= 0xc2 && c <= 0xdf)
			more = 1, least = 0x80, c &= 0x1f;
		else if ((c & 0xf0) == 0xe0)
			more = 2, least = 0x800, c &= 0x0f;
		else if (c >= 0xf0 && c <= 0xf4)
			more = 3, least = 0x10000, c &= 0x07;
		else
			return false;
		for (; more; more--) {
			if (p == end || (*p & 0xc0) != 0x80)
				return false;
			c = c << 6 | (*p++ & 0x3fu);
		}
		if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return false;
	}
	return true;
}

size_t text_put_utf8(char out[4], unsigned c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static unsigned distance(struct slice a, struct slice b)
{
	unsigned row[64], before, above;

	if (a.len >= 60 || b.len >= 60)
		return 99;
	for (unsigned j = 0; j <= b.len; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		before = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			unsigned best = before + (ascii_lower(a.at[i - 1]) != ascii_lower(b.at[j - 1]));

			above = row[j];
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			before = above;
			row[j] = best;
		}
	}
	return row[b.len];
}

const char *text_nearest(struct slice word, const char *const *candidates)
{
	unsigned best = (unsigned)word.len / 3 + 2;
	const char *nearest = NULL;

	for (; *candidates; candidates++) {
		unsigned d = distance(word, slice_of(*candidates));

		if (d < best && d < strlen(*candidates)) {
			best = d;
			nearest = *candidates;
		}
	}
	return nearest;
}

struct slice text_unescape(struct arena *a, struct slice s, bool form)
{
	size_t n = 0;
	char *out;

	if (slice_find(s, '%') == s.len && (!form || slice_find(s, '+') == s.len))
		return s;
	out = arena_take(a, s.len + 1);
	if (!out)
		return SLICE_NONE;
	for (size_t i = 0; i < s.len; i++) {
		int high = s.at[i] == '%' && s.len - i > 2 ? text_hex_digit(s.at[i + 1]) : -1;
		int low = high >= 0 ? text_hex_digit(s.at[i + 2]) : -1;

		if (low >= 0) {
			out[n++] = (char)(high << 4 | low);
			i += 2;
		} else {
			out[n++] = form && s.at[i] == '+' ? ' ' : s.at[i];
		}
	}
	return slice_make(out, n);
}
