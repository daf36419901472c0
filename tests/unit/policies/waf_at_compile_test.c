/* waf_at_compile_test.c -- the first entry of waf.at that matches decides how closely is looked. */
#include "tests/unit/policies/policy_help.h"

#define LOOSE ", why: x, owner: y, expires: 2027-02-01"

static struct policy_waf waf;

static void plan(struct help *h, const char *path)
{
	h->facts.path = slice_of(path);
	help_ask(h);
	assert_true(policy_waf_plan(&h->run, 1 << 20, &waf));
}

static void the_first_that_matches_applies(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, "policy: t\nwaf:\n"
		       "  paranoia: 2\n  threshold: {request: 7}\n"
		       "  at:\n"
		       "    - {id: admin, when: 'path under \"/admin\"', paranoia: 3, threshold: {response: 3}}\n"
		       "    - {when: 'path under \"/old\"', mode: detect" LOOSE "}\n"
		       "    - {when: 'path under \"/files\"', mode: off" LOOSE "}\n"
		       "    - {when: 'path under \"/gone\"', paranoia: 4, starts: 2026-12-01}\n"
		       "    - {when: 'ip.country == KP', paranoia: 4}\n");
	help_request(&h);
	plan(&h, "/");
	assert_false(waf.by_at);
	assert_true(waf.mode == POLICY_ENFORCE && waf.paranoia == 2 && waf.threshold_request == 7 && waf.threshold_response == 4);
	plan(&h, "/admin/x");
	assert_true(waf.by_at && slice_is(waf.at_entry.id, "admin"));
	assert_true(waf.mode == POLICY_ENFORCE && waf.paranoia == 3 && waf.detection_paranoia == 3);
	assert_true(waf.threshold_request == 7 && waf.threshold_response == 3);
	plan(&h, "/old");
	assert_true(waf.by_at && waf.at_entry.line == 7 && waf.mode == POLICY_DETECT && waf.paranoia == 2);
	plan(&h, "/files/a");
	assert_int_equal(waf.mode, POLICY_OFF);
	plan(&h, "/gone");
	assert_false(waf.by_at);
	memcpy(h.facts.country, "KP", 3);
	plan(&h, "/");
	assert_int_equal(waf.paranoia, 4);
	h.facts.country_known = POLICY_UNKNOWN;
	plan(&h, "/");
	assert_false(waf.by_at);
	help_done(&h);
}

static void answers_of_some_paths_are_inspected(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, "policy: t\nwaf:\n  at:\n"
		       "    - {when: 'path under \"/reports\"', responses: {mode: enforce, body: true, beyond: block}}\n"
		       "    - {when: 'path under \"/api\"', paranoia: 2}\n");
	help_request(&h);
	plan(&h, "/");
	assert_int_equal(waf.responses.mode, POLICY_OFF);
	plan(&h, "/reports/1");
	assert_true(waf.responses.mode == POLICY_ENFORCE && waf.responses.body && waf.responses.beyond_block);
	assert_true(waf.responses.max == 512 << 10 && slice_contains(waf.responses.types, SLICE("text/html")));
	plan(&h, "/api");
	assert_true(waf.by_at && waf.responses.mode == POLICY_OFF);
	help_done(&h);
	/* And are left alone on some. */
	help_begin(&h, "policy: t\nwaf:\n  responses: {mode: enforce}\n  at:\n"
		       "    - {when: 'path under \"/video\"', responses: {mode: off}" LOOSE "}\n"
		       "    - {when: 'path under \"/raw\"', mode: off" LOOSE "}\n"
		       "    - {when: 'path under \"/more\"', responses: {mode: enforce, body: true}}\n");
	help_request(&h);
	plan(&h, "/video/1");
	assert_true(waf.mode == POLICY_ENFORCE && waf.responses.mode == POLICY_OFF);
	plan(&h, "/raw");
	assert_true(waf.mode == POLICY_OFF && waf.responses.mode == POLICY_OFF);
	plan(&h, "/more");
	assert_true(waf.responses.body);
	help_done(&h);
}

static void an_entry_alone_needs_inspectors(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, "policy: t\nwaf: {mode: off, at: [{when: 'path under \"/a\"', mode: enforce}]}\n");
	assert_true(policy_inspects(h.policy));
	help_request(&h);
	plan(&h, "/");
	assert_int_equal(waf.mode, POLICY_OFF);
	plan(&h, "/a");
	assert_int_equal(waf.mode, POLICY_ENFORCE);
	help_done(&h);
	help_begin(&h, "policy: t\nwaf: {mode: off, at: [{when: 'path under \"/a\"', paranoia: 2}]}\n");
	assert_false(policy_inspects(h.policy));
	help_done(&h);
}

static void who_is_exempt_is_still_looked_at(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, "policy: t\nwaf: {mode: detect, at: [{when: 'path under \"/a\"', mode: enforce, responses: {mode: enforce}}]}\n"
		       "rules:\n  - {id: p, do: exempt, from: [waf], when: 'ip in [203.0.113.9]'" LOOSE "}\n");
	help_request(&h);
	plan(&h, "/a");
	assert_true(waf.mode == POLICY_DETECT && waf.responses.mode == POLICY_DETECT);
	help_done(&h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_that_matches_applies),
		cmocka_unit_test(answers_of_some_paths_are_inspected),
		cmocka_unit_test(an_entry_alone_needs_inspectors),
		cmocka_unit_test(who_is_exempt_is_still_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
