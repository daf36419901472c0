/* h2_memory.c -- what nghttp2 takes is charged to its connection. */
#include <stdlib.h>
#include <string.h>

#include "gateway/proxy/h2_parts.h"

/* In front of each block; keeps what follows aligned. */
union head {
	size_t size;
	max_align_t align;
};

static void *take(size_t size, void *budget)
{
	union head *at = size < SIZE_MAX / 2 ? mem_take(budget, sizeof *at + size) : NULL;

	if (!at)
		return NULL;
	at->size = size;
	return at + 1;
}

static void give(void *block, void *budget)
{
	union head *at = block;

	if (at)
		mem_give(budget, at - 1, sizeof *at + at[-1].size);
}

static void *take_zeroed(size_t n, size_t size, void *budget)
{
	void *at = size && n > SIZE_MAX / size ? NULL : take(n * size, budget);

	if (at)
		memset(at, 0, n * size);
	return at;
}

static void *retake(void *block, size_t size, void *budget)
{
	size_t before = block ? ((union head *)block)[-1].size : 0;
	void *at = take(size, budget);

	if (!at)
		return NULL;
	if (before)
		memcpy(at, block, before < size ? before : size);
	give(block, budget);
	return at;
}

void h2_memory_init(nghttp2_mem *mem, struct budget *b)
{
	*mem = (nghttp2_mem){.mem_user_data = b, .malloc = take, .free = give, .calloc = take_zeroed, .realloc = retake};
}
