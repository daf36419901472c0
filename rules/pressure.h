/* pressure.h -- does a queue stand, and may one more enter it?  Pure.
 *
 * A queue that fills and empties is doing its work; one that has not been short for a while only makes everybody
 * wait, and whoever waits too long has gone when it is his turn (the insight of CoDel, Nichols and Jacobson 2012).
 * While it stands, only as much is let in as is finished within the time one may stand in it; the rest is refused
 * at once, which costs next to nothing.  So what is done stays worth doing, and as much is done as ever. */
#ifndef PORTCULLIS_RULES_PRESSURE_H
#define PORTCULLIS_RULES_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

struct pressure {
	int64_t relieved_us; /* when somebody last came and hardly had to wait */
	int64_t since_us;    /* of the count */
	uint32_t done, rate; /* finished since then; in the interval before */
};

/* Nobody is in front. */
void pressure_none(struct pressure *p, int64_t now_us);
/* One is finished that had waited so long; `most_us` is the longest anybody waits at all. */
void pressure_done(struct pressure *p, int64_t waited_us, int64_t most_us, int64_t now_us);
/* May one more enter behind `ahead` others?  So many as `least` always may. */
bool pressure_allows(struct pressure *p, uint32_t ahead, uint32_t least, int64_t most_us, int64_t now_us);

#endif
