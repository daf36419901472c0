/* bundle.h -- the rule files of one generation as one run of bytes.
 *
 * The loader captures them (capture.h), the supervisor keeps them sealed, every
 * zygote of that generation loads them and no file by its name: the first one,
 * and one that is started again when the files on the disk are others already.
 *
 * Items stand one behind the other: every file once, by the name under which it
 * was read; and for each rule set its name, then names of files in the order in
 * which they are loaded.  What rules name is found among the files. */
#ifndef PORTCULLIS_RULES_BUNDLE_H
#define PORTCULLIS_RULES_BUNDLE_H

#include <stdbool.h>

#include "gateway/base/slice.h"

struct buf;

enum bundle_kind {
	BUNDLE_FILE = 'f',    /* `name` as the rule engine will ask for it, absolute; `bytes` as they were read */
	BUNDLE_RULESET = 'r', /* a rule set begins: `name` */
	BUNDLE_UNICODE = 'u', /* of it: the file with best-fit letters of %uXXXX */
	BUNDLE_SETUP = 's',   /* of it: its own settings, SecLang */
	BUNDLE_RULES = 'c',   /* of it: SecLang */
};

struct bundle_item {
	enum bundle_kind kind;
	struct slice name, bytes; /* bytes: of a file */
};

/* Add one.  False: memory is used up, or a name has more than 64 KiB. */
bool bundle_put(struct buf *out, const struct bundle_item *item);
/* Take one off the front; its slices point into `rest`.  1, or 0 at the end, or -1: this is no bundle. */
int bundle_next(struct slice *rest, struct bundle_item *out);

#endif
