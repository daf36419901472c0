/* expr.c -- asking an expression: yes, no, or unknown.
 *
 * Pure and bounded: no loops but over values of one request, no allocation but
 * for decoding, once per name.  A test on several values is true when any passes;
 * every negative form was compiled as `not` of its positive form. */
#include "policies/policy_parts.h"
#include "policies/regex.h"

static enum tri unknown(struct policy_run *run, const char *why)
{
	run->unknown_why = why;
	return TRI_UNKNOWN;
}

static enum tri tri_not(enum tri t)
{
	return t == TRI_UNKNOWN ? t : t == TRI_YES ? TRI_NO : TRI_YES;
}

/* ---- One value against what it is tested for ---- */

/* "/admin" holds "/admin" and "/admin/x"; "example.com" holds itself and its subdomains. */
static bool under(enum shape shape, struct slice text, struct slice top)
{
	if (text.len < top.len)
		return false;
	if (shape == SHAPE_PATH) {
		if (top.len == 1)
			return text.len && text.at[0] == '/';
		return slice_starts(text, top) && (text.len == top.len || text.at[top.len] == '/');
	}
	return slice_ends(text, top) && (text.len == top.len || text.at[text.len - top.len - 1] == '.');
}

static bool text_passes(const struct expr *x, struct slice text, struct slice item)
{
	switch (x->op) {
	case OP_UNDER:
		return under(x->term->shape, text, item);
	case OP_STARTS:
		return slice_starts(text, item);
	case OP_ENDS:
		return slice_ends(text, item);
	default:
		return memmem(text.at, text.len, item.at, item.len) != NULL;
	}
}

static bool any_text_passes(const struct expr *x, struct slice text)
{
	for (uint32_t i = 0; i < x->set->n; i++)
		if (text_passes(x, text, x->set->texts[i]))
			return true;
	return false;
}

/* A big set of paths or domains is asked once for each whole segment, not gone through. */
static bool any_segment_in(const struct expr *x, struct slice text)
{
	if (x->set->n <= 8)
		return any_text_passes(x, text);
	if (set_has_text(x->set, text))
		return true;
	/* "*" of OPTIONS is under no path. */
	if (x->term->shape == SHAPE_PATH && slice_starts(text, SLICE("/")) && set_has_text(x->set, SLICE("/")))
		return true;
	for (size_t i = 1; i + 1 <= text.len; i++) {
		if (x->term->shape == SHAPE_PATH && text.at[i] == '/' && set_has_text(x->set, slice_first(text, i)))
			return true;
		if (x->term->shape == SHAPE_DOMAIN && text.at[i - 1] == '.' && set_has_text(x->set, slice_after(text, i)))
			return true;
	}
	return false;
}

static bool in_range(const struct expr *x, int64_t n)
{
	if (x->least <= x->most)
		return n >= x->least && n <= x->most;
	return n >= x->least || n <= x->most;
}

/* Where memory is used up, the run is starved and its answers are not used. */
static bool matches(struct policy_run *run, const struct expr *x, const struct value *v)
{
	enum regex_found found = regex_match(run->regexes[x->regex], v->text.at ? v->text.at : "", v->text.len);

	if (found == REGEX_STARVED)
		run->starved = true;
	return found == REGEX_YES;
}

static bool passes(struct policy_run *run, const struct expr *x, const struct value *v)
{
	switch (x->op) {
	case OP_BOOL:
		return v->number != 0;
	case OP_PRESENT:
		return true;
	case OP_IN:
		return set_has(x->set, v);
	case OP_RANGE:
		return in_range(x, v->number);
	case OP_UNDER:
		return any_segment_in(x, v->text);
	case OP_MATCHES:
		return matches(run, x, v);
	default:
		return any_text_passes(x, v->text);
	}
}

static bool same(enum form form, const struct value *a, const struct value *b)
{
	switch (form) {
	case FORM_TEXT:
		return slice_eq(a->text, b->text);
	case FORM_IP:
		return addr_compare(&a->ip, &b->ip) == 0;
	default:
		return a->number == b->number;
	}
}

/* Any value of the one equals any value of the other. */
static enum tri ask_same(struct policy_run *run, const struct expr *x)
{
	struct cursor left = {.side = 0};
	struct value a, b;
	enum got l, r;

	while ((l = term_next(run, x->term, &left, &a)) == GOT_VALUE) {
		struct cursor right = {.side = 1};

		while ((r = term_next(run, x->other, &right, &b)) == GOT_VALUE)
			if (same(type_form(x->term->type), &a, &b))
				return TRI_YES;
		if (r == GOT_UNKNOWN)
			return TRI_UNKNOWN;
	}
	return l == GOT_UNKNOWN ? TRI_UNKNOWN : TRI_NO;
}

static enum tri ask_test(struct policy_run *run, const struct expr *x)
{
	struct cursor c = {.side = 0};
	struct value v;
	enum got got;

	if (x->op == OP_MATCHES && !run->regexes)
		return unknown(run, "regular expressions of this policy are not compiled");
	while ((got = term_next(run, x->term, &c, &v)) == GOT_VALUE) {
		if (x->op == OP_IN && run->facts->now >= x->set->stale_at)
			return unknown(run, x->set->stale_why);
		if (passes(run, x, &v))
			return TRI_YES;
		if (run->starved)
			return unknown(run, "memory for this request is used up");
	}
	return got == GOT_UNKNOWN ? TRI_UNKNOWN : TRI_NO;
}

/* ---- The tree ---- */

/* `and` ends at the first no, `or` at the first yes; an unknown stays unless one of these comes. */
static enum tri ask_kids(struct policy_run *run, const struct expr *x, enum tri ends)
{
	enum tri answer = tri_not(ends);

	for (unsigned i = 0; i < x->n; i++) {
		enum tri t = expr_ask(run, x->kids[i]);

		if (t == ends)
			return t;
		if (t == TRI_UNKNOWN)
			answer = t;
	}
	return answer;
}

enum tri expr_ask(struct policy_run *run, const struct expr *x)
{
	switch (x->op) {
	case OP_TRUE:
		return TRI_YES;
	case OP_AND:
		return ask_kids(run, x, TRI_NO);
	case OP_OR:
		return ask_kids(run, x, TRI_YES);
	case OP_NOT:
		return tri_not(expr_ask(run, x->kids[0]));
	case OP_SAME:
		return ask_same(run, x);
	default:
		return ask_test(run, x);
	}
}

enum tri entry_ask(struct policy_run *run, const struct entry *e)
{
	if (e->mode == POLICY_OFF || run->facts->now < e->starts || run->facts->now >= e->expires)
		return TRI_NO;
	return e->when ? expr_ask(run, e->when) : TRI_YES;
}
