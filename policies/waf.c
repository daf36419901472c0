/* waf.c -- what the WAF and the body checks do with one request. */
#include "policies/policy_parts.h"

/* ---- Exclusions ---- */

/* Form values may be found in content of this type: where it says so, and in texts, which are read as forms, too. */
static bool names_form(struct slice type)
{
	static const struct slice words[] = {{"form", 4},	{"multi", 5}, {"text", 4},    {"graphql", 7},
					     {"ndjson", 6}, {"jsonl", 5}, {"json-seq", 8}};

	for (; type.len; type = slice_after(type, 1))
		for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
			if (type.len >= words[i].len && slice_ieq(slice_first(type, words[i].len), words[i]))
				return true;
	return false;
}

static bool form_possible(const struct policy_facts *f)
{
	uint32_t i = 0;
	const struct field *field;

	while (f->fields && (field = fields_next(f->fields, SLICE("content-type"), &i)))
		if (names_form(field->value))
			return true;
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

/* The unknown changes nothing. */
static const struct waf_at *find_at(struct policy_run *run)
{
	const struct waf *w = &run->policy->waf;

	for (uint32_t i = 0; i < w->at_n; i++)
		if (entry_ask(run, &w->at[i].entry) == TRI_YES)
			return &w->at[i];
	return NULL;
}

bool policy_waf_plan(struct policy_run *run, uint64_t default_body_max, struct policy_waf *out)
{
	const struct waf *w = &run->policy->waf;
	const struct waf_at *at = find_at(run);
	const struct waf_level *level = at ? &at->level : &w->level;

	*out = (struct policy_waf){
		.mode = run->exempt_waf && level->mode == POLICY_ENFORCE ? POLICY_DETECT : level->mode,
		.ruleset = w->ruleset,
		.paranoia = level->paranoia,
		.detection_paranoia = level->detection_paranoia,
		.threshold_request = level->threshold_request,
		.threshold_response = level->threshold_response,
		.lost_pass = w->lost_pass,
		.responses = level->responses,
		.by_at = at,
		.inspect = POLICY_INSPECT_FULL,
		.body_max = default_body_max,
	};
	if (at)
		out->at_entry = at->entry.by;
	if (run->exempt_waf && out->responses.mode == POLICY_ENFORCE)
		out->responses.mode = POLICY_DETECT;
	plan_body(run, out);
	if (out->mode != POLICY_OFF && !plan_exclusions(run, out))
		return false;
	return !run->starved;
}
