/* limits_test.c -- which counters a request is asked against, and under what key. */
#include "tests/unit/policies/policy_help.h"

#define HEAD "policy: t\nwaf: {mode: off}\nlimits:\n"
#define ANCHOR "  - {id: anchor, rate: 1000 per 1s, mode: enforce}\n"

static struct policy_asks asks;

static unsigned ask(struct help *h)
{
	help_ask(h);
	policy_limits(&h->run, &asks, help_note, h);
	return asks.n;
}

static void a_limit_says_how_much_how_long_and_what_then(void **state)
{
	struct help h;
	const struct policy_limit *l;

	(void)state;
	help_begin(&h, HEAD "  - {id: a, rate: 5 per 10m}\n"
			    "  - {id: b, rate: 60 per 1h, burst: 10, cost: 3, over: block 503, on_failure: pass, advertise: false, mode: detect}\n"
			    "  - {id: c, rate: 1 per 1d, over: {do: redirect 302, to: 'https://wait.example/'}, on_failure: block}\n"
			    "  - {id: d, rate: 1 per 1s, over: {do: block, retry_after: 90s}, on_failure: {when: skip, store: pass}}\n");
	help_request(&h);
	assert_int_equal(ask(&h), 4);
	l = asks.at[0].limit;
	assert_true(slice_is(l->entry.id, "a"));
	assert_int_equal(l->number, 5);
	assert_int_equal(l->period_ms, 600000);
	assert_int_equal(l->burst, 5);
	assert_int_equal(l->over_act, POLICY_BLOCK);
	assert_int_equal(l->over_status, 429);
	assert_int_equal(l->lost, POLICY_LOST_LOCAL);
	assert_true(l->advertise);
	assert_int_equal(asks.at[0].cost, 1);
	l = asks.at[1].limit;
	assert_int_equal(l->burst, 10);
	assert_int_equal(l->mode, POLICY_DETECT);
	assert_int_equal(l->over_status, 503);
	assert_int_equal(l->lost, POLICY_LOST_PASS);
	assert_false(l->advertise);
	assert_int_equal(asks.at[1].cost, 3);
	l = asks.at[2].limit;
	assert_int_equal(l->over_act, POLICY_REDIRECT);
	assert_int_equal(l->over_status, 302);
	assert_true(slice_is(l->over_to, "https://wait.example/"));
	assert_int_equal(l->lost, POLICY_LOST_BLOCK);
	l = asks.at[3].limit;
	assert_int_equal(l->over_status, 429);
	assert_int_equal(l->over_retry_after_s, 90);
	assert_int_equal(l->lost, POLICY_LOST_PASS);
	help_done(&h);
}

static void limits_that_do_not_apply_are_not_asked(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, HEAD "  - {id: a, rate: 5 per 1m, when: 'path under \"/login\"'}\n"
			    "  - {id: b, rate: 5 per 1m, mode: off}\n"
			    "  - {id: c, rate: 5 per 1m, expires: 2026-10-01}\n"
			    "  - {id: d, rate: 5 per 1m, when: 'ip.country == KP'}\n"
			    "  - {id: e, rate: 5 per 1m, when: 'ip.country == KP and method == GET', on_failure: {when: skip}}\n"
			    "  - {id: f, rate: 5 per 1m}\n"
			    "rules:\n  - {id: x, do: exempt, from: [f], when: 'ip in [203.0.113.9]', why: x, owner: y}\n");
	help_request(&h);
	assert_int_equal(ask(&h), 0);
	assert_true(addr_parse(SLICE("203.0.113.10"), &h.facts.ip));
	assert_int_equal(ask(&h), 1);
	assert_true(slice_is(asks.at[0].limit->entry.id, "f"));
	h.facts.path = SLICE("/login");
	assert_int_equal(ask(&h), 2);
	h.facts.country_known = POLICY_UNKNOWN;
	assert_int_equal(ask(&h), 3);
	assert_true(slice_is(asks.at[1].limit->entry.id, "d"));
	assert_non_null(strstr(h.notes, "unknown(d,the country is not known)"));
	help_done(&h);
}

