/* h2_memory.h -- the memory of an nghttp2 session. */
#ifndef PORTCULLIS_PROXY_H2_MEMORY_H
#define PORTCULLIS_PROXY_H2_MEMORY_H

#include <nghttp2/nghttp2.h>

#include "gateway/base/mem.h"

/* Charged to `b`, also beyond its limit: whoever owns the session looks at that. */
void h2_memory_init(nghttp2_mem *mem, struct budget *b);

#endif
