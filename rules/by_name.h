/* by_name.h -- what the rule engine finds when it opens a file by name.
 *
 * The engine reads data files and included rules by name, and in more places than
 * one: through streams, the C library and Lua.  While files are offered, the calls
 * under all of them answer with the bytes that were captured, and there is no
 * other file to read: a name that was not captured does not exist. */
#ifndef PORTCULLIS_RULES_BY_NAME_H
#define PORTCULLIS_RULES_BY_NAME_H

#include "gateway/base/slice.h"

struct by_name_file {
	const char *name;
	struct slice bytes;
};

/* From now on; the caller keeps them until by_name_withdraw.  In the order of their names. */
void by_name_offer(const struct by_name_file *files, unsigned n);
/* Names are the kernel's again. */
void by_name_withdraw(void);

#endif
