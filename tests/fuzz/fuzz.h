/* fuzz.h -- what the fuzz targets share.
 *
 *	tests/fuzz/run 60 h1_request        builds it, fuzzes it for a minute, keeps what it finds
 *
 * A target is one file of this folder and one line of targets.cmake.  Each has an oracle beyond "it does
 * not crash": its first comment says which.  MUST is the oracle's voice. */
#ifndef PORTCULLIS_TESTS_FUZZ_H
#define PORTCULLIS_TESTS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "gateway/http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define MUST(that) ((that) ? (void)0 : fuzz_broken(#that, __FILE__, __LINE__))

static inline void fuzz_broken(const char *that, const char *file, int line)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, that);
	abort();
}

#define FUZZ_COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- Input as a stream of choices; where it ends, all further ones are 0 ---- */

struct fuzz_in {
	struct slice rest;
};

static inline struct fuzz_in fuzz_in(const uint8_t *bytes, size_t n)
{
	return (struct fuzz_in){n ? slice_make((const char *)bytes, n) : SLICE("")};
}

static inline uint64_t fuzz_bytes(struct fuzz_in *in, void *at, size_t n)
{
	size_t have = in->rest.len < n ? in->rest.len : n;

	memset(at, 0, n);
	if (have)
		memcpy(at, in->rest.at, have);
	in->rest = slice_after(in->rest, have);
	return have;
}

static inline uint8_t fuzz_byte(struct fuzz_in *in)
{
	uint8_t b;

	fuzz_bytes(in, &b, 1);
	return b;
}

/* Below `end`, which is not 0. */
static inline unsigned fuzz_below(struct fuzz_in *in, unsigned end)
{
	uint16_t n;

	if (end <= 256)
		return fuzz_byte(in) % end;
	fuzz_bytes(in, &n, sizeof n);
	return n % end;
}

static inline uint64_t fuzz_number(struct fuzz_in *in)
{
	uint64_t n;

	fuzz_bytes(in, &n, sizeof n);
	return n;
}

/* At most `most` bytes, behind a byte that says how many; borrowed. */
static inline struct slice fuzz_run(struct fuzz_in *in, size_t most)
{
	size_t n = fuzz_byte(in);
	struct slice s;

	n = n < most ? n : most;
	n = n < in->rest.len ? n : in->rest.len;
	s = slice_first(in->rest, n);
	in->rest = slice_after(in->rest, n);
	return s;
}

/* Up to a line feed, which is dropped. */
static inline struct slice fuzz_line(struct fuzz_in *in)
{
	size_t n = slice_find(in->rest, '\n');
	struct slice line = slice_first(in->rest, n);

	in->rest = slice_after(in->rest, n < in->rest.len ? n + 1 : n);
	return line;
}

/* ---- HTTP/1 ---- */

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

/* It is written as exactly one request of HTTP/1.1, which is read as the same. */
static inline void fuzz_check_written(struct arena *a, const struct request *r)
{
	const struct h1_limits wide = {1 << 20, 1 << 20, 1 << 20};
	struct request again;
	const char *why;
	struct buf out;
	uint32_t len;

	buf_init(&out, NULL);
	MUST(h1_write_request(&out, r, NULL, r->body, r->content_length));
	MUST(fuzz_find_head(buf_slice(&out), &len) && len == buf_len(&out));
	MUST(h1_request(a, buf_slice(&out), &wide, r->secure, &again, &why) == 0);
	MUST(slice_eq(r->method, again.method) && slice_eq(r->authority, again.authority) && slice_eq(r->host, again.host));
	MUST(slice_eq(r->target, again.target) && slice_eq(r->path, again.path) && slice_eq(r->query, again.query));
	MUST(r->has_query == again.has_query && r->body == again.body && r->content_length == again.content_length);
	MUST(r->upgrade == again.upgrade && fuzz_same_fields(&r->fields, &again.fields));
	buf_done(&out);
}

#endif
