/* rules_test.c -- order, exemptions, labels, modes and dates, as a request meets them. */
#include "tests/unit/policies/policy_help.h"

#define HEAD "policy: t\nwaf: {mode: off}\n"
#define LOOSE ", why: x, owner: y, expires: 2027-02-01"

/* What happens, and what is noted on the way. */
static void judge(struct help *h, const char *want, const char *notes)
{
	struct policy_verdict v = help_ask(h);
	char got[300] = "pass";

	if (v.act != POLICY_PASS)
		snprintf(got, sizeof got, "%s %u by %.*s%s%s%.*s", v.act == POLICY_BLOCK ? "block" : "redirect", v.status,
			 SLICE_F(v.by.id), v.unknown ? " unknown" : "", v.location.at ? " to " : "",
			 v.location.at ? (int)v.location.len : 0, v.location.at ? v.location.at : "");
	assert_string_equal(got, want);
	if (notes)
		assert_string_equal(h->notes, notes);
}

static void the_first_verdict_wins(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, HEAD "rules:\n"
			    "  - {id: a, do: block 451, when: 'ip.country == KP'}\n"
			    "  - {id: b, do: block, when: 'method == POST'}\n"
			    "  - {id: c, do: block 404, when: 'path under \"/x\"'}\n");
	help_request(&h);
	judge(&h, "pass", "");
	h.facts.path = SLICE("/x/y");
	judge(&h, "block 404 by c", "");
	h.facts.method = SLICE("POST");
	judge(&h, "block 403 by b", "");
	memcpy(h.facts.country, "KP", 3);
	judge(&h, "block 451 by a", "");
	assert_int_equal(help_ask(&h).by.line, 4);
	assert_string_equal(help_ask(&h).by.file, "p.yaml");
	help_done(&h);
}

static void describing_rules_run_first_wherever_they_stand(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, HEAD "rules:\n"
			    "  - {id: a, do: block 451, when: 'label.bad'}\n"
			    "  - {id: b, do: block, when: 'path under \"/x\"'}\n"
			    "  - {id: l, do: label bad, when: 'method == POST'}\n"
			    "  - {id: m, do: label worse, when: 'label.bad'}\n"
			    "  - {id: e, do: exempt, from: [b], when: 'ip in [203.0.113.9]', why: x, owner: y}\n");
	help_request(&h);
	h.facts.path = SLICE("/x");
	judge(&h, "pass", "exempted(e,b)");
	h.facts.method = SLICE("POST");
	judge(&h, "block 451 by a", "label(l,bad) label(m,worse) exempted(e,b)");
	assert_true(addr_parse(SLICE("203.0.113.8"), &h.facts.ip));
	h.facts.method = SLICE("GET");
	judge(&h, "block 403 by b", "");
	help_done(&h);
}

static void detect_is_recorded_and_not_enforced(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, HEAD "rules:\n"
			    "  - {id: l, do: label x, mode: detect}\n"
			    "  - {id: e, do: exempt, from: [c, waf], mode: detect, when: 'method == GET'" LOOSE "}\n"
			    "  - {id: a, do: block, mode: detect}\n"
			    "  - {id: r, do: redirect 302, to: /x, mode: detect}\n"
			    "  - {id: o, do: block, mode: off}\n"
			    "  - {id: b, do: block 404, when: 'label.x'}\n"
			    "  - {id: c, do: block 410}\n");
	help_request(&h);
	judge(&h, "block 410 by c",
	      "would-label(l,x) would-exempt(e,c) would-exempt(e,waf) would-block(a,) would-redirect(r,)");
	assert_false(h.run.exempt_waf);
	help_done(&h);
}

static void an_entry_is_in_force_between_its_dates(void **state)
{
	static const struct {
		int64_t now;
		const char *want;
	} rows[] = {
		{1796083199, "pass"}, {1796083200, "block 403 by a"}, {1796083201, "block 403 by a"},
		{1796169599, "block 403 by a"}, {1796169600, "pass"}, {0, "pass"}, {INT64_MAX - 1, "pass"},
	};
	struct help h;

	(void)state;
	/* 2026-12-01 is 1796083200. */
	help_begin(&h, HEAD "rules:\n  - {id: a, do: block, starts: 2026-12-01, expires: 2026-12-02T00:00:00Z}\n");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		help_request(&h);
		h.facts.now = rows[i].now;
		judge(&h, rows[i].want, "");
	}
	help_done(&h);
}

static void the_unknown_goes_where_the_entry_says(void **state)
{
	struct help h;
	struct policy_verdict v;

	(void)state;
	help_begin(&h, HEAD "rules:\n"
			    "  - {id: e, do: exempt, from: [b], when: 'ip.country == DE', why: x, owner: y}\n"
			    "  - {id: l, do: label far, when: 'ip.country not in [DE]'}\n"
			    "  - {id: a, do: block 451, on_failure: skip, when: 'ip.country == KP'}\n"
			    "  - {id: s, do: block 410, on_failure: skip, when: 'label.far'}\n"
			    "  - {id: b, do: block 404, when: 'ip.asn == AS5 and path under \"/x\"'}\n");
	help_request(&h);
	judge(&h, "pass", "exempted(e,b)");
	h.facts.country_known = h.facts.asn_known = POLICY_UNKNOWN;
	judge(&h, "pass",
	      "unknown(e,the country is not known) unknown(l,the country is not known) unknown(a,the country is not known) "
	      "unknown(s,a label depends on what cannot be known)");
	h.facts.path = SLICE("/x");
	judge(&h, "block 404 by b unknown", NULL);
	v = help_ask(&h);
	assert_string_equal(v.unknown_why, "the network number is not known");
	help_done(&h);
}

