/* expr_test.c -- what every test says about every kind of value, also about none and about the unknown. */
#include "tests/unit/policies/policy_help.h"

#include <time.h>

/* POLICY 3.3, column by column: one value, two, empty, missing. */
static void a_test_on_a_field_of_several_values(void **state)
{
	static const struct {
		const char *test;
		int one, two, empty, missing;
	} rows[] = {
		{"header.x == \"a\"", YES, YES, NO, NO},
		{"header.x in [\"a\"]", YES, YES, NO, NO},
		{"header.x contains \"a\"", YES, YES, NO, NO},
		{"header.x starts \"a\"", YES, YES, NO, NO},
		{"header.x ends \"a\"", YES, YES, NO, NO},
		{"header.x matches r\"a\"", YES, YES, NO, NO},
		{"header.x != \"a\"", NO, NO, YES, YES},
		{"header.x not in [\"a\"]", NO, NO, YES, YES},
		{"header.x not contains \"a\"", NO, NO, YES, YES},
		{"header.x not starts \"a\"", NO, NO, YES, YES},
		{"header.x not ends \"a\"", NO, NO, YES, YES},
		{"header.x not matches r\"a\"", NO, NO, YES, YES},
		{"not header.x == \"a\"", NO, NO, YES, YES},
		{"not header.x != \"a\"", YES, YES, NO, NO},
		{"header.x == \"\"", NO, NO, YES, NO},
		{"header.x != \"\"", YES, YES, NO, YES},
		{"header.x is present", YES, YES, YES, NO},
		{"header.x is missing", NO, NO, NO, YES},
		{"not header.x is missing", YES, YES, YES, NO},
		{"int(header.x, 0) >= 5", NO, NO, NO, NO},
		{"int(header.x, 7) >= 5", YES, YES, YES, YES},
		{"count(header.x) == 0", NO, NO, NO, YES},
		{"count(header.x) == 2", NO, YES, NO, NO},
		{"len(header.x) < 5", YES, YES, YES, NO},
		{"len(header.x) >= 5", NO, NO, NO, NO},
		{"len(header.x) == 0", NO, NO, YES, NO},
		{"len(header.x) != 0", YES, YES, NO, YES},
		{"lower(header.x) is missing", NO, NO, NO, YES},
		{"header.x == header.y", NO, NO, NO, NO},
		{"header.x != header.y", YES, YES, YES, YES},
		{"header.x == header.x", YES, YES, YES, NO},
	};
	struct help h;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const int want[] = {rows[i].one, rows[i].two, rows[i].empty, rows[i].missing};

		help_expression(&h, rows[i].test);
		if (!h.policy)
			fail_msg("%s: %s", rows[i].test, h.fail.at[0].text);
		for (int column = 0; column < 4; column++) {
			help_request(&h);
			if (column == 0)
				help_header(&h, "x", "a");
			if (column == 1)
				help_header(&h, "x", "b"), help_header(&h, "x", "a");
			if (column == 2)
				help_header(&h, "x", "");
			if (help_truth(&h) != want[column])
				fail_msg("%s, column %d", rows[i].test, column);
		}
		help_done(&h);
	}
}

static void the_unknown_stays_unknown_unless_the_answer_does_not_depend_on_it(void **state)
{
	static const struct {
		const char *test;
		int want;
	} rows[] = {
		{"ip.country == DE", UNKNOWN},
		{"ip.country != DE", UNKNOWN},
		{"ip.country in @lands", UNKNOWN},
		{"ip.country not in [DE, FR]", UNKNOWN},
		{"ip.country is present", UNKNOWN},
		{"ip.country is missing", UNKNOWN},
		{"ip.continent == EU", UNKNOWN},
		{"ip.asn in @asns", UNKNOWN},
		{"not ip.asn == AS1", UNKNOWN},
		{"ip.country == ip.country", UNKNOWN},
		{"ip.country == DE and path == \"/x.html\"", NO},
		{"path == \"/x.html\" and ip.country == DE", NO},
		{"ip.country == DE and path == \"/\"", UNKNOWN},
		{"ip.country == DE or path == \"/\"", YES},
		{"ip.country == DE or path == \"/x.html\"", UNKNOWN},
		{"not (ip.country == DE or path == \"/\")", NO},
		{"not (ip.country == DE and path == \"/x.html\")", YES},
		{"label.marked", UNKNOWN},
		{"not label.marked", UNKNOWN},
		{"label.marked and path == \"/x.html\"", NO},
	};
	struct help h;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		help_expression(&h, rows[i].test);
		if (!h.policy)
			fail_msg("%s: %s", rows[i].test, h.fail.at[0].text);
		help_request(&h);
		h.facts.country_known = h.facts.asn_known = POLICY_UNKNOWN;
		if (help_truth(&h) != rows[i].want)
			fail_msg("%s", rows[i].test);
		help_done(&h);
	}
}

