/* text.h -- small readers of text: whole input or nothing, overflow refused. */
#ifndef PORTCULLIS_BASE_TEXT_H
#define PORTCULLIS_BASE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/arena.h"
#include "gateway/base/slice.h"

/* Decimal digits only, no sign, no leading white space, at most 2^64-1. */
bool text_uint(struct slice s, uint64_t *out);
/* The same with an optional minus sign. */
bool text_int(struct slice s, int64_t *out);
/* Hexadecimal digits only, at most 16. */
bool text_hex(struct slice s, uint64_t *out);
/* "500ms" "30s" "10m" "2h" "7d" to milliseconds. */
bool text_duration(struct slice s, int64_t *ms);
/* "512B" "64KiB" "10MiB" "1GiB" to bytes. */
bool text_size(struct slice s, uint64_t *bytes);
/* "2027-02-01" or "2027-02-01T02:00:00Z" to seconds since 1970. */
bool text_time(struct slice s, int64_t *seconds);
/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool text_is_utf8(struct slice s);
/* The bytes of one code point, at most U+10FFFF; returns how many. */
size_t text_put_utf8(char out[4], unsigned code);
/* Value of a hexadecimal digit, or -1. */
int text_hex_digit(char c);
/* The candidate nearest to `word` by edit distance, if near enough to be meant; else NULL.
 * `names` ends with NULL. */
const char *text_nearest(struct slice word, const char *const *names);
/* Decode %XX, and + as a space when `form`.  Malformed escapes stay as they are.  Result in the
 * arena; `s` itself when there is nothing to decode; at is NULL when memory is used up. */
struct slice text_unescape(struct arena *a, struct slice s, bool form);

#endif