static void a_label_that_one_rule_sets_is_known_whatever_the_others(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, HEAD "rules:\n"
			    "  - {id: l, do: label far, when: 'ip.country not in [DE]'}\n"
			    "  - {id: m, do: label far, when: 'method == POST'}\n"
			    "  - {id: b, do: block, when: 'label.far', on_failure: skip}\n");
	help_request(&h);
	h.facts.country_known = POLICY_UNKNOWN;
	judge(&h, "pass", NULL);
	h.facts.method = SLICE("POST");
	judge(&h, "block 403 by b", NULL);
	help_done(&h);
}

static void exempt_from_the_waf_is_kept_for_it(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, "policy: t\nwaf: {mode: enforce}\nrules:\n"
		       "  - {id: p, do: exempt, from: [waf], when: 'ip in [203.0.113.9]'" LOOSE "}\n");
	help_request(&h);
	judge(&h, "pass", "exempted(p,waf)");
	assert_true(h.run.exempt_waf);
	assert_true(slice_is(h.run.exempt_waf_by.id, "p"));
	help_done(&h);
}

static void a_redirect_keeps_what_it_is_told_to(void **state)
{
	static const struct {
		const char *rule, *path, *query, *want;
	} rows[] = {
		{"301, to: 'https://www.example.com/'", "/a", "q=1", "redirect 301 by r to https://www.example.com/"},
		{"308, to: 'https://www.example.com/', keep: path", "/a/b", "q=1", "redirect 308 by r to https://www.example.com/a/b"},
		{"302, to: 'https://www.example.com', keep: path_query", "/a", "q=1&x=%41", "redirect 302 by r to https://www.example.com/a?q=1&x=%41"},
		{"302, to: /new, keep: path_query", "/a", NULL, "redirect 302 by r to /new/a"},
		{"307, to: /new, keep: path", "//evil.example/x", NULL, "redirect 307 by r to /new//evil.example/x"},
		{"307, to: 'https://h.example', keep: path", "/a\r\nSet-Cookie: x", NULL, "redirect 307 by r to https://h.example/a%0D%0ASet-Cookie:%20x"},
		{"307, to: 'https://h.example', keep: path", "/100%", NULL, "redirect 307 by r to https://h.example/100%25"},
		{"307, to: 'https://h.example', keep: path", "/\\evil?x#y\"<>\xc3\xa9", NULL, "redirect 307 by r to https://h.example/%5Cevil%3Fx%23y%22%3C%3E%C3%A9"},
		{"307, to: 'https://h.example', keep: path_query", "/", "a b\r\n#\"", "redirect 307 by r to https://h.example/?a%20b%0D%0A%23%22"},
		{"307, to: 'https://h.example/x', keep: path", "*", NULL, "redirect 307 by r to https://h.example/x"},
	};
	char text[300];
	struct help h;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		snprintf(text, sizeof text, HEAD "rules:\n  - {id: r, do: redirect %s}\n", rows[i].rule);
		help_begin(&h, text);
		help_request(&h);
		h.facts.path = slice_of(rows[i].path);
		h.facts.query = slice_of(rows[i].query);
		judge(&h, rows[i].want, "");
		help_done(&h);
	}
}

static void a_block_may_say_when_to_come_back(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, HEAD "rules:\n  - {id: r, do: block 503, retry_after: 30m}\n");
	help_request(&h);
	assert_int_equal(help_ask(&h).retry_after_s, 1800);
	help_done(&h);
}

static void expressions_without_waking_are_unknown_and_strict(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, HEAD "rules:\n  - {id: r, do: block, when: 'path matches r\"^/never$\"'}\n");
	help_request(&h);
	judge(&h, "pass", "");
	policy_sleep(h.policy);
	judge(&h, "block 403 by r unknown", NULL);
	assert_true(policy_wake(h.policy));
	assert_true(policy_wake(h.policy));
	judge(&h, "pass", "");
	help_done(&h);
}

static void a_policy_in_a_fixed_arena_works_the_same(void **state)
{
	static char memory[256 << 10] __attribute__((aligned(16)));
	struct policy_source from = {.path = "p.yaml", .bytes = SLICE(HEAD "rules:\n  - {id: r, do: block, when: 'method == GET'}\n"),
				     .now = TEST_NOW};
	struct help h = {0};

	(void)state;
	arena_init_fixed(&h.arena, memory, sizeof memory);
	arena_init(&h.request, NULL, 4096);
	h.policy = policy_compile(&h.arena, &from, &h.fail);
	assert_non_null(h.policy);
	assert_true((char *)h.policy >= memory && (char *)h.policy < memory + sizeof memory);
	assert_true(slice_is(policy_name(h.policy), "t"));
	assert_false(policy_inspects(h.policy));
	help_request(&h);
	judge(&h, "block 403 by r", "");
	help_done(&h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_verdict_wins),
		cmocka_unit_test(describing_rules_run_first_wherever_they_stand),
		cmocka_unit_test(detect_is_recorded_and_not_enforced),
		cmocka_unit_test(an_entry_is_in_force_between_its_dates),
		cmocka_unit_test(the_unknown_goes_where_the_entry_says),
		cmocka_unit_test(a_label_that_one_rule_sets_is_known_whatever_the_others),
		cmocka_unit_test(exempt_from_the_waf_is_kept_for_it),
		cmocka_unit_test(a_redirect_keeps_what_it_is_told_to),
		cmocka_unit_test(a_block_may_say_when_to_come_back),
		cmocka_unit_test(expressions_without_waking_are_unknown_and_strict),
		cmocka_unit_test(a_policy_in_a_fixed_arena_works_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
