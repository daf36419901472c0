/* yaml_mistake.c -- natural text that YAML reads as something else, and saying so.
 *
 * An address, a wildcard host, a function call or a sentence with a comma is
 * what people write; the finding shows the text as they meant it, in quotes. */
#include "gateway/base/yaml_parts.h"

enum { SHOWN = 60 };

struct quoted {
	char text[2 * SHOWN + 8];
};

/* 'text', single quotes doubled, cut when long. */
static struct quoted quoted(struct slice s)
{
	struct quoted q;
	size_t n = 0;
	bool cut = s.len > SHOWN;

	q.text[n++] = '\'';
	s = slice_trim(slice_first(s, cut ? SHOWN : s.len));
	/* Never half a character. */
	while (cut && s.len && ((unsigned char)s.at[s.len - 1] & 0x80))
		s.len--;
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '\'')
			q.text[n++] = '\'';
		q.text[n++] = s.at[i] == '\n' || s.at[i] == '\r' ? ' ' : s.at[i];
	}
	if (cut)
		memcpy(q.text + n, "...", 3), n += 3;
	q.text[n++] = '\'';
	q.text[n] = 0;
	return q;
}

/* The first of `stops` at or after `at`, or the end of the line. */
static size_t until(struct slice bytes, size_t at, const char *stops)
{
	while (at < bytes.len && bytes.at[at] != '\n' && bytes.at[at] != '\r' && !strchr(stops, bytes.at[at]))
		at++;
	return at;
}

static size_t skip_spaces(struct slice bytes, size_t at)
{
	while (at < bytes.len && bytes.at[at] == ' ')
		at++;
	return at;
}

static size_t skip_blank(struct slice bytes, size_t at)
{
	while (at < bytes.len && (bytes.at[at] == ' ' || bytes.at[at] == '\n' || bytes.at[at] == '\r'))
		at++;
	return at;
}

static struct slice part(struct slice bytes, size_t from, size_t to)
{
	return slice_make(bytes.at + from, to > from ? to - from : 0);
}

static bool open_bracket(struct slice s)
{
	int open = 0;

	for (size_t i = 0; i < s.len; i++)
		open += s.at[i] == '(' ? 1 : s.at[i] == ')' ? -1 : 0;
	return open > 0;
}

void yaml_mistake_plain(const struct yaml_near *near, const struct yaml_node *scalar)
{
	size_t behind = skip_spaces(near->bytes, near->end), to;
	struct place place = scalar->place;

	if (near->start < *near->told || behind >= near->bytes.len)
		return;
	if (!scalar->text.len)
		place.column += (uint32_t)(behind - near->start);
	if (near->bytes.at[behind] == '#' && behind > near->end && behind + 1 < near->bytes.len &&
	    !strchr(" \r\n#", near->bytes.at[behind + 1])) {
		to = until(near->bytes, behind, near->in_flow ? ",]}" : "");
		*near->told = to;
		fail_at(near->f, place,
			"the text ends before \" #\", which begins a comment; put it in quotes: %s (or write \"# \" for a comment)",
			quoted(part(near->bytes, near->start, to)).text);
		return;
	}
	if (near->in_flow && near->bytes.at[behind] == ',' && open_bracket(scalar->text)) {
		to = until(near->bytes, near->start, ")\n");
		to += to < near->bytes.len && near->bytes.at[to] == ')';
		*near->told = to;
		fail_at(near->f, scalar->place, "the comma ends the text inside its brackets; put it in quotes: %s",
			quoted(part(near->bytes, near->start, to)).text);
	}
}

/* Commas go on splitting a sentence: all of it, up to a bracket or a part that has a ':'. */
static size_t sentence_end(struct slice bytes, size_t at)
{
	for (;;) {
		size_t comma = skip_spaces(bytes, at), end;

		if (comma >= bytes.len || bytes.at[comma] != ',')
			return at;
		end = until(bytes, comma + 1, ",:]}");
		if (end < bytes.len && bytes.at[end] == ':')
			return at;
		at = end;
	}
}

void yaml_mistake_key(const struct yaml_near *near, const struct yaml_node *key, const struct yaml_node *value,
		      const struct yaml_near *before)
{
	bool empty = value->kind == YAML_SCALAR && value->style == YAML_PLAIN && !value->text.len;
	size_t behind = skip_blank(near->bytes, near->end), to;

	if (!empty || key->style != YAML_PLAIN || near->start < *near->told)
		return;
	if (key->text.len && key->text.at[key->text.len - 1] == ':') {
		fail_at(near->f, key->place, "a \":\" at the end makes a key of this text; put it in quotes: '%.*s:'",
			SLICE_F(key->text));
		*near->told = near->end;
		return;
	}
	if (!near->in_flow || (behind < near->bytes.len && near->bytes.at[behind] == ':'))
		return;
	to = sentence_end(near->bytes, near->end);
	*near->told = to;
	if (before->end && before->bytes.at[before->start] != '\'' && before->bytes.at[before->start] != '"' &&
	    before->start < before->end && !strchr("[{", before->bytes.at[before->start]))
		fail_at(near->f, key->place,
			"the comma before it makes a key of \"%.*s\"; put the whole text in quotes: %s",
			SLICE_F(key->text), quoted(part(near->bytes, before->start, to)).text);
	else
		fail_at(near->f, key->place, "\"%.*s\" has no value; write KEY: VALUE", SLICE_F(key->text));
}

