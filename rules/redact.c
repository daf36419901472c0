/* redact.c -- which variables hold secrets, and what of a text is left without them. */
#include "rules/redact.h"

#include "gateway/base/secret.h"

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

struct slice redact(struct arena *a, struct slice data, struct slice variable, size_t most)
{
	struct slice which;
	char *out;

	if (!data.len)
		return arena_copy(a, data);
	if (holds_secret(data, variable, &which)) {
		which = which.len > 128 ? slice_first(which, 128) : which;
		return arena_print(a, "*** found within %.*s: ***", SLICE_F(which));
	}
	out = arena_take(a, most);
	if (!out)
		return SLICE_NONE;
	return slice_make(out, secret_hide(data, "&\r\n", true, out, most));
}
