/* compile.h -- what the compiler's files share; not for those that ask. */
#ifndef PORTCULLIS_POLICIES_COMPILE_H
#define PORTCULLIS_POLICIES_COMPILE_H

#include "gateway/base/setting.h"
#include "policies/policy_parts.h"

/* What an expression is for: some findings depend on it. */
enum purpose {
	FOR_DECIDING,   /* a rule that blocks or redirects, a limit */
	FOR_DESCRIBING, /* a label */
	FOR_LOOSENING,  /* an exempt, an exclusion, a body entry that inspects less */
	FOR_PLAIN,      /* anything else */
};

/* A list of slices that grows while compiling; ends up in the policy. */
struct names {
	struct slice *at;
	uint32_t n, cap;
};

/* What the rules that set one label promise together. */
struct label_facts {
	bool declared;      /* some rule sets it */
	bool set;           /* a rule further up sets it */
	unsigned guard;     /* enum guard, what every rule that sets it has */
	bool on_place;      /* some rule that sets it asks for the place */
};

enum guard { GUARD_VERIFIED = 1, GUARD_PROVEN = 2, GUARD_ALL = 3 };

struct compile {
	struct arena *arena;
	struct fail *fail;
	struct policy *policy;
	const struct policy_source *from;
	const char *file;
	int64_t now;
	struct names sets_names, labels, switches, query_names, cookie_names, regexes, ids;
	struct set *sets[256];
	uint32_t sets_n;
	struct label_facts label_facts[POLICY_LABELS];
	const struct zone *zones[16];
	uint32_t zones_n;
	struct setting_reader reader;
};

/* Index of `name`, added if it is new; -1 when memory is used up or `most` are there. */
int names_add(struct compile *c, struct names *names, struct slice name, uint32_t most);
int names_find(const struct names *names, struct slice name);
/* `; did you mean "x"?` or nothing; in the arena. */
const char *names_suggest(struct compile *c, const struct names *names, struct slice word);
const char *suggest(struct compile *c, const char *near);
bool compile_memory(struct compile *c);

/* ---- Sets ---- */

struct set_builder {
	enum type type;
	size_t n, cap;
	struct value *at; /* texts are borrowed until set_built */
};

bool set_add(struct set_builder *b, const struct value *v);
/* Sorted, merged, in the arena; the builder is empty then.  NULL: memory is used up. */
struct set *set_built(struct arena *a, struct set_builder *b);
/* The `sets` mapping. */
bool sets_read(struct compile *c, const struct yaml_node *map);

/* ---- Expressions ---- */

/* NULL after a finding. */
const struct expr *expr_compile(struct compile *c, const struct yaml_node *node, enum purpose purpose);
/* An element of a limit's key.  NULL after a finding. */
const struct term *term_compile(struct compile *c, const struct yaml_node *node);
bool expr_same(const struct expr *a, const struct expr *b);
/* Whatever matches `narrow` matches `wide`. */
bool expr_covers(const struct expr *wide, const struct expr *narrow);
/* No request can match it: two of its tests contradict each other. */
bool expr_never(const struct expr *x);
/* What every branch of `or` has at least: enum guard. */
unsigned expr_guard(const struct compile *c, const struct expr *x);
/* It asks for the place of an address, itself or through a label. */
bool expr_on_place(const struct compile *c, const struct expr *x);
/* Its answer can be unknown. */
bool expr_unsure(const struct compile *c, const struct expr *x);

/* ---- The file: what the setting tables fill (file.c) ---- */

struct entry_text {
	struct setting_head head;
	struct slice id;
	const struct yaml_node *when, *on_failure;
	const struct yaml_node *mode; /* a word; checked */
	const struct yaml_node *starts_node, *expires_node;
	int64_t starts, expires;
	struct slice why, owner, ticket;
	bool locked;
};

struct rule_text {
	struct entry_text entry;
	const struct yaml_node *does;
	const struct yaml_node *from; /* of exempt */
	const struct yaml_node *to_node, *retry_node;
	struct slice to;
	int keep;
	int64_t retry_after_ms;
};

