/* rules_compile.c -- `rules` of a policy.
 *
 * Describing rules are compiled first, in file order, as they run: so that every
 * label a deciding rule reads is known with what stands behind it. */
#include <stdio.h>

#include "gateway/base/text.h"
#include "policies/compile.h"

/* ---- What a rule does ---- */

static bool status_of(struct compile *c, const struct yaml_node *node, struct slice text, enum does does, uint16_t *out)
{
	uint64_t n;

	if (!text_uint(text, &n))
		n = 0;
	if (does == DOES_BLOCK && (n < 400 || n > 599))
		return fail_at(c->fail, node->place, "block takes a status from 400 to 599, not \"%.*s\"", SLICE_F(text));
	if (does == DOES_REDIRECT && n != 301 && n != 302 && n != 307 && n != 308)
		return fail_at(c->fail, node->place, "redirect takes 301, 302, 307 or 308, not \"%.*s\"", SLICE_F(text));
	*out = (uint16_t)n;
	return true;
}

static bool label_name(struct compile *c, const struct yaml_node *node, struct slice name)
{
	bool fine = name.len >= 1 && name.len <= 40;

	for (size_t i = 0; fine && i < name.len; i++)
		fine = (name.at[i] >= 'a' && name.at[i] <= 'z') || (name.at[i] >= '0' && name.at[i] <= '9') || name.at[i] == '-';
	return fine || fail_at(c->fail, node->place, "a label is named with 1 to 40 of a-z, 0-9 and -, not \"%.*s\"", SLICE_F(name));
}

bool deed_read(struct compile *c, const struct yaml_node *node, enum does *does, uint16_t *status, struct slice *label)
{
	static const char *const words[] = {"block", "redirect", "exempt", "label", NULL};
	size_t cut;
	struct slice word, rest;

	if (node->kind != YAML_SCALAR)
		return fail_at(c->fail, node->place, "an action is a text such as `block 403`");
	cut = slice_find(node->text, ' ');
	word = slice_first(node->text, cut);
	rest = cut < node->text.len ? slice_after(node->text, cut + 1) : SLICE("");
	*status = 403;
	for (int i = 0; words[i]; i++) {
		if (!slice_is(word, words[i]))
			continue;
		*does = (enum does)i;
		if (*does == DOES_BLOCK)
			return !rest.len || status_of(c, node, rest, *does, status);
		if (*does == DOES_REDIRECT)
			return status_of(c, node, rest, *does, status);
		*label = rest;
		if (*does == DOES_LABEL)
			return label_name(c, node, rest);
		return !rest.len || fail_at(c->fail, node->place, "exempt stands alone; what it lifts is listed in `from`");
	}
	if (slice_is(word, "challenge"))
		return fail_at(c->fail, node->place, "challenge is not in this version; block, redirect, exempt and label are");
	return fail_at(c->fail, node->place, "\"%.*s\" is no action; there are block, redirect, exempt and label%s", SLICE_F(word),
		       suggest(c, text_nearest(word, words)));
}

bool location_check(struct compile *c, struct place at, struct slice to, enum keep keep)
{
	bool https = slice_starts(to, SLICE("https://")), http = slice_starts(to, SLICE("http://"));
	struct slice rest = slice_after(to, https ? 8 : http ? 7 : 0);

	if (!to.len)
		return fail_at(c->fail, at, "redirect needs `to`, such as https://www.example.com");
	for (size_t i = 0; i < to.len; i++)
		if (to.at[i] <= 0x20 || to.at[i] >= 0x7f || strchr("\"<>\\^`{|}", to.at[i]))
			return fail_at(c->fail, at, "`to` holds a character that must be written as %%XX in a URL");
	if (!https && !http && (to.at[0] != '/' || (to.len > 1 && to.at[1] == '/')))
		return fail_at(c->fail, at, "`to` begins with https://, http:// or one /");
	if ((https || http) && (!rest.len || rest.at[0] == '/' || rest.at[0] == ':' || slice_find(rest, '@') < slice_find(rest, '/')))
		return fail_at(c->fail, at, "`to` names no host, or a user");
	if (keep != KEEP_NONE && (slice_find(to, '?') < to.len || slice_find(to, '#') < to.len))
		return fail_at(c->fail, at, "`keep` appends the path, so `to` cannot have a query or fragment");
	if (keep != KEEP_NONE && slice_is(to, "/"))
		return fail_at(c->fail, at, "this redirects every request to itself");
	return true;
}

