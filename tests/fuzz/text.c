/* text.c -- fuzz: small readers of text agree with the C library's, and with themselves.
 *
 * Numbers with strtoull, dates with timegm, UTF-8 with a decoder by the book, form names with the decoding
 * of the whole. */
#include <errno.h>
#include <time.h>

#include "fuzz.h"
#include "gateway/base/text.h"
#include "policies/policy_parts.h"

static void check_numbers(struct slice s, const char *z)
{
	uint64_t n = 0, want;
	int64_t signed_n;
	bool digits = s.len && strspn(z, "0123456789") == s.len, hex = s.len && strspn(z, "0123456789abcdefABCDEF") == s.len;

	errno = 0;
	want = strtoull(z, NULL, 10);
	MUST(text_uint(s, &n) == (digits && !errno) && (!digits || errno || n == want));
	errno = 0;
	if (text_int(s, &signed_n))
		MUST(signed_n == strtoll(z, NULL, 10) && !errno);
	MUST(text_hex(s, &n) == (hex && s.len <= 16) && (!hex || s.len > 16 || n == strtoull(z, NULL, 16)));
}

static void check_time(struct slice s, const char *z)
{
	struct tm tm = {0}, back;
	int64_t seconds;
	time_t t;
	char again[40];

	if (!text_time(s, &seconds))
		return;
	MUST(strptime(z, s.len == 10 ? "%Y-%m-%d" : "%Y-%m-%dT%H:%M:%SZ", &tm));
	MUST(timegm(&tm) == seconds);
	t = (time_t)seconds;
	gmtime_r(&t, &back);
	strftime(again, sizeof again, s.len == 10 ? "%Y-%m-%d" : "%Y-%m-%dT%H:%M:%SZ", &back);
	MUST(slice_is(s, again));
}

static void check_units(struct slice s)
{
	uint64_t bytes;
	int64_t ms;

	if (text_duration(s, &ms))
		MUST(ms >= 0 && s.len >= 2 && strchr("smhd", s.at[s.len - 1]));
	if (text_size(s, &bytes))
		MUST(bytes <= INT64_MAX && s.at[s.len - 1] == 'B' && !text_duration(s, &ms));
}

/* RFC 3629 section 4, as its grammar. */
static bool is_utf8(const unsigned char *s, const unsigned char *end)
{
	static const struct {
		unsigned char first, last, low, high, more;
	} rows[] = {{0x00, 0x7f, 0, 0, 0},       {0xc2, 0xdf, 0x80, 0xbf, 1}, {0xe0, 0xe0, 0xa0, 0xbf, 2}, {0xe1, 0xec, 0x80, 0xbf, 2},
		    {0xed, 0xed, 0x80, 0x9f, 2}, {0xee, 0xef, 0x80, 0xbf, 2}, {0xf0, 0xf0, 0x90, 0xbf, 3}, {0xf1, 0xf3, 0x80, 0xbf, 3},
		    {0xf4, 0xf4, 0x80, 0x8f, 3}};

	while (s < end) {
		size_t i = 0;

		while (i < FUZZ_COUNT(rows) && (*s < rows[i].first || *s > rows[i].last))
			i++;
		if (i == FUZZ_COUNT(rows) || end - s <= rows[i].more || (rows[i].more && (s[1] < rows[i].low || s[1] > rows[i].high)))
			return false;
		for (unsigned k = 2; k <= rows[i].more; k++)
			if (s[k] < 0x80 || s[k] > 0xbf)
				return false;
		s += rows[i].more + 1;
	}
	return true;
}

static void check_names(struct slice raw, struct slice name)
{
	struct slice decoded;
	struct arena a;

	arena_init(&a, NULL, 512);
	decoded = text_unescape(&a, raw, true);
	MUST(decoded.at && decoded.len <= raw.len && form_name_is(raw, name) == slice_eq(decoded, name));
	MUST(form_name_is(raw, decoded));
	arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const char *const words[] = {"listeners", "sites", "policy", "header.NAME", NULL};
	struct fuzz_in in = fuzz_in(bytes, n);
	struct slice s = fuzz_line(&in);
	char z[80];

	MUST(text_is_utf8(in.rest) == is_utf8((const unsigned char *)in.rest.at, (const unsigned char *)in.rest.at + in.rest.len));
	check_names(s, in.rest);
	text_nearest(s, words);
	if (s.len >= sizeof z || memchr(s.at, 0, s.len))
		return 0;
	memcpy(z, s.at, s.len);
	z[s.len] = 0;
	check_numbers(s, z);
	check_time(s, z);
	check_units(s);
	return 0;
}
