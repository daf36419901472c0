/* cookies.c -- fuzz: of a request's cookies only the words of RFC 2109 and 2965 go; all others come to the origin, in
 * order, to the last byte of each. */
#include "fuzz.h"

static bool is_word(struct slice crumb)
{
	static const char *const words[] = {"$version", "$path", "$domain", "$port"};
	struct slice name = slice_trim(slice_first(crumb, slice_find(crumb, '=')));

	for (size_t i = 0; i < FUZZ_COUNT(words); i++)
		if (slice_ieq(name, slice_of(words[i])))
			return true;
	return false;
}

/* The next crumb of all Cookie fields that are not hidden, or of all lines; false at the end. */
static bool next(const struct fields *f, uint32_t *i, struct slice *rest, bool words, struct slice *crumb)
{
	for (;;) {
		while (!slice_cut(rest, ';', crumb)) {
			while (*i < f->n && (f->at[*i].id != FIELD_COOKIE || (f->at[*i].hidden && !words)))
				++*i;
			if (*i == f->n)
				return false;
			*rest = f->at[(*i)++].value;
		}
		*crumb = slice_trim(*crumb);
		if (crumb->len && !(words && is_word(*crumb)))
			return true;
		MUST(words || !crumb->len || !is_word(*crumb));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	struct slice rest = SLICE_NONE, left = SLICE_NONE, a_crumb, b_crumb;
	struct fields sent = {0};
	struct request req;
	uint32_t i = 0, k = 0;
	const char *why;
	struct buf head;
	struct arena a;
	bool more;

	arena_init(&a, NULL, 4096);
	buf_init(&head, NULL);
	MUST(buf_print(&head, "GET / HTTP/1.1\r\nHost: a\r\n"));
	while (in.rest.len) {
		struct slice line = fuzz_line(&in);

		MUST(buf_print(&head, "Cookie: ") && buf_put_slice(&head, line) && buf_print(&head, "\r\n"));
		MUST(fields_add(&sent, &a, SLICE("cookie"), slice_trim(line)));
	}
	MUST(buf_print(&head, "\r\n"));
	if (h1_request(&a, buf_slice(&head), &fuzz_limits, true, &req, &why) == 0)
		do {
			more = next(&sent, &i, &rest, true, &a_crumb);
			MUST(more == next(&req.fields, &k, &left, false, &b_crumb));
			MUST(!more || slice_eq(a_crumb, b_crumb));
		} while (more);
	buf_done(&head);
	arena_done(&a);
	return 0;
}
