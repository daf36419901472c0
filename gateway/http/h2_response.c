/* h2_response.c -- header lists of an origin, and trailers of both sides: strict, as in HTTP/1.1.
 *
 * nghttp2 has looked at the lists, too; nothing here relies on it. */
#include "gateway/http/bytes.h"
#include "gateway/http/h2.h"
#include "gateway/http/parts.h"

static bool bad(const char **why, const char *text)
{
	*why = text;
	return false;
}

static bool fits(const struct h2_list *l, const struct h1_limits *limits, const char **why)
{
	if (l->out_of_memory)
		return bad(why, h1_no_memory);
	if (l->size > limits->head_bytes)
		return bad(why, "the header list is too long");
	return l->count <= limits->fields || bad(why, "too many fields");
}

static bool read_field(struct arena *a, struct slice name, struct slice value, enum h1_way way, struct fields *out,
		       const char **why)
{
	bool odd;

	if (name.len && name.at[0] == ':')
		return bad(why, "a pseudo-field out of place");
	if (!h2_is_name(name, &odd))
		return bad(why, "a field name that is not a token in lower case");
	if (!h2_is_value(value))
		return bad(why, "a control character or white space around a field value");
	if (h1_field(a, name, value, odd, way, out, why))
		return false;
	if (h2_is_of_connection(&out->at[out->n - 1]))
		return bad(why, "a field of a connection, which HTTP/2 has not");
	return true;
}

/* Section 8.3.2: one pseudo-field, and it comes first. */
static bool read_status(struct slice name, struct slice value, struct response *out, const char **why)
{
	const char *code = value.at;

	if (!slice_eq(name, SLICE(":status")))
		return bad(why, "the origin's answer does not begin with :status");
	if (value.len != 3 || code[0] < '1' || code[0] > '5' || !byte_is_digit(code[1]) || !byte_is_digit(code[2]))
		return bad(why, "the origin's status is not 100 to 599");
	out->status = (uint16_t)((code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'));
	return out->status != 101 || bad(why, "the origin switched protocols, which HTTP/2 has not");
}

static bool read_length(bool ended, const struct request *req, struct response *out, const char **why)
{
	const struct field *length = fields_find(&out->fields, FIELD_CONTENT_LENGTH);
	bool none = req->head || out->status < 200 || out->status == 204 || out->status == 304;

	if (fields_count(&out->fields, FIELD_CONTENT_LENGTH) > 1)
		return bad(why, "the origin sent a framing field twice");
	if (length && !h1_length(length->value, &out->content_length))
		return bad(why, "the origin's Content-Length is not a number");
	if (length && out->content_length && ended && !none)
		return bad(why, "the origin announced content and sent none");
	if (out->status < 200 && ended)
		return bad(why, "the origin ended with an informational answer");
	out->has_length = length != NULL;
	out->events = !none && http_is_events(&out->fields);
	if (none || (length && !out->content_length) || ended)
		out->body = HTTP_BODY_NONE;
	else
		out->body = length ? HTTP_BODY_LENGTH : HTTP_BODY_CHUNKED;
	return true;
}

bool h2_response(struct arena *a, const struct h2_list *l, bool ended, const struct h1_limits *limits,
		 const struct request *req, struct response *out, const char **why)
{
	struct slice block, name = SLICE_NONE, value = SLICE_NONE;

	*out = (struct response){.minor = 1, .keep_alive = true};
	if (!fits(l, limits, why))
		return false;
	block = arena_copy(a, buf_slice(&l->bytes));
	if (!block.at)
		return bad(why, h1_no_memory);
	if (block.len)
		h2_cut_field(&block, &name, &value);
	if (!read_status(name, value, out, why))
		return false;
	while (block.len) {
		h2_cut_field(&block, &name, &value);
		if (!read_field(a, name, value, H1_TO_CLIENT, &out->fields, why))
			return false;
	}
	return read_length(ended, req, out, why);
}

bool h2_trailers(struct arena *a, const struct h2_list *l, const struct h1_limits *limits, bool to_origin,
		 struct fields *out, const char **why)
{
	struct slice block, name, value;

	*out = (struct fields){0};
	if (!fits(l, limits, why))
		return false;
	block = arena_copy(a, buf_slice(&l->bytes));
	if (!block.at)
		return bad(why, h1_no_memory);
	while (block.len) {
		h2_cut_field(&block, &name, &value);
		if (!read_field(a, name, value, to_origin ? H1_TO_ORIGIN : H1_TO_CLIENT, out, why))
			return false;
	}
	http_hide_trailers(out);
	return true;
}
