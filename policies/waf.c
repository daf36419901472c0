/* waf.c -- what the WAF and the body checks do with one request. */
#include "policies/policy_parts.h"

/* ---- Exclusions ---- */

/* The engine can find form values in this request's content: whatever says so in its type. */
static bool form_possible(const struct policy_facts *f)
{
	uint32_t i = 0;
	const struct field *field;

	while (f->fields && (field = fields_next(f->fields, SLICE("content-type"), &i))) {
		struct slice rest = field->value;

		for (; rest.len >= 4; rest = slice_after(rest, 1))
			if (slice_ieq(slice_first(rest, 4), SLICE("form")) ||
			    (rest.len >= 5 && slice_ieq(slice_first(rest, 5), SLICE("multi"))))
				return true;
	}
	return false;
}

static bool query_has(struct slice query, struct slice name)
{
	struct slice pair;

	while (slice_cut(&query, '&', &pair))
		if (form_name_is(slice_first(pair, slice_find(pair, '=')), name))
			return true;
	return false;
}

/* ARGS under this name can hold nothing but the value that is meant. */
static bool wide(const struct policy_facts *f, const struct exclusion *x)
{
	switch (x->also) {
	case ALSO_NO_FORM:
		return !form_possible(f);
	case ALSO_NO_QUERY:
		return !query_has(f->query, x->name);
	default:
		return false;
	}
}

static bool plan_exclusions(struct policy_run *run, struct policy_waf *out)
{
	const struct waf *w = &run->policy->waf;
	const struct policy_exclusion **list = NULL;

	for (uint32_t i = 0; i < w->exclusions_n; i++) {
		const struct exclusion *x = &w->exclusions[i];

		if (entry_ask(run, &x->entry) != TRI_YES)
			continue;
		if (!list)
			list = (const struct policy_exclusion **)arena_take(run->facts->arena, w->exclusions_n * sizeof(void *));
		if (!list)
			return false;
		list[out->exclusions_n++] = wide(run->facts, x) ? &x->wide : &x->out;
	}
	out->exclusions = list;
	return true;
}

/* ---- Bodies ---- */

static void plan_body(struct policy_run *run, struct policy_waf *out)
{
	const struct policy *p = run->policy;

	for (uint32_t i = 0; i < p->bodies_n; i++) {
		const struct body_rule *b = &p->bodies[i];
		enum tri t = bits_have(&run->exempt, b->entry.number) ? TRI_NO : entry_ask(run, &b->entry);

		if (t == TRI_NO || (t == TRI_UNKNOWN && b->entry.unknown == UNKNOWN_SKIP))
			continue;
		out->body_max = b->max;
		out->body_types = b->types;
		/* The unknown is never a reason to look less closely. */
		out->inspect = t == TRI_YES ? b->inspect : POLICY_INSPECT_FULL;
		out->body_by_entry = true;
		out->body_entry = b->entry.by;
		return;
	}
}

bool policy_waf_plan(struct policy_run *run, uint64_t default_body_max, struct policy_waf *out)
{
	const struct waf *w = &run->policy->waf;

	*out = (struct policy_waf){
		.mode = run->exempt_waf && w->mode == POLICY_ENFORCE ? POLICY_DETECT : w->mode,
		.ruleset = w->ruleset,
		.paranoia = w->paranoia,
		.detection_paranoia = w->detection_paranoia,
		.threshold_request = w->threshold_request,
		.threshold_response = w->threshold_response,
		.lost_pass = w->lost_pass,
		.responses = w->responses,
		.inspect = POLICY_INSPECT_FULL,
		.body_max = default_body_max,
	};
	if (run->exempt_waf && out->responses.mode == POLICY_ENFORCE)
		out->responses.mode = POLICY_DETECT;
	plan_body(run, out);
	if (w->mode != POLICY_OFF && !plan_exclusions(run, out))
		return false;
	return !run->starved;
}
