/* buf.h -- a queue of bytes in one charged block: write at the end, read at the front.
 *
 * Gives its memory back when it runs empty and buf_done or buf_release is
 * called, so that an idle connection holds none. */
#ifndef PORTCULLIS_BASE_BUF_H
#define PORTCULLIS_BASE_BUF_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/mem.h"
#include "gateway/base/slice.h"

struct buf {
	char *at;
	uint32_t start, end, cap;
	struct budget *budget;
};

static inline void buf_init(struct buf *b, struct budget *budget)
{
	*b = (struct buf){.budget = budget};
}

static inline uint32_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

static inline struct slice buf_slice(const struct buf *b)
{
	/* Nothing may be added to NULL, not even 0. */
	return b->at ? slice_make(b->at + b->start, b->end - b->start) : SLICE_NONE;
}

static inline void buf_eat(struct buf *b, uint32_t n)
{
	b->start += n;
	if (b->start == b->end)
		b->start = b->end = 0;
}

/* Room for `n` more bytes at b->at + b->end; grows, or moves what is there to the front.
 * False when memory is used up. */
bool buf_room(struct buf *b, uint32_t n);
bool buf_put(struct buf *b, const void *at, size_t n);
bool buf_print(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Give the block back if it is empty. */
void buf_release(struct buf *b);
void buf_done(struct buf *b);

static inline bool buf_put_slice(struct buf *b, struct slice s)
{
	return buf_put(b, s.at, s.len);
}

#endif
