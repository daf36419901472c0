/* filter.c -- the rules of a site's policy, at the request head.
 *
 * Fills facts->policy_run, which the limits and the WAF ask later in the chain. */
#include "policies/filter.h"

static void remember(void *context, const char *what, const struct policy_entry *by, struct slice text)
{
	struct visit *v = context;

	if (text.len)
		note(v, what, "%.*s: %.*s", SLICE_F(by->id), SLICE_F(text));
	else
		note(v, what, "%.*s", SLICE_F(by->id));
}

static struct verdict verdict_of(struct visit *v, const struct policy_verdict *p)
{
	struct verdict out = DENY(p->starved ? REASON_POLICY_MEMORY : p->unknown ? REASON_POLICY_UNKNOWN : REASON_POLICY_RULE);

	if (p->unknown_why)
		note(v, "unknown-why", "%s", p->unknown_why);
	out.would = v->facts->canary;
	out.status = p->status;
	out.by = p->by;
	out.retry_after_s = p->retry_after_s;
	if (p->act == POLICY_REDIRECT) {
		out.kind = VERDICT_REDIRECT;
		out.location = p->location;
	}
	return out;
}

static struct verdict judge(struct visit *v)
{
	struct facts *facts = v->facts;
	struct policy_verdict p;

	if (!facts->policy)
		return PASS;
	policy_run_init(&facts->policy_run, facts->policy, &facts->policy_facts);
	facts->policy_ran = true;
	p = policy_rules(&facts->policy_run, remember, v);
	return p.act == POLICY_PASS ? PASS : verdict_of(v, &p);
}

const struct filter policy_filter = {.name = "policy", .at = {[GATE_REQUEST] = judge}};
