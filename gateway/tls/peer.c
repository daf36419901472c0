/* peer.c -- what a verified certificate says of its client, as plain text.
 *
 * A certificate holds what its authority let its owner write.  What leaves here is
 * printable ASCII of bounded length or nothing: it goes into records, policies and
 * header fields. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "gateway/base/addr.h"
#include "gateway/tls/inner.h"

enum { SUBJECT_MOST = 1024, NAMES_MOST = 64, NAMES_BYTES = 4096, DER_MOST = 8192, BLOCK = 2048 };

struct made {
	struct tls_peer peer; /* first: what callers see */
	unsigned refs;
	struct arena arena;
};

/* ---- The subject ---- */

/* RFC 4514, so that what is not printable ASCII is written \XX. */
static bool read_subject(struct made *m, X509 *x)
{
	BIO *bio = BIO_new(BIO_s_mem());
	bool good = bio && X509_NAME_print_ex(bio, X509_get_subject_name(x), 0, XN_FLAG_RFC2253) >= 0;
	char *at = NULL;
	long n = good ? BIO_get_mem_data(bio, &at) : 0;

	for (long i = 0; i < n; i++)
		if (at[i] < 0x20 || at[i] > 0x7e)
			n = 0;
	if (n > 0 && n <= SUBJECT_MOST) {
		m->peer.subject = arena_copy(&m->arena, slice_make(at, (size_t)n));
		good = m->peer.subject.at;
	}
	BIO_free(bio);
	return good;
}

/* ---- Other names ---- */

/* A name in visible ASCII; none has a comma or a backslash that did not mean to be two. */
static bool is_plain(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] <= 0x20 || s.at[i] > 0x7e || s.at[i] == ',' || s.at[i] == '\\' || s.at[i] == '"')
			return false;
	return s.len > 0;
}

static struct slice text_of(struct arena *a, const char *kind, const ASN1_STRING *s)
{
	struct slice text = slice_make((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));

	return is_plain(text) ? arena_print(a, "%s:%.*s", kind, SLICE_F(text)) : SLICE("");
}

static struct slice address_of(struct arena *a, const ASN1_OCTET_STRING *s)
{
	const uint8_t *b = ASN1_STRING_get0_data(s);
	struct addr address = {{[10] = 0xff, [11] = 0xff}};
	char text[ADDR_TEXT];
	int n = ASN1_STRING_length(s);

	if (n != 4 && n != 16)
		return SLICE("");
	memcpy(address.b + (16 - n), b, (size_t)n);
	return arena_print(a, "IP:%.*s", (int)addr_text(&address, text), text);
}

/* Empty: a kind that is not told, or one that is no plain text.  At NULL: memory is used up. */
static struct slice name_of(struct arena *a, const GENERAL_NAME *name)
{
	switch (name->type) {
	case GEN_DNS:
		return text_of(a, "DNS", name->d.dNSName);
	case GEN_EMAIL:
		return text_of(a, "email", name->d.rfc822Name);
	case GEN_URI:
		return text_of(a, "URI", name->d.uniformResourceIdentifier);
	case GEN_IPADD:
		return address_of(a, name->d.iPAddress);
	default:
		return SLICE("");
	}
}

/* All or none: half a list would say that the other half is not there. */
static bool read_names(struct made *m, X509 *x)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	struct slice *names = ARENA_ARRAY(&m->arena, struct slice, NAMES_MOST);
	int count = all ? sk_GENERAL_NAME_num(all) : 0;
	bool room = names;
	size_t bytes = 0;
	unsigned n = 0;

	for (int i = 0; room && i < count && n <= NAMES_MOST && bytes <= NAMES_BYTES; i++) {
		struct slice name = name_of(&m->arena, sk_GENERAL_NAME_value(all, i));

		room = name.at;
		bytes += name.len + 2;
		if (room && name.len && n++ < NAMES_MOST)
			names[n - 1] = name;
	}
	GENERAL_NAMES_free(all);
	if (room && n <= NAMES_MOST && bytes <= NAMES_BYTES) {
		m->peer.names = names;
		m->peer.names_n = n;
	}
	return room;
}

/* ---- The whole ---- */

static bool read_sum(struct made *m, X509 *x)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t sum[EVP_MAX_MD_SIZE];
	char *text = arena_take(&m->arena, 64);
	unsigned n = 0;

	if (!text || X509_digest(x, EVP_sha256(), sum, &n) != 1 || n != 32)
		return false;
	for (unsigned i = 0; i < n; i++) {
		text[2 * i] = digits[sum[i] >> 4];
		text[2 * i + 1] = digits[sum[i] & 15];
	}
	m->peer.sha256 = slice_make(text, 64);
	return true;
}

static bool read_whole(struct made *m, X509 *x)
{
	int n = i2d_X509(x, NULL);
	unsigned char *der, *end;
	char *text;

	if (n <= 0 || n > DER_MOST)
		return n > 0;
	der = end = arena_take(&m->arena, (size_t)n);
	text = arena_take(&m->arena, (size_t)(n + 2) / 3 * 4 + 1);
	if (!der || !text || i2d_X509(x, &end) != n)
		return false;
	m->peer.base64 = slice_make(text, (size_t)EVP_EncodeBlock((unsigned char *)text, der, n));
	return true;
}

static struct made *make(X509 *x)
{
	struct made *m = mem_take_zeroed(NULL, sizeof *m);

	if (!m)
		return NULL;
	m->refs = 1;
	arena_init(&m->arena, NULL, BLOCK);
	if (read_sum(m, x) && read_subject(m, x) && read_names(m, x) && read_whole(m, x))
		return m;
	tls_peer_drop(&m->peer);
	return NULL;
}

const struct tls_peer *tls_peer(struct tls *t)
{
	X509 *x;

	if (t->peer || !t->done || !t->demand)
		return t->peer;
	x = SSL_get0_peer_certificate(t->ssl);
	if (x && SSL_get_verify_result(t->ssl) == X509_V_OK) {
		struct made *m = make(x);

		t->peer = m ? &m->peer : NULL;
	}
	tls_queue_clear();
	return t->peer;
}

const struct tls_peer *tls_peer_hold(const struct tls_peer *p)
{
	((struct made *)(uintptr_t)p)->refs++;
	return p;
}

void tls_peer_drop(const struct tls_peer *p)
{
	struct made *m = (struct made *)(uintptr_t)p;

	if (!m || --m->refs)
		return;
	arena_done(&m->arena);
	mem_give(NULL, m, sizeof *m);
}
