/* memory.c -- what OpenSSL takes for a connection, charged to who caused it.
 *
 * OpenSSL's allocations come through here and are added up.  What one call on a connection took or gave is
 * the difference it made; so no block has to remember whose it is.  A call is never refused in its middle:
 * the bound is felt by the next allocation of ours, and by the next client. */
#include <malloc.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "gateway/base/mem.h"
#include "gateway/tls/inner.h"

static size_t taken;

static void *take(size_t n, const char *file, int line)
{
	void *p = malloc(n);

	(void)file;
	(void)line;
	taken += malloc_usable_size(p);
	return p;
}

static void give(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	taken -= malloc_usable_size(p);
	free(p);
}

static void *retake(void *p, size_t n, const char *file, int line)
{
	size_t before = malloc_usable_size(p);
	void *now;

	if (!n) {
		give(p, file, line);
		return NULL;
	}
	now = realloc(p, n);
	if (now)
		taken += malloc_usable_size(now) - before;
	return now;
}

bool tls_count_memory(void)
{
	return CRYPTO_set_mem_functions(take, retake, give) == 1;
}

size_t tls_memory(void)
{
	return taken;
}

/* A call may free what another connection's call has left in OpenSSL's own stores: never below nothing. */
void tls_charge_since(struct tls *t, size_t before)
{
	size_t now = taken;

	if (now >= before) {
		t->charged += now - before;
		budget_charge(t->budget, now - before);
	} else {
		size_t less = before - now < t->charged ? before - now : t->charged;

		t->charged -= less;
		budget_give(t->budget, less);
	}
}

void tls_charge(struct tls *t, struct budget *b)
{
	budget_give(t->budget, t->charged);
	t->budget = b;
	budget_charge(b, t->charged);
}
