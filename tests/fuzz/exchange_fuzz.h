/* exchange_fuzz.h -- an exchange without a connection: a proxy, a site and a request that was read. */
#ifndef PORTCULLIS_TESTS_EXCHANGE_FUZZ_H
#define PORTCULLIS_TESTS_EXCHANGE_FUZZ_H

#include "fuzz.h"
#include "gateway/proxy/exchange.h"

static struct proxy fuzz_proxy;
static struct generation fuzz_generation;
static struct config fuzz_config;
static struct config_site fuzz_site;

static inline void exchange_fuzz_init(struct exchange *x)
{
	static const struct cidr trusted[] = {{{{[10] = 0xff, [11] = 0xff, [12] = 10}}, 104}, {{{0x20, 0x01, 0x0d, 0xb8}}, 32}};

	if (!fuzz_proxy.loop) {
		fuzz_proxy.loop = loop_new();
		MUST(fuzz_proxy.loop);
		fuzz_config.trusted = (struct setting_list){(void *)(uintptr_t)trusted, 2}; /* 10.0.0.0/8, 2001:db8::/32 */
		fuzz_config.logs.requests = fuzz_config.logs.waf = SLICE("stdout");
		fuzz_proxy.config = fuzz_generation.config = fuzz_generation.plan.config = &fuzz_config;
		fuzz_proxy.current = &fuzz_generation;
		fuzz_site.head.key = SLICE("shop");
	}
	memset(x, 0, sizeof *x);
	x->proxy = &fuzz_proxy;
	x->generation = &fuzz_generation;
	x->site = &fuzz_site;
	arena_init(&x->arena, NULL, 4096);
}

#endif
