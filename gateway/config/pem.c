/* pem.c -- reading PEM with OpenSSL, only to say what is wrong with it. */
#include "gateway/config/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { RSA_BITS_LEAST = 2048, EC_BITS_LEAST = 256, CHAIN_MOST = 16, EXPIRY_NEAR_DAYS = 14 };

/* ---- Reading ---- */

/* Nobody is asked for a passphrase: a gateway starts alone. */
static int no_passphrase(char *out, int size, int writing, void *asked)
{
	(void)out, (void)size, (void)writing;
	*(bool *)asked = true;
	return -1;
}

/* All certificates of a text, up to `most` and one more; *damaged if it does not end behind the last. */
static STACK_OF(X509) *read_certificates(struct slice pem, int most, bool *damaged)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
	bool asked;
	X509 *x;

	while (all && bio && sk_X509_num(all) <= most && (x = PEM_read_bio_X509(bio, NULL, no_passphrase, &asked)))
		if (!sk_X509_push(all, x))
			X509_free(x);
	BIO_free(bio);
	/* The end of the text is the only good reason to stop. */
	*damaged = sk_X509_num(all) <= most && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
	ERR_clear_error();
	return all;
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
	bool damaged;
	STACK_OF(X509) *all = read_certificates(pem, 0, &damaged);
	bool any = sk_X509_num(all) > 0;

	sk_X509_pop_free(all, X509_free);
	return any;
}

/* ---- What cannot be served ---- */

static bool judge_certificates(const struct pem_file *file, const STACK_OF(X509) *all, bool damaged, struct fail *f)
{
	int n = sk_X509_num(all);

	if (n < 1 && !damaged)
		return fail_at(f, file->place, "%.*s holds no certificate in PEM%s", SLICE_F(file->path),
			       slice_contains(file->bytes, SLICE("PRIVATE KEY")) ? "; it is a key: are the two swapped?" : "");
	if (damaged)
		return fail_at(f, file->place, "certificate %d in %.*s is damaged; copy the file anew", n < 0 ? 1 : n + 1,
			       SLICE_F(file->path));
	return n <= CHAIN_MOST || fail_at(f, file->place, "%.*s holds more than %d certificates; give the site's own and its "
							  "intermediates only",
					  SLICE_F(file->path), CHAIN_MOST);
}

static bool judge_strength(const struct pem_file *file, const EVP_PKEY *key, struct fail *f)
{
	int bits = EVP_PKEY_get_bits(key);

	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS:
		return bits >= RSA_BITS_LEAST ||
		       fail_at(f, file->place, "%.*s: an RSA key of %d bits is too weak; at least %d are needed", SLICE_F(file->path),
			       bits, RSA_BITS_LEAST);
	case EVP_PKEY_EC:
		return bits >= EC_BITS_LEAST || fail_at(f, file->place, "%.*s: an elliptic curve key of %d bits is too weak; use P-256",
							SLICE_F(file->path), bits);
	case EVP_PKEY_ED25519:
		return true;
	}
	return fail_at(f, file->place, "%.*s: this type of key cannot be used for TLS; use ECDSA P-256 or RSA", SLICE_F(file->path));
}

static bool judge_key(const struct pem_file *file, const EVP_PKEY *key, bool asked, struct fail *f)
{
	if (!key && asked)
		return fail_at(f, file->place, "%.*s is protected by a passphrase; store the key without one, mode 600",
			       SLICE_F(file->path));
	if (!key)
		return fail_at(f, file->place, "%.*s holds no private key in PEM", SLICE_F(file->path));
	return judge_strength(file, key, f);
}

/* ---- What clients will refuse ---- */

