/* secret.c -- finding names in text and leaving out what they name. */
#include "gateway/base/secret.h"

#include <stdint.h>

#include "gateway/base/text.h"

enum { NAME_MOST = 64, CREDENTIAL_LEAST = 6 };

/* ---- Names ---- */

static const char *const within[] = {
	"pass", "pwd", "secret", "token", "apikey", "api_key", "api-key", "auth", "session", "sid", "signature", "credential",
	"otp", "code", "jwt", "saml", "assertion", "bearer", "private", "cookie", "ticket", "csrf", "xsrf", "cvv",
};
static const char *const whole[] = {"key", "pin", "sig", "hmac", "mac", "nonce"};

/* Decoded once and in lower case; false when it does not fit. */
static bool read_name(struct slice name, char out[NAME_MOST], size_t *len)
{
	size_t n = 0;

	for (size_t i = 0; i < name.len; i++, n++) {
		int high = name.at[i] == '%' && name.len - i >= 3 ? text_hex_digit(name.at[i + 1]) : -1;
		int low = high >= 0 ? text_hex_digit(name.at[i + 2]) : -1;

		if (n == NAME_MOST)
			return false;
		out[n] = ascii_lower(low >= 0 ? (char)(high << 4 | low) : name.at[i]);
		i += low >= 0 ? 2 : 0;
	}
	*len = n;
	return true;
}

bool secret_is_name(struct slice name)
{
	char text[NAME_MOST];
	size_t len;

	if (!read_name(name, text, &len))
		return true;
	for (size_t i = 0; i < sizeof within / sizeof *within; i++)
		if (slice_contains(slice_make(text, len), slice_of(within[i])))
			return true;
	for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
		if (slice_is(slice_make(text, len), whole[i]))
			return true;
	/* access_key, accessKey, x-goog-api-key; not keyword. */
	return slice_ends(slice_make(text, len), SLICE("_key")) || slice_ends(slice_make(text, len), SLICE("-key")) ||
	       slice_ends(slice_make(text, len), SLICE("skey")) || slice_ends(slice_make(text, len), SLICE("ikey"));
}

/* ---- Text ---- */

struct copy {
	struct slice text;
	size_t at, name; /* what is looked at, and where the name before it begins */
	const char *ends;
	bool loose;
	char *out;
	size_t n, room;
};

/* A byte, or the escape of one: names and signs may stand in a query that is the value of another. */
struct unit {
	char byte;
	uint8_t len;
};

static struct unit unit_at(struct slice s, size_t at)
{
	int high, low;

	if (s.at[at] != '%' || s.len - at < 3 || (high = text_hex_digit(s.at[at + 1])) < 0 ||
	    (low = text_hex_digit(s.at[at + 2])) < 0)
		return (struct unit){s.at[at], 1};
	return (struct unit){(char)(high << 4 | low), 3};
}

/* Brackets of PHP and dots of paths among them. */
static bool is_of_name(char c)
{
	return ascii_is_alnum(c) || (unsigned char)c >= 0x80 || (c && strchr("_-.%[]+$", c));
}

static bool is_one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

static void put(struct copy *c, struct slice s)
{
	size_t n = s.len < c->room - c->n ? s.len : c->room - c->n;

	if (n)
		memcpy(c->out + c->n, s.at, n);
	c->n += n;
}

/* Past a value that begins at `at`, up to one of `ends`; if it begins with a quote, none of them counts in quotes of that
 * kind.  `escaped`: it stands in escapes itself, and so does what ends it. */
static size_t past_value(const struct copy *c, size_t at, const char *ends, bool escaped)
{
	char first = at < c->text.len ? c->text.at[at] : 0;
	char quote = c->loose && (first == '"' || first == '\'') ? first : 0;
	bool inside = false;
	struct unit u;

	for (; at < c->text.len; at += u.len) {
		u = escaped ? unit_at(c->text, at) : (struct unit){c->text.at[at], 1};
		if (inside && u.byte == '\\' && at + 1 < c->text.len)
			u.len = 2;
		else if (quote && u.byte == quote)
			inside = !inside;
		else if (!inside && is_one_of(u.byte, ends))
			break;
	}
	return at;
}

/* Copies what is left before the value, and stars for it. */
static bool hide(struct copy *c, size_t value, const char *ends, bool escaped)
{
	put(c, slice_make(c->text.at + c->at, value - c->at));
	put(c, SLICE("***"));
	c->at = c->name = past_value(c, value, ends, escaped);
	return true;
}

/* `" : ` or `: ` at c->at; where the value begins, or 0. */
static size_t value_behind_colon(const struct copy *c)
{
	size_t at = c->at;

	if (is_one_of(c->text.at[at], "\"'"))
		at++;
	while (at < c->text.len && c->text.at[at] == ' ')
		at++;
	if (at == c->text.len || c->text.at[at] != ':')
		return 0;
	for (at++; at < c->text.len && c->text.at[at] == ' ';)
		at++;
	return at < c->text.len ? at : 0;
}

/* What follows "Bearer " or "Basic ", if it is one word that looks like it (token68, RFC 9110 section 11.2). */
static bool hide_credential(struct copy *c)
{
	size_t begin = c->at + 1, end = begin;

	while (end < c->text.len && (ascii_is_alnum(c->text.at[end]) || is_one_of(c->text.at[end], "-._~+/=")))
		end++;
	if (end - begin < CREDENTIAL_LEAST)
		return false;
	put(c, SLICE(" ***"));
	c->at = c->name = end;
	return true;
}

/* A name has ended before `u`.  True when a secret follows and has been left out. */
static bool hide_after_name(struct copy *c, struct unit u)
{
	struct slice name = slice_make(c->text.at + c->name, c->at - c->name);
	size_t value;

	if (!name.len)
		return false;
	if (u.byte == '=')
		return secret_is_name(name) && hide(c, c->at + u.len, c->ends, u.len > 1);
	if (!c->loose || u.len > 1)
		return false;
	if (u.byte == ' ' && (slice_ieq(name, SLICE("bearer")) || slice_ieq(name, SLICE("basic"))))
		return hide_credential(c);
	value = value_behind_colon(c);
	/* Of a header field it is all that follows. */
	return value && secret_is_name(name) && hide(c, value, u.byte == ':' ? "\r\n\"" : ",}] \r\n", false);
}

size_t secret_hide(struct slice text, const char *ends, bool loose, char *out, size_t room)
{
	struct copy c = {.text = text, .ends = ends, .loose = loose, .out = out, .room = room};

	while (c.at < text.len && c.n < room) {
		struct unit u = unit_at(text, c.at);

		if (!is_of_name(u.byte) && hide_after_name(&c, u))
			continue;
		put(&c, slice_make(text.at + c.at, u.len));
		c.at += u.len;
		if (!is_of_name(u.byte))
			c.name = c.at;
	}
	return c.n;
}
