/* modsec.h -- the rule engine, as C sees it.
 *
 * Behind it is libmodsecurity, which only modsec.cc may include.  A process loads
 * all rule sets once; a request is judged from nothing, an answer in the
 * transaction of its request. */
#ifndef PORTCULLIS_RULES_MODSEC_H
#define PORTCULLIS_RULES_MODSEC_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/slice.h"

#ifdef __cplusplus
extern "C" {
#endif

struct modsec;

struct modsec_ruleset {
	const char *name;
	const char *path;        /* directory with rules/ *.conf, or with *.conf itself */
	const char *setup;       /* NULL: looked for beside `path`, then where Debian keeps it */
	const char *const *before; /* NULL-terminated: after the setup, before the rules */
	uint32_t arguments, json_depth;
	uint64_t body_max;
};

/* NULL after writing "FILE:LINE: reason" into `why`. */
struct modsec *modsec_load(const struct modsec_ruleset *sets, unsigned n, char *why, size_t room);
void modsec_free(struct modsec *m);
/* Rules in force, of all sets. */
unsigned modsec_rules(const struct modsec *m);

struct modsec_field {
	struct slice name, value;
};

struct modsec_exclusion {
	uint32_t rule;       /* 0: by tag */
	struct slice tag;
	struct slice target; /* empty: the whole rule */
};

struct modsec_request {
	unsigned ruleset;
	bool detect;           /* nothing is stopped, all phases run */
	unsigned paranoia, detection_paranoia, threshold_request, threshold_response;
	const char *client, *server_name, *id, *method, *target, *version; /* "1.1" */
	unsigned client_port, server_port;
	const struct modsec_field *fields;
	unsigned fields_n;
	const struct modsec_exclusion *exclusions;
	unsigned exclusions_n;
	bool with_body;
	struct slice body;
};

struct modsec_hit {
	uint32_t rule;
	unsigned phase, severity;
	struct slice message, data, tag; /* valid during the call */
	struct slice variable; /* that matched, "ARGS:q"; empty: not known */
};

struct modsec_verdict {
	bool deny;
	unsigned status;
	unsigned score; /* anomaly score: inbound of a request */
};

typedef void modsec_hit_fn(void *context, const struct modsec_hit *hit);

/* Each rule that would be logged goes to `hit`, unless that is NULL.  False: the engine threw; its state
 * is in doubt and the process should end. */
bool modsec_judge(struct modsec *m, const struct modsec_request *req, struct modsec_verdict *out, modsec_hit_fn *hit,
		  void *context);

/* ---- Answers ---- */

struct modsec_kept;  /* the transaction of a request that was let through */

struct modsec_answer {
	bool detect;
	unsigned status;
	const char *version; /* "1.1" */
	const struct modsec_field *fields;
	unsigned fields_n;
	struct slice body;   /* empty: there is none, or it is not inspected; phase 4 runs all the same, over nothing */
};

/* As modsec_judge.  *kept is the transaction, to be dropped by the caller; NULL when the request is denied. */
bool modsec_judge_kept(struct modsec *m, const struct modsec_request *req, struct modsec_verdict *out, modsec_hit_fn *hit,
		       void *context, struct modsec_kept **kept);
/* Phases 3 and 4, once for each transaction; out->score is the outbound one.  Only their own hits are told. */
bool modsec_judge_answer(struct modsec_kept *kept, const struct modsec_answer *answer, struct modsec_verdict *out,
			 modsec_hit_fn *hit, void *context);
void modsec_drop(struct modsec_kept *kept);

#ifdef __cplusplus
}
#endif
#endif
