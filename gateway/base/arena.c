/* arena.c -- bump allocation in charged blocks. */
#include "gateway/base/arena.h"

#include <stdint.h>
#include <stdio.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#endif

struct arena_block {
	struct arena_block *older;
	size_t size;
};

void arena_init(struct arena *a, struct budget *budget, size_t block_size)
{
	*a = (struct arena){.budget = budget, .block_size = block_size};
}

void arena_init_fixed(struct arena *a, void *at, size_t size)
{
	*a = (struct arena){.next = at, .end = (char *)at + size};
}

void arena_done(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *block = a->blocks;

		a->blocks = block->older;
		ASAN_UNPOISON_MEMORY_REGION(block, block->size);
		mem_give(a->budget, block, block->size);
	}
	a->next = a->end = NULL;
}

static bool grow(struct arena *a, size_t size)
{
	size_t want = size + sizeof(struct arena_block);
	struct arena_block *block;

	if (!a->block_size || size > SIZE_MAX / 2)
		return false;
	if (want < a->block_size)
		want = a->block_size;
	block = mem_take(a->budget, want);
	if (!block)
		return false;
	*block = (struct arena_block){a->blocks, want};
	a->blocks = block;
	a->next = (char *)(block + 1);
	a->end = (char *)block + want;
	ASAN_POISON_MEMORY_REGION(a->next, (size_t)(a->end - a->next));
	return true;
}

void *arena_take(struct arena *a, size_t size)
{
	/* Even nothing has an address of its own: NULL always means used up. */
	size_t whole = size ? (size + 7) & ~(size_t)7 : 8;
	char *at;

	if (whole < size)
		return NULL;
	if ((size_t)(a->end - a->next) < whole && !grow(a, whole))
		return NULL;
	at = a->next;
	a->next += whole;
	ASAN_UNPOISON_MEMORY_REGION(at, size);
	return at;
}

void *arena_take_zeroed(struct arena *a, size_t size)
{
	void *at = arena_take(a, size);

	if (at)
		memset(at, 0, size);
	return at;
}

struct slice arena_copy(struct arena *a, struct slice s)
{
	char *at = arena_take(a, s.len + 1);

	if (!at)
		return SLICE_NONE;
	if (s.len)
		memcpy(at, s.at, s.len);
	at[s.len] = 0;
	return slice_make(at, s.len);
}

struct slice arena_vprint(struct arena *a, const char *fmt, va_list args)
{
	va_list again;
	char *at;
	int n;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0 || !(at = arena_take(a, (size_t)n + 1)))
		return SLICE_NONE;
	vsnprintf(at, (size_t)n + 1, fmt, args);
	return slice_make(at, (size_t)n);
}

struct slice arena_print(struct arena *a, const char *fmt, ...)
{
	struct slice s;
	va_list args;

	va_start(args, fmt);
	s = arena_vprint(a, fmt, args);
	va_end(args);
	return s;
}
