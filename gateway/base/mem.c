/* mem.c -- charged allocation. */
#include "gateway/base/mem.h"

#include <stdlib.h>

#include "gateway/base/fail.h"
#include "gateway/base/metric.h"

static unsigned long fail_countdown;
static bool fail_given;

static bool breaks(const struct budget *b, size_t n)
{
	size_t limit = n > BUDGET_SMALL ? b->limit - b->reserve : b->limit;

	return b->limit && (n > limit || b->used > limit - n);
}

bool budget_take(struct budget *b, size_t n)
{
	for (struct budget *up = b; up; up = up->parent)
		if (breaks(up, n)) {
			if (up->refusals)
				metric_count((enum metric)(up->refusals - 1));
			return false;
		}
	budget_charge(b, n);
	return true;
}

void budget_charge(struct budget *b, size_t n)
{
	for (; b; b = b->parent) {
		b->used += n;
		if (b->used > b->peak)
			b->peak = b->used;
	}
}

void budget_give(struct budget *b, size_t n)
{
	for (; b; b = b->parent) {
		CHECK(b->used >= n);
		b->used -= n;
	}
}

bool budget_is_tight(const struct budget *b)
{
	while (b && b->parent)
		b = b->parent;
	return b && b->limit && b->used > b->limit - b->limit / 4;
}

void budget_move(struct budget *b, struct budget *parent)
{
	budget_give(b->parent, b->used);
	b->parent = parent;
	budget_charge(parent, b->used);
}

static bool fails_now(void)
{
	if (!fail_countdown || --fail_countdown)
		return false;
	fail_given = true;
	return true;
}

void *mem_take(struct budget *b, size_t size)
{
	void *p;

	if (fails_now() || !budget_take(b, size))
		return NULL;
	p = malloc(size);
	if (!p)
		budget_give(b, size);
	return p;
}

void *mem_take_beyond(struct budget *b, size_t size)
{
	void *p = malloc(size);

	if (p)
		budget_charge(b, size);
	return p;
}

void *mem_take_zeroed(struct budget *b, size_t size)
{
	void *p = mem_take(b, size);

	if (p)
		__builtin_memset(p, 0, size);
	return p;
}

void mem_give(struct budget *b, void *p, size_t size)
{
	if (!p)
		return;
	free(p);
	budget_give(b, size);
}

void mem_fail_at(unsigned long n)
{
	fail_countdown = n;
	fail_given = false;
}

bool mem_failed(void)
{
	return fail_given;
}
