/* words.c -- counters in shared memory, without locks.
 *
 * A tag word is 0 (free), a tag (settled), or a claim: tag, CLAIM and a number of
 * its own.  A claim is how a new tag comes into a full bucket without ever
 * standing there twice:
 *
 *	1. swap the claim in for the tag that goes,
 *	2. bring the number to now, by a swap that only the holder of the claim can
 *	   win,
 *	3. look through the bucket again: whoever claims the same tag in a lower slot,
 *	   or has settled it, wins; a claim in a higher slot is thrown out,
 *	4. swap the claim for the tag.
 *
 * Of two claims of one tag, the later one's step 3 sees the earlier one, and every
 * quarrel is decided by a swap of one word.  Nobody charges a claim.  One whose
 * owner died is thrown out by the next that needs its tag or its slot.
 *
 * A charge reads the number, then the tag, then swaps the number, then looks at the
 * tag once more: if the counter went in between, the charge is made again in its
 * new place.  Step 2 makes every number it had read before worthless. */
#include "gateway/limit/words.h"

#include <stdatomic.h>

enum {
	WAYS = 8, /* two cache lines, which the hardware fetches together */
	PATIENCE = 200, /* looks at another's claim before it is thrown out */
	TRIES = 1000,
};

#define CLAIM ((uint64_t)1 << 63)
#define TAG_BITS 48
#define TAG_MASK (((uint64_t)1 << TAG_BITS) - 1)
#define MAGIC 0x706f727463756c31ULL

struct slot {
	_Atomic uint64_t tag;
	_Atomic int64_t full_at;
};

struct bucket {
	_Alignas(128) struct slot at[WAYS];
};

struct words {
	_Alignas(128) _Atomic uint64_t magic;
	_Atomic uint64_t buckets_n;
	_Atomic uint64_t evicted, claims;
	struct bucket buckets[];
};

static uint64_t buckets_for(uint32_t n)
{
	uint64_t buckets = 1;

	while (buckets * WAYS < n)
		buckets *= 2;
	return buckets;
}

size_t words_size(uint32_t n)
{
	return sizeof(struct words) + (size_t)buckets_for(n) * sizeof(struct bucket);
}

/* Every process stores the same words, so it does not matter who comes first. */
struct words *words_at(void *memory, size_t size)
{
	struct words *w = memory;
	uint64_t fit = 1;

	if (size < sizeof *w + sizeof(struct bucket) || (uintptr_t)memory % _Alignof(struct words))
		return NULL;
	while (fit * 2 <= (size - sizeof *w) / sizeof(struct bucket))
		fit *= 2;
	if (atomic_load(&w->magic) == MAGIC && atomic_load(&w->buckets_n) != fit)
		return NULL;
	atomic_store(&w->buckets_n, fit);
	atomic_store(&w->magic, MAGIC);
	return w;
}

uint64_t words_evicted(const struct words *w)
{
	return atomic_load_explicit(&w->evicted, memory_order_relaxed);
}

/* The low bits choose the bucket, the others make the tag; 0 means free. */
static struct bucket *bucket_of(struct words *w, uint64_t tag)
{
	return &w->buckets[tag & (atomic_load_explicit(&w->buckets_n, memory_order_relaxed) - 1)];
}

static uint64_t short_tag(uint64_t tag)
{
	uint64_t t = tag >> (64 - TAG_BITS);

	return t ? t : 1;
}

/* The number tells two claims of one tag in one slot apart, whichever process made them. */
static uint64_t new_claim(struct words *w, uint64_t tag)
{
	uint64_t number = atomic_fetch_add_explicit(&w->claims, 1, memory_order_relaxed);

	return CLAIM | (number << TAG_BITS & ~CLAIM) | tag;
}

