/* chain.h -- one request walks one fixed list of filters, gate by gate.
 *
 * A filter is a list of steps; a step looks and returns a verdict.  Waiting is
 * the chain's business: one wait per request at a time, with a deadline, ending
 * exactly once as ANSWERED, LATE or LOST, or cancelled when the client leaves.
 * The chain records verdict, waited time, policy line and notes after each step;
 * filters do not log.  Filters read the request and its answer and never edit them:
 * what they want changed they declare in facts, and the forwarding end applies it. */
#ifndef PORTCULLIS_CHAIN_CHAIN_H
#define PORTCULLIS_CHAIN_CHAIN_H

#include "gateway/base/arena.h"
#include "gateway/base/json.h"
#include "gateway/http/message.h"
#include "gateway/loop/loop.h"
#include "geoip/geoip.h"
#include "policies/policy.h"

enum gate { GATE_REQUEST, GATE_REQUEST_BODY, GATE_RESPONSE, GATE_RESPONSE_BODY, GATES };

enum reason {
#define REASON(id, word, status, text) REASON_##id,
#include "gateway/chain/reason.def"
#undef REASON
	REASONS
};

const char *reason_word(enum reason r);
const char *reason_text(enum reason r);
unsigned reason_status(enum reason r);

struct visit;
struct verdict;
typedef struct verdict step_fn(struct visit *v);

enum verdict_kind { VERDICT_PASS, VERDICT_DENY, VERDICT_REDIRECT, VERDICT_WAIT, VERDICT_UNSURE };

struct verdict {
	enum verdict_kind kind;
	enum reason reason;
	uint16_t status;         /* 0: the reason's own */
	bool would;              /* detect: record it, go on */
	bool block;              /* of UNSURE: what policy's failure direction says */
	int64_t retry_after_s;   /* 0: none */
	struct slice location;   /* of REDIRECT */
	struct policy_entry by;  /* the policy line, if one decided */
	step_fn *next;           /* of WAIT */
};

#define PASS ((struct verdict){.kind = VERDICT_PASS})
#define DENY(why) ((struct verdict){.kind = VERDICT_DENY, .reason = (why)})

enum body_use { BODY_UNSEEN, BODY_STREAMED, BODY_HELD };

/* A held body, at its body gate. */
struct held {
	struct slice memory; /* all of it when fd is -1 */
	int fd;              /* else a memory file with all of it, offset irrelevant; borrowed */
	uint64_t len;
	bool cut;            /* of an answer: more follows than was to be held */
};

/* ---- What the filters of one request share ---- */

struct facts {
	struct addr client;        /* after trusted hops */
	uint16_t client_port;
	struct geoip_place place;
	struct slice id;           /* request id, 32 hex digits */
	struct slice site;
	const struct policy *policy; /* NULL: the site has none */
	struct policy_facts policy_facts; /* filled before the chain begins */
	struct policy_run policy_run;     /* valid after the policy filter */
	bool policy_ran;
	bool canary;               /* a request of ours: policy rules are noted, not enforced; nothing is counted */
	bool secure;
	bool grpc;                 /* a call that its site takes: its content streams both ways, nobody holds or reads it */
	struct slice tls_version, tls_sni;
	uint64_t body_max;         /* bytes; the operator's bound, or policy's */
	bool content_identity;     /* declared: Content-Encoding ends here; the content is, or was made, plain */
	bool content_replaced;     /* declared: this is sent instead of what was held; it is the content in the plain */
	int content_fd;            /* of it: a sealed memory file, whoever applies it owns it; -1 when that has happened ... */
	uint64_t content_len;      /* ... or when this is 0 */
	bool answer_judged;        /* declared: the answer is looked at; informational ones are not passed on */
	bool answer_plain;         /* declared: so is its content; it is asked for without codings */
	uint64_t answer_max;       /* declared at GATE_RESPONSE: bytes of content for GATE_RESPONSE_BODY */
	struct fields client_fields; /* declared: added to the answer (RateLimit ...) */
	bool waf_caught;           /* the WAF refused it, or would have */
	bool waf_off;              /* policy says that it is not asked about this request */
	bool uninspected;          /* policy inspects, and something of this request was not, */
	bool answer_uninspected;   /* ... or of its answer */
	unsigned waf_score, waf_answer_score; /* inbound and outbound */
	int64_t waf_us;
	unsigned waf_hits_n;
	struct waf_hit *waf_hits;  /* rules/waf.h; in the arena */
};

/* ---- The decision record ---- */

