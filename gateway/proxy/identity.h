/* identity.h -- who the client is, and what origins are told about it.
 *
 * What a client says of itself in X-Forwarded-* and kin never survives, unless
 * the connection comes from a trusted hop; then the right-most address that is
 * not a trusted hop is the client.  Origins always get our own statement; of users and certificates, of which we
 * have none to make, a trusted hop's.  A traceparent is nobody's identity: whoever sent it, it is passed on if it
 * is well-formed. */
#ifndef PORTCULLIS_PROXY_IDENTITY_H
#define PORTCULLIS_PROXY_IDENTITY_H

#include "gateway/proxy/exchange.h"

/* Fill x->facts: client, place, request id, what policy asks for.  False: memory is used up. */
bool identity_fill(struct exchange *x);
/* The request id alone, for answers before identity_fill. */
bool identity_id(struct exchange *x);
/* "https" or "http": how the client has come, by our connection or a trusted hop's word. */
struct slice identity_scheme(const struct exchange *x);
/* Our fields towards the origin. */
bool identity_upstream(struct exchange *x, struct fields *extra);

#endif
