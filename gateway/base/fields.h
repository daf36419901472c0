/* fields.h -- a field list: names and values in the order they came.
 *
 * Names are lower case and valid tokens, values have no leading or trailing
 * white space and no CR, LF or NUL (RFC 9110 section 5).  One list carries a
 * header section or a trailer section, whatever HTTP version brought it. */
#ifndef PORTCULLIS_BASE_FIELDS_H
#define PORTCULLIS_BASE_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/arena.h"
#include "gateway/base/slice.h"

/* Names the gateway itself acts on; anything else is FIELD_OTHER. */
enum field_name {
	FIELD_OTHER,
#define FIELD_NAME(id, text) FIELD_##id,
#include "gateway/base/fields.def"
#undef FIELD_NAME
	FIELD_NAMES
};

struct field {
	struct slice name, value;
	uint16_t id;     /* enum field_name */
	uint16_t hidden; /* 1: not forwarded (hop-by-hop, replaced by ours); still seen by filters */
};

struct fields {
	struct field *at;
	uint32_t n, cap;
};

/* `name` in lower case. */
enum field_name field_name_of(struct slice name);
struct slice field_name_text(enum field_name id);
/* False when memory is used up.  Slices are borrowed, not copied. */
bool fields_add(struct fields *f, struct arena *a, struct slice name, struct slice value);
/* First field of that name at or after index *i; NULL when there is none.  *i is then the index after it. */
struct field *fields_next(const struct fields *f, struct slice name, uint32_t *i);
/* First field with a known name, or NULL. */
struct field *fields_find(const struct fields *f, enum field_name id);
unsigned fields_count(const struct fields *f, enum field_name id);

#endif
