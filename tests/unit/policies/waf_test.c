/* waf_test.c -- what the WAF is told about one request: mode, levels, bodies, exclusions in the engine's names. */
#include "tests/unit/policies/policy_help.h"

#define LOOSE ", why: x, owner: y, expires: 2027-02-01"

enum { DEFAULT_MAX = 777 };
static struct policy_waf waf;

static void plan(struct help *h)
{
	help_ask(h);
	assert_true(policy_waf_plan(&h->run, DEFAULT_MAX, &waf));
}

static void settings_have_defaults_and_are_kept(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, "policy: t\nwaf: {}\n");
	assert_true(policy_inspects(h.policy));
	help_request(&h);
	plan(&h);
	assert_int_equal(waf.mode, POLICY_ENFORCE);
	assert_true(slice_is(waf.ruleset, "crs"));
	assert_int_equal(waf.paranoia, 1);
	assert_int_equal(waf.detection_paranoia, 1);
	assert_int_equal(waf.threshold_request, 5);
	assert_int_equal(waf.threshold_response, 4);
	assert_false(waf.lost_pass);
	assert_int_equal(waf.inspect, POLICY_INSPECT_FULL);
	assert_int_equal(waf.body_max, DEFAULT_MAX);
	assert_int_equal(waf.body_types.len, 0);
	assert_false(waf.body_by_entry);
	assert_int_equal(waf.exclusions_n, 0);
	help_done(&h);
	help_begin(&h, "policy: t\nwaf: {mode: detect, ruleset: mine, paranoia: 2, detection_paranoia: 4, threshold: {request: 10}, on_failure: pass}\n");
	help_request(&h);
	plan(&h);
	assert_int_equal(waf.mode, POLICY_DETECT);
	assert_true(slice_is(waf.ruleset, "mine"));
	assert_int_equal(waf.paranoia, 2);
	assert_int_equal(waf.detection_paranoia, 4);
	assert_int_equal(waf.threshold_request, 10);
	assert_int_equal(waf.threshold_response, 4);
	assert_true(waf.lost_pass);
	help_done(&h);
	help_begin(&h, "policy: t\nwaf: {mode: off}\n");
	assert_false(policy_inspects(h.policy));
	help_request(&h);
	plan(&h);
	assert_int_equal(waf.mode, POLICY_OFF);
	help_done(&h);
	help_begin(&h, "policy: t\n");
	assert_false(policy_inspects(h.policy));
	help_done(&h);
}

static void answers_are_inspected_as_the_policy_says(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, "policy: t\nwaf: {}\n");
	help_request(&h);
	plan(&h);
	assert_int_equal(waf.responses.mode, POLICY_OFF);
	help_done(&h);
	help_begin(&h, "policy: t\nwaf: {responses: {mode: enforce}}\n");
	help_request(&h);
	plan(&h);
	assert_int_equal(waf.responses.mode, POLICY_ENFORCE);
	assert_false(waf.responses.body || waf.responses.beyond_block);
	assert_int_equal(waf.responses.max, 512 << 10);
	assert_true(slice_contains(waf.responses.types, SLICE("text/html,text/plain")));
	help_done(&h);
	help_begin(&h, "policy: t\nwaf: {mode: detect, responses: {mode: enforce, body: true, types: [text/csv, text/html], max: 1MiB, "
		       "beyond: block}}\n");
	help_request(&h);
	plan(&h);
	assert_int_equal(waf.mode, POLICY_DETECT);
	assert_int_equal(waf.responses.mode, POLICY_ENFORCE);
	assert_true(waf.responses.body && waf.responses.beyond_block);
	assert_int_equal(waf.responses.max, 1 << 20);
	assert_true(slice_is(waf.responses.types, "text/csv,text/html"));
	help_done(&h);
	help_begin(&h, "policy: t\nwaf: {mode: off}\n");
	help_request(&h);
	plan(&h);
	assert_int_equal(waf.responses.mode, POLICY_OFF);
	help_done(&h);
	help_begin(&h, "policy: t\n");
	help_request(&h);
	plan(&h);
	assert_int_equal(waf.responses.mode, POLICY_OFF);
	help_done(&h);
}

