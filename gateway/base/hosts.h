/* hosts.h -- which entry of a table of host names serves a host.
 *
 * The one rule for what names mean, of sites and of what TLS asks their clients. */
#ifndef PORTCULLIS_BASE_HOSTS_H
#define PORTCULLIS_BASE_HOSTS_H

#include "gateway/base/slice.h"

/* The order of a table. */
int hosts_compare(struct slice a, struct slice b);
/* `at`: n sorted entries of `size` bytes that begin with a struct slice, "shop.example.com", ".example.com" for every
 * name below it, or "*" for any.  Index of the one that serves `host` (lower case): exact before the longest wildcard
 * before "*"; n: none does. */
unsigned hosts_find(const void *at, unsigned n, size_t size, struct slice host);

/* The entry of that very name; n: there is none. */
unsigned hosts_find_entry(const void *at, unsigned n, size_t size, struct slice name);

#endif
