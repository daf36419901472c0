/* yaml_parts.h -- shared by the files that read YAML; nobody else includes it. */
#ifndef PORTCULLIS_BASE_YAML_PARTS_H
#define PORTCULLIS_BASE_YAML_PARTS_H

#include "gateway/base/yaml.h"

/* Bytes that no file of ours may hold: NUL, tabs, other control characters, hidden line breaks,
 * invalid UTF-8, and too many of them.  False after a finding. */
bool yaml_check_bytes(const char *file, struct slice bytes, struct fail *f);

/* What surrounds a node while its mistakes are looked for. */
struct yaml_near {
	struct slice bytes;  /* of the whole file */
	size_t start, end;   /* of the node in it */
	bool in_flow;        /* within brackets */
	size_t *told;        /* mistakes that begin before this byte were told already */
	struct fail *f;
};

/* Natural text that YAML reads as something else.  Each adds a finding that says "put it in quotes". */
void yaml_mistake_plain(const struct yaml_near *near, const struct yaml_node *scalar);
void yaml_mistake_key(const struct yaml_near *near, const struct yaml_node *key, const struct yaml_node *value,
		      const struct yaml_near *before);
void yaml_mistake_pair(const struct yaml_near *near, struct place place);
/* libyaml gave up: say why in our words.  `context` and `problem` are libyaml's texts, `at` is the byte. */
void yaml_mistake_syntax(struct slice bytes, size_t at, struct place place, const char *context, const char *problem,
			 struct place began, struct fail *f);

#endif
