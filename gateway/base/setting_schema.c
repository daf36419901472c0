/* setting_schema.c -- a table of settings as JSON Schema, for editors.
 *
 * The schema is looser than the parser in one way: a bare 1 or true is a number
 * or truth to an editor, so text accepts them. */
#include <inttypes.h>
#include <stdio.h>

#include "gateway/base/setting_parts.h"

struct writer {
	FILE *out;
	unsigned depth;
	const struct setting *open[SETTING_DEPTH]; /* tables being written: one inside itself is not repeated */
	unsigned open_n;
};

static void one(struct writer *w, const struct setting *s);

static void line(struct writer *w)
{
	fprintf(w->out, "\n%*s", (int)w->depth * 2, "");
}

static void text(struct writer *w, const char *s)
{
	fputc('"', w->out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(w->out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			fprintf(w->out, "\\u%04x", (unsigned)*s);
		else
			fputc(*s, w->out);
	}
	fputc('"', w->out);
}

static void member(struct writer *w, const char *key, const char *value)
{
	fputs(", ", w->out);
	text(w, key);
	fputs(": ", w->out);
	text(w, value);
}

static void object(struct writer *w, const struct setting *table)
{
	bool first = true;

	fputs("\"type\": \"object\"", w->out);
	for (unsigned i = 0; i < w->open_n; i++)
		if (w->open[i] == table)
			return;
	if (w->open_n == SETTING_DEPTH)
		return;
	w->open[w->open_n++] = table;
	fputs(", \"additionalProperties\": false, \"properties\": {", w->out);
	w->depth++;
	for (const struct setting *s = table; s->key; s++) {
		fputs(s == table ? "" : ",", w->out);
		line(w);
		text(w, s->key);
		fputs(": ", w->out);
		one(w, s);
	}
	w->depth--;
	line(w);
	fputc('}', w->out);
	for (const struct setting *s = table; s->key; s++) {
		if (!s->required)
			continue;
		fputs(first ? ", \"required\": [" : ", ", w->out);
		text(w, s->key);
		first = false;
	}
	fputs(first ? "" : "]", w->out);
	w->open_n--;
}

static void list(struct writer *w, const struct setting *s)
{
	if (s->lone) {
		fputs("\"anyOf\": [", w->out);
		one(w, s->each);
		fputs(", {", w->out);
	}
	fputs("\"type\": \"array\", \"items\": ", w->out);
	one(w, s->each);
	if (s->most)
		fprintf(w->out, ", \"minItems\": %" PRId64 ", \"maxItems\": %" PRId64, s->least, s->most);
	if (s->lone)
		fputs("}]", w->out);
}

static void words(struct writer *w, const struct setting *s)
{
	fputs("\"enum\": [", w->out);
	for (unsigned i = 0; s->words[i]; i++) {
		fputs(i ? ", " : "", w->out);
		text(w, s->words[i]);
	}
	fputc(']', w->out);
}

/* A scalar by its pattern, a mapping by its table, or either. */
static void custom(struct writer *w, const struct setting *s, const char *scalar)
{
	const char *before = s->pattern && s->table ? "\"anyOf\": [{" : "";

	if (s->pattern) {
		fprintf(w->out, "%s%s", before, scalar);
		member(w, "pattern", s->pattern);
	}
	if (s->pattern && s->table)
		fputs("}, {", w->out);
	if (s->table)
		object(w, s->table);
	if (s->pattern && s->table)
		fputs("}]", w->out);
	if (s->pattern || s->table)
		return;
	fputs("\"$comment\": ", w->out);
	text(w, s->syntax ? s->syntax : "any");
}

static void kind(struct writer *w, const struct setting *s)
{
	static const char *const scalar = "\"type\": [\"string\", \"number\", \"boolean\"]";

	switch (s->kind) {
	case SETTING_TEXT:
		fputs(scalar, w->out);
		break;
	case SETTING_NAME:
		fputs("\"type\": [\"string\", \"number\"], \"pattern\": \"^[a-z0-9-]{1,40}$\"", w->out);
		break;
	case SETTING_PATH:
		fputs("\"type\": \"string\", \"minLength\": 1", w->out);
		break;
	case SETTING_INT:
		fputs("\"type\": \"integer\"", w->out);
		if (s->least || s->most)
			fprintf(w->out, ", \"minimum\": %" PRId64 ", \"maximum\": %" PRId64, s->least, s->most);
		break;
	case SETTING_BOOL:
		fputs("\"type\": \"boolean\"", w->out);
		break;
	case SETTING_DURATION:
		fputs("\"type\": \"string\", \"pattern\": \"^[0-9]+(ms|s|m|h|d)$\"", w->out);
		break;
	case SETTING_SIZE:
		fputs("\"type\": \"string\", \"pattern\": \"^[0-9]+(B|KiB|MiB|GiB)$\"", w->out);
		break;
	case SETTING_WORD:
		words(w, s);
		break;
	case SETTING_STRUCT:
		object(w, s->table);
		break;
	case SETTING_LIST:
		list(w, s);
		break;
	case SETTING_MAP:
		fputs("\"type\": \"object\", \"propertyNames\": {\"pattern\": \"^[a-z0-9-]{1,40}$\"}, "
		      "\"additionalProperties\": ",
		      w->out);
		one(w, s->each);
		break;
	case SETTING_CUSTOM:
		custom(w, s, scalar);
		break;
	case SETTING_LATER:
		fputs("\"not\": {}", w->out);
		break;
	}
}

static void fallback(struct writer *w, const struct setting *s)
{
	bool bare = s->kind == SETTING_INT || s->kind == SETTING_BOOL;

	if (!s->fallback)
		return;
	if (bare)
		fprintf(w->out, ", \"default\": %s", s->fallback);
	else
		member(w, "default", s->fallback);
}

static void one(struct writer *w, const struct setting *s)
{
	fputc('{', w->out);
	kind(w, s);
	fallback(w, s);
	if (s->kind == SETTING_LATER)
		member(w, "description", "not in this version");
	else if (s->doc)
		member(w, "description", s->doc);
	fputc('}', w->out);
}

void setting_schema(const struct setting *table, const char *title, FILE *out)
{
	struct writer w = {.out = out, .depth = 1};

	fputs("{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n  \"title\": ", out);
	text(&w, title);
	fputs(",\n  ", out);
	object(&w, table);
	fputs("\n}\n", out);
}
