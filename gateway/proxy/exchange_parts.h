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

/* ---- exchange_tunnel.c ---- */

void tunnel_init(struct exchange *x);
/* Its clock runs no more, and nobody counts it. */
void tunnel_stop(struct exchange *x);
/* A handshake that may not become a tunnel is an ordinary request from here on, or answered: then false. */
bool tunnel_may_open(struct exchange *x);
/* An answer to a handshake by which the client would take it for agreed to, though it is not. */
bool tunnel_is_feigned(const struct exchange *x);
/* The origin's 101 has passed the filters.  What the origin says behind it may flow then, or has ended already. */
void tunnel_open(struct exchange *x);
/* Bytes from the client; returns how much the origin takes now. */
size_t tunnel_take(struct exchange *x, struct slice bytes);
/* These bytes have gone to the client.  The exchange may be over with it. */
void tunnel_passed(struct exchange *x, struct slice bytes);

#endif
