/* request.c -- a request head to the canonical request, or the status to refuse it with.
 *
 * The head is copied into the arena once and sliced there.  The order of the
 * checks is the order of the bytes, except that framing is judged when all
 * fields are known. */
#include "gateway/http/bytes.h"
#include "gateway/http/parts.h"

enum { METHOD_MAX = 32 };

/* ---- The request line ---- */

static unsigned read_version(struct slice version, struct request *out, const char **why)
{
	if (version.len != 8 || !slice_starts(version, SLICE("HTTP/")) || !byte_is_digit(version.at[5]) ||
	    version.at[6] != '.' || !byte_is_digit(version.at[7]))
		return h1_refuse(why, 400, "the request line does not end with a version");
	if (version.at[5] != '1' || version.at[7] > '1')
		return h1_refuse(why, 505, "neither HTTP/1.1 nor HTTP/1.0");
	out->minor = (uint8_t)(version.at[7] - '0');
	return 0;
}

unsigned h1_method(struct slice method, struct request *out, const char **why)
{
	if (!bytes_is_token(method))
		return h1_refuse(why, 400, "the method is not a token");
	if (method.len > METHOD_MAX)
		return h1_refuse(why, 501, "the method is longer than any we know");
	if (slice_eq(method, SLICE("CONNECT")) || slice_eq(method, SLICE("TRACE")))
		return h1_refuse(why, 405, "a method that is never served");
	out->method = method;
	out->head = slice_eq(method, SLICE("HEAD"));
	return 0;
}

/* `line` is without its CRLF. */
static unsigned read_line(struct slice line, const struct h1_limits *limits, struct request *out, struct slice *target,
			  const char **why)
{
	size_t space = slice_find(line, ' ');
	struct slice rest = slice_after(line, space < line.len ? space + 1 : line.len);
	unsigned status;

	*target = slice_first(rest, slice_find(rest, ' '));
	if (target->len == rest.len)
		return h1_refuse(why, 400, "the request line does not have three parts");
	status = h1_method(slice_first(line, space), out, why);
	if (status)
		return status;
	if (target->len > limits->target_bytes)
		return h1_refuse(why, 414, "the target is too long");
	return read_version(slice_after(rest, target->len + 1), out, why);
}

/* ---- The target ---- */

static unsigned of_refusal(const char *why)
{
	return why == h1_no_memory ? 503 : 400;
}

void h1_asterisk(struct request *out, struct slice raw)
{
	out->raw_target = raw;
	out->path = out->target = SLICE("*");
	out->query = SLICE("");
	out->has_query = false;
}

static bool cut_scheme(struct slice *target, bool *secure)
{
	static const struct slice plain = {"http://", 7}, tls = {"https://", 8};

	*secure = target->len > tls.len && slice_ieq(slice_first(*target, tls.len), tls);
	if (!*secure && (target->len <= plain.len || !slice_ieq(slice_first(*target, plain.len), plain)))
		return false;
	*target = slice_after(*target, *secure ? tls.len : plain.len);
	return true;
}

/* The path behind an authority may be empty or begin at "?"; a "/" is then put before it. */
static unsigned read_rest(struct arena *a, struct slice rest, struct request *out, const char **why)
{
	char *at;

	if (rest.len && rest.at[0] == '/')
		return h1_target(a, rest, out, why) ? 0 : of_refusal(*why);
	if (!rest.len && slice_eq(out->method, SLICE("OPTIONS"))) {
		h1_asterisk(out, rest);
		return 0;
	}
	at = arena_take(a, rest.len + 1);
	if (!at)
		return h1_refuse(why, 503, h1_no_memory);
	at[0] = '/';
	if (rest.len)
		memcpy(at + 1, rest.at, rest.len);
	return h1_target(a, slice_make(at, rest.len + 1), out, why) ? 0 : of_refusal(*why);
}

/* Absolute form: its authority replaces the one that Host had (RFC 9112 section 3.2.2), so that everybody from
 * here on, filters and origin, sees only this one. */
