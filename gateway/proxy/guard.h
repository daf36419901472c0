/* guard.h -- how many connections there are, by address and in all. */
#ifndef PORTCULLIS_PROXY_GUARD_H
#define PORTCULLIS_PROXY_GUARD_H

#include "gateway/proxy/proxy.h"

/* May another connection of this address be accepted?  IPv6 counts by /64. */
bool guard_allows(const struct proxy *p, const struct addr *a);
/* Count it; the cell is given back to guard_left. */
uint16_t guard_came(struct proxy *p, const struct addr *a);
void guard_left(struct proxy *p, uint16_t cell);

#endif