enum { RECORD_STEPS = 24, RECORD_NOTES = 32 };

struct record_step {
	const char *filter;
	enum gate gate;
	enum verdict_kind kind;
	enum reason reason;
	bool would;
	uint16_t status;
	int64_t waited_us;
	struct policy_entry by;
};

struct record_note {
	const char *filter, *key;
	struct slice text;
};

struct record {
	struct record_step steps[RECORD_STEPS]; /* PASS without waiting or policy line is not kept */
	struct record_note notes[RECORD_NOTES];
	unsigned steps_n, notes_n, cut;
	int deciding; /* index of the step that ended the chain, or -1 */
};

/* ---- Filters ---- */

struct filter {
	const char *name;
	size_t state_size; /* zeroed before the first step */
	step_fn *at[GATES];
	/* How this filter uses the request's body, and the answer's; asked after the gate of its head.  NULL: unseen.
	 * A streamed answer goes on while up to facts->answer_max bytes of it are copied for the body gate, whose verdict
	 * can then only end it; of a held one nothing leaves before that verdict. */
	enum body_use (*body)(const struct visit *v);
	enum body_use (*answer)(const struct visit *v);
	/* The request is over, whatever its end; free what `state` holds outside the arena.  May be NULL. */
	void (*leave)(struct visit *v);
};

struct visit {
	const void *conf;                /* what this filter was configured with in the request's generation */
	const struct request *req;
	const struct response *response; /* at the response gates */
	const struct held *held;         /* at the body gates: the request's, then the answer's */
	void *state;
	struct facts *facts;
	struct arena *arena;
	struct chain_run *run;
};

enum outcome { OUTCOME_ANSWERED, OUTCOME_LATE, OUTCOME_LOST };

struct wait {
	struct timer timer;
	struct chain_run *run;
	void (*cancel)(void *ticket);
	void *ticket;
	int64_t since_us;
	enum outcome outcome; /* read by the next step: run->wait.outcome */
	bool open;
};

/* Begin to wait; return a WAIT verdict with the next step afterwards.  After `ms` the chain calls
 * `cancel` and goes on with OUTCOME_LATE.  `cancel` is also called when the client leaves. */
struct wait *wait_open(struct visit *v, uint32_t ms, void (*cancel)(void *ticket), void *ticket);
/* End it; the next step runs from the loop's task queue, never from here.  Once per wait. */
void wait_done(struct wait *w, enum outcome how);

/* A filter that has passed still expects an answer for the record (detect mode): the request goes on,
 * and what it leaves stays until the answer came.  Once each; `leave` may be called in between, after
 * which background_done must not be. */
void background_begin(struct visit *v);
void background_done(struct visit *v);

/* Remember something for the record; text is printed into the request's arena. */
void note(struct visit *v, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* ---- Walking ---- */

enum { CHAIN_FILTERS = 8 };

struct chain_run {
	struct visit visits[CHAIN_FILTERS];
	const struct filter *const *filters; /* NULL-terminated */
	unsigned n, index;
	enum gate gate;
	bool running;
	struct loop *loop;
	struct record record;
	struct wait wait;
	step_fn *next;
	struct task resume;
	struct verdict verdict; /* valid when done is called with stop */
	unsigned background;    /* answers that only the record waits for */
	void (*settled)(struct chain_run *run); /* the last of them has come; may be NULL */
	/* The gate is passed (stop false) or a filter decided (stop true; run->verdict).  May be called
	 * from within chain_gate. */
	void (*done)(struct chain_run *run, bool stop);
	void *owner;
};

/* `filters`, `confs` (one for each of them; NULL: they need none), `req`, `facts` and the arena outlive the run. */
bool chain_init(struct chain_run *run, struct loop *l, const struct filter *const *filters,
		const void *const *confs, const struct request *req, struct facts *facts, struct arena *a,
		void (*done)(struct chain_run *, bool stop), void *owner);
void chain_gate(struct chain_run *run, enum gate gate);
/* The strictest use of the request's body, or of the answer's, that any filter asks for. */
enum body_use chain_body(struct chain_run *run);
enum body_use chain_answer(struct chain_run *run);
/* Walk no further: cancels a wait; done is not called for this gate. */
void chain_stop(struct chain_run *run);
/* The request is over: cancels a wait, lets every filter leave.  No call to done after this. */
void chain_done(struct chain_run *run);
/* The decision part of the record, as members of the open object of `j`. */
void chain_record(const struct chain_run *run, struct json *j);

#endif
