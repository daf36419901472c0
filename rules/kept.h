/* kept.h -- transactions of requests that were let through, kept for their answers.
 *
 * Of one inspector.  Bounded by number and by what they are thought to take; whoever
 * comes last stays, the oldest goes.  That one is gone is no fault: its request's
 * head is run again then. */
#ifndef PORTCULLIS_RULES_KEPT_H
#define PORTCULLIS_RULES_KEPT_H

#include "rules/modsec.h"
#include "rules/waf.h"

struct kept_one {
	uint64_t token; /* of the request's job */
	uint64_t bytes;
	struct modsec_kept *transaction;
};

struct kept {
	struct kept_one at[WAF_KEPT]; /* oldest first */
	unsigned n, most;
	uint64_t bytes, bytes_most;
	void (*drop)(struct modsec_kept *transaction);
};

/* A share of what all `inspectors` may keep, at least one. */
void kept_init(struct kept *k, unsigned inspectors, void (*drop)(struct modsec_kept *transaction));
/* The transaction is the keeper's from here on; it may be dropped at once. */
void kept_put(struct kept *k, uint64_t token, struct modsec_kept *transaction, uint64_t bytes);
/* It is the caller's from here on; NULL when it is gone. */
struct modsec_kept *kept_take(struct kept *k, uint64_t token);
void kept_done(struct kept *k);

#endif
