/* upstream.h -- a request at an origin server: over a connection of HTTP/1.1, pooled and one request at a time, or as a
 * stream of one of HTTP/2.  The exchange is told nothing of which. */
#ifndef PORTCULLIS_PROXY_UPSTREAM_H
#define PORTCULLIS_PROXY_UPSTREAM_H

#include "gateway/proxy/exchange.h"

/* Pick a server and give it x's request: over a pooled connection, or a new one.  Failure is told by
 * exchange_upstream_failed, possibly before this returns. */
void upstream_open(struct exchange *x);
/* Content of the request; returns how much was taken, 0 also while not yet connected. */
size_t upstream_body(struct upstream *u, struct slice bytes);
/* No content follows.  May be called again. */
void upstream_body_end(struct upstream *u);
/* The answer was 101: content both ways from here on, until either end; no clock of the origin's runs, and
 * upstream_body_end closes our side of the connection. */
void upstream_tunnel(struct upstream *u);
/* The client can take more of the answer. */
void upstream_resume(struct upstream *u);
/* The exchange needs it no more: close it.  No call to the exchange follows. */
void upstream_abandon(struct upstream *u);
/* The same, where the client has left: until the origin has noticed, or answered, it counts as work of the group. */
void upstream_leave(struct upstream *u, struct work_group *g);
/* Wait for none of those any longer. */
void upstream_close_left(struct proxy *p);
/* Pooled connections and health of `s` are from now on those of `t`, the same server in another generation. */
void upstream_take_over(struct proxy_origin *to, struct proxy_server *t, struct proxy_origin *from, struct proxy_server *s);
/* Connections of HTTP/2 to `s` over which nobody is asked. */
unsigned upstream_h2_idle(const struct proxy_server *s);
/* Close every pooled connection of an origin. */
void upstream_close_idle(struct proxy_origin *o);

#endif
