/* pick.h -- which server of an origin: smooth weighted round robin over those not ejected. */
#ifndef PORTCULLIS_PROXY_PICK_H
#define PORTCULLIS_PROXY_PICK_H

#include "gateway/proxy/proxy.h"

/* A server other than `avoid` if there is one; ejected servers only when nothing else is left (a
 * wrong verdict on all of them must not be an outage).  NULL: the origin has none. */
struct proxy_server *pick_server(struct proxy_origin *o, const struct proxy_server *avoid, int64_t now_ms);
/* It answered. */
void pick_good(struct proxy_server *s);
/* It failed: refused, timed out, or broke the protocol. */
void pick_bad(const struct proxy_origin *o, struct proxy_server *s, int64_t now_ms);

#endif
