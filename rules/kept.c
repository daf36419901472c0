/* kept.c -- a short list of transactions, oldest first. */
#include "rules/kept.h"

#include <string.h>

void kept_init(struct kept *k, unsigned inspectors, void (*drop)(struct modsec_kept *transaction))
{
	*k = (struct kept){.drop = drop, .bytes_most = WAF_KEPT_BYTES / inspectors};
	k->most = inspectors > WAF_KEPT ? 1 : WAF_KEPT / inspectors;
}

/* The list is short and a transaction takes a millisecond to make: moving the rest up is nothing. */
static struct modsec_kept *take_at(struct kept *k, unsigned i)
{
	struct modsec_kept *transaction = k->at[i].transaction;

	k->bytes -= k->at[i].bytes;
	k->n--;
	memmove(&k->at[i], &k->at[i + 1], (k->n - i) * sizeof k->at[0]);
	return transaction;
}

void kept_put(struct kept *k, uint64_t token, struct modsec_kept *transaction, uint64_t bytes)
{
	if (bytes > k->bytes_most) {
		k->drop(transaction);
		return;
	}
	while (k->n == k->most || k->bytes + bytes > k->bytes_most)
		k->drop(take_at(k, 0));
	k->at[k->n++] = (struct kept_one){token, bytes, transaction};
	k->bytes += bytes;
}

struct modsec_kept *kept_take(struct kept *k, uint64_t token)
{
	for (unsigned i = k->n; i > 0; i--)
		if (k->at[i - 1].token == token)
			return take_at(k, i - 1);
	return NULL;
}

void kept_done(struct kept *k)
{
	while (k->n)
		k->drop(take_at(k, k->n - 1));
}
