/* plan.c -- the zygote's orders, written and read. */
#include "rules/plan.h"

#include "gateway/base/text.h"

static bool plain(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] < 0x20 || s.at[i] == 0x7f)
			return false;
	return s.len != 0;
}

static bool put_ruleset(struct buf *out, const struct plan_ruleset *r)
{
	return plain(r->name) &&
	       buf_print(out, "ruleset\t%.*s\narguments\t%u\njson_depth\t%u\nparts\t%u\nbody_max\t%llu\n", SLICE_F(r->name),
			 r->arguments, r->json_depth, r->parts, (unsigned long long)r->body_max);
}

bool plan_pack(struct buf *out, const struct plan *plan)
{
	if (!plan->rulesets_n || plan->rulesets_n > PLAN_RULESETS)
		return false;
	if (!buf_print(out, "recycle_jobs\t%u\nrecycle_bytes\t%llu\n", plan->recycle_jobs, (unsigned long long)plan->recycle_bytes))
		return false;
	for (uint32_t i = 0; i < plan->rulesets_n; i++)
		if (!put_ruleset(out, &plan->rulesets[i]))
			return false;
	return true;
}

static bool number(struct slice value, uint64_t most, uint64_t *out)
{
	return text_uint(value, out) && *out <= most;
}

static const char *take_ruleset(struct plan *p, struct slice value)
{
	if (p->rulesets_n == PLAN_RULESETS)
		return "too many rule sets";
	p->rulesets[p->rulesets_n++] = (struct plan_ruleset){
		.name = value, .arguments = 1000, .json_depth = 64, .parts = 128, .body_max = 1 << 20};
	return NULL;
}

/* NULL when the item was taken, else what is wrong with it. */
static const char *take_item(struct plan *p, struct slice word, struct slice value)
{
	struct plan_ruleset *r = p->rulesets_n ? &p->rulesets[p->rulesets_n - 1] : NULL;
	uint64_t n = 0;

	if (slice_is(word, "ruleset"))
		return take_ruleset(p, value);
	if (slice_is(word, "recycle_jobs")) {
		if (!number(value, UINT32_MAX, &n))
			return "not a number in its bounds";
		p->recycle_jobs = (uint32_t)n;
		return NULL;
	}
	if (slice_is(word, "recycle_bytes"))
		return number(value, INT64_MAX, &p->recycle_bytes) ? NULL : "not a number in its bounds";
	if (!r)
		return "an item of no rule set";
	if (slice_is(word, "body_max")) {
		if (!number(value, UINT32_MAX, &r->body_max))
			return "not a number in its bounds";
	} else {
		uint32_t *into = slice_is(word, "arguments")  ? &r->arguments :
				 slice_is(word, "json_depth") ? &r->json_depth :
				 slice_is(word, "parts")      ? &r->parts :
								NULL;

		if (!into)
			return "unknown word";
		if (!number(value, 1000000, &n))
			return "not a number in its bounds";
		*into = (uint32_t)n;
	}
	return NULL;
}

bool plan_unpack(struct slice in, struct plan *out, unsigned *line, const char **why)
{
	struct slice rest = in, text;

	memset(out, 0, sizeof *out);
	for (*line = 1; slice_cut(&rest, '\n', &text); (*line)++) {
		size_t tab = slice_find(text, '\t');

		if (!text.len && (!rest.at || !rest.len))
			break;
		*why = tab == text.len || !plain(slice_after(text, tab + 1)) ?
			       "not a word, a tab and a value" :
			       take_item(out, slice_first(text, tab), slice_after(text, tab + 1));
		if (*why)
			return false;
	}
	*why = out->rulesets_n ? NULL : "no rule set";
	return out->rulesets_n != 0;
}
