/* section.c -- a field section: lines to fields, and which of them travel on.
 *
 * The rules for names are one table.  Requests and responses differ in what is made of look-alikes. */
#include "gateway/base/text.h"
#include "gateway/http/bytes.h"
#include "gateway/http/parts.h"

const char h1_no_memory[] = "memory is used up";

/* Never forwarded: hop-by-hop, framing, orders to a proxy. */
static const bool hidden[FIELD_NAMES] = {
	[FIELD_HOST] = true,
	[FIELD_CONTENT_LENGTH] = true,
	[FIELD_TRANSFER_ENCODING] = true,
	[FIELD_CONNECTION] = true,
	[FIELD_KEEP_ALIVE] = true,
	[FIELD_PROXY_CONNECTION] = true,
	[FIELD_TE] = true,
	[FIELD_TRAILER] = true,
	[FIELD_UPGRADE] = true,
	[FIELD_EXPECT] = true,
	[FIELD_HTTP2_SETTINGS] = true,
	[FIELD_EARLY_DATA] = true,
	[FIELD_PROXY] = true,
	[FIELD_PROXY_AUTHORIZATION] = true,
	[FIELD_PROXY_AUTHENTICATE] = true,
	[FIELD_X_ACCEL_REDIRECT] = true,
	[FIELD_X_SENDFILE] = true,
	[FIELD_SURROGATE_CONTROL] = true,
};

/* Families of names; those of one member end where the name ends. */
static const struct slice families[] = {
	{"x-accel-", 8}, {"x-sendfile", 10}, {"x-lighttpd-send", 15}, {"surrogate-", 10}, {"proxy-", 6},
};

static bool stays(const struct field *f)
{
	if (f->id != FIELD_OTHER)
		return hidden[f->id];
	if (f->name.at[0] != 'x' && f->name.at[0] != 's' && f->name.at[0] != 'p')
		return false;
	for (unsigned i = 0; i < sizeof families / sizeof *families; i++)
		if (slice_starts(f->name, families[i]))
			return true;
	return false;
}

/* ---- Look-alikes ---- */

static size_t fold(struct slice name, char out[64])
{
	size_t n = 0;

	for (size_t i = 0; i < name.len && n < 64; i++)
		if (ascii_is_alnum(name.at[i]))
			out[n++] = name.at[i];
	return n;
}

/* CGI and its heirs turn "-", "_" and ".", some of them every sign, into one character: `name`, which
 * holds one of the others, would be read there as a field that somebody relies on. */
static bool is_look_alike(struct slice name)
{
	char folded[64], known[64];
	size_t n = fold(name, folded);

	if (slice_starts(slice_make(folded, n), SLICE("xforwarded")))
		return true;
	for (unsigned id = 1; id < FIELD_NAMES; id++)
		if (fold(field_name_text((enum field_name)id), known) == n && memcmp(known, folded, n) == 0)
			return true;
	return false;
}

/* ---- Lines ---- */

/* The name, made lower case where it stands; *odd if it holds a sign other than "-". */
static char *read_name(char *at, bool *odd)
{
	uint8_t c;

	for (*odd = false; (c = bytes_token[(unsigned char)*at]); at++) {
		*odd |= !byte_is((char)c, BYTE_NAME);
		*at = (char)c;
	}
	return at;
}

static unsigned bad_name(const char *at, const char *begin, const char **why)
{
	if (at == begin && (*at == ' ' || *at == '\t'))
		return h1_refuse(why, 400, "a folded field line");
	if (at == begin)
		return h1_refuse(why, 400, "a field line without a name");
	if (*at == ' ' || *at == '\t')
		return h1_refuse(why, 400, "space in or behind a field name");
	return h1_refuse(why, 400, "a field name that is not a token");
}