/* Two requests share a counter exactly when their keys are equal. */
static void keys_tell_apart_what_must_be_apart(void **state)
{
	static const struct {
		const char *limit;
		const char *ip1, *x1, *ip2, *x2;
		bool same;
		const char *says;
	} rows[] = {
		{"rate: 5 per 1m", "192.0.2.1", NULL, "192.0.2.1", "b", true, "the key is ip"},
		{"rate: 5 per 1m", "192.0.2.1", NULL, "192.0.2.2", NULL, false, "each IPv4 address counts"},
		{"rate: 5 per 1m", "2001:db8::1", NULL, "2001:db8::ffff:1", NULL, true, "an IPv6 /64 is one subscriber"},
		{"rate: 5 per 1m", "2001:db8::1", NULL, "2001:db8:0:1::1", NULL, false, "two /64 are two"},
		{"rate: 5 per 1m, key: ['net(ip, 24, 48)']", "192.0.2.1", NULL, "192.0.2.200", NULL, true, "a wider network"},
		{"rate: 5 per 1m, key: [ip, header.x]", "192.0.2.1", "a", "192.0.2.1", "a", true, "all elements equal"},
		{"rate: 5 per 1m, key: [ip, header.x]", "192.0.2.1", "a", "192.0.2.1", "b", false, "one element differs"},
		{"rate: 5 per 1m, key: [ip, 'lower(header.x)']", "192.0.2.1", "A", "192.0.2.1", "a", true, "lower"},
		{"rate: 5 per 1m, key: [header.x]", "192.0.2.1", NULL, "192.0.2.2", NULL, false, "missing counts by ip"},
		{"rate: 5 per 1m, key: [header.x]", "192.0.2.1", NULL, "192.0.2.1", NULL, true, "missing counts by ip"},
		{"rate: 5 per 1m, key: [header.x]", "192.0.2.1", "", "192.0.2.1", NULL, false, "empty is a value"},
		{"rate: 5 per 1m, key: [header.x], missing: share", "192.0.2.1", NULL, "192.0.2.2", NULL, true, "one bucket"},
		{"rate: 5 per 1m, key: [header.x], missing: share", "192.0.2.1", "", "192.0.2.1", NULL, false, "empty is not missing"},
		{"rate: 5 per 1m, key: [ip.country]", "192.0.2.1", NULL, "192.0.2.2", NULL, true, "one country"},
		{"rate: 5 per 1m, key: [site, method, path, host]", "192.0.2.1", NULL, "192.0.2.2", NULL, true, "four elements"},
	};
	char text[400];
	struct help h;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct slice keys[2];

		snprintf(text, sizeof text, HEAD "  - {id: l, %s}\n" ANCHOR, rows[i].limit);
		help_begin(&h, text);
		for (int k = 0; k < 2; k++) {
			const char *x = k ? rows[i].x2 : rows[i].x1;

			help_request(&h);
			addr_parse(slice_of(k ? rows[i].ip2 : rows[i].ip1), &h.facts.ip);
			if (x)
				help_header(&h, "x", x);
			assert_int_equal(ask(&h), 2);
			keys[k] = arena_copy(&h.arena, asks.at[0].key);
		}
		if (slice_eq(keys[0], keys[1]) != rows[i].same)
			fail_msg("%s: %s", rows[i].limit, rows[i].says);
		help_done(&h);
	}
}

/* What a client sends cannot look like another's key. */
static void no_value_imitates_another(void **state)
{
	static const struct {
		const char *a1, *b1, *a2, *b2;
	} rows[] = {
		{"ab", "c", "a", "bc"},
		{"", "a", "a", ""},
		{"t\x01q", "x", "t", "\x01qx"},
		{"x\x74\x01y", "", "x", "y"},
	};
	struct help h;
	char long_one[300], long_two[300];

	(void)state;
	help_begin(&h, HEAD "  - {id: l, rate: 5 per 1m, key: [header.a, header.b]}\n" ANCHOR);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct slice one;

		help_request(&h);
		help_header(&h, "a", rows[i].a1);
		help_header(&h, "b", rows[i].b1);
		assert_int_equal(ask(&h), 2);
		one = arena_copy(&h.arena, asks.at[0].key);
		help_request(&h);
		help_header(&h, "a", rows[i].a2);
		help_header(&h, "b", rows[i].b2);
		assert_int_equal(ask(&h), 2);
		assert_false(slice_eq(one, asks.at[0].key));
	}
	memset(long_one, 'x', sizeof long_one);
	memset(long_two, 'x', sizeof long_two);
	long_one[299] = long_two[299] = 0;
	long_two[298] = 'y';
	{
		struct slice one;

		help_request(&h);
		help_header(&h, "a", long_one);
		assert_int_equal(ask(&h), 2);
		assert_true(asks.at[0].key.len < 160);
		one = arena_copy(&h.arena, asks.at[0].key);
		help_request(&h);
		help_header(&h, "a", long_two);
		assert_int_equal(ask(&h), 2);
		assert_false(slice_eq(one, asks.at[0].key));
	}
	help_done(&h);
}

