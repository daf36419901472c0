/* parse.c -- an expression becomes a tree: tests, `not`, `and`, `or`.
 *
 * One finding per expression, at the byte that is wrong.  Negative operators are
 * `not` around their positive form, so that they are exact opposites. */
#include "policies/parse.h"
#include "policies/regex.h"

static struct expr *make(struct parser *p, enum op op)
{
	struct expr *x = ARENA_NEW(p->c->arena, struct expr);

	if (x)
		x->op = op;
	else
		compile_memory(p->c);
	return x;
}

static const struct expr *make_kids(struct parser *p, enum op op, const struct expr *const *kids, unsigned n)
{
	const struct expr **copy = (const struct expr **)arena_take(p->c->arena, n * sizeof *kids);
	struct expr *x = make(p, op);

	if (!x)
		return NULL;
	if (!copy) {
		compile_memory(p->c);
		return NULL;
	}
	memcpy(copy, kids, n * sizeof *kids);
	x->kids = copy;
	x->n = (uint16_t)n;
	return x;
}

static const struct expr *negate(struct parser *p, const struct expr *x, bool negative)
{
	return x && negative ? make_kids(p, OP_NOT, &x, 1) : x;
}

static bool word_is(const struct parser *p, const char *word)
{
	return p->tok.kind == TOKEN_WORD && slice_is(p->tok.text, word);
}

/* ---- What stands right of an operator ---- */

static const struct set *one_item(struct parser *p, enum type t, const struct value *v)
{
	struct set_builder b = {.type = t};
	const struct set *s = set_add(&b, v) ? set_built(p->c->arena, &b) : NULL;

	if (!s)
		compile_memory(p->c);
	return s;
}

static const struct set *list_items(struct parser *p, const struct term *t, enum op op)
{
	struct set_builder b = {.type = t->type};
	const struct set *s = NULL;
	struct value v;
	uint32_t at;

	if (!parse_advance(p))
		return NULL;
	for (;;) {
		at = p->tok.at;
		if (!parse_literal(p, t->type, &v) || !parse_check_text(p, t, op, at, v.text))
			goto out;
		if (!set_add(&b, &v)) {
			compile_memory(p->c);
			goto out;
		}
		if (p->tok.kind == TOKEN_LIST_END)
			break;
		if (p->tok.kind != TOKEN_COMMA) {
			parse_fail(p, p->tok.at, "a comma or ] is expected here, not %.*s", SLICE_F(parse_shown(p)));
			goto out;
		}
		if (!parse_advance(p))
			goto out;
	}
	if (parse_advance(p) && !(s = set_built(p->c->arena, &b)))
		compile_memory(p->c);
out:
	mem_give(NULL, b.at, b.cap * sizeof *b.at);
	return s;
}

static const struct set *named_set(struct parser *p, const struct term *t, enum op op)
{
	int i = names_find(&p->c->sets_names, p->tok.text);
	const struct set *s = i >= 0 ? p->c->sets[i] : NULL;

	if (!s) {
		const char *near = names_suggest(p->c, &p->c->sets_names, p->tok.text);

		parse_fail(p, p->tok.at, "no set named \"%.*s\"%s", SLICE_F(p->tok.text), *near ? near : "; add it under sets");
		return NULL;
	}
	if (s->type != TYPES && s->type != t->type &&
	    !(type_form(s->type) == FORM_TEXT && type_form(t->type) == FORM_TEXT && s->type != TYPE_SHA256 &&
	      t->type != TYPE_METHOD)) {
		parse_fail(p, p->tok.at, "set %.*s holds %s, and the left side is %s", SLICE_F(p->tok.text), type_word(s->type),
			   type_word(t->type));
		return NULL;
	}
	if (op != OP_IN && s->type != TYPES && set_has_text(s, SLICE(""))) {
		parse_fail(p, p->tok.at, "set %.*s holds the empty text, which every text has in it", SLICE_F(p->tok.text));
		return NULL;
	}
	return parse_advance(p) ? s : NULL;
}

/* A set, a list, or (where one is allowed) a single text. */
static const struct set *items(struct parser *p, const struct term *t, enum op op)
{
	struct value v;
	uint32_t at = p->tok.at;

	if (p->tok.kind == TOKEN_SET)
		return named_set(p, t, op);
	if (p->tok.kind == TOKEN_LIST)
		return list_items(p, t, op);
	if (op == OP_IN) {
		parse_fail(p, at, "`in` takes a set, a list or a range; write [%.*s]", SLICE_F(parse_shown(p)));
		return NULL;
	}
	if (!parse_literal(p, t->type, &v) || !parse_check_text(p, t, op, at, v.text))
		return NULL;
	return one_item(p, t->type, &v);
}

