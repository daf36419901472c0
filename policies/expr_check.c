/* expr_check.c -- what can be said about expressions without a request: texts that
 * never match, what guards an opening, which of two is wider. */
#include "policies/parse.h"

/* ---- Texts and regular expressions, while they are read ---- */

static bool has_upper(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] >= 'A' && s.at[i] <= 'Z')
			return true;
	return false;
}

/* The last segment looks like a file, "/robots.txt": nobody writes a slash behind that. */
static bool names_file(struct slice path)
{
	size_t i = path.len;

	while (i && path.at[i - 1] != '/')
		i--;
	return slice_find(slice_after(path, i), '.') < path.len - i;
}

static bool check_path(struct parser *p, enum op op, uint32_t at, struct slice text)
{
	bool whole = op == OP_IN || op == OP_UNDER || op == OP_STARTS;

	if (whole && text.at[0] != '/' && !(op == OP_IN && slice_is(text, "*")))
		return parse_fail(p, at, "this never matches: a path begins with \"/\"");
	if (slice_contains(text, SLICE("/../")) || slice_contains(text, SLICE("/./")))
		return parse_fail(p, at, "this never matches: dots are resolved before the policy sees the path");
	if (op == OP_UNDER && text.len > 1 && text.at[text.len - 1] == '/')
		return parse_fail(p, at, "write it without the slash at its end: \"%.*s\"", (int)text.len - 1, text.at);
	if (op == OP_UNDER && text.len == 1)
		parse_warn(p, at, "`under \"/\"` is every path; leave the test out");
	if (slice_find(text, '?') < text.len)
		parse_warn(p, at, "the query is not part of path; test query or query.NAME");
	if (slice_find(text, '%') < text.len)
		parse_warn(p, at, "path is decoded: write the character, not its %% form");
	if (op == OP_IN && p->purpose == FOR_DECIDING && !p->negative && text.len > 1 && text.at[text.len - 1] != '/' &&
	    text.at[0] == '/' && !names_file(text))
		parse_warn(p, at, "\"%.*s/\" passes this test; `under` holds both", SLICE_F(text));
	return true;
}

static bool check_domain(struct parser *p, enum op op, uint32_t at, struct slice text)
{
	if (has_upper(text))
		return parse_fail(p, at, "this never matches: host names are in lower case here");
	if (text.at[0] != '[' && slice_find(text, ':') < text.len)
		return parse_fail(p, at, "this never matches: host is without its port");
	if (op == OP_UNDER && text.at[0] == '.')
		return parse_fail(p, at, "write `under \"%.*s\"`: it holds the domain and its subdomains", (int)text.len - 1, text.at + 1);
	if ((op == OP_IN || op == OP_UNDER || op == OP_ENDS) && text.at[text.len - 1] == '.')
		return parse_fail(p, at, "this never matches: host is without a dot at its end");
	if (op == OP_ENDS && text.at[0] == '.')
		parse_warn(p, at, "`under \"%.*s\"` says the same and holds the domain itself", (int)text.len - 1, text.at + 1);
	return true;
}

bool parse_check_text(struct parser *p, const struct term *t, enum op op, uint32_t at, struct slice text)
{
	if (type_form(t->type) != FORM_TEXT)
		return true;
	if (!text.len)
		return op == OP_IN || parse_fail(p, at, "every text has the empty text in it; test `is present` instead");
	if (t->maps_n && t->maps[t->maps_n - 1].map == MAP_LOWER && has_upper(text))
		return parse_fail(p, at, "this never matches: lower() has no upper case");
	if (t->shape == SHAPE_PATH)
		return check_path(p, op, at, text);
	return t->shape == SHAPE_DOMAIN ? check_domain(p, op, at, text) : true;
}

static bool anchored(struct slice pattern)
{
	while (pattern.len && pattern.at[0] == '(') {
		size_t i = 1;

		if (pattern.len > 1 && pattern.at[1] == '?')
			while (i < pattern.len && pattern.at[i] != ')' && pattern.at[i] != ':')
				i++;
		if (i > 1 && i < pattern.len)
			i++;
		pattern = slice_after(pattern, i);
	}
	return slice_starts(pattern, SLICE("^")) || slice_starts(pattern, SLICE("\\A"));
}

static bool letter(char c)
{
	c = ascii_lower(c);
	return c >= 'a' && c <= 'z';
}

