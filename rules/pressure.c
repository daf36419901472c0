/* pressure.c -- CoDel's question, and Little's answer. */
#include "rules/pressure.h"

/* Parts of the longest wait: a queue stands that was not SHORT for half of it; a quarter is what one may wait
 * in it then. */
enum { INTERVAL = 2, STANDING = 4, SHORT = 16 };

static void count_on(struct pressure *p, int64_t most_us, int64_t now_us)
{
	int64_t interval = most_us / INTERVAL, passed = now_us - p->since_us;

	if (passed < interval)
		return;
	/* After a pause the last count says nothing. */
	p->rate = passed < 2 * interval ? (uint32_t)((int64_t)p->done * interval / passed) : 0;
	p->done = 0;
	p->since_us = now_us;
}

void pressure_none(struct pressure *p, int64_t now_us)
{
	p->relieved_us = now_us;
}

void pressure_done(struct pressure *p, int64_t waited_us, int64_t most_us, int64_t now_us)
{
	count_on(p, most_us, now_us);
	p->done++;
	if (waited_us <= most_us / SHORT)
		p->relieved_us = now_us;
}

bool pressure_allows(struct pressure *p, uint32_t ahead, uint32_t least, int64_t most_us, int64_t now_us)
{
	uint64_t allowed;

	count_on(p, most_us, now_us);
	if (now_us - p->relieved_us < most_us / INTERVAL)
		return true;
	/* What waits is what comes in one's time: so many are finished in an interval, so many in a quarter. */
	allowed = (uint64_t)(p->rate > p->done ? p->rate : p->done) * INTERVAL / STANDING;
	return ahead < (allowed > least ? allowed : least);
}
