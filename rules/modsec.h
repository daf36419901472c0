/* modsec.h -- the rule engine, as C sees it.
 *
 * Behind it is libmodsecurity, which only modsec.cc may include.  A process loads
 * all rule sets once; a request is judged from nothing, an answer in the
 * transaction of its request. */
#ifndef PORTCULLIS_RULES_MODSEC_H
#define PORTCULLIS_RULES_MODSEC_H

#include <stdbool.h>
#include <stdint.h>

#include "rules/extra.h"

#ifdef __cplusplus
extern "C" {
#endif

struct modsec;

/* SecLang, and the name of its file: for messages, and beside which it looks for data. */
struct modsec_text {
	const char *name, *text;
	bool setup;              /* what it says of paranoia and thresholds is policy's */
};

struct modsec_ruleset {
	const char *name;
	const char *unicode_map; /* NULL: of %uXXXX only the low byte counts */
	struct modsec_text *texts; /* in this order */
	unsigned texts_n;
	uint32_t arguments, json_depth;
	uint64_t body_max;
};

/* What the texts name is opened by its name meanwhile (by_name.h).  NULL after writing "FILE:LINE: reason" into `why`. */
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
	enum body_reading reading;   /* of the body */
	const struct extra *extras;  /* arguments and files beside what is found in it; cookies */
	unsigned extras_n;
	const char *type_accepted;   /* NULL; or a media type, in lower case, that the rule set's own list is to have, too */
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
