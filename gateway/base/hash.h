/* hash.h -- SipHash-1-3 with a secret seed, for every table whose keys come from outside. */
#ifndef PORTCULLIS_BASE_HASH_H
#define PORTCULLIS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_seed {
	uint64_t k0, k1;
};

/* From the kernel's generator; never fails after boot. */
void hash_seed_random(struct hash_seed *seed);
uint64_t hash_bytes(const struct hash_seed *seed, const void *at, size_t len);

#endif
