/* target.c -- fuzz: a path becomes what a second, slow reader of the rules makes of it, or both refuse it.
 *
 * Also: what comes out is canonical (read again it stays), and holds nothing that two servers read differently. */
#include <ctype.h>

#include "fuzz.h"

enum { MOST = 8192 };

struct slow {
	char path[MOST], target[3 * MOST + MOST];
	size_t path_len, target_len;
};

/* ---- The second reader: whole texts and a stack of segments, where the first works in place ---- */

static bool decode(struct slice in, char *out, size_t *len)
{
	char digits[3] = "";

	for (*len = 0; in.len; in = slice_after(in, 1)) {
		unsigned char c = (unsigned char)in.at[0];

		if (c == ';' || c == '\\')
			return false;
		if (c == '%') {
			if (in.len < 3 || !isxdigit((unsigned char)in.at[1]) || !isxdigit((unsigned char)in.at[2]))
				return false;
			memcpy(digits, in.at + 1, 2);
			c = (unsigned char)strtoul(digits, NULL, 16);
			if (c == '/' || c == '\\' || iscntrl(c))
				return false;
			in = slice_after(in, 2);
		}
		out[(*len)++] = (char)c;
	}
	return true;
}

static bool overlong(const unsigned char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned next = i + 1 < len ? s[i + 1] : 0;

		if ((s[i] & 0xfe) == 0xc0 || (s[i] == 0xe0 && (next & 0xe0) == 0x80) || (s[i] == 0xf0 && (next & 0xf0) == 0x80) ||
		    (s[i] >= 0xf8 && s[i] < 0xfe && (next & 0xc0) == 0x80))
			return true;
	}
	return false;
}

/* Dots alone, or dots and what some server drops behind them. */
static bool disguised(struct slice s)
{
	size_t dots = 0, end = s.len;

	while (dots < s.len && s.at[dots] == '.')
		dots++;
	while (end > dots && s.at[end - 1] == ' ')
		end--;
	return dots && dots < s.len && (end == dots || s.at[dots] == ';');
}

static bool resolve(struct slice rest, struct slow *out)
{
	static struct slice stack[MOST];
	struct slice segment = SLICE("");
	bool slash = true;
	size_t n = 0;

	while (slice_cut(&rest, '/', &segment)) {
		slash = !segment.len || slice_is(segment, ".") || slice_is(segment, "..");
		if (disguised(segment) || (slice_is(segment, "..") && !n))
			return false;
		if (slice_is(segment, ".."))
			n--;
		else if (!slash)
			stack[n++] = segment;
	}
	out->path_len = 0;
	out->path[out->path_len++] = '/';
	for (size_t i = 0; i < n; i++) {
		memcpy(out->path + out->path_len, stack[i].at, stack[i].len);
		out->path_len += stack[i].len;
		if (i + 1 < n || slash)
			out->path[out->path_len++] = '/';
	}
	return true;
}

static bool read_slowly(struct slice in, struct slow *out)
{
	static char decoded[MOST];
	struct slice path = slice_first(in, slice_find(in, '?'));
	size_t len;

	for (size_t i = 0; i < in.len; i++)
		if (!isgraph((unsigned char)in.at[i]) || in.at[i] == '#')
			return false;
	if (!in.len || in.at[0] != '/' || !decode(path, decoded, &len) || overlong((const unsigned char *)decoded, len) ||
	    !resolve(slice_make(decoded + 1, len - 1), out))
		return false;
	out->target_len = 0;
	for (size_t i = 0; i < out->path_len; i++) {
		unsigned char c = (unsigned char)out->path[i];
		bool plain = c && c < 0x80 && (isalnum(c) || strchr("-._~!$&'()*+,=:@/", c));

		out->target_len += (size_t)sprintf(out->target + out->target_len, plain ? "%c" : "%%%02X", c);
	}
	memcpy(out->target + out->target_len, in.at + path.len, in.len - path.len);
	out->target_len += in.len - path.len;
	return true;
}

/* ---- Both ---- */

static void check_clean(const struct request *r)
{
	struct slice path = slice_first(r->target, slice_find(r->target, '?'));

	MUST(!slice_contains(r->path, SLICE("//")) && !slice_contains(r->path, SLICE("/../")) && !slice_contains(r->path, SLICE("/./")));
	MUST(!slice_ends(r->path, SLICE("/..")) && !slice_ends(r->path, SLICE("/.")) && !slice_contains(r->path, SLICE("\\")));
	MUST(!memchr(r->path.at, 0, r->path.len) && !slice_contains(path, SLICE(";")));
	MUST(!slice_contains(path, SLICE("%2F")) && !slice_contains(path, SLICE("%2f")) && !slice_contains(path, SLICE("%5C")));
	MUST(!slice_contains(path, SLICE("%2E")) && !slice_contains(path, SLICE("%00")) && !slice_contains(path, SLICE("#")));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct slice in = fuzz_in(bytes, n).rest;
	struct request r = {0}, again = {0};
	const char *why = NULL;
	static struct slow slow;
	struct arena a;
	bool taken;

	if (n > MOST)
		return 0;
	arena_init(&a, NULL, 4096);
	taken = h1_target(&a, in, &r, &why);
	MUST(taken == read_slowly(in, &slow));
	MUST(taken || (why && why != h1_no_memory));
	if (taken) {
		MUST(slice_eq(r.path, slice_make(slow.path, slow.path_len)));
		MUST(slice_eq(r.target, slice_make(slow.target, slow.target_len)) && slice_eq(r.raw_target, in));
		MUST(slice_ends(r.target, r.query) && r.has_query == (slice_find(in, '?') < in.len));
		check_clean(&r);
		MUST(h1_target(&a, r.target, &again, &why));
		MUST(slice_eq(again.path, r.path) && slice_eq(again.target, r.target) && slice_eq(again.query, r.query));
	}
	arena_done(&a);
	return 0;
}
