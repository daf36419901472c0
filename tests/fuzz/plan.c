/* plan.c -- fuzz: the zygote's orders, where they are accepted, are written down again and read as the same. */
#include "fuzz.h"
#include "rules/plan.h"

static bool same(const struct plan_ruleset *a, const struct plan_ruleset *b)
{
	return slice_eq(a->name, b->name) && a->arguments == b->arguments && a->json_depth == b->json_depth && a->parts == b->parts &&
	       a->body_max == b->body_max;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct slice in = fuzz_in(bytes, n).rest;
	static struct plan plan, again;
	const char *why = NULL;
	unsigned line = 0;
	struct buf out;

	if (!plan_unpack(in, &plan, &line, &why)) {
		MUST(why && line >= 1 && line <= n + 2);
		return 0;
	}
	MUST(plan.rulesets_n >= 1 && plan.rulesets_n <= PLAN_RULESETS);
	buf_init(&out, NULL);
	MUST(plan_pack(&out, &plan));
	MUST(plan_unpack(buf_slice(&out), &again, &line, &why));
	MUST(again.rulesets_n == plan.rulesets_n && again.recycle_jobs == plan.recycle_jobs);
	for (uint32_t i = 0; i < plan.rulesets_n; i++)
		MUST(same(&plan.rulesets[i], &again.rulesets[i]));
	buf_done(&out);
	return 0;
}
