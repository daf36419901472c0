/* parse.h -- one expression while it is read; shared by parse.c and parse_value.c. */
#ifndef PORTCULLIS_POLICIES_PARSE_H
#define PORTCULLIS_POLICIES_PARSE_H

#include "policies/compile.h"
#include "policies/lex.h"

enum { PARSE_BYTES = 4096, PARSE_LEVELS = 32, PARSE_KIDS = 1024 };

struct parser {
	struct compile *c;
	const struct yaml_node *node;
	enum purpose purpose;
	struct token tok;
	uint32_t next; /* offset behind tok */
	unsigned level;
	bool negative; /* under an odd number of `not` */
};

/* Adds an error that points at `at`; always false. */
bool parse_fail(struct parser *p, uint32_t at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void parse_warn(struct parser *p, uint32_t at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool parse_advance(struct parser *p);
bool parse_begin(struct parser *p, struct compile *c, const struct yaml_node *node, enum purpose purpose);
/* What the current token is called in a message. */
struct slice parse_shown(const struct parser *p);

/* FIELD or FUNCTION(...).  NULL after a finding. */
const struct term *parse_value(struct parser *p);
/* One literal of the type; false after a finding.  The token is read. */
bool parse_literal(struct parser *p, enum type t, struct value *out);
/* The current token begins a field or function, and no literal of the type. */
bool parse_is_value(const struct parser *p, enum type t);
/* What a regular expression or text is for: warnings, and texts that can never match. */
bool parse_check_text(struct parser *p, const struct term *t, enum op op, uint32_t at, struct slice text);
void parse_check_regex(struct parser *p, const struct term *t, uint32_t at, struct slice pattern);

#endif