static void who_is_exempt_is_still_looked_at(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, "policy: t\nwaf: {responses: {mode: enforce}}\nrules:\n  - {id: p, do: exempt, from: [waf], when: 'ip in [203.0.113.9]'" LOOSE "}\n");
	help_request(&h);
	plan(&h);
	assert_int_equal(waf.mode, POLICY_DETECT);
	assert_int_equal(waf.responses.mode, POLICY_DETECT);
	addr_parse(SLICE("203.0.113.10"), &h.facts.ip);
	plan(&h);
	assert_int_equal(waf.mode, POLICY_ENFORCE);
	help_done(&h);
}

static void the_first_body_entry_applies(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, "policy: t\nwaf: {}\nbodies:\n"
		       "  - {id: off, max: 1B, mode: off}\n"
		       "  - {id: photos, when: 'path under \"/photos\"', max: 20MiB, types: [multipart/form-data, image/png], inspect: head" LOOSE "}\n"
		       "  - {id: far, when: 'ip.country == KP', max: 1KiB, inspect: fields" LOOSE "}\n"
		       "  - {id: rest, when: 'method == POST', on_failure: skip}\n"
		       "rules:\n  - {id: e, do: exempt, from: [photos], when: 'ip in [192.0.2.1]', why: x, owner: y}\n");
	help_request(&h);
	plan(&h);
	assert_false(waf.body_by_entry);
	h.facts.path = SLICE("/photos/1");
	plan(&h);
	assert_true(waf.body_by_entry);
	assert_true(slice_is(waf.body_entry.id, "photos"));
	assert_int_equal(waf.body_max, 20 << 20);
	assert_true(slice_is(waf.body_types, "multipart/form-data,image/png"));
	assert_int_equal(waf.inspect, POLICY_INSPECT_HEAD);
	addr_parse(SLICE("192.0.2.1"), &h.facts.ip);
	h.facts.method = SLICE("POST");
	plan(&h);
	assert_true(slice_is(waf.body_entry.id, "rest"));
	assert_int_equal(waf.body_max, 1 << 20);
	/* The unknown applies the bounds and inspects in full. */
	h.facts.country_known = POLICY_UNKNOWN;
	plan(&h);
	assert_true(slice_is(waf.body_entry.id, "far"));
	assert_int_equal(waf.body_max, 1024);
	assert_int_equal(waf.inspect, POLICY_INSPECT_FULL);
	help_done(&h);
}

/* Targets of the only exclusion that applies, joined. */
static const char *targets(void)
{
	static char out[400];
	size_t n = 0;

	assert_int_equal(waf.exclusions_n, 1);
	out[0] = 0;
	for (unsigned i = 0; i < waf.exclusions[0]->targets_n; i++)
		n += (size_t)snprintf(out + n, sizeof out - n, "%s%.*s", i ? " " : "", SLICE_F(waf.exclusions[0]->targets[i]));
	return out;
}

