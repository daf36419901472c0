/* policy.h -- a compiled policy, and asking it.
 *
 * The language is specified in policies/README.md.  A policy is compiled once,
 * into an arena that may be mapped by other processes at the same address: no
 * function pointers and nothing outside the arena; regular expressions are kept
 * as text and woken by policy_wake in each process.  Asking is pure: the answer
 * depends on the policy, the facts and nothing else.
 *
 * This version compiles the request-head gate: rules, limits, the WAF's plan and
 * the bodies list.  Words of the specification that are not built yet are
 * findings that say "not in this version". */
#ifndef PORTCULLIS_POLICIES_POLICY_H
#define PORTCULLIS_POLICIES_POLICY_H

#include "gateway/base/addr.h"
#include "gateway/base/arena.h"
#include "gateway/base/fail.h"
#include "gateway/base/fields.h"

enum { POLICY_LABELS = 64, POLICY_ENTRIES = 1024, POLICY_ELEMENTS = 4, POLICY_SWITCHES = 8 };

enum policy_mode { POLICY_ENFORCE, POLICY_DETECT, POLICY_OFF };

/* ---- What a request is, to a policy ---- */

enum policy_known { POLICY_MISSING, POLICY_KNOWN, POLICY_UNKNOWN };

struct policy_facts {
	struct slice method, host, path, query; /* canonical; query raw */
	const struct fields *fields;
	bool secure;
	bool websocket;
	struct addr ip;
	enum policy_known country_known, asn_known;
	char country[3], continent[3]; /* upper case */
	uint32_t asn;
	uint16_t tls_version; /* 0 none, 0x0303, 0x0304 */
	struct slice tls_sni; /* at NULL: missing */
	bool client_verified;
	struct slice client_subject;
	struct slice client_sha256; /* 64 hexadecimal digits, lower case */
	const struct slice *client_sans;
	unsigned client_sans_n;
	struct slice site;
	int64_t now; /* seconds since 1970 */
	uint64_t switches; /* bit i: switch i of the policy is on */
	struct arena *arena; /* decoded values go here */
};

/* ---- The policy ---- */

struct policy_value;
struct policy; /* compiled; policy_parts.h shows its inside to this folder */

/* What set files and parents are read from; also charged with the findings. */
struct policy_source {
	const char *path;   /* of the policy file, for places and for relative list files */
	struct slice bytes;
	/* Find the parent a policy names; false after a finding.  NULL: no parents allowed. */
	bool (*parent)(void *context, struct slice name, struct policy_source *out);
	void *context;
	int64_t now;         /* seconds, for findings about dates; 0: the clock */
	bool geoip_optional; /* the operator allows the database to be absent: rules on place need on_failure */
	bool rulesets_known; /* `rulesets` lists the names that `waf.ruleset` may use */
	const char *const *rulesets;
};

/* Compile.  NULL after findings (errors); warnings alone do not stop it. */
struct policy *policy_compile(struct arena *a, const struct policy_source *from, struct fail *f);
/* Compile this process's regular expressions.  Call once per process and policy before asking. */
bool policy_wake(const struct policy *p);
void policy_sleep(const struct policy *p);
struct slice policy_name(const struct policy *p);
/* Its waf is not off, at least for some requests: they need inspectors. */
bool policy_inspects(const struct policy *p);
/* For `portcullis schema` and the reference. */
void policy_schema(FILE *out);
void policy_reference(FILE *out);

/* ---- Asking: one run per request ---- */

struct policy_bits {
	uint64_t word[POLICY_ENTRIES / 64];
};

/* An entry that decided or would have: for the decision record. */
struct policy_entry {
	struct slice id;
	const char *file;
	uint32_t line;
};

struct policy_run {
	const struct policy *policy;
	const struct policy_facts *facts;
	uint64_t labels, labels_unknown;
	struct policy_bits exempt; /* entries lifted by `exempt`, by entry number */
	bool exempt_waf;           /* exempt from waf: inspected, not enforced */
	struct policy_entry exempt_waf_by;
	bool starved;              /* memory for decoded values was used up */
	/* The rest is policies' own. */
	const char *unknown_why;
	void *const *regexes;
	const struct policy_value **query_values, **cookie_values; /* decoded once, by name */
	struct slice scratch[2];
};

void policy_run_init(struct policy_run *run, const struct policy *p, const struct policy_facts *facts);

enum policy_act { POLICY_PASS, POLICY_BLOCK, POLICY_REDIRECT };