static unsigned read_absolute(struct arena *a, struct slice target, struct request *out, const char **why)
{
	struct slice rest = target;
	size_t end = 0;
	bool secure;
	unsigned status;

	if (!cut_scheme(&rest, &secure))
		return h1_refuse(why, 400, "the target is neither a path nor an http address");
	while (end < rest.len && rest.at[end] != '/' && rest.at[end] != '?' && rest.at[end] != '#')
		end++;
	if (!h1_authority(a, slice_first(rest, end), secure, out, why))
		return of_refusal(*why);
	if (secure != out->secure)
		return h1_refuse(why, 421, "the target's scheme is not the connection's");
	status = read_rest(a, slice_after(rest, end), out, why);
	out->raw_target = target;
	return status;
}

static unsigned read_target(struct arena *a, struct slice target, struct request *out, const char **why)
{
	if (target.len && target.at[0] == '/')
		return h1_target(a, target, out, why) ? 0 : of_refusal(*why);
	if (!slice_eq(target, SLICE("*")))
		return read_absolute(a, target, out, why);
	if (!slice_eq(out->method, SLICE("OPTIONS")))
		return h1_refuse(why, 400, "\"*\" is for OPTIONS only");
	h1_asterisk(out, target);
	return 0;
}

/* ---- Fields ---- */

enum single { NOT_SINGLE, HOST, LENGTH, CODING, TYPE, AUTHORIZATION, EXPECT, UPGRADE, SINGLES };

/* Fields that are looked at by name, and what a second one gets; only Upgrade may be repeated. */
static const struct {
	enum single slot;
	unsigned status;
	const char *twice;
} singles[FIELD_NAMES] = {
	[FIELD_HOST] = {HOST, 400, "more than one Host"},
	[FIELD_CONTENT_LENGTH] = {LENGTH, 400, "more than one Content-Length"},
	[FIELD_TRANSFER_ENCODING] = {CODING, 400, "more than one Transfer-Encoding"},
	[FIELD_CONTENT_TYPE] = {TYPE, 400, "more than one Content-Type"},
	[FIELD_AUTHORIZATION] = {AUTHORIZATION, 400, "more than one Authorization"},
	[FIELD_EXPECT] = {EXPECT, 417, "more than one Expect"},
	[FIELD_UPGRADE] = {UPGRADE, 0, NULL},
};

struct found {
	const struct field *at[SINGLES];
};

static unsigned gather(const struct fields *fields, struct found *found, const char **why)
{
	for (uint32_t i = 0; i < fields->n; i++) {
		const struct field *f = &fields->at[i];
		enum single slot = singles[f->id].slot;

		if (slot == NOT_SINGLE)
			continue;
		if (found->at[slot] && singles[f->id].status)
			return h1_refuse(why, singles[f->id].status, singles[f->id].twice);
		found->at[slot] = f;
	}
	return 0;
}

unsigned h1_singles(const struct fields *fields, struct h1_singles *out, const char **why)
{
	struct found found = {0};
	unsigned status = gather(fields, &found, why);

	*out = (struct h1_singles){found.at[HOST], found.at[LENGTH], found.at[EXPECT]};
	return status;
}

/* No tab before the value and nothing behind it: white space there is how a transfer coding is
 * shown to one server and hidden from another.  Values still lie in the head, so we can look. */
static bool is_tight(const struct field *f)
{
	for (const char *p = f->value.at - 1; *p != ':'; p--)
		if (*p == '\t')
			return false;
	return f->value.at[f->value.len] == '\r';
}

static bool is_other_coding(struct slice coding)
{
	static const char *const known[] = {"gzip", "x-gzip", "deflate", "compress", "x-compress", "identity", "br", "zstd"};

	for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
		if (slice_ieq(coding, slice_of(known[i])))
			return true;
	return false;
}

static unsigned read_coding(const struct field *coding, struct request *out, const char **why)
{
	if (out->minor == 0)
		return h1_refuse(why, 400, "Transfer-Encoding in HTTP/1.0");
	if (!is_tight(coding))
		return h1_refuse(why, 400, "white space around Transfer-Encoding");
	if (is_other_coding(coding->value))
		return h1_refuse(why, 501, "a transfer coding other than chunked");
	if (!slice_ieq(coding->value, SLICE("chunked")))
		return h1_refuse(why, 400, "Transfer-Encoding is not \"chunked\"");
	out->body = HTTP_BODY_CHUNKED;
	return 0;
}

