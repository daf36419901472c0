/* kept.c -- fuzz: kept transactions against a plain list: whoever is not in it was dropped once, the oldest
 * first, and neither bound is ever passed. */
#include "fuzz.h"
#include "rules/kept.h"

enum { MOST = 512 };

enum fate { NOWHERE, KEPT, DROPPED, TAKEN };

static struct {
	enum fate fate;
	uint64_t token, bytes;
} ones[MOST];

static bool ending;

/* Transactions are told apart by their address in this array, which is never looked into. */
static char places[MOST];

static unsigned number_of(const struct modsec_kept *transaction)
{
	return (unsigned)((const char *)transaction - places);
}

static void drop(struct modsec_kept *transaction)
{
	unsigned i = number_of(transaction);

	MUST(i < MOST && (ones[i].fate == KEPT || ones[i].fate == NOWHERE));
	/* Nothing older is still there, but at the end of all. */
	for (unsigned k = 0; !ending && ones[i].fate == KEPT && k < i; k++)
		MUST(ones[k].fate != KEPT);
	ones[i].fate = DROPPED;
}

static void check_bounds(const struct kept *k, unsigned n)
{
	uint64_t bytes = 0;
	unsigned there = 0;

	for (unsigned i = 0; i < n; i++) {
		bytes += ones[i].fate == KEPT ? ones[i].bytes : 0;
		there += ones[i].fate == KEPT;
	}
	MUST(k->n == there && k->bytes == bytes && there <= k->most && bytes <= k->bytes_most);
}

static void take(struct kept *k, uint64_t token, unsigned n)
{
	struct modsec_kept *got = kept_take(k, token);
	unsigned want = n;

	for (unsigned i = 0; i < n; i++)
		if (ones[i].fate == KEPT && ones[i].token == token)
			want = i; /* the youngest of that name */
	MUST(got ? number_of(got) == want : want == n);
	if (got)
		ones[want].fate = TAKEN;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	struct kept kept;
	unsigned made = 0;

	memset(ones, 0, sizeof ones);
	ending = false;
	kept_init(&kept, 1 + fuzz_below(&in, 300), drop);
	while (in.rest.len && made < MOST) {
		if (fuzz_byte(&in) & 1) {
			take(&kept, fuzz_byte(&in), made);
		} else {
			ones[made].token = fuzz_byte(&in);
			ones[made].bytes = (uint64_t)fuzz_byte(&in) << fuzz_below(&in, 24);
			kept_put(&kept, ones[made].token, (struct modsec_kept *)(void *)&places[made], ones[made].bytes);
			ones[made].fate = ones[made].fate == DROPPED ? DROPPED : KEPT;
			made++;
		}
		check_bounds(&kept, made);
	}
	ending = true;
	kept_done(&kept);
	for (unsigned i = 0; i < made; i++)
		MUST(ones[i].fate == DROPPED || ones[i].fate == TAKEN);
	return 0;
}
