/* asked.h -- the counters of one request, between the filter and where they are kept. */
#ifndef PORTCULLIS_LIMIT_ASKED_H
#define PORTCULLIS_LIMIT_ASKED_H

#include "gateway/limit/gcra.h"
#include "gateway/limit/limit.h"

/* One counter of this request. */
struct asked {
	const struct policy_limit *limit;
	struct slice key; /* canonical, not hashed */
	uint64_t cost;
	struct gcra gcra; /* of the limit, or of this node's share */
	int64_t charge;
	/* The decision: */
	bool counted; /* false: nobody could say, and policy lets it pass */
	bool allowed;
	int64_t ahead;
};

static inline bool asked_enforced(const struct asked *a)
{
	return a->limit->mode == POLICY_ENFORCE;
}

/* Use the limit as it is written, or one share of it: at least 1 of each number. */
void asked_set(struct asked *a, unsigned share);

/* ---- store.c: counting in Redis ---- */

/* False when memory is used up. */
bool store_prepare(struct limit_config *c);
/* Ask for all in one question; `whole` sends the script itself.  False: not now, or memory is used up. */
bool store_ask(const struct limit_config *c, struct redis_ask *q, const struct asked *at, unsigned n, bool whole);
/* Fill in the decisions; false when this is no answer to `n` counters. */
bool store_read(const struct redis_value *v, struct asked *at, unsigned n);
/* The hash by which the words know a counter. */
uint64_t store_tag(const struct limit_config *c, const struct asked *a);

/* ---- advertise.c ---- */

/* Declare RateLimit and RateLimit-Policy for those limits that are to be advertised. */
bool advertise(struct facts *facts, struct arena *arena, const struct asked *at, unsigned n);

#endif
