/* claims_test.c -- the fields by which a client could lie about itself, from strangers and from trusted hops. */
#include "bed.h"

/* PASSES: nobody's claim.  OURS: replaced, whoever sent it.  HOPS: a trusted hop's passes on. */
enum fate { PASSES, OURS, HOPS };

/* G1, F11 */
static const struct {
	const char *name;
	enum fate fate;
} names[] = {
	{"x-forwarded-for", OURS},        {"x-forwarded-proto", OURS},       {"x-forwarded-host", OURS},
	{"x-forwarded-port", OURS},       {"x-forwarded-prefix", OURS},      {"x-forwarded-server", OURS},
	{"x-forwarded-scheme", OURS},     {"x-forwarded-ssl", OURS},         {"x-forwarded-client-cert", OURS},
	{"x-forwarded-user", OURS},       {"x-forwarded-", OURS},            {"x-forwarded", OURS},
	{"forwarded", OURS},              {"forwarded-for", OURS},           {"x-forward-for", OURS},
	{"x-real-ip", OURS},              {"x-real-port", OURS},             {"real-ip", OURS},
	{"true-client-ip", OURS},         {"cf-connecting-ip", OURS},        {"cf-connecting-ipv6", OURS},
	{"x-client-ip", OURS},            {"client-ip", OURS},               {"x-cluster-client-ip", OURS},
	{"fastly-client-ip", OURS},       {"fly-client-ip", OURS},           {"x-originating-ip", OURS},
	{"x-remote-ip", OURS},            {"x-remote-addr", OURS},           {"remote-addr", OURS},
	{"wl-proxy-client-ip", OURS},     {"x-azure-clientip", OURS},        {"x-appengine-user-ip", OURS},
	{"x-envoy-external-address", OURS}, {"x-envoy-original-path", OURS}, {"x-sucuri-clientip", OURS},
	{"x-host", OURS},                 {"x-original-host", OURS},         {"x-original-url", OURS},
	{"x-original-forwarded-for", OURS}, {"x-rewrite-url", OURS},         {"x-http-method-override", OURS},
	{"x-http-method", OURS},          {"x-method-override", OURS},       {"x-request-id", OURS},
	{"front-end-https", OURS},        {"x-url-scheme", OURS},            {"x-vercel-forwarded-for", OURS},

	{"remote-user", HOPS},            {"remote-groups", HOPS},           {"x-remote-user", HOPS},
	{"x-remote-extra-scopes", HOPS},  {"x-webauth-user", HOPS},          {"x-auth-request-email", HOPS},
	{"client-cert", HOPS},            {"client-cert-chain", HOPS},       {"x-client-cert", HOPS},
	{"x-ssl-client-verify", HOPS},    {"ssl-client-s-dn", HOPS},         {"x-client-verify", HOPS},
	{"x-ms-client-principal-name", HOPS}, {"x-goog-authenticated-user-email", HOPS}, {"x-amzn-oidc-data", HOPS},
	{"cf-ipcountry", HOPS},           {"cf-ray", HOPS},                  {"cloudfront-viewer-country", HOPS},
	{"x-envoy-internal", HOPS},       {"x-arr-clientcert", HOPS},        {"wl-proxy-ssl", HOPS},

	{"x-forwardedfor", PASSES},       {"x-auth-user", PASSES},           {"cookie", PASSES},
	{"host", PASSES},                 {"via", PASSES},                   {"traceparent", PASSES},
	{"x-hosts", PASSES},              {"forward", PASSES},               {"client-cer", PASSES},
	{"authorization", PASSES},        {"x-requested-with", PASSES},      {"x-csrf-token", PASSES},
	{"accept", PASSES},               {"sec-fetch-site", PASSES},        {"x-client-data", PASSES},
	{"x-correlation-id", PASSES},     {"if-none-match", PASSES},         {"x-api-key", PASSES},
	{"x", PASSES},                    {"x-", PASSES},                    {"1", PASSES},
	{"c", PASSES},                    {"cf", PASSES},                    {"~x", PASSES},
	{"x-amz-date", PASSES},           {"x-real", PASSES},                {"range", PASSES},
	{"zzz", PASSES},                  {"x-zzz", PASSES},                 {"remote", PASSES},
};

