/* heap.h -- how much memory this process's allocator has of the kernel now, freed or not. */
#ifndef PORTCULLIS_RULES_HEAP_H
#define PORTCULLIS_RULES_HEAP_H

#include <stdint.h>

/* Bytes.  Pages that are shared with the process we were forked from count like others: what matters is how it
 * grows.  With another allocator than jemalloc: the most it has been. */
uint64_t heap_bytes(void);
/* Give the kernel what is freed. */
void heap_trim(void);

#endif