static bool no_extra(struct compile *c, const struct rule_text *t, enum does does)
{
	if (t->retry_node && does != DOES_BLOCK)
		return fail_at(c->fail, t->retry_node->place, "retry_after belongs to block");
	if (t->to_node && does != DOES_REDIRECT)
		return fail_at(c->fail, t->to_node->place, "`to` belongs to redirect");
	if (t->keep && does != DOES_REDIRECT)
		return fail_at(c->fail, entry_place(&t->entry), "`keep` belongs to redirect");
	if (t->from && does != DOES_EXEMPT)
		return fail_at(c->fail, t->from->place, "`from` belongs to exempt");
	return true;
}

/* ---- Labels ---- */

static bool gather_labels(struct compile *c, const struct rule_text *rules, unsigned n)
{
	bool ok = true;

	for (unsigned i = 0; i < n; i++) {
		struct slice label = SLICE_NONE;
		enum does does;
		uint16_t status;
		int at;

		if (!deed_read(c, rules[i].does, &does, &status, &label)) {
			ok = false;
			continue;
		}
		if (does != DOES_LABEL)
			continue;
		at = names_add(c, &c->labels, label, POLICY_LABELS);
		if (at < 0)
			return fail_at(c->fail, rules[i].does->place, "more than %d labels in one policy", POLICY_LABELS);
		c->label_facts[at].guard = GUARD_ALL;
	}
	return ok;
}

static bool compile_label(struct compile *c, const struct rule_text *t, struct rule *r, struct slice name)
{
	struct label_facts *facts;
	bool ok = entry_compile(c, &t->entry, FOR_DESCRIBING, false, &r->entry);

	r->label = (uint16_t)names_find(&c->labels, name);
	facts = &c->label_facts[r->label];
	facts->set = true;
	facts->guard &= expr_guard(c, r->entry.when);
	facts->on_place |= expr_on_place(c, r->entry.when);
	return ok;
}

/* ---- Exempt: its targets are resolved when every id is known ---- */

static bool compile_exempt(struct compile *c, const struct rule_text *t, struct rule *r)
{
	bool ok = entry_compile(c, &t->entry, FOR_LOOSENING, false, &r->entry), waf = false;

	if (!t->from)
		return fail_at(c->fail, entry_place(&t->entry), "exempt needs `from`: the ids it lifts, or waf");
	if (t->from->kind != YAML_LIST || !t->from->n)
		return fail_at(c->fail, t->from->place, "`from` is a list of ids, such as [embargo, waf]");
	for (unsigned i = 0; i < t->from->n; i++)
		waf |= slice_is(t->from->items[i]->text, "waf");
	if (ok && (!t->entry.when || r->entry.when->op == OP_TRUE))
		return fail_at(c->fail, entry_place(&t->entry),
			       "exempt without `when` would drop its targets for every request; remove them, or say when");
	return entry_loosens(c, &t->entry, &r->entry, !waf) && ok;
}

struct target {
	bool found, fixed, locked;
	uint16_t number;
};

static struct target target_find(struct compile *c, struct slice id)
{
	const struct policy *p = c->policy;
	int at = names_find(&c->ids, id);
	struct target target = {.found = at >= 0, .number = (uint16_t)at};
	const struct entry *e = NULL;

	for (uint32_t i = 0; i < p->describing_n; i++)
		target.fixed |= slice_eq(p->describing[i]->entry.by.id, id);
	for (uint32_t i = 0; i < p->deciding_n; i++)
		if (slice_eq(p->deciding[i]->entry.by.id, id))
			e = &p->deciding[i]->entry;
	for (uint32_t i = 0; i < p->limits_n; i++)
		if (slice_eq(p->limits[i].entry.by.id, id))
			e = &p->limits[i].entry;
	for (uint32_t i = 0; i < p->bodies_n; i++)
		if (slice_eq(p->bodies[i].entry.by.id, id))
			e = &p->bodies[i].entry;
	target.fixed |= target.found && !e;
	target.locked = e && e->locked;
	return target;
}

static bool resolve_one(struct compile *c, const struct file_text *t, const struct yaml_node *item, struct rule *r,
			uint16_t *numbers)
{
	struct target target;

	if (item->kind != YAML_SCALAR)
		return fail_at(c->fail, item->place, "`from` is a list of ids");
	if (slice_is(item->text, "waf")) {
		r->exempt_waf = true;
		return !t->waf.locked || fail_at(c->fail, item->place, "waf is locked");
	}
	target = target_find(c, item->text);
	if (!target.found)
		return fail_at(c->fail, item->place, "no entry has the id \"%.*s\"%s", SLICE_F(item->text),
			       names_suggest(c, &c->ids, item->text));
	if (target.fixed)
		return fail_at(c->fail, item->place, "\"%.*s\" cannot be lifted; exempt lifts rules that decide, limits and bodies",
			       SLICE_F(item->text));
	if (target.locked)
		return fail_at(c->fail, item->place, "\"%.*s\" is locked", SLICE_F(item->text));
	numbers[r->exempt_n++] = target.number;
	return true;
}

