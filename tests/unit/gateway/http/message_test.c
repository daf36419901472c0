/* message_test.c -- reasons, methods, and the fields by which a client could lie about itself. */
#include "bed.h"

static void test_reasons(void **state)
{
	(void)state;
	assert_string_equal(http_reason(404), "Not Found");
	assert_string_equal(http_reason(100), "Continue");
	assert_string_equal(http_reason(511), "Network Authentication Required");
	for (unsigned status = 0; status < 1000; status += status == 99 ? 500 : 1)
		if (status < 100 || status > 511)
			assert_string_equal(http_reason(status), "Status");
	assert_string_equal(http_reason(299), "Status");
	assert_string_equal(http_reason(UINT32_MAX), "Status");
}

static void test_only_idempotent_methods_are_sent_twice(void **state)
{
	static const char *const yes[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
	static const char *const no[] = {"POST", "PATCH", "CONNECT", "get", "GETX", "", "PROPFIND", "LOCK"};

	(void)state;
	for (unsigned i = 0; i < ROWS(yes); i++)
		assert_true(http_method_idempotent(slice_of(yes[i])));
	for (unsigned i = 0; i < ROWS(no); i++)
		assert_false(http_method_idempotent(slice_of(no[i])));
}

/* G1, F11 */
static const struct {
	const char *name;
	bool hidden;
} names[] = {
	{"x-forwarded-for", true},       {"x-forwarded-proto", true},  {"x-forwarded-host", true},
	{"x-forwarded-port", true},      {"x-forwarded-prefix", true}, {"x-forwarded-server", true},
	{"x-forwarded-scheme", true},    {"x-forwarded-", true},       {"x-forwarded", true},
	{"forwarded", true},             {"x-real-ip", true},          {"true-client-ip", true},
	{"cf-connecting-ip", true},      {"cf-connecting-ipv6", true}, {"x-client-ip", true},
	{"x-cluster-client-ip", true},   {"fastly-client-ip", true},   {"x-originating-ip", true},
	{"x-remote-ip", true},           {"x-remote-addr", true},      {"x-host", true},
	{"x-original-host", true},       {"x-original-url", true},     {"x-rewrite-url", true},
	{"x-http-method-override", true}, {"x-http-method", true},     {"x-method-override", true},
	{"x-request-id", true},          {"x-forwardedfor", false},    {"x-auth-user", false},
	{"cookie", false},               {"host", false},              {"via", false},
	{"traceparent", false},          {"x-hosts", false},           {"forward", false},
};

static void test_identity_is_hidden(void **state)
{
	struct fields f = {0};
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(names); i++)
		assert_true(fields_add(&f, &b.a, slice_of(names[i].name), SLICE("127.0.0.1")));
	http_hide_identity(&f);
	for (unsigned i = 0; i < ROWS(names); i++)
		if (f.at[i].hidden != names[i].hidden)
			fail_msg("%s", names[i].name);
	assert_int_equal(f.n, ROWS(names));
	bed_close(&b);
}

static void test_repeated_identity_is_hidden_each_time(void **state)
{
	struct fields f = {0};
	struct bed b;

	(void)state;
	http_hide_identity(&f);
	bed_open(&b);
	for (unsigned i = 0; i < 40; i++)
		assert_true(fields_add(&f, &b.a, i % 2 ? SLICE("x-forwarded-for") : SLICE("accept"), SLICE("x")));
	http_hide_identity(&f);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(f.at[i].hidden, i % 2);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_only_idempotent_methods_are_sent_twice),
		cmocka_unit_test(test_identity_is_hidden),
		cmocka_unit_test(test_repeated_identity_is_hidden_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