/* ---- Tests ---- */

static const struct expr *test_set(struct parser *p, const struct term *t, enum op op)
{
	const struct set *s = items(p, t, op);
	struct expr *x = s ? make(p, op) : NULL;

	if (x) {
		x->term = t;
		x->set = s;
	}
	return x;
}

static const struct expr *test_range(struct parser *p, const struct term *t)
{
	bool wraps = t->type == TYPE_CLOCK || t->type == TYPE_WEEKDAY;
	struct value least, most;
	uint32_t at = p->tok.at;
	struct expr *x;

	if (!wraps && t->type != TYPE_INT && t->type != TYPE_TIME && p->tok.kind == TOKEN_WORD) {
		items(p, t, OP_IN);
		return NULL;
	}
	if (!parse_literal(p, t->type, &least))
		return NULL;
	if (p->tok.kind != TOKEN_RANGE) {
		parse_fail(p, at, "`in` takes a set, a list or a range; write [%.*s]", SLICE_F(least.text));
		return NULL;
	}
	if (!parse_advance(p) || !parse_literal(p, t->type, &most))
		return NULL;
	if (!wraps && least.number > most.number) {
		parse_fail(p, at, "this range is empty: its first end is above its last");
		return NULL;
	}
	x = make(p, OP_RANGE);
	if (x) {
		x->term = t;
		x->least = least.number;
		x->most = most.number;
	}
	return x;
}

static const struct expr *test_in(struct parser *p, const struct term *t)
{
	if (t->type == TYPE_BOOL) {
		parse_fail(p, p->tok.at, "a boolean stands alone: `label.x`, `not label.x`");
		return NULL;
	}
	if (type_form(t->type) == FORM_NUMBER && p->tok.kind == TOKEN_WORD)
		return test_range(p, t);
	return test_set(p, t, OP_IN);
}

static const struct expr *test_text(struct parser *p, const struct term *t, enum op op, uint32_t at, const char *word)
{
	if (type_form(t->type) != FORM_TEXT || t->type == TYPE_METHOD) {
		parse_fail(p, at, "`%s` works on text, and the left side is %s", word, type_word(t->type));
		return NULL;
	}
	if (op == OP_UNDER && t->shape == SHAPE_PLAIN) {
		parse_fail(p, at, "`under` works on path, host and tls.sni; use starts or ends");
		return NULL;
	}
	return test_set(p, t, op);
}

static const struct expr *test_matches(struct parser *p, const struct term *t, uint32_t at)
{
	char why[160];
	size_t wrong = 0;
	void *regex;
	struct expr *x;
	int i;

	if (type_form(t->type) != FORM_TEXT || t->type == TYPE_METHOD) {
		parse_fail(p, at, "`matches` works on text, and the left side is %s", type_word(t->type));
		return NULL;
	}
	if (p->tok.kind != TOKEN_REGEX) {
		parse_fail(p, p->tok.at, "a regular expression r\"...\" is expected here, not %.*s", SLICE_F(parse_shown(p)));
		return NULL;
	}
	regex = regex_new(p->tok.text.at, p->tok.text.len, why, sizeof why, &wrong);
	if (!regex) {
		parse_fail(p, p->tok.at + 2 + (uint32_t)wrong, "this regular expression is not valid: %s", why);
		return NULL;
	}
	regex_free(regex);
	parse_check_regex(p, t, p->tok.at + 2, p->tok.text);
	i = names_add(p->c, &p->c->regexes, p->tok.text, 512);
	if (i < 0) {
		parse_fail(p, p->tok.at, "more than 512 regular expressions in one policy");
		return NULL;
	}
	x = parse_advance(p) ? make(p, OP_MATCHES) : NULL;
	if (x) {
		x->term = t;
		x->regex = (uint32_t)i;
	}
	return x;
}

static const struct expr *test_same(struct parser *p, const struct term *t)
{
	uint32_t at = p->tok.at;
	const struct term *other = parse_value(p);
	struct expr *x;

	if (!other)
		return NULL;
	if (t->type != other->type && !(type_form(t->type) == FORM_TEXT && type_form(other->type) == FORM_TEXT)) {
		parse_fail(p, at, "%s cannot be compared with %s", type_word(other->type), type_word(t->type));
		return NULL;
	}
	x = make(p, OP_SAME);
	if (x) {
		x->term = t;
		x->other = other;
	}
	return x;
}

