/* quarantine.h -- requests that have killed workers, and are not looked at again for a while.
 *
 * A worker notes, in memory that outlives it, which request it is working on.
 * When it dies of a signal, the supervisor reads that; who kills three is put on
 * the list that all workers look at before they parse.  A request is known by a
 * keyed hash over its whole head: the same bytes again, as a retrying client, a
 * crawler or an attack's loop sends them. */
#ifndef PORTCULLIS_PROXY_QUARANTINE_H
#define PORTCULLIS_PROXY_QUARANTINE_H

#include "gateway/proxy/proxy.h"

/* Never 0. */
uint64_t quarantine_print(const struct proxy *p, struct slice head);
/* From here on, what happens is done for that request; 0: for none. */
void quarantine_mark(struct proxy *p, uint64_t print);
bool quarantine_has(const struct proxy *p, uint64_t print);
/* By the supervisor alone.  The place of the one that ends first is taken when all are in use. */
void quarantine_add(struct proxy_quarantine *q, uint64_t print, int64_t now_us);

#endif
