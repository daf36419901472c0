/* rules.h -- the WAF filter of the chain, and its settings. */
#ifndef PORTCULLIS_RULES_RULES_H
#define PORTCULLIS_RULES_RULES_H

#include "gateway/chain/chain.h"
#include "rules/pool.h"

struct rules_config {
	struct pool *pool;           /* NULL: no site of this gateway inspects */
	uint32_t queue_ms;           /* 1000: a job may wait so long for an inspector */
	uint32_t run_ms, run_ms_per_kib; /* 250 and 1 */
	const char *const *rulesets; /* names by index, NULL-terminated */
	bool detect_waits;           /* in detect mode too the verdict is waited for (logs.waf.sync) */
	uint64_t body_max;           /* 1 MiB: what is inspected when policy says nothing */
	struct spending spending;    /* what one client's inspections may cost */
};

/* Its conf is a struct rules_config. */
extern const struct filter rules_filter;

#endif