static void a_missing_place_is_no_country(void **state)
{
	static const struct {
		const char *test;
		int want;
	} rows[] = {
		{"ip.country not in [DE, FR]", YES}, {"ip.country in [DE, FR]", NO}, {"ip.country is missing", YES},
		{"ip.asn is missing", YES},          {"ip.asn == AS64496", NO},      {"ip.asn != AS64496", YES},
		{"ip.continent == EU", NO},          {"ip.country == ip.country", NO},
	};
	struct help h;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		help_expression(&h, rows[i].test);
		assert_non_null(h.policy);
		help_request(&h);
		h.facts.country_known = h.facts.asn_known = POLICY_MISSING;
		if (help_truth(&h) != rows[i].want)
			fail_msg("%s", rows[i].test);
		help_done(&h);
	}
}

/* POST https://shop.example.com/Api/v1/x?q=a%20b&q=C&n=12&e=&%71=d&flag&per_page=50 with cookies. */
static void rich(struct help *h)
{
	static const struct slice sans[] = {{"one.example", 11}, {"two.example", 11}};

	help_request(h);
	h->facts.method = SLICE("POST");
	h->facts.path = SLICE("/Api/v1/x");
	h->facts.query = SLICE("q=a%20b&q=C&n=12&&e=&%71=d&flag&per_page=50&bad=%zz&plus=a+b");
	h->facts.client_verified = true;
	h->facts.client_subject = SLICE("CN=robot");
	h->facts.client_sans = sans;
	h->facts.client_sans_n = 2;
	h->facts.client_sha256 = SLICE("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
	h->facts.switches = 1;
	help_header(h, "user-agent", "Curl/8.0");
	help_header(h, "x-key", "hello");
	help_header(h, "x-n", "-5");
	help_header(h, "x-label", "1");
	help_header(h, "cookie", "sid=abc; theme = Dark ;sid=def; lone");
	help_header(h, "cookie", "sid=ghi; q=\"x\"");
}

static void every_field_and_operator(void **state)
{
	static const struct {
		const char *test;
		int want;
	} rows[] = {
		{"true", YES},
		{"method == POST", YES},
		{"method != POST", NO},
		{"method in [GET, HEAD]", NO},
		{"method in @verbs", YES},
		{"scheme == https", YES},
		{"scheme in [http]", NO},
		{"host == \"shop.example.com\"", YES},
		{"host under \"example.com\"", YES},
		{"host under \"hop.example.com\"", NO},
		{"host under \"shop.example.com\"", YES},
		{"host under [\"a.test\", \"com\"]", YES},
		{"host matches r\"^shop\\.\"", YES},
		{"path == \"/Api/v1/x\"", YES},
		{"path == \"/api/v1/x\"", NO},
		{"lower(path) == \"/api/v1/x\"", YES},
		{"lower(path) under \"/api\"", YES},
		{"path under \"/Api\"", YES},
		{"path under \"/Api/v1/x\"", YES},
		{"path under \"/Ap\"", NO},
		{"path under \"/Api/v1/x/y\"", NO},
		{"path under \"/\"", YES},
		{"path not under \"/Api\"", NO},
		{"path under [\"/a\", \"/b\", \"/c\", \"/d\", \"/e\", \"/f\", \"/g\", \"/h\", \"/i\", \"/Api/v1\"]", YES},
		{"path under [\"/a\", \"/b\", \"/c\", \"/d\", \"/e\", \"/f\", \"/g\", \"/h\", \"/i\", \"/Api/v\"]", NO},
		{"path starts \"/Api/v\"", YES},
		{"path ends [\".php\", \"/x\"]", YES},
		{"path contains \"v1\"", YES},
		{"path matches r\"(?i)^/api/v[0-9]+/\"", YES},
		{"path matches r\"^/api\"", NO},
		{"path matches r\"x$\"", YES},
		{"path matches r\"\\x22|v1/x$\"", YES},
		{"query contains \"per_page\"", YES},
		{"len(query) > 10", YES},
		{"query.q == \"a b\"", YES},
		{"query.q == \"C\"", YES},
		{"query.q == \"d\"", YES},
		{"query.q == \"a%20b\"", NO},
		{"count(query.q) == 3", YES},
		{"query.flag == \"\"", YES},
		{"query.flag is present", YES},
		{"query.e == \"\"", YES},
		{"query.none is missing", YES},
		{"query.bad == \"%zz\"", YES},
		{"query.plus == \"a b\"", YES},
		{"query[\"q\"] == \"C\"", YES},
		{"int(query.n, 0) == 12", YES},
		{"int(query.n, 0) in 10..12", YES},
		{"int(query.n, 0) in 13..20", NO},
		{"int(query.n, 0) in [1, 12]", YES},
		{"int(query.per_page, 20) > 49", YES},
		{"int(query.per_page, 20) > 50", NO},
		{"int(query.per_page, 20) < 51", YES},
		{"int(query.per_page, 20) < 50", NO},
		{"int(query.per_page, 20) <= 50", YES},
		{"int(query.none, 20) == 20", YES},
		{"int(query.q, 3) == 3", YES},
		{"int(header.x-n, 0) == -5", YES},
		{"int(header.x-n, 0) < -4", YES},
		{"header.user-agent starts \"Curl/\"", YES},
		{"header.User-Agent starts \"Curl/\"", YES},
		{"lower(header.user-agent) starts \"curl/\"", YES},
		{"header.user-agent starts [\"wget\", \"Curl\"]", YES},
		{"header[\"x-key\"] == \"hello\"", YES},
		{"header.x-key == \"\\x68\\x65llo\"", YES},
		{"header.x-key in @words", NO},
		{"sha256(header.x-key) in @hashes", YES},
		{"sha256(header.x-n) in @hashes", NO},
		{"sha256(header.x-key) == tls.client.sha256", YES},
		{"sha256(header.x-key) == \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"", YES},
		{"tls.client.sha256 in @hashes", YES},
		{"cookie.sid == \"abc\"", YES},
		{"cookie.sid == \"ghi\"", YES},
		{"count(cookie.sid) == 3", YES},
		{"cookie.theme == \"Dark\"", YES},
		{"cookie.lone is present", YES},
		{"cookie.Sid is missing", YES},
		{"cookie.q == \"\\\"x\\\"\"", YES},
		{"cookie.sid == query.q", NO},
		{"lower(query.q) == lower(query.q)", YES},
		{"upgrade == none", YES},
		{"upgrade == websocket", NO},
		{"ip == 203.0.113.9", YES},
		{"ip != 203.0.113.9", NO},
		{"ip in [203.0.113.0/24]", YES},
		{"ip in [203.0.113.0/29, 2001:db8::/32]", NO},
		{"ip in @nets", NO},
		{"ip not in @nets", YES},
		{"not ip in @nets", YES},
		{"net(ip, 24, 48) == 203.0.113.0", YES},
		{"ip.country == DE", YES},
		{"ip.country in @lands", YES},
		{"ip.country in [NO, SE]", NO},
		{"ip.continent == EU", YES},
		{"ip.continent in @parts", YES},
		{"ip.asn == AS64496", YES},
		{"ip.asn in @asns", YES},
		{"ip.asn in [AS1, AS2]", NO},
		{"tls.version == 1.3", YES},
		{"tls.version in [1.2]", NO},
		{"tls.sni == host", YES},
		{"tls.sni under \"example.com\"", YES},
		{"tls.client.verified", YES},
		{"not tls.client.verified", NO},
		{"tls.client.subject == \"CN=robot\"", YES},
		{"tls.client.san == \"two.example\"", YES},
		{"tls.client.san ends \".example\"", YES},
		{"site == \"shop\"", YES},
		{"switch.panic", YES},
		{"switch.calm", NO},
		{"label.marked", YES},
		{"not label.marked", NO},
		{"now >= 2026-11-01", YES},
		{"now < 2026-11-01T12:00:00Z", NO},
		{"now <= 2026-11-01T12:00:00Z", YES},
		{"now in 2026-10-01..2026-12-01", YES},
		{"weekday(now, \"UTC\") == Sun", YES},
		{"weekday(now, \"UTC\") in [Sat, Sun]", YES},
		{"weekday(now, \"UTC\") in Mon..Fri", NO},
		{"weekday(now, \"UTC\") in Fri..Mon", YES},
		{"weekday(now, \"Pacific/Auckland\") == Mon", YES},
		{"clock(now, \"UTC\") == 12:00", YES},
		{"clock(now, \"UTC\") in 12:00..13:00", YES},
		{"clock(now, \"UTC\") in 11:00..12:00", YES},
		{"clock(now, \"UTC\") in 22:00..04:00", NO},
		{"clock(now, \"UTC\") in 22:00..12:00", YES},
		{"clock(now, \"Europe/Berlin\") == 13:00", YES},
		{"clock(now, \"Asia/Kolkata\") == 17:30", YES},
		{"clock(now, \"UTC\") < 12:00", NO},
		{"(method == GET or method == POST) and path under \"/Api\"", YES},
		{"method == GET or (method == POST and path under \"/no\")", NO},
		{"not (method == GET)", YES},
		{"not not method == POST", YES},
		{"not method == GET and path under \"/Api\"", YES},
		{"header.x-key == lower(header.x-key)", YES},
		{"header.user-agent == lower(header.user-agent)", NO},
		{"len(path) == len(path)", YES},
		{"len(query) >= 1KiB", NO},
	};
	struct help h;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		help_expression(&h, rows[i].test);
		if (!h.policy)
			fail_msg("%s: %s", rows[i].test, h.fail.at[0].text);
		rich(&h);
		if (help_truth(&h) != rows[i].want)
			fail_msg("%s", rows[i].test);
		help_done(&h);
	}
}

static void what_was_not_verified_is_missing(void **state)
{
	static const char *const tests[] = {"tls.client.subject is missing", "tls.client.san is missing", "tls.client.sha256 is missing",
					    "not tls.client.verified"};
	struct help h;

	(void)state;
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
		help_expression(&h, tests[i]);
		rich(&h);
		h.facts.client_verified = false;
		assert_int_equal(help_truth(&h), YES);
		help_done(&h);
	}
}

