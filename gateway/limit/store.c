/* store.c -- counters in Redis: their names, the question and its answer.
 *
 * A counter's name is a keyed hash: nothing a client sent reaches Redis, who can
 * read Redis learns no address, and who can send requests cannot aim at a key. */
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/fail.h"
#include "gateway/limit/asked.h"
#include "gateway/limit/gcra_script.h"

enum { HASH = 32, NAME_HASH = 16, NAME = 3 + 2 * NAME_HASH, NUMBER = 24, SHA1 = 20 };

static struct {
	EVP_MAC_CTX *mac;
	char sha[2 * SHA1];
	bool sha_known; /* a crypto policy may forbid SHA-1: then the script is sent each time */
} store;

static void to_hex(char *out, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
}

/* False when memory is used up: the library takes some for each key. */
static bool keyed_hash(const struct limit_config *c, struct slice bytes, uint8_t out[HASH])
{
	size_t len = 0;

	return EVP_MAC_init(store.mac, c->key_secret, sizeof c->key_secret, NULL) &&
	       EVP_MAC_update(store.mac, (const unsigned char *)bytes.at, bytes.len) &&
	       EVP_MAC_final(store.mac, out, &len, HASH) && len == HASH;
}

static bool make_mac(const struct limit_config *c)
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {{"digest", OSSL_PARAM_UTF8_STRING, digest, sizeof digest - 1, 0}, {0}};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;

	EVP_MAC_free(hmac);
	if (mac && EVP_MAC_init(mac, c->key_secret, sizeof c->key_secret, params)) {
		store.mac = mac;
		return true;
	}
	EVP_MAC_CTX_free(mac);
	return false;
}

bool store_prepare(struct limit_config *c)
{
	uint8_t hash[HASH], sha[SHA1];
	unsigned len = 0;

	if (!store.mac && !make_mac(c))
		return false;
	/* The words of a node know counters by another, faster hash; its seed comes from the same secret. */
	if (!keyed_hash(c, SLICE("words of this node"), hash))
		return false;
	memcpy(&c->words_seed, hash, sizeof c->words_seed);
	store.sha_known = EVP_Digest(gcra_script.at, gcra_script.len, sha, &len, EVP_sha1(), NULL) == 1 && len == SHA1;
	to_hex(store.sha, sha, store.sha_known ? SHA1 : 0);
	return true;
}

uint64_t store_tag(const struct limit_config *c, const struct asked *a)
{
	return hash_bytes(&c->words_seed, a->key.at, a->key.len);
}

static bool print_name(const struct limit_config *c, const struct asked *a, char out[NAME])
{
	uint8_t hash[HASH];

	if (!keyed_hash(c, a->key, hash))
		return false;
	memcpy(out, "pc:", 3);
	to_hex(out + 3, hash, NAME_HASH);
	return true;
}

static struct slice print_number(char out[NUMBER], int64_t value)
{
	return slice_make(out, (size_t)snprintf(out, NUMBER, "%" PRId64, value));
}

/* (EVALSHA sha | EVAL script) n key... (charge tolerance enforced)... */
bool store_ask(const struct limit_config *c, struct redis_ask *q, const struct asked *at, unsigned n, bool whole)
{
	struct slice argv[3 + 4 * POLICY_ASKS];
	char names[POLICY_ASKS][NAME], numbers[2 * POLICY_ASKS + 1][NUMBER];
	unsigned argc = 0;

	CHECK(n <= POLICY_ASKS);
	whole |= !store.sha_known;
	argv[argc++] = whole ? SLICE("EVAL") : SLICE("EVALSHA");
	argv[argc++] = whole ? gcra_script : slice_make(store.sha, sizeof store.sha);
	argv[argc++] = print_number(numbers[2 * POLICY_ASKS], n);
	for (unsigned i = 0; i < n; i++) {
		if (!print_name(c, &at[i], names[i]))
			return false;
		argv[argc++] = slice_make(names[i], NAME);
	}
	for (unsigned i = 0; i < n; i++) {
		argv[argc++] = print_number(numbers[2 * i], at[i].charge);
		argv[argc++] = print_number(numbers[2 * i + 1], at[i].gcra.tolerance);
		argv[argc++] = asked_enforced(&at[i]) ? SLICE("1") : SLICE("0");
	}
	return redis_ask(c->redis, q, argv, argc);
}

bool store_read(const struct redis_value *v, struct asked *at, unsigned n)
{
	if (v->kind != REDIS_ARRAY || v->n != n)
		return false;
	for (unsigned i = 0; i < n; i++) {
		int64_t said = v->at[i].integer;

		at[i].allowed = said >= 0;
		at[i].ahead = said >= 0 ? said : -1 - said;
		if (v->at[i].kind != REDIS_INT || at[i].ahead > at[i].gcra.tolerance)
			return false;
		at[i].counted = true;
	}
	return true;
}
