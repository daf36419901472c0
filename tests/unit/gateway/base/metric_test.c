/* metric_test.c -- what is counted is bounded, adds up, and outlives who counted it. */
#include "gateway/base/metric.h"

#include <sys/mman.h>

#include "bed.h"

enum { WORKERS = 2 };

static struct metric_page *page;

static int open_page(void **state)
{
	(void)state;
	page = mmap(NULL, metric_page_size(WORKERS), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -1;
	page->workers = WORKERS;
	metric_use(page, &page->worker[0]);
	return 0;
}

static int close_page(void **state)
{
	static struct metric_block mine;

	(void)state;
	metric_use(NULL, &mine);
	return munmap(page, metric_page_size(WORKERS));
}

/* ---- The table ---- */

static void test_rows_of_one_name_stand_together(void **state)
{
	(void)state;
	for (unsigned m = 0; m < METRICS; m++) {
		const struct metric_about *a = metric_about((enum metric)m), *before = m ? metric_about((enum metric)(m - 1)) : NULL;
		bool first = !before || !slice_is(slice_of(a->name), before->name);
		bool counts = a->kind == METRIC_IS_COUNTER || a->kind == METRIC_IS_SECONDS;

		if (first != (a->help[0] != 0))
			fail_msg("%s{%s}: the first row of a name has the help, and only it", a->name, a->labels);
		if (slice_ends(slice_of(a->name), SLICE("_total")) != counts || !slice_starts(slice_of(a->name), SLICE("portcullis_")))
			fail_msg("%s is not named as what it is", a->name);
		for (unsigned k = 0; k + 1 < m && first; k++)
			if (slice_is(slice_of(a->name), metric_about((enum metric)k)->name))
				fail_msg("%s has rows in two places", a->name);
	}
	for (unsigned s = 0; s < SPANS; s++)
		assert_true(slice_ends(slice_of(span_about((enum span)s)->name), SLICE("_seconds")));
}

/* ---- Counting ---- */

static void test_blocks_add_up(void **state)
{
	(void)state;
	metric_count(METRIC_ACCEPTED);
	metric_add(METRIC_ACCEPTED, 4);
	metric_set(METRIC_GEOIP_BUILT, 7);
	metric_use(page, &page->worker[1]);
	metric_count(METRIC_ACCEPTED);
	metric_set(METRIC_GEOIP_BUILT, 5);
	metric_use(page, &page->supervisor);
	metric_add(METRIC_ACCEPTED, 10);
	assert_int_equal(metric_total(page, METRIC_ACCEPTED), 16);
	assert_int_equal(metric_total(page, METRIC_GEOIP_BUILT), 7);
}

static void test_who_ends_leaves_counters_and_no_gauge(void **state)
{
	(void)state;
	page->worker[0].beat_us = 1;
	metric_add(METRIC_ACCEPTED, 3);
	metric_set(METRIC_CONNECTIONS, 3);
	metric_count(METRIC_REQUESTS);
	metric_count(METRIC_REQUESTS);
	metric_fall(METRIC_REQUESTS);
	assert_int_equal(metric_total(page, METRIC_REQUESTS), 1);
	metric_span(SPAN_CHAIN, 100);
	metric_request(METRIC_SITE_NONE, METRIC_BLOCK, 1);
	metric_block_end(&page->worker[0]);
	assert_int_equal(page->worker[0].beat_us, 0);
	assert_int_equal(metric_total(page, METRIC_ACCEPTED), 3);
	assert_int_equal(metric_total(page, METRIC_CONNECTIONS), 0);
	assert_int_equal(metric_total(page, METRIC_REQUESTS), 0);
	assert_int_equal(metric_total_requests(page, METRIC_SITE_NONE, METRIC_BLOCK), 1);
	assert_int_equal(metric_total_reason(page, 1), 1);
	assert_int_equal(metric_total_reason(page, 2), 0);
}

/* ---- Times ---- */

static void test_a_time_falls_into_its_bucket(void **state)
{
	static const struct {
		int64_t us;
		unsigned bucket;
	} rows[] = {
		{-5, 0}, {0, 0}, {1, 0}, {64, 0}, {65, 1}, {128, 1}, {129, 2}, {1 << 20, 14}, {(1 << 20) + 1, 15},
		{1 << 26, METRIC_BUCKETS - 1}, {(1 << 26) + 1, METRIC_BUCKETS}, {INT64_MAX, METRIC_BUCKETS},
	};
	struct metric_spread s;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		memset(page->worker[0].times, 0, sizeof page->worker[0].times);
		metric_span(SPAN_CHAIN, rows[i].us);
		metric_spread(page, SPAN_CHAIN, &s);
		if (s.n != 1 || s.bucket[rows[i].bucket] != 1)
			fail_msg("%lld us is not in bucket %u", (long long)rows[i].us, rows[i].bucket);
		if (rows[i].bucket < METRIC_BUCKETS)
			assert_true(rows[i].us <= metric_bound_us(rows[i].bucket));
	}
}

