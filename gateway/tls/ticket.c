/* ticket.c -- session tickets under keys that all workers share.
 *
 * No server remembers a session: the ticket is the session, encrypted.  The keys
 * it is encrypted with are derived from the node's secret, the certificates of
 * the context, what was asked of the client and the name it asked for, so a ticket
 * of one name is noise to every other name, whatever that one demands, and to the
 * same name once it demands something else. */
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "gateway/tls/inner.h"

enum { HALF = TLS_TICKET_SECRET / 2, TICKET_SECONDS = 7200, CLOCKS_APART_S = 60 };

/* Fetched once: OpenSSL's implicit fetch takes locks on every use. */
static EVP_CIPHER *aes;

static int64_t wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- The ticket's own encryption ---- */

static bool derive(const uint8_t *secret, SSL *ssl, uint8_t out[TLS_TICKET_SECRET])
{
	const struct tls *t = tls_of(ssl);
	uint8_t in[TLS_CONTEXT_ID + TLS_BINDING + UINT8_MAX];
	size_t n = TLS_CONTEXT_ID + TLS_BINDING;
	unsigned len = TLS_TICKET_SECRET;

	memcpy(in, tls_context_id(SSL_get_SSL_CTX(ssl)), TLS_CONTEXT_ID);
	tls_demand_binding(t->demand, in + TLS_CONTEXT_ID);
	if (t->sni_len)
		memcpy(in + n, t->sni, t->sni_len);
	return HMAC(EVP_sha512(), secret, TLS_TICKET_SECRET, in, n + t->sni_len, out, &len) && len == TLS_TICKET_SECRET;
}

static bool use(const uint8_t *derived, uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)derived, HALF),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) && EVP_CipherInit_ex(cipher, aes, NULL, derived + HALF, iv, seal);
}

/* The index of the key with that name, or of the one that encrypts; keys->n: there is none. */
static unsigned choose(const struct tls_ticket_keys *keys, const unsigned char *name, int seal)
{
	unsigned i = 0;

	while (!seal && i < keys->n && CRYPTO_memcmp(keys->key[i], name, TLS_TICKET_NAME) != 0)
		i++;
	return i;
}

/* OpenSSL's contract: -1 failure, 0 no such key, 1 good, 2 good but issue a new one. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	uint8_t derived[TLS_TICKET_SECRET];
	struct tls_ticket_keys keys;
	unsigned i;
	int result = 0;

	tls_ticket_keys_at(tls_server_tickets(tls_of(ssl)->server), wall_ms(), &keys);
	i = choose(&keys, name, seal);
	if (i < keys.n) {
		if (seal)
			memcpy(name, keys.key[i], TLS_TICKET_NAME);
		result = (!seal || RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes)) == 1) &&
					 derive(keys.key[i] + TLS_TICKET_NAME, ssl, derived) && use(derived, iv, cipher, mac, seal) ?
				 1 :
				 -1;
	}
	OPENSSL_cleanse(derived, sizeof derived);
	OPENSSL_cleanse(&keys, sizeof keys);
	/* A ticket of TLS 1.3 is for one use, so its user gets another. */
	return result == 1 && !seal && (i || SSL_version(ssl) == TLS1_3_VERSION) ? 2 : result;
}

/* ---- The session inside ---- */

/* When the handshake was that proved everything: it goes from ticket to ticket (RFC 8446 section 4.6.1). */
static int on_seal(SSL *ssl, void *arg)
{
	int64_t born = wall_ms() / 1000;

	(void)arg;
	return SSL_session_reused(ssl) || SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), &born, sizeof born);
}

static bool is_young(const struct tls_ticket_source *from, SSL_SESSION *session)
{
	int64_t born, now = wall_ms() / 1000;
	void *data;
	size_t n;

	if (SSL_SESSION_get0_ticket_appdata(session, &data, &n) != 1 || n != sizeof born)
		return false;
	memcpy(&born, data, sizeof born);
	return born <= now + CLOCKS_APART_S && now - born <= 2 * from->period_ms / 1000;
}

static SSL_TICKET_RETURN on_open(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_n,
				 SSL_TICKET_STATUS status, void *arg)
{
	(void)name;
	(void)name_n;
	(void)arg;
	if ((status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) ||
	    !is_young(tls_server_tickets(tls_of(ssl)->server), session) || !tls_session_holds(session))
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

bool tls_ticket_setup(SSL_CTX *ctx, const struct tls_ticket_source *from)
{
	int64_t seconds = 2 * from->period_ms / 1000;

	if (!aes && !(aes = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL)))
		return false;
	if (!from->period_ms) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		return SSL_CTX_set_num_tickets(ctx, 0) == 1;
	}
	SSL_CTX_set_timeout(ctx, seconds < TICKET_SECONDS ? seconds : TICKET_SECONDS);
	return SSL_CTX_set_num_tickets(ctx, 1) == 1 && SSL_CTX_set_session_ticket_cb(ctx, on_seal, on_open, NULL) == 1 &&
	       SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1;
}
