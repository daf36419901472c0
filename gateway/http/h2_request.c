/* h2_request.c -- one header list to the canonical request, or the status to refuse it with.
 *
 * nghttp2 has looked at the list, too; nothing here relies on it.  What the two versions of HTTP have in
 * common is read by the same functions, so that one request gets one verdict. */
#include "gateway/http/bytes.h"
#include "gateway/http/h2.h"
#include "gateway/http/parts.h"

enum { BOMB = 4 };

/* ---- Collecting ---- */

/* Before each field in `bytes`: how long its name and its value are. */
struct lengths {
	uint32_t name, value;
};

void h2_list_init(struct h2_list *l, struct budget *b)
{
	*l = (struct h2_list){.size = 0};
	buf_init(&l->bytes, b);
}

void h2_list_clear(struct h2_list *l)
{
	l->bytes.start = l->bytes.end = 0;
	l->size = l->count = 0;
	l->out_of_memory = false;
}

void h2_list_done(struct h2_list *l)
{
	buf_done(&l->bytes);
}

/* As in HTTP/1.1, where a cookie's crumbs count as fields too. */
static uint64_t weight(struct slice name, struct slice value)
{
	uint64_t n = 1;

	if (name.len && name.at[0] == ':')
		return 0;
	if (slice_eq(name, SLICE("cookie")))
		for (size_t i = 0; i < value.len; i++)
			n += value.at[i] == ';';
	return n;
}

static bool beyond(const struct h2_list *l, const struct h1_limits *limits, uint64_t times)
{
	return l->size > times * limits->head_bytes || l->count > times * limits->fields;
}

bool h2_list_add(struct h2_list *l, const struct h1_limits *limits, struct slice name, struct slice value)
{
	struct lengths lengths = {(uint32_t)name.len, (uint32_t)value.len};

	/* What it would take in HTTP/1.1: ": " and CRLF. */
	l->size += name.len + value.len + 4;
	l->count += weight(name, value);
	if (beyond(l, limits, 1))
		return !beyond(l, limits, BOMB);
	if (!buf_room(&l->bytes, (uint32_t)(sizeof lengths + name.len + value.len))) {
		l->out_of_memory = true;
		return true;
	}
	buf_put(&l->bytes, &lengths, sizeof lengths);
	buf_put_slice(&l->bytes, name);
	buf_put_slice(&l->bytes, value);
	return true;
}

void h2_cut_field(struct slice *rest, struct slice *name, struct slice *value)
{
	struct lengths lengths;

	memcpy(&lengths, rest->at, sizeof lengths);
	*name = slice_make(rest->at + sizeof lengths, lengths.name);
	*value = slice_make(name->at + name->len, lengths.value);
	*rest = slice_after(*rest, sizeof lengths + name->len + value->len);
}

/* ---- Pseudo-fields ---- */

enum pseudo { METHOD, SCHEME, AUTHORITY, PATH, PROTOCOL, PSEUDOS };

struct parts {
	struct slice pseudo[PSEUDOS], host; /* at NULL: not there */
	unsigned crumbs;
	bool regular; /* a field that is no pseudo-field has come */
};

static unsigned read_pseudo(struct parts *p, struct slice name, struct slice value, const char **why)
{
	static const struct slice names[PSEUDOS] = {
		[METHOD] = {":method", 7}, [SCHEME] = {":scheme", 7}, [AUTHORITY] = {":authority", 10}, [PATH] = {":path", 5},
		[PROTOCOL] = {":protocol", 9}};

	if (p->regular)
		return h1_refuse(why, 400, "a pseudo-field behind a field");
	for (unsigned i = 0; i < PSEUDOS; i++) {
		if (!slice_eq(name, names[i]))
			continue;
		if (p->pseudo[i].at)
			return h1_refuse(why, 400, "a pseudo-field twice");
		p->pseudo[i] = value;
		return 0;
	}
	return h1_refuse(why, 400, "an unknown pseudo-field");
}

/* ---- Fields ---- */

bool h2_is_name(struct slice name, bool *odd)
{
	*odd = false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = (uint8_t)name.at[i];

		if (!c || bytes_token[c] != c)
			return false;
		*odd |= !byte_is(name.at[i], BYTE_NAME);
	}
	return name.len > 0;
}

/* Section 8.2.1; DEL and the other controls as in HTTP/1.1. */
bool h2_is_value(struct slice value)
{
	return bytes_control(value.at, value.len) == value.len && slice_trim(value).len == value.len;
}

