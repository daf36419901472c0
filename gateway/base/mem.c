/* mem.c -- charged allocation. */
#include "gateway/base/mem.h"

#include <stdlib.h>

#include "gateway/base/fail.h"

static unsigned long fail_countdown;
static bool fail_given;

static void charge(struct budget *b, size_t n)
{
	for (; b; b = b->parent) {
		b->used += n;
		if (b->used > b->peak)
			b->peak = b->used;
	}
}

bool budget_take(struct budget *b, size_t n)
{
	for (struct budget *up = b; up; up = up->parent)
		if (up->limit && (n > up->limit || up->used > up->limit - n))
			return false;
	charge(b, n);
	return true;
}

void budget_give(struct budget *b, size_t n)
{
	for (; b; b = b->parent) {
		CHECK(b->used >= n);
		b->used -= n;
	}
}

void budget_move(struct budget *b, struct budget *parent)
{
	budget_give(b->parent, b->used);
	b->parent = parent;
	charge(parent, b->used);
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
		charge(b, size);
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