struct policy_verdict {
	enum policy_act act;
	uint16_t status;
	int64_t retry_after_s;  /* 0: none */
	struct slice location;  /* of a redirect, whole */
	struct policy_entry by;
	bool unknown;           /* on_failure decided */
	bool starved;           /* memory was used up: BLOCK 503, and no entry decided */
	const char *unknown_why; /* "country not known": what could not be had */
};

/* Called for each thing worth recording beside the verdict: `what` is "would-block", "would-redirect",
 * "exempted", "label", "would-exempt", "would-label" or "unknown"; `text` is the label, the exempted id, or
 * what could not be known, and may be empty. */
typedef void policy_note_fn(void *context, const char *what, const struct policy_entry *by, struct slice text);

/* Rules of the request head: describing ones first, then the first that decides. */
struct policy_verdict policy_rules(struct policy_run *run, policy_note_fn *note, void *context);

/* ---- Limits ---- */

enum policy_missing { POLICY_MISSING_IP, POLICY_MISSING_SHARE, POLICY_MISSING_SKIP, POLICY_MISSING_BLOCK };
enum policy_lost { POLICY_LOST_LOCAL, POLICY_LOST_PASS, POLICY_LOST_BLOCK };

struct policy_limit {
	struct policy_entry entry;
	enum policy_mode mode;
	uint64_t number;     /* of requests */
	int64_t period_ms;   /* per this long */
	uint64_t burst;
	enum policy_lost lost;
	bool advertise;
	enum policy_act over_act; /* BLOCK or REDIRECT */
	uint16_t over_status;     /* 429 */
	struct slice over_to;     /* literal location of a redirect */
	int64_t over_retry_after_s;
};

/* One counter to ask: all of a request are asked together. */
struct policy_ask {
	const struct policy_limit *limit;
	struct slice key;   /* canonical bytes: policy/id, then the key's elements; in facts->arena; not hashed */
	uint64_t cost;
};

enum { POLICY_ASKS = 64 };

struct policy_asks {
	struct policy_ask at[POLICY_ASKS];
	unsigned n;
	/* A limit that says `missing: block` met a missing key, or an element had more than four
	 * values: refuse with 400 by this entry.  Or memory was used up: 503. */
	bool refuse;
	uint16_t refuse_status;
	struct policy_entry refuse_by;
};

/* The limits whose `when` holds, that are not exempt or off.  Modes stay in the limit. */
void policy_limits(struct policy_run *run, struct policy_asks *out, policy_note_fn *note, void *context);

/* ---- WAF and bodies ---- */

enum policy_inspect { POLICY_INSPECT_FULL, POLICY_INSPECT_FIELDS, POLICY_INSPECT_HEAD };

/* Removes a rule, or one target of it, for this request.  Fixed text: policies/README.md section 6. */
struct policy_exclusion {
	struct policy_entry entry;
	uint32_t rules_n;
	const uint32_t *rules; /* rule ids; none when by tag */
	struct slice tag;      /* exact CRS tag; empty when by id */
	uint32_t targets_n;
	const struct slice *targets; /* engine's names, "ARGS:q" "ARGS:json.q"; none: the whole rule */
};

/* What the WAF does with answers. */
struct policy_responses {
	enum policy_mode mode; /* exempt from waf makes ENFORCE into DETECT */
	bool body;             /* their content too: what is of `types`, or says no type */
	struct slice types;    /* comma-separated media types */
	uint64_t max;          /* bytes of content that are inspected, and held where it is enforced */
	bool beyond_block;     /* content that is longer, or that the engine cannot read, is refused */
};

struct policy_waf {
	enum policy_mode mode; /* exempt from waf makes ENFORCE into DETECT */
	struct slice ruleset;  /* "crs" */
	unsigned paranoia, detection_paranoia;
	unsigned threshold_request, threshold_response;
	bool lost_pass;        /* on_failure: pass */
	struct policy_responses responses;
	bool by_at;            /* an entry of `waf.at` applies */
	struct policy_entry at_entry;
	enum policy_inspect inspect;
	uint64_t body_max;     /* bytes; beyond is 413 */
	struct slice body_types; /* comma-separated media types allowed; empty: any */
	bool body_by_entry;    /* an entry of `bodies` applies */
	struct policy_entry body_entry;
	unsigned exclusions_n;
	const struct policy_exclusion **exclusions; /* that apply to this request; in facts->arena */
};

/* False: memory was used up, refuse with 503. */
bool policy_waf_plan(struct policy_run *run, uint64_t default_body_max, struct policy_waf *out);

#endif
