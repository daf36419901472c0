/* exchange_parts.h -- shared by the files of an exchange; nobody else includes it. */
#ifndef PORTCULLIS_PROXY_EXCHANGE_PARTS_H
#define PORTCULLIS_PROXY_EXCHANGE_PARTS_H

#include "gateway/proxy/exchange.h"

/* ---- exchange.c ---- */

/* The answer is complete, or cut; the exchange is over. */
void exchange_finish(struct exchange *x, bool whole);
/* Answer for the origin: an error page or a redirect.  What came from an origin is dropped. */
void exchange_answer(struct exchange *x, const struct verdict *v);

/* ---- exchange_answer.c ---- */

/* A gate of the answer has been walked. */
void answer_go_on(struct exchange *x);
/* The client can take more of what was held. */
bool answer_writable(struct exchange *x);
/* Once, in a new exchange. */
void answer_init(struct exchange *x);
/* No task of it will run. */
void answer_stop(struct exchange *x);

#endif
