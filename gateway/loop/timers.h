/* timers.h -- a hierarchical timing wheel of one-millisecond ticks; inside the loop only. */
#ifndef PORTCULLIS_LOOP_TIMERS_H
#define PORTCULLIS_LOOP_TIMERS_H

#include "gateway/loop/loop.h"

enum { WHEEL_LEVELS = 5, WHEEL_SLOTS = 64, WHEEL_BITS = 6 };

struct wheel {
	struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
	uint64_t filled[WHEEL_LEVELS]; /* a set bit may be stale, a clear one never is */
	int64_t now_ms;
};

void wheel_init(struct wheel *w, int64_t now_ms);
void wheel_store(struct wheel *w, struct timer *t);
/* Fire what is due up to `to_ms`. */
void wheel_advance(struct wheel *w, int64_t to_ms);
/* When something may have to be done next; -1: nothing is stored. */
int64_t wheel_next(const struct wheel *w);

#endif
