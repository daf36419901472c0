/* new.cc -- the C++ operators of the inspector, over heap.c.
 *
 * Linked into the program, they serve the libraries too.  Not in sanitized builds,
 * whose own operators find what is wrong. */
#include <cstddef>
#include <new>

#include "rules/heap.h"

void *operator new(size_t n)
{
	if (void *p = heap_take(n))
		return p;
	throw std::bad_alloc();
}

void *operator new[](size_t n)
{
	if (void *p = heap_take(n))
		return p;
	throw std::bad_alloc();
}

void *operator new(size_t n, const std::nothrow_t &) noexcept
{
	return heap_take(n);
}

void *operator new[](size_t n, const std::nothrow_t &) noexcept
{
	return heap_take(n);
}

void operator delete(void *p) noexcept
{
	heap_give(p);
}

void operator delete[](void *p) noexcept
{
	heap_give(p);
}

void operator delete(void *p, size_t) noexcept
{
	heap_give(p);
}

void operator delete[](void *p, size_t) noexcept
{
	heap_give(p);
}

void operator delete(void *p, const std::nothrow_t &) noexcept
{
	heap_give(p);
}

void operator delete[](void *p, const std::nothrow_t &) noexcept
{
	heap_give(p);
}
