/* loop.h -- the event loop: the only place that waits.
 *
 * One loop per process, one thread.  Descriptors are registered once, edge-
 * triggered, for reading and writing; whoever is told keeps its own "readable"
 * and "writable" marks and works until the kernel says EAGAIN.  So pausing a
 * reader costs no system call.  What must go on later in the same turn is a task.
 * Time is read once a turn.  Nothing here calls back before the call that
 * registered it has returned. */
#ifndef PORTCULLIS_LOOP_LOOP_H
#define PORTCULLIS_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/list.h"

enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4, LOOP_PEER_CLOSED = 8 };

struct watch {
	int fd;
	/* `what`: LOOP_READ and so on; HANGUP (error or both directions closed) comes with READ and WRITE set. */
	void (*ready)(struct watch *w, unsigned what);
	struct loop *loop; /* NULL when not registered */
};

struct timer {
	struct list slot;
	int64_t due_ms;   /* loop time; 0 when off */
	int64_t stored_ms;
	void (*fire)(struct timer *t);
};

struct task {
	struct list queued;
	void (*run)(struct task *t);
};

struct loop;

struct loop *loop_new(void);
void loop_free(struct loop *l);
/* Run turns until loop_stop. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* One turn, waiting at most `most_ms` (-1: until something happens). */
void loop_turn(struct loop *l, int64_t most_ms);

/* Monotonic time of this turn. */
int64_t loop_ms(const struct loop *l);
int64_t loop_us(const struct loop *l);
/* Monotonic time now, by a clock read; for measuring. */
int64_t loop_clock_us(void);
/* How long an event waits now before it is looked at: 0 to some microseconds, unless there is more to do than can
 * be done.  Measured some hundred times a second, by an event that takes its turn among the others. */
int64_t loop_lag_us(const struct loop *l);
/* Wall time of this turn, microseconds since 1970; for records only. */
int64_t loop_wall_us(const struct loop *l);
/* A clock that a test sets: loop_turn then never sleeps, timers follow `us`. */
void loop_virtual(struct loop *l, int64_t us);

/* Register.  Edge-triggered for both directions. False when the kernel refuses. */
bool watch_add(struct loop *l, struct watch *w, int fd, void (*ready)(struct watch *w, unsigned what));
/* A shared listening socket: level-triggered, read only, one woken process per connection. */
bool watch_add_listener(struct loop *l, struct watch *w, int fd, void (*ready)(struct watch *w, unsigned what));
/* Level-triggered read (signalfd, pipes of other processes). */
bool watch_add_level(struct loop *l, struct watch *w, int fd, void (*ready)(struct watch *w, unsigned what));
/* Unregister; `w` gets no call any more, not even from this turn.  The caller closes the fd. */
void watch_remove(struct watch *w);

void timer_init(struct timer *t, void (*fire)(struct timer *t));
/* Fire once, `ms` from now (at least 1).  Moving a timer later is free: it is looked at when the
 * old time comes. */
void timer_start(struct loop *l, struct timer *t, int64_t ms);
void timer_stop(struct timer *t);
static inline bool timer_on(const struct timer *t)
{
	return t->due_ms != 0;
}

void task_init(struct task *t, void (*run)(struct task *t));
/* Run at the end of this turn; once, however often it is asked for. */
void task_start(struct loop *l, struct task *t);
void task_stop(struct task *t);

#endif
