/* bed.h -- what the tests of gateway/http share: limits, an arena, a guarded input, rows of bytes. */
#ifndef PORTCULLIS_TESTS_HTTP_BED_H
#define PORTCULLIS_TESTS_HTTP_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/http/h1.h"
#include "guard.h"

/* A row's bytes, NULs among them. */
#define B(literal) {"" literal "", sizeof(literal) - 1}
#define ROWS(table) (sizeof(table) / sizeof *(table))

static const struct h1_limits limits = {.head_bytes = 32768, .target_bytes = 8192, .fields = 100};

struct bed {
	struct arena a;
	struct guard guard;
	struct budget budget;
	const char *why;
};

static inline void bed_open(struct bed *b)
{
	*b = (struct bed){.why = ""};
	arena_init(&b->a, &b->budget, 2048);
	guard_open(&b->guard, 1 << 17);
}

static inline void bed_close(struct bed *b)
{
	arena_done(&b->a);
	assert_int_equal(b->budget.used, 0);
	guard_close(&b->guard);
}

/* The scanner's answer to all of `bytes` at once; *head is the head it found. */
static inline enum h1_found bed_scan(struct bed *b, struct slice bytes, struct slice *head)
{
	struct h1_scan scan = {0};
	uint32_t len = 0;
	enum h1_found found = h1_scan(&scan, bytes, &len, &b->why);

	*head = slice_first(bytes, len);
	return found;
}

enum { NEVER_ENDS = 1 };

/* What a connection would answer to `in`: the status to refuse with, 0 for a good request, NEVER_ENDS
 * when a head is still open at the end of `in`.  Bytes behind the head are cut off. */
static inline unsigned bed_judge(struct bed *b, struct slice in, bool secure, struct request *out)
{
	struct slice head;

	arena_done(&b->a);
	b->why = "";
	switch (bed_scan(b, guard_put(&b->guard, in), &head)) {
	case H1_BAD:
		return 400;
	case H1_MORE:
		return NEVER_ENDS;
	default:
		return h1_request(&b->a, guard_put(&b->guard, head), &limits, secure, out, &b->why);
	}
}

static inline struct slice bed_value(const struct fields *f, const char *name)
{
	uint32_t i = 0;
	const struct field *found = fields_next(f, slice_of(name), &i);

	return found ? found->value : SLICE_NONE;
}

/* Not forwarded, or not there at all. */
static inline bool bed_hidden(const struct fields *f, const char *name)
{
	uint32_t i = 0;
	const struct field *found;

	while ((found = fields_next(f, slice_of(name), &i)))
		if (!found->hidden)
			return false;
	return true;
}

/* What a connection answers to some bytes. */
struct row {
	struct slice in;
	unsigned want;
	const char *says;
};

static inline unsigned bed_run(struct bed *b, const struct row *rows, size_t n, const char *before, const char *after)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < n; i++) {
		char in[65536];
		struct slice parts[] = {slice_of(before), rows[i].in, slice_of(after)};
		struct request r;
		size_t len = 0;
		unsigned got;

		for (unsigned k = 0; k < 3; k++) {
			memcpy(in + len, parts[k].at, parts[k].len);
			len += parts[k].len;
		}
		got = bed_judge(b, slice_make(in, len), false, &r);
		if (got != rows[i].want) {
			print_error("row %zu: %s: wanted %u, got %u (%s)\n", i, rows[i].says, rows[i].want, got, b->why);
			wrong++;
		}
		if (got > NEVER_ENDS && !*b->why) {
			print_error("row %zu: %s: refused without a reason\n", i, rows[i].says);
			wrong++;
		}
	}
	return wrong;
}

#define RUN(rows, before, after)                                                                        \
	do {                                                                                            \
		struct bed b;                                                                           \
		bed_open(&b);                                                                           \
		assert_int_equal(bed_run(&b, rows, ROWS(rows), before, after), 0);                          \
		bed_close(&b);                                                                          \
	} while (0)

#define HEAD(lines) SLICE(lines "\r\n\r\n")

static inline void bed_good(struct bed *b, struct slice in, bool secure, struct request *r)
{
	unsigned status = bed_judge(b, in, secure, r);

	if (status)
		fail_msg("refused with %u: %s", status, b->why);
}

#define assert_slice(s, text) assert_slice_at((s), (text), __FILE__, __LINE__)
static inline void assert_slice_at(struct slice s, const char *text, const char *file, int line)
{
	if (!slice_is(s, text)) {
		print_error("\"%.*s\" is not \"%s\"\n", SLICE_F(s), text);
		_fail(file, line);
	}
}

#endif