void parse_check_regex(struct parser *p, const struct term *t, uint32_t at, struct slice pattern)
{
	bool end = slice_ends(pattern, SLICE("$")) || slice_ends(pattern, SLICE("\\z")) || slice_ends(pattern, SLICE("$)"));

	if (t->shape == SHAPE_PATH && !anchored(pattern) && !end)
		parse_warn(p, at, "this matches anywhere in the path; anchor it with ^ or $");
	if (t->shape == SHAPE_DOMAIN && !(anchored(pattern) && end))
		parse_warn(p, at, "this matches parts of other hosts; anchor it with ^ and $");
	for (size_t i = 1; i + 1 < pattern.len; i++) {
		bool escaped = i >= 2 && pattern.at[i - 2] == '\\';

		if (pattern.at[i] == '.' && letter(pattern.at[i - 1]) && letter(pattern.at[i + 1]) && !escaped) {
			parse_warn(p, at + (uint32_t)i, "this dot matches any character; write \\. for a dot");
			return;
		}
	}
}

/* ---- Equal, wider ---- */

static bool term_same(const struct term *a, const struct term *b)
{
	if (!a || !b)
		return a == b;
	if (a->source != b->source || a->index != b->index || a->maps_n != b->maps_n || !slice_eq(a->name, b->name))
		return false;
	for (unsigned i = 0; i < a->maps_n; i++)
		if (a->maps[i].map != b->maps[i].map || a->maps[i].a != b->maps[i].a || a->maps[i].b != b->maps[i].b ||
		    a->maps[i].zone != b->maps[i].zone)
			return false;
	return true;
}

static bool set_same(const struct set *a, const struct set *b)
{
	if (a == b || !a || !b)
		return a == b;
	if (a->type != b->type || a->n != b->n || a->stale_at != b->stale_at)
		return false;
	for (uint32_t i = 0; i < a->n; i++) {
		bool same = true;

		switch (type_form(a->type)) {
		case FORM_TEXT:
			same = slice_eq(a->texts[i], b->texts[i]);
			break;
		case FORM_IP:
			same = memcmp(&a->ranges[i], &b->ranges[i], sizeof a->ranges[i]) == 0;
			break;
		default:
			same = a->numbers[i] == b->numbers[i];
		}
		if (!same)
			return false;
	}
	return true;
}

bool expr_same(const struct expr *a, const struct expr *b)
{
	if (!a || !b)
		return a == b;
	if (a->op != b->op || a->n != b->n || a->least != b->least || a->most != b->most || a->regex != b->regex ||
	    !term_same(a->term, b->term) || !term_same(a->other, b->other) || !set_same(a->set, b->set))
		return false;
	for (unsigned i = 0; i < a->n; i++)
		if (!expr_same(a->kids[i], b->kids[i]))
			return false;
	return true;
}

static bool item_in(const struct expr *wide, const struct set *s, uint32_t i)
{
	struct value v = {0};

	if (type_form(s->type) == FORM_TEXT)
		v.text = s->texts[i];
	else
		v.number = s->numbers[i];
	if (wide->op == OP_IN)
		return set_has(wide->set, &v);
	for (uint32_t j = 0; wide->op == OP_UNDER && j < wide->set->n; j++) {
		struct slice top = wide->set->texts[j];

		if (slice_eq(top, v.text) || (wide->term->shape == SHAPE_PATH && slice_starts(v.text, top) &&
					      (top.len == 1 || v.text.at[top.len] == '/')))
			return true;
	}
	return false;
}

/* Every item that the narrow one takes, the wide one takes too. */
static bool items_cover(const struct expr *wide, const struct expr *narrow)
{
	if ((wide->op != OP_IN && wide->op != OP_UNDER) || (narrow->op != OP_IN && narrow->op != OP_UNDER) ||
	    (wide->op == OP_IN && narrow->op == OP_UNDER) || !term_same(wide->term, narrow->term) ||
	    wide->set->type == TYPES || narrow->set->type == TYPES || wide->set->stale_at != INT64_MAX ||
	    type_form(narrow->set->type) == FORM_IP)
		return false;
	for (uint32_t i = 0; i < narrow->set->n; i++)
		if (!item_in(wide, narrow->set, i))
			return false;
	return true;
}

