/* starve.h -- any allocation of this process can be made to fail once, also one inside a library.
 *
 * mem_fail_at reaches what is charged to somebody; this reaches all of malloc: OpenSSL's, libyaml's, jansson's,
 * the C library's own and, where no sanitizer is, that of C++.  For test programs: include it in one. */
#ifndef PORTCULLIS_TESTS_STARVE_H
#define PORTCULLIS_TESTS_STARVE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define STARVE_REAL(name) __interceptor_##name
#else
#define STARVE_REAL(name) __libc_##name
#endif

void *STARVE_REAL(malloc)(size_t size);
void *STARVE_REAL(calloc)(size_t n, size_t size);
void *STARVE_REAL(realloc)(void *p, size_t size);

static unsigned long starve_countdown;
static bool starve_given;

/* The n-th allocation from now fails (1 is the next); 0 turns it off. */
static inline void starve_at(unsigned long n)
{
	starve_countdown = n;
	if (n)
		starve_given = false;
}

/* The failure has been delivered. */
static inline bool starved(void)
{
	return starve_given;
}

static bool starve_now(void)
{
	if (!starve_countdown || --starve_countdown)
		return false;
	starve_given = true;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return starve_now() ? NULL : STARVE_REAL(malloc)(size);
}

void *calloc(size_t n, size_t size)
{
	return starve_now() ? NULL : STARVE_REAL(calloc)(n, size);
}

void *realloc(void *p, size_t size)
{
	return starve_now() ? NULL : STARVE_REAL(realloc)(p, size);
}

#endif
