/* policy_parts.h -- the inside of a compiled policy; for this folder alone.
 *
 * Everything lives in the arena of the policy.  Pointers are fine there (the
 * arena is mapped at one address everywhere), functions are not: what differs
 * by kind is an enum and a switch. */
#ifndef PORTCULLIS_POLICIES_POLICY_PARTS_H
#define PORTCULLIS_POLICIES_POLICY_PARTS_H

#include "gateway/base/yaml.h"
#include "policies/policy.h"

/* ---- Types ---- */

/* What a value is held as. */
enum form { FORM_TEXT, FORM_NUMBER, FORM_IP, FORM_BOOL };

enum type {
#define POLICY_TYPE(id, word, form, literal) TYPE_##id,
#include "policies/types.def"
#undef POLICY_TYPE
	TYPES
};

const char *type_word(enum type t);    /* "country" */
const char *type_literal(enum type t); /* "a country code such as DE, without quotes" */
enum form type_form(enum type t);

struct value {
	struct slice text;
	int64_t number; /* seconds, minutes of the day, AS number, two letters, 0 or 1 ... */
	struct addr ip;
	uint8_t bits;   /* of a network in a literal or set; 128 for an address */
};

/* Read one literal of a type.  False: *why says what is wrong, *near (may be NULL) what may be meant. */
bool literal_read(enum type t, struct slice text, struct value *out, const char **why, const char **near);
/* Two letters as a number, and the lists they are checked against. */
int64_t place_number(const char letters[2]);
bool country_known(struct slice letters);
bool continent_known(struct slice letters);
bool method_known(struct slice text);

/* ---- Fields ---- */

enum source {
	SOURCE_METHOD, SOURCE_SCHEME, SOURCE_HOST, SOURCE_PATH, SOURCE_QUERY, SOURCE_QUERY_NAME, SOURCE_HEADER,
	SOURCE_COOKIE, SOURCE_UPGRADE, SOURCE_IP, SOURCE_COUNTRY, SOURCE_CONTINENT, SOURCE_ASN, SOURCE_TLS_VERSION,
	SOURCE_TLS_SNI, SOURCE_CLIENT_VERIFIED, SOURCE_CLIENT_SUBJECT, SOURCE_CLIENT_SAN, SOURCE_CLIENT_SHA256,
	SOURCE_NOW, SOURCE_SITE, SOURCE_LABEL, SOURCE_SWITCH,
	SOURCE_LATER, /* a word of the language that this version has not built */
};

/* Who says it: the client alone; the client, but it decides where the request goes; or the gateway. */
enum trust { TRUST_CLAIMED, TRUST_ADDRESSED, TRUST_VERIFIED };

/* What `under` means on it. */
enum shape { SHAPE_PLAIN, SHAPE_PATH, SHAPE_DOMAIN };

struct field_word {
	const char *word;
	enum source source;
	enum type type;
	enum trust trust;
	bool named;  /* word.NAME */
	bool many;
	bool sparse; /* may be missing */
	enum shape shape;
};

extern const struct field_word field_words[];
extern const char *const field_spellings[]; /* for suggestions; NULL-terminated */
/* The field that `text` names.  Of a named one the name goes to *name (decoded, in the arena). NULL: *why, *near. */
const struct field_word *field_find(struct arena *a, struct slice text, struct slice *name, const char **why,
				    const char **near);

/* ---- Values: a field, and functions around it ---- */

enum map { MAP_LOWER, MAP_LEN, MAP_COUNT, MAP_INT, MAP_NET, MAP_SHA256, MAP_CLOCK, MAP_WEEKDAY };
enum { TERM_MAPS = 4 };

struct zone; /* zone.h */

struct term {
	enum source source;
	enum type type;
	enum trust trust;
	enum shape shape;
	bool many, sparse;
	uint8_t maps_n;
	struct {
		enum map map;
		int64_t a, b; /* the default of int; the bits of net */
		const struct zone *zone;
	} maps[TERM_MAPS];
	struct slice name;  /* of a header, in lower case; of a query or cookie value */
	uint16_t index;     /* of a label or switch; of the name among the policy's query or cookie names */
};

/* ---- Sets ---- */

struct range {
	uint64_t first[2], last[2]; /* addresses as two numbers, high half first */
};

struct set {
	struct slice name; /* empty: a list in an expression */
	enum type type;
	uint32_t n;
	int64_t stale_at;  /* seconds; from then on membership is unknown */
	const char *stale_why;
	union {
		const struct slice *texts;  /* shorter before longer, then by bytes */
		const int64_t *numbers;     /* ascending */
		const struct range *ranges; /* ascending, merged */
	};
};

bool set_has(const struct set *s, const struct value *v);
bool set_has_text(const struct set *s, struct slice text);

/* ---- Expressions ---- */

