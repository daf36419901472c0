/* regex.h -- regular expressions in linear time, whatever the pattern and the bytes.
 *
 * RE2 behind it: case-sensitive, unanchored, bytes (Latin-1), `$` is the very end,
 * never backtracking, memory bounded.  regex.cc is the only file that knows RE2. */
#ifndef PORTCULLIS_POLICIES_REGEX_H
#define PORTCULLIS_POLICIES_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* NULL when the pattern is not valid: `why` (may be NULL) gets a sentence, *at the offset of what is wrong. */
void *regex_new(const char *pattern, size_t len, char *why, size_t why_size, size_t *at);
void regex_free(void *regex);
bool regex_matches(const void *regex, const char *text, size_t len);

#ifdef __cplusplus
}
#endif

#endif
