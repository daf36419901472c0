/* spending.h -- what the inspections of one client cost, and how much they may.
 *
 * CPU time of inspectors is the dearest thing a request can ask for, and its sender decides how much it is.
 * So it is counted: by IPv4 address, by IPv6 /64, and by IPv6 /48 with so many times more; exact over all
 * workers of a node, in the words of gateway/limit.  What is used comes back evenly over the window.
 *
 * What an inspection costs is known when it is over.  Before, something is laid aside for it, or a client could
 * have hundreds at once; then the bill is settled: by the answer, by the death of the inspector, by nobody where
 * it was never begun.  A client that does not wait for the end pays all the same. */
#ifndef PORTCULLIS_RULES_SPENDING_H
#define PORTCULLIS_RULES_SPENDING_H

#include "gateway/base/addr.h"
#include "gateway/base/hash.h"
#include "gateway/limit/words.h"

enum { SPENDING_NETWORK = 8 }; /* a /48 may spend so many times what an address may */

struct spending {
	struct words *words;   /* NULL: nothing is counted */
	struct hash_seed seed; /* of the words' names, the same in all workers */
	int64_t cpu_ms, window_ms; /* so much in so long; cpu_ms 0: nothing is counted */
};

struct bill {
	struct spending from;
	uint64_t address, network; /* names of the counters; 0: none */
	int64_t laid_aside_us;
};

/* 0: inspections may be asked for this client.  Else the seconds until they may. */
int64_t spending_wait_s(const struct spending *s, const struct addr *client, int64_t now_us);
/* Lay aside for one inspection. */
void bill_open(struct bill *b, const struct spending *s, const struct addr *client, int64_t expected_us, int64_t now_us);
/* It took that much.  Once; a bill that was never opened, or is zeroed, costs nobody. */
void bill_settle(struct bill *b, int64_t cpu_us, int64_t now_us);

#endif
