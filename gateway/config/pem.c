/* pem.c -- reading PEM with OpenSSL, only to say what is wrong with it. */
#include "gateway/config/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* Nobody is asked for a passphrase: a gateway starts alone. */
static int no_passphrase(char *out, int size, int writing, void *asked)
{
	(void)out, (void)size, (void)writing;
	*(bool *)asked = true;
	return -1;
}

static X509 *read_certificate(struct slice pem)
{
	BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return x;
}

static EVP_PKEY *read_key(struct slice pem, bool *asked)
{
	BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, asked) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return key;
}

bool pem_holds_certificate(struct slice pem)
{
	X509 *x = read_certificate(pem);

	X509_free(x);
	return x != NULL;
}

bool pem_check(struct slice certificate_path, struct slice certificate, struct place certificate_place,
	       struct slice key_path, struct slice key, struct place key_place, struct fail *f)
{
	bool asked = false, fine = true;
	X509 *x = read_certificate(certificate);
	EVP_PKEY *k = read_key(key, &asked);

	if (!x)
		fine = fail_at(f, certificate_place, "%.*s holds no certificate in PEM%s", SLICE_F(certificate_path),
			       slice_contains(certificate, SLICE("PRIVATE KEY")) ? "; it is a key: are the two swapped?" : "");
	if (!k && asked)
		fine = fail_at(f, key_place, "%.*s is protected by a passphrase; store the key without one, mode 600",
			       SLICE_F(key_path));
	else if (!k)
		fine = fail_at(f, key_place, "%.*s holds no private key in PEM", SLICE_F(key_path));
	if (x && k && X509_check_private_key(x, k) != 1)
		fine = fail_at(f, key_place, "the key in %.*s does not belong to the certificate in %.*s", SLICE_F(key_path),
			       SLICE_F(certificate_path));
	X509_free(x);
	EVP_PKEY_free(k);
	ERR_clear_error();
	return fine;
}

static void judge_authority(struct slice path, X509 *x, struct place place, struct fail *f)
{
	char name[128] = "";

	X509_NAME_oneline(X509_get_subject_name(x), name, sizeof name);
	if (X509_cmp_current_time(X509_get0_notAfter(x)) < 0)
		fail_warn(f, place, "%.*s: the authority %s has expired; its certificates are refused", SLICE_F(path), name);
}

bool pem_check_authorities(struct slice path, struct slice pem, struct place place, struct fail *f)
{
	BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
	int n = 0;
	X509 *x;

	while (bio && n <= PEM_AUTHORITIES && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		judge_authority(path, x, place, f);
		X509_free(x);
		n++;
	}
	BIO_free(bio);
	/* The end of the text is the only good reason to stop. */
	if (n <= PEM_AUTHORITIES && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		n = -1;
	ERR_clear_error();
	if (n < 0)
		return fail_at(f, place, "%.*s holds a damaged certificate; copy it anew", SLICE_F(path));
	if (!n)
		return fail_at(f, place, "%.*s holds no certificate in PEM", SLICE_F(path));
	if (n > PEM_AUTHORITIES)
		return fail_at(f, place, "%.*s holds more than %d certificates; name only the authorities that issue your clients' ones",
			       SLICE_F(path), PEM_AUTHORITIES);
	return true;
}
