/* gcra.c -- the arithmetic of a rate limit, pure. */
#include "gateway/limit/gcra.h"

enum { TICKS_PER_MS = 1000 * GCRA_TICKS_PER_US };

static int64_t us_up(int64_t ticks)
{
	return (ticks + GCRA_TICKS_PER_US - 1) / GCRA_TICKS_PER_US;
}

struct gcra gcra_make(uint64_t number, int64_t period_ms, uint64_t burst)
{
	int64_t period = period_ms < GCRA_TOLERANCE_MOST / TICKS_PER_MS ? period_ms * TICKS_PER_MS : GCRA_TOLERANCE_MOST;
	struct gcra g;

	if (period < 1)
		period = 1;
	if (!number || !burst)
		return (struct gcra){.interval = period};
	g.interval = number < (uint64_t)period ? (int64_t)(((uint64_t)period + number - 1) / number) : 1;
	g.tolerance = burst < (uint64_t)(GCRA_TOLERANCE_MOST / g.interval) ? (int64_t)burst * g.interval
									   : GCRA_TOLERANCE_MOST;
	return g;
}

int64_t gcra_charge(const struct gcra *g, uint64_t cost)
{
	if (cost < 1 || g->tolerance < g->interval)
		return g->interval;
	return cost < (uint64_t)(g->tolerance / g->interval) ? (int64_t)cost * g->interval
							     : g->tolerance / g->interval * g->interval;
}

int64_t gcra_now(const struct gcra *g, int64_t full_at, int64_t now)
{
	if (full_at < now)
		return now;
	return full_at - now > g->tolerance ? now + g->tolerance : full_at;
}

struct gcra_answer gcra_tell(const struct gcra *g, bool allowed, int64_t ahead, int64_t charge)
{
	struct gcra_answer a = {.allowed = allowed, .reset_us = us_up(ahead)};

	if (ahead < g->tolerance)
		a.remaining = (g->tolerance - ahead) / g->interval;
	/* At least a microsecond: who is refused may not be told to come at once. */
	if (!allowed)
		a.retry_after_us = ahead + charge - g->tolerance > 0 ? us_up(ahead + charge - g->tolerance) : 1;
	return a;
}
