/* guard.c -- counting connections in cells that all workers see, and what is left for one more.
 *
 * A cell is found by a keyed hash, so two addresses may share one; with 65,536
 * cells that is rare, and then both are held to one bound, never to none. */
#include "gateway/proxy/guard.h"

#include <stdatomic.h>
#include <sys/resource.h>

#include "gateway/proxy/front_h1.h"

enum { DESCRIPTORS_LEAST = 1024, LITTLE = 64 << 10 /* bytes */ };

/* ---- By address and by network ---- */

static uint64_t hash_of(const struct proxy *p, const struct addr *a, unsigned v6_bits)
{
	struct addr net = addr_net(a, 32, v6_bits);

	return hash_bytes(&p->plan.guard_seed, net.b, sizeof net.b);
}

static uint16_t address_of(const struct proxy *p, const struct addr *a)
{
	return (uint16_t)hash_of(p, a, 64);
}

static struct guard_place place_of(const struct proxy *p, const struct addr *a)
{
	struct guard_place at = {.address = address_of(p, a), .wide = !addr_is_v4(a)};

	/* Who owns one IPv6 network owns 65,536 of the networks that are counted as addresses. */
	if (at.wide)
		at.network = (uint16_t)(hash_of(p, a, 48) % PROXY_NETWORK_CELLS);
	return at;
}

static uint64_t open_at(const struct proxy *p, struct guard_place at, bool network)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < p->plan.workers; i++) {
		const struct proxy_guard *g = &p->plan.guards[i];

		sum += atomic_load_explicit(network ? &g->network[at.network] : &g->address[at.address], memory_order_relaxed);
	}
	return sum;
}

enum metric guard_refuses(const struct proxy *p, const struct addr *a)
{
	const struct config_client *c = &p->config->client;
	struct guard_place at = place_of(p, a);

	if (open_at(p, at, false) >= (uint64_t)c->per_address)
		return METRIC_REFUSED_ADDRESS;
	return at.wide && open_at(p, at, true) >= (uint64_t)c->per_network ? METRIC_REFUSED_NETWORK : METRICS;
}

struct guard_place guard_came(struct proxy *p, const struct addr *a)
{
	struct proxy_guard *g = &p->plan.guards[p->plan.worker];
	struct guard_place at = place_of(p, a);

	atomic_fetch_add_explicit(&g->address[at.address], 1, memory_order_relaxed);
	if (at.wide)
		atomic_fetch_add_explicit(&g->network[at.network], 1, memory_order_relaxed);
	return at;
}

void guard_left(struct proxy *p, struct guard_place at)
{
	struct proxy_guard *g = &p->plan.guards[p->plan.worker];

	atomic_fetch_sub_explicit(&g->address[at.address], 1, memory_order_relaxed);
	if (at.wide)
		atomic_fetch_sub_explicit(&g->network[at.network], 1, memory_order_relaxed);
}

bool guard_tunnel_came(struct proxy *p, const struct addr *a, uint16_t *place)
{
	uint64_t sum = 0;

	*place = address_of(p, a);
	for (unsigned i = 0; i < p->plan.workers; i++)
		sum += atomic_load_explicit(&p->plan.guards[i].tunnels[*place], memory_order_relaxed);
	if (sum >= (uint64_t)p->config->client.tunnels)
		return false;
	atomic_fetch_add_explicit(&p->plan.guards[p->plan.worker].tunnels[*place], 1, memory_order_relaxed);
	return true;
}

void guard_tunnel_left(struct proxy *p, uint16_t place)
{
	atomic_fetch_sub_explicit(&p->plan.guards[p->plan.worker].tunnels[place], 1, memory_order_relaxed);
}

uint64_t *guard_spool_share(struct proxy *p, const struct addr *a)
{
	return &p->spool_shares[address_of(p, a)];
}

/* ---- Of what all share ---- */

int guard_descriptors(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur > INT32_MAX)
		files.rlim_cur = files.rlim_cur > INT32_MAX ? INT32_MAX : DESCRIPTORS_LEAST;
	return (int)(files.rlim_cur - files.rlim_cur / 4);
}

/* The kernel gives the lowest number that is free: one this high says that all below are taken. */
static bool short_of_descriptors(const struct proxy *p, int fd)
{
	return fd >= p->descriptors;
}

/* The last tenth is for those that are there. */
static bool short_of_memory(const struct proxy *p)
{
	return p->memory.limit && p->memory.used > p->memory.limit - p->memory.reserve;
}

enum reason guard_starved(const struct proxy *p)
{
	size_t most = p->memory.limit - p->memory.reserve;

	return p->memory.limit && p->memory.used + LITTLE > most ? REASON_MEMORY_WORKER : REASON_MEMORY_CONNECTION;
}

unsigned guard_starved_head(const struct proxy *p)
{
	return guard_starved(p) == REASON_MEMORY_CONNECTION ? 431 : 503;
}

static bool nearly_full(const struct proxy *p)
{
	return p->fronts_n >= p->fronts_max - p->fronts_max / 10;
}

enum metric guard_is_full(struct proxy *p, int fd)
{
	bool descriptors = short_of_descriptors(p, fd), memory = short_of_memory(p);

	if ((nearly_full(p) || descriptors || memory) && front_evict(p)) {
		metric_count(METRIC_EVICTED);
		return METRICS;
	}
	if (p->fronts_n >= p->fronts_max)
		return METRIC_REFUSED_FULL;
	if (descriptors)
		return METRIC_REFUSED_DESCRIPTORS;
	return memory ? METRIC_REFUSED_MEMORY : METRICS;
}
