/* grpc.h -- calls of gRPC, where a site takes them: PROTOCOL-HTTP2.md of gRPC.
 *
 * A call is a POST over HTTP/2 whose messages stream both ways.  Its outcome is a grpc-status, in trailers or, where there
 * is no message, in the only head ("trailers-only").  So all that the gateway itself says to it is one, too. */
#ifndef PORTCULLIS_PROXY_GRPC_H
#define PORTCULLIS_PROXY_GRPC_H

#include "gateway/proxy/reply.h"

/* Once the site is known: is it a call?  Then facts.grpc is set, and the exchange takes no longer than the call's own
 * deadline (grpc-timeout). */
void grpc_begin(struct exchange *x);
/* A refusal or fault of ours: HTTP 200, trailers-only.  False: memory is used up. */
bool grpc_reply(struct exchange *x, const struct verdict *v, struct reply *out);
/* The answer has begun and cannot be finished: say why in its trailers.  False: it cannot be said, cut it. */
bool grpc_end(struct exchange *x, enum reason why);
/* What the head of an answer says of the outcome goes into the record.  False: two things, or nothing and there is no
 * more to come. */
bool grpc_heard(struct exchange *x);
/* The same of its trailers; where they say two things or nothing, UNKNOWN is put in their place. */
void grpc_settle(struct exchange *x);

/* Could content that begins so be a message?  No text does, which is what an ordinary handler would read there. */
bool grpc_may_begin(struct slice content);

#endif
