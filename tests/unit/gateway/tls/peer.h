/* peer.h -- for the tests of this folder: certificates made on the spot, and plain OpenSSL at the far end. */
#ifndef PORTCULLIS_TESTS_TLS_PEER_H
#define PORTCULLIS_TESTS_TLS_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "gateway/tls/tls.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* What a certificate is made of; zero means P-256, valid from yesterday for 90 days, its own issuer. */
struct recipe {
	const char *names; /* as subjectAltName wants them: "DNS:a.test,IP:127.0.0.1" */
	const char *common_name;
	const char *key;   /* "RSA2048", "RSA1024", "P-256", "P-192", "ED25519" */
	long from_days, to_days;
	const struct made *issuer;
	bool ca;
	const char *usage; /* extendedKeyUsage: "clientAuth" */
	GENERAL_NAMES *names_raw; /* instead of `names`, as they are */
};

struct made {
	X509 *x509;
	EVP_PKEY *pkey;
	char *certificate, *key; /* PEM */
};

static EVP_PKEY *make_key(const char *kind)
{
	static EVP_PKEY *rsa;
	EVP_PKEY *made;

	if (strcmp(kind, "RSA2048") == 0) {
		if (!rsa)
			rsa = EVP_RSA_gen(2048);
		EVP_PKEY_up_ref(rsa);
		return rsa;
	}
	if (strcmp(kind, "RSA1024") == 0)
		made = EVP_RSA_gen(1024);
	else if (strcmp(kind, "ED25519") == 0)
		made = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	else
		made = EVP_EC_gen(kind);
	assert_non_null(made);
	return made;
}

static char *bio_text(BIO *bio)
{
	char *at, *copy;
	long n = BIO_get_mem_data(bio, &at);

	copy = calloc(1, (size_t)n + 1);
	memcpy(copy, at, (size_t)n);
	BIO_free(bio);
	return copy;
}

static void add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *one;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	one = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(one);
	X509_add_ext(x, one, -1);
	X509_EXTENSION_free(one);
}

static struct made make_with(struct recipe r, EVP_PKEY *key)
{
	static long serial;
	struct made m = {.x509 = X509_new(), .pkey = key};
	X509_NAME *subject = X509_get_subject_name(m.x509);
	const char *cn = r.common_name ? r.common_name : r.ca ? "test authority" : "test";
	BIO *bio;

	X509_set_version(m.x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(m.x509), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(m.x509), 86400 * (r.from_days ? r.from_days : -1));
	X509_gmtime_adj(X509_getm_notAfter(m.x509), 86400 * (r.to_days ? r.to_days : 90));
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(m.x509, r.issuer ? X509_get_subject_name(r.issuer->x509) : subject);
	X509_set_pubkey(m.x509, m.pkey);
	add_extension(m.x509, r.issuer ? r.issuer->x509 : m.x509, NID_basic_constraints, r.ca ? "critical,CA:TRUE" : "CA:FALSE");
	if (r.names)
		add_extension(m.x509, m.x509, NID_subject_alt_name, r.names);
	if (r.usage)
		add_extension(m.x509, m.x509, NID_ext_key_usage, r.usage);
	if (r.names_raw)
		assert_int_equal(X509_add1_ext_i2d(m.x509, NID_subject_alt_name, r.names_raw, 0, 0), 1);
	assert_true(X509_sign(m.x509, r.issuer ? r.issuer->pkey : m.pkey,
			      r.key && !strcmp(r.key, "ED25519") && !r.issuer ? NULL : EVP_sha256()) > 0);

	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, m.x509);
	m.certificate = bio_text(bio);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, m.pkey, NULL, NULL, 0, NULL, NULL);
	m.key = bio_text(bio);
	return m;
}

static struct made make(struct recipe r)
{
	return make_with(r, make_key(r.key ? r.key : "P-256"));
}

static void made_done(struct made *m)
{
	X509_free(m->x509);
	EVP_PKEY_free(m->pkey);
	free(m->certificate);
	free(m->key);
}

static struct tls_pem pem_of(const struct made *m)
{
	return (struct tls_pem){slice_of(m->certificate), slice_of(m->key), {"test.yaml", 1, 1}};
}

/* ---- A connection of ours with an OpenSSL of the other side ---- */

struct link {
	struct tls *ours;
	SSL *theirs;
	int fd[2]; /* ours, theirs */
	enum tls_state state;
	int their_result; /* of SSL_get_error once their handshake ended; 0 when it succeeded */
	char their_why[128];
};

static void link_sockets(struct link *l)
{
	*l = (struct link){.state = TLS_AGAIN, .their_result = -1};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, l->fd), 0);
}

static void link_done(struct link *l)
{
	tls_free(l->ours);
	SSL_free(l->theirs);
	for (int i = 0; i < 2; i++)
		if (l->fd[i] >= 0)
			close(l->fd[i]);
	ERR_clear_error();
}

static void their_step(struct link *l)
{
	int r, error;

	if (l->their_result >= 0)
		return;
	ERR_clear_error();
	r = SSL_do_handshake(l->theirs);
	error = r == 1 ? 0 : SSL_get_error(l->theirs, r);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return;
	l->their_result = error;
	if (error)
		snprintf(l->their_why, sizeof l->their_why, "%s",
			 ERR_peek_error() ? ERR_reason_error_string(ERR_peek_error()) : "socket");
	ERR_clear_error();
}

/* Both sides until neither moves. */
static void link_shake(struct link *l)
{
	for (int i = 0; i < 12; i++) {
		their_step(l);
		if (l->state == TLS_AGAIN)
			l->state = tls_handshake(l->ours);
	}
	assert_int_equal(ERR_peek_error(), 0);
}

/* A client `c` towards our server; the SSL may be adjusted before link_shake. */
static void link_to_server(struct link *l, struct tls_server *s, SSL_CTX *c, const char *sni)
{
	link_sockets(l);
	l->ours = tls_accept(s, l->fd[0]);
	assert_non_null(l->ours);
	l->theirs = SSL_new(c);
	SSL_set_fd(l->theirs, l->fd[1]);
	SSL_set_connect_state(l->theirs);
	if (sni)
		SSL_set_tlsext_host_name(l->theirs, sni);
}

static SSL_CTX *their_client(void)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());

	/* What the server refuses must be refused by the server. */
	SSL_CTX_set_security_level(c, 0);
	return c;
}

static ssize_t their_read(struct link *l, void *at, size_t n)
{
	int r = SSL_read(l->theirs, at, (int)n);

	ERR_clear_error();
	return r;
}

static struct tls_server *server_of(const struct tls_pem *pems, unsigned n, const struct tls_tickets *tickets,
				    uint64_t min_version)
{
	struct tls_server_plan plan = {.pems = pems, .pems_n = n, .tickets = tickets, .min_version = min_version};
	struct fail f = {0};
	struct tls_server *s = tls_server_new(&plan, &f);

	if (!s)
		fail_print(&f, stderr, true);
	assert_non_null(s);
	assert_int_equal(f.errors, 0);
	fail_done(&f);
	return s;
}

/* All of them, so that no test has to use every one. */
static inline void peer_unused(void)
{
	(void)made_done;
	(void)make;
	(void)pem_of;
	(void)link_done;
	(void)link_shake;
	(void)link_to_server;
	(void)their_client;
	(void)their_read;
	(void)server_of;
}

#endif
