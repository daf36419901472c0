/* parse_value.c -- fields, functions and literals of an expression. */
#include <stdarg.h>
#include <stdio.h>

#include "gateway/base/text.h"
#include "policies/parse.h"
#include "policies/zone.h"

/* ---- Tokens and findings ---- */

bool parse_fail(struct parser *p, uint32_t at, const char *fmt, ...)
{
	struct slice text;
	va_list args;

	va_start(args, fmt);
	text = arena_vprint(p->c->arena, fmt, args);
	va_end(args);
	return fail_at(p->c->fail, yaml_place_in(p->node, at), "%s", text.at ? text.at : "memory is used up");
}

void parse_warn(struct parser *p, uint32_t at, const char *fmt, ...)
{
	struct slice text;
	va_list args;

	va_start(args, fmt);
	text = arena_vprint(p->c->arena, fmt, args);
	va_end(args);
	if (text.at)
		fail_warn(p->c->fail, yaml_place_in(p->node, at), "%s", text.at);
}

bool parse_advance(struct parser *p)
{
	const char *why = NULL;

	return lex_next(p->c->arena, p->node->text, &p->next, &p->tok, &why) || parse_fail(p, p->next, "%s", why);
}

struct slice parse_shown(const struct parser *p)
{
	if (p->tok.kind == TOKEN_END)
		return SLICE("the end");
	return p->tok.raw.len > 60 ? slice_first(p->tok.raw, 60) : p->tok.raw;
}

bool parse_begin(struct parser *p, struct compile *c, const struct yaml_node *node, enum purpose purpose)
{
	*p = (struct parser){.c = c, .node = node, .purpose = purpose};
	if (node->kind != YAML_SCALAR)
		return fail_at(c->fail, node->place, "an expression is one text in single quotes");
	if (node->text.len > PARSE_BYTES)
		return fail_at(c->fail, node->place, "an expression has at most %d bytes; put lists into sets", PARSE_BYTES);
	return parse_advance(p);
}

static bool expect(struct parser *p, enum token_kind kind, const char *what)
{
	if (p->tok.kind != kind)
		return parse_fail(p, p->tok.at, "%s is expected here, not %.*s", what, SLICE_F(parse_shown(p)));
	return parse_advance(p);
}

/* ---- Literals ---- */

static bool is_quoted(enum type t)
{
	return t == TYPE_TEXT || t == TYPE_SHA256;
}

bool parse_literal(struct parser *p, enum type t, struct value *out)
{
	enum token_kind want = is_quoted(t) ? TOKEN_TEXT : TOKEN_WORD;
	const char *why, *near;

	if (p->tok.kind != want) {
		if (p->tok.kind == TOKEN_TEXT)
			return parse_fail(p, p->tok.at, "text cannot be compared with %s; write %s", type_word(t), type_literal(t));
		if (p->tok.kind == TOKEN_WORD)
			return parse_fail(p, p->tok.at, "text stands in double quotes: \"%.*s\"", SLICE_F(parse_shown(p)));
		return parse_fail(p, p->tok.at, "%s is expected here, not %.*s", type_literal(t), SLICE_F(parse_shown(p)));
	}
	if (!literal_read(t, p->tok.text, out, &why, &near))
		return parse_fail(p, p->tok.at, "%.*s: %s%s", SLICE_F(parse_shown(p)), why, suggest(p->c, near));
	return parse_advance(p);
}

/* ---- Functions ---- */

static const struct function {
	const char *word;
	enum map map;
	int from, to; /* enum type; -1: any */
	bool bool_many;
} functions[] = {
	{"lower", MAP_LOWER, TYPE_TEXT, TYPE_TEXT, false},  {"len", MAP_LEN, TYPE_TEXT, TYPE_INT, false},
	{"count", MAP_COUNT, -1, TYPE_INT, true},           {"int", MAP_INT, TYPE_TEXT, TYPE_INT, false},
	{"net", MAP_NET, TYPE_IP, TYPE_IP, false},          {"sha256", MAP_SHA256, TYPE_TEXT, TYPE_SHA256, false},
	{"clock", MAP_CLOCK, TYPE_TIME, TYPE_CLOCK, false}, {"weekday", MAP_WEEKDAY, TYPE_TIME, TYPE_WEEKDAY, false},
};

static const struct function *function_find(struct slice word)
{
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
		if (slice_is(word, functions[i].word))
			return &functions[i];
	return NULL;
}

/* The token after the current word is a bracket. */
static bool is_call(const struct parser *p)
{
	struct slice text = p->node->text;
	uint32_t i = p->next;

	while (i < text.len && (text.at[i] == ' ' || text.at[i] == '\n'))
		i++;
	return p->tok.kind == TOKEN_WORD && i < text.len && text.at[i] == '(';
}

