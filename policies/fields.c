/* fields.c -- the fields of a request that a policy can name.
 *
 * Words of the specification that this version has not built are known, so that
 * they are refused as such and not as spelling mistakes. */
#include "gateway/base/text.h"
#include "policies/policy_parts.h"

#define C TRUST_CLAIMED
#define A TRUST_ADDRESSED
#define V TRUST_VERIFIED

const struct field_word field_words[] = {
	{.word = "method", .source = SOURCE_METHOD, .type = TYPE_METHOD, .trust = A},
	{.word = "scheme", .source = SOURCE_SCHEME, .type = TYPE_SCHEME, .trust = A},
	{.word = "host", .source = SOURCE_HOST, .type = TYPE_TEXT, .trust = A, .shape = SHAPE_DOMAIN},
	{.word = "path", .source = SOURCE_PATH, .type = TYPE_TEXT, .trust = A, .shape = SHAPE_PATH},
	{.word = "query", .source = SOURCE_QUERY, .type = TYPE_TEXT, .trust = C, .sparse = true},
	{.word = "query", .source = SOURCE_QUERY_NAME, .type = TYPE_TEXT, .trust = C, .named = true, .many = true, .sparse = true},
	{.word = "header", .source = SOURCE_HEADER, .type = TYPE_TEXT, .trust = C, .named = true, .many = true, .sparse = true},
	{.word = "cookie", .source = SOURCE_COOKIE, .type = TYPE_TEXT, .trust = C, .named = true, .many = true, .sparse = true},
	{.word = "upgrade", .source = SOURCE_UPGRADE, .type = TYPE_UPGRADE, .trust = A},
	{.word = "ip", .source = SOURCE_IP, .type = TYPE_IP, .trust = V},
	{.word = "ip.country", .source = SOURCE_COUNTRY, .type = TYPE_COUNTRY, .trust = V, .sparse = true},
	{.word = "ip.continent", .source = SOURCE_CONTINENT, .type = TYPE_CONTINENT, .trust = V, .sparse = true},
	{.word = "ip.asn", .source = SOURCE_ASN, .type = TYPE_ASN, .trust = V, .sparse = true},
	{.word = "tls.version", .source = SOURCE_TLS_VERSION, .type = TYPE_TLS_VERSION, .trust = V, .sparse = true},
	{.word = "tls.sni", .source = SOURCE_TLS_SNI, .type = TYPE_TEXT, .trust = V, .sparse = true, .shape = SHAPE_DOMAIN},
	{.word = "tls.client.verified", .source = SOURCE_CLIENT_VERIFIED, .type = TYPE_BOOL, .trust = V},
	{.word = "tls.client.subject", .source = SOURCE_CLIENT_SUBJECT, .type = TYPE_TEXT, .trust = V, .sparse = true},
	{.word = "tls.client.san", .source = SOURCE_CLIENT_SAN, .type = TYPE_TEXT, .trust = V, .many = true, .sparse = true},
	{.word = "tls.client.sha256", .source = SOURCE_CLIENT_SHA256, .type = TYPE_SHA256, .trust = V, .sparse = true},
	{.word = "now", .source = SOURCE_NOW, .type = TYPE_TIME, .trust = V},
	{.word = "site", .source = SOURCE_SITE, .type = TYPE_TEXT, .trust = V},
	{.word = "label", .source = SOURCE_LABEL, .type = TYPE_BOOL, .trust = V, .named = true},
	{.word = "switch", .source = SOURCE_SWITCH, .type = TYPE_BOOL, .trust = V, .named = true},
	{.word = "form", .source = SOURCE_LATER, .named = true},
	{.word = "json", .source = SOURCE_LATER, .named = true},
	{.word = "body", .source = SOURCE_LATER, .named = true},
	{.word = "args", .source = SOURCE_LATER, .named = true},
	{.word = "args", .source = SOURCE_LATER},
	{.word = "media_type", .source = SOURCE_LATER},
	{.word = "file", .source = SOURCE_LATER, .named = true},
	{.word = "jwt", .source = SOURCE_LATER, .named = true},
	{.word = "tls.ja4", .source = SOURCE_LATER},
	{.word = "response", .source = SOURCE_LATER, .named = true},
	{.word = "waf", .source = SOURCE_LATER, .named = true},
	{.word = NULL},
};

const char *const field_spellings[] = {
	"method", "scheme", "host", "path", "query", "query.NAME", "header.NAME", "cookie.NAME", "upgrade", "ip",
	"ip.country", "ip.continent", "ip.asn", "tls.version", "tls.sni", "tls.client.verified", "tls.client.subject",
	"tls.client.san", "tls.client.sha256", "now", "site", "label.NAME", "switch.NAME", NULL,
};

static const struct field_word *lookup(struct slice word, bool named)
{
	for (const struct field_word *f = field_words; f->word; f++)
		if (f->named == named && slice_is(word, f->word))
			return f;
	return NULL;
}

static bool name_byte(char c)
{
	c = ascii_lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* ["x.y"] behind a field's word: the text between the quotes, \" and \\ undone. */
static bool quoted_name(struct arena *a, struct slice rest, struct slice *name)
{
	char *out;
	size_t n = 0;

	if (rest.len < 5 || !slice_starts(rest, SLICE("[\"")) || !slice_ends(rest, SLICE("\"]")))
		return false;
	rest = slice_make(rest.at + 2, rest.len - 4);
	out = arena_take(a, rest.len + 1);
	if (!out)
		return false;
	for (size_t i = 0; i < rest.len; i++) {
		if (rest.at[i] == '\\' && i + 1 < rest.len)
			i++;
		else if (rest.at[i] == '"')
			return false;
		out[n++] = rest.at[i];
	}
	out[n] = 0;
	*name = slice_make(out, n);
	return n > 0;
}

static bool plain_name(struct arena *a, struct slice rest, struct slice *name)
{
	for (size_t i = 1; i < rest.len; i++)
		if (!name_byte(rest.at[i]))
			return false;
	*name = arena_copy(a, slice_after(rest, 1));
	return rest.len > 1 && name->at;
}

static size_t word_end(struct slice text)
{
	size_t dot = slice_find(text, '.'), bracket = slice_find(text, '[');

	return dot < bracket ? dot : bracket;
}

const struct field_word *field_find(struct arena *a, struct slice text, struct slice *name, const char **why,
				    const char **near)
{
	size_t cut = word_end(text);
	struct slice rest = slice_after(text, cut);
	const struct field_word *f = lookup(text, false);

	*name = SLICE_NONE;
	*near = NULL;
	*why = "no such field";
	if (f)
		return f;
	f = cut < text.len ? lookup(slice_first(text, cut), true) : NULL;
	if (!f) {
		*near = text_nearest(text, field_spellings);
		return NULL;
	}
	if (f->source == SOURCE_LATER)
		return f;
	if (rest.at[0] == '.' ? plain_name(a, rest, name) : quoted_name(a, rest, name))
		return f;
	*why = "a name after the dot holds letters, digits, - and _ only; write header[\"a.b\"] for others";
	return NULL;
}
