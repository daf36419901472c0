/* fail.c -- findings, and stopping on our own bugs. */
#include "gateway/base/fail.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { FINDINGS_MAX = 200 };

void fail_check(const char *that, const char *file, int line)
{
	fprintf(stderr, "portcullis: bug: %s does not hold at %s:%d\n", that, file, line);
	abort();
}

static void add(struct fail *f, enum fail_level level, struct place place, const char *fmt, va_list args)
{
	struct finding *grown;
	char *text, *file = NULL;

	if (level == FAIL_ERROR)
		f->errors++;
	if (level == FAIL_WARNING)
		f->warnings++;
	if (f->n == FINDINGS_MAX)
		return;
	if (f->n == f->cap) {
		unsigned cap = f->cap ? f->cap * 2 : 8;

		grown = realloc(f->at, cap * sizeof *grown);
		if (!grown)
			return;
		f->at = grown;
		f->cap = cap;
	}
	if (vasprintf(&text, fmt, args) < 0)
		return;
	/* Its name may live in an arena that is gone before the report is printed. */
	if (place.file && !(file = strdup(place.file))) {
		free(text);
		return;
	}
	place.file = file;
	f->at[f->n++] = (struct finding){level, place, text};
}

bool fail_at(struct fail *f, struct place place, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(f, FAIL_ERROR, place, fmt, args);
	va_end(args);
	return false;
}

void fail_warn(struct fail *f, struct place place, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(f, FAIL_WARNING, place, fmt, args);
	va_end(args);
}

void fail_note(struct fail *f, struct place place, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(f, FAIL_NOTE, place, fmt, args);
	va_end(args);
}

void fail_print(const struct fail *f, FILE *out, bool notes)
{
	static const char *const level[] = {"error", "warning", "note"};

	for (unsigned i = 0; i < f->n; i++) {
		const struct finding *one = &f->at[i];

		if (one->level == FAIL_NOTE && !notes)
			continue;
		fprintf(out, "%s", one->place.file ? one->place.file : "portcullis");
		if (one->place.line)
			fprintf(out, ":%u:%u", one->place.line, one->place.column);
		fprintf(out, ": %s: %s\n", level[one->level], one->text);
	}
}

void fail_done(struct fail *f)
{
	for (unsigned i = 0; i < f->n; i++) {
		free((char *)f->at[i].text);
		free((char *)f->at[i].place.file);
	}
	free(f->at);
	memset(f, 0, sizeof *f);
}
