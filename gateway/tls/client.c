/* client.c -- TLS to origins: trust, the name that must be proven, and sessions kept for next time.
 *
 * Everything that needs a file happens in tls_client_new: the process loses its
 * file access later.  A session is offered only to the name it was made with, and
 * only under the trust it was verified with (both belong to one tls_client). */
#include <stdlib.h>


#include <openssl/x509v3.h>

#include "gateway/base/addr.h"
#include "gateway/base/mem.h"
#include "gateway/tls/inner.h"

enum { SESSIONS = 32 };

struct kept {
	char name[256];
	uint8_t name_len;
	SSL_SESSION *session;
};

struct tls_client {
	unsigned refs, turn;
	SSL_CTX *ctx;
	struct kept sessions[SESSIONS];
};

/* Where distributions keep their bundle; OpenSSL's own default is asked first. */
static const char *const stores[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
};

/* The whole bundle now: OpenSSL's directory lookup would open files during handshakes. */
static bool trust_system(X509_STORE *store, struct fail *f)
{
	const char *named = getenv(X509_get_default_cert_file_env());
	const char *first = named ? named : X509_get_default_cert_file();

	if (X509_STORE_load_file(store, first) == 1)
		return true;
	for (size_t i = 0; !named && i < sizeof stores / sizeof *stores; i++)
		if (X509_STORE_load_file(store, stores[i]) == 1)
			return true;
	tls_queue_clear();
	return fail_at(f, (struct place){first, 0, 0},
		       "no certificate authorities could be loaded; install ca-certificates or name a CA file for the origin");
}

static bool trust_pem(X509_STORE *store, struct slice pem, struct fail *f)
{
	STACK_OF(X509) *all = tls_certs_read(pem);
	bool good = all;

	for (int i = 0; good && i < sk_X509_num(all); i++)
		good = X509_STORE_add_cert(store, sk_X509_value(all, i)) == 1;
	sk_X509_pop_free(all, X509_free);
	/* A listed certificate is trusted as it stands, be it an intermediate or the origin's own. */
	good = good && X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1;
	tls_queue_clear();
	return good || fail_at(f, (struct place){0}, "the CA file holds no certificate in PEM form, or a damaged one");
}

/* ---- Sessions ---- */

static struct kept *kept_find(struct tls_client *c, struct slice name)
{
	for (unsigned i = 0; i < SESSIONS; i++)
		if (c->sessions[i].session && slice_eq(name, slice_make(c->sessions[i].name, c->sessions[i].name_len)))
			return &c->sessions[i];
	return NULL;
}

/* OpenSSL hands over a reference when the answer is 1. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls *t = tls_of(ssl);
	struct tls_client *c = t->client;
	struct kept *k = kept_find(c, slice_make(t->sni, t->sni_len));

	if (!k) {
		k = &c->sessions[c->turn++ % SESSIONS];
		memcpy(k->name, t->sni, t->sni_len);
		k->name_len = t->sni_len;
	}
	SSL_SESSION_free(k->session);
	k->session = session;
	return 1;
}

/* TLS 1.3 sessions are for one use (RFC 8446 appendix C.4); a new one comes with the connection.  In 1.2 none does. */
static void resume(struct tls_client *c, struct tls *t)
{
	struct kept *k = kept_find(c, slice_make(t->sni, t->sni_len));

	if (!k)
		return;
	if (tls_session_holds(k->session)) {
		SSL_set_session(t->ssl, k->session);
		if (SSL_SESSION_get_protocol_version(k->session) < TLS1_3_VERSION)
			return;
	}
	SSL_SESSION_free(k->session);
	k->session = NULL;
}

/* ---- Life ---- */

struct tls_client *tls_client_new(const struct tls_client_plan *plan, struct fail *f)
{
	struct tls_client *c = mem_take_zeroed(NULL, sizeof *c);
	bool good;

	if (!c) {
		fail_at(f, (struct place){0}, "out of memory");
		return NULL;
	}
	c->refs = 1;
	c->ctx = tls_context_new(false, TLS1_2_VERSION);
	good = c->ctx || fail_at(f, (struct place){0}, "no TLS context: %s", tls_queue_reason());
	if (good && plan->verify) {
		X509_STORE *store = SSL_CTX_get_cert_store(c->ctx);

		good = plan->ca_pem.len ? trust_pem(store, plan->ca_pem, f) : trust_system(store, f);
		SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
	}
	if (good) {
		SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(c->ctx, on_session);
	}
	tls_queue_clear();
	if (good)
		return c;
	tls_client_free(c);
	return NULL;
}

void tls_client_drop(struct tls_client *c)
{
	if (--c->refs)
		return;
	for (unsigned i = 0; i < SESSIONS; i++)
		SSL_SESSION_free(c->sessions[i].session);
	SSL_CTX_free(c->ctx);
	mem_give(NULL, c, sizeof *c);
}

void tls_client_free(struct tls_client *c)
{
	if (c)
		tls_client_drop(c);
}

/* Host names go into SNI and are matched against subjectAltName; address literals are matched only
 * (RFC 6066 section 3 keeps them out of SNI). */
static bool demand_name(struct tls *t, struct slice name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
	struct addr address;
	char z[UINT8_MAX + 1];

	memcpy(z, name.at, name.len);
	z[name.len] = 0;
	if (addr_parse(name, &address)) {
		bool v4 = addr_is_v4(&address);

		return X509_VERIFY_PARAM_set1_ip(param, address.b + (v4 ? 12 : 0), v4 ? 4 : 16) == 1;
	}
	SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	return SSL_set1_host(t->ssl, z) == 1 && SSL_set_tlsext_host_name(t->ssl, z) == 1;
}

struct tls *tls_connect(struct tls_client *c, int fd, struct slice name)
{
	struct tls *t;

	if (name.len && name.at[name.len - 1] == '.')
		name.len--;
	if (!name.len || name.len > UINT8_MAX || memchr(name.at, 0, name.len) || !(t = tls_conn_new(c->ctx, fd)))
		return NULL;
	SSL_set_connect_state(t->ssl);
	t->client = c;
	c->refs++;
	t->sni = mem_take(NULL, name.len);
	if (t->sni) {
		memcpy(t->sni, name.at, name.len);
		t->sni_len = (uint8_t)name.len;
		t->has_sni = true;
	}
	if (!t->sni || !demand_name(t, name)) {
		tls_queue_clear();
		tls_free(t);
		return NULL;
	}
	resume(c, t);
	return t;
}

bool tls_ask_h2(struct tls *t, bool only)
{
	static const unsigned char names[] = "\x02h2\x08http/1.1";

	/* Its answer is 0 where all is well. */
	return SSL_set_alpn_protos(t->ssl, names, only ? 3 : sizeof names - 1) == 0;
}
