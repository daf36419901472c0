/* generation.h -- what one reading of the configuration is to the data path.
 *
 * A request holds the generation it began with until its record is written; a
 * connection holds none, and each of its requests begins with the one that is
 * current then.  What is prepared beside the current one costs memory and serves
 * nobody until it is committed. */
#ifndef PORTCULLIS_PROXY_GENERATION_H
#define PORTCULLIS_PROXY_GENERATION_H

#include "gateway/proxy/proxy.h"

struct generation_plan {
	const struct config *config;
	const struct config_secrets *secrets;
	const struct geoip *geoip;  /* NULL: places are unknown */
	const void *const *confs;   /* one for each filter */
	const int *listeners;       /* by listener number, config->listeners.n of them; the generation's to close */
	void (*gone)(struct generation *g); /* nobody holds it any more: free what the plan pointed to; may be NULL */
};

struct generation {
	struct proxy *proxy;
	struct generation_plan plan;
	const struct config *config;
	struct proxy_origin *origins; /* by number */
	struct tls_server *tls;       /* NULL: no listener uses TLS */
	struct proxy_listener *listeners;
	unsigned listeners_n;
	unsigned held;
};

/* Begin to make one, held once, not yet current.  False after a finding; then nothing is left of it, but the
 * descriptors are the caller's still. */
bool generation_init(struct generation *g, struct proxy *p, const struct generation_plan *plan, struct fail *f);
/* Make its certificates ready, for about `us` microseconds (-1: to the end): hundreds of them must not keep
 * those waiting who are served meanwhile.  It may be committed when this answers MADE. */
enum tls_made generation_make(struct generation *g, int64_t us, struct fail *f);
struct generation *generation_hold(struct generation *g);
void generation_drop(struct generation *g);
/* From now on requests begin with `g`, whose hold goes to the proxy.  Pooled connections and the health of
 * servers that both know are taken over.  False: the event loop has no room for its listeners; accepting is
 * tried again. */
bool generation_commit(struct generation *g);
/* No new connections through it; its listeners are closed. */
void generation_retire(struct generation *g);

#endif
