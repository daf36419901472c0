/* server_test.c -- which certificate, version and suite a client gets, and what is refused. */
#include "gateway/tls/peer.h"

static struct made ecdsa, rsa, other, wild, last;
static struct tls_server *server;
static SSL_CTX *client;

static int set_up(void **state)
{
	(void)state;
	ecdsa = make((struct recipe){.names = "DNS:a.test,DNS:both.test"});
	rsa = make((struct recipe){.names = "DNS:both.test,DNS:rsa.test", .key = "RSA2048"});
	other = make((struct recipe){.names = "DNS:b.test,DNS:UPPER.test"});
	wild = make((struct recipe){.names = "DNS:*.wild.test,DNS:deep.wild.test.org,DNS:*"});
	last = make((struct recipe){.names = "DNS:exact.wild.test,DNS:a.test"});
	struct tls_pem pems[] = {pem_of(&ecdsa), pem_of(&rsa), pem_of(&other), pem_of(&wild), pem_of(&last)};
	server = server_of(pems, COUNT(pems), NULL, 0x0303);
	client = their_client();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tls_server_free(server);
	SSL_CTX_free(client);
	made_done(&ecdsa);
	made_done(&rsa);
	made_done(&other);
	made_done(&wild);
	made_done(&last);
	return 0;
}

