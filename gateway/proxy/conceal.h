/* conceal.h -- what of an origin's answer would tell a client where it is and what it runs. */
#ifndef PORTCULLIS_PROXY_CONCEAL_H
#define PORTCULLIS_PROXY_CONCEAL_H

#include "gateway/proxy/exchange.h"

/* Once for each head of an answer, before filters see it: what they judge is what is sent.  False: memory is used
 * up. */
bool conceal_answer(struct exchange *x);
/* The same for what follows its content. */
bool conceal_trailers(struct exchange *x);
/* The content of this answer is the origin's fault, and a page of ours goes in its place. */
bool conceal_is_fault(const struct exchange *x);

#endif
