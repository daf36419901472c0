/* body_xml.c -- XML 1.0 without a document type: well-formed to the letter, and every value in it told.
 *
 * The engine's own reader is told nothing but elements' text, in one piece, and its rules look nowhere else.
 * Attributes, comments, instructions and each run of text go to it as arguments of their own here, after
 * entities, so that a payload is found wherever an origin may find it.  Left out is what data is full of and no
 * rule needs to see twice: numbers and dates anywhere, and of text, which the engine has too, single words. */
#include "rules/body.h"

#include "gateway/base/text.h"

enum {
	NAMES_MOST = 64,    /* attributes of one element: they are compared with each other one by one */
	ELEMENTS_TIMES = 16, /* times the values that are allowed: each rule of the engine walks through all of them */
};

struct xml {
	struct slice body;
	size_t at;
	const struct body_limits *limits;
	struct extras *into;
	char *room;               /* decoded values: together never longer than the body */
	size_t used, run;         /* of it; where the run of text that is being collected begins */
	struct body_fault fault;
	uint32_t depth, elements;
	struct slice open[BODY_DEPTH_MOST];
};

static bool wrong(struct xml *x, const char *why)
{
	x->fault = (struct body_fault){why, x->at, false};
	return false;
}

static bool too_much(struct xml *x, const char *why)
{
	x->fault = (struct body_fault){why, x->at, true};
	return false;
}

static int peek(const struct xml *x)
{
	return x->at < x->body.len ? (unsigned char)x->body.at[x->at] : -1;
}

static bool take(struct xml *x, struct slice text)
{
	if (!slice_starts(slice_after(x->body, x->at), text))
		return false;
	x->at += text.len;
	return true;
}

static bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool take_space(struct xml *x)
{
	size_t from = x->at;

	while (is_space(peek(x)))
		x->at++;
	return x->at > from;
}

static bool name_char(int c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' || c >= 0x80 ||
	       (!first && ((c >= '0' && c <= '9') || c == '-' || c == '.'));
}

static bool take_name(struct xml *x, struct slice *out)
{
	size_t from = x->at;

	while (name_char(peek(x), x->at == from))
		x->at++;
	*out = slice_make(x->body.at + from, x->at - from);
	return out->len || wrong(x, "a name is missing in the XML");
}

/* What stands before `end`, which is consumed. */
static bool take_until(struct xml *x, struct slice end, struct slice *out)
{
	struct slice rest = slice_after(x->body, x->at);
	const char *found = memmem(rest.at, rest.len, end.at, end.len);

	if (!found)
		return wrong(x, "an XML section does not end");
	*out = slice_first(rest, (size_t)(found - rest.at));
	x->at += out->len + end.len;
	return true;
}

/* ---- Values ---- */

/* The names of namespaces are addresses that nobody visits; one that could be anything else is a value. */
static bool is_namespace(struct slice name, struct slice value)
{
	if (!slice_is(name, "xmlns") && !slice_starts(name, SLICE("xmlns:")))
		return false;
	if (!slice_starts(value, SLICE("http://")) && !slice_starts(value, SLICE("https://")) &&
	    !slice_starts(value, SLICE("urn:")))
		return false;
	for (size_t i = 0; i < value.len; i++)
		if (value.at[i] != '/' && value.at[i] != '#' && !extra_is_plain(slice_make(value.at + i, 1), true))
			return false;
	return !slice_contains(value, SLICE(".."));
}

static struct slice trim(struct slice s)
{
	while (s.len && is_space((unsigned char)s.at[0]))
		s = slice_after(s, 1);
	while (s.len && is_space((unsigned char)s.at[s.len - 1]))
		s.len--;
	return s;
}

/* Names of elements and attributes are not told: the rules do not look at them in XML, and would in an argument's. */
static bool tell(struct xml *x, struct slice kind, struct slice value)
{
	value = trim(value);
	if (extra_is_plain(value, false) || extras_add(x->into, EXTRA_ARGUMENT, kind, value))
		return true;
	return too_much(x, x->into->over ? "more XML values than allowed" : "memory is used up");
}

/* The text since the last tag is one value, whatever comments and sections it was made of. */
static bool tell_text(struct xml *x)
{
	struct slice text = slice_make(x->room + x->run, x->used - x->run);

	x->run = x->used;
	return !x->depth || extra_is_plain(trim(text), true) || tell(x, SLICE("xml.text"), text);
}

