/* hash.c -- SipHash-1-3 (Aumasson and Bernstein, 2012; one round a word, three at the end). */
#include "gateway/base/hash.h"

#include <string.h>
#include <sys/random.h>

#include "gateway/base/fail.h"

static inline uint64_t rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

void hash_seed_random(struct hash_seed *seed)
{
	CHECK(getrandom(seed, sizeof *seed, 0) == sizeof *seed);
}

uint64_t hash_bytes(const struct hash_seed *seed, const void *at, size_t len)
{
	uint64_t v[4] = {seed->k0 ^ 0x736f6d6570736575, seed->k1 ^ 0x646f72616e646f6d,
			 seed->k0 ^ 0x6c7967656e657261, seed->k1 ^ 0x7465646279746573};
	const unsigned char *p = at;
	uint64_t word;

	for (size_t left = len; left >= 8; left -= 8, p += 8) {
		memcpy(&word, p, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = (uint64_t)len << 56;
	for (size_t i = 0; i < len % 8; i++)
		word |= (uint64_t)p[i] << (8 * i);
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