bool h2_is_of_connection(const struct field *f)
{
	switch (f->id) {
	case FIELD_CONNECTION:
	case FIELD_KEEP_ALIVE:
	case FIELD_PROXY_CONNECTION:
	case FIELD_TRANSFER_ENCODING:
	case FIELD_UPGRADE:
	case FIELD_HTTP2_SETTINGS:
		return true;
	case FIELD_TE:
		return !slice_ieq(f->value, SLICE("trailers"));
	default:
		return false;
	}
}

static unsigned read_field(struct arena *a, struct parts *p, struct slice name, struct slice value, struct request *out,
			   const char **why)
{
	unsigned status;
	bool odd;

	p->regular = true;
	if (!h2_is_name(name, &odd))
		return h1_refuse(why, 400, "a field name that is not a token in lower case");
	if (!h2_is_value(value))
		return h1_refuse(why, 400, "a control character or white space around a field value");
	if (slice_eq(name, SLICE("host"))) {
		if (p->host.at)
			return h1_refuse(why, 400, "more than one Host");
		p->host = value;
		return 0;
	}
	status = h1_field(a, name, value, odd, H1_TO_ORIGIN, &out->fields, why);
	if (status)
		return status;
	if (h2_is_of_connection(&out->fields.at[out->fields.n - 1]))
		return h1_refuse(why, 400, "a field of a connection, which HTTP/2 has not");
	p->crumbs += out->fields.at[out->fields.n - 1].id == FIELD_COOKIE;
	return 0;
}

/* Section 8.2.3: one field again, in the place of the first crumb. */
static unsigned join_crumbs(struct arena *a, struct fields *f, const char **why)
{
	struct field *first = NULL;
	size_t len = 0;
	uint32_t kept = 0;
	char *at;

	for (uint32_t i = 0; i < f->n; i++)
		if (f->at[i].id == FIELD_COOKIE)
			len += f->at[i].value.len + 2;
	at = arena_take(a, len);
	if (!at)
		return h1_refuse(why, 503, h1_no_memory);
	len = 0;
	for (uint32_t i = 0; i < f->n; i++) {
		struct field *one = &f->at[i];

		if (one->id != FIELD_COOKIE || !first)
			f->at[kept++] = *one;
		if (one->id != FIELD_COOKIE)
			continue;
		if (first) {
			memcpy(at + len, "; ", 2);
			len += 2;
		} else {
			first = &f->at[kept - 1];
		}
		if (one->value.len)
			memcpy(at + len, one->value.at, one->value.len);
		len += one->value.len;
	}
	/* Behind an empty one there is a space that HTTP/1.1 does not carry. */
	first->value = slice_trim(slice_make(at, len));
	f->n = kept;
	return 0;
}

/* ---- The whole ---- */

static unsigned of_refusal(const char *why)
{
	return why == h1_no_memory ? 503 : 400;
}

/* :authority and Host name the same, if both are there: nobody shall find another name than we did.  The field
 * stands first, as it does in HTTP/1.1. */
static unsigned read_authority(struct arena *a, const struct parts *p, struct request *out, const char **why)
{
	struct slice said = p->pseudo[AUTHORITY].at ? p->pseudo[AUTHORITY] : p->host;
	struct request named = {0};

	if (!said.at)
		return h1_refuse(why, 400, "neither :authority nor Host");
	if (!h1_authority(a, said, out->secure, out, why))
		return of_refusal(*why);
	if (p->host.at && !slice_eq(p->host, said) &&
	    (!h1_authority(a, p->host, out->secure, &named, why) || !slice_eq(named.authority, out->authority)))
		return h1_refuse(why, 400, ":authority and Host are not the same");
	out->fields.at[0].value = said;
	return 0;
}

/* With it there is exactly so much content; without it, as much as comes. */
static unsigned read_length(const struct field *length, bool ended, struct request *out, const char **why)
{
	if (length && !h1_length(length->value, &out->content_length))
		return h1_refuse(why, 400, "Content-Length is not a number");
	if (ended && out->content_length)
		return h1_refuse(why, 400, "Content-Length without content");
	if (length && out->content_length)
		out->body = HTTP_BODY_LENGTH;
	else if (!length && !ended)
		out->body = HTTP_BODY_CHUNKED;
	return 0;
}

static unsigned read_path(struct arena *a, struct slice path, const struct h1_limits *limits, struct request *out,
			  const char **why)
{
	if (path.len > limits->target_bytes)
		return h1_refuse(why, 414, "the target is too long");
	if (slice_eq(path, SLICE("*")) && slice_eq(out->method, SLICE("OPTIONS"))) {
		h1_asterisk(out, path);
		return 0;
	}
	return h1_target(a, path, out, why) ? 0 : of_refusal(*why);
}

