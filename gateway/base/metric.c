/* metric.c -- counting in one block, adding up over all. */
#include "gateway/base/metric.h"

#include "gateway/base/hash.h"

enum { BOUND_SHIFT = 6 }; /* the first bound is 2^6 us */

static struct metric_block private_block;
static const struct metric_page *known; /* whose names of sites are known here */

struct metric_block *metric_here = &private_block;

static const struct metric_about abouts[METRICS] = {
#define METRIC(id, kind_, name_, labels_, help_) \
	[METRIC_##id] = {.kind = METRIC_IS_##kind_, .name = name_, .labels = labels_, .help = help_},
#define SPAN(id, name, help)
#include "gateway/base/metric.def"
#undef METRIC
#undef SPAN
};

static const struct metric_about span_abouts[SPANS] = {
#define METRIC(id, kind, name, labels, help)
#define SPAN(id, name_, help_) [SPAN_##id] = {.name = name_, .labels = "", .help = help_},
#include "gateway/base/metric.def"
#undef METRIC
#undef SPAN
};

/* ---- Writing ---- */

void metric_use(const struct metric_page *page, struct metric_block *mine)
{
	known = page;
	metric_here = mine;
}

static void add_one(_Atomic uint64_t *at)
{
	metric_put(at, metric_get(at) + 1);
}

static unsigned bucket_of(uint64_t us)
{
	unsigned bits = us > 1 ? 64 - (unsigned)__builtin_clzll(us - 1) : 0;

	if (bits <= BOUND_SHIFT)
		return 0;
	return bits - BOUND_SHIFT < METRIC_BUCKETS ? bits - BOUND_SHIFT : METRIC_BUCKETS;
}

void metric_span(enum span s, int64_t us)
{
	struct metric_times *t = &metric_here->times[s];
	uint64_t took = us > 0 ? (uint64_t)us : 0;

	add_one(&t->bucket[bucket_of(took)]);
	metric_put(&t->sum_us, metric_get(&t->sum_us) + took);
}

void metric_request(unsigned site, enum metric_decision decision, unsigned reason)
{
	add_one(&metric_here->requests[site][decision]);
	if (reason)
		add_one(&metric_here->reasons[reason]);
}

/* ---- Sites ---- */

/* The slot of that name, or the free one where it would be. */
static unsigned find(const struct metric_page *page, struct slice name)
{
	static const struct hash_seed plain; /* names come from the operator, not from the world */
	uint64_t at = hash_bytes(&plain, name.at, name.len);

	for (;; at++) {
		unsigned slot = METRIC_SITE_FIRST + (unsigned)(at % (METRIC_SITE_SLOTS - METRIC_SITE_FIRST));
		uint32_t len = atomic_load_explicit(&page->sites[slot].len, memory_order_acquire);

		if (!len || slice_eq(name, slice_make(page->sites[slot].name, len)))
			return slot;
	}
}

unsigned metric_site_of(struct slice name)
{
	unsigned slot;

	if (!known)
		return METRIC_SITE_OTHER;
	slot = find(known, name);
	return atomic_load_explicit(&known->sites[slot].len, memory_order_relaxed) ? slot : METRIC_SITE_OTHER;
}

void metric_site_add(struct metric_page *page, struct slice name)
{
	struct metric_site *s = &page->sites[find(page, name)];

	/* Half of the slots stay free, so that every search ends, and soon. */
	if (s->len || page->sites_n == METRIC_SITES || name.len >= sizeof s->name)
		return;
	page->sites_n++;
	memcpy(s->name, name.at, name.len);
	atomic_store_explicit(&s->len, (uint32_t)name.len, memory_order_release);
}

struct slice metric_site_name(const struct metric_page *page, unsigned site)
{
	const struct metric_site *s = &page->sites[site];

	if (site < METRIC_SITE_FIRST)
		return site == METRIC_SITE_NONE ? SLICE("(none)") : SLICE("(other)");
	return slice_make(s->name, atomic_load_explicit(&s->len, memory_order_acquire));
}

/* ---- The page ---- */

size_t metric_page_size(unsigned workers)
{
	return sizeof(struct metric_page) + workers * sizeof(struct metric_block);
}

void metric_block_end(struct metric_block *b)
{
	atomic_store(&b->beat_us, 0);
	for (unsigned m = 0; m < METRICS; m++)
		if (abouts[m].kind == METRIC_IS_GAUGE || abouts[m].kind == METRIC_IS_LATEST)
			metric_put(&b->value[m], 0);
}

/* ---- Reading ---- */

const struct metric_about *metric_about(enum metric m)
{
	return &abouts[m];
}

const struct metric_about *span_about(enum span s)
{
	return &span_abouts[s];
}

const char *metric_decision_word(enum metric_decision d)
{
	static const char *const words[METRIC_DECISIONS] = {
		[METRIC_PASS] = "pass", [METRIC_BLOCK] = "block", [METRIC_REDIRECT] = "redirect", [METRIC_FAILED] = "failed"};

	return words[d];
}

uint64_t metric_total(const struct metric_page *page, enum metric m)
{
	uint64_t total = metric_get(&page->supervisor.value[m]);

	for (unsigned i = 0; i < page->workers; i++) {
		uint64_t one = metric_get(&page->worker[i].value[m]);

		if (abouts[m].kind != METRIC_IS_LATEST)
			total += one;
		else if (one > total)
			total = one;
	}
	return total;
}

uint64_t metric_total_reason(const struct metric_page *page, unsigned reason)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < page->workers; i++)
		total += metric_get(&page->worker[i].reasons[reason]);
	return total;
}

uint64_t metric_total_requests(const struct metric_page *page, unsigned site, enum metric_decision d)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < page->workers; i++)
		total += metric_get(&page->worker[i].requests[site][d]);
	return total;
}

void metric_spread(const struct metric_page *page, enum span s, struct metric_spread *out)
{
	*out = (struct metric_spread){0};
	for (unsigned i = 0; i < page->workers; i++) {
		const struct metric_times *t = &page->worker[i].times[s];

		for (unsigned b = 0; b <= METRIC_BUCKETS; b++)
			out->bucket[b] += metric_get(&t->bucket[b]);
		out->sum_us += metric_get(&t->sum_us);
	}
	for (unsigned b = 0; b <= METRIC_BUCKETS; b++)
		out->n += out->bucket[b];
}

int64_t metric_bound_us(unsigned bucket)
{
	return (int64_t)1 << (BOUND_SHIFT + bucket);
}

int64_t metric_quantile_us(const struct metric_spread *s, unsigned per_mille)
{
	double rank = (double)s->n * per_mille / 1000, before = 0;

	for (unsigned b = 0; s->n && b < METRIC_BUCKETS; b++) {
		double here = (double)s->bucket[b], low = b ? (double)metric_bound_us(b - 1) : 0;

		if (here > 0 && before + here >= rank)
			return (int64_t)(low + ((double)metric_bound_us(b) - low) * (rank - before) / here);
		before += here;
	}
	return s->n ? metric_bound_us(METRIC_BUCKETS - 1) : 0;
}
