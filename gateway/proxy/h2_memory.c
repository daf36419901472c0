/* h2_memory.c -- what nghttp2 takes is charged to its connection: a client's, or to an origin.
 *
 * Never refused: where one of its queues cannot grow, nghttp2 1.52 frees a frame that a stream still has, and a client
 * could choose when that happens by using its budget up.  So it may go beyond the limit, and the connection is looked
 * at after each frame.  A heap that is used up ends the worker. */
#include "gateway/proxy/h2_memory.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/fail.h"

/* In front of each block; keeps what follows aligned. */
union head {
	size_t size;
	max_align_t align;
};

static void *take(size_t size, void *budget)
{
	union head *at;

	CHECK(size < SIZE_MAX / 2);
	at = mem_take_beyond(budget, sizeof *at + size);
	CHECK(at);
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
	void *at;

	CHECK(!size || n <= SIZE_MAX / size);
	at = take(n * size, budget);
	memset(at, 0, n * size);
	return at;
}

static void *retake(void *block, size_t size, void *budget)
{
	size_t before = block ? ((union head *)block)[-1].size : 0;
	void *at = take(size, budget);

	if (before)
		memcpy(at, block, before < size ? before : size);
	give(block, budget);
	return at;
}

void h2_memory_init(nghttp2_mem *mem, struct budget *b)
{
	*mem = (nghttp2_mem){.mem_user_data = b, .malloc = take, .free = give, .calloc = take_zeroed, .realloc = retake};
}
