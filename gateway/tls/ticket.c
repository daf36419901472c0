/* ticket.c -- session tickets under keys that all workers share.
 *
 * No server remembers a session: the ticket is the session, encrypted.  The keys
 * it is encrypted with are derived from the node's secret, the certificates of
 * the context and the name the client asked for, so a ticket of one name is noise
 * to every other name, whatever that name demands of its clients. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "gateway/tls/inner.h"

enum { NAME = 16, HALF = 32, SECRET = 2 * HALF };

/* Fetched once: OpenSSL's implicit fetch takes locks on every use. */
static EVP_CIPHER *aes;

static bool derive(const uint8_t *secret, SSL *ssl, uint8_t out[SECRET])
{
	const struct tls *t = tls_of(ssl);
	uint8_t in[TLS_CONTEXT_ID + UINT8_MAX];
	unsigned len = SECRET;

	memcpy(in, tls_context_id(SSL_get_SSL_CTX(ssl)), TLS_CONTEXT_ID);
	if (t->sni_len)
		memcpy(in + TLS_CONTEXT_ID, t->sni, t->sni_len);
	return HMAC(EVP_sha512(), secret, SECRET, in, TLS_CONTEXT_ID + (size_t)t->sni_len, out, &len) && len == SECRET;
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

/* OpenSSL's contract: -1 failure, 0 no such key, 1 good, 2 good but issue a new one. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	const struct tls_ticket_keys *keys = tls_server_keys(tls_of(ssl)->server);
	uint8_t derived[SECRET];
	unsigned i = 0;
	int result;

	if (seal) {
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes)) != 1)
			return -1;
		memcpy(name, keys->key[0], NAME);
	} else {
		while (i < keys->n && CRYPTO_memcmp(keys->key[i], name, NAME) != 0)
			i++;
		if (i == keys->n)
			return 0;
	}
	result = derive(keys->key[i] + NAME, ssl, derived) && use(derived, iv, cipher, mac, seal) ? 1 : -1;
	OPENSSL_cleanse(derived, sizeof derived);
	/* A ticket of TLS 1.3 is for one use, so its user gets another. */
	return result == 1 && !seal && (i || SSL_version(ssl) == TLS1_3_VERSION) ? 2 : result;
}

bool tls_ticket_setup(SSL_CTX *ctx)
{
	if (!aes && !(aes = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL)))
		return false;
	return SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1;
}