static unsigned read_scheme(struct slice scheme, const struct request *out, const char **why)
{
	bool secure = slice_ieq(scheme, SLICE("https"));

	if (!secure && !slice_ieq(scheme, SLICE("http")))
		return h1_refuse(why, 400, "the scheme is neither http nor https");
	return secure == out->secure ? 0 : h1_refuse(why, 421, "the scheme is not the connection's");
}

/* Pseudo-fields and fields of the block, which is in the arena. */
static unsigned read_block(struct arena *a, struct slice block, struct parts *p, struct request *out, const char **why)
{
	struct slice name, value;
	unsigned status = h1_field(a, SLICE("host"), SLICE(""), false, H1_TO_ORIGIN, &out->fields, why);

	while (block.len && !status) {
		h2_cut_field(&block, &name, &value);
		if (name.len && name.at[0] == ':')
			status = read_pseudo(p, name, value, why);
		else
			status = read_field(a, p, name, value, out, why);
	}
	if (!status && p->crumbs > 1)
		status = join_crumbs(a, &out->fields, why);
	return status;
}

/* An extended CONNECT (RFC 8441 section 4) becomes the GET that it stands for: there is one handshake. */
static unsigned read_extended(const struct parts *p, struct request *out, const char **why)
{
	if (!slice_eq(p->pseudo[METHOD], SLICE("CONNECT")))
		return h1_refuse(why, 400, ":protocol of a method other than CONNECT");
	if (!p->pseudo[SCHEME].at || !p->pseudo[PATH].at || !p->pseudo[AUTHORITY].at)
		return h1_refuse(why, 400, "an extended CONNECT without :scheme, :authority or :path");
	if (!slice_eq(p->pseudo[PROTOCOL], SLICE("websocket")))
		return h1_refuse(why, 501, "an extended CONNECT for another protocol than websocket");
	out->upgrade = HTTP_UPGRADE_WEBSOCKET;
	return h1_method(SLICE("GET"), out, why);
}

/* What all requests must have but CONNECT, which is refused for what it is (section 8.5). */
static unsigned read_method(const struct parts *p, struct request *out, const char **why)
{
	if (!p->pseudo[METHOD].at)
		return h1_refuse(why, 400, "no :method");
	if (p->pseudo[PROTOCOL].at)
		return read_extended(p, out, why);
	if (!slice_eq(p->pseudo[METHOD], SLICE("CONNECT")) && (!p->pseudo[SCHEME].at || !p->pseudo[PATH].at))
		return h1_refuse(why, 400, "no :scheme or no :path");
	return h1_method(p->pseudo[METHOD], out, why);
}

/* What follows is no content, and has no length; nobody begins a tunnel by ending it. */
static unsigned check_extended(const struct h1_singles *found, bool ended, const struct request *out, const char **why)
{
	const struct field *version;
	uint32_t i = 0;

	if (found->length || found->expect || ended)
		return h1_refuse(why, 400, "an extended CONNECT with a length, an expectation or an end");
	version = fields_next(&out->fields, SLICE("sec-websocket-version"), &i);
	if (!version || !slice_is(version->value, "13") || fields_next(&out->fields, SLICE("sec-websocket-version"), &i))
		return h1_refuse(why, 400, "a WebSocket of another version than 13");
	return 0;
}

static unsigned read_fields(bool ended, struct request *out, const char **why)
{
	struct h1_singles found;
	unsigned status = h1_singles(&out->fields, &found, why);

	if (!status && out->upgrade == HTTP_UPGRADE_WEBSOCKET)
		return check_extended(&found, ended, out, why);
	if (!status)
		status = read_length(found.length, ended, out, why);
	return status ? status : h1_expect(found.expect, out, why);
}

unsigned h2_request(struct arena *a, const struct h2_list *l, bool ended, const struct h1_limits *limits, bool secure,
		    struct request *out, const char **why)
{
	struct parts p = {.crumbs = 0};
	struct slice block;
	unsigned status;

	*out = (struct request){.secure = secure, .minor = 1, .keep_alive = true};
	if (l->size > limits->head_bytes)
		return h1_refuse(why, 431, "the head is too long");
	if (l->count > limits->fields)
		return h1_refuse(why, 431, "too many fields");
	block = l->out_of_memory ? SLICE_NONE : arena_copy(a, buf_slice(&l->bytes));
	if (!block.at)
		return h1_refuse(why, 503, h1_no_memory);
	status = read_block(a, block, &p, out, why);
	if (!status)
		status = read_method(&p, out, why);
	if (!status)
		status = read_authority(a, &p, out, why);
	if (!status)
		status = read_fields(ended, out, why);
	if (!status)
		status = read_scheme(p.pseudo[SCHEME], out, why);
	return status ? status : read_path(a, p.pseudo[PATH], limits, out, why);
}
