/* gcra.h -- the arithmetic of a rate limit (GCRA), pure.
 *
 * One number per key: the time at which its allowance is full again.  Each
 * request moves it on by its charge; a request that would move it further ahead
 * of now than the tolerance is refused.  Nothing here knows Redis or the clock:
 * gcra.lua does the same sums, words.c keeps the numbers of local mode, and
 * gcra_test.c holds all three to one table.
 *
 * Times are ticks, an eighth of a microsecond, so that 100,000 a second are
 * counted to a percent; every sum stays below 2^53, where Lua's numbers are exact. */
#ifndef PORTCULLIS_LIMIT_GCRA_H
#define PORTCULLIS_LIMIT_GCRA_H

#include <stdbool.h>
#include <stdint.h>

enum { GCRA_TICKS_PER_US = 8 };
/* The farthest an allowance may reach ahead: 17.8 years. */
#define GCRA_TOLERANCE_MOST ((int64_t)1 << 52)

struct gcra {
	int64_t interval;  /* between two requests; rounded up: never more than was promised */
	int64_t tolerance; /* burst intervals */
};

struct gcra_answer {
	bool allowed;
	int64_t remaining;      /* requests of cost 1 that would be allowed now */
	int64_t retry_after_us; /* 0 when allowed */
	int64_t reset_us;       /* until the allowance is full */
};

/* `number` requests per `period_ms`, `burst` at once after a pause.  A rate above 8 per microsecond is
 * counted as 8; a number or burst of 0 lets nothing pass. */
struct gcra gcra_make(uint64_t number, int64_t period_ms, uint64_t burst);
/* What a request of that cost is charged; costs are held within 1 and the burst. */
int64_t gcra_charge(const struct gcra *g, uint64_t cost);
/* The number of a key as it counts now: never behind now, never further ahead than the tolerance (a
 * clock that was set back, or a burst made smaller, costs one burst at most). */
int64_t gcra_now(const struct gcra *g, int64_t full_at, int64_t now);
/* True when `full_at`, already brought to now, can bear the charge. */
static inline bool gcra_allows(const struct gcra *g, int64_t full_at, int64_t now, int64_t charge)
{
	return full_at + charge - now <= g->tolerance;
}
/* Put into words: `ahead` is the key's number after the decision, less now. */
struct gcra_answer gcra_tell(const struct gcra *g, bool allowed, int64_t ahead, int64_t charge);

#endif