static bool put_code(struct xml *x, uint64_t code)
{
	if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) || code == 0xfffe || code == 0xffff ||
	    (code < 0x20 && !is_space((int)code)))
		return wrong(x, "a reference to what is no character of XML");
	x->used += text_put_utf8(x->room + x->used, (unsigned)code);
	return true;
}

/* Behind the "&".  Without a document type there are five names. */
static bool take_reference(struct xml *x)
{
	static const struct {
		struct slice name;
		unsigned code;
	} known[] = {{{"lt", 2}, '<'}, {{"gt", 2}, '>'}, {{"amp", 3}, '&'}, {{"quot", 4}, '"'}, {{"apos", 4}, '\''}};
	struct slice name;
	uint64_t code;

	if (!take_until(x, SLICE(";"), &name))
		return false;
	if (name.len > 1 && name.at[0] == '#') {
		bool hex = name.at[1] == 'x';
		struct slice digits = slice_after(name, hex ? 2 : 1);

		return (hex ? text_hex(digits, &code) : text_uint(digits, &code)) ? put_code(x, code) :
										    wrong(x, "a malformed character reference");
	}
	for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
		if (slice_eq(name, known[i].name))
			return put_code(x, known[i].code);
	return wrong(x, "an entity that is not one of the five of XML");
}

/* One character of text or of an attribute, decoded. */
static bool take_char(struct xml *x)
{
	int c = peek(x);

	if (c < 0x20 && !is_space(c))
		return wrong(x, c < 0 ? "the XML ends too soon" : "a control character in XML");
	x->at++;
	if (c == '&')
		return take_reference(x);
	x->room[x->used++] = (char)c;
	return true;
}

/* ---- Markup ---- */

static bool has_control(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] < 0x20 && !is_space((unsigned char)s.at[i]))
			return true;
	return false;
}

static bool comment(struct xml *x)
{
	struct slice text;

	if (!take_until(x, SLICE("-->"), &text))
		return false;
	if (slice_contains(text, SLICE("--")) || slice_ends(text, SLICE("-")) || has_control(text))
		return wrong(x, "a malformed comment in XML");
	return tell(x, SLICE("xml.comment"), text);
}

static bool instruction(struct xml *x)
{
	struct slice target, text;

	if (!take_name(x, &target) || !take_until(x, SLICE("?>"), &text))
		return false;
	if (slice_ieq(target, SLICE("xml")) || (text.len && !is_space((unsigned char)text.at[0])) || has_control(text))
		return wrong(x, "a malformed instruction in XML");
	return tell(x, SLICE("xml.instruction"), text);
}

static bool section(struct xml *x)
{
	struct slice text;

	if (!take_until(x, SLICE("]]>"), &text))
		return false;
	if (has_control(text))
		return wrong(x, "a control character in XML");
	if (text.len)
		memcpy(x->room + x->used, text.at, text.len);
	x->used += text.len;
	return true;
}

/* Of an attribute, quotes and all. */
static bool take_value(struct xml *x)
{
	int quote = peek(x);

	if (quote != '"' && quote != '\'')
		return wrong(x, "an attribute's value without quotes");
	for (x->at++; peek(x) != quote;) {
		if (peek(x) == '<')
			return wrong(x, "\"<\" in an attribute");
		if (!take_char(x))
			return false;
	}
	x->at++;
	return true;
}

/* Its value is collected behind the text that has been told. */
static bool attribute(struct xml *x, struct slice *name)
{
	size_t from = x->used;
	struct slice value;

	if (!take_name(x, name))
		return false;
	take_space(x);
	if (!take(x, SLICE("=")))
		return wrong(x, "an attribute without a value");
	take_space(x);
	if (!take_value(x))
		return false;
	value = slice_make(x->room + from, x->used - from);
	x->run = x->used;
	return is_namespace(*name, value) || tell(x, SLICE("xml.attribute"), value);
}

/* Behind the element's name; *empty: it ended with "/>". */
static bool attributes(struct xml *x, bool *empty)
{
	struct slice names[NAMES_MOST];

	for (uint32_t n = 0;; n++) {
		bool spaced = take_space(x);

		*empty = take(x, SLICE("/>"));
		if (*empty || take(x, SLICE(">")))
			return true;
		if (!spaced)
			return wrong(x, "a malformed tag in XML");
		if (n == NAMES_MOST)
			return too_much(x, "more attributes on one element than allowed");
		if (!attribute(x, &names[n]))
			return false;
		for (uint32_t i = 0; i < n; i++)
			if (slice_eq(names[i], names[n]))
				return wrong(x, "an attribute twice");
	}
}