/* [a: b] is a mapping to YAML, and so is [2001:db8::]. */
void yaml_mistake_pair(const struct yaml_near *near, struct place place)
{
	size_t to;

	if (near->bytes.at[near->start] == '{' || near->start < *near->told)
		return;
	to = until(near->bytes, near->start, ",]}");
	*near->told = to;
	fail_at(near->f, place, "a \":\" in a list makes a key of the text before it; put it in quotes: %s",
		quoted(part(near->bytes, near->start, to)).text);
}

/* What libyaml says, and what the writer needs to hear. */
static const struct {
	const char *context, *problem, *says;
} syntax[] = {
	{"scanning an alias", "", "\"*\" begins an alias, which is not used here; put the text in quotes"},
	{"scanning an anchor", "", "\"&\" begins an anchor, which is not used here; put the text in quotes"},
	{"scanning a tag", "", "\"!\" begins a tag, which is not used here; put the text in quotes"},
	{"a plain scalar", "unexpected ':'", "a \":\" here makes a key of the text; put it in quotes"},
	{"", "mapping values are not allowed",
	 "a \": \" where no key can be; check the indentation"},
	{"", "cannot start any token", "plain text cannot begin with this character; put the text in quotes"},
	{"", "escape", "an escape that is none; put the text in single quotes, where a backslash is itself"},
	{"scanning a quoted", "", "the quote that begins here is not closed, or holds an escape that is none; in single "
				  "quotes a backslash is itself and a quote is written twice"},
	{"", "expected ',' or ']'", "a list in brackets is not closed, or a comma is missing"},
	{"", "expected ',' or '}'",
	 "a mapping in braces is not closed, or a comma is missing; put text that holds brackets in quotes"},
	{"block mapping", "expected key",
	 "this does not fit the mapping it stands in: check the indentation; text behind a closing quote is refused too"},
	{"block collection", "expected '-'", "this does not fit the list it stands in: check the indentation"},
	{"simple key", "expected ':'", "a key without \":\"; write KEY: VALUE"},
	{"block scalar", "", "behind | stand only a line break and indented lines"},
	{"", "expected node content", "a value is missing, or its text begins with a character of YAML's own; put it in "
				      "quotes"},
	{"", "expected <document start>", "text behind the end of the mapping: check the indentation"},
	{"", "block sequence entries", "a list item where no list can be: check the indentation"},
};

/* Of "key: a: b", with `at` at the second colon: where the text behind the first begins; else `at`. */
static size_t value_before(struct slice bytes, size_t at)
{
	size_t line = at, colon;

	while (line && bytes.at[line - 1] != '\n')
		line--;
	for (colon = line; colon + 1 < at; colon++)
		if (bytes.at[colon] == ':' && bytes.at[colon + 1] == ' ')
			return skip_spaces(bytes, colon + 1);
	return at;
}

/* Characters that begin what people mean as text and YAML does not. */
static bool begins_text(struct slice bytes, size_t at)
{
	if (at + 1 >= bytes.len || !strchr("*&!:%@`", bytes.at[at]))
		return false;
	return bytes.at[at] == '*' || !strchr(" \r\n", bytes.at[at + 1]);
}

void yaml_mistake_syntax(struct slice bytes, size_t at, struct place place, const char *context, const char *problem,
			 struct place began, struct fail *f)
{
	bool nested = strstr(problem, "mapping values are not allowed") != NULL;
	size_t from = nested ? value_before(bytes, at) : at;
	size_t to = until(bytes, from, nested ? "" : ",]}");
	bool text = nested ? from < at : strstr(context, "a plain scalar") || begins_text(bytes, at);

	if (nested && text) {
		for (size_t i = from; i < at; i++)
			place.column -= ((unsigned char)bytes.at[i] & 0xc0) != 0x80;
		fail_at(f, place, "a second \": \" on this line; put the text in quotes: %s",
			quoted(part(bytes, from, to)).text);
		return;
	}
	for (size_t i = 0; i < sizeof syntax / sizeof *syntax; i++) {
		if (!strstr(context, syntax[i].context) || !strstr(problem, syntax[i].problem))
			continue;
		if (text && strstr(syntax[i].says, "put"))
			fail_at(f, place, "%s: %s", syntax[i].says, quoted(part(bytes, from, to)).text);
		else if (began.line && began.line < place.line)
			fail_at(f, place, "%s (it begins at line %u)", syntax[i].says, began.line);
		else
			fail_at(f, place, "%s", syntax[i].says);
		return;
	}
	fail_at(f, place, "not readable as YAML: %s; check quotes, brackets and indentation", problem);
}
