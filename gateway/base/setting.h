/* setting.h -- one table of settings drives the parser, its errors, the JSON Schema and the reference.
 *
 * A table describes one mapping of a file people edit: for each key its type,
 * where its value goes in a struct, its default as text, bounds and a sentence
 * for the reference.  setting_read fills the struct (defaults first), and adds a
 * finding with place, reason and suggestion for each unknown key, missing
 * required key, wrong kind and value out of bounds.  The struct must be zeroed. */
#ifndef PORTCULLIS_BASE_SETTING_H
#define PORTCULLIS_BASE_SETTING_H

#include "gateway/base/yaml.h"

enum setting_kind {
	SETTING_TEXT,     /* struct slice; any scalar */
	SETTING_NAME,     /* struct slice; [a-z0-9-]{1,40} */
	SETTING_PATH,     /* struct slice; a file, made absolute against the file that names it */
	SETTING_INT,      /* int64_t within least..most */
	SETTING_BOOL,     /* bool; true or false */
	SETTING_DURATION, /* int64_t milliseconds; 30s 10m */
	SETTING_SIZE,     /* int64_t bytes; 64KiB */
	SETTING_WORD,     /* int: index into words */
	SETTING_STRUCT,   /* the struct itself, by table */
	SETTING_LIST,     /* struct setting_list of what `each` says; one scalar may stand for a list of one if `lone` */
	SETTING_MAP,      /* struct setting_list of structs by each->table, in file order; key in their first member */
	SETTING_CUSTOM,   /* whatever parse() makes */
	SETTING_LATER,    /* a word of the specification: "not in this version" with its place */
};

struct setting_list {
	void *at;
	unsigned n;
};

/* Every struct made for SETTING_LIST or SETTING_MAP of structs begins with this. */
struct setting_head {
	struct slice key;   /* of a map; empty in a list */
	struct place place;
};

struct setting_reader {
	struct arena *arena;   /* what is read lives here */
	struct fail *fail;
	const char *directory; /* of the file being read, for SETTING_PATH */
	void *context;         /* for parse() */
};

struct setting {
	const char *key;
	enum setting_kind kind;
	size_t at; /* offsetof in the struct */
	const char *fallback; /* default as text; NULL: zeroed */
	bool required;
	bool lone;
	int64_t least, most; /* of a number, or of entries of a list or map; both 0: no bounds */
	const char *const *words; /* NULL-terminated */
	const struct setting *each; /* of a list or map: one setting that describes the element, at = 0 */
	const struct setting *table; /* of a struct, or a mapping that parse() takes: ends with key NULL */
	size_t size; /* of one struct of `table`; in a list or map also of what parse() fills */
	/* False after a finding was added. */
	bool (*parse)(struct setting_reader *r, const struct yaml_node *node, void *out);
	const char *syntax; /* of a custom kind, for the reference: "duration or off" */
	const char *pattern; /* of a custom scalar kind, for the schema; NULL: any */
	const char *doc;
};

/* Fill `out` from a mapping.  Reads on after an error, to find them all; false if there was any. */
bool setting_read(struct setting_reader *r, const struct setting *table, const struct yaml_node *map, void *out);
/* Defaults only, as from an empty mapping. */
bool setting_defaults(struct setting_reader *r, const struct setting *table, void *out);

/* JSON Schema (draft 2020-12) of a file whose top is `table`. */
void setting_schema(const struct setting *table, const char *title, FILE *out);
/* Markdown tables: key, type, default, meaning; nested tables follow under their path. */
void setting_reference(const struct setting *table, FILE *out);

#endif
