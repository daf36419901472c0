/* bodies_compile.c -- `bodies` of a policy: how large content may be, of what type, and what is inspected. */
#include "policies/compile.h"

/* type/subtype in lower case; "a comma-separated list" is how a policy keeps them. */
static bool type_fits(struct slice text)
{
	size_t slash = slice_find(text, '/');

	for (size_t i = 0; i < text.len; i++) {
		char ch = text.at[i];

		if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || strchr("!#$&^_.+-", ch) || i == slash))
			return false;
	}
	return slash > 0 && slash + 1 < text.len;
}

bool media_types_read(struct compile *c, const struct setting_list *list, struct place at, struct slice *out)
{
	const struct slice *types = list->at;

	*out = SLICE_NONE;
	for (unsigned i = 0; i < list->n; i++) {
		if (!type_fits(types[i]))
			return fail_at(c->fail, at, "\"%.*s\" is not a media type such as application/json, in lower case and without parameters", SLICE_F(types[i]));
		*out = i ? arena_print(c->arena, "%.*s,%.*s", SLICE_F(*out), SLICE_F(types[i])) : arena_copy(c->arena, types[i]);
		if (!out->at)
			return compile_memory(c);
	}
	return true;
}

static bool compile_one(struct compile *c, const struct body_text *t, struct body_rule *out)
{
	bool less = t->inspect != POLICY_INSPECT_FULL;
	bool ok = entry_compile(c, &t->entry, less ? FOR_LOOSENING : FOR_PLAIN, true, &out->entry);

	if (out->entry.mode == POLICY_DETECT)
		ok = fail_at(c->fail, t->entry.mode->place, "mode: detect for bodies is not in this version; write enforce or off");
	if (less)
		ok &= entry_loosens(c, &t->entry, &out->entry, false);
	ok &= media_types_read(c, &t->types, entry_place(&t->entry), &out->types);
	out->max = (uint64_t)t->max;
	out->inspect = (enum policy_inspect)t->inspect;
	return ok;
}

/* First match wins: what an earlier entry always takes never comes to a later one. */
static bool reachable(struct compile *c, const struct body_rule *all, unsigned i)
{
	for (unsigned j = 0; j < i; j++) {
		const struct entry *early = &all[j].entry, *late = &all[i].entry;

		if (early->mode != POLICY_ENFORCE || early->starts != INT64_MIN || early->expires != INT64_MAX ||
		    (early->unknown == UNKNOWN_SKIP && expr_unsure(c, early->when)) || !expr_covers(early->when, late->when))
			continue;
		return fail_at(c->fail, (struct place){c->file, late->by.line, late->column},
			       "body entry \"%.*s\" never applies: \"%.*s\" above takes whatever it matches", SLICE_F(late->by.id),
			       SLICE_F(early->by.id));
	}
	return true;
}

bool bodies_compile(struct compile *c, const struct file_text *t)
{
	const struct body_text *texts = t->bodies.at;
	unsigned n = t->bodies.n;
	struct body_rule *bodies = ARENA_ARRAY(c->arena, struct body_rule, n + 1);
	bool ok = true;

	if (!bodies)
		return compile_memory(c);
	for (unsigned i = 0; i < n; i++)
		ok &= compile_one(c, &texts[i], &bodies[i]);
	for (unsigned i = 0; ok && i < n; i++)
		ok = reachable(c, bodies, i);
	c->policy->bodies = bodies;
	c->policy->bodies_n = n;
	return ok;
}