static void counters_of_two_limits_and_of_two_keys_are_apart(void **state)
{
	struct help h;
	struct slice ip_key;
	char kept[64];

	(void)state;
	help_begin(&h, HEAD "  - {id: l, rate: 5 per 1m}\n  - {id: m, rate: 5 per 1m}\n");
	help_request(&h);
	assert_int_equal(ask(&h), 2);
	assert_false(slice_eq(asks.at[0].key, asks.at[1].key));
	assert_true(slice_starts(asks.at[0].key, SLICE("t/l/")));
	assert_true(asks.at[0].key.len < sizeof kept);
	memcpy(kept, asks.at[0].key.at, asks.at[0].key.len);
	ip_key = slice_make(kept, asks.at[0].key.len);
	help_done(&h);
	help_begin(&h, HEAD "  - {id: l, rate: 9 per 1s, burst: 3}\n  - {id: m, rate: 5 per 1m}\n");
	help_request(&h);
	ask(&h);
	assert_true(slice_eq(asks.at[0].key, ip_key));
	help_done(&h);
	help_begin(&h, HEAD "  - {id: l, rate: 5 per 1m, key: [ip, path]}\n  - {id: m, rate: 5 per 1m}\n");
	help_request(&h);
	ask(&h);
	assert_false(slice_eq(asks.at[0].key, ip_key));
	help_done(&h);
}

static void several_values_are_each_charged_up_to_four(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, HEAD "  - {id: l, rate: 5 per 1m, key: [header.x]}\n" ANCHOR);
	help_request(&h);
	help_header(&h, "x", "a");
	help_header(&h, "x", "b");
	help_header(&h, "x", "a");
	assert_int_equal(ask(&h), 3);
	assert_false(slice_eq(asks.at[0].key, asks.at[1].key));
	help_header(&h, "x", "c");
	assert_int_equal(ask(&h), 4);
	assert_false(asks.refuse);
	help_header(&h, "x", "d");
	ask(&h);
	assert_true(asks.refuse);
	assert_int_equal(asks.refuse_status, 400);
	assert_true(slice_is(asks.refuse_by.id, "l"));
	help_done(&h);
}

static void values_of_several_elements_do_not_multiply_without_end(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, HEAD "  - {id: l, rate: 5 per 1m, key: [header.a, header.b, header.c, header.d]}\n" ANCHOR);
	help_request(&h);
	for (unsigned i = 0; i < 12; i++) {
		static const char *const names[] = {"a", "b", "c", "d"}, *const values[] = {"1", "2", "3"};

		help_header(&h, names[i / 3], values[i % 3]);
	}
	ask(&h);
	assert_true(asks.refuse);
	assert_int_equal(asks.refuse_status, 400);
	help_done(&h);
}

static void a_missing_key_may_skip_or_block(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, HEAD "  - {id: l, rate: 5 per 1m, key: [header.x], missing: skip}\n" ANCHOR);
	help_request(&h);
	assert_int_equal(ask(&h), 1);
	assert_false(asks.refuse);
	help_done(&h);
	help_begin(&h, HEAD "  - {id: l, rate: 5 per 1m, key: [header.x], missing: block}\n" ANCHOR);
	help_request(&h);
	ask(&h);
	assert_true(asks.refuse);
	assert_int_equal(asks.refuse_status, 400);
	help_header(&h, "x", "1");
	assert_int_equal(ask(&h), 2);
	help_done(&h);
	help_begin(&h, HEAD "  - {id: l, rate: 5 per 1m, key: [header.x], missing: block, mode: detect}\n" ANCHOR);
	help_request(&h);
	assert_int_equal(ask(&h), 1);
	assert_false(asks.refuse);
	help_done(&h);
	/* The unknown counts as missing. */
	help_begin(&h, HEAD "  - {id: l, rate: 5 per 1m, key: [ip.asn], missing: skip}\n");
	help_request(&h);
	assert_int_equal(ask(&h), 1);
	h.facts.asn_known = POLICY_UNKNOWN;
	assert_int_equal(ask(&h), 0);
	help_done(&h);
}

static void used_up_memory_refuses(void **state)
{
	struct budget small = {.limit = 600};
	struct arena tight;
	struct help h;

	(void)state;
	help_begin(&h, HEAD "  - {id: l, rate: 5 per 1m}\n");
	help_request(&h);
	arena_init(&tight, &small, 512);
	while (arena_take(&tight, 16))
		;
	h.facts.arena = &tight;
	ask(&h);
	assert_true(asks.refuse);
	assert_int_equal(asks.refuse_status, 503);
	arena_done(&tight);
	help_done(&h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_says_how_much_how_long_and_what_then),
		cmocka_unit_test(limits_that_do_not_apply_are_not_asked),
		cmocka_unit_test(keys_tell_apart_what_must_be_apart),
		cmocka_unit_test(no_value_imitates_another),
		cmocka_unit_test(counters_of_two_limits_and_of_two_keys_are_apart),
		cmocka_unit_test(several_values_are_each_charged_up_to_four),
		cmocka_unit_test(values_of_several_elements_do_not_multiply_without_end),
		cmocka_unit_test(a_missing_key_may_skip_or_block),
		cmocka_unit_test(used_up_memory_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
