/* record.h -- what is written down about one exchange: its line, and the WAF's hits. */
#ifndef PORTCULLIS_PROXY_RECORD_H
#define PORTCULLIS_PROXY_RECORD_H

#include "gateway/proxy/exchange.h"

/* The chain's verdict is the decision; else it is what the gateway itself refused or failed at. */
bool record_is_judged(const struct exchange *x);
/* Once, when it is over: everything that is counted by request. */
void record_count(const struct exchange *x);
/* One JSON line of at most 8 KiB; secrets are redacted (queries by name, never fields or content). */
void record_write(struct exchange *x);
/* One line for each rule hit, once.  With a token the logger answers when the last is written.  False:
 * there was nothing to write, or it could not be sent. */
bool record_waf_lines(struct exchange *x, uint64_t token);
/* A token for an answer of the logger. */
uint64_t record_token(struct proxy *p);

#endif
