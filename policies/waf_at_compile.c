/* waf_at_compile.c -- `waf.at`: where requests, or their answers, are looked at more closely, or less.
 *
 * Each entry becomes a whole level, so that asking is picking one.  One that looks less closely than the policy does
 * elsewhere loosens, in whichever of its settings: somebody must answer for it. */
#include "policies/compile.h"

/* ---- Closer or looser ---- */

static bool answers_looser(const struct policy_responses *here, const struct policy_responses *there)
{
	if (there->mode == POLICY_OFF)
		return false;
	if (here->mode > there->mode || (there->beyond_block && !here->beyond_block))
		return true;
	return there->body && (!here->body || here->max < there->max || !slice_eq(here->types, there->types));
}

/* Modes are in the order of the words: enforce, detect, off. */
static bool is_looser(const struct waf_level *here, const struct waf_level *there)
{
	if (there->mode == POLICY_OFF)
		return false;
	return here->mode > there->mode || here->paranoia < there->paranoia || here->detection_paranoia < there->detection_paranoia ||
	       here->threshold_request > there->threshold_request || here->threshold_response > there->threshold_response ||
	       answers_looser(&here->responses, &there->responses);
}

/* ---- One entry ---- */

static unsigned or_else(int64_t said, unsigned otherwise)
{
	return said ? (unsigned)said : otherwise;
}

static bool level_compile(struct compile *c, const struct at_text *t, struct waf_level *out)
{
	struct place place = entry_place(&t->entry);
	bool ok = true;

	*out = c->policy->waf.level;
	if (t->mode)
		ok = mode_read(c, t->mode, &out->mode);
	out->paranoia = or_else(t->paranoia, out->paranoia);
	out->detection_paranoia = or_else(t->detection_paranoia, out->detection_paranoia);
	if (!t->detection_paranoia && out->detection_paranoia < out->paranoia)
		out->detection_paranoia = out->paranoia;
	if (out->detection_paranoia < out->paranoia)
		ok = fail_at(c->fail, place, "detection_paranoia is below paranoia; rules that block are also recorded");
	out->threshold_request = or_else(t->threshold.request, out->threshold_request);
	out->threshold_response = or_else(t->threshold.response, out->threshold_response);
	if (out->mode == POLICY_OFF)
		out->responses.mode = POLICY_OFF;
	if (t->responses.given)
		ok &= responses_compile(c, &t->responses, t->responses.given->place, out->mode, &out->responses);
	return ok;
}

static bool at_compile(struct compile *c, const struct at_text *t, bool locked, struct waf_at *out)
{
	bool ok = level_compile(c, t, &out->level), looser = is_looser(&out->level, &c->policy->waf.level);

	ok &= entry_compile(c, &t->entry, looser ? FOR_LOOSENING : FOR_PLAIN, false, &out->entry);
	if (!looser)
		return ok;
	if (locked)
		ok = fail_at(c->fail, entry_place(&t->entry), "waf is locked, and this looks less closely");
	return entry_loosens(c, &t->entry, &out->entry, false) && ok;
}

/* First match wins: what an earlier entry always takes never comes to a later one. */
static bool reachable(struct compile *c, const struct waf_at *all, unsigned i)
{
	for (unsigned j = 0; j < i; j++) {
		const struct entry *early = &all[j].entry, *late = &all[i].entry;

		if (early->starts != INT64_MIN || early->expires != INT64_MAX || expr_unsure(c, early->when) ||
		    !expr_covers(early->when, late->when))
			continue;
		return fail_at(c->fail, (struct place){c->file, late->by.line, late->column},
			       "this entry of waf.at never applies: the one in line %u takes whatever it matches", early->by.line);
	}
	return true;
}

bool waf_at_compile(struct compile *c, const struct file_text *t)
{
	const struct at_text *texts = t->waf.at.at;
	unsigned n = t->waf.at.n;
	struct waf_at *all = ARENA_ARRAY(c->arena, struct waf_at, n + 1);
	bool ok = true;

	if (!all)
		return compile_memory(c);
	for (unsigned i = 0; i < n; i++)
		ok &= at_compile(c, &texts[i], t->waf.locked, &all[i]);
	for (unsigned i = 0; ok && i < n; i++)
		ok = reachable(c, all, i);
	c->policy->waf.at = all;
	c->policy->waf.at_n = n;
	return ok;
}
