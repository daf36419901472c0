/* lex.c -- the words of an expression.
 *
 * Bare literals (10.0.0.0/8, AS64500, 22:00, 2027-02-01) and fields are both
 * words here; the parser knows which is meant where. */
#include "policies/lex.h"

#include "gateway/base/text.h"

static bool no(const char **why, const char *what)
{
	*why = what;
	return false;
}

static bool word_byte(char c)
{
	char l = ascii_lower(c);

	return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == ':' || c == '/' || c == '.';
}

static bool keyword(struct slice word)
{
	static const char *const words[] = {"in", "under", "starts", "ends", "contains", "and", "or", "not", NULL};

	for (unsigned i = 0; words[i]; i++)
		if (slice_is(word, words[i]))
			return true;
	return false;
}

/* [...] that names a part of a field: header["x.y"], json.items[*].note. */
static bool part(struct slice in, uint32_t *at, const char **why)
{
	uint32_t i = *at + 1;
	bool quoted = i < in.len && in.at[i] == '"';

	for (i += quoted; i < in.len; i++) {
		if (quoted && in.at[i] == '\\' && i + 1 < in.len) {
			i++;
		} else if (quoted ? in.at[i] == '"' : in.at[i] == ']') {
			i += quoted;
			if (i < in.len && in.at[i] == ']') {
				*at = i + 1;
				return true;
			}
			break;
		}
	}
	return no(why, "a name in brackets is written header[\"x.y\"]");
}

static bool lex_word(struct slice in, uint32_t *at, struct token *out, const char **why)
{
	uint32_t i = *at;

	for (;;) {
		while (i < in.len && word_byte(in.at[i]) && !(in.at[i] == '.' && i + 1 < in.len && in.at[i + 1] == '.'))
			i++;
		if (i == in.len || in.at[i] != '[' || keyword(slice_make(in.at + *at, i - *at)))
			break;
		if (!part(in, &i, why))
			return false;
	}
	out->kind = TOKEN_WORD;
	out->text = slice_make(in.at + *at, i - *at);
	*at = i;
	return true;
}

static bool lex_text(struct arena *a, struct slice in, uint32_t *at, struct token *out, const char **why)
{
	uint32_t i = *at + 1;
	char *text = arena_take(a, in.len - *at + 1);
	size_t n = 0;

	if (!text)
		return no(why, "memory is used up");
	for (; i < in.len && in.at[i] != '"'; i++) {
		int high, low;

		if (in.at[i] != '\\') {
			text[n++] = in.at[i];
			continue;
		}
		if (i + 1 < in.len && (in.at[i + 1] == '"' || in.at[i + 1] == '\\')) {
			text[n++] = in.at[++i];
			continue;
		}
		high = i + 3 < in.len && in.at[i + 1] == 'x' ? text_hex_digit(in.at[i + 2]) : -1;
		low = high >= 0 ? text_hex_digit(in.at[i + 3]) : -1;
		if (low < 0) {
			*at = i;
			return no(why, "text knows \\\", \\\\ and \\xHH only; a regular expression is written r\"...\"");
		}
		text[n++] = (char)(high << 4 | low);
		i += 3;
	}
	if (i >= in.len)
		return no(why, "this text has no closing double quote");
	text[n] = 0;
	out->kind = TOKEN_TEXT;
	out->text = slice_make(text, n);
	*at = i + 1;
	return true;
}

static bool lex_regex(struct slice in, uint32_t *at, struct token *out, const char **why)
{
	size_t end = slice_find(slice_after(in, *at + 2), '"');

	if (*at + 2 + end >= in.len)
		return no(why, "this regular expression has no closing double quote");
	out->kind = TOKEN_REGEX;
	out->text = slice_make(in.at + *at + 2, end);
	*at += (uint32_t)end + 3;
	return true;
}

static bool lex_set(struct slice in, uint32_t *at, struct token *out, const char **why)
{
	uint32_t i = *at + 1;

	while (i < in.len && word_byte(in.at[i]) && in.at[i] != '.' && in.at[i] != ':' && in.at[i] != '/')
		i++;
	if (i == *at + 1)
		return no(why, "the name of a set follows @");
	out->kind = TOKEN_SET;
	out->text = slice_make(in.at + *at + 1, i - *at - 1);
	*at = i;
	return true;
}

static bool lex_sign(struct slice in, uint32_t *at, struct token *out, const char **why)
{
	static const struct {
		const char *text;
		enum token_kind kind;
	} signs[] = {
		{"==", TOKEN_EQUAL}, {"!=", TOKEN_DIFFERENT}, {"<=", TOKEN_LESS_EQUAL}, {">=", TOKEN_MORE_EQUAL},
		{"..", TOKEN_RANGE}, {"<", TOKEN_LESS},       {">", TOKEN_MORE},        {"(", TOKEN_OPEN},
		{")", TOKEN_CLOSE},  {"[", TOKEN_LIST},       {"]", TOKEN_LIST_END},    {",", TOKEN_COMMA},
	};
	static const struct {
		char c;
		const char *why;
	} mistakes[] = {
		{'=', "write == to compare"}, {'&', "write `and`"}, {'|', "write `or`"}, {'!', "write `not`"},
		{'\'', "text stands in double quotes"}, {'#', "an expression has no comments; use `why`"},
		{'~', "write `matches r\"...\"`"}, {'+', "there is no arithmetic here"},
		{'*', "there is no arithmetic here, and no wildcard; use starts, ends or matches"},
	};
	struct slice rest = slice_after(in, *at);

	for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
		if (slice_starts(rest, slice_of(signs[i].text))) {
			out->kind = signs[i].kind;
			*at += (uint32_t)strlen(signs[i].text);
			return true;
		}
	for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++)
		if (rest.at[0] == mistakes[i].c)
			return no(why, mistakes[i].why);
	return no(why, "this character means nothing here");
}

static bool one(struct arena *a, struct slice in, uint32_t *at, struct token *out, const char **why)
{
	char c = in.at[*at], next = *at + 1 < in.len ? in.at[*at + 1] : 0;

	if (c == '"')
		return lex_text(a, in, at, out, why);
	if (c == 'r' && next == '"')
		return lex_regex(in, at, out, why);
	if (c == '@')
		return lex_set(in, at, out, why);
	if (c == '.' || (c == '-' && !(next >= '0' && next <= '9')))
		return lex_sign(in, at, out, why);
	return word_byte(c) ? lex_word(in, at, out, why) : lex_sign(in, at, out, why);
}

bool lex_next(struct arena *a, struct slice in, uint32_t *at, struct token *out, const char **why)
{
	uint32_t from;

	while (*at < in.len && (in.at[*at] == ' ' || in.at[*at] == '\n'))
		++*at;
	from = *at;
	*out = (struct token){.kind = TOKEN_END, .at = from};
	if (from == in.len)
		return true;
	if (!one(a, in, at, out, why))
		return false;
	out->raw = slice_make(in.at + from, *at - from);
	return true;
}