static bool begin_tag(struct xml *x)
{
	uint32_t most = x->limits->depth < BODY_DEPTH_MOST ? x->limits->depth : BODY_DEPTH_MOST;
	struct slice name;
	bool empty;

	if (x->depth == most)
		return too_much(x, "XML nested deeper than allowed");
	if (++x->elements > ELEMENTS_TIMES * x->limits->arguments)
		return too_much(x, "more XML elements than allowed");
	if (!take_name(x, &name) || !attributes(x, &empty))
		return false;
	if (!empty)
		x->open[x->depth++] = name;
	return true;
}

static bool end_tag(struct xml *x)
{
	struct slice name;

	if (!take_name(x, &name))
		return false;
	take_space(x);
	if (!take(x, SLICE(">")) || !x->depth || !slice_eq(x->open[x->depth - 1], name))
		return wrong(x, "an XML element ends that is not open");
	x->depth--;
	return true;
}

/* At "<". */
static bool markup(struct xml *x)
{
	if (take(x, SLICE("<!--")))
		return comment(x);
	if (x->depth && take(x, SLICE("<![CDATA[")))
		return section(x);
	if (take(x, SLICE("<!")))
		return wrong(x, "document type declarations are not accepted");
	if (take(x, SLICE("<?")))
		return instruction(x);
	if (!tell_text(x))
		return false;
	if (take(x, SLICE("</")))
		return end_tag(x);
	x->at++;
	return begin_tag(x);
}

/* ---- The document ---- */

/* Behind white space: the word, "=", and a value in quotes.  Or nothing is taken. */
static bool take_said(struct xml *x, struct slice word, struct slice *value)
{
	size_t from = x->at;
	bool said = take_space(x) && take(x, word);
	char quote;

	take_space(x);
	said = said && take(x, SLICE("="));
	take_space(x);
	quote = peek(x) == '\'' ? '\'' : '"';
	if (said && take(x, slice_make(&quote, 1)) && take_until(x, slice_make(&quote, 1), value))
		return true;
	x->at = from;
	return false;
}

/* The declaration may name another encoding than the one that is inspected, or a version with other rules.  What it
 * says it says in this order, or some readers of XML read it and others do not. */
static bool declaration(struct xml *x)
{
	struct slice said;

	if (!take(x, SLICE("<?xml")))
		return true;
	if (!take_said(x, SLICE("version"), &said) || !slice_is(said, "1.0"))
		return wrong(x, "a malformed XML declaration");
	if (take_said(x, SLICE("encoding"), &said) && !slice_ieq(said, SLICE("utf-8")))
		return wrong(x, "XML in another encoding than UTF-8");
	if (take_said(x, SLICE("standalone"), &said) && !slice_is(said, "yes") && !slice_is(said, "no"))
		return wrong(x, "a malformed XML declaration");
	take_space(x);
	return take(x, SLICE("?>")) || wrong(x, "a malformed XML declaration");
}

/* At a "<", or at a character. */
static bool piece(struct xml *x, bool *rooted)
{
	struct slice rest = slice_after(x->body, x->at);
	bool element = rest.at[0] == '<' && rest.len > 1 && rest.at[1] != '!' && rest.at[1] != '?';

	if (rest.at[0] != '<') {
		if (x->depth ? slice_starts(rest, SLICE("]]>")) : !is_space(peek(x)))
			return wrong(x, "text where XML has none");
		return take_char(x);
	}
	if (element && !x->depth && *rooted)
		return wrong(x, "something follows the XML document");
	*rooted |= element;
	return markup(x);
}

static bool document(struct xml *x)
{
	bool rooted = false;

	take(x, SLICE("\xef\xbb\xbf"));
	if (!declaration(x))
		return false;
	while (x->at < x->body.len)
		if (!piece(x, &rooted))
			return false;
	return (rooted && !x->depth) || wrong(x, "the XML ends too soon");
}

struct body_fault body_xml(struct slice body, const struct body_limits *limits, struct extras *into)
{
	struct xml x;

	memset(&x, 0, offsetof(struct xml, open));
	x.body = body;
	x.limits = limits;
	x.into = into;
	if (memchr(body.at, '\0', body.len) || !text_is_utf8(body))
		return (struct body_fault){"XML that is not UTF-8", 0, false};
	x.room = arena_take(into->arena, body.len + 4);
	if (!x.room)
		return (struct body_fault){"memory is used up", 0, true};
	document(&x);
	return x.fault;
}
