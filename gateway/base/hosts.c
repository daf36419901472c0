/* hosts.c -- binary search by name, then by what stands behind each of its dots. */
#include "gateway/base/hosts.h"

int hosts_compare(struct slice a, struct slice b)
{
	int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

unsigned hosts_find_entry(const void *at, unsigned n, size_t size, struct slice name)
{
	unsigned low = 0, high = n;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		const struct slice *entry = (const void *)((const char *)at + middle * size);
		int order = hosts_compare(name, *entry);

		if (!order)
			return middle;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return n;
}

unsigned hosts_find(const void *at, unsigned n, size_t size, struct slice host)
{
	/* A name that begins with a dot would find the wildcard itself. */
	unsigned found = host.len && host.at[0] != '.' ? hosts_find_entry(at, n, size, host) : n;

	/* Behind the first dot stands the longest wildcard. */
	for (size_t i = 1; found == n && i < host.len; i++)
		if (host.at[i] == '.')
			found = hosts_find_entry(at, n, size, slice_after(host, i));
	return found < n ? found : hosts_find_entry(at, n, size, SLICE("*"));
}
