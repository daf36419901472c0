/* lex.h -- the words of an expression. */
#ifndef PORTCULLIS_POLICIES_LEX_H
#define PORTCULLIS_POLICIES_LEX_H

#include <stdint.h>

#include "gateway/base/arena.h"

enum token_kind {
	TOKEN_END, TOKEN_WORD, TOKEN_TEXT, TOKEN_REGEX, TOKEN_SET, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_LIST, TOKEN_LIST_END,
	TOKEN_COMMA, TOKEN_RANGE, TOKEN_EQUAL, TOKEN_DIFFERENT, TOKEN_LESS, TOKEN_LESS_EQUAL, TOKEN_MORE,
	TOKEN_MORE_EQUAL,
};

struct token {
	enum token_kind kind;
	uint32_t at;        /* offset in the expression */
	struct slice raw;   /* as written */
	struct slice text;  /* a TEXT decoded, the inside of a REGEX, the name of a SET, a WORD itself */
};

/* Read the token at or after `*at`, which moves behind it.  Decoded text goes to the arena.  False:
 * *why says what is wrong with the byte at *at. */
bool lex_next(struct arena *a, struct slice in, uint32_t *at, struct token *out, const char **why);

#endif
