/* heap.c -- asking jemalloc; a caged process has no file to ask the kernel by.
 *
 * The program is linked with it; sanitizer builds and unit tests have an allocator of their own. */
#include "rules/heap.h"

#include <stdio.h>
#include <sys/resource.h>

/* Its public interface (jemalloc(3)); absent, it is NULL. */
int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len) __attribute__((weak));

enum { ALL_ARENAS = 4096 /* MALLCTL_ARENAS_ALL */ };

static uint64_t peak(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) < 0 ? 0 : (uint64_t)usage.ru_maxrss << 10;
}

uint64_t heap_bytes(void)
{
	uint64_t epoch = 1;
	size_t resident = 0, len = sizeof resident;

	/* Numbers are as of the last epoch. */
	if (!mallctl || mallctl("epoch", NULL, NULL, &epoch, sizeof epoch) || mallctl("stats.resident", &resident, &len, NULL, 0))
		return peak();
	return resident;
}

void heap_trim(void)
{
	char name[32];

	snprintf(name, sizeof name, "arena.%d.purge", ALL_ARENAS);
	if (mallctl)
		mallctl(name, NULL, NULL, NULL, 0);
}