static const char *judge_dates(const struct pem_file *file, X509 *leaf, struct fail *f)
{
	int days = 0, seconds = 0;

	if (X509_cmp_current_time(X509_get0_notBefore(leaf)) > 0)
		return "the certificate is not valid yet";
	if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(leaf)))
		return "the certificate's last day cannot be read";
	if (days < 0 || seconds < 0)
		return "the certificate has expired";
	if (days < EXPIRY_NEAR_DAYS)
		fail_warn(f, file->place, "%.*s: the certificate expires in %d days; renew it", SLICE_F(file->path), days);
	return NULL;
}

/* Who issued it can be fetched from somewhere, says the certificate: so nobody has it by himself. */
static bool names_its_issuer(X509 *leaf)
{
	AUTHORITY_INFO_ACCESS *info = X509_get_ext_d2i(leaf, NID_info_access, NULL, NULL);
	bool named = false;

	for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(info); i++)
		named = named || OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(info, i)->method) == NID_ad_ca_issuers;
	AUTHORITY_INFO_ACCESS_free(info);
	return named;
}

static const char *judge_chain(const STACK_OF(X509) *all)
{
	X509 *below = sk_X509_value(all, 0);

	if (sk_X509_num(all) == 1 && names_its_issuer(below))
		return "its chain is missing; append the certificate of its issuer";
	for (int i = 1; i < sk_X509_num(all); i++) {
		X509 *above = sk_X509_value(all, i);

		if (X509_check_issued(above, below) != X509_V_OK)
			return "a certificate of the chain did not issue the one before it; order them from the site's own upwards";
		below = above;
	}
	return NULL;
}

static const char *judge_use(const struct pem_file *file, const STACK_OF(X509) *all, struct fail *f)
{
	const char *unfit = judge_dates(file, sk_X509_value(all, 0), f);

	if (!unfit)
		unfit = judge_chain(all);
	if (unfit)
		fail_warn(f, file->place, "%.*s: %s; clients will refuse it", SLICE_F(file->path), unfit);
	return unfit;
}

/* ---- The whole ---- */

bool pem_check(const struct pem_file *certificate, const struct pem_file *key, const char **unfit, struct fail *f)
{
	bool asked = false, damaged;
	STACK_OF(X509) *all = read_certificates(certificate->bytes, CHAIN_MOST, &damaged);
	EVP_PKEY *k = read_key(key->bytes, &asked);
	bool fine = judge_certificates(certificate, all, damaged, f), strong = judge_key(key, k, asked, f);

	*unfit = NULL;
	if (fine && strong && X509_check_private_key(sk_X509_value(all, 0), k) != 1)
		fine = fail_at(f, key->place, "the key in %.*s does not belong to the certificate in %.*s", SLICE_F(key->path),
			       SLICE_F(certificate->path));
	fine = fine && strong;
	if (fine)
		*unfit = judge_use(certificate, all, f);
	sk_X509_pop_free(all, X509_free);
	EVP_PKEY_free(k);
	ERR_clear_error();
	return fine;
}

/* ---- Authorities ---- */

static void judge_authority(const struct pem_file *file, X509 *x, struct fail *f)
{
	char name[128] = "";

	X509_NAME_oneline(X509_get_subject_name(x), name, sizeof name);
	if (X509_cmp_current_time(X509_get0_notAfter(x)) < 0)
		fail_warn(f, file->place, "%.*s: the authority %s has expired; its certificates are refused", SLICE_F(file->path), name);
}

bool pem_check_authorities(const struct pem_file *file, struct fail *f)
{
	bool damaged;
	STACK_OF(X509) *all = read_certificates(file->bytes, PEM_AUTHORITIES, &damaged);
	int n = sk_X509_num(all);

	for (int i = 0; i < n; i++)
		judge_authority(file, sk_X509_value(all, i), f);
	sk_X509_pop_free(all, X509_free);
	ERR_clear_error();
	if (damaged)
		return fail_at(f, file->place, "%.*s holds a damaged certificate; copy it anew", SLICE_F(file->path));
	if (n < 1)
		return fail_at(f, file->place, "%.*s holds no certificate in PEM", SLICE_F(file->path));
	if (n > PEM_AUTHORITIES)
		return fail_at(f, file->place, "%.*s holds more than %d certificates; name only the authorities that issue your clients' ones",
			       SLICE_F(file->path), PEM_AUTHORITIES);
	return true;
}