/* RFC 9112 section 6.3, without any of its repairs. */
static unsigned read_framing(const struct found *found, struct request *out, const char **why)
{
	if (found->at[LENGTH] && found->at[CODING])
		return h1_refuse(why, 400, "both Content-Length and Transfer-Encoding");
	if (found->at[CODING])
		return read_coding(found->at[CODING], out, why);
	if (!found->at[LENGTH])
		return 0;
	if (!h1_length(found->at[LENGTH]->value, &out->content_length))
		return h1_refuse(why, 400, "Content-Length is not a number");
	if (out->content_length)
		out->body = HTTP_BODY_LENGTH;
	return 0;
}

unsigned h1_expect(const struct field *expect, struct request *out, const char **why)
{
	if (!expect)
		return 0;
	if (!slice_ieq(expect->value, SLICE("100-continue")))
		return h1_refuse(why, 417, "an expectation other than 100-continue");
	out->expect_continue = out->minor == 1 && out->body != HTTP_BODY_NONE;
	return 0;
}

/* ---- What follows the request ---- */

static const struct field *only(const struct fields *f, struct slice name)
{
	uint32_t i = 0;
	const struct field *found = fields_next(f, name, &i);

	return found && !fields_next(f, name, &i) ? found : NULL;
}

/* A handshake as RFC 6455 section 4.1 wants it; anything less is an ordinary request, and its
 * Upgrade goes no further. */
static bool is_websocket(const struct request *r, const struct found *found)
{
	const struct field *version, *key;

	if (!slice_ieq(found->at[UPGRADE]->value, SLICE("websocket")) || fields_count(&r->fields, FIELD_UPGRADE) != 1)
		return false;
	if (r->minor != 1 || r->body != HTTP_BODY_NONE || !slice_eq(r->method, SLICE("GET")))
		return false;
	version = only(&r->fields, SLICE("sec-websocket-version"));
	key = only(&r->fields, SLICE("sec-websocket-key"));
	return version && key && slice_is(version->value, "13") && websocket_is_key(key->value);
}

/* An HTTP/1.0 request that may have content without saying so ends its connection: what follows
 * is never taken for a request. */
static bool may_continue(const struct request *r, const struct found *found, const struct h1_connection *c)
{
	if (c->close)
		return false;
	if (r->minor == 1)
		return true;
	return c->keep_alive && (found->at[LENGTH] || r->head || slice_eq(r->method, SLICE("GET")));
}

static unsigned read_fields(struct arena *a, struct request *out, const char **why)
{
	struct found found = {0};
	struct h1_connection connection;
	unsigned status = gather(&out->fields, &found, why);

	if (status)
		return status;
	if (!found.at[HOST])
		return h1_refuse(why, 400, "no Host");
	if (!h1_authority(a, found.at[HOST]->value, out->secure, out, why))
		return of_refusal(*why);
	status = read_framing(&found, out, why);
	if (!status)
		status = h1_expect(found.at[EXPECT], out, why);
	if (status)
		return status;
	if (!h1_connection(&out->fields, &connection, why))
		return 400;
	out->keep_alive = may_continue(out, &found, &connection);
	if (connection.upgrade && found.at[UPGRADE] && is_websocket(out, &found))
		out->upgrade = HTTP_UPGRADE_WEBSOCKET;
	return 0;
}

unsigned h1_request(struct arena *a, struct slice head, const struct h1_limits *limits, bool secure,
		    struct request *out, const char **why)
{
	struct slice target;
	unsigned status;
	size_t line;
	char *at;

	*out = (struct request){.secure = secure};
	if (head.len > limits->head_bytes)
		return h1_refuse(why, 431, "the head is too long");
	if (!slice_ends(head, SLICE("\r\n\r\n")))
		return h1_refuse(why, 400, "the head does not end with an empty line");
	at = arena_take(a, head.len);
	if (!at)
		return h1_refuse(why, 503, h1_no_memory);
	memcpy(at, head.at, head.len);
	line = bytes_control(at, head.len);
	if (at[line] != '\r' || at[line + 1] != '\n')
		return h1_refuse(why, 400, "a control character in the request line");
	status = read_line(slice_make(at, line), limits, out, &target, why);
	if (!status)
		status = h1_section(a, at + line + 2, at + head.len, limits->fields, H1_TO_ORIGIN, &out->fields, why);
	if (!status)
		status = h1_cookies(a, &out->fields) ? read_fields(a, out, why) : h1_refuse(why, 503, h1_no_memory);
	return status ? status : read_target(a, target, out, why);
}
