/* bytes.h -- what each byte may be in HTTP; for the files of this folder.
 *
 * Tables and one vector loop.  Nothing here knows messages. */
#ifndef PORTCULLIS_HTTP_BYTES_H
#define PORTCULLIS_HTTP_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/slice.h"

/* The byte in lower case if it may stand in a token (RFC 9110 section 5.6.2), else 0. */
extern const uint8_t bytes_token[256];

enum {
	BYTE_PATH = 1, /* stands for itself in a canonical path: pchar without "%" and ";", and "/" */
	BYTE_HOST = 2, /* may stand in a registered name: letters, digits, "-", ".", "_" */
	BYTE_NAME = 4, /* everybody reads it the same in a field name: letters, digits, "-" */
};
extern const uint8_t bytes_class[256];

static inline bool byte_is(char c, unsigned class)
{
	return bytes_class[(unsigned char)c] & class;
}

static inline bool byte_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Not empty, token bytes only. */
bool bytes_is_token(struct slice s);

typedef uint8_t bytes_16 __attribute__((vector_size(16)));

/* Index of the first byte whose lane of `hit` is set, or 16. */
static inline size_t bytes_first(bytes_16 hit)
{
	uint64_t half[2];

	memcpy(half, &hit, sizeof half);
	if (!(half[0] | half[1]))
		return 16;
	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) {
		half[0] = __builtin_bswap64(half[0]);
		half[1] = __builtin_bswap64(half[1]);
	}
	return (half[0] ? 0u : 8u) + ((unsigned)__builtin_ctzll(half[0] ? half[0] : half[1]) >> 3);
}

/* Index of the first control character other than a tab (CR, LF, NUL and DEL among them), or `n`. */
static inline size_t bytes_control(const char *at, size_t n)
{
	size_t i = 0, hit;
	bytes_16 x;

	for (; n - i >= sizeof x; i += sizeof x) {
		memcpy(&x, at + i, sizeof x);
		hit = bytes_first((bytes_16)(((x < 0x20) & (x != '\t')) | (x == 0x7f)));
		if (hit < sizeof x)
			return i + hit;
	}
	for (; i < n; i++)
		if (((unsigned char)at[i] < 0x20 && at[i] != '\t') || at[i] == 0x7f)
			break;
	return i;
}

/* Index of the first byte that is not visible ASCII, or is "#", or `n`: nothing of that may
 * stand in a request target. */
static inline size_t bytes_not_target(const char *at, size_t n)
{
	size_t i = 0, hit;
	bytes_16 x;

	for (; n - i >= sizeof x; i += sizeof x) {
		memcpy(&x, at + i, sizeof x);
		hit = bytes_first((bytes_16)((x <= 0x20) | (x >= 0x7f) | (x == '#')));
		if (hit < sizeof x)
			return i + hit;
	}
	for (; i < n; i++)
		if ((unsigned char)at[i] <= 0x20 || (unsigned char)at[i] >= 0x7f || at[i] == '#')
			break;
	return i;
}

#endif
