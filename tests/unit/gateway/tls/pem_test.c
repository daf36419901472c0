/* pem_test.c -- what is said about an operator's certificate before it is used. */
#include "gateway/tls/peer.h"

static struct arena arena;

static char *joined(const char *a, const char *b)
{
	char *both = NULL;

	assert_true(asprintf(&both, "%s%s", a, b) > 0);
	return both;
}

static bool check(const char *certificate, const char *key, struct slice **names, unsigned *n, struct fail *f)
{
	struct tls_pem pem = {slice_of(certificate), slice_of(key), {"p.yaml", 4, 2}};
	bool good = tls_pem_check(&pem, &arena, names, n, f);

	assert_int_equal(good, f->errors == 0);
	assert_int_equal(ERR_peek_error(), 0);
	for (unsigned i = 0; i < f->n; i++)
		assert_int_equal(f->at[i].place.line, 4);
	return good;
}

static void certificates_are_judged(void **state)
{
	static const struct {
		struct recipe r;
		bool good;
		const char *first; /* finding; NULL: none */
		const char *says;
	} cases[] = {
		{{.names = "DNS:a.test"}, true, NULL, "nothing to say"},
		{{.names = "DNS:a.test", .key = "RSA2048"}, true, NULL, "RSA of 2048 bits"},
		{{.names = "DNS:a.test", .key = "ED25519"}, true, NULL, "Ed25519"},
		{{.names = "DNS:a.test", .key = "RSA1024"}, false, "an RSA key of 1024 bits is too weak; at least 2048 are needed", "short RSA"},
		{{.names = "DNS:a.test", .key = "P-192"}, false, "an elliptic curve key of 192 bits is too weak; use P-256", "a short curve"},
		{{.common_name = "a.test"}, true,
		 "the certificate has no DNS name (subjectAltName); it only answers clients that no other fits", "the common name is no name"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct made m = make(cases[i].r);
		struct slice *names;
		struct fail f = {0};
		unsigned n;

		print_message("%s\n", cases[i].says);
		assert_int_equal(check(m.certificate, m.key, &names, &n, &f), cases[i].good);
		assert_int_equal(f.n, cases[i].first != NULL);
		if (cases[i].first)
			assert_string_equal(f.at[0].text, cases[i].first);
		fail_done(&f);
		made_done(&m);
	}
}

static void names_come_from_the_alternative_names(void **state)
{
	struct made m = make((struct recipe){
		.names = "DNS:A.Test,DNS:*.b.test,IP:127.0.0.1,email:x@c.test,DNS:bad name,DNS:*,DNS:x.*.test,DNS:.test",
		.common_name = "cn.test"});
	struct slice *names;
	struct fail f = {0};
	unsigned n;

	(void)state;
	assert_true(check(m.certificate, m.key, &names, &n, &f));
	assert_int_equal(n, 2);
	assert_true(slice_is(names[0], "a.test"));
	assert_true(slice_is(names[1], "*.b.test"));
	fail_done(&f);
	made_done(&m);
}

static void a_chain_runs_from_the_leaf(void **state)
{
	struct made ca = make((struct recipe){.ca = true}), other = make((struct recipe){.ca = true, .common_name = "other"});
	struct made leaf = make((struct recipe){.names = "DNS:a.test", .issuer = &ca});
	char *good = joined(leaf.certificate, ca.certificate), *wrong = joined(leaf.certificate, other.certificate);
	char *turned = joined(ca.certificate, leaf.certificate), *both = joined(leaf.key, leaf.certificate);
	char *all = NULL;
	struct slice *names;
	struct fail f = {0};
	unsigned n;

	(void)state;
	assert_true(check(good, leaf.key, &names, &n, &f));
	assert_int_equal(f.n, 0);
	assert_true(check(both, both, &names, &n, &f)); /* one file for both */
	assert_int_equal(f.n, 0);
	assert_true(check(wrong, leaf.key, &names, &n, &f));
	assert_int_equal(f.n, 0);
	assert_false(check(turned, leaf.key, &names, &n, &f));
	assert_string_equal(f.at[0].text, "certificate and private key do not belong together");
	fail_done(&f);

	all = strdup(leaf.certificate);
	for (int i = 0; i < 17; i++) {
		char *longer = joined(all, ca.certificate);

		free(all);
		all = longer;
	}
	assert_false(check(all, leaf.key, &names, &n, &f));
	fail_done(&f);
	free(good);
	free(wrong);
	free(turned);
	free(both);
	free(all);
	made_done(&leaf);
	made_done(&ca);
	made_done(&other);
}

static void what_is_no_pem_is_refused(void **state)
{
	struct made m = make((struct recipe){.names = "DNS:a.test"});
	BIO *bio = BIO_new(BIO_s_mem());
	char *locked, *damaged = strdup(m.certificate), *tail = joined(m.certificate, "-----BEGIN CERTIFICATE-----\nMIIB");
	struct slice *names;
	struct fail f = {0};
	unsigned n;

	(void)state;
	PEM_write_bio_PKCS8PrivateKey(bio, m.pkey, EVP_aes_256_cbc(), "secret", 6, NULL, NULL);
	locked = bio_text(bio);
	damaged[strlen(damaged) / 2] = '!';
	const struct { const char *certificate, *key, *want, *says; } cases[] = {
		{"", m.key, "no certificate in PEM form", "an empty file"},
		{m.key, m.key, "no certificate in PEM form", "a key instead of a certificate"},
		{damaged, m.key, "no certificate in PEM form", "a damaged certificate"},
		{tail, m.key, "no certificate in PEM form", "a truncated chain"},
		{m.certificate, "", "no private key in PEM form", "no key"},
		{m.certificate, m.certificate, "no private key in PEM form", "a certificate instead of a key"},
		{m.certificate, locked, "the private key is encrypted", "a passphrase: nobody is there to type it"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		print_message("%s\n", cases[i].says);
		assert_false(check(cases[i].certificate, cases[i].key, &names, &n, &f));
		assert_true(slice_starts(slice_of(f.at[0].text), slice_of(cases[i].want)));
		fail_done(&f);
	}
	free(locked);
	free(damaged);
	free(tail);
	made_done(&m);
}

static int set_up(void **state)
{
	(void)state;
	arena_init(&arena, NULL, 4096);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_done(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_are_judged),
		cmocka_unit_test(names_come_from_the_alternative_names),
		cmocka_unit_test(a_chain_runs_from_the_leaf),
		cmocka_unit_test(what_is_no_pem_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