static bool int_argument(struct parser *p, int64_t least, int64_t most, const char *what, int64_t *out)
{
	struct value v;
	uint32_t at;

	if (!expect(p, TOKEN_COMMA, "a comma"))
		return false;
	at = p->tok.at;
	if (!parse_literal(p, TYPE_INT, &v))
		return false;
	if (v.number < least || v.number > most)
		return parse_fail(p, at, "%s is %lld to %lld", what, (long long)least, (long long)most);
	*out = v.number;
	return true;
}

static bool zone_argument(struct parser *p, const struct zone **out)
{
	struct compile *c = p->c;
	const char *why;

	if (!expect(p, TOKEN_COMMA, "a comma and a time zone"))
		return false;
	if (p->tok.kind != TOKEN_TEXT)
		return parse_fail(p, p->tok.at, "a time zone such as \"Europe/Berlin\" is expected here");
	for (uint32_t i = 0; i < c->zones_n; i++)
		if (slice_eq(c->zones[i]->name, p->tok.text)) {
			*out = c->zones[i];
			return parse_advance(p);
		}
	if (c->zones_n == sizeof c->zones / sizeof *c->zones)
		return parse_fail(p, p->tok.at, "more than 16 time zones in one policy");
	*out = zone_read(c->arena, p->tok.text, NULL, &why);
	if (!*out)
		return parse_fail(p, p->tok.at, "\"%.*s\": %s", SLICE_F(p->tok.text), why);
	c->zones[c->zones_n++] = *out;
	return parse_advance(p);
}

static bool arguments(struct parser *p, const struct function *f, struct term *t)
{
	unsigned i = t->maps_n;

	switch (f->map) {
	case MAP_INT:
		return int_argument(p, INT64_MIN, INT64_MAX, "the default", &t->maps[i].a);
	case MAP_NET:
		return int_argument(p, 1, 32, "the prefix length of IPv4", &t->maps[i].a) &&
		       int_argument(p, 1, 128, "the prefix length of IPv6", &t->maps[i].b);
	case MAP_CLOCK:
	case MAP_WEEKDAY:
		return zone_argument(p, &t->maps[i].zone);
	default:
		return true;
	}
}

static bool value(struct parser *p, struct term *t, unsigned level);

static bool function_value(struct parser *p, const struct function *f, struct term *t, unsigned level)
{
	uint32_t at = p->tok.at, inside;
	bool text;

	if (!parse_advance(p) || !expect(p, TOKEN_OPEN, "("))
		return false;
	inside = p->tok.at;
	if (!value(p, t, level + 1))
		return false;
	text = f->from == TYPE_TEXT && type_form(t->type) == FORM_TEXT && t->type != TYPE_METHOD;
	if (f->from >= 0 && t->type != (enum type)f->from && !text)
		return parse_fail(p, inside, "%s takes %s, not %s", f->word, type_word((enum type)f->from), type_word(t->type));
	if (f->map == MAP_COUNT && !t->many)
		return parse_fail(p, inside, "count takes a field that can have several values");
	if (t->maps_n == TERM_MAPS)
		return parse_fail(p, at, "at most %d functions inside each other", TERM_MAPS);
	t->maps[t->maps_n].map = f->map;
	if (!arguments(p, f, t) || !expect(p, TOKEN_CLOSE, ")"))
		return false;
	t->maps_n++;
	t->type = (enum type)f->to;
	if (f->map != MAP_LOWER)
		t->shape = SHAPE_PLAIN;
	if (f->map == MAP_COUNT)
		t->many = t->sparse = false;
	if (f->map == MAP_INT)
		t->sparse = false;
	return true;
}

/* ---- Fields ---- */

static bool label_or_switch(struct parser *p, struct term *t)
{
	bool label = t->source == SOURCE_LABEL;
	struct names *names = label ? &p->c->labels : &p->c->switches;
	int i = names_find(names, t->name);

	if (i < 0)
		return parse_fail(p, p->tok.at, "no %s named \"%.*s\"; %s%s", label ? "label" : "switch", SLICE_F(t->name),
				  label ? "a rule with `do: label` sets one" : "declare it under `switches`",
				  names_suggest(p->c, names, t->name));
	t->index = (uint16_t)i;
	if (label && p->purpose != FOR_DECIDING && p->purpose != FOR_PLAIN && !p->c->label_facts[i].set)
		return parse_fail(p, p->tok.at, "no rule further up sets label %.*s; move that rule up", SLICE_F(t->name));
	return true;
}

