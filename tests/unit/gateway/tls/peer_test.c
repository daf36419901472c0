/* peer_test.c -- what a certificate says of its owner leaves as plain text, or not at all. */
#include "gateway/tls/peer.h"

static struct made site, ca;

static int set_up(void **state)
{
	(void)state;
	site = make((struct recipe){.names = "DNS:a.test"});
	ca = make((struct recipe){.ca = true});
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	made_done(&site);
	made_done(&ca);
	return 0;
}

/* What the gateway sees of a client with that certificate; held. */
static const struct tls_peer *seen(const struct made *m)
{
	static const struct tls_demand_host host = {SLICE("*"), 0};
	struct tls_demand demand = {.ca_pem = slice_of(ca.certificate), .required = true};
	struct tls_pem pem = pem_of(&site);
	struct tls_server_plan plan = {.pems = &pem, .pems_n = 1, .min_version = 0x0303, .demands = &demand, .demands_n = 1,
				       .hosts = &host, .hosts_n = 1};
	struct tls_server *s = tls_server_new(&plan, &(struct fail){0});
	SSL_CTX *c = their_client();
	const struct tls_peer *peer;
	struct link l;

	assert_non_null(s);
	SSL_CTX_use_certificate(c, m->x509);
	SSL_CTX_use_PrivateKey(c, m->pkey);
	link_to_server(&l, s, c, NULL);
	link_shake(&l);
	assert_int_equal(l.state, TLS_DONE);
	peer = tls_peer(l.ours);
	assert_non_null(peer);
	assert_ptr_equal(peer, tls_peer(l.ours));
	tls_peer_hold(peer);
	link_done(&l);
	SSL_CTX_free(c);
	tls_server_free(s);
	return peer;
}

static void the_sum_and_the_whole_are_the_certificates(void **state)
{
	struct made m = make((struct recipe){.issuer = &ca, .names = "DNS:client"});
	const struct tls_peer *p = seen(&m);
	unsigned char sum[32], der[4096], back[4096], *at = der;
	unsigned n;
	char hex[65];
	int len;

	(void)state;
	X509_digest(m.x509, EVP_sha256(), sum, &n);
	for (unsigned i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	assert_true(slice_is(p->sha256, hex));
	len = i2d_X509(m.x509, &at);
	assert_true(EVP_DecodeBlock(back, (const unsigned char *)p->base64.at, (int)p->base64.len) >= len);
	assert_memory_equal(back, der, (size_t)len);
	tls_peer_drop(p);
	made_done(&m);
}

static void a_subject_is_escaped(void **state)
{
	static const struct { const char *name, *want, *says; } cases[] = {
		{"client", "CN=client", "plain"},
		{"a, CN=admin", "CN=a\\, CN=admin", "a comma is no second part"},
		{"a+CN=admin", "CN=a\\+CN=admin", "nor is a plus"},
		{"a\r\nX-Admin: 1", "CN=a\\0D\\0AX-Admin: 1", "no line ends"},
		{"\"quoted\" \\ <x>", "CN=\\\"quoted\\\" \\\\ \\<x\\>", "quotes and brackets"},
		{" # ", "CN=\\ #\\ ", "spaces at the ends"},
		{"\xfc", "CN=\\C3\\BC", "what is not ASCII"},
		{"\x7f\x1b[31m", "CN=\\7F\\1B[31m", "no orders to a terminal"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct made m = make((struct recipe){.issuer = &ca, .common_name = cases[i].name});
		const struct tls_peer *p = seen(&m);

		print_message("%s: %.*s\n", cases[i].says, SLICE_F(p->subject));
		assert_true(slice_is(p->subject, cases[i].want));
		tls_peer_drop(p);
		made_done(&m);
	}
}

static void a_subject_without_end_is_none(void **state)
{
	struct made m = make((struct recipe){.issuer = &ca});
	X509_NAME *name = X509_NAME_new();
	const struct tls_peer *p;

	(void)state;
	for (int i = 0; i < 30; i++)
		assert_int_equal(X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_ASC,
							    (const unsigned char *)"0123456789012345678901234567890123456789", -1, -1, 0), 1);
	X509_set_subject_name(m.x509, name);
	X509_NAME_free(name);
	X509_sign(m.x509, ca.pkey, EVP_sha256());
	p = seen(&m);
	assert_int_equal(p->subject.len, 0);
	assert_int_equal(p->sha256.len, 64);
	tls_peer_drop(p);
	made_done(&m);
}

static void put_name(GENERAL_NAMES *all, int type, const char *text, size_t n)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *value = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();

	ASN1_STRING_set(value, text, (int)n);
	GENERAL_NAME_set0_value(name, type, value);
	sk_GENERAL_NAME_push(all, name);
}

