/* write.c -- messages to bytes: the only place where a head is put together.
 *
 * Every byte is looked at again here, whoever made the message: no CR, LF or
 * NUL leaves the gateway inside a name or a value.  First the length is summed
 * up and everything checked, then it is copied: a head is written whole or not
 * at all. */
#include "gateway/http/bytes.h"
#include "gateway/http/h1.h"

enum side { REQUEST, RESPONSE };

/* What this file writes itself, or what belongs to another connection. */
static const bool ours[FIELD_NAMES] = {
	[FIELD_CONTENT_LENGTH] = true,
	[FIELD_TRANSFER_ENCODING] = true,
	[FIELD_CONNECTION] = true,
	[FIELD_KEEP_ALIVE] = true,
	[FIELD_PROXY_CONNECTION] = true,
	[FIELD_UPGRADE] = true,
	[FIELD_HTTP2_SETTINGS] = true,
	[FIELD_EXPECT] = true,
};

static bool is_field(const struct field *f, enum side side)
{
	/* Said to HTTP/1.0 clients, who do not take it for granted. */
	bool keep_alive = f->id == FIELD_CONNECTION && side == RESPONSE && slice_is(f->value, "keep-alive");

	if ((ours[f->id] && !keep_alive) || (f->id == FIELD_HOST && side == REQUEST))
		return false;
	return bytes_is_token(f->name) && bytes_control(f->value.at, f->value.len) == f->value.len;
}

bool h1_may_answer(const struct field *f)
{
	return is_field(f, RESPONSE) && f->id != FIELD_CONNECTION;
}

bool h1_may_ask(const struct field *f)
{
	return is_field(f, REQUEST);
}

/* "name: value" CRLF of all that is not hidden; false if one of them may not be sent. */
static bool sum_fields(const struct fields *f, enum side side, size_t *sum)
{
	for (uint32_t i = 0; f && i < f->n; i++) {
		if (f->at[i].hidden)
			continue;
		if (!is_field(&f->at[i], side))
			return false;
		*sum += f->at[i].name.len + f->at[i].value.len + 4;
	}
	return true;
}

static char *put(char *at, struct slice s)
{
	if (s.len)
		memcpy(at, s.at, s.len);
	return at + s.len;
}

static char *put_fields(char *at, const struct fields *f)
{
	for (uint32_t i = 0; f && i < f->n; i++) {
		if (f->at[i].hidden)
			continue;
		at = put(at, f->at[i].name);
		*at++ = ':';
		*at++ = ' ';
		at = put(at, f->at[i].value);
		*at++ = '\r';
		*at++ = '\n';
	}
	return at;
}

/* ---- Framing ---- */

enum { FRAMING_MAX = 96 };

struct framing {
	char at[FRAMING_MAX]; /* the last lines of a head, its empty line included */
	size_t len;
};

static void say(struct framing *f, struct slice text)
{
	f->len = (size_t)(put(f->at + f->len, text) - f->at);
}

static void say_length(struct framing *f, uint64_t length)
{
	char digits[20];
	unsigned first = sizeof digits;

	do
		digits[--first] = (char)('0' + length % 10);
	while (length /= 10);
	say(f, SLICE("Content-Length: "));
	say(f, slice_make(digits + first, sizeof digits - first));
	say(f, SLICE("\r\n"));
}

static void say_body(struct framing *f, enum http_body body, uint64_t length, bool empty_too)
{
	if (body == HTTP_BODY_LENGTH || (body == HTTP_BODY_NONE && empty_too))
		say_length(f, body == HTTP_BODY_LENGTH ? length : 0);
	if (body == HTTP_BODY_CHUNKED)
		say(f, SLICE("Transfer-Encoding: chunked\r\n"));
}

/* ---- The whole ---- */

/* Appends the first line, two field lists and the framing. */
static bool write_head(struct buf *out, enum side side, const struct slice *line, unsigned parts,
		       const struct fields *fields, const struct fields *extra, const struct framing *framing)
{
	size_t sum = framing->len;
	char *at;

	for (unsigned i = 0; i < parts; i++)
		sum += line[i].len;
	if (!sum_fields(fields, side, &sum) || !sum_fields(extra, side, &sum))
		return false;
	if (sum > UINT32_MAX / 4 || !buf_room(out, (uint32_t)sum))
		return false;
	at = out->at + out->end;
	for (unsigned i = 0; i < parts; i++)
		at = put(at, line[i]);
	at = put_fields(at, fields);
	at = put_fields(at, extra);
	put(at, slice_make(framing->at, framing->len));
	out->end += (uint32_t)sum;
	return true;
}

