/* metric.h -- counters, gauges and times, in memory that others read while it is written.
 *
 * Whoever counts has a block of its own, so counting is a load and a store: no lock, no atomic
 * addition.  A reader adds the blocks up.  In a worker and in the supervisor the block lies in a page
 * that the admin process sees; before metric_use, and in commands and tests, in private memory.
 * metric.def is the list.
 *
 * Labels are bounded: by the tables here, never by what a client sends.  Of the sites, METRIC_SITES have
 * a name; the others share one. */
#ifndef PORTCULLIS_BASE_METRIC_H
#define PORTCULLIS_BASE_METRIC_H

#include <stdatomic.h>
#include <stdint.h>

#include "gateway/base/slice.h"

enum metric_kind {
	METRIC_IS_COUNTER,
	METRIC_IS_SECONDS, /* a counter of microseconds, shown in seconds */
	METRIC_IS_GAUGE,   /* its sum over all blocks is meant */
	METRIC_IS_LATEST,  /* a gauge whose largest value is meant */
};

enum metric {
#define METRIC(id, kind, name, labels, help) METRIC_##id,
#define SPAN(id, name, help)
#include "gateway/base/metric.def"
#undef METRIC
#undef SPAN
	METRICS
};

/* Times, each a histogram. */
enum span {
#define METRIC(id, kind, name, labels, help)
#define SPAN(id, name, help) SPAN_##id,
#include "gateway/base/metric.def"
#undef METRIC
#undef SPAN
	SPANS
};

/* What became of a request; "failed" is neither policy's doing nor the request's. */
enum metric_decision { METRIC_PASS, METRIC_BLOCK, METRIC_REDIRECT, METRIC_FAILED, METRIC_DECISIONS };

enum {
	METRIC_WORKERS_MOST = 64,
	METRIC_REASONS = 64,
	METRIC_SITES = 128,          /* named ones */
	METRIC_SITE_NONE = 0,        /* requests of no site */
	METRIC_SITE_OTHER = 1,       /* ... and of those that came too late for a name */
	METRIC_SITE_FIRST = 2,
	METRIC_SITE_SLOTS = METRIC_SITE_FIRST + 2 * METRIC_SITES,
	METRIC_SITE_NAME = 48,
	METRIC_BUCKETS = 21,         /* 64 us, 128 us, ... 67.1 s; one more for what took longer */
};

struct metric_times {
	_Atomic uint64_t bucket[METRIC_BUCKETS + 1], sum_us;
};

/* One writer. */
struct metric_block {
	_Alignas(4096) _Atomic int64_t beat_us; /* monotonic, of the writer's last sign of life; 0: it does not serve */
	_Atomic uint64_t value[METRICS];
	_Atomic uint64_t reasons[METRIC_REASONS]; /* by enum reason of gateway/chain */
	_Atomic uint64_t requests[METRIC_SITE_SLOTS][METRIC_DECISIONS];
	struct metric_times times[SPANS];
};

/* Names of sites, by hash; a slot that has a name keeps it. */
struct metric_site {
	_Atomic uint32_t len; /* 0: free; set when the name is whole */
	char name[METRIC_SITE_NAME];
};

struct metric_page {
	uint32_t workers;
	_Atomic uint32_t inspects;     /* 1: some site's policy needs inspectors */
	_Atomic uint32_t stopping;
	_Atomic uint64_t generation;   /* the first 16 digits of its name */
	unsigned sites_n;              /* the supervisor's own */
	struct metric_site sites[METRIC_SITE_SLOTS];
	struct metric_block supervisor;
	struct metric_block worker[];
};

/* ---- Writing ---- */

extern struct metric_block *metric_here;

/* From now on this process counts in `mine`, and knows sites by the names of `page`. */
void metric_use(const struct metric_page *page, struct metric_block *mine);

static inline void metric_put(_Atomic uint64_t *at, uint64_t value)
{
	atomic_store_explicit(at, value, memory_order_relaxed);
}

static inline uint64_t metric_get(const _Atomic uint64_t *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

static inline void metric_add(enum metric m, uint64_t n)
{
	metric_put(&metric_here->value[m], metric_get(&metric_here->value[m]) + n);
}

static inline void metric_count(enum metric m)
{
	metric_add(m, 1);
}

/* Of gauges; to rise is metric_count. */
static inline void metric_fall(enum metric m)
{
	metric_put(&metric_here->value[m], metric_get(&metric_here->value[m]) - 1);
}

static inline void metric_set(enum metric m, uint64_t value)
{
	metric_put(&metric_here->value[m], value);
}

/* It took so long; less than nothing is nothing. */
void metric_span(enum span s, int64_t us);
/* A request of that site has ended; `reason` 0 is none, any other is below METRIC_REASONS. */
void metric_request(unsigned site, enum metric_decision decision, unsigned reason);
/* METRIC_SITE_OTHER when it has no slot. */
unsigned metric_site_of(struct slice name);

/* ---- Of the page's owner ---- */

size_t metric_page_size(unsigned workers);
/* Give a site its slot, if there is one left.  A name has at most 40 bytes. */
void metric_site_add(struct metric_page *page, struct slice name);
/* The writer is gone: what it counted stays, what it held does not. */
void metric_block_end(struct metric_block *b);

/* ---- Reading ---- */

struct metric_about {
	enum metric_kind kind;
	const char *name, *labels, *help; /* labels as in Prometheus' format, "" for none */
};

const struct metric_about *metric_about(enum metric m);
const struct metric_about *span_about(enum span s); /* kind and labels say nothing */
const char *metric_decision_word(enum metric_decision d);
/* Over all blocks: the sum, or the largest. */
uint64_t metric_total(const struct metric_page *page, enum metric m);
uint64_t metric_total_reason(const struct metric_page *page, unsigned reason);
uint64_t metric_total_requests(const struct metric_page *page, unsigned site, enum metric_decision d);
/* "" for a free slot; "(none)" and "(other)" for the two that are no site's. */
struct slice metric_site_name(const struct metric_page *page, unsigned site);

/* One histogram over all blocks.  `n` is the sum of its buckets. */
struct metric_spread {
	uint64_t bucket[METRIC_BUCKETS + 1], n, sum_us;
};

void metric_spread(const struct metric_page *page, enum span s, struct metric_spread *out);
/* Upper bound of a bucket, us. */
int64_t metric_bound_us(unsigned bucket);
/* So many of a thousand took at most this, by a line through the bucket; us.  0 when there is none. */
int64_t metric_quantile_us(const struct metric_spread *s, unsigned per_mille);

#endif