static void a_target_becomes_the_engines_name(void **state)
{
	static const struct {
		const char *target, *query, *type, *want;
	} rows[] = {
		{"args.q", NULL, NULL, "ARGS:q ARGS:json.q"},
		{"args.Q_x-1", NULL, NULL, "ARGS:Q_x-1 ARGS:json.Q_x-1"},
		{"args.a.b", NULL, NULL, "ARGS:a.b ARGS:json.a.b"},
		{"'args[\"a[]\"]'", NULL, NULL, "ARGS:a[] ARGS:json.a[]"},
		{"json.user.name", NULL, NULL, "ARGS:json.user.name"},
		{"'json.items[0].note'", NULL, NULL, "ARGS:json.items.array_0.note"},
		{"'json[2].a'", NULL, NULL, "ARGS:json.array_2.a"},
		{"'json.a[3][10]'", NULL, NULL, "ARGS:json.a.array_3.array_10"},
		{"'json[\"a.b\"]'", NULL, NULL, "ARGS:json.a.b"},
		{"header.User-Agent", NULL, NULL, "REQUEST_HEADERS:user-agent"},
		{"cookie.Sid", NULL, NULL, "REQUEST_COOKIES:Sid"},
		{"arg_names", NULL, NULL, "ARGS_NAMES"},
		/* ARGS holds both sides: it is meant only where the other side cannot have the name. */
		{"query.q", "q=1", NULL, "ARGS_GET:q ARGS:q"},
		{"query.q", "q=1", "application/json", "ARGS_GET:q ARGS:q"},
		{"query.q", "q=1", "application/x-www-form-urlencoded", "ARGS_GET:q"},
		{"query.q", "q=1", "Application/X-WWW-FORM-Urlencoded; charset=x", "ARGS_GET:q"},
		{"query.q", "q=1", "multipart/mixed", "ARGS_GET:q"},
		{"query.q", "q=1", "Text/Plain", "ARGS_GET:q"},
		{"query.q", "q=1", "application/x-ndjson", "ARGS_GET:q"},
		{"form.q", "p=1", "multipart/form-data", "ARGS_POST:q ARGS:q"},
		{"form.q", "q=1", "multipart/form-data", "ARGS_POST:q"},
		{"form.q", "a=1&%71=1", "multipart/form-data", "ARGS_POST:q"},
		{"form.q", "a=1&q", "multipart/form-data", "ARGS_POST:q"},
		{"form.q", NULL, NULL, "ARGS_POST:q ARGS:q"},
	};
	char text[400];
	struct help h;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		snprintf(text, sizeof text, "policy: t\nwaf:\n  exclude:\n    - {rule: 942100, target: %s" LOOSE "}\n", rows[i].target);
		help_begin(&h, text);
		help_request(&h);
		h.facts.query = slice_of(rows[i].query);
		if (rows[i].type)
			help_header(&h, "content-type", rows[i].type);
		plan(&h);
		if (strcmp(targets(), rows[i].want) != 0)
			fail_msg("%s: %s, not %s", rows[i].target, targets(), rows[i].want);
		help_done(&h);
	}
}

static void exclusions_apply_when_they_say(void **state)
{
	struct help h;

	(void)state;
	help_begin(&h, "policy: t\nwaf:\n  exclude:\n"
		       "    - {rules: [942100, 942190], when: 'path under \"/a\"'" LOOSE "}\n"
		       "    - {id: course, tag: attack-sqli, when: 'ip.country == DE and method == GET'" LOOSE "}\n"
		       "    - {rule: 920300, why: x, owner: y, expires: 2026-10-01}\n");
	help_request(&h);
	plan(&h);
	assert_int_equal(waf.exclusions_n, 1);
	assert_true(slice_is(waf.exclusions[0]->entry.id, "course"));
	assert_true(slice_is(waf.exclusions[0]->tag, "attack-sqli"));
	assert_int_equal(waf.exclusions[0]->rules_n, 0);
	assert_int_equal(waf.exclusions[0]->targets_n, 0);
	h.facts.path = SLICE("/a/b");
	h.facts.country_known = POLICY_UNKNOWN;
	plan(&h);
	assert_int_equal(waf.exclusions_n, 1);
	assert_int_equal(waf.exclusions[0]->rules_n, 2);
	assert_int_equal(waf.exclusions[0]->rules[1], 942190);
	assert_int_equal(waf.exclusions[0]->entry.line, 4);
	help_done(&h);
}

static void used_up_memory_is_said(void **state)
{
	struct budget small = {.limit = 600};
	struct arena tight;
	struct help h;

	(void)state;
	help_begin(&h, "policy: t\nwaf: {exclude: [{rule: 5" LOOSE "}]}\n");
	help_request(&h);
	arena_init(&tight, &small, 512);
	while (arena_take(&tight, 8))
		;
	h.facts.arena = &tight;
	help_ask(&h);
	assert_false(policy_waf_plan(&h.run, DEFAULT_MAX, &waf));
	arena_done(&tight);
	help_done(&h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_have_defaults_and_are_kept),
		cmocka_unit_test(answers_are_inspected_as_the_policy_says),
		cmocka_unit_test(who_is_exempt_is_still_looked_at),
		cmocka_unit_test(the_first_body_entry_applies),
		cmocka_unit_test(a_target_becomes_the_engines_name),
		cmocka_unit_test(exclusions_apply_when_they_say),
		cmocka_unit_test(used_up_memory_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
