/* timers.c -- the timing wheel.
 *
 * Level 0 has a slot for each of the next 64 ms, each higher level is 64 times
 * coarser.  When a level has gone round, one slot of the next is spread over it. */
#include "gateway/loop/timers.h"

#include "gateway/base/fail.h"

void wheel_init(struct wheel *w, int64_t now_ms)
{
	for (int level = 0; level < WHEEL_LEVELS; level++) {
		for (int slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&w->slots[level][slot]);
		w->filled[level] = 0;
	}
	w->now_ms = now_ms;
}

void wheel_store(struct wheel *w, struct timer *t)
{
	const int64_t farthest = ((int64_t)1 << (WHEEL_BITS * WHEEL_LEVELS)) - 1;
	int64_t when = t->due_ms, ahead;
	int level = 0;
	unsigned slot;

	if (when <= w->now_ms)
		when = w->now_ms + 1;
	ahead = when - w->now_ms;
	if (ahead > farthest) {
		when = w->now_ms + farthest;
		ahead = farthest;
	}
	while (ahead >= (int64_t)1 << (WHEEL_BITS * (level + 1)))
		level++;
	slot = (unsigned)(when >> (WHEEL_BITS * level)) % WHEEL_SLOTS;
	t->stored_ms = when;
	list_push_last(&w->slots[level][slot], &t->slot);
	w->filled[level] |= (uint64_t)1 << slot;
}

/* Spread the slot that begins now over the levels below. */
static void cascade(struct wheel *w, int level)
{
	unsigned slot = (unsigned)(w->now_ms >> (WHEEL_BITS * level)) % WHEEL_SLOTS;
	struct list moved;

	if (level + 1 < WHEEL_LEVELS && slot == 0)
		cascade(w, level + 1);
	list_init(&moved);
	while (!list_empty(&w->slots[level][slot])) {
		struct list *first = w->slots[level][slot].next;

		list_remove(first);
		list_push_last(&moved, first);
	}
	w->filled[level] &= ~((uint64_t)1 << slot);
	while (!list_empty(&moved)) {
		struct timer *t = LIST_OF(moved.next, struct timer, slot);

		list_remove(&t->slot);
		/* Due at this very millisecond: into the slot that is about to run. */
		if (t->due_ms <= w->now_ms) {
			unsigned now = (unsigned)w->now_ms % WHEEL_SLOTS;

			t->stored_ms = w->now_ms;
			list_push_last(&w->slots[0][now], &t->slot);
			w->filled[0] |= (uint64_t)1 << now;
		} else {
			wheel_store(w, t);
		}
	}
}

static void run_slot(struct wheel *w)
{
	unsigned slot = (unsigned)w->now_ms % WHEEL_SLOTS;
	struct list due;

	list_init(&due);
	while (!list_empty(&w->slots[0][slot])) {
		struct list *first = w->slots[0][slot].next;

		list_remove(first);
		list_push_last(&due, first);
	}
	w->filled[0] &= ~((uint64_t)1 << slot);
	/* A timer that fires may stop or start any other, also one on `due`. */
	while (!list_empty(&due)) {
		struct timer *t = LIST_OF(due.next, struct timer, slot);

		list_remove(&t->slot);
		if (t->due_ms > w->now_ms) {
			wheel_store(w, t);
			continue;
		}
		t->due_ms = 0;
		t->fire(t);
	}
}

void wheel_advance(struct wheel *w, int64_t to_ms)
{
	while (w->now_ms < to_ms) {
		if (!w->filled[0]) {
			int64_t last = w->now_ms | (WHEEL_SLOTS - 1);

			if (last >= to_ms) {
				w->now_ms = to_ms;
				return;
			}
			w->now_ms = last;
		}
		w->now_ms++;
		if (w->now_ms % WHEEL_SLOTS == 0)
			cascade(w, 1);
		run_slot(w);
	}
}

int64_t wheel_next(const struct wheel *w)
{
	int64_t next = -1;

	for (int level = 0; level < WHEEL_LEVELS; level++) {
		int64_t base = (w->now_ms >> (WHEEL_BITS * level)) + 1, when;
		unsigned turn = (unsigned)base % WHEEL_SLOTS;
		uint64_t bits = w->filled[level];

		if (!bits)
			continue;
		if (turn)
			bits = bits >> turn | bits << (WHEEL_SLOTS - turn);
		when = (base + __builtin_ctzll(bits)) << (WHEEL_BITS * level);
		if (next < 0 || when < next)
			next = when;
	}
	return next;
}
