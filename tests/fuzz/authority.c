/* authority.c -- fuzz: a host that is accepted is one name, and no resolver reads it as another address.
 *
 * The second opinion is the C library's: what inet_aton takes for an address must be that address in four
 * decimal parts, and what stands in brackets must be IPv6 to inet_pton. */
#include <arpa/inet.h>
#include <ctype.h>

#include "fuzz.h"

static void check_bytes(struct slice host)
{
	for (size_t i = 0; i < host.len; i++) {
		unsigned char c = (unsigned char)host.at[i];

		MUST(islower(c) || isdigit(c) || (host.at[0] == '[' ? strchr("[]:.", c) : strchr("-._", c)));
	}
	MUST(host.len && (host.len == 1 || host.at[host.len - 1] != '.') && !slice_contains(host, SLICE("..")));
}

static void check_address(struct slice host)
{
	struct in6_addr six;
	struct in_addr loose, strict;
	char z[300];

	MUST(host.len < sizeof z);
	if (host.at[0] == '[') {
		memcpy(z, host.at + 1, host.len - 2);
		z[host.len - 2] = 0;
		MUST(inet_pton(AF_INET6, z, &six) == 1 && !IN6_IS_ADDR_V4MAPPED(&six));
		return;
	}
	memcpy(z, host.at, host.len);
	z[host.len] = 0;
	if (inet_aton(z, &loose))
		MUST(inet_pton(AF_INET, z, &strict) == 1 && strict.s_addr == loose.s_addr);
}

static void check_authority(const struct request *r, bool secure)
{
	char want[320];
	int len = snprintf(want, sizeof want, r->port == (secure ? 443 : 80) ? "%.*s" : "%.*s:%u", SLICE_F(r->host), r->port);

	MUST(r->port && slice_eq(r->authority, slice_make(want, (size_t)len)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	bool secure = fuzz_byte(&in) & 1;
	struct request r = {0}, again = {0};
	const char *why = NULL;
	struct arena a;

	arena_init(&a, NULL, 1024);
	if (h1_authority(&a, in.rest, secure, &r, &why)) {
		check_bytes(r.host);
		check_address(r.host);
		check_authority(&r, secure);
		MUST(h1_authority(&a, r.authority, secure, &again, &why));
		MUST(slice_eq(r.host, again.host) && slice_eq(r.authority, again.authority) && r.port == again.port);
	} else {
		MUST(why && why != h1_no_memory);
	}
	arena_done(&a);
	return 0;
}
