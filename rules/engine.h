/* engine.h -- what the zygote and its inspectors share: one program, forked. */
#ifndef PORTCULLIS_RULES_ENGINE_H
#define PORTCULLIS_RULES_ENGINE_H

#include <sys/types.h>

#include "gateway/base/hash.h"
#include "rules/modsec.h"
#include "rules/plan.h"
#include "rules/waf.h"

struct engine {
	struct plan plan;
	struct modsec *modsec;
	struct waf_shared *shared;
	int lanes[WAF_WORKERS * WAF_LANES]; /* far ends: worker 0 small, worker 0 big, worker 1 small ... */
	unsigned lanes_n;
	int doors[WAF_INSPECTORS]; /* far ends: what only one inspector can answer best; it also has a lane */
	unsigned doors_n;          /* 0, or as many as inspectors */
	unsigned inspectors;
	unsigned big;          /* the first so many serve the big lanes too */
	int log_fd;            /* -1: standard error */
	uid_t uid;             /* and gid of the same number; 0: as it was started */
	struct hash_seed seed; /* of body_check */
};

/* Load the rule sets of `bundle` (bundle.h) with the bounds of e->plan, which names them in the same order; the
 * bundle is not needed afterwards.  False after writing "FILE:LINE: reason" into `why`. */
bool engine_load(struct engine *e, struct slice bundle, char *why, size_t room);
/* Fork the inspectors, write READY to `ready` (and close it), watch them until SIGTERM.  The exit status. */
int zygote_run(struct engine *e, int ready);
/* Serve the lanes, in a process of its own.  The exit status says why it should be replaced. */
enum inspector_end { INSPECTOR_DONE, INSPECTOR_BROKEN, INSPECTOR_GROWN };
int inspector_run(const struct engine *e, unsigned number);
/* Judge one request: the body's form, then the rules.  Texts of hits are made in the arena.  `kept`: NULL, or
 * where the transaction of a request that is let through is to be left (NULL when there is none).
 * *plain: where out->plain says so, the decoded content, in the arena.
 * False: the engine's state is in doubt. */
bool inspector_judge(const struct engine *e, const struct waf_job *job, struct slice body, struct arena *a,
		     struct waf_answer *out, struct modsec_kept **kept, struct slice *plain);
/* Judge one answer in its request's transaction, which is used up; NULL: the request's head is run again.
 * As above. */
bool inspector_judge_answer(const struct engine *e, struct modsec_kept *kept, const struct waf_job *job, struct slice body,
			    struct arena *a, struct waf_answer *out);

#endif