static void check(bool trusted)
{
	struct fields f = {0};
	struct bed b;

	bed_open(&b);
	for (unsigned i = 0; i < ROWS(names); i++)
		assert_true(fields_add(&f, &b.a, guard_put(&b.guard, slice_of(names[i].name)), SLICE("127.0.0.1")));
	/* Each name ends where reading ends, one at a time. */
	for (unsigned i = 0; i < ROWS(names); i++) {
		struct fields one = {&f.at[i], 1, 1};

		f.at[i].name = guard_put(&b.guard, slice_of(names[i].name));
		http_hide_claims(&one, trusted);
		if (f.at[i].hidden != (names[i].fate == OURS || (names[i].fate == HOPS && !trusted)))
			fail_msg("%s, %s", names[i].name, trusted ? "of a hop" : "of a stranger");
		assert_int_equal(http_is_claim(f.at[i].name), names[i].fate != PASSES);
	}
	bed_close(&b);
}

static void test_what_a_stranger_claims_is_hidden(void **state)
{
	(void)state;
	check(false);
}

static void test_of_a_trusted_hop_what_only_it_can_know_stays(void **state)
{
	(void)state;
	check(true);
}

static void test_certificates_of_a_hop_are_hidden_where_the_gateway_asks_itself(void **state)
{
	static const struct {
		const char *name;
		bool hidden;
	} rows[] = {
		{"client-cert", true},       {"client-cert-chain", true}, {"x-client-cert-subject", true}, {"x-ssl-client-verify", true},
		{"ssl-client-s-dn", true},   {"x-client-verify", true},   {"x-arr-clientcert", true},      {"x-amzn-mtls-clientcert", true},
		{"x-client-dn", true},       {"remote-user", false},      {"cf-ray", false},               {"x-amzn-oidc-data", false},
		{"x-forwarded-for", false},  {"cookie", false},           {"client-cer", false},
	};
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(rows); i++) {
		struct fields f = {0};

		assert_true(fields_add(&f, &b.a, guard_put(&b.guard, slice_of(rows[i].name)), SLICE("x")));
		http_hide_certificates(&f);
		if (f.at[0].hidden != rows[i].hidden)
			fail_msg("%s", rows[i].name);
	}
	bed_close(&b);
}

static void test_a_repeated_claim_is_hidden_each_time(void **state)
{
	struct fields f = {0};
	struct bed b;

	(void)state;
	http_hide_claims(&f, false);
	bed_open(&b);
	for (unsigned i = 0; i < 40; i++)
		assert_true(fields_add(&f, &b.a, i % 2 ? SLICE("x-forwarded-for") : SLICE("accept"), SLICE("x")));
	http_hide_claims(&f, false);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(f.at[i].hidden, i % 2);
	bed_close(&b);
}

/* Every claim, with one or all of its signs replaced as CGI, PHP or an older server would read them, never arrives. */
static void test_no_look_alike_arrives(void **state)
{
	static const char signs[] = "_.!#$%&'*+^`|~";
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(names); i++)
		for (unsigned k = 0; signs[k] && names[i].fate != PASSES; k++) {
			char head[200], name[64];
			struct request r;
			unsigned status;

			snprintf(name, sizeof name, "%s", names[i].name);
			for (char *p = name; *p; p++)
				if (*p == '-')
					*p = signs[k];
			snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: a\r\n%s: 127.0.0.1\r\n\r\n", name);
			if (strcmp(name, names[i].name) == 0)
				continue;
			status = bed_judge(&b, slice_of(head), false, &r);
			if (status != 400 && (status != 0 || !bed_hidden(&r.fields, name)))
				fail_msg("%s: %u", name, status);
		}
	bed_close(&b);
}

static void test_connection_takes_no_claim_away(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(names); i++) {
		char head[200];
		struct request r;

		if (names[i].fate == PASSES)
			continue;
		snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, %s\r\n%s: x\r\n\r\n", names[i].name,
			 names[i].name);
		bed_good(&b, slice_of(head), false, &r);
		if (bed_hidden(&r.fields, names[i].name))
			fail_msg("%s", names[i].name);
	}
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_stranger_claims_is_hidden),
		cmocka_unit_test(test_of_a_trusted_hop_what_only_it_can_know_stays),
		cmocka_unit_test(test_certificates_of_a_hop_are_hidden_where_the_gateway_asks_itself),
		cmocka_unit_test(test_a_repeated_claim_is_hidden_each_time),
		cmocka_unit_test(test_no_look_alike_arrives),
		cmocka_unit_test(test_connection_takes_no_claim_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