static void pause_briefly(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
	atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* Wait for another's claim to be settled or withdrawn; throw it out when it stays. */
static void wait_out(struct slot *s, uint64_t claim)
{
	for (int i = 0; i < PATIENCE; i++) {
		if (atomic_load(&s->tag) != claim)
			return;
		pause_briefly();
	}
	atomic_compare_exchange_strong(&s->tag, &claim, 0);
}

static bool is_claim_of(uint64_t word, uint64_t tag)
{
	return (word & CLAIM) && (word & TAG_MASK) == tag;
}

/* The settled slot of `tag`, or NULL; claims of it are waited out first. */
static struct slot *find(struct bucket *b, uint64_t tag)
{
	for (int i = 0; i < WAYS; i++) {
		uint64_t word = atomic_load(&b->at[i].tag);

		if (is_claim_of(word, tag)) {
			wait_out(&b->at[i], word);
			word = atomic_load(&b->at[i].tag);
		}
		if (word == tag)
			return &b->at[i];
	}
	return NULL;
}

/* A free slot, else the one whose allowance is nearest to being full. */
static struct slot *victim(struct bucket *b, uint64_t *word)
{
	struct slot *best = NULL;
	int64_t oldest = 0;

	for (int i = 0; i < WAYS; i++) {
		struct slot *s = &b->at[i];
		uint64_t t = atomic_load(&s->tag);
		int64_t full_at = atomic_load_explicit(&s->full_at, memory_order_relaxed);

		if (!t || !best || full_at < oldest) {
			best = s;
			oldest = full_at;
			*word = t;
		}
		if (!t)
			break;
	}
	return best;
}

/* Step 2: every number read before is worthless.  False when the claim was thrown out. */
static bool begin_anew(struct words *w, struct slot *s, uint64_t old_tag, uint64_t claim, int64_t now)
{
	int64_t was = atomic_load(&s->full_at);

	do {
		if (atomic_load(&s->tag) != claim)
			return false;
	} while (!atomic_compare_exchange_strong(&s->full_at, &was, was == now ? now - 1 : now));
	if (old_tag && !(old_tag & CLAIM) && was > now)
		atomic_fetch_add_explicit(&w->evicted, 1, memory_order_relaxed);
	return true;
}

/* Step 3.  False: another has settled the tag or claims it in a lower slot. */
static bool is_alone(struct bucket *b, struct slot *mine, uint64_t tag)
{
	for (int i = 0; i < WAYS; i++) {
		struct slot *s = &b->at[i];
		uint64_t word = atomic_load(&s->tag);

		if (s == mine)
			continue;
		if (is_claim_of(word, tag)) {
			if (s < mine)
				return false;
			/* If it does not go, it was settled or withdrawn just now: `word` says which. */
			atomic_compare_exchange_strong(&s->tag, &word, 0);
		}
		if (word == tag)
			return false;
	}
	return true;
}

/* The slot of `tag`, claimed if need be.  NULL: others were quicker, look again. */
static struct slot *find_or_claim(struct words *w, struct bucket *b, uint64_t tag, int64_t now)
{
	struct slot *s = find(b, tag);
	uint64_t old_tag, claim;

	if (s)
		return s;
	s = victim(b, &old_tag);
	claim = new_claim(w, tag);
	if (!atomic_compare_exchange_strong(&s->tag, &old_tag, claim))
		return NULL;
	if (!begin_anew(w, s, old_tag, claim, now))
		return NULL;
	if (!is_alone(b, s, tag)) {
		atomic_compare_exchange_strong(&s->tag, &claim, 0);
		return NULL;
	}
	return atomic_compare_exchange_strong(&s->tag, &claim, tag) ? s : NULL;
}

/* What the charge would say, charging nothing. */
static void look(struct words *w, struct words_charge *c, int64_t now)
{
	uint64_t tag = short_tag(c->tag);
	struct slot *s = find(bucket_of(w, c->tag), tag);
	int64_t full_at = s ? atomic_load(&s->full_at) : now;

	full_at = gcra_now(&c->limit, full_at, now);
	c->allowed = gcra_allows(&c->limit, full_at, now, c->charge);
	c->ahead = full_at - now;
}

/* Step on the number of a settled slot.  False: the slot went to another tag meanwhile. */
static bool step(struct slot *s, uint64_t tag, struct words_charge *c, int64_t now)
{
	int64_t was = atomic_load(&s->full_at), at;

	do {
		if (atomic_load(&s->tag) != tag)
			return false;
		at = gcra_now(&c->limit, was, now);
		c->allowed = gcra_allows(&c->limit, at, now, c->charge);
		c->ahead = at - now;
		if (!c->allowed)
			return true;
	} while (!atomic_compare_exchange_strong(&s->full_at, &was, at + c->charge));
	c->ahead += c->charge;
	return atomic_load(&s->tag) == tag;
}

static void charge(struct words *w, struct words_charge *c, int64_t now)
{
	struct bucket *b = bucket_of(w, c->tag);
	uint64_t tag = short_tag(c->tag);

	for (int i = 0; i < TRIES; i++) {
		struct slot *s = find_or_claim(w, b, tag, now);

		if (s && step(s, tag, c, now))
			return;
	}
	/* A thousand times another was quicker: such a crowd is what limits are for. */
	c->allowed = false;
	c->ahead = c->limit.tolerance;
}

static void give_back(struct words *w, struct words_charge *c)
{
	uint64_t tag = short_tag(c->tag);
	struct slot *s = find(bucket_of(w, c->tag), tag);
	int64_t was;

	if (!s)
		return;
	was = atomic_load(&s->full_at);
	do {
		if (atomic_load(&s->tag) != tag)
			return;
	} while (!atomic_compare_exchange_strong(&s->full_at, &was, was - c->charge));
	c->ahead -= c->charge;
}

/* ---- What is known only afterwards ---- */

int64_t words_ahead(struct words *w, uint64_t tag, int64_t now)
{
	struct slot *s = find(bucket_of(w, tag), short_tag(tag));
	int64_t full_at = s ? atomic_load(&s->full_at) : now;

	return full_at > now ? full_at - now : 0;
}

static int64_t spent(const struct gcra *limit, int64_t full_at, int64_t charge, int64_t now)
{
	int64_t at = (full_at > now ? full_at : now) + charge, most = now + 2 * limit->tolerance;

	return at > most ? most : at;
}

/* False: the slot went to another tag meanwhile. */
static bool step_spend(struct slot *s, uint64_t tag, const struct gcra *limit, int64_t charge, int64_t now)
{
	int64_t was = atomic_load(&s->full_at);

	do {
		if (atomic_load(&s->tag) != tag)
			return false;
	} while (!atomic_compare_exchange_strong(&s->full_at, &was, spent(limit, was, charge, now)));
	return atomic_load(&s->tag) == tag;
}

void words_spend(struct words *w, uint64_t tag, const struct gcra *limit, int64_t charge, int64_t now)
{
	struct bucket *b = bucket_of(w, tag);

	for (int i = 0; i < TRIES; i++) {
		struct slot *s = charge > 0 ? find_or_claim(w, b, short_tag(tag), now) : find(b, short_tag(tag));

		/* Nothing is given back to a counter that had to go. */
		if ((!s && charge <= 0) || (s && step_spend(s, short_tag(tag), limit, charge, now)))
			return;
	}
}

bool words_ask(struct words *w, struct words_charge *at, unsigned n, int64_t now)
{
	bool refused = false;

	/* One alone needs no look before. */
	for (unsigned i = 0; n > 1 && i < n; i++) {
		look(w, &at[i], now);
		refused |= at[i].enforced && !at[i].allowed;
	}
	for (unsigned i = 0; !refused && i < n; i++) {
		charge(w, &at[i], now);
		if (at[i].allowed || !at[i].enforced)
			continue;
		refused = true;
		while (i--)
			if (at[i].allowed)
				give_back(w, &at[i]);
		break;
	}
	return !refused;
}
