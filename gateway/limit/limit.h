/* limit.h -- the rate-limit filter: GCRA in Redis, or in words shared by the workers.
 *
 * The arithmetic is one page (gcra.h) and one Lua script; both are held to one
 * test table.  All limits of one request are asked together, and if any refuses,
 * none of the others is charged. */
#ifndef PORTCULLIS_LIMIT_LIMIT_H
#define PORTCULLIS_LIMIT_LIMIT_H

#include "gateway/base/hash.h"
#include "gateway/chain/chain.h"
#include "gateway/limit/words.h"
#include "gateway/redis/redis.h"

struct limit_config {
	struct words *words;     /* always there: local mode, and what is left when the store is lost */
	struct redis *redis;     /* NULL: counters are local to this node */
	uint32_t deadline_ms;    /* 20 */
	unsigned local_share;    /* store lost, on_failure local: each node grants rate / this; at least 1 */
	uint8_t key_secret[32];  /* of the cluster: keys are HMAC-SHA-256 under it, cut to 16 bytes */
	struct hash_seed words_seed; /* of the words' names; by limit_prepare */
};

/* Fill in what follows from the rest.  `greet`: the store is new and does not have the script yet.  False: memory is
 * used up. */
bool limit_prepare(struct limit_config *config, bool greet);
/* Its conf is a struct limit_config that was prepared. */
extern const struct filter limit_filter;

#endif
