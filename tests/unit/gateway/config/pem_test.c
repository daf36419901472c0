/* pem_test.c -- what is wrong with certificates and keys, and what clients will say of those that can be served. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "gateway/config/pem.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

struct made {
	X509 *x;
	EVP_PKEY *key;
	char *certificate, *secret, *locked; /* PEM */
};

static char *text_of(BIO *bio)
{
	char *at, *copy;
	long n = BIO_get_mem_data(bio, &at);

	copy = calloc(1, (size_t)n + 1);
	memcpy(copy, at, (size_t)n);
	BIO_free(bio);
	return copy;
}

/* Valid from..to days from now, of `issuer` or of itself; `info` is an extension authorityInfoAccess. */
static struct made make(const char *name, EVP_PKEY *key, const struct made *issuer, long from, long to, const char *info)
{
	struct made m = {X509_new(), key, NULL, NULL, NULL};
	X509_NAME *subject = X509_get_subject_name(m.x);
	BIO *bio;

	X509_set_version(m.x, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(m.x), 86400 * from);
	X509_gmtime_adj(X509_getm_notAfter(m.x), 86400 * to);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(m.x, issuer ? X509_get_subject_name(issuer->x) : subject);
	X509_set_pubkey(m.x, key);
	if (info) {
		X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_info_access, info);

		assert_non_null(e);
		X509_add_ext(m.x, e, -1);
		X509_EXTENSION_free(e);
	}
	assert_true(X509_sign(m.x, issuer ? issuer->key : key, !issuer && EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256()) > 0);
	PEM_write_bio_X509(bio = BIO_new(BIO_s_mem()), m.x);
	m.certificate = text_of(bio);
	PEM_write_bio_PrivateKey(bio = BIO_new(BIO_s_mem()), key, NULL, NULL, 0, NULL, NULL);
	m.secret = text_of(bio);
	PEM_write_bio_PKCS8PrivateKey(bio = BIO_new(BIO_s_mem()), key, EVP_aes_256_cbc(), "secret", 6, NULL, NULL);
	m.locked = text_of(bio);
	return m;
}

static void made_done(struct made *m)
{
	X509_free(m->x);
	EVP_PKEY_free(m->key);
	free(m->certificate);
	free(m->secret);
	free(m->locked);
}

static char *joined(const char *a, const char *b)
{
	char *both = NULL;

	assert_true(asprintf(&both, "%s%s", a, b) > 0);
	return both;
}

static bool check(const char *certificate, const char *key, const char **unfit, struct fail *f)
{
	const struct pem_file c = {SLICE("c.pem"), slice_of(certificate), {"p.yaml", 4, 1}};
	const struct pem_file k = {SLICE("k.pem"), slice_of(key), {"p.yaml", 5, 1}};
	bool good = pem_check(&c, &k, unfit, f);

	assert_int_equal(good, f->errors == 0);
	assert_int_equal(ERR_peek_error(), 0);
	return good;
}

static EVP_PKEY *p256(void)
{
	return EVP_EC_gen("P-256");
}

static void keys_are_judged(void **state)
{
	EVP_PKEY *keys[] = {p256(), EVP_RSA_gen(2048), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), EVP_RSA_gen(1024), EVP_EC_gen("P-192"),
			    EVP_PKEY_Q_keygen(NULL, NULL, "ED448")};
	static const char *const want[] = {NULL, NULL, NULL, "k.pem: an RSA key of 1024 bits is too weak; at least 2048 are needed",
					   "k.pem: an elliptic curve key of 192 bits is too weak; use P-256",
					   "k.pem: this type of key cannot be used for TLS; use ECDSA P-256 or RSA"};
	struct made ca = make("ca", p256(), NULL, -1, 90, NULL);

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		struct made m = make("a", keys[i], &ca, -1, 90, NULL);
		struct fail f = {0};
		const char *unfit;

		assert_int_equal(check(m.certificate, m.secret, &unfit, &f), !want[i]);
		assert_int_equal(f.n, want[i] != NULL);
		if (want[i]) {
			assert_string_equal(f.at[0].text, want[i]);
			assert_int_equal(f.at[0].place.line, 5);
		}
		assert_null(unfit);
		fail_done(&f);
		made_done(&m);
	}
	made_done(&ca);
}