enum op {
	OP_TRUE, OP_AND, OP_OR, OP_NOT,
	OP_BOOL,     /* term */
	OP_PRESENT,  /* term */
	OP_IN,       /* term, set: also == with one item */
	OP_RANGE,    /* term, least..most; wraps when least > most */
	OP_UNDER, OP_STARTS, OP_ENDS, OP_CONTAINS, /* term, set */
	OP_MATCHES,  /* term, regex */
	OP_SAME,     /* term, other */
};

struct expr {
	enum op op;
	uint16_t n; /* of kids */
	const struct expr *const *kids;
	const struct term *term, *other;
	const struct set *set;
	int64_t least, most;
	uint32_t regex;
};

enum tri { TRI_NO, TRI_YES, TRI_UNKNOWN };

enum tri expr_ask(struct policy_run *run, const struct expr *x);

/* One value after the other. */
struct cursor {
	const struct policy_value *next;
	uint32_t i;
	uint8_t side; /* 0 or 1: whose scratch memory */
	bool begun;
	char hex[64];
};

enum got { GOT_END, GOT_VALUE, GOT_UNKNOWN };

/* A name as a form encodes it is that name; without memory. */
bool form_name_is(struct slice raw, struct slice name);
enum got term_next(struct policy_run *run, const struct term *t, struct cursor *c, struct value *out);

/* ---- Entries ---- */

enum unknown { UNKNOWN_MATCH, UNKNOWN_SKIP };

struct entry {
	struct policy_entry by;
	uint32_t column; /* where it begins in by.line */
	const struct expr *when; /* NULL: always */
	int64_t starts, expires; /* seconds */
	enum policy_mode mode;
	enum unknown unknown;
	uint16_t number;
	bool locked;
};

enum does { DOES_BLOCK, DOES_REDIRECT, DOES_EXEMPT, DOES_LABEL };
enum keep { KEEP_NONE, KEEP_PATH, KEEP_PATH_QUERY };

struct rule {
	struct entry entry;
	enum does does;
	uint16_t status;
	enum keep keep;
	int64_t retry_after_s;
	struct slice to;
	uint16_t label;
	bool exempt_waf;
	uint16_t exempt_n;
	const uint16_t *exempt; /* entry numbers */
};

struct limit {
	struct entry entry;
	struct policy_limit out;
	enum policy_missing missing;
	uint64_t cost;
	unsigned key_n;
	const struct term *key[POLICY_ELEMENTS];
	struct slice prefix; /* of its counters: policy/id and how the key is written */
};

struct body_rule {
	struct entry entry;
	uint64_t max;
	struct slice types;
	enum policy_inspect inspect;
};

/* Most rules look at ARGS, which holds query and form values under one name.  The engine cannot take
 * the query's value alone out of it; where the other side cannot have that name, ARGS is meant too. */
enum also { ALSO_NEVER, ALSO_NO_FORM, ALSO_NO_QUERY };

struct exclusion {
	struct entry entry;
	enum also also;
	struct slice name;                /* of the value, for ALSO_NO_QUERY */
	struct policy_exclusion out, wide; /* wide: ARGS too */
};

/* How closely is looked. */
struct waf_level {
	enum policy_mode mode;
	unsigned paranoia, detection_paranoia, threshold_request, threshold_response;
	struct policy_responses responses;
};

struct waf_at {
	struct entry entry;
	struct waf_level level; /* whole: what the entry does not say is the policy's */
};

struct waf {
	struct slice ruleset;
	bool lost_pass;
	struct waf_level level;
	uint32_t at_n, exclusions_n;
	const struct waf_at *at; /* the first that matches applies instead */
	const struct exclusion *exclusions;
};

struct policy {
	struct slice name;
	uint32_t sets_n, describing_n, deciding_n, limits_n, bodies_n;
	const struct set *const *sets;
	const struct rule *const *describing; /* in file order */
	const struct rule *const *deciding;
	const struct limit *limits;
	const struct body_rule *bodies;
	struct waf waf;
	uint32_t labels_n, switches_n, query_names_n, cookie_names_n, regexes_n;
	const struct slice *labels, *switches, *query_names, *cookie_names, *regexes;
	const struct slice *ids; /* by entry number */
	uint32_t entries_n;
};

/* Decoded values of one name, in the order they came. */
struct policy_value {
	struct slice text;
	const struct policy_value *next;
};

/* Whether an entry applies now: its dates, then its `when`. */
enum tri entry_ask(struct policy_run *run, const struct entry *e);

/* policy_wake's regular expressions; NULL when it was not called. */
void *const *wake_find(const struct policy *p);

static inline bool bits_have(const struct policy_bits *bits, unsigned i)
{
	return bits->word[i / 64] >> (i % 64) & 1;
}

static inline void bits_set(struct policy_bits *bits, unsigned i)
{
	bits->word[i / 64] |= (uint64_t)1 << (i % 64);
}

#endif
