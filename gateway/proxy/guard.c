/* guard.c -- counting connections in cells that all workers see.
 *
 * A cell is found by a keyed hash, so two addresses may share one; with 65,536
 * cells that is rare, and then both are held to one bound, never to none. */
#include "gateway/proxy/guard.h"

#include <stdatomic.h>

static uint16_t cell_of(const struct proxy *p, const struct addr *a)
{
	struct addr net = addr_net(a, 32, 64);

	return (uint16_t)hash_bytes(&p->plan.guard_seed, net.b, sizeof net.b);
}

bool guard_allows(const struct proxy *p, const struct addr *a)
{
	uint16_t cell = cell_of(p, a);
	uint64_t sum = 0;

	for (unsigned i = 0; i < p->plan.workers; i++)
		sum += atomic_load_explicit(&p->plan.guards[i].open[cell], memory_order_relaxed);
	return sum < (uint64_t)p->config->client.per_address;
}

uint16_t guard_came(struct proxy *p, const struct addr *a)
{
	uint16_t cell = cell_of(p, a);

	atomic_fetch_add_explicit(&p->plan.guards[p->plan.worker].open[cell], 1, memory_order_relaxed);
	return cell;
}

void guard_left(struct proxy *p, uint16_t cell)
{
	atomic_fetch_sub_explicit(&p->plan.guards[p->plan.worker].open[cell], 1, memory_order_relaxed);
}
