/* arena.h -- memory that lives as long as one request, or one configuration.
 *
 * Allocation is a pointer bump; all of it goes at once.  Blocks are charged to
 * a budget with their bookkeeping.  Under AddressSanitizer unused bytes are
 * poisoned, so a read past an allocation is found. */
#ifndef PORTCULLIS_BASE_ARENA_H
#define PORTCULLIS_BASE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/mem.h"
#include "gateway/base/slice.h"

struct arena {
	struct arena_block *blocks;
	char *next, *end;
	struct budget *budget;
	size_t block_size;
};

/* Takes nothing yet.  `block_size` is the size of the first blocks, bookkeeping included. */
void arena_init(struct arena *a, struct budget *budget, size_t block_size);
/* An arena over memory the caller keeps (a mapped image): never grows, arena_done frees nothing. */
void arena_init_fixed(struct arena *a, void *at, size_t size);
/* Everything allocated from it is gone; the arena can be used again. */
void arena_done(struct arena *a);

/* Aligned to 8 bytes, not cleared; NULL when memory or budget is used up. */
void *arena_take(struct arena *a, size_t size);
void *arena_take_zeroed(struct arena *a, size_t size);
/* A copy, with a NUL behind it that is not counted.  On failure at is NULL. */
struct slice arena_copy(struct arena *a, struct slice s);
/* Bytes printed into the arena; on failure at is NULL. */
struct slice arena_print(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct slice arena_vprint(struct arena *a, const char *fmt, va_list args);

#define ARENA_NEW(a, type) ((type *)arena_take_zeroed((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_take_zeroed((a), sizeof(type) * (size_t)(n)))

#endif
