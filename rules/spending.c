/* spending.c -- counting CPU time by client, in words. */
#include "rules/spending.h"

#include <string.h>

enum { SECOND_US = 1000000 };

static bool counts(const struct spending *s)
{
	return s->words && s->cpu_ms > 0;
}

static int64_t window(const struct spending *s)
{
	return s->window_ms * 1000 * GCRA_TICKS_PER_US;
}

/* A name that no limit of a policy has: those begin with the policy's. */
static uint64_t name_of(const struct spending *s, const struct addr *client, unsigned v6_bits)
{
	struct addr net = addr_net(client, 32, v6_bits);
	char name[4 + sizeof net.b] = {'\0', 'w', 'a', (char)v6_bits};

	memcpy(name + 4, net.b, sizeof net.b);
	return hash_bytes(&s->seed, name, sizeof name);
}

/* CPU time as a part of the window. */
static int64_t ticks(const struct spending *s, int64_t cpu_us, unsigned share)
{
	return (int64_t)((double)cpu_us * GCRA_TICKS_PER_US * (double)s->window_ms / (double)s->cpu_ms / share);
}

static int64_t over(const struct spending *s, uint64_t name, int64_t now_us)
{
	return words_ahead(s->words, name, now_us * GCRA_TICKS_PER_US) - window(s);
}

int64_t spending_wait_s(const struct spending *s, const struct addr *client, int64_t now_us)
{
	const int64_t second = (int64_t)SECOND_US * GCRA_TICKS_PER_US;
	int64_t most, network;

	if (!counts(s))
		return 0;
	most = over(s, name_of(s, client, 64), now_us);
	network = addr_is_v4(client) ? most : over(s, name_of(s, client, 48), now_us);
	if (network > most)
		most = network;
	return most < 0 ? 0 : most / second + 1;
}

static void spend(const struct bill *b, int64_t cpu_us, int64_t now_us)
{
	const struct gcra limit = {.interval = 1, .tolerance = window(&b->from)};
	int64_t now = now_us * GCRA_TICKS_PER_US;

	if (cpu_us && b->address)
		words_spend(b->from.words, b->address, &limit, ticks(&b->from, cpu_us, 1), now);
	if (cpu_us && b->network)
		words_spend(b->from.words, b->network, &limit, ticks(&b->from, cpu_us, SPENDING_NETWORK), now);
}

void bill_open(struct bill *b, const struct spending *s, const struct addr *client, int64_t expected_us, int64_t now_us)
{
	*b = (struct bill){0};
	if (!counts(s))
		return;
	/* Never more than all there is: beyond twice that a counter takes nothing, yet would give it back. */
	if (expected_us > s->cpu_ms * 1000)
		expected_us = s->cpu_ms * 1000;
	*b = (struct bill){.from = *s, .address = name_of(s, client, 64), .laid_aside_us = expected_us};
	if (!addr_is_v4(client))
		b->network = name_of(s, client, 48);
	spend(b, expected_us, now_us);
}

void bill_settle(struct bill *b, int64_t cpu_us, int64_t now_us)
{
	spend(b, cpu_us - b->laid_aside_us, now_us);
	*b = (struct bill){0};
}
