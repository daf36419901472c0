/* h1_fuzz.h -- what the fuzz targets of the HTTP/1 parsers share.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I. -D_GNU_SOURCE \
 *		tests/fuzz/h1_request.c gateway/http/[a-z]*.c \
 *		gateway/base/{addr,arena,buf,fail,fields,mem,slice,text}.c -o h1_request
 *	./h1_request -dict=tests/fuzz/h1.dict -max_len=4096 CORPUS
 *
 * Each has an oracle beyond "it does not crash": see its first comment. */
#ifndef PORTCULLIS_TESTS_H1_FUZZ_H
#define PORTCULLIS_TESTS_H1_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "gateway/http/h1.h"

#define MUST(that) ((that) ? (void)0 : fuzz_broken(#that, __LINE__))

static inline void fuzz_broken(const char *that, int line)
{
	fprintf(stderr, "line %d: not so: %s\n", line, that);
	abort();
}

static const struct h1_limits fuzz_limits = {.head_bytes = 32768, .target_bytes = 8192, .fields = 100};

/* The scanner's answer when the bytes come in two parts, the second beginning at `cut`. */
static inline enum h1_found fuzz_scan(struct slice in, size_t cut, uint32_t *len)
{
	struct h1_scan s = {0};
	const char *why;
	enum h1_found found = h1_scan(&s, slice_first(in, cut), len, &why);

	return found == H1_MORE ? h1_scan(&s, in, len, &why) : found;
}

/* The same answer for any split; a good head's length goes to *len. */
static inline bool fuzz_find_head(struct slice in, uint32_t *len)
{
	enum h1_found whole = fuzz_scan(in, in.len, len), found;
	uint32_t n;

	for (size_t cut = 0; cut < in.len && cut < 512; cut++) {
		found = fuzz_scan(in, cut, &n);
		MUST(found == whole);
		MUST(found != H1_HEAD || n == *len);
	}
	return whole == H1_HEAD;
}

static inline bool fuzz_same_fields(const struct fields *a, const struct fields *b)
{
	uint32_t i = 0, k = 0;

	for (;; i++, k++) {
		while (i < a->n && a->at[i].hidden)
			i++;
		while (k < b->n && b->at[k].hidden)
			k++;
		if (i == a->n || k == b->n)
			return i == a->n && k == b->n;
		if (!slice_eq(a->at[i].name, b->at[k].name) || !slice_eq(a->at[i].value, b->at[k].value))
			return false;
	}
}

#endif
