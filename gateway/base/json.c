/* json.c -- writing one bounded line of JSON. */
#include "gateway/base/json.h"

#include <stdio.h>

#include "gateway/base/fail.h"
#include "gateway/base/line.h"
#include "gateway/base/text.h"

/* Room kept for closing brackets and the mark that something was left out. */
enum { TAIL = 16 + sizeof(",\"cut\":true") };

void json_begin(struct json *j, char *at, size_t room)
{
	CHECK(room > TAIL + 2);
	*j = (struct json){.at = at, .room = room - TAIL};
	j->at[j->len++] = '{';
	j->close[j->depth++] = '}';
}

static void put(struct json *j, const char *at, size_t n)
{
	memcpy(j->at + j->len, at, n);
	j->len += n;
}

/* Begin a member that will need at most `n` more bytes behind its key. */
static bool member(struct json *j, const char *key, size_t n)
{
	size_t key_len = key ? strlen(key) : 0;

	if (j->cut || j->len + key_len + 4 + n > j->room) {
		j->cut = true;
		return false;
	}
	if (j->comma)
		put(j, ",", 1);
	if (key) {
		put(j, "\"", 1);
		put(j, key, key_len);
		put(j, "\":", 2);
	}
	j->comma = true;
	return true;
}

static void open(struct json *j, const char *key, char bracket, char close)
{
	/* An opened bracket counts even when it was cut, so that ends stay paired. */
	bool fits = j->depth < sizeof j->close && member(j, key, 2);

	CHECK(j->depth < sizeof j->close);
	if (fits)
		put(j, &bracket, 1);
	j->close[j->depth++] = fits ? close : 0;
	j->comma = false;
}

void json_object(struct json *j, const char *key)
{
	open(j, key, '{', '}');
}

void json_list(struct json *j, const char *key)
{
	open(j, key, '[', ']');
}

void json_end(struct json *j)
{
	CHECK(j->depth > 1);
	j->depth--;
	if (j->close[j->depth])
		put(j, &j->close[j->depth], 1);
	j->comma = true;
}

/* Length of the character at `s` if it may stand in a string as it is, else 0. */
static size_t plain(struct slice s)
{
	unsigned char c = (unsigned char)s.at[0];

	if (c < 0x80)
		return c >= 0x20 && c != 0x7f && c != '"' && c != '\\';
	return line_plain(s);
}

/* Escape what may not stand as it is: a character of its own, "\\xNN" for a byte that is none (line.h). */
static size_t escape(char out[16], struct slice s, size_t *used)
{
	unsigned char c = (unsigned char)s.at[0];
	size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	uint32_t code = n == 1 ? c : c & (0xffu >> (n + 1));

	*used = 1;
	if (c == '\\' && s.len > 1 && s.at[1] == 'x')
		return (size_t)snprintf(out, 16, "\\\\x5c");
	if (c == '"' || c == '\\')
		return (size_t)snprintf(out, 16, "\\%c", c);
	if (c == '\n')
		return (size_t)snprintf(out, 16, "\\n");
	if (c == '\t')
		return (size_t)snprintf(out, 16, "\\t");
	if (n > s.len || !text_is_utf8(slice_first(s, n)))
		return (size_t)snprintf(out, 16, "\\\\x%02x", c);
	*used = n;
	for (size_t i = 1; i < n; i++)
		code = code << 6 | ((unsigned char)s.at[i] & 0x3fu);
	if (code < 0x10000)
		return (size_t)snprintf(out, 16, "\\u%04x", code);
	code -= 0x10000;
	return (size_t)snprintf(out, 16, "\\u%04x\\u%04x", 0xd800 | code >> 10, 0xdc00 | (code & 0x3ff));
}

void json_text(struct json *j, const char *key, struct slice value)
{
	size_t i = 0;

	if (!member(j, key, 8))
		return;
	put(j, "\"", 1);
	while (i < value.len) {
		size_t n = plain(slice_after(value, i)), used = n;
		const char *from = value.at + i;
		char escaped[16];

		if (!n) {
			n = escape(escaped, slice_after(value, i), &used);
			from = escaped;
		}
		if (j->len + n + 2 > j->room) {
			j->cut = true;
			break;
		}
		put(j, from, n);
		i += used;
	}
	put(j, "\"", 1);
}

void json_int(struct json *j, const char *key, int64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%lld", (long long)value);

	if (member(j, key, (size_t)n))
		put(j, text, (size_t)n);
}

void json_milli(struct json *j, const char *key, int64_t value)
{
	char text[32];
	int n;

	if (value < 0)
		value = 0;
	n = snprintf(text, sizeof text, "%lld.%03lld", (long long)(value / 1000), (long long)(value % 1000));
	if (member(j, key, (size_t)n))
		put(j, text, (size_t)n);
}

void json_bool(struct json *j, const char *key, bool value)
{
	if (member(j, key, 5))
		put(j, value ? "true" : "false", value ? 4 : 5);
}

struct slice json_finish(struct json *j)
{
	while (j->depth > 1)
		json_end(j);
	/* Where nothing fitted, no comma stands before it. */
	if (j->cut && j->len == 1)
		put(j, "\"cut\":true", 10);
	else if (j->cut)
		put(j, ",\"cut\":true", 11);
	put(j, "}", 1);
	return slice_make(j->at, j->len);
}