bool rules_resolve(struct compile *c, const struct file_text *t)
{
	const struct rule_text *texts = t->rules.at;
	bool ok = true;

	for (uint32_t i = 0; i < c->policy->describing_n; i++) {
		struct rule *r = (struct rule *)c->policy->describing[i];
		const struct yaml_node *from = texts[r->status].from;
		uint16_t *numbers;

		if (r->does != DOES_EXEMPT)
			continue;
		numbers = ARENA_ARRAY(c->arena, uint16_t, from->n);
		if (!numbers)
			return compile_memory(c);
		for (unsigned j = 0; j < from->n; j++)
			ok &= resolve_one(c, t, from->items[j], r, numbers);
		r->exempt = numbers;
	}
	return ok;
}

/* ---- Rules that decide ---- */

static bool compile_deciding(struct compile *c, const struct rule_text *t, struct rule *r)
{
	bool ok = entry_compile(c, &t->entry, FOR_DECIDING, true, &r->entry);

	r->retry_after_s = (t->retry_after_ms + 999) / 1000;
	r->keep = (enum keep)t->keep;
	if (r->does == DOES_REDIRECT) {
		struct slice to = t->to_node ? t->to_node->text : SLICE("");

		ok &= location_check(c, t->to_node ? t->to_node->place : entry_place(&t->entry), to, r->keep);
		while (r->keep != KEEP_NONE && to.len && to.at[to.len - 1] == '/')
			to.len--;
		r->to = arena_copy(c->arena, to);
		if (!r->to.at)
			return compile_memory(c);
	}
	return ok;
}

static bool lifted(const struct policy *p, uint16_t number)
{
	for (uint32_t i = 0; i < p->describing_n; i++)
		for (unsigned j = 0; j < p->describing[i]->exempt_n; j++)
			if (p->describing[i]->exempt[j] == number)
				return true;
	return false;
}

/* The first verdict wins: what an earlier rule always takes never comes to a later one. */
bool rules_reachable(struct compile *c)
{
	const struct policy *p = c->policy;
	bool ok = true;

	for (uint32_t i = 0; i < p->deciding_n; i++)
		for (uint32_t j = 0; j < i; j++) {
			const struct entry *early = &p->deciding[j]->entry, *late = &p->deciding[i]->entry;
			struct place at = {c->file, late->by.line, late->column};

			if (early->mode != POLICY_ENFORCE || late->mode == POLICY_OFF || early->starts != INT64_MIN ||
			    early->expires != INT64_MAX || lifted(p, early->number) || !expr_covers(early->when, late->when) ||
			    (early->unknown == UNKNOWN_SKIP && expr_unsure(c, early->when)))
				continue;
			ok = fail_at(c->fail, at, "rule \"%.*s\" never decides: \"%.*s\" above takes whatever it matches",
				     SLICE_F(late->by.id), SLICE_F(early->by.id));
			break;
		}
	return ok;
}

/* ---- All of them ---- */

static bool compile_one(struct compile *c, const struct rule_text *t, unsigned index, bool describing,
			const struct rule **list, uint32_t *n)
{
	struct slice label = SLICE_NONE;
	struct rule *r = ARENA_NEW(c->arena, struct rule);
	bool ok;

	if (!r)
		return compile_memory(c);
	if (!deed_read(c, t->does, &r->does, &r->status, &label))
		return false;
	if ((r->does == DOES_EXEMPT || r->does == DOES_LABEL) != describing)
		return true;
	list[(*n)++] = r;
	ok = no_extra(c, t, r->does);
	if (r->does == DOES_LABEL)
		ok &= compile_label(c, t, r, label);
	else if (r->does == DOES_EXEMPT)
		ok &= compile_exempt(c, t, r);
	else
		ok &= compile_deciding(c, t, r);
	if (describing)
		r->status = (uint16_t)index; /* where rules_resolve finds its text */
	return ok;
}

bool rules_compile(struct compile *c, const struct file_text *t)
{
	const struct rule_text *texts = t->rules.at;
	unsigned n = t->rules.n;
	const struct rule **describing = (const struct rule **)arena_take_zeroed(c->arena, (n + 1) * sizeof(void *));
	const struct rule **deciding = (const struct rule **)arena_take_zeroed(c->arena, (n + 1) * sizeof(void *));
	bool ok = true;

	if (!describing || !deciding)
		return compile_memory(c);
	c->policy->describing = describing;
	c->policy->deciding = deciding;
	if (!gather_labels(c, texts, n))
		return false;
	for (unsigned i = 0; i < n; i++)
		ok &= compile_one(c, &texts[i], i, true, describing, &c->policy->describing_n);
	for (unsigned i = 0; i < n; i++)
		ok &= compile_one(c, &texts[i], i, false, deciding, &c->policy->deciding_n);
	return ok;
}