/* Names are kept once in the policy, so that a request's values are looked for once. */
static bool name_kept(struct parser *p, struct term *t)
{
	char *lower = (char *)t->name.at;
	int i = 0;

	if (t->source == SOURCE_LABEL || t->source == SOURCE_SWITCH)
		return label_or_switch(p, t);
	if (t->source == SOURCE_QUERY_NAME)
		i = names_add(p->c, &p->c->query_names, t->name, 256);
	if (t->source == SOURCE_COOKIE)
		i = names_add(p->c, &p->c->cookie_names, t->name, 256);
	if (i < 0)
		return parse_fail(p, p->tok.at, "more than 256 names of query values or cookies in one policy");
	t->index = (uint16_t)i;
	for (size_t j = 0; t->source == SOURCE_HEADER && j < t->name.len; j++)
		lower[j] = ascii_lower(lower[j]);
	return true;
}

/* Sites are held to it: a policy that reads certificates is of no use where none is asked for. */
static void note_certificate(struct parser *p, enum source source)
{
	struct place *first = &p->c->policy->certificate_at;

	if (!first->file && (source == SOURCE_CLIENT_VERIFIED || source == SOURCE_CLIENT_SUBJECT ||
			     source == SOURCE_CLIENT_SAN || source == SOURCE_CLIENT_SHA256))
		*first = yaml_place_in(p->node, p->tok.at);
}

static bool field_value(struct parser *p, struct term *t)
{
	const char *why, *near;
	struct slice name;
	const struct field_word *f = field_find(p->c->arena, p->tok.text, &name, &why, &near);

	if (!f)
		return parse_fail(p, p->tok.at, "%.*s: %s%s", SLICE_F(parse_shown(p)), why, suggest(p->c, near));
	if (f->source == SOURCE_LATER)
		return parse_fail(p, p->tok.at, "%.*s is not in this version; fields of the request head are", SLICE_F(parse_shown(p)));
	*t = (struct term){.source = f->source, .type = f->type, .trust = f->trust, .shape = f->shape, .many = f->many,
			   .sparse = f->sparse, .name = name};
	if (f->named && !name_kept(p, t))
		return false;
	note_certificate(p, f->source);
	return parse_advance(p);
}

static bool value(struct parser *p, struct term *t, unsigned level)
{
	const struct function *f = function_find(p->tok.text);
	static const char *const words[] = {"lower", "len", "count", "int", "net", "sha256", "clock", "weekday", NULL};

	if (level > PARSE_LEVELS)
		return parse_fail(p, p->tok.at, "deeper than %d levels", PARSE_LEVELS);
	if (p->tok.kind == TOKEN_TEXT || p->tok.kind == TOKEN_REGEX)
		return parse_fail(p, p->tok.at, "a test begins with a field, and the text stands behind the operator");
	if (p->tok.kind != TOKEN_WORD)
		return parse_fail(p, p->tok.at, "a field is expected here, not %.*s", SLICE_F(parse_shown(p)));
	if (!is_call(p)) {
		if (f)
			return parse_fail(p, p->tok.at, "%s is a function; write %s(...)", f->word, f->word);
		return field_value(p, t);
	}
	if (!f)
		return parse_fail(p, p->tok.at, "no function %.*s; there are lower len count int net sha256 clock weekday%s",
				  SLICE_F(parse_shown(p)), suggest(p->c, text_nearest(p->tok.text, words)));
	return function_value(p, f, t, level);
}

const struct term *parse_value(struct parser *p)
{
	struct term *t = ARENA_NEW(p->c->arena, struct term);

	if (!t) {
		compile_memory(p->c);
		return NULL;
	}
	return value(p, t, 0) ? t : NULL;
}

bool parse_is_value(const struct parser *p, enum type t)
{
	const char *why, *near;
	struct value v;
	struct slice word = p->tok.text;
	size_t end = 0;

	if (p->tok.kind != TOKEN_WORD)
		return false;
	if (is_call(p))
		return true;
	if (!is_quoted(t) && literal_read(t, word, &v, &why, &near))
		return false;
	while (end < word.len && word.at[end] != '.' && word.at[end] != '[')
		end++;
	for (const struct field_word *f = field_words; f->word; f++)
		if (slice_is(word, f->word) || (f->named && end < word.len && slice_is(slice_first(word, end), f->word)))
			return true;
	return false;
}

const struct term *term_compile(struct compile *c, const struct yaml_node *node)
{
	const struct term *t;
	struct parser p;

	if (!parse_begin(&p, c, node, FOR_DECIDING) || !(t = parse_value(&p)))
		return NULL;
	if (p.tok.kind != TOKEN_END) {
		parse_fail(&p, p.tok.at, "an element of a key is one field or function; %.*s is too much", SLICE_F(parse_shown(&p)));
		return NULL;
	}
	return t;
}
