/* prepared.h -- a generation inside a worker: its images mapped, its parts made.
 *
 * What two generations have in common (the connection to Redis, the inspection
 * queue) is made once and counted.  Nothing here opens a file: all that is needed
 * comes as descriptors. */
#ifndef PORTCULLIS_PROC_PREPARED_H
#define PORTCULLIS_PROC_PREPARED_H

#include "gateway/limit/limit.h"
#include "gateway/proc/control.h"
#include "gateway/proxy/generation.h"
#include "rules/rules.h"

struct prepared_store;
struct prepared_queue;

struct prepared_plan {
	struct proxy *proxy;
	struct words *words;
	struct budget *helpers; /* memory of what is neither client nor origin */
	unsigned worker;
};

struct prepared {
	struct generation generation; /* first: who holds it holds the whole */
	unsigned slot;
	const struct config *config;
	const struct config_secrets *secrets;
	struct geoip *geoip;
	struct prepared_store *store; /* NULL: counters are local */
	struct prepared_queue *queue; /* NULL: nobody inspects */
	struct limit_config limit;
	struct rules_config rules;
	const char **rulesets;
	unsigned awake;               /* sites whose policies were woken */
	const void *confs[CHAIN_FILTERS];
};

/* Make the generation that `m` and its descriptors describe; `beside` is the one in force, or NULL.
 * Takes all descriptors, whatever happens.  NULL after a finding. */
struct prepared *prepared_new(const struct prepared_plan *plan, const struct control_message *m, const int *fds,
			      unsigned fds_n, const struct prepared *beside, struct fail *f);
/* Its store can be asked, or it has none. */
bool prepared_counts(const struct prepared *p);

#endif
