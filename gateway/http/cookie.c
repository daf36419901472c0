/* cookie.c -- cookies in the one form of today (RFC 6265).
 *
 * $Version, $Path, $Domain and $Port are the words of RFC 2109 and 2965.  To most origins they are cookies of
 * odd names; to others the first says that what follows is to be read in another grammar, in which a quoted
 * value swallows its neighbours.  So they end here, and everybody reads the rest alike. */
#include "gateway/http/parts.h"

static bool is_word(struct slice crumb)
{
	static const char *const words[] = {"$version", "$path", "$domain", "$port"};
	struct slice name = slice_trim(slice_first(crumb, slice_find(crumb, '=')));

	for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
		if (slice_ieq(name, slice_of(words[i])))
			return true;
	return false;
}

/* All crumbs but those, in room for the whole value. */
static struct slice without_words(char *out, struct slice value)
{
	struct slice rest = value, crumb;
	size_t n = 0;

	while (slice_cut(&rest, ';', &crumb)) {
		crumb = slice_trim(crumb);
		if (!crumb.len || is_word(crumb))
			continue;
		if (n) {
			out[n++] = ';';
			out[n++] = ' ';
		}
		memcpy(out + n, crumb.at, crumb.len);
		n += crumb.len;
	}
	return slice_make(out, n);
}

bool h1_cookies(struct arena *a, struct fields *fields)
{
	for (uint32_t i = 0; i < fields->n; i++) {
		struct field *f = &fields->at[i];
		struct slice rest = f->value, crumb;
		bool found = false;
		char *room;

		if (f->id != FIELD_COOKIE || slice_find(f->value, '$') == f->value.len)
			continue;
		while (slice_cut(&rest, ';', &crumb))
			found |= is_word(crumb);
		if (!found)
			continue;
		/* "a;b" becomes "a; b". */
		room = arena_take(a, 2 * f->value.len);
		if (!room)
			return false;
		f->value = without_words(room, f->value);
		f->hidden |= !f->value.len;
	}
	return true;
}
