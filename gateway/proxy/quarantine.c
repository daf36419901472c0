/* quarantine.c -- a short list, looked through for each request. */
#include "gateway/proxy/quarantine.h"

#include <stdatomic.h>

#define TERM_US (INT64_C(600) * 1000000)

uint64_t quarantine_print(const struct proxy *p, struct slice head)
{
	uint64_t print = hash_bytes(&p->plan.guard_seed, head.at, head.len);

	return print ? print : 1;
}

void quarantine_mark(struct proxy *p, uint64_t print)
{
	if (p->plan.handling)
		atomic_store_explicit(p->plan.handling, print, memory_order_relaxed);
}

bool quarantine_has(const struct proxy *p, uint64_t print)
{
	const struct proxy_quarantine *q = p->plan.quarantine;
	unsigned n = q ? atomic_load_explicit(&q->added, memory_order_relaxed) : 0;

	for (unsigned i = 0; i < n && i < PROXY_QUARANTINED; i++)
		if (atomic_load_explicit(&q->at[i].print, memory_order_relaxed) == print &&
		    atomic_load_explicit(&q->at[i].until_us, memory_order_relaxed) > loop_us(p->loop))
			return true;
	return false;
}

/* All stay equally long: the oldest is the one that ends first. */
void quarantine_add(struct proxy_quarantine *q, uint64_t print, int64_t now_us)
{
	unsigned place = atomic_load(&q->added) % PROXY_QUARANTINED;

	atomic_store(&q->at[place].print, print);
	atomic_store(&q->at[place].until_us, now_us + TERM_US);
	atomic_fetch_add(&q->added, 1);
}
