/* args.c -- fuzz: query values and cookies by name are those that a plain reading finds, in the order they came.
 *
 * The product looks once for all names a policy asks for and decodes only those; here everything is cut and
 * decoded, one by one. */
#include "fuzz.h"
#include "gateway/base/text.h"
#include "policies/policy_parts.h"

static const struct slice names[] = {{"a", 1}, {"b c", 3}, {"", 0}, {"sid", 3}, {"x[]", 3}};
enum { NAMES = FUZZ_COUNT(names) };

/* All values of the term, each behind a number: one text to compare. */
static struct slice ask(struct policy_run *run, const struct term *t, struct buf *out)
{
	struct cursor c = {0};
	struct value v;
	enum got got;

	buf_eat(out, buf_len(out));
	while ((got = term_next(run, t, &c, &v)) == GOT_VALUE)
		MUST(buf_print(out, "%zu:", v.text.len) && buf_put_slice(out, v.text));
	MUST(got == GOT_END && !run->starved);
	return buf_slice(out);
}

static struct slice query_values(struct arena *a, struct slice query, struct slice name, struct buf *out)
{
	struct slice pair;

	buf_eat(out, buf_len(out));
	while (slice_cut(&query, '&', &pair)) {
		size_t cut = slice_find(pair, '=');
		struct slice value = cut < pair.len ? text_unescape(a, slice_after(pair, cut + 1), true) : SLICE("");

		if (pair.len && slice_eq(text_unescape(a, slice_first(pair, cut), true), name))
			MUST(buf_print(out, "%zu:", value.len) && buf_put_slice(out, value));
	}
	return buf_slice(out);
}

static struct slice cookie_values(const struct slice *fields, unsigned n, struct slice name, struct buf *out)
{
	struct slice rest, pair;

	buf_eat(out, buf_len(out));
	for (unsigned i = 0; i < n; i++)
		for (rest = fields[i]; slice_cut(&rest, ';', &pair);) {
			size_t cut = slice_find(pair, '=');
			struct slice value = cut < pair.len ? slice_trim(slice_after(pair, cut + 1)) : SLICE("");

			if (slice_trim(pair).len && slice_eq(slice_trim(slice_first(pair, cut)), name))
				MUST(buf_print(out, "%zu:", value.len) && buf_put_slice(out, value));
		}
	return buf_slice(out);
}

static void check(struct policy_run *run, struct arena *a, struct slice query, const struct slice *cookies, unsigned n)
{
	struct buf got, want;

	buf_init(&got, NULL);
	buf_init(&want, NULL);
	for (uint16_t i = 0; i < NAMES; i++) {
		struct term t = {.source = SOURCE_QUERY_NAME, .type = TYPE_TEXT, .index = i};

		MUST(slice_eq(ask(run, &t, &got), query_values(a, query, names[i], &want)));
		t.source = SOURCE_COOKIE;
		MUST(slice_eq(ask(run, &t, &got), cookie_values(cookies, n, names[i], &want)));
	}
	buf_done(&got);
	buf_done(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const struct policy policy = {.query_names = names, .query_names_n = NAMES, .cookie_names = names, .cookie_names_n = NAMES};
	struct fuzz_in in = fuzz_in(bytes, n);
	struct fields fields = {0};
	struct slice query = fuzz_line(&in), cookies[8];
	unsigned cookies_n = 0;
	struct policy_run run;
	struct arena a;

	arena_init(&a, NULL, 4096);
	while (in.rest.len && cookies_n < FUZZ_COUNT(cookies)) {
		cookies[cookies_n] = slice_trim(fuzz_line(&in));
		MUST(fields_add(&fields, &a, SLICE("cookie"), cookies[cookies_n++]));
		MUST(fields_add(&fields, &a, SLICE("x-cookie"), SLICE("a=none")));
	}
	policy_run_init(&run, &policy, &(struct policy_facts){.query = query, .fields = &fields, .arena = &a});
	check(&run, &a, query, cookies, cookies_n);
	arena_done(&a);
	return 0;
}
