/* slice.h -- a borrowed run of bytes: the only form wire data takes.
 *
 * A slice owns nothing and is not NUL-terminated; whoever made it says how long
 * the bytes stay.  Comparisons that ignore case fold A-Z only: names in HTTP
 * are ASCII (RFC 9110 section 5.1). */
#ifndef PORTCULLIS_BASE_SLICE_H
#define PORTCULLIS_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
	const char *at;
	size_t len;
};

/* For printf: "%.*s", SLICE_F(s). */
#define SLICE_F(s) (int)(s).len, (s).at
#define SLICE(literal) ((struct slice){"" literal "", sizeof(literal) - 1})
#define SLICE_NONE ((struct slice){NULL, 0})

static inline struct slice slice_of(const char *text)
{
	return (struct slice){text, text ? strlen(text) : 0};
}

static inline struct slice slice_make(const char *at, size_t len)
{
	return (struct slice){at, len};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool slice_is(struct slice s, const char *text)
{
	return slice_eq(s, slice_of(text));
}

static inline bool slice_starts(struct slice s, struct slice start)
{
	return s.len >= start.len && (start.len == 0 || memcmp(s.at, start.at, start.len) == 0);
}

static inline bool slice_ends(struct slice s, struct slice end)
{
	return s.len >= end.len && (end.len == 0 || memcmp(s.at + s.len - end.len, end.at, end.len) == 0);
}

/* The rest of `s` after its first `n` bytes; n <= s.len. */
static inline struct slice slice_after(struct slice s, size_t n)
{
	return (struct slice){s.at + n, s.len - n};
}

static inline struct slice slice_first(struct slice s, size_t n)
{
	return (struct slice){s.at, n};
}

static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool ascii_is_alnum(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

bool slice_ieq(struct slice a, struct slice b);
bool slice_contains(struct slice hay, struct slice needle);
/* Index of the first `c`, or s.len. */
size_t slice_find(struct slice s, char c);
/* Without spaces and tabs at both ends (OWS, RFC 9110 section 5.6.3). */
struct slice slice_trim(struct slice s);
/* Cut the part before the first `c` off `*rest`; all of it when there is none.
 * False when *rest was already used up (at == NULL). */
bool slice_cut(struct slice *rest, char c, struct slice *part);

#endif
