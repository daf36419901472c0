/* pem.c -- certificates and keys of the operator: read, and judged before they are used. */
#include <limits.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "gateway/tls/inner.h"

enum { RSA_BITS_MIN = 2048, EC_BITS_MIN = 256, CHAIN_MAX = 16 };

/* Without this OpenSSL would ask at the terminal. */
static int no_password(char *at, int room, int writing, void *asked)
{
	(void)at;
	(void)room;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

STACK_OF(X509) *tls_certs_read(struct slice pem)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	BIO *bio = pem.len <= INT_MAX ? BIO_new_mem_buf(pem.at ? pem.at : "", (int)pem.len) : NULL;
	bool asked, whole = all && bio;
	X509 *one;

	while (whole && (one = PEM_read_bio_X509(bio, NULL, no_password, &asked)))
		if (!sk_X509_push(all, one)) {
			X509_free(one);
			whole = false;
		}
	/* The end of the text is the only good reason to stop. */
	if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
		ERR_clear_error();
	else
		whole = false;
	BIO_free(bio);
	if (!whole || !sk_X509_num(all)) {
		sk_X509_pop_free(all, X509_free);
		return NULL;
	}
	return all;
}

STACK_OF(X509_CRL) *tls_crls_read(struct slice pem)
{
	STACK_OF(X509_CRL) *all = sk_X509_CRL_new_null();
	BIO *bio = pem.len <= INT_MAX ? BIO_new_mem_buf(pem.at ? pem.at : "", (int)pem.len) : NULL;
	bool asked, whole = all && bio;
	X509_CRL *one;

	while (whole && (one = PEM_read_bio_X509_CRL(bio, NULL, no_password, &asked)))
		if (!sk_X509_CRL_push(all, one)) {
			X509_CRL_free(one);
			whole = false;
		}
	whole = whole && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE && sk_X509_CRL_num(all);
	tls_queue_clear();
	BIO_free(bio);
	if (!whole) {
		sk_X509_CRL_pop_free(all, X509_CRL_free);
		return NULL;
	}
	return all;
}

static bool read_key(const struct tls_pem *pem, struct tls_cert *out, struct fail *f)
{
	BIO *bio = pem->key.len <= INT_MAX ? BIO_new_mem_buf(pem->key.at ? pem->key.at : "", (int)pem->key.len) : NULL;
	bool asked = false;

	if (bio)
		out->key = PEM_read_bio_PrivateKey(bio, NULL, no_password, &asked);
	BIO_free(bio);
	ERR_clear_error();
	if (asked)
		return fail_at(f, pem->place, "the private key is encrypted; store it without a passphrase, readable by root only");
	if (!out->key)
		return fail_at(f, pem->place, "no private key in PEM form; the file must hold a PRIVATE KEY block");
	return true;
}

static bool read_chain(const struct tls_pem *pem, struct tls_cert *out, struct fail *f)
{
	out->chain = tls_certs_read(pem->certificate);
	if (!out->chain) {
		tls_queue_clear();
		return fail_at(f, pem->place, "no certificate in PEM form, or a damaged one; the leaf comes first, its chain behind it");
	}
	if (sk_X509_num(out->chain) > CHAIN_MAX)
		return fail_at(f, pem->place, "%d certificates in one chain; give the leaf and its intermediates only",
			       sk_X509_num(out->chain));
	out->leaf = sk_X509_shift(out->chain);
	return true;
}

static bool judge_key(const struct tls_pem *pem, struct tls_cert *c, struct fail *f)
{
	int bits = EVP_PKEY_get_bits(c->key);

	switch (EVP_PKEY_get_base_id(c->key)) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS:
		c->type = TLS_RSA;
		if (bits < RSA_BITS_MIN)
			return fail_at(f, pem->place, "an RSA key of %d bits is too weak; at least %d are needed", bits,
				       RSA_BITS_MIN);
		return true;
	case EVP_PKEY_EC:
		c->type = TLS_ECDSA;
		if (bits < EC_BITS_MIN)
			return fail_at(f, pem->place, "an elliptic curve key of %d bits is too weak; use P-256", bits);
		return true;
	case EVP_PKEY_ED25519:
		c->type = TLS_EDDSA;
		return true;
	}
	return fail_at(f, pem->place, "this type of key cannot be used for TLS; use ECDSA P-256 or RSA");
}

bool tls_cert_load(const struct tls_pem *pem, struct tls_cert *out, struct fail *f)
{
	*out = (struct tls_cert){0};
	tls_queue_clear();
	if (!read_chain(pem, out, f) || !read_key(pem, out, f) || !judge_key(pem, out, f))
		goto bad;
	if (X509_check_private_key(out->leaf, out->key) != 1) {
		fail_at(f, pem->place, "certificate and private key do not belong together");
		goto bad;
	}
	return true;
bad:
	tls_queue_clear();
	tls_cert_done(out);
	return false;
}

void tls_cert_done(struct tls_cert *c)
{
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	*c = (struct tls_cert){0};
}

/* A host name, or one with "*" as its whole first label. */
static bool is_name(struct slice s)
{
	if (slice_starts(s, SLICE("*.")))
		s = slice_after(s, 2);
	if (!s.len || s.len > 253 || s.at[0] == '.')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = ascii_lower(s.at[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
			return false;
	}
	return true;
}

bool tls_cert_names(X509 *leaf, struct arena *a, struct slice **names, unsigned *n)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	int count = all ? sk_GENERAL_NAME_num(all) : 0;
	bool room;

	*n = 0;
	*names = ARENA_ARRAY(a, struct slice, count ? count : 1);
	room = *names;
	for (int i = 0; room && i < count; i++) {
		const GENERAL_NAME *one = sk_GENERAL_NAME_value(all, i);
		struct slice name;
		char *copy;

		if (one->type != GEN_DNS)
			continue;
		name = slice_make((const char *)ASN1_STRING_get0_data(one->d.dNSName),
				  (size_t)ASN1_STRING_length(one->d.dNSName));
		if (!is_name(name))
			continue;
		room = (copy = arena_take(a, name.len));
		for (size_t k = 0; room && k < name.len; k++)
			copy[k] = ascii_lower(name.at[k]);
		if (room)
			(*names)[(*n)++] = slice_make(copy, name.len);
	}
	GENERAL_NAMES_free(all);
	tls_queue_clear();
	return room;
}

bool tls_pem_check(const struct tls_pem *pem, struct arena *a, struct slice **names, unsigned *n, struct fail *f)
{
	struct tls_cert c;
	bool room;

	*names = NULL;
	*n = 0;
	if (!tls_cert_load(pem, &c, f))
		return false;
	room = tls_cert_names(c.leaf, a, names, n);
	if (room && !*n)
		fail_warn(f, pem->place, "the certificate has no DNS name (subjectAltName); it only answers clients that no other fits");
	tls_cert_done(&c);
	tls_queue_clear();
	return room || fail_at(f, pem->place, "out of memory");
}
