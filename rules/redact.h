/* redact.h -- what a rule says it matched, without secrets. */
#ifndef PORTCULLIS_RULES_REDACT_H
#define PORTCULLIS_RULES_REDACT_H

#include "gateway/base/arena.h"

/* The text of a rule for the log ("Matched Data: X found within ARGS:q: VALUE"), at most `most` bytes, in the arena.
 * `variable` is what the engine says it has matched against, and may be empty.  Of a cookie, a credential, or an argument
 * or field whose name speaks of a secret only the name is left, and so of what a chain has carried over; in any other
 * text secrets behind names go (secret.h). */
struct slice redact(struct arena *a, struct slice data, struct slice variable, size_t most);

#endif
