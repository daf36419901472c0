/* heap.c -- free lists by size, over pages of one reserved region. */
#include "rules/heap.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

enum { CLASSES = HEAP_SMALL / HEAP_STEP + 1 };

#define REGION ((size_t)256 << 20)
#define PAGE ((size_t)64 << 10)

/* The link is kept xor a secret: bytes written over a free block do not choose where the next one lies. */
struct block {
	uintptr_t next;
};

static struct {
	uintptr_t lists[CLASSES];             /* hidden links; hide(0) when empty */
	char *fresh[CLASSES], *end[CLASSES];  /* of the page that was begun last */
	uint8_t class_of[REGION / PAGE];
	char *base;
	size_t used;
	uintptr_t secret;
} heap;

static uintptr_t hide(uintptr_t link)
{
	return link ^ heap.secret;
}

static int begin(void)
{
	void *at = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED || getrandom(&heap.secret, sizeof heap.secret, 0) != sizeof heap.secret)
		return -1;
	for (unsigned i = 0; i < CLASSES; i++)
		heap.lists[i] = hide(0);
	heap.base = at;
	return 0;
}

/* The first block of a new page; NULL when the region is full. */
static void *begin_page(size_t class)
{
	size_t size = class * HEAP_STEP;
	char *page;

	if ((!heap.base && begin() < 0) || heap.used == REGION)
		return NULL;
	page = heap.base + heap.used;
	heap.class_of[heap.used / PAGE] = (uint8_t)class;
	heap.used += PAGE;
	heap.fresh[class] = page + size;
	heap.end[class] = page + PAGE - PAGE % size;
	return page;
}

void *heap_take(size_t size)
{
	size_t class = size ? (size + HEAP_STEP - 1) / HEAP_STEP : 1;
	struct block *b;
	void *p;

	if (size > HEAP_SMALL)
		return malloc(size);
	b = heap.base ? (struct block *)hide(heap.lists[class]) : NULL;
	if (b) {
		heap.lists[class] = b->next;
		return b;
	}
	if (heap.fresh[class] != heap.end[class]) {
		p = heap.fresh[class];
		heap.fresh[class] += class * HEAP_STEP;
		return p;
	}
	p = begin_page(class);
	return p ? p : malloc(size);
}

void heap_give(void *p)
{
	size_t at = (uintptr_t)p - (uintptr_t)heap.base;

	if (at < heap.used) {
		struct block *b = p;
		uint8_t class = heap.class_of[at / PAGE];

		b->next = heap.lists[class];
		heap.lists[class] = hide((uintptr_t)b);
		return;
	}
	free(p);
}
