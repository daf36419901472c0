/* fail.h -- the three kinds of error, kept apart.
 *
 * CHECK is for our own bugs: it stops the process and says where.  It guards
 * memory invariants only; nothing that a client, an origin or a file does may
 * reach one.  What the world does (a closed socket) is an ordinary return
 * value.  What the operator did wrong is a finding: a place in a file, a reason
 * and the next step. */
#ifndef PORTCULLIS_BASE_FAIL_H
#define PORTCULLIS_BASE_FAIL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CHECK(that) ((that) ? (void)0 : fail_check(#that, __FILE__, __LINE__))

_Noreturn void fail_check(const char *that, const char *file, int line);

/* A place in a file the operator wrote; line and column count from 1, 0 means none. */
struct place {
	const char *file;
	uint32_t line, column;
};

enum fail_level { FAIL_ERROR, FAIL_WARNING, FAIL_NOTE };

struct finding {
	enum fail_level level;
	struct place place;
	const char *text; /* owned by the report, and so is place.file */
};

/* Findings of one check, in the order they were made.  All zero is an empty report. */
struct fail {
	struct finding *at;
	unsigned n, cap;
	unsigned errors, warnings;
};

/* Add an error, "reason; next step".  Always returns false, so that a parser can return it. */
bool fail_at(struct fail *f, struct place place, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void fail_warn(struct fail *f, struct place place, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void fail_note(struct fail *f, struct place place, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* One line each: "file:line:column: error: text".  Notes only if asked for. */
void fail_print(const struct fail *f, FILE *out, bool notes);
void fail_done(struct fail *f);

#endif
