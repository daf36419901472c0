/* redact.c -- which variables hold secrets, and what of a text is left without them. */
#include "rules/redact.h"

#include "gateway/base/secret.h"
#include "gateway/base/text.h"

enum { NAME_MOST = 128 };

static const struct slice within = {"found within ", 13};

/* "REQUEST_COOKIES:sid", "ARGS:password", "REQUEST_HEADERS:Authorization", "ARGS:json.user.token". */
static bool is_secret(struct slice variable)
{
	size_t cut = slice_find(variable, ':');
	struct slice collection = slice_first(variable, cut), name;

	if (slice_is(collection, "REQUEST_COOKIES") || slice_is(variable, "RESPONSE_HEADERS:Set-Cookie"))
		return true;
	/* Of an earlier link of a chain, and nobody says of which variable. */
	if (slice_is(collection, "MATCHED_VAR") || slice_is(collection, "MATCHED_VARS"))
		return true;
	/* A name is not a value: ARGS_NAMES:password. */
	if (cut == variable.len || slice_ends(collection, SLICE("_NAMES")))
		return false;
	name = slice_after(variable, cut + 1);
	return secret_is_name(name);
}

/* The variable that stands behind "found within " at or after *at; false when there is none. */
static bool next_variable(struct slice data, size_t *at, struct slice *out)
{
	for (; *at + within.len < data.len; (*at)++)
		if (slice_starts(slice_after(data, *at), within)) {
			struct slice rest = slice_after(data, *at + within.len);
			size_t end = 0;

			/* "NAME: value"; a colon without a space is the name's. */
			while (end < rest.len && rest.at[end] != ' ' && !(rest.at[end] == ':' && end + 1 == rest.len))
				end++;
			*out = slice_first(rest, end && end < rest.len && rest.at[end - 1] == ':' ? end - 1 : end);
			*at += within.len;
			return true;
		}
	return false;
}

/* Whoever was matched first may have put such words into the text: one secret among them is enough. */
static bool holds_secret(struct slice data, struct slice variable, struct slice *which)
{
	size_t at = 0;

	*which = variable;
	if (is_secret(variable))
		return true;
	while (next_variable(data, &at, which))
		if (is_secret(*which))
			return true;
	return false;
}

/* Of a byte that is escaped what it means. */
static char byte_at(struct slice s, size_t i)
{
	int high = s.at[i] == '%' && s.len - i >= 3 ? text_hex_digit(s.at[i + 1]) : -1;
	int low = high >= 0 ? text_hex_digit(s.at[i + 2]) : -1;

	return low >= 0 ? (char)(high << 4 | low) : s.at[i];
}

/* A variable as far as it is a collection and a name.  The client chooses the names of arguments: a JSON text that was
 * sent as a form is one, with all the secrets in it. */
static struct slice plain_name(struct slice variable)
{
	size_t colon = slice_find(variable, ':'), n = 0;

	for (; n < variable.len && n < NAME_MOST; n++) {
		char c = byte_at(variable, n);

		if (n != colon && !ascii_is_alnum(c) && (unsigned char)c < 0x80 && (!c || !strchr("_-.[]$%", c)))
			break;
	}
	return slice_first(variable, n);
}

struct slice redact(struct arena *a, struct slice data, struct slice variable, size_t most)
{
	struct slice which;
	char *out;

	if (!data.len)
		return arena_copy(a, data);
	if (holds_secret(data, variable, &which)) {
		which = plain_name(which);
		return arena_print(a, "*** found within %.*s: ***", SLICE_F(which));
	}
	out = arena_take(a, most);
	if (!out)
		return SLICE_NONE;
	return slice_make(out, secret_hide(data, "&\r\n", true, out, most));
}
