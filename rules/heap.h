/* heap.h -- small blocks for the rule engine, which asks for tens of thousands per request.
 *
 * One thread, no locks.  Blocks of up to HEAP_SMALL bytes are kept by size and
 * handed out again last first; they never go back to the system, an inspector
 * does when it has grown.  Larger ones are malloc's.  With it a browser's GET costs
 * a quarter less.  new.cc puts it under the C++ operators of the inspector. */
#ifndef PORTCULLIS_RULES_HEAP_H
#define PORTCULLIS_RULES_HEAP_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { HEAP_SMALL = 1024, HEAP_STEP = 16 };

/* Aligned to 16 bytes, not cleared; NULL when memory is used up. */
void *heap_take(size_t size);
/* Whatever heap_take gave; NULL is fine. */
void heap_give(void *p);

#ifdef __cplusplus
}
#endif
#endif
