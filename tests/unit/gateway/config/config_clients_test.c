/* config_clients_test.c -- sites that ask for certificates: what must fit, and what is told when it does not. */
#include "bed.h"

#define HTTPS "certificates: [{certificate: one.pem, key: one.key}]\nlisteners: [{address: '127.0.0.1:8443'}]\n"
#define SITES(rest) HTTPS "sites:\n  a: {hosts: a.example, origin: 'http://10.0.0.1'" rest "}\n"

static void put_many(const char *name, unsigned n, const char *of)
{
	FILE *out = fopen(in_folder(name), "w"), *in;
	char text[4096];
	size_t len;

	in = fopen(in_folder(of), "r");
	assert_non_null(in);
	len = fread(text, 1, sizeof text, in);
	fclose(in);
	for (unsigned i = 0; i < n; i++)
		fwrite(text, 1, len, out);
	fclose(out);
}

static int set_up(void **state)
{
	bed_make(state);
	put_many("hundred", 100, "one.pem");
	put_many("hundred-one", 101, "one.pem");
	put_file("garbage", "these are no certificates\n", 0644);
	put_file("damaged", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", 0644);
	put_file("policies/reads.yaml",
		 "policy: reads\nrules:\n  - {id: a, when: 'path under \"/x\" and not tls.client.verified', do: block 403}\nwaf: {mode: off}\n",
		 0644);
	return 0;
}

static const struct {
	const char *in;
	uint32_t line, column;
	const char *part; /* NULL: fine */
	unsigned warnings;
} cases[] = {
	{SITES(""), 0, 0, NULL, 0},
	{SITES(", client_cert: none"), 0, 0, NULL, 0},
	{SITES(", client_cert: required, client_ca: one.pem"), 0, 0, NULL, 0},
	{SITES(", client_cert: optional, client_ca: hundred"), 0, 0, NULL, 0},
	{SITES(", client_cert: required, client_ca: one.pem, policy: reads"), 0, 0, NULL, 0},
	{SITES(", client_cert: required"), 4, 65, "add client_ca: FILE", 0},
	{SITES(", client_cert: optional"), 4, 65, "add client_ca: FILE", 0},
	{SITES(", client_ca: one.pem"), 4, 63, "client_ca alone asks nobody", 0},
	{SITES(", client_cert: none, client_ca: one.pem"), 4, 82, "client_ca alone asks nobody", 0},
	{SITES(", client_cert: require, client_ca: one.pem"), 4, 65, "did you mean \"required\"?", 0},
	{SITES(", client_cert: yes, client_ca: one.pem"), 4, 65, "client_cert", 0},
	{SITES(", client_cert: required, client_ca: nowhere.pem"), 4, 86, "nowhere.pem cannot be opened", 0},
	{SITES(", client_cert: required, client_ca: garbage"), 4, 86, "garbage holds no certificate in PEM", 0},
	{SITES(", client_cert: required, client_ca: one.key"), 4, 86, "one.key holds no certificate in PEM", 0},
	{SITES(", client_cert: required, client_ca: damaged"), 4, 86, "damaged holds a damaged certificate", 0},
	{SITES(", client_cert: required, client_ca: hundred-one"), 4, 86, "more than 100 certificates", 0},
	{SITES(", client_crl: one.pem"), 4, 64, "client_crl alone asks nobody", 0},
	{SITES(", client_cert: required, client_ca: one.pem, client_crl: nowhere.pem"), 4, 107, "nowhere.pem cannot be opened", 0},
	{SITES(", client_cert: required, client_ca: one.pem, client_crl: one.pem"), 4, 107, "one.pem holds no revocation list", 0},
	{SITES(", policy: reads"), 3, 44, "site \"a\" asks no client for a certificate", 0},
	{LISTEN "sites:\n  a: {hosts: a.example, origin: 'http://10.0.0.1', client_cert: required, client_ca: one.pem}\n", 3, 65,
	 "no listener serves it", 0},
	{HTTPS "sites:\n  a: {hosts: [a.example, 192.0.2.1], origin: 'http://10.0.0.1', client_cert: required, client_ca: one.pem}\n",
	 4, 14, NULL, 1},
	{HTTPS "sites:\n  a: {hosts: ['*', 192.0.2.1], origin: 'http://10.0.0.1', client_cert: required, client_ca: one.pem}\n", 0, 0,
	 NULL, 0},
};

static void test_what_must_fit(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(cases); i++) {
		struct bed b;

		bed_read(&b, cases[i].in);
		if (!cases[i].part != !!b.config || b.fail.warnings != cases[i].warnings)
			fail_msg("%s: %u errors, %u warnings: %s", cases[i].in, b.fail.errors, b.fail.warnings,
				 b.fail.n ? b.fail.at[0].text : "");
		if (b.fail.n) {
			const struct finding *f = &b.fail.at[0];

			if ((cases[i].part && !strstr(f->text, cases[i].part)) || f->place.line != cases[i].line ||
			    f->place.column != cases[i].column)
				fail_msg("%s: %s:%u:%u: %s", cases[i].in, f->place.file, f->place.line, f->place.column, f->text);
			assert_int_equal(b.fail.n, 1);
		}
		bed_done(&b);
	}
}

static void test_authorities_are_named_by_their_bytes(void **state)
{
	const struct config_site *site;
	struct bed b;

	(void)state;
	bed_read(&b, HTTPS "sites:\n"
			   "  a: {hosts: a, origin: 'http://10.0.0.1', client_cert: required, client_ca: one.pem}\n"
			   "  b: {hosts: b, origin: 'http://10.0.0.1'}\n"
			   "  c: {hosts: c, origin: 'http://10.0.0.1', client_cert: optional, client_ca: ./one.pem}\n"
			   "  d: {hosts: d, origin: 'http://10.0.0.1', client_cert: optional, client_ca: two.pem}\n");
	assert_non_null(b.config);
	site = b.config->sites.at;
	assert_int_equal(site[0].client_cert, CONFIG_CERT_REQUIRED);
	assert_int_equal(site[1].client_cert, CONFIG_CERT_NONE);
	assert_int_equal(site[2].client_cert, CONFIG_CERT_OPTIONAL);
	assert_memory_equal(site[0].client_ca_id, site[2].client_ca_id, CONFIG_CA_ID);
	assert_memory_not_equal(site[0].client_ca_id, site[3].client_ca_id, CONFIG_CA_ID);
	assert_int_equal(b.secrets->client_ca[1].len, 0);
	assert_true(slice_eq(b.secrets->client_ca[0], b.secrets->client_ca[2]));
	assert_true(slice_starts(b.secrets->client_ca[3], SLICE("-----BEGIN CERTIFICATE")));
	bed_done(&b);
}

/* Another generation has another name, and a worker that compares them sees it. */
static void test_a_change_of_authorities_is_a_change(void **state)
{
	struct bed before, after;

	(void)state;
	put_many("ca", 1, "one.pem");
	bed_read(&before, SITES(", client_cert: required, client_ca: ca"));
	put_many("ca", 1, "two.pem");
	bed_reread(&after);
	assert_non_null(before.config);
	assert_non_null(after.config);
	assert_false(slice_eq(before.config->hash, after.config->hash));
	bed_done(&before);
	bed_done(&after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_must_fit),
		cmocka_unit_test(test_authorities_are_named_by_their_bytes),
		cmocka_unit_test(test_a_change_of_authorities_is_a_change),
	};

	return cmocka_run_group_tests(tests, set_up, bed_remove);
}
