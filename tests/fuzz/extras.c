/* extras.c -- fuzz: every string of a JSON document is among what the rules are shown of a text that holds it, in the
 * words that jansson has for it, but for single words; so is every string of a document within such a string; and
 * whatever the text, what is collected lies within its bounds. */
#include <jansson.h>

#include "fuzz.h"
#include "rules/extra.h"

static bool is_word(struct slice value)
{
	for (size_t i = 0; i < value.len; i++)
		if (!ascii_is_alnum(value.at[i]) && (!value.at[i] || !strchr("._:+-", value.at[i])))
			return false;
	return true;
}

static bool shown(const struct extras *x, struct slice value)
{
	for (uint32_t i = 0; i < x->n; i++)
		if (slice_eq(x->at[i].value, value))
			return true;
	return is_word(value);
}

static void check_shown(const json_t *j, const struct extras *x)
{
	if (json_is_string(j))
		MUST(shown(x, slice_make(json_string_value(j), json_string_length(j))));
	for (size_t i = 0; json_is_array(j) && i < json_array_size(j); i++)
		check_shown(json_array_get(j, i), x);
	for (void *i = json_object_iter((json_t *)(uintptr_t)j); i; i = json_object_iter_next((json_t *)(uintptr_t)j, i)) {
		MUST(shown(x, slice_of(json_object_iter_key(i))));
		check_shown(json_object_iter_value(i), x);
	}
}

/* Of every string that is an object or a list again. */
static void check_nested(const json_t *j, const struct extras *x)
{
	json_error_t error;
	json_t *inner;

	if (json_is_string(j)) {
		inner = json_loadb(json_string_value(j), json_string_length(j), JSON_DECODE_INT_AS_REAL, &error);
		if (inner)
			check_shown(inner, x);
		json_decref(inner);
	}
	for (size_t i = 0; json_is_array(j) && i < json_array_size(j); i++)
		check_nested(json_array_get(j, i), x);
	for (void *i = json_object_iter((json_t *)(uintptr_t)j); i; i = json_object_iter_next((json_t *)(uintptr_t)j, i))
		check_nested(json_object_iter_value(i), x);
}

static void check_bounds(const struct extras *x, struct slice in)
{
	MUST(x->n <= x->most && !x->starved);
	for (uint32_t i = 0; i < x->n; i++)
		MUST(x->at[i].value.len <= in.len + 1 + in.len && (x->at[i].value.at || !x->at[i].value.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	struct extras strings = {.most = 1 + fuzz_below(&in, 2000)}, nested = strings, form = strings, cookies = strings;
	struct fields fields = {0};
	struct budget budget = {.limit = 1 << 20};
	struct arena a;
	json_error_t error;
	json_t *j = NULL;

	arena_init(&a, &budget, 4096);
	strings.arena = nested.arena = form.arena = cookies.arena = &a;
	if (!memchr(in.rest.at, 0, in.rest.len))
		j = json_loadb(in.rest.at, in.rest.len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
	if (!extras_add_strings(&strings, SLICE("t"), in.rest))
		MUST(strings.over);
	else if (j)
		check_shown(j, &strings);
	if (!extras_add_nested(&nested, SLICE("n"), in.rest))
		MUST(nested.over);
	else if (j)
		check_nested(j, &nested);
	json_decref(j);
	MUST(extras_add_form(&form, in.rest) || form.over);
	MUST(fields_add(&fields, &a, SLICE("cookie"), in.rest));
	MUST(extras_add_cookies(&cookies, &fields) || cookies.over);
	check_bounds(&strings, in.rest);
	check_bounds(&nested, in.rest);
	check_bounds(&form, in.rest);
	check_bounds(&cookies, in.rest);
	arena_done(&a);
	return 0;
}
