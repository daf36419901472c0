/* buf.c -- a queue of bytes in one charged block. */
#include "gateway/base/buf.h"

#include <stdarg.h>
#include <stdio.h>

bool buf_room(struct buf *b, uint32_t n)
{
	uint32_t len = buf_len(b), cap;
	char *grown;

	if (b->cap - b->end >= n)
		return true;
	if (b->cap - len >= n) {
		memmove(b->at, b->at + b->start, len);
		b->start = 0;
		b->end = len;
		return true;
	}
	if (n > UINT32_MAX / 2 - len)
		return false;
	cap = b->cap ? b->cap : 512;
	while (cap - len < n)
		cap *= 2;
	grown = mem_take(b->budget, cap);
	if (!grown)
		return false;
	if (len)
		memcpy(grown, b->at + b->start, len);
	mem_give(b->budget, b->at, b->cap);
	b->at = grown;
	b->cap = cap;
	b->start = 0;
	b->end = len;
	return true;
}

bool buf_put(struct buf *b, const void *at, size_t n)
{
	if (!n)
		return true;
	if (n > UINT32_MAX / 2 || !buf_room(b, (uint32_t)n))
		return false;
	memcpy(b->at + b->end, at, n);
	b->end += (uint32_t)n;
	return true;
}

bool buf_print(struct buf *b, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0 || !buf_room(b, (uint32_t)n + 1))
		return false;
	va_start(args, fmt);
	vsnprintf(b->at + b->end, (size_t)n + 1, fmt, args);
	va_end(args);
	b->end += (uint32_t)n;
	return true;
}

void buf_release(struct buf *b)
{
	if (b->start == b->end)
		buf_done(b);
}

void buf_done(struct buf *b)
{
	mem_give(b->budget, b->at, b->cap);
	b->at = NULL;
	b->start = b->end = b->cap = 0;
}