static bool is_authority(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!byte_is(s.at[i], BYTE_HOST) && s.at[i] != ':' && s.at[i] != '[' && s.at[i] != ']')
			return false;
	return s.len > 0;
}

static bool is_target(const struct request *req)
{
	if (slice_eq(req->target, SLICE("*")))
		return slice_eq(req->method, SLICE("OPTIONS"));
	return req->target.len && req->target.at[0] == '/' &&
	       bytes_not_target(req->target.at, req->target.len) == req->target.len;
}

bool h1_may_be_sent(const struct request *req)
{
	return bytes_is_token(req->method) && is_target(req) && is_authority(req->authority);
}

/* Methods whose receiver expects content: without a length some origins wait for it. */
static bool expects_content(struct slice method)
{
	return slice_eq(method, SLICE("POST")) || slice_eq(method, SLICE("PUT")) || slice_eq(method, SLICE("PATCH"));
}

bool h1_write_request(struct buf *out, const struct request *req, const struct fields *extra, enum http_body body,
		      uint64_t length)
{
	struct slice line[] = {req->method, SLICE(" "), req->target, SLICE(" HTTP/1.1\r\nHost: "), req->authority,
			       SLICE("\r\n")};
	struct framing framing = {.len = 0};

	if (!h1_may_be_sent(req) || body == HTTP_BODY_CLOSE)
		return false;
	if (req->upgrade == HTTP_UPGRADE_WEBSOCKET)
		say(&framing, SLICE("Connection: upgrade\r\nUpgrade: websocket\r\n"));
	say_body(&framing, body, length, expects_content(req->method));
	say(&framing, SLICE("\r\n"));
	return write_head(out, REQUEST, line, sizeof line / sizeof *line, &req->fields, extra, &framing);
}

bool h1_write_response(struct buf *out, unsigned status, const struct fields *fields, const struct fields *extra,
		       enum http_body body, uint64_t length, bool keep_alive)
{
	char code[] = {'H', 'T', 'T', 'P', '/', '1', '.', '1', ' ', '0', '0', '0', ' '};
	struct slice line[] = {slice_make(code, sizeof code), slice_of(http_reason(status)), SLICE("\r\n")};
	struct framing framing = {.len = 0};

	if (status < 100 || status > 599)
		return false;
	code[9] = (char)('0' + status / 100);
	code[10] = (char)('0' + status / 10 % 10);
	code[11] = (char)('0' + status % 10);
	if (status == 101)
		say(&framing, SLICE("Connection: upgrade\r\nUpgrade: websocket\r\n"));
	else if (status >= 200) {
		if (status != 204)
			say_body(&framing, body, length, status != 304);
		if (!keep_alive)
			say(&framing, SLICE("Connection: close\r\n"));
	}
	say(&framing, SLICE("\r\n"));
	return write_head(out, RESPONSE, line, sizeof line / sizeof *line, fields, extra, &framing);
}

bool h1_write_last_chunk(struct buf *out, const struct fields *trailers)
{
	const struct slice last = SLICE("0\r\n");
	struct framing framing = {.len = 0};

	for (uint32_t i = 0; trailers && i < trailers->n; i++)
		if (!trailers->at[i].hidden && !h1_may_answer(&trailers->at[i]))
			return false;
	say(&framing, SLICE("\r\n"));
	return write_head(out, RESPONSE, &last, 1, trailers, NULL, &framing);
}

unsigned h1_chunk_head(char out[20], uint64_t n)
{
	static const char digits[] = "0123456789abcdef";
	unsigned len = 1;

	for (uint64_t rest = n >> 4; rest; rest >>= 4)
		len++;
	for (unsigned i = len; i; i--, n >>= 4)
		out[i - 1] = digits[n & 15];
	out[len] = '\r';
	out[len + 1] = '\n';
	return len + 2;
}
