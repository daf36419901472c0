/* seclang.h -- which files a SecLang text names.
 *
 * This is no reader of rules, the rule engine is: it finds directives, their
 * quoted arguments and comments as the engine's scanner does, and looks at those
 * that make the engine open a file.  What it overlooks is not captured, and the
 * engine then finds no such file: nothing is read past it (by_name.h). */
#ifndef PORTCULLIS_RULES_SECLANG_H
#define PORTCULLIS_RULES_SECLANG_H

#include <stdint.h>

#include "gateway/base/slice.h"

enum seclang_kind {
	SECLANG_INCLUDE, /* SecLang again; a name, or a pattern with "*" */
	SECLANG_DATA,    /* looked for beside the file that names it, unless it is absolute */
	SECLANG_SCRIPT,  /* Lua; absolute */
	SECLANG_REMOTE,  /* rules that would be fetched from the network */
};

struct seclang_name {
	enum seclang_kind kind;
	struct slice by;       /* the directive, operator or action, as written */
	struct slice name;     /* never empty */
	uint32_t line, column; /* of the name, from 1 */
};

typedef void seclang_fn(void *context, const struct seclang_name *found);

/* Every name in `text`, in its order.  Slices point into it. */
void seclang_names(struct slice text, seclang_fn *each, void *context);

#endif