/* ---- Revocation lists ---- */

static STACK_OF(X509_CRL) *read_lists(struct slice pem, bool *damaged)
{
	STACK_OF(X509_CRL) *all = sk_X509_CRL_new_null();
	BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.len);
	X509_CRL *one;
	bool asked;

	while (all && bio && sk_X509_CRL_num(all) <= PEM_LISTS && (one = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, &asked)))
		if (!sk_X509_CRL_push(all, one))
			X509_CRL_free(one);
	BIO_free(bio);
	*damaged = sk_X509_CRL_num(all) <= PEM_LISTS && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
	ERR_clear_error();
	return all;
}

static void warn_of_dates(const struct pem_file *file, X509_CRL *list, const char *name, struct fail *f)
{
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(list);

	if (X509_cmp_current_time(X509_CRL_get0_lastUpdate(list)) > 0)
		fail_warn(f, file->place, "%.*s: the list of %s is not valid yet; until then its clients are refused",
			  SLICE_F(file->path), name);
	else if (next && X509_cmp_current_time(next) < 0)
		fail_warn(f, file->place, "%.*s: the list of %s is out of date; until there is a newer one its clients are refused",
			  SLICE_F(file->path), name);
}

/* Lists of others are of intermediates, which only clients bring. */
static bool judge_lists_of(const struct pem_file *file, STACK_OF(X509_CRL) *lists, X509 *authority, struct fail *f)
{
	char name[128] = "";
	bool named = false;

	X509_NAME_oneline(X509_get_subject_name(authority), name, sizeof name);
	for (int i = 0; i < sk_X509_CRL_num(lists); i++) {
		X509_CRL *list = sk_X509_CRL_value(lists, i);

		if (X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(authority)) != 0)
			continue;
		named = true;
		if (X509_CRL_verify(list, X509_get0_pubkey(authority)) == 1) {
			warn_of_dates(file, list, name, f);
			return true;
		}
	}
	if (named)
		return fail_at(f, file->place, "%.*s: the list of %s is not signed by that authority of client_ca", SLICE_F(file->path),
			       name);
	return fail_at(f, file->place, "%.*s has no list of %s, so all its clients would be refused; add the list, or take that "
				       "authority out of client_ca",
		       SLICE_F(file->path), name);
}

static bool judge_lists(const struct pem_file *file, STACK_OF(X509_CRL) *lists, bool damaged, struct fail *f)
{
	int n = sk_X509_CRL_num(lists);

	if (n < 1 && !damaged)
		return fail_at(f, file->place, "%.*s holds no revocation list in PEM; openssl crl -inform der makes it of one in DER",
			       SLICE_F(file->path));
	if (damaged)
		return fail_at(f, file->place, "revocation list %d in %.*s is damaged; fetch it anew", n < 0 ? 1 : n + 1,
			       SLICE_F(file->path));
	return n <= PEM_LISTS ||
	       fail_at(f, file->place, "%.*s holds more than %d revocation lists", SLICE_F(file->path), PEM_LISTS);
}

bool pem_check_lists(const struct pem_file *file, const struct pem_file *authorities, struct fail *f)
{
	bool damaged, ignored, fine;
	STACK_OF(X509_CRL) *lists = read_lists(file->bytes, &damaged);
	STACK_OF(X509) *all = read_certificates(authorities->bytes, PEM_AUTHORITIES, &ignored);

	fine = judge_lists(file, lists, damaged, f);
	for (int i = 0; fine && i < sk_X509_num(all); i++)
		fine = judge_lists_of(file, lists, sk_X509_value(all, i), f);
	sk_X509_CRL_pop_free(lists, X509_CRL_free);
	sk_X509_pop_free(all, X509_free);
	ERR_clear_error();
	return fine;
}
