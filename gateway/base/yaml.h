/* yaml.h -- the strict YAML skeleton: a tree in which every node knows its place.
 *
 * One document, mappings, lists and scalars.  Every scalar stays text until a
 * setting table types it (NO stays "NO").  Refused, each with its place: tags,
 * anchors, aliases, merge keys, duplicate keys, tabs, NUL, invalid UTF-8, more
 * than YAML_BYTES, more than 32 levels or 200,000 nodes. */
#ifndef PORTCULLIS_BASE_YAML_H
#define PORTCULLIS_BASE_YAML_H

#include "gateway/base/arena.h"
#include "gateway/base/fail.h"

enum { YAML_BYTES = 1 << 20 };
enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };
enum yaml_style { YAML_PLAIN, YAML_SINGLE, YAML_DOUBLE, YAML_BLOCK };

struct yaml_node {
	enum yaml_kind kind;
	enum yaml_style style; /* of a scalar */
	bool flow;             /* a list or map in brackets */
	struct place place;    /* of its first byte; for a quoted scalar the quote */
	struct slice text;     /* of a scalar */
	struct slice source;   /* of a scalar as it is written, quotes included; empty: one made by hand */
	struct yaml_node **items; /* of a list, or the values of a map */
	struct yaml_node **keys;  /* of a map: scalars, as many as items */
	unsigned n;
};

/* Read a whole document, which must be a mapping.  Nodes and texts live in the arena; `file` is borrowed for places.
 * NULL after findings were added. */
struct yaml_node *yaml_read(struct arena *a, const char *file, struct slice bytes, struct fail *f);
/* The value under `key`, or NULL. */
struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
/* The place of the byte at `offset` of a scalar's text: exact for plain, single-quoted and block
 * scalars, so that an error inside an expression points at the word. */
struct place yaml_place_in(const struct yaml_node *scalar, size_t offset);

/* A whole file, at most `most` bytes, into the arena (NUL behind it).  False after a finding. */
bool yaml_load(struct arena *a, const char *path, size_t most, struct slice *out, struct fail *f, struct place by);

#endif
