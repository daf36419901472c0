/* setting_reference.c -- a table of settings as Markdown, for people. */
#include <stdio.h>

#include "gateway/base/setting_parts.h"

struct writer {
	FILE *out;
	const struct setting *open[SETTING_DEPTH];
	unsigned open_n;
};

/* Inside a Markdown table a bar ends the cell. */
static void cell(FILE *out, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '|')
			fputc('\\', out);
		fputc(s.at[i] == '\n' ? ' ' : s.at[i], out);
	}
}

static void row(FILE *out, const struct setting *s)
{
	char syntax[SETTING_SYNTAX];
	struct slice type = setting_syntax(s, syntax);

	if (slice_starts(type, SLICE("a ")))
		type = slice_after(type, 2);
	fprintf(out, "| `%s` | ", s->key);
	cell(out, type);
	if (s->required)
		fputs(" | required | ", out);
	else if (s->fallback && *s->fallback)
		fprintf(out, " | `%s` | ", s->fallback);
	else
		fputs(" | | ", out);
	cell(out, slice_of(s->doc ? s->doc : ""));
	fputs(" |\n", out);
}

/* The table of structs behind a setting, however deep in lists; the path says how it is written. */
static const struct setting *table_of(const struct setting *s, char *path, size_t room)
{
	size_t n = strlen(path);

	n += (size_t)snprintf(path + n, room - n, "%s%s", n ? "." : "", s->key);
	while (s->kind == SETTING_LIST || s->kind == SETTING_MAP) {
		if (n >= room)
			return NULL;
		n += (size_t)snprintf(path + n, room - n, "%s", s->kind == SETTING_MAP ? ".NAME" : "[]");
		s = s->each;
	}
	return (s->kind == SETTING_STRUCT || s->kind == SETTING_CUSTOM) && n < room ? s->table : NULL;
}

static void section(struct writer *w, const struct setting *table, const char *path)
{
	bool later = false;

	for (unsigned i = 0; i < w->open_n; i++)
		if (w->open[i] == table)
			return;
	if (w->open_n == SETTING_DEPTH)
		return;
	w->open[w->open_n++] = table;
	fputs("| key | type | default | meaning |\n|---|---|---|---|\n", w->out);
	for (const struct setting *s = table; s->key; s++)
		if (s->kind != SETTING_LATER)
			row(w->out, s);
	for (const struct setting *s = table; s->key; s++) {
		if (s->kind != SETTING_LATER)
			continue;
		fprintf(w->out, "%s`%s`", later ? ", " : "\nReserved, not in this version: ", s->key);
		later = true;
	}
	fputs(later ? ".\n" : "", w->out);
	for (const struct setting *s = table; s->key; s++) {
		const struct setting *inner;
		char below[200];

		snprintf(below, sizeof below, "%s", path);
		inner = table_of(s, below, sizeof below);
		if (!inner)
			continue;
		fprintf(w->out, "\n### `%s`\n\n", below);
		section(w, inner, below);
	}
	w->open_n--;
}

void setting_reference(const struct setting *table, FILE *out)
{
	struct writer w = {.out = out};

	section(&w, table, "");
}
