/* front_h1.h -- an HTTP/1.1 client connection: one exchange after the other. */
#ifndef PORTCULLIS_PROXY_FRONT_H1_H
#define PORTCULLIS_PROXY_FRONT_H1_H

#include "gateway/proxy/proxy.h"

struct front;

/* Take over an accepted, non-blocking descriptor.  `hop`: it is a load balancer's, whose PROXY header comes first.
 * False: it stays the caller's. */
bool front_open(struct proxy *p, const struct proxy_listener *listener, bool hop, int fd, const struct addr *peer,
		uint16_t port);
/* Close it if it is between requests; let it end after the current one otherwise. */
void front_drain(struct front *f);
/* Close it now. */
void front_cut(struct front *f);
/* From its place in proxy->fronts. */
struct front *front_of(struct list *link);
/* Make room: close the one that has been between two requests for longest.  False: there is none. */
bool front_evict(struct proxy *p);
/* The queue of handshakes, p->shakes. */
void front_shakes_init(struct proxy *p);
void front_shakes_stop(struct proxy *p);
/* How long the first of those that have not begun has waited. */
int64_t front_shakes_wait_us(const struct proxy *p);

#endif
