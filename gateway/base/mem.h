/* mem.h -- memory that is charged to somebody.
 *
 * Every allocation a client, an origin or a file can cause is charged to a
 * budget, and through it to the budget's parent (connection, then worker).  A
 * budget that is used up makes the allocation fail like an empty heap does:
 * callers handle one case, not two. */
#ifndef PORTCULLIS_BASE_MEM_H
#define PORTCULLIS_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

enum { BUDGET_SMALL = 16 << 10 };

struct budget {
	size_t used, limit, peak; /* bytes; limit 0 means none */
	size_t reserve;           /* the last of the limit, for pieces up to BUDGET_SMALL: many wants, none of them large */
	struct budget *parent;    /* NULL at the top */
	unsigned refusals;        /* 1 + the metric that counts when this limit would break; 0: none */
};

/* Charge `n` bytes along the chain; false, and nothing charged, if any limit would break. */
bool budget_take(struct budget *b, size_t n);
/* Charge what is spent already, also beyond a limit. */
void budget_charge(struct budget *b, size_t n);
void budget_give(struct budget *b, size_t n);

/* Little is left at the top: three quarters are used. */
bool budget_is_tight(const struct budget *b);

/* Hang a budget under another parent; what it holds is charged there even beyond its limit. */
void budget_move(struct budget *b, struct budget *parent);

/* malloc, charged.  NULL when the budget or the heap is used up.  `b` may be NULL. */
void *mem_take(struct budget *b, size_t size);
void *mem_take_zeroed(struct budget *b, size_t size);
/* The same for a library that does not bear a "no": charged even beyond the limits, which its caller looks at when
 * it has returned.  NULL only when the heap is used up. */
void *mem_take_beyond(struct budget *b, size_t size);
/* `size` is what was taken. */
void mem_give(struct budget *b, void *p, size_t size);

/* For tests: the n-th allocation from now fails once (1 is the next); 0 turns it off. */
void mem_fail_at(unsigned long n);
/* True once the failure has been delivered. */
bool mem_failed(void);

#endif
