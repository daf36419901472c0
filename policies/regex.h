/* regex.h -- regular expressions in linear time, whatever the pattern and the bytes.
 *
 * RE2 behind it: case-sensitive, unanchored, bytes (Latin-1), `$` is the very end,
 * never backtracking, memory bounded.  regex.cc is the only file that knows RE2. */
#ifndef PORTCULLIS_POLICIES_REGEX_H
#define PORTCULLIS_POLICIES_REGEX_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* NULL when the pattern is not valid: `why` (may be NULL) gets a sentence, *at (may be NULL) the offset of what is
 * wrong.  Ends the process when the heap is empty: only while a configuration is read or made ready. */
void *regex_new(const char *pattern, size_t len, char *why, size_t why_size, size_t *at);
void regex_free(void *regex);

enum regex_found { REGEX_NO, REGEX_YES, REGEX_STARVED }; /* STARVED: memory was used up, nobody knows */
enum regex_found regex_match(const void *regex, const char *text, size_t len);

#ifdef __cplusplus
}
#endif

#endif