static void names_are_plain_and_say_their_kind(void **state)
{
	static const struct { int type; const char *text; size_t n; const char *want; /* NULL: left out */ const char *says; } cases[] = {
		{GEN_DNS, "Client.test", 11, "DNS:Client.test", "a name as it stands there"},
		{GEN_DNS, "client.test\0.evil", 17, NULL, "a NUL inside"},
		{GEN_DNS, "a, DNS:admin.test", 17, NULL, "two in one"},
		{GEN_DNS, "a\r\nX: y", 7, NULL, "a line end"},
		{GEN_DNS, "", 0, NULL, "nothing"},
		{GEN_DNS, "a b", 3, NULL, "a space"},
		{GEN_DNS, "\xc3\xbc.test", 7, NULL, "what is not ASCII"},
		{GEN_EMAIL, "ann@client.test", 15, "email:ann@client.test", "an address for mail"},
		{GEN_URI, "spiffe://client.test/a", 22, "URI:spiffe://client.test/a", "an identity as URI"},
		{GEN_IPADD, "\x7f\0\0\1", 4, "IP:127.0.0.1", "IPv4"},
		{GEN_IPADD, "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16, "IP:2001:db8::1", "IPv6"},
		{GEN_IPADD, "\x7f\0\0", 3, NULL, "no address"},
	};
	GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
	const struct tls_peer *p;
	struct made m;
	unsigned k = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		put_name(all, cases[i].type, cases[i].text, cases[i].n);
	m = make((struct recipe){.issuer = &ca, .names_raw = all});
	p = seen(&m);
	for (size_t i = 0; i < COUNT(cases); i++) {
		print_message("%s\n", cases[i].says);
		if (cases[i].want)
			assert_true(k < p->names_n && slice_is(p->names[k++], cases[i].want));
	}
	assert_int_equal(k, p->names_n);
	tls_peer_drop(p);
	made_done(&m);
	GENERAL_NAMES_free(all);
}

static void too_many_names_are_none(void **state)
{
	static const struct { unsigned n; size_t len; unsigned want; } cases[] = {{64, 10, 64}, {65, 10, 0}, {20, 250, 0}, {15, 250, 15}};
	char text[256];

	(void)state;
	memset(text, 'a', sizeof text);
	for (size_t i = 0; i < COUNT(cases); i++) {
		GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
		const struct tls_peer *p;
		struct made m;

		for (unsigned k = 0; k < cases[i].n; k++)
			put_name(all, GEN_DNS, text, cases[i].len);
		m = make((struct recipe){.issuer = &ca, .names_raw = all});
		p = seen(&m);
		assert_int_equal(p->names_n, cases[i].want);
		tls_peer_drop(p);
		made_done(&m);
		GENERAL_NAMES_free(all);
	}
}

static void a_large_certificate_is_not_passed_on(void **state)
{
	GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
	static char text[9000];
	const struct tls_peer *p;
	struct made m;

	(void)state;
	memset(text, 'a', sizeof text);
	put_name(all, GEN_URI, text, sizeof text);
	m = make((struct recipe){.issuer = &ca, .names_raw = all});
	p = seen(&m);
	assert_int_equal(p->base64.len, 0);
	assert_int_equal(p->names_n, 0);
	assert_int_equal(p->sha256.len, 64);
	tls_peer_drop(p);
	made_done(&m);
	GENERAL_NAMES_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sum_and_the_whole_are_the_certificates),
		cmocka_unit_test(a_subject_is_escaped),
		cmocka_unit_test(a_subject_without_end_is_none),
		cmocka_unit_test(names_are_plain_and_say_their_kind),
		cmocka_unit_test(too_many_names_are_none),
		cmocka_unit_test(a_large_certificate_is_not_passed_on),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
