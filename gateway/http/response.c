/* response.c -- an origin's response head: strict, because an origin may be broken or taken over.
 *
 * What the head says about its body is decided here, from the request as well
 * (RFC 9112 section 6.3). */
#include "gateway/http/bytes.h"
#include "gateway/http/parts.h"

static bool bad(const char **why, const char *text)
{
	*why = text;
	return false;
}

/* "HTTP/1.1 200 reason"; the reason is dropped.  The space behind the code is often forgotten. */
static bool read_line(struct slice line, struct response *out, const char **why)
{
	const char *code = line.at + 9;

	if (line.len < 12 || !slice_starts(line, SLICE("HTTP/1.")) || (line.at[7] != '0' && line.at[7] != '1') ||
	    line.at[8] != ' ')
		return bad(why, "the origin does not speak HTTP/1.1");
	if (code[0] < '1' || code[0] > '5' || !byte_is_digit(code[1]) || !byte_is_digit(code[2]))
		return bad(why, "the origin's status is not 100 to 599");
	if (line.len > 12 && line.at[12] != ' ')
		return bad(why, "the origin's status line is malformed");
	out->minor = (uint8_t)(line.at[7] - '0');
	out->status = (uint16_t)((code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'));
	return true;
}

struct framing {
	const struct field *length, *coding;
};

static bool gather(const struct fields *fields, struct framing *f, const char **why)
{
	for (uint32_t i = 0; i < fields->n; i++) {
		const struct field **slot = fields->at[i].id == FIELD_CONTENT_LENGTH      ? &f->length
					    : fields->at[i].id == FIELD_TRANSFER_ENCODING ? &f->coding
											  : NULL;

		if (slot && *slot)
			return bad(why, "the origin sent a framing field twice");
		if (slot)
			*slot = &fields->at[i];
	}
	return true;
}

static bool read_framing(struct response *out, const char **why)
{
	struct framing f = {0};

	if (!gather(&out->fields, &f, why))
		return false;
	if (f.length && f.coding)
		return bad(why, "the origin sent both Content-Length and Transfer-Encoding");
	if (f.coding && (out->minor == 0 || !slice_ieq(f.coding->value, SLICE("chunked"))))
		return bad(why, "the origin's Transfer-Encoding is not \"chunked\"");
	if (f.length && !h1_length(f.length->value, &out->content_length))
		return bad(why, "the origin's Content-Length is not a number");
	out->has_length = f.length != NULL;
	out->body = f.coding ? HTTP_BODY_CHUNKED : f.length ? HTTP_BODY_LENGTH : HTTP_BODY_CLOSE;
	return true;
}

/* ---- 101 ---- */

static bool is_handshake(const struct request *req, const struct response *res, const struct h1_connection *c)
{
	static const struct slice key = {"sec-websocket-key", 17}, accept = {"sec-websocket-accept", 20};
	const struct field *upgrade = fields_find(&res->fields, FIELD_UPGRADE), *asked, *answer;
	char want[WEBSOCKET_ACCEPT];
	uint32_t i = 0, k = 0;

	if (req->upgrade != HTTP_UPGRADE_WEBSOCKET || res->minor != 1 || !c->upgrade || !upgrade)
		return false;
	if (!slice_ieq(upgrade->value, SLICE("websocket")) || fields_count(&res->fields, FIELD_UPGRADE) != 1)
		return false;
	asked = fields_next(&req->fields, key, &i);
	answer = fields_next(&res->fields, accept, &k);
	if (!asked || !websocket_is_key(asked->value) || !answer || fields_next(&res->fields, accept, &k))
		return false;
	websocket_accept(asked->value, want);
	return slice_eq(answer->value, slice_make(want, sizeof want)) && websocket_agrees(&req->fields, &res->fields);
}

/* ---- The whole ---- */

static bool has_no_content(const struct request *req, unsigned status)
{
	return req->head || status < 200 || status == 204 || status == 304;
}

/* Some origins send content where none can be, a little later than the head that announced it.  It is never
 * read; were the connection used again, it would be the answer to somebody else's request. */
static bool may_send_more(const struct request *req, const struct response *r)
{
	if (r->body == HTTP_BODY_CLOSE)
		return req->head;
	return r->body == HTTP_BODY_CHUNKED || r->content_length;
}

bool http_is_events(const struct fields *fields)
{
	const struct field *type = fields_find(fields, FIELD_CONTENT_TYPE);
	struct slice said = type ? slice_trim(slice_first(type->value, slice_find(type->value, ';'))) : SLICE_NONE;

	return slice_ieq(said, SLICE("text/event-stream")) && fields_count(fields, FIELD_CONTENT_TYPE) == 1;
}

static bool judge(const struct request *req, struct response *out, const char **why)
{
	struct h1_connection c;
	bool wants_none = has_no_content(req, out->status);

	if (!h1_connection(&out->fields, &c, why) || !read_framing(out, why))
		return false;
	if (out->status == 101 && !is_handshake(req, out, &c))
		return bad(why, "the origin switched protocols unasked, or wrongly");
	out->keep_alive = !c.close && (out->minor == 1 || c.keep_alive) && out->status != 101;
	if (out->body == HTTP_BODY_CLOSE && !wants_none)
		out->keep_alive = false;
	if (wants_none && may_send_more(req, out))
		out->keep_alive = false;
	out->events = !wants_none && http_is_events(&out->fields);
	if (wants_none || (out->body == HTTP_BODY_LENGTH && !out->content_length))
		out->body = HTTP_BODY_NONE;
	return true;
}

bool h1_response(struct arena *a, struct slice head, const struct h1_limits *limits, const struct request *req,
		 struct response *out, const char **why)
{
	size_t line;
	char *at;

	*out = (struct response){0};
	if (head.len > limits->head_bytes)
		return bad(why, "the origin's head is too long");
	if (!slice_ends(head, SLICE("\r\n\r\n")))
		return bad(why, "the origin's head does not end with an empty line");
	at = arena_take(a, head.len);
	if (!at)
		return bad(why, h1_no_memory);
	memcpy(at, head.at, head.len);
	line = bytes_control(at, head.len);
	if (at[line] != '\r' || at[line + 1] != '\n')
		return bad(why, "a control character in the origin's status line");
	if (!read_line(slice_make(at, line), out, why))
		return false;
	if (h1_section(a, at + line + 2, at + head.len, limits->fields, H1_TO_CLIENT, &out->fields, why))
		return false;
	return judge(req, out, why);
}
