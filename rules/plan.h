/* plan.h -- what rule sets a zygote is to load, and their bounds, as lines of text.
 *
 * The supervisor packs it into a memory file, the zygote reads it once.  One
 * line per item: a word, a tab, a value; "ruleset" begins a new one:
 *
 *	ruleset	crs
 *	arguments	1000
 *
 * The rules themselves are in a bundle (bundle.h). */
#ifndef PORTCULLIS_RULES_PLAN_H
#define PORTCULLIS_RULES_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/arena.h"
#include "gateway/base/buf.h"

enum { PLAN_RULESETS = 16 };

struct plan_ruleset {
	struct slice name;
	uint32_t arguments;  /* 1000: arguments, form fields or JSON leaves; more are refused */
	uint32_t json_depth; /* 64 */
	uint32_t parts;      /* 128, of a multipart body */
	uint64_t body_max;   /* bytes that may be inspected at all: the largest of any policy */
};

struct plan {
	struct plan_ruleset rulesets[PLAN_RULESETS];
	uint32_t rulesets_n;
	uint32_t recycle_jobs; /* an inspector is replaced after so many; 0: never */
	uint64_t recycle_bytes; /* ... or when it has grown by so much; 0: never */
};

/* False when a value cannot be written down (tab, newline, NUL) or memory is used up. */
bool plan_pack(struct buf *out, const struct plan *plan);
/* Slices of `out` point into `in`.  False: *line says where, *why what. */
bool plan_unpack(struct slice in, struct plan *out, unsigned *line, const char **why);

#endif