struct limit_text {
	struct entry_text entry;
	const struct yaml_node *rate, *burst, *key, *cost, *over;
	int missing;
	bool advertise;
};

struct body_text {
	struct entry_text entry;
	int64_t max;
	struct setting_list types; /* struct slice */
	int inspect;
};

struct exclusion_text {
	struct entry_text entry;
	const struct yaml_node *rule, *rules, *tag, *target;
};

struct responses_text {
	const struct yaml_node *given; /* in an entry of `at`: NULL when it is not said there */
	const struct yaml_node *mode;
	bool body;
	struct setting_list types; /* struct slice */
	int64_t max;
	int beyond;
};

struct threshold_text {
	int64_t request, response; /* in an entry of `at`: 0 when it is not said there */
};

struct at_text {
	struct entry_text entry;
	const struct yaml_node *mode;
	int64_t paranoia, detection_paranoia; /* 0: not said */
	struct threshold_text threshold;
	struct responses_text responses;
};

struct waf_text {
	const struct yaml_node *ruleset;
	const struct yaml_node *mode, *on_failure;
	int64_t paranoia, detection_paranoia;
	struct threshold_text threshold;
	struct responses_text responses;
	bool locked;
	struct setting_list at;      /* struct at_text */
	struct setting_list exclude; /* struct exclusion_text */
};

struct file_text {
	struct slice policy;
	int64_t language;
	const struct yaml_node *sets, *switches;
	struct setting_list rules, limits, bodies, tests; /* of the structs here */
	struct waf_text waf;
	const struct yaml_node *waf_node; /* NULL: absent */
};

struct test_text {
	struct setting_head head;
	const struct yaml_node *send, *headers, *form, *client, *country, *asn, *at, *switches, *expect, *by, *not_by;
	struct slice json, body, cert;
	struct {
		int64_t status;
		const struct yaml_node *headers;
		struct slice body;
	} response;
	int64_t repeat, after_ms, passed;
	struct setting_list steps; /* struct test_text */
};

extern const struct setting file_settings[], waf_settings[], set_settings[], test_settings[], over_settings[];

struct over_text {
	const struct yaml_node *does;
	struct slice to;
	int64_t retry_after_ms;
};

struct set_text {
	int type;
	struct slice file;
	int64_t min, max_age;
};

/* ---- Entries ---- */

/* The fields that every entry carries.  `unknown` is the default of on_failure; `strict` is false
 * where only `skip` may be said. */
bool entry_compile(struct compile *c, const struct entry_text *t, enum purpose purpose, bool strict,
		   struct entry *out);
/* why, owner, and expires unless `forever`, with dates in reach. */
bool entry_loosens(struct compile *c, const struct entry_text *t, const struct entry *e, bool forever);
/* `mode` as a word; false after a finding. */
bool mode_read(struct compile *c, const struct yaml_node *node, enum policy_mode *out);
struct place entry_place(const struct entry_text *t);

bool rules_compile(struct compile *c, const struct file_text *t);
/* What `from` names; when every entry is compiled. */
bool rules_resolve(struct compile *c, const struct file_text *t);
bool rules_reachable(struct compile *c);
bool limits_compile(struct compile *c, const struct file_text *t);
bool bodies_compile(struct compile *c, const struct file_text *t);
/* Media types in lower case, as one comma-separated list; the finding is at `at`. */
bool media_types_read(struct compile *c, const struct setting_list *types, struct place at, struct slice *out);
bool waf_compile(struct compile *c, const struct file_text *t);
/* `at`: when the rest of waf is compiled. */
bool waf_at_compile(struct compile *c, const struct file_text *t);
/* `requests` is the mode of what is answered; `at` the place for findings. */
bool responses_compile(struct compile *c, const struct responses_text *r, struct place at, enum policy_mode requests,
		       struct policy_responses *out);
bool tests_check(struct compile *c, const struct file_text *t);
/* "block 429" or "redirect 302". */
bool deed_read(struct compile *c, const struct yaml_node *node, enum does *does, uint16_t *status, struct slice *label);
/* A literal location. */
bool location_check(struct compile *c, struct place at, struct slice to, enum keep keep);

#endif
