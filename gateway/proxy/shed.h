/* shed.h -- new work that is refused because the worker is late.
 *
 * A worker that has more to do than it can does everything too late, also what it has begun; who asked has
 * gone by then.  So when its loop has been late for a while on end (twenty times what is allowed), and until it
 * has been in time for as long, it refuses some of what is new: from `processes.lag` on new connections, all of
 * them at twice that; from there on requests of connections that stand, all of them at four times that.  What has
 * begun goes on.
 *
 * Handshakes wait in a queue of their own, which the loop does not notice; so new TLS connections are refused by how
 * long the first of them has waited, too.  Hellos that do not come to an end are in no queue, and keep nobody out. */
#ifndef PORTCULLIS_PROXY_SHED_H
#define PORTCULLIS_PROXY_SHED_H

#include "gateway/proxy/proxy.h"

enum shed_what { SHED_CONNECTION, SHED_REQUEST };

/* Pure: is this one refused?  `lag_us` is how late the loop is, `waiting_us` how long a handshake has waited (of no
 * concern: 0), `most_us` how late it may be; 0: nothing is refused. */
bool shed_refuses(struct shed *s, enum shed_what what, int64_t lag_us, int64_t waiting_us, int64_t most_us, int64_t now_us);
/* The same of a worker's own loop: a connection to a TLS listener, and a request. */
bool shed_handshake(struct proxy *p);
bool shed_request(struct proxy *p, enum shed_what what);

#endif
