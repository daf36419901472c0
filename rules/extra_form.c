/* extra_form.c -- a query or a form as other origins read it.
 *
 * The engine knows "&" between fields and each field for itself.  Perl, old Python and old Ruby take ";" for the same;
 * ASP.NET joins the values of one name with commas, so that a payload may come in two halves; and many a field holds
 * JSON, whose escapes the rules do not know. */
#include "rules/extra.h"

#include <stdlib.h>

#include "gateway/base/arena.h"
#include "gateway/base/text.h"

struct pair {
	struct slice name, value; /* decoded */
	uint32_t at;
};

struct pairs {
	struct extras *into;
	struct pair *at;
	uint32_t n, cap;
};

static bool starve(struct extras *x)
{
	x->starved = true;
	return false;
}

static bool is_json_like(struct slice text)
{
	while (text.len && text.at[0] && strchr(" \t\r\n", text.at[0]))
		text = slice_after(text, 1);
	return text.len && (text.at[0] == '{' || text.at[0] == '[');
}

static bool split(struct extras *x, struct slice field, struct pair *out)
{
	size_t cut = slice_find(field, '=');

	out->name = text_unescape(x->arena, slice_first(field, cut), true);
	out->value = text_unescape(x->arena, slice_after(field, cut < field.len ? cut + 1 : cut), true);
	return (out->name.at && out->value.at) || starve(x);
}

/* ---- Fields between ";" ---- */

static bool add_semicolons(struct extras *x, struct slice field)
{
	struct slice rest = field, one;
	struct pair p;

	if (slice_find(field, ';') == field.len)
		return true;
	while (slice_cut(&rest, ';', &one)) {
		if (slice_find(one, '=') == one.len)
			continue;
		if (!split(x, one, &p) || !extras_add(x, EXTRA_ARGUMENT, p.name, p.value))
			return false;
	}
	return true;
}

/* ---- Values of one name, joined ---- */

static bool keep(struct pairs *all, const struct pair *p)
{
	if (all->n == all->cap) {
		uint32_t cap = all->cap ? all->cap * 2 : 32;
		struct pair *grown = ARENA_ARRAY(all->into->arena, struct pair, cap);

		if (!grown)
			return starve(all->into);
		if (all->n)
			memcpy(grown, all->at, all->n * sizeof *grown);
		all->at = grown;
		all->cap = cap;
	}
	all->at[all->n] = *p;
	all->at[all->n].at = all->n;
	all->n++;
	return true;
}

/* Names of ASP.NET have no case. */
static int compare_names(struct slice a, struct slice b)
{
	for (size_t i = 0; i < a.len && i < b.len; i++)
		if (ascii_lower(a.at[i]) != ascii_lower(b.at[i]))
			return ascii_lower(a.at[i]) < ascii_lower(b.at[i]) ? -1 : 1;
	return a.len < b.len ? -1 : a.len > b.len;
}

static int by_name(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int names = compare_names(x->name, y->name);

	return names ? names : x->at < y->at ? -1 : 1;
}

static bool add_joined(struct extras *x, const struct pair *first, uint32_t n)
{
	size_t len = 0;
	char *joined, *end;

	for (uint32_t i = 0; i < n; i++)
		len += first[i].value.len;
	if (!len)
		return true;
	len += n - 1;
	joined = end = arena_take(x->arena, len);
	if (!joined)
		return starve(x);
	for (uint32_t i = 0; i < n; i++) {
		if (i)
			*end++ = ',';
		if (first[i].value.len)
			memcpy(end, first[i].value.at, first[i].value.len);
		end += first[i].value.len;
	}
	return extras_add(x, EXTRA_ARGUMENT, first->name, slice_make(joined, len));
}

static bool add_repeated(struct pairs *all)
{
	uint32_t n;

	if (all->n < 2)
		return true;
	qsort(all->at, all->n, sizeof *all->at, by_name);
	for (uint32_t i = 0; i < all->n; i += n) {
		for (n = 1; i + n < all->n && !compare_names(all->at[i].name, all->at[i + n].name); n++)
			;
		if (n > 1 && !add_joined(all->into, &all->at[i], n))
			return false;
	}
	return true;
}

/* ---- The whole ---- */

bool extras_add_form(struct extras *x, struct slice form)
{
	struct pairs all = {.into = x};
	struct slice rest = form, field;
	struct pair p;

	while (slice_cut(&rest, '&', &field)) {
		if (!split(x, field, &p) || !keep(&all, &p) || !add_semicolons(x, field))
			return false;
		if (is_json_like(p.value) && !extras_add_strings(x, p.name, p.value))
			return false;
	}
	/* Programs that forget to say so send JSON as a form, and origins that do not ask read it. */
	if (is_json_like(form) && !extras_add_strings(x, SLICE("form"), form))
		return false;
	return add_repeated(&all);
}
