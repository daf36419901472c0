/* media.c -- Content-Type, exactly. */
#include "rules/media.h"

static bool token_char(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static struct slice take_token(struct slice *rest)
{
	size_t n = 0;

	while (n < rest->len && token_char(rest->at[n]))
		n++;
	struct slice token = slice_first(*rest, n);

	*rest = slice_after(*rest, n);
	return token;
}

static void skip_space(struct slice *rest)
{
	while (rest->len && (rest->at[0] == ' ' || rest->at[0] == '\t'))
		*rest = slice_after(*rest, 1);
}

/* A quoted value without escapes: an escape is where two readers begin to differ. */
static bool take_value(struct slice *rest, struct slice *value)
{
	size_t end;

	if (!rest->len || rest->at[0] != '"') {
		*value = take_token(rest);
		return value->len != 0;
	}
	*rest = slice_after(*rest, 1);
	end = slice_find(*rest, '"');
	*value = slice_first(*rest, end);
	if (end == rest->len || slice_find(*value, '\\') != value->len)
		return false;
	*rest = slice_after(*rest, end + 1);
	return true;
}

/* *others counts parameters that nobody here knows. */
static bool take_parameter(struct slice *rest, struct media *m, unsigned *others)
{
	struct slice name, value, *known;

	skip_space(rest);
	if (!rest->len || rest->at[0] != ';')
		return false;
	*rest = slice_after(*rest, 1);
	skip_space(rest);
	if (!rest->len)
		return true; /* "text/xml;" is common and harmless */
	name = take_token(rest);
	if (!name.len || !rest->len || rest->at[0] != '=')
		return false;
	*rest = slice_after(*rest, 1);
	if (!take_value(rest, &value))
		return false;
	known = slice_ieq(name, SLICE("charset")) ? &m->charset : slice_ieq(name, SLICE("boundary")) ? &m->boundary : NULL;
	if (known && (known->len || !value.len))
		return false;
	if (known)
		*known = value;
	else
		(*others)++;
	return true;
}

/* RFC 2046 section 5.1.1. */
static bool boundary_ok(struct slice b)
{
	for (size_t i = 0; i < b.len; i++) {
		char c = b.at[i];

		if (!(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && !(c && strchr("'()+_,-./:=?", c)))
			return false;
	}
	return b.len >= 1 && b.len <= 70;
}

/* Reports that browsers send about a page's policy. */
static const char *const json_too[] = {"application/csp-report", NULL};
static const char *const text_too[] = {"application/graphql", "application/x-ndjson", "application/ndjson",
				       "application/jsonl", "application/x-jsonlines", "application/json-seq", NULL};

static bool is_one_of(struct slice text, const char *const *list)
{
	for (; *list; list++)
		if (slice_ieq(text, slice_of(*list)))
			return true;
	return false;
}

static bool ends_with(struct slice type, struct slice end)
{
	return type.len > end.len && slice_ieq(slice_after(type, type.len - end.len), end);
}

static enum media_kind kind_of(const struct media *m)
{
	struct slice type = m->type;
	bool application = type.len > 12 && slice_ieq(slice_first(type, 12), SLICE("application/"));

	if (slice_ieq(type, SLICE("application/x-www-form-urlencoded")))
		return MEDIA_FORM;
	if (slice_ieq(type, SLICE("multipart/form-data")))
		return boundary_ok(m->boundary) ? MEDIA_MULTIPART : MEDIA_BAD;
	if (slice_ieq(type, SLICE("application/json")) || (application && ends_with(type, SLICE("+json"))))
		return MEDIA_JSON;
	if (slice_ieq(type, SLICE("application/xml")) || slice_ieq(type, SLICE("text/xml")) ||
	    (application && ends_with(type, SLICE("+xml"))))
		return MEDIA_XML;
	if (is_one_of(type, json_too))
		return MEDIA_JSON;
	if ((type.len > 5 && slice_ieq(slice_first(type, 5), SLICE("text/"))) || is_one_of(type, text_too))
		return MEDIA_TEXT;
	return MEDIA_OTHER;
}

struct media media_parse(struct slice value)
{
	struct media m = {.kind = MEDIA_BAD}, bad = m;
	struct slice rest = slice_trim(value), main = take_token(&rest), sub;
	unsigned others = 0;

	if (!main.len || !rest.len || rest.at[0] != '/')
		return bad;
	rest = slice_after(rest, 1);
	sub = take_token(&rest);
	if (!sub.len)
		return bad;
	m.type = slice_make(main.at, main.len + 1 + sub.len);
	while (rest.len)
		if (!take_parameter(&rest, &m, &others))
			return bad;
	m.kind = kind_of(&m);
	/* PHP takes whatever stands behind the first "boundary", in a parameter's name or value, too. */
	if (m.kind == MEDIA_MULTIPART && others)
		return bad;
	return m.kind == MEDIA_BAD ? bad : m;
}

struct media media_of(const struct fields *fields)
{
	const struct field *f = fields_find(fields, FIELD_CONTENT_TYPE);

	if (!f)
		return (struct media){.kind = MEDIA_NONE};
	if (fields_count(fields, FIELD_CONTENT_TYPE) != 1)
		return (struct media){.kind = MEDIA_BAD};
	return media_parse(f->value);
}

bool media_charset_alias(const struct media *m)
{
	static const char *const spellings[] = {"utf8", "'utf-8'", "'utf8'", NULL};

	return is_one_of(m->charset, spellings);
}

bool media_charset_ok(const struct media *m)
{
	static const char *const everywhere[] = {"utf-8", "us-ascii", NULL};
	static const char *const latin[] = {"iso-8859-1", "iso-8859-15", "windows-1252", NULL};

	if (!m->charset.len || is_one_of(m->charset, everywhere) || media_charset_alias(m))
		return true;
	return m->kind != MEDIA_JSON && m->kind != MEDIA_XML && is_one_of(m->charset, latin);
}

enum media_coding media_coding(const struct fields *fields)
{
	static const struct {
		struct slice name;
		enum media_coding coding;
	} known[] = {
		{{"identity", 8}, CODING_NONE}, {{"gzip", 4}, CODING_GZIP}, {{"x-gzip", 6}, CODING_GZIP},
		{{"deflate", 7}, CODING_DEFLATE}, {{"br", 2}, CODING_BROTLI}, {{"zstd", 4}, CODING_ZSTD},
	};
	const struct field *f = fields_find(fields, FIELD_CONTENT_ENCODING);

	if (!f)
		return CODING_NONE;
	for (unsigned i = 0; fields_count(fields, FIELD_CONTENT_ENCODING) == 1 && i < sizeof known / sizeof *known; i++)
		if (slice_ieq(f->value, known[i].name))
			return known[i].coding;
	return CODING_OTHER;
}

bool media_listed(const struct media *m, struct slice list)
{
	struct slice one;

	if (!list.len || !m->type.len)
		return false;
	while (slice_cut(&list, ',', &one))
		if (slice_ieq(slice_trim(one), m->type))
			return true;
	return false;
}