/* == and !=: another value, or one literal. */
static const struct expr *test_equal(struct parser *p, const struct term *t)
{
	uint32_t at = p->tok.at;
	const struct set *s;
	struct value v;
	struct expr *x;

	if (t->type == TYPE_BOOL) {
		parse_fail(p, at, "a boolean stands alone: `label.x`, `not label.x`");
		return NULL;
	}
	if (parse_is_value(p, t->type))
		return test_same(p, t);
	if (p->tok.kind == TOKEN_LIST || p->tok.kind == TOKEN_SET) {
		parse_fail(p, at, "== compares with one value; use `in`");
		return NULL;
	}
	if (!parse_literal(p, t->type, &v) || !parse_check_text(p, t, OP_IN, at, v.text))
		return NULL;
	if (t->type == TYPE_IP && v.bits < 128) {
		parse_fail(p, at, "== compares with one address; write `in [%.*s]`", SLICE_F(v.text));
		return NULL;
	}
	s = one_item(p, t->type, &v);
	x = s ? make(p, OP_IN) : NULL;
	if (x) {
		x->term = t;
		x->set = s;
	}
	return x;
}

static const struct expr *test_order(struct parser *p, const struct term *t, enum token_kind kind, uint32_t at)
{
	struct value v;
	struct expr *x;

	if (t->type != TYPE_INT && t->type != TYPE_TIME && t->type != TYPE_CLOCK) {
		parse_fail(p, at, "< and > compare int and time only, and the left side is %s", type_word(t->type));
		return NULL;
	}
	if (!parse_literal(p, t->type, &v) || !(x = make(p, OP_RANGE)))
		return NULL;
	x->term = t;
	x->least = INT64_MIN;
	x->most = INT64_MAX;
	if (kind == TOKEN_LESS_EQUAL)
		x->most = v.number;
	else if (kind == TOKEN_MORE_EQUAL)
		x->least = v.number;
	else if (v.number == (kind == TOKEN_LESS ? INT64_MIN : INT64_MAX))
		return parse_fail(p, at, "no number is beyond that"), NULL;
	else if (kind == TOKEN_LESS)
		x->most = v.number - 1;
	else
		x->least = v.number + 1;
	return x;
}

static const struct expr *test_is(struct parser *p, const struct term *t, bool *negative)
{
	struct expr *x;

	if (!word_is(p, "present") && !word_is(p, "missing")) {
		parse_fail(p, p->tok.at, "`is` is followed by present or missing");
		return NULL;
	}
	if (t->type == TYPE_BOOL) {
		parse_fail(p, p->tok.at, "a boolean is never missing");
		return NULL;
	}
	if (!t->sparse) {
		parse_fail(p, p->tok.at, "this value is never missing");
		return NULL;
	}
	*negative = word_is(p, "missing");
	x = parse_advance(p) ? make(p, OP_PRESENT) : NULL;
	if (x)
		x->term = t;
	return x;
}

/* Behind a value: an operator in words. */
static const struct expr *test_word(struct parser *p, const struct term *t, bool *negative)
{
	static const struct {
		const char *word;
		enum op op;
	} words[] = {{"under", OP_UNDER}, {"starts", OP_STARTS}, {"ends", OP_ENDS}, {"contains", OP_CONTAINS}};
	uint32_t at = p->tok.at;

	if (word_is(p, "is"))
		return parse_advance(p) ? test_is(p, t, negative) : NULL;
	if (word_is(p, "not")) {
		*negative = true;
		if (!parse_advance(p))
			return NULL;
		at = p->tok.at;
	}
	if (word_is(p, "in"))
		return parse_advance(p) ? test_in(p, t) : NULL;
	if (word_is(p, "matches"))
		return parse_advance(p) ? test_matches(p, t, at) : NULL;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (word_is(p, words[i].word))
			return parse_advance(p) ? test_text(p, t, words[i].op, at, words[i].word) : NULL;
	parse_fail(p, at, "an operator is expected here, not %.*s: == != < <= > >= in under starts ends contains matches is",
		   SLICE_F(parse_shown(p)));
	return NULL;
}

/* A negative test passes where the value is missing: rarely what an opening means. */
static void warn_negative(struct parser *p, const struct term *t, uint32_t at, bool negative)
{
	if (p->purpose == FOR_LOOSENING && negative != p->negative && t->sparse)
		parse_warn(p, at, "this negative test is also true where the value is missing; test `is present` too");
}

