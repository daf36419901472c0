/* seclang.c -- directives, arguments and comments of SecLang, for the names in them. */
#include "rules/seclang.h"

struct scan {
	struct slice text;
	size_t at;
	seclang_fn *each;
	void *context;
};

struct word {
	struct slice text; /* without its quotes */
	bool quoted;
};

/* ---- Telling ---- */

static void tell(const struct scan *s, enum seclang_kind kind, struct slice by, struct slice name)
{
	struct seclang_name found = {.kind = kind, .by = by, .name = slice_trim(name), .line = 1, .column = 1};

	if (!found.name.len)
		return;
	for (const char *at = s->text.at; at < found.name.at; at++, found.column++)
		if (*at == '\n') {
			found.line++;
			found.column = 0;
		}
	s->each(s->context, &found);
}

/* ---- Words ---- */

static char now(const struct scan *s)
{
	return s->at < s->text.len ? s->text.at[s->at] : '\n';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Length of a backslash and the line's end behind it; 0 when there is none. */
static size_t continuation(const struct scan *s)
{
	struct slice rest = slice_after(s->text, s->at);

	return slice_starts(rest, SLICE("\\\n")) ? 2 : slice_starts(rest, SLICE("\\\r\n")) ? 3 : 0;
}

static void skip_blanks(struct scan *s)
{
	for (size_t n; s->at < s->text.len; s->at += n) {
		n = continuation(s);
		if (!n && !is_blank(now(s)))
			return;
		if (!n)
			n = 1;
	}
}

/* Behind the quote that began it: up to the one that is not escaped. */
static struct slice quoted(struct scan *s, char quote)
{
	size_t from = ++s->at, to;

	while (s->at < s->text.len && s->text.at[s->at] != quote)
		s->at += s->text.at[s->at] == '\\' && s->at + 1 < s->text.len ? 2 : 1;
	to = s->at;
	if (s->at < s->text.len)
		s->at++;
	return slice_make(s->text.at + from, to - from);
}

/* False at the end of the directive. */
static bool next_word(struct scan *s, struct word *out)
{
	size_t from;

	skip_blanks(s);
	if (s->at >= s->text.len || now(s) == '\n')
		return false;
	out->quoted = now(s) == '"';
	if (out->quoted) {
		out->text = quoted(s, '"');
		return true;
	}
	for (from = s->at; s->at < s->text.len && now(s) != '\n' && !is_blank(now(s)) && !continuation(s);)
		s->at++;
	out->text = slice_make(s->text.at + from, s->at - from);
	return true;
}

/* What a rule looks at: an expression for names may be quoted and have blanks in it, and the operator may follow
 * without one. */
static void skip_variables(struct scan *s)
{
	struct word ignored;

	skip_blanks(s);
	if (now(s) == '"') {
		next_word(s, &ignored);
		return;
	}
	while (s->at < s->text.len && now(s) != '\n' && !is_blank(now(s)) && now(s) != '"' && !continuation(s))
		if (now(s) == '\'' && s->text.at[s->at - 1] == ':')
			quoted(s, '\'');
		else
			s->at++;
}

/* ---- Operators and actions ---- */

static const char *const file_operators[] = {"@pmFromFile", "@pmf", "@ipMatchFromFile", "@ipMatchF", "@fuzzyHash",
					     "@inspectFile", "@validateDTD", "@validateSchema"};

/* The threshold behind the file of @fuzzyHash. */
static struct slice without_last(struct slice s)
{
	size_t n = s.len;

	while (n && !is_blank(s.at[n - 1]))
		n--;
	return n ? slice_first(s, n) : s;
}

static void look_at_operator(struct scan *s, const struct word *w)
{
	struct slice text = slice_trim(w->text), by;
	struct word parameter = {.text = SLICE_NONE};
	size_t n = 0;

	while (text.len && (text.at[0] == '!' || is_blank(text.at[0])))
		text = slice_after(text, 1);
	while (n < text.len && !is_blank(text.at[n]))
		n++;
	by = slice_first(text, n);
	for (size_t i = 0; i < sizeof file_operators / sizeof *file_operators; i++) {
		if (!slice_ieq(by, slice_of(file_operators[i])))
			continue;
		parameter.text = slice_trim(slice_after(text, n));
		if (!w->quoted && !next_word(s, &parameter))
			return;
		if (slice_ieq(by, SLICE("@fuzzyHash")))
			parameter.text = without_last(parameter.text);
		tell(s, SECLANG_DATA, by, parameter.text);
	}
}

/* exec:NAME or exec:'NAME', but not in what another action has in quotes. */
static void look_at_actions(struct scan *s, struct slice text)
{
	struct scan in = {.text = text};
	char before = ',';

	while (in.at < text.len) {
		struct slice rest = slice_after(text, in.at);

		if ((before == ',' || is_blank(before) || before == '\n') && rest.len > 5 && rest.at[4] == ':' &&
		    slice_ieq(slice_first(rest, 4), SLICE("exec"))) {
			struct slice name = slice_after(rest, 5);
			size_t n = 0;

			in.at += 5;
			if (now(&in) == '\'')
				name = quoted(&in, '\'');
			while (n < name.len && name.at[n] != ',' && !is_blank(name.at[n]) && name.at[n] != '\n')
				n++;
			tell(s, SECLANG_SCRIPT, slice_first(rest, 4), slice_first(name, n));
		}
		before = now(&in);
		if (before == '\'')
			quoted(&in, '\'');
		else
			in.at++;
	}
}

/* ---- Directives ---- */

static void rule(struct scan *s, struct slice by)
{
	struct word w;

	(void)by;
	skip_variables(s);
	if (next_word(s, &w))
		look_at_operator(s, &w);
}

static void include(struct scan *s, struct slice by)
{
	struct word w;

	if (next_word(s, &w))
		tell(s, SECLANG_INCLUDE, by, w.text);
}

static void data(struct scan *s, struct slice by)
{
	struct word w;

	if (next_word(s, &w))
		tell(s, SECLANG_DATA, by, w.text);
}

static void script(struct scan *s, struct slice by)
{
	struct word w;

	if (next_word(s, &w))
		tell(s, SECLANG_SCRIPT, by, w.text);
}

/* A key, then where to. */
static void remote(struct scan *s, struct slice by)
{
	struct word w;

	if (next_word(s, &w) && next_word(s, &w))
		tell(s, SECLANG_REMOTE, by, w.text);
}

static const struct {
	const char *word;
	void (*look)(struct scan *s, struct slice by);
	bool acts; /* what follows are actions */
} directives[] = {
	{"SecRule", rule, true},	 {"SecAction", NULL, true},	    {"SecDefaultAction", NULL, true},
	{"SecRuleScript", script, true}, {"Include", include, false},	    {"SecUnicodeMapFile", data, false},
	{"SecGeoLookupDb", data, false}, {"SecRemoteRules", remote, false},
};

static void look_at_directive(struct scan *s)
{
	struct word w, rest;
	bool acts;

	if (!next_word(s, &w))
		return;
	acts = w.quoted; /* actions of the rule on the line before: the engine goes on without a backslash, too */
	if (acts)
		look_at_actions(s, w.text);
	for (size_t i = 0; !w.quoted && i < sizeof directives / sizeof *directives; i++) {
		if (!slice_ieq(w.text, slice_of(directives[i].word)))
			continue;
		acts = directives[i].acts;
		if (directives[i].look)
			directives[i].look(s, w.text);
	}
	while (next_word(s, &rest))
		if (acts)
			look_at_actions(s, rest.text);
}

/* ---- The text ---- */

static struct slice take_line(struct scan *s)
{
	struct slice rest = slice_after(s->text, s->at), line = slice_first(rest, slice_find(rest, '\n'));

	s->at += line.len < rest.len ? line.len + 1 : line.len;
	return line;
}

static bool goes_on(struct slice line)
{
	while (line.len && is_blank(line.at[line.len - 1]))
		line.len--;
	return line.len && line.at[line.len - 1] == '\\';
}

/* A rule that is commented out goes on over its lines; any other comment ends with its own. */
static void skip_comment(struct scan *s)
{
	struct slice line = take_line(s), text = slice_trim(slice_after(line, 1));
	bool is_rule = slice_starts(text, SLICE("SecRule")) || slice_starts(text, SLICE("SecAction"));

	while (is_rule && goes_on(line) && s->at < s->text.len)
		line = take_line(s);
}

void seclang_names(struct slice text, seclang_fn *each, void *context)
{
	struct scan s = {.text = text, .each = each, .context = context};

	while (skip_blanks(&s), s.at < text.len)
		if (now(&s) == '\n')
			s.at++;
		else if (now(&s) == '#')
			skip_comment(&s);
		else
			look_at_directive(&s);
}
