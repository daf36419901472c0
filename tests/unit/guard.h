/* guard.h -- inputs that end at an unreadable page: reading one byte too far is a crash in any build. */
#ifndef PORTCULLIS_TESTS_GUARD_H
#define PORTCULLIS_TESTS_GUARD_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/base/slice.h"

struct guard {
	char *map;
	size_t room; /* readable bytes in front of the unreadable page */
	size_t page;
};

/* Room for inputs of up to `most` bytes. */
static inline void guard_open(struct guard *g, size_t most)
{
	g->page = (size_t)sysconf(_SC_PAGESIZE);
	g->room = (most + g->page - 1) / g->page * g->page;
	g->map = mmap(NULL, g->room + g->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g->map == MAP_FAILED || mprotect(g->map + g->room, g->page, PROT_NONE) != 0)
		abort();
}

static inline void guard_close(struct guard *g)
{
	munmap(g->map, g->room + g->page);
}

/* A copy of `s` that ends where reading ends.  The next call overwrites it; `s` may be of the last one. */
static inline struct slice guard_put(struct guard *g, struct slice s)
{
	char *at = g->map + g->room - s.len;

	if (s.len > g->room)
		abort();
	if (s.len)
		memmove(at, s.at, s.len);
	return slice_make(at, s.len);
}

#endif