static const struct expr *test(struct parser *p)
{
	uint32_t at = p->tok.at;
	const struct term *t = parse_value(p);
	const struct expr *x = NULL;
	enum token_kind kind = p->tok.kind;
	bool negative = false, missing = false;
	struct expr *boolean;

	if (!t)
		return NULL;
	if (kind >= TOKEN_EQUAL && kind <= TOKEN_MORE_EQUAL) {
		uint32_t sign = p->tok.at;

		negative = kind == TOKEN_DIFFERENT;
		if (!parse_advance(p))
			return NULL;
		x = kind <= TOKEN_DIFFERENT ? test_equal(p, t) : test_order(p, t, kind, sign);
	} else if (t->type == TYPE_BOOL && (kind == TOKEN_END || kind == TOKEN_CLOSE || word_is(p, "and") || word_is(p, "or"))) {
		boolean = make(p, OP_BOOL);
		if (boolean)
			boolean->term = t;
		return boolean;
	} else {
		missing = word_is(p, "is");
		x = test_word(p, t, &negative);
	}
	if (x && !missing)
		warn_negative(p, t, at, negative);
	return negate(p, x, negative);
}

/* ---- The tree ---- */

static const struct expr *any(struct parser *p);

static const struct expr *one(struct parser *p)
{
	const struct expr *x = NULL;
	uint32_t at = p->tok.at;

	if (++p->level > PARSE_LEVELS) {
		parse_fail(p, at, "deeper than %d levels", PARSE_LEVELS);
	} else if (word_is(p, "not")) {
		p->negative = !p->negative;
		if (parse_advance(p))
			x = negate(p, one(p), true);
		p->negative = !p->negative;
	} else if (p->tok.kind == TOKEN_OPEN) {
		x = parse_advance(p) ? any(p) : NULL;
		if (x && p->tok.kind != TOKEN_CLOSE) {
			parse_fail(p, p->tok.at, "the bracket opened at byte %u is not closed before %.*s", at + 1, SLICE_F(parse_shown(p)));
			x = NULL;
		}
		if (x && !parse_advance(p))
			x = NULL;
	} else if (word_is(p, "true")) {
		x = parse_advance(p) ? make(p, OP_TRUE) : NULL;
	} else if (word_is(p, "false")) {
		parse_fail(p, at, "`false` never matches; write mode: off");
	} else {
		x = test(p);
	}
	p->level--;
	return x;
}

/* a and b and c, or a or b or c: never both at one level. */
static const struct expr *any(struct parser *p)
{
	const struct expr *kids[PARSE_KIDS];
	bool is_or = false;
	unsigned n = 0;

	for (;;) {
		if (n == PARSE_KIDS) {
			parse_fail(p, p->tok.at, "more than %d tests; put values into a list", PARSE_KIDS);
			return NULL;
		}
		if (!(kids[n++] = one(p)))
			return NULL;
		if (!word_is(p, "and") && !word_is(p, "or"))
			break;
		if (n > 1 && is_or != word_is(p, "or")) {
			parse_fail(p, p->tok.at, "`and` and `or` are mixed; put brackets around what belongs together");
			return NULL;
		}
		is_or = word_is(p, "or");
		if (!parse_advance(p))
			return NULL;
	}
	return n == 1 ? kids[0] : make_kids(p, is_or ? OP_OR : OP_AND, kids, n);
}

const struct expr *expr_compile(struct compile *c, const struct yaml_node *node, enum purpose purpose)
{
	const struct expr *x;
	struct parser p;

	if (node->kind == YAML_SCALAR && (node->style == YAML_PLAIN || node->style == YAML_DOUBLE)) {
		fail_at(c->fail, node->place, "an expression stands in single quotes or a | block%s",
			node->style == YAML_DOUBLE ? "; in double quotes a backslash would count twice" : "");
		return NULL;
	}
	if (!parse_begin(&p, c, node, purpose))
		return NULL;
	if (p.tok.kind == TOKEN_END) {
		fail_at(c->fail, node->place, "this expression is empty; leave the key out to mean always");
		return NULL;
	}
	x = any(&p);
	if (x && p.tok.kind != TOKEN_END) {
		parse_fail(&p, p.tok.at, "%.*s is too much here; join tests with `and` or `or`", SLICE_F(parse_shown(&p)));
		return NULL;
	}
	return x;
}
