/* extra.h -- what the rule engine is shown beside what it finds by itself.
 *
 * The engine reads content by its declared type and in one way.  Where an origin may read more (an
 * attribute of XML, a string inside a text, a file's second name), the value goes to the rules as one
 * more argument, file name or cookie, so that they find there what they would find in the plain. */
#ifndef PORTCULLIS_RULES_EXTRA_H
#define PORTCULLIS_RULES_EXTRA_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/slice.h"

#ifdef __cplusplus
extern "C" {
#endif

struct arena;
struct fields;

/* How the engine is to read the content: by what its type begins with, which is the engine's own way, or so. */
enum body_reading { BODY_AS_SAID, BODY_AS_TEXT, BODY_AS_FORM, BODY_AS_JSON, BODY_AS_XML };

enum extra_kind { EXTRA_ARGUMENT, EXTRA_FILE, EXTRA_COOKIE };

struct extra {
	enum extra_kind kind;
	struct slice name, value; /* in the content, or in the arena */
};

struct extras {
	struct arena *arena;
	struct extra *at;
	uint32_t n, cap;
	uint32_t most; /* of them; what is more is `over` */
	bool over, starved; /* ... or memory was used up: whichever, not all of it is here */
};

/* False when it did not fit; says which above. */
bool extras_add(struct extras *x, enum extra_kind kind, struct slice name, struct slice value);
/* Each string in double quotes, unescaped as JSON would, line by line: whoever reads JSON in a text, or
 * line after line of it, comes to these values.  The quotes of one line do not reach into the next. */
bool extras_add_strings(struct extras *x, struct slice name, struct slice text);
/* A query, or a form: fields between ";", values of one name joined by commas, strings in values that are JSON. */
bool extras_add_form(struct extras *x, struct slice form);
/* Cookies without a name, and what quoted ones mean where they hold ";" or a backslash. */
bool extras_add_cookies(struct extras *x, const struct fields *fields);
/* Without its backslashes: \n and its kin, \uXXXX, \xHH, three octal digits, any other character for itself.
 * In the arena; at is NULL when memory is used up. */
struct slice extra_unescape(struct arena *a, struct slice raw);

#ifdef __cplusplus
}
#endif
#endif