unsigned h1_field(struct arena *a, struct slice name, struct slice value, bool odd, enum h1_way way, struct fields *out,
		  const char **why)
{
	struct field *f;

	if (odd && way == H1_TO_ORIGIN && is_look_alike(name))
		return h1_refuse(why, 400, "a field name that looks like a protected one");
	if (!fields_add(out, a, name, value))
		return h1_refuse(why, 503, h1_no_memory);
	f = &out->at[out->n - 1];
	f->hidden = stays(f) || (odd && way == H1_TO_ORIGIN);
	return 0;
}

/* Cookie crumbs count as fields, as they are fields in HTTP/2. */
static uint32_t weight(const struct field *f)
{
	uint32_t n = 1;

	if (f->id == FIELD_COOKIE)
		for (size_t i = 0; i < f->value.len; i++)
			n += f->value.at[i] == ';';
	return n;
}

unsigned h1_section(struct arena *a, char *at, const char *end, uint32_t most, enum h1_way way, struct fields *out,
		    const char **why)
{
	uint32_t count = 0;

	while (end - at > 2) {
		char *begin = at, *colon;
		struct slice value;
		unsigned status;
		bool odd;

		colon = read_name(at, &odd);
		if (*colon != ':' || colon == begin)
			return bad_name(colon, begin, why);
		value = slice_make(colon + 1, bytes_control(colon + 1, (size_t)(end - colon) - 1));
		at = colon + 1 + value.len;
		/* `end` stands behind a CRLF: the search has stopped there at the latest. */
		if (at[0] != '\r' || at[1] != '\n')
			return h1_refuse(why, 400, "a control character in a field");
		at += 2;
		status = h1_field(a, slice_make(begin, (size_t)(colon - begin)), slice_trim(value), odd, way, out, why);
		if (status)
			return status;
		count += weight(&out->at[out->n - 1]);
		if (count > most)
			return h1_refuse(why, 431, "too many fields");
	}
	if (end - at != 2 || at[0] != '\r' || at[1] != '\n')
		return h1_refuse(why, 400, "the head does not end with an empty line");
	return 0;
}

/* ---- Connection ---- */

/* Enough for any honest list; names times fields is work that a client could ask for. */
enum { CONNECTION_NAMES = 16 };

/* A Connection field takes away only what is the sender's own business.  Names that the gateway
 * knows are either hidden already or relied on by somebody (RFC 9110 section 7.6.1, THREATS G2), and so is
 * what a trusted hop states: its client may have put the name there. */
static void hide_named(struct fields *f, struct slice name)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (f->at[i].id == FIELD_OTHER && slice_ieq(f->at[i].name, name) && !http_is_claim(f->at[i].name) &&
		    !slice_starts(f->at[i].name, SLICE("sec-")))
			f->at[i].hidden = 1;
}

static void connection_option(struct fields *f, struct slice name, struct h1_connection *out)
{
	if (slice_ieq(name, SLICE("close")))
		out->close = true;
	else if (slice_ieq(name, SLICE("keep-alive")))
		out->keep_alive = true;
	else if (slice_ieq(name, SLICE("upgrade")))
		out->upgrade = true;
	else
		hide_named(f, name);
}

bool h1_connection(struct fields *f, struct h1_connection *out, const char **why)
{
	unsigned names = 0;

	*out = (struct h1_connection){0};
	for (uint32_t i = 0; i < f->n; i++) {
		struct slice rest = f->at[i].value, part;

		if (f->at[i].id != FIELD_CONNECTION)
			continue;
		while (slice_cut(&rest, ',', &part)) {
			part = slice_trim(part);
			if (++names > CONNECTION_NAMES) {
				*why = "too many names in Connection";
				return false;
			}
			if (!part.len)
				continue;
			if (!bytes_is_token(part)) {
				*why = "Connection is not a list of names";
				return false;
			}
			connection_option(f, part, out);
		}
	}
	return true;
}

bool h1_length(struct slice value, uint64_t *out)
{
	return value.len <= 19 && text_uint(value, out) && *out <= INT64_MAX;
}
