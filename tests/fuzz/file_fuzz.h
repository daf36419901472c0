/* file_fuzz.h -- what holds of the findings about any file of the operator's. */
#ifndef PORTCULLIS_TESTS_FILE_FUZZ_H
#define PORTCULLIS_TESTS_FILE_FUZZ_H

#include "fuzz.h"
#include "gateway/base/fail.h"

/* The place is none, or one of the file: at most one behind a line's last character. */
static inline void file_fuzz_place(struct slice file, struct place p)
{
	struct slice line = SLICE("");
	uint32_t at = 0, columns = 1;

	MUST(p.line || !p.column);
	if (!p.line)
		return;
	while (at < p.line && slice_cut(&file, '\n', &line))
		at++;
	/* An end that is missing may be shown where it would stand: behind the last line. */
	MUST(at == p.line || (at + 1 == p.line && p.column == 1));
	for (size_t i = 0; i < line.len; i++)
		columns += ((unsigned char)line.at[i] & 0xc0) != 0x80;
	MUST(p.column >= 1 && p.column <= columns);
}

/* Each has a reason, and a place in `file` if it is about that. */
static inline void file_fuzz_findings(const struct fail *f, const char *name, struct slice file)
{
	for (unsigned i = 0; i < f->n; i++) {
		MUST(f->at[i].text && f->at[i].text[0]);
		if (f->at[i].place.file && strcmp(f->at[i].place.file, name) == 0)
			file_fuzz_place(file, f->at[i].place);
	}
}

/* Asked again, it says the same. */
static inline void file_fuzz_same(const struct fail *a, const struct fail *b)
{
	MUST(a->n == b->n && a->errors == b->errors && a->warnings == b->warnings);
	for (unsigned i = 0; i < a->n; i++)
		MUST(!strcmp(a->at[i].text, b->at[i].text) && a->at[i].level == b->at[i].level &&
		     a->at[i].place.line == b->at[i].place.line && a->at[i].place.column == b->at[i].place.column);
}

#endif
