/* ticket_keys.c -- the keys of session tickets: where they come from, and how long each is good.
 *
 * A node alone draws them: they lie in memory of all its workers, a ring that one
 * process turns, and what is past is overwritten, so that nobody can open a ticket
 * of yesterday.  Nodes that share a secret derive them from it and the time
 * (HKDF, RFC 5869): they agree without a word, and whoever learns the secret can
 * derive them too. */
#include <stdatomic.h>
#include <sys/random.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>

#include "gateway/tls/inner.h"

/* ---- Drawn ---- */

static uint8_t *slot(struct tls_ticket_ring *ring, uint64_t turn)
{
	return ring->key[turn % TLS_TICKET_RING];
}

bool tls_ticket_turn(struct tls_ticket_ring *ring)
{
	uint64_t next = atomic_load(&ring->turn) + 1;
	uint8_t key[2][TLS_TICKET_BYTES];

	if (getrandom(key, sizeof key, 0) != sizeof key)
		return false;
	memcpy(slot(ring, next), key[0], TLS_TICKET_BYTES);
	atomic_store_explicit(&ring->turn, next, memory_order_release);
	/* Over what is past goes noise, never zeros: a reader that is late must not find a key that anyone knows. */
	if (next > 2)
		memcpy(slot(ring, next - 2), key[1], TLS_TICKET_BYTES);
	OPENSSL_cleanse(key, sizeof key);
	return true;
}

/* The ring may turn meanwhile: then what was copied is not believed. */
static void drawn(const struct tls_ticket_ring *ring, struct tls_ticket_keys *out)
{
	uint64_t turn = atomic_load_explicit(&ring->turn, memory_order_acquire), before;

	do {
		before = turn;
		out->n = turn > 2 ? 2 : (unsigned)turn;
		for (unsigned i = 0; i < out->n; i++)
			memcpy(out->key[i], ring->key[(turn - i) % TLS_TICKET_RING], TLS_TICKET_BYTES);
		atomic_thread_fence(memory_order_acquire);
		turn = atomic_load_explicit(&ring->turn, memory_order_relaxed);
	} while (turn != before);
}

/* ---- Derived ---- */

static void put64(uint8_t out[8], uint64_t n)
{
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(n >> (56 - 8 * i));
}

/* Nodes with different periods count different epochs, so that the period is part of what is derived. */
static bool derive(const struct tls_ticket_source *s, int64_t epoch, uint8_t out[TLS_TICKET_BYTES])
{
	static const char label[] = "portcullis session tickets";
	EVP_KDF *hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(hkdf);
	uint8_t info[16];
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)s->secret, s->secret_n),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)label, sizeof label - 1),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof info),
		OSSL_PARAM_construct_end(),
	};
	bool good;

	put64(info, (uint64_t)s->period_ms);
	put64(info + 8, (uint64_t)epoch);
	good = ctx && EVP_KDF_derive(ctx, out, TLS_TICKET_BYTES, params) == 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(hkdf);
	return good;
}

/* This epoch's key, the last one's, and the next one's: another node's clock may be ahead of ours. */
static void derived(struct tls_ticket_source *s, int64_t wall_ms, struct tls_ticket_keys *out)
{
	static const int steps[TLS_TICKET_KEYS] = {0, -1, 1};
	int64_t epoch = wall_ms / s->period_ms;

	if (epoch != s->epoch) {
		for (s->kept.n = 0; s->kept.n < TLS_TICKET_KEYS; s->kept.n++)
			if (!derive(s, epoch + steps[s->kept.n], s->kept.key[s->kept.n]))
				break;
		s->epoch = epoch;
	}
	*out = s->kept;
}

/* ---- Either ---- */

bool tls_ticket_source_init(struct tls_ticket_source *s, const struct tls_tickets *from)
{
	*s = (struct tls_ticket_source){.epoch = -1};
	if (!from)
		return true;
	s->ring = from->ring;
	s->period_ms = from->period_ms;
	if (from->secret.len > sizeof s->secret || s->period_ms < 1)
		return false;
	s->secret_n = (unsigned)from->secret.len;
	if (s->secret_n)
		memcpy(s->secret, from->secret.at, s->secret_n);
	return true;
}

void tls_ticket_source_done(struct tls_ticket_source *s)
{
	OPENSSL_cleanse(s, sizeof *s);
}

void tls_ticket_keys_at(struct tls_ticket_source *s, int64_t wall_ms, struct tls_ticket_keys *out)
{
	out->n = 0;
	if (s->secret_n)
		derived(s, wall_ms, out);
	else if (s->ring)
		drawn(s->ring, out);
}