static void plain_http_has_no_tls_fields(void **state)
{
	struct help h;

	(void)state;
	help_expression(&h, "tls.version is missing and tls.sni is missing and scheme == http and query is missing");
	help_request(&h);
	h.facts.secure = false;
	h.facts.tls_version = 0;
	h.facts.tls_sni = SLICE_NONE;
	assert_int_equal(help_truth(&h), YES);
	help_done(&h);
}

static void the_asterisk_is_under_no_path(void **state)
{
	static const char *const tests[] = {
		"path under \"/\"", "path under [\"/\", \"/a\"]",
		"path under [\"/\", \"/a\", \"/b\", \"/c\", \"/d\", \"/e\", \"/f\", \"/g\", \"/h\", \"/i\"]",
	};
	struct help h;

	(void)state;
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
		help_expression(&h, tests[i]);
		help_request(&h);
		assert_int_equal(help_truth(&h), YES);
		h.facts.method = SLICE("OPTIONS");
		h.facts.path = SLICE("*");
		if (help_truth(&h) != NO)
			fail_msg("%s", tests[i]);
		help_done(&h);
	}
}

static void used_up_memory_refuses(void **state)
{
	struct budget small = {.limit = 1024};
	struct arena tight;
	struct policy_verdict v;
	struct help h;

	(void)state;
	help_expression(&h, "query.q == \"never\" or lower(header.user-agent) == \"never\"");
	rich(&h);
	arena_init(&tight, &small, 512);
	while (arena_take(&tight, 64))
		;
	h.facts.arena = &tight;
	v = help_ask(&h);
	assert_int_equal(v.act, POLICY_BLOCK);
	assert_int_equal(v.status, 503);
	assert_true(v.starved);
	arena_done(&tight);
	help_done(&h);
}

