/* words.h -- a fixed table of 64-bit words in memory that all workers share.
 *
 * Changed by compare-and-swap only, no locks: a worker may die at any
 * instruction.  A word is found by a 64-bit tag; when its neighbourhood is full
 * the one that is nearest to being worthless goes (a limit whose allowance is full
 * again).  Time inside is monotonic microseconds. */
#ifndef PORTCULLIS_LIMIT_WORDS_H
#define PORTCULLIS_LIMIT_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct words;

/* Bytes of shared memory for so many words (a power of two). */
size_t words_size(uint32_t n);
/* Lay out, or find laid out, a table in shared memory that began zeroed. */
struct words *words_at(void *memory, size_t size);

#endif