bool expr_covers(const struct expr *wide, const struct expr *narrow)
{
	if (!wide || wide->op == OP_TRUE)
		return true;
	if (!narrow)
		return false;
	if (expr_same(wide, narrow))
		return true;
	if (narrow->op == OP_OR) {
		for (unsigned i = 0; i < narrow->n; i++)
			if (!expr_covers(wide, narrow->kids[i]))
				return false;
		return true;
	}
	if (wide->op == OP_AND) {
		for (unsigned i = 0; i < wide->n; i++)
			if (!expr_covers(wide->kids[i], narrow))
				return false;
		return true;
	}
	for (unsigned i = 0; wide->op == OP_OR && i < wide->n; i++)
		if (expr_covers(wide->kids[i], narrow))
			return true;
	for (unsigned i = 0; narrow->op == OP_AND && i < narrow->n; i++)
		if (expr_covers(wide, narrow->kids[i]))
			return true;
	return items_cover(wide, narrow);
}

static bool disjoint(const struct expr *a, const struct expr *b)
{
	if (a->op != OP_IN || b->op != OP_IN || !term_same(a->term, b->term) || a->term->many ||
	    a->set->type != b->set->type || a->set->type == TYPES || type_form(a->set->type) == FORM_IP)
		return false;
	for (uint32_t i = 0; i < a->set->n; i++)
		if (item_in(b, a->set, i))
			return false;
	return true;
}

bool expr_never(const struct expr *x)
{
	if (!x || x->op != OP_AND)
		return false;
	for (unsigned i = 0; i < x->n; i++)
		for (unsigned j = 0; j < i; j++) {
			const struct expr *a = x->kids[i], *b = x->kids[j];

			if (disjoint(a, b) || (a->op == OP_NOT && expr_same(a->kids[0], b)) ||
			    (b->op == OP_NOT && expr_same(b->kids[0], a)))
				return true;
		}
	return false;
}

/* ---- What stands behind an answer ---- */

static unsigned leaf_guard(const struct compile *c, const struct expr *x, bool negative)
{
	const struct term *t = x->term;
	unsigned guard = 0;

	if (t->source == SOURCE_LABEL) {
		/* A label is worth what its weakest rule asks for. */
		guard = c->label_facts[t->index].guard;
		return guard ? guard | GUARD_VERIFIED : 0;
	}
	if (t->trust != TRUST_CLAIMED || (x->other && x->other->trust != TRUST_CLAIMED))
		guard |= GUARD_VERIFIED;
	/* Who knows what hashes to an item knows a secret. */
	if (x->op == OP_IN && !negative && t->maps_n && t->maps[t->maps_n - 1].map == MAP_SHA256)
		guard |= GUARD_PROVEN;
	return guard;
}

static unsigned guard_of(const struct compile *c, const struct expr *x, bool negative)
{
	bool join = (x->op == OP_AND) != negative;
	unsigned guard = join ? 0 : GUARD_ALL;

	switch (x->op) {
	case OP_TRUE:
		return negative ? GUARD_ALL : 0;
	case OP_NOT:
		return guard_of(c, x->kids[0], !negative);
	case OP_AND:
	case OP_OR:
		for (unsigned i = 0; i < x->n; i++) {
			unsigned kid = guard_of(c, x->kids[i], negative);

			guard = join ? guard | kid : guard & kid;
		}
		return guard;
	default:
		return leaf_guard(c, x, negative);
	}
}

unsigned expr_guard(const struct compile *c, const struct expr *x)
{
	return x ? guard_of(c, x, false) : 0;
}

static bool term_on_place(const struct compile *c, const struct term *t)
{
	return t && (t->source == SOURCE_COUNTRY || t->source == SOURCE_CONTINENT || t->source == SOURCE_ASN ||
		     (t->source == SOURCE_LABEL && c->label_facts[t->index].on_place));
}

bool expr_on_place(const struct compile *c, const struct expr *x)
{
	if (!x)
		return false;
	for (unsigned i = 0; i < x->n; i++)
		if (expr_on_place(c, x->kids[i]))
			return true;
	return term_on_place(c, x->term) || term_on_place(c, x->other);
}

bool expr_unsure(const struct compile *c, const struct expr *x)
{
	if (!x)
		return false;
	for (unsigned i = 0; i < x->n; i++)
		if (expr_unsure(c, x->kids[i]))
			return true;
	return expr_on_place(c, x) || (x->term && x->term->source == SOURCE_LABEL) ||
	       (x->set && x->set->stale_at != INT64_MAX);
}
