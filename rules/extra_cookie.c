/* extra_cookie.c -- cookies that the engine passes over, or reads in another way than old origins do.
 *
 * It skips a value without a name, and takes quotes for ordinary characters.  Cookies after RFC 2109
 * (Python's, Tomcat's old ones) may be quoted, hold ";" there, and escape with a backslash. */
#include "rules/extra.h"

#include "gateway/base/arena.h"
#include "gateway/base/fields.h"

/* What is between `rest`'s first quote and the next one that no backslash escapes. */
static struct slice quoted(struct slice rest, bool *odd)
{
	size_t i = 1;

	for (*odd = false; i < rest.len && rest.at[i] != '"'; i++) {
		*odd |= rest.at[i] == '\\' || rest.at[i] == ';';
		if (rest.at[i] == '\\' && i + 1 < rest.len)
			i++;
	}
	return slice_make(rest.at + 1, i - 1);
}

static bool add_quoted(struct extras *x, struct slice name, struct slice rest)
{
	bool odd;
	struct slice inner = quoted(rest, &odd);

	if (!odd)
		return true;
	inner = extra_unescape(x->arena, inner);
	x->starved |= !inner.at;
	return inner.at && extras_add(x, EXTRA_COOKIE, name, inner);
}

/* `rest` begins with the cookie and goes on to the end of the field. */
static bool add_cookie(struct extras *x, struct slice rest)
{
	struct slice crumb = slice_first(rest, slice_find(rest, ';')), name, value;
	size_t equals = slice_find(crumb, '=');

	if (equals == crumb.len)
		return true;
	name = slice_trim(slice_first(crumb, equals));
	value = slice_trim(slice_after(crumb, equals + 1));
	if (value.len && value.at[0] == '"' && !add_quoted(x, name, slice_after(rest, (size_t)(value.at - rest.at))))
		return false;
	return name.len || !value.len || extras_add(x, EXTRA_COOKIE, name, value);
}

bool extras_add_cookies(struct extras *x, const struct fields *fields)
{
	for (uint32_t i = 0; i < fields->n; i++) {
		struct slice rest = fields->at[i].value;

		if (fields->at[i].id != FIELD_COOKIE)
			continue;
		for (;;) {
			size_t end = slice_find(rest, ';');

			if (!add_cookie(x, rest))
				return false;
			if (end == rest.len)
				break;
			rest = slice_after(rest, end + 1);
		}
	}
	return true;
}
