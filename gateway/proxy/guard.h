/* guard.h -- who may come in: connections by address, by network and in all, descriptors, memory.
 *
 * What is refused here is closed without a word: an answer would cost more than the bound saves. */
#ifndef PORTCULLIS_PROXY_GUARD_H
#define PORTCULLIS_PROXY_GUARD_H

#include "gateway/base/metric.h"
#include "gateway/proxy/proxy.h"

/* Where a connection is counted. */
struct guard_place {
	uint16_t address; /* cell of its IPv4 address or IPv6 /64 */
	uint16_t network; /* cell of its IPv6 /48 */
	bool wide;        /* it has one */
};

/* METRICS: another connection of this client may come in; else the cause to count. */
enum metric guard_refuses(const struct proxy *p, const struct addr *a);
/* The same of what all share, of a connection that has descriptor `fd`.  Where little is left the oldest idle one is
 * closed for it. */
enum metric guard_is_full(struct proxy *p, int fd);
/* Count it; the place is given back to guard_left. */
struct guard_place guard_came(struct proxy *p, const struct addr *a);
void guard_left(struct proxy *p, struct guard_place at);
/* One more WebSocket of this client, which may be behind the connection's other end; its place is given back to
 * guard_tunnel_left.  False: it has as many as it may. */
bool guard_tunnel_came(struct proxy *p, const struct addr *a, uint16_t *place);
void guard_tunnel_left(struct proxy *p, uint16_t place);
/* What the contents of this client have of the room for them. */
uint64_t *guard_spool_share(struct proxy *p, const struct addr *a);
/* An allocation for a client has failed: whose memory is used up?  MEMORY_CONNECTION or MEMORY_WORKER. */
enum reason guard_starved(const struct proxy *p);
/* The status where it was for a head: 431 or 503. */
unsigned guard_starved_head(const struct proxy *p);
/* Descriptors that clients may have: the others are for what their requests need, origins and held content. */
int guard_descriptors(void);

#endif