static void a_name_chooses_its_certificate(void **state)
{
	static const struct { const char *sni; const struct made *want; const char *heard, *says; } cases[] = {
		{"b.test", &other, "b.test", "exact"},
		{"B.TeSt", &other, "b.test", "names ignore case"},
		{"upper.test", &other, "upper.test", "also those in the certificate"},
		{"b.test.", &other, "b.test", "a dot at the end is not part of it"},
		{"x.wild.test", &wild, "x.wild.test", "a wildcard stands for one label"},
		{"exact.wild.test", &last, "exact.wild.test", "exact goes before a wildcard"},
		{"x.y.wild.test", &ecdsa, "x.y.wild.test", "not for two labels"},
		{"wild.test", &ecdsa, "wild.test", "and not for none"},
		{".wild.test", &ecdsa, ".wild.test", "nor for an empty one"},
		{"*.wild.test", &ecdsa, "*.wild.test", "a star is no name to ask for"},
		{"*", &ecdsa, "*", "and no name to have"},
		{"nobody.test", &ecdsa, "nobody.test", "an unknown name gets the first"},
		{"a.test", &ecdsa, "a.test", "of two certificates of one type the first listed answers"},
		{"rsa.test", &rsa, "rsa.test", "RSA where there is nothing else"},
		{"both.test", &ecdsa, "both.test", "ECDSA for a client that can do both"},
		{NULL, &ecdsa, NULL, "no name gets the first"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct link l;
		X509 *got;

		link_to_server(&l, server, client, cases[i].sni);
		link_shake(&l);
		print_message("%s\n", cases[i].says);
		assert_int_equal(l.state, TLS_DONE);
		assert_int_equal(l.their_result, 0);
		got = SSL_get1_peer_certificate(l.theirs);
		assert_int_equal(X509_cmp(got, cases[i].want->x509), 0);
		X509_free(got);
		if (cases[i].heard)
			assert_true(slice_is(tls_sni(l.ours), cases[i].heard));
		else
			assert_null(tls_sni(l.ours).at);
		link_done(&l);
	}
}

static void a_client_gets_the_best_both_can(void **state)
{
	static const struct {
		const char *sni, *sigalgs, *suites12, *suites13, *groups;
		int min, max;
		enum tls_state want;
		const char *version, *cipher, *why, *says;
	} cases[] = {
		{"both.test", NULL, NULL, NULL, NULL, 0, 0, TLS_DONE, "TLSv1.3", "TLS_AES_128_GCM_SHA256", NULL, "the default"},
		{"both.test", "RSA+SHA256:rsa_pss_rsae_sha256", NULL, NULL, NULL, 0, 0, TLS_DONE, "TLSv1.3", NULL, NULL,
		 "RSA for a client that knows no ECDSA"},
		{"both.test", "RSA+SHA256", "ECDHE-RSA-AES256-GCM-SHA384", NULL, NULL, 0, TLS1_2_VERSION, TLS_DONE, "TLSv1.2",
		 "ECDHE-RSA-AES256-GCM-SHA384", NULL, "the same in 1.2"},
		{"a.test", NULL, NULL, NULL, NULL, 0, TLS1_2_VERSION, TLS_DONE, "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", NULL,
		 "our order of suites"},
		{"a.test", NULL, "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256", NULL, NULL, 0, TLS1_2_VERSION,
		 TLS_DONE, "TLSv1.2", "ECDHE-ECDSA-CHACHA20-POLY1305", NULL, "ChaCha for who puts it first: no AES hardware there"},
		{"a.test", NULL, NULL, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256", NULL, 0, 0, TLS_DONE, "TLSv1.3",
		 "TLS_CHACHA20_POLY1305_SHA256", NULL, "the same in 1.3"},
		{"a.test", NULL, NULL, "TLS_AES_256_GCM_SHA384", NULL, 0, 0, TLS_DONE, "TLSv1.3", "TLS_AES_256_GCM_SHA384", NULL,
		 "AES-256 where nothing else is offered"},
		{"a.test", NULL, NULL, NULL, "P-384:X25519", 0, 0, TLS_DONE, "TLSv1.3", NULL, NULL,
		 "another key share is asked for with a second hello"},
		{"a.test", NULL, NULL, NULL, "P-521", 0, 0, TLS_BROKEN, NULL, NULL, "no key exchange group in common", "P-521 alone"},
		{"a.test", NULL, NULL, NULL, NULL, TLS1_VERSION, TLS1_1_VERSION, TLS_BROKEN, NULL, NULL,
		 "the client offers only TLS versions that are off", "TLS 1.1 is off"},
		{"a.test", NULL, NULL, NULL, NULL, TLS1_VERSION, TLS1_VERSION, TLS_BROKEN, NULL, NULL,
		 "the client offers only TLS versions that are off", "TLS 1.0 is off"},
		{"both.test", NULL, "ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA256", NULL, NULL, 0, TLS1_2_VERSION, TLS_BROKEN, NULL, NULL,
		 "no cipher suite in common", "CBC is off"},
		{"rsa.test", NULL, "AES128-GCM-SHA256", NULL, NULL, 0, TLS1_2_VERSION, TLS_BROKEN, NULL, NULL,
		 "no cipher suite in common", "RSA key exchange is off: it has no forward secrecy"},
		{"rsa.test", NULL, "DHE-RSA-AES128-GCM-SHA256", NULL, NULL, 0, TLS1_2_VERSION, TLS_BROKEN, NULL, NULL,
		 "no cipher suite in common", "finite-field groups are off"},
		{"both.test", NULL, "AECDH-AES128-SHA:ADH-AES128-GCM-SHA256", NULL, NULL, 0, TLS1_2_VERSION, TLS_BROKEN, NULL, NULL,
		 "no cipher suite in common", "nobody is anonymous"},
		{"both.test", NULL, "AECDH-NULL-SHA:ECDHE-RSA-NULL-SHA", NULL, NULL, 0, TLS1_2_VERSION, TLS_BROKEN, NULL, NULL,
		 "no cipher suite in common", "nothing is in the clear"},
		{"both.test", NULL, "ECDHE-RSA-AES128-CCM:ECDHE-ECDSA-AES128-CCM8", NULL, NULL, 0, TLS1_2_VERSION, TLS_BROKEN, NULL, NULL,
		 "no cipher suite in common", "short tags are off"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct link l;

		print_message("%s\n", cases[i].says);
		link_to_server(&l, server, client, cases[i].sni);
		SSL_set_min_proto_version(l.theirs, cases[i].min);
		SSL_set_max_proto_version(l.theirs, cases[i].max);
		if (cases[i].sigalgs)
			assert_int_equal(SSL_set1_sigalgs_list(l.theirs, cases[i].sigalgs), 1);
		if (cases[i].suites12)
			assert_int_equal(SSL_set_cipher_list(l.theirs, cases[i].suites12), 1);
		if (cases[i].suites13)
			assert_int_equal(SSL_set_ciphersuites(l.theirs, cases[i].suites13), 1);
		if (cases[i].groups)
			assert_int_equal(SSL_set1_groups_list(l.theirs, cases[i].groups), 1);
		link_shake(&l);
		assert_int_equal(l.state, cases[i].want);
		if (cases[i].version)
			assert_string_equal(tls_version(l.ours), cases[i].version);
		if (cases[i].cipher)
			assert_string_equal(tls_cipher(l.ours), cases[i].cipher);
		if (cases[i].why)
			assert_string_equal(tls_why(l.ours), cases[i].why);
		assert_false(tls_was_http(l.ours));
		link_done(&l);
	}
}

static void a_site_may_demand_tls_1_3(void **state)
{
	struct tls_pem pem = pem_of(&ecdsa);
	struct tls_server *strict = server_of(&pem, 1, NULL, 0x0304);
	struct link l;

	(void)state;
	link_to_server(&l, strict, client, NULL);
	SSL_set_max_proto_version(l.theirs, TLS1_2_VERSION);
	link_shake(&l);
	assert_int_equal(l.state, TLS_BROKEN);
	link_done(&l);
	link_to_server(&l, strict, client, NULL);
	link_shake(&l);
	assert_int_equal(l.state, TLS_DONE);
	assert_int_equal(tls_version_number(l.ours), 0x0304);
	link_done(&l);
	tls_server_free(strict);
}

static void protocols_are_agreed_or_refused(void **state)
{
	static const struct { const char *offer; enum tls_state want; const char *agreed, *says; } cases[] = {
		{"\x08http/1.1", TLS_DONE, "http/1.1", "ours"},
		{"\x02h2\x08http/1.1", TLS_DONE, "http/1.1", "the one both know"},
		{"", TLS_DONE, "", "a client that names none may go on"},
		{"\x02h2", TLS_BROKEN, "", "HTTP/2 alone is not spoken yet"},
		{"\x03" "ftp\x04smtp", TLS_BROKEN, "", "no other protocol is smuggled to this port"},
		{"\x08HTTP/1.1", TLS_BROKEN, "", "protocol names are bytes, case counts"},
		{"\x09http/1.1x", TLS_BROKEN, "", "the whole name counts"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct link l;

		print_message("%s\n", cases[i].says);
		link_to_server(&l, server, client, "b.test");
		SSL_set_alpn_protos(l.theirs, (const unsigned char *)cases[i].offer, (unsigned)strlen(cases[i].offer));
		link_shake(&l);
		assert_int_equal(l.state, cases[i].want);
		assert_true(slice_is(tls_alpn(l.ours), cases[i].agreed));
		if (cases[i].want == TLS_BROKEN) {
			assert_string_equal(tls_why(l.ours), "no application protocol in common");
			assert_string_equal(l.their_why, "tlsv1 alert no application protocol");
		}
		link_done(&l);
	}
}

static void a_connection_outlives_its_server(void **state)
{
	struct tls_pem pem = pem_of(&wild);
	struct tls_server *old = server_of(&pem, 1, NULL, 0x0303);
	struct link l;
	char b[8];

	(void)state;
	link_to_server(&l, old, client, "x.wild.test");
	tls_server_free(old);
	link_shake(&l);
	assert_int_equal(l.state, TLS_DONE);
	assert_int_equal(SSL_write(l.theirs, "hi", 2), 2);
	tls_readable(l.ours);
	assert_int_equal(tls_read(l.ours, b, sizeof b), 2);
	link_done(&l);
}

static void a_bad_plan_is_a_finding(void **state)
{
	struct tls_pem swapped = {slice_of(ecdsa.certificate), slice_of(other.key), {"x.yaml", 7, 3}};
	struct tls_server_plan none = {.min_version = 0x0303}, plan = {.pems = &swapped, .pems_n = 1, .min_version = 0x0303};
	struct fail f = {0};

	(void)state;
	assert_null(tls_server_new(&none, &f));
	assert_int_equal(f.errors, 1);
	assert_null(tls_server_new(&plan, &f));
	assert_int_equal(f.errors, 2);
	assert_int_equal(f.at[1].place.line, 7);
	assert_string_equal(f.at[1].text, "certificate and private key do not belong together");
	fail_done(&f);
}

static void an_empty_heap_is_a_finding(void **state)
{
	struct tls_pem pems[] = {pem_of(&ecdsa), pem_of(&other)};
	struct tls_server_plan plan = {.pems = pems, .pems_n = COUNT(pems), .min_version = 0x0303};
	struct tls_server *s = NULL;
	struct link l;

	(void)state;
	for (unsigned long n = 1; !s; n++) {
		struct fail f = {0};

		mem_fail_at(n);
		s = tls_server_new(&plan, &f);
		assert_int_equal(f.errors, s ? 0 : 1);
		assert_true(s || n < 50);
		fail_done(&f);
	}
	mem_fail_at(1);
	assert_null(tls_accept(s, 0));
	/* The name cannot be kept: that handshake fails, the next does not. */
	for (int i = 0; i < 2; i++) {
		link_to_server(&l, s, client, "b.test");
		mem_fail_at(i == 0);
		link_shake(&l);
		assert_int_equal(l.state, i == 0 ? TLS_BROKEN : TLS_DONE);
		link_done(&l);
	}
	tls_server_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_chooses_its_certificate),
		cmocka_unit_test(a_client_gets_the_best_both_can),
		cmocka_unit_test(a_site_may_demand_tls_1_3),
		cmocka_unit_test(protocols_are_agreed_or_refused),
		cmocka_unit_test(a_connection_outlives_its_server),
		cmocka_unit_test(a_bad_plan_is_a_finding),
		cmocka_unit_test(an_empty_heap_is_a_finding),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
