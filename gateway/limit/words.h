/* words.h -- a fixed table of 64-bit words in memory that all workers share.
 *
 * Each counter is two words, a tag and the number gcra.h describes, changed by
 * compare-and-swap only: no locks, and a worker may die at any instruction.  A
 * counter lives in the one bucket its tag points to; when that is full, the one
 * goes whose allowance is, or is nearest to being, full again.  Charges are exact
 * across processes as long as no counter with something left to forget has to go;
 * how often that happened is counted.  Time is monotonic, in ticks of gcra.h. */
#ifndef PORTCULLIS_LIMIT_WORDS_H
#define PORTCULLIS_LIMIT_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/limit/gcra.h"

struct words;

/* Bytes of shared memory for so many counters (rounded up to a power of two). */
size_t words_size(uint32_t n);
/* Lay out, or find laid out, a table in shared memory that began zeroed; aligned like a page.
 * NULL when it is too small, or laid out for another size. */
struct words *words_at(void *memory, size_t size);

/* One charge of a request; `tag` is a keyed hash of the counter's name. */
struct words_charge {
	uint64_t tag;
	struct gcra limit;
	int64_t charge;
	bool enforced; /* its refusal keeps the others from being charged */
	/* Set: how far the number is ahead of now, after the decision. */
	bool allowed;
	int64_t ahead;
};

/* All charges of one request: first all are looked at; only when no enforced one refuses, each that
 * allows is charged.  When another process takes what was left in between, the earlier ones are given
 * back: for that moment, some tens of nanoseconds, they count one request too many, never too few. */
bool words_ask(struct words *w, struct words_charge *at, unsigned n, int64_t now);
/* Charge without asking, also beyond the tolerance, but to no more than twice that; a charge below zero gives
 * back.  For what is known only afterwards. */
void words_spend(struct words *w, uint64_t tag, const struct gcra *limit, int64_t charge, int64_t now);
/* How far the number of a counter is ahead of now; 0 where there is none. */
int64_t words_ahead(struct words *w, uint64_t tag, int64_t now);
/* Counters that had to go before their allowance was full again. */
uint64_t words_evicted(const struct words *w);

#endif
