/* zone.h -- a time zone as a table of offsets, made when a policy is compiled.
 *
 * Read from the system's TZif files (RFC 9636): their transitions, then what the
 * rule in their footer says until ZONE_LAST_YEAR.  Workers read no files. */
#ifndef PORTCULLIS_POLICIES_ZONE_H
#define PORTCULLIS_POLICIES_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/arena.h"

enum { ZONE_LAST_YEAR = 2060 };

struct zone_step {
	int64_t from;   /* seconds since 1970 */
	int32_t offset; /* seconds east of Greenwich from then on */
};

struct zone {
	struct slice name;
	int32_t before; /* the offset before the first step */
	uint32_t n;
	const struct zone_step *steps;
};

/* NULL: *why.  `directory` is where the files are; NULL: the system's. */
const struct zone *zone_read(struct arena *a, struct slice name, const char *directory, const char **why);
/* From the bytes of a TZif file. */
const struct zone *zone_parse(struct arena *a, struct slice name, struct slice bytes, const char **why);
int32_t zone_offset(const struct zone *z, int64_t now);
/* Minutes since midnight there, 0-1439; 0 is Sunday. */
int64_t zone_clock(const struct zone *z, int64_t now);
int64_t zone_weekday(const struct zone *z, int64_t now);

#endif