static void dates_are_judged(void **state)
{
	static const struct { long from, to; const char *unfit, *warning; } cases[] = {
		{-1, 90, NULL, NULL},
		{-1, 15, NULL, NULL},
		{-1, 10, NULL, "expires in "},
		{-9, -1, "the certificate has expired", "c.pem: the certificate has expired; clients will refuse it"},
		{3, 90, "the certificate is not valid yet", "c.pem: the certificate is not valid yet; clients will refuse it"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct made m = make("a", p256(), NULL, cases[i].from, cases[i].to, NULL);
		struct fail f = {0};
		const char *unfit;

		assert_true(check(m.certificate, m.secret, &unfit, &f));
		assert_int_equal(f.warnings, cases[i].warning != NULL);
		if (cases[i].warning) {
			assert_non_null(strstr(f.at[0].text, cases[i].warning));
			assert_int_equal(f.at[0].place.line, 4);
		}
		if (cases[i].unfit)
			assert_string_equal(unfit, cases[i].unfit);
		else
			assert_null(unfit);
		fail_done(&f);
		made_done(&m);
	}
}

static void a_chain_runs_upwards_and_is_there(void **state)
{
	struct made root = make("root", p256(), NULL, -1, 90, NULL), other = make("other", p256(), NULL, -1, 90, NULL);
	struct made middle = make("middle", p256(), &root, -1, 90, NULL);
	struct made leaf = make("leaf", p256(), &middle, -1, 90, "caIssuers;URI:http://ca.test/middle.crt");
	struct made private = make("private", p256(), &root, -1, 90, NULL);
	struct made ocsp = make("ocsp", p256(), &root, -1, 90, "OCSP;URI:http://ca.test/ocsp");
	char *whole = joined(leaf.certificate, middle.certificate), *to_root = joined(whole, root.certificate);
	char *wrong = joined(leaf.certificate, other.certificate), *skips = joined(leaf.certificate, root.certificate);
	const struct { const char *certificate, *key, *unfit, *says; } cases[] = {
		{whole, leaf.secret, NULL, "leaf and intermediate"},
		{to_root, leaf.secret, NULL, "up to the root"},
		{private.certificate, private.secret, NULL, "one that says of no issuer where to fetch it needs none"},
		{ocsp.certificate, ocsp.secret, NULL, "nor does one that says where to ask about itself"},
		{leaf.certificate, leaf.secret, "its chain is missing; append the certificate of its issuer", "the leaf alone"},
		{wrong, leaf.secret, "a certificate of the chain did not issue the one before it; order them from the site's own upwards",
		 "another's chain"},
		{skips, leaf.secret, "a certificate of the chain did not issue the one before it; order them from the site's own upwards",
		 "a link is left out"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fail f = {0};
		const char *unfit;

		print_message("%s\n", cases[i].says);
		assert_true(check(cases[i].certificate, cases[i].key, &unfit, &f));
		assert_int_equal(f.warnings, cases[i].unfit != NULL);
		if (cases[i].unfit)
			assert_string_equal(unfit, cases[i].unfit);
		else
			assert_null(unfit);
		fail_done(&f);
	}
	free(whole);
	free(to_root);
	free(wrong);
	free(skips);
	made_done(&root);
	made_done(&other);
	made_done(&middle);
	made_done(&leaf);
	made_done(&private);
	made_done(&ocsp);
}

static char *many(const struct made *leaf, const struct made *of, int n)
{
	char *all = strdup(leaf->certificate);

	for (int i = 0; i < n; i++) {
		char *longer = joined(all, of->certificate);

		free(all);
		all = longer;
	}
	return all;
}

static void what_cannot_be_served_is_refused(void **state)
{
	struct made a = make("a", p256(), NULL, -1, 90, NULL), b = make("b", p256(), NULL, -1, 90, NULL);
	char *damaged = strdup(a.certificate), *tail = joined(a.certificate, "-----BEGIN CERTIFICATE-----\nMIIB");
	char *second = joined(a.certificate, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
	char *sixteen = many(&a, &b, 15), *seventeen = many(&a, &b, 16), *both = joined(a.secret, a.certificate);
	const struct { const char *certificate, *key; unsigned line; const char *want, *says; } cases[] = {
		{both, both, 0, NULL, "one file for both"},
		{sixteen, a.secret, 0, NULL, "sixteen certificates"},
		{seventeen, a.secret, 4, "more than 16 certificates", "seventeen"},
		{"", a.secret, 4, "holds no certificate in PEM", "an empty file"},
		{"nothing\n", a.secret, 4, "holds no certificate in PEM", "another file"},
		{a.secret, a.secret, 4, "are the two swapped?", "a key in its place"},
		{damaged, a.secret, 4, "certificate 1 in c.pem is damaged", "a damaged one"},
		{tail, a.secret, 4, "certificate 2 in c.pem is damaged", "half a chain"},
		{second, a.secret, 4, "certificate 2 in c.pem is damaged", "a damaged chain"},
		{a.certificate, "", 5, "k.pem holds no private key in PEM", "no key"},
		{a.certificate, a.certificate, 5, "k.pem holds no private key in PEM", "a certificate in its place"},
		{a.certificate, a.locked, 5, "k.pem is protected by a passphrase", "nobody is there to type it"},
		{a.certificate, b.secret, 5, "the key in k.pem does not belong to the certificate in c.pem", "two that do not belong together"},
	};

	(void)state;
	damaged[strlen(damaged) / 2] = '!';
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fail f = {0};
		const char *unfit;

		print_message("%s\n", cases[i].says);
		assert_int_equal(check(cases[i].certificate, cases[i].key, &unfit, &f), !cases[i].want);
		assert_int_equal(f.errors, cases[i].want != NULL);
		if (cases[i].want) {
			assert_non_null(strstr(f.at[0].text, cases[i].want));
			assert_int_equal(f.at[0].place.line, cases[i].line);
		}
		fail_done(&f);
	}
	free(damaged);
	free(tail);
	free(second);
	free(sixteen);
	free(seventeen);
	free(both);
	made_done(&a);
	made_done(&b);
}

static void an_expired_authority_is_told(void **state)
{
	struct made good = make("good", p256(), NULL, -1, 90, NULL), old = make("old", p256(), NULL, -9, -1, NULL);
	char *both = joined(good.certificate, old.certificate);
	const struct pem_file file = {SLICE("ca.pem"), slice_of(both), {"p.yaml", 7, 1}};
	struct fail f = {0};

	(void)state;
	assert_true(pem_check_authorities(&file, &f));
	assert_int_equal(f.n, 1);
	assert_string_equal(f.at[0].text, "ca.pem: the authority /CN=old has expired; its certificates are refused");
	assert_true(pem_holds_certificate(file.bytes));
	assert_false(pem_holds_certificate(slice_of(good.secret)));
	fail_done(&f);
	free(both);
	made_done(&good);
	made_done(&old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_judged),
		cmocka_unit_test(dates_are_judged),
		cmocka_unit_test(a_chain_runs_upwards_and_is_there),
		cmocka_unit_test(what_cannot_be_served_is_refused),
		cmocka_unit_test(an_expired_authority_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