static void repeated_tests_decode_once(void **state)
{
	static char query[8001];
	struct help h;
	size_t used;

	(void)state;
	for (size_t i = 0; i + 4 <= 8000; i += 4)
		memcpy(query + i, "q=%4", 4);
	help_expression(&h, "query.q == \"1\" or query.q == \"2\" or query.q == \"3\" or lower(query.q) == \"4\" or query.q == \"5\"");
	help_request(&h);
	h.facts.query = slice_make(query, 8000);
	{
		struct budget counted = {0};
		struct arena a;

		arena_init(&a, &counted, 4096);
		h.facts.arena = &a;
		assert_int_equal(help_truth(&h), NO);
		used = counted.used;
		arena_done(&a);
	}
	/* 2000 values of 4 bytes cost list links, not five copies. */
	assert_true(used < 128 << 10);
	help_done(&h);
}

static void asking_is_fast(void **state)
{
	struct timespec from, to;
	struct help h;
	int64_t ns;

	(void)state;
	help_expression(&h, "path under \"/admin\" and ip not in @nets and lower(header.user-agent) contains \"bot\"");
	rich(&h);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < 20000; i++)
		assert_int_equal(help_truth(&h), NO);
	clock_gettime(CLOCK_MONOTONIC, &to);
	ns = ((int64_t)(to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec) / 20000;
	print_message("two rules and three tests: %lld ns\n", (long long)ns);
	assert_true(ns < 50000);
	help_done(&h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_test_on_a_field_of_several_values),
		cmocka_unit_test(the_unknown_stays_unknown_unless_the_answer_does_not_depend_on_it),
		cmocka_unit_test(a_missing_place_is_no_country),
		cmocka_unit_test(every_field_and_operator),
		cmocka_unit_test(what_was_not_verified_is_missing),
		cmocka_unit_test(plain_http_has_no_tls_fields),
		cmocka_unit_test(the_asterisk_is_under_no_path),
		cmocka_unit_test(used_up_memory_refuses),
		cmocka_unit_test(repeated_tests_decode_once),
		cmocka_unit_test(asking_is_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