static void test_quantiles(void **state)
{
	struct metric_spread s;

	(void)state;
	metric_spread(page, SPAN_CHAIN, &s);
	assert_int_equal(metric_quantile_us(&s, 500), 0);
	for (int i = 0; i < 98; i++)
		metric_span(SPAN_CHAIN, 1000);
	metric_span(SPAN_CHAIN, 5000);
	metric_span(SPAN_CHAIN, 1 << 30);
	metric_spread(page, SPAN_CHAIN, &s);
	assert_in_range(metric_quantile_us(&s, 500), 512, 1024);
	assert_in_range(metric_quantile_us(&s, 990), 4096, 8192);
	assert_int_equal(metric_quantile_us(&s, 1000), metric_bound_us(METRIC_BUCKETS - 1));
	assert_int_equal(s.sum_us, 98 * 1000 + 5000 + (1 << 30));
}

/* ---- Sites ---- */

static struct slice site_name(unsigned i)
{
	static char name[40];

	return slice_make(name, (size_t)snprintf(name, sizeof name, "site-%u", i));
}

static void test_sites_beyond_the_table_share_a_name(void **state)
{
	unsigned seen[METRIC_SITE_SLOTS] = {0};

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		metric_site_add(page, site_name(i));
	for (unsigned i = 0; i < METRIC_SITES; i++)
		metric_site_add(page, site_name(i));
	for (unsigned i = 0; i < 1000; i++) {
		unsigned slot = metric_site_of(site_name(i));

		assert_int_equal(slot == METRIC_SITE_OTHER, i >= METRIC_SITES);
		if (slot != METRIC_SITE_OTHER && (seen[slot]++ || !slice_eq(metric_site_name(page, slot), site_name(i))))
			fail_msg("site %u has the slot of another", i);
	}
	assert_slice(metric_site_name(page, METRIC_SITE_OTHER), SLICE("(other)"));
}

static void test_a_name_that_is_too_long_shares_one_too(void **state)
{
	char name[METRIC_SITE_NAME];

	(void)state;
	memset(name, 'a', sizeof name);
	metric_site_add(page, slice_make(name, sizeof name));
	assert_int_equal(metric_site_of(slice_make(name, sizeof name)), METRIC_SITE_OTHER);
	metric_site_add(page, slice_make(name, 40));
	assert_int_not_equal(metric_site_of(slice_make(name, 40)), METRIC_SITE_OTHER);
}

static void test_without_a_page_all_is_private(void **state)
{
	static struct metric_block mine;

	(void)state;
	metric_use(NULL, &mine);
	metric_count(METRIC_ACCEPTED);
	assert_int_equal(metric_site_of(SLICE("shop")), METRIC_SITE_OTHER);
	assert_int_equal(metric_total(page, METRIC_ACCEPTED), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_page, close_page)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rows_of_one_name_stand_together),
		TEST(test_blocks_add_up),
		TEST(test_who_ends_leaves_counters_and_no_gauge),
		TEST(test_a_time_falls_into_its_bucket),
		TEST(test_quantiles),
		TEST(test_sites_beyond_the_table_share_a_name),
		TEST(test_a_name_that_is_too_long_shares_one_too),
		TEST(test_without_a_page_all_is_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
