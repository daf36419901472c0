/* pages_test.c -- the pages hold as much as there can be, and health says what is wrong. */
#include "gateway/admin/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { SECOND_US = 1000000, NOW_US = 100 * SECOND_US };

static struct metric_page *page;
static struct page made;

static int open_page(void **state)
{
	(void)state;
	page = mmap(NULL, metric_page_size(METRIC_WORKERS_MOST), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -1;
	page->workers = METRIC_WORKERS_MOST;
	made = (struct page){0};
	return 0;
}

static int close_page(void **state)
{
	(void)state;
	buf_done(&made.body);
	return munmap(page, metric_page_size(METRIC_WORKERS_MOST));
}

static struct slice get(const char *path)
{
	buf_done(&made.body);
	page_make(&made, slice_of(path), page, NOW_US, 1800000000);
	return buf_slice(&made.body);
}

/* ---- Health ---- */

static void test_health(void **state)
{
	(void)state;
	assert_true(slice_is(get("/healthz"), "no worker serves\n"));
	assert_int_equal(made.status, 503);
	page->worker[5].beat_us = NOW_US - SECOND_US;
	assert_true(slice_is(get("/healthz"), "ok\n"));
	assert_int_equal(made.status, 200);
	page->worker[5].beat_us = NOW_US - 2 * SECOND_US;
	assert_int_equal((get("/healthz"), made.status), 503);
	page->worker[5].beat_us = NOW_US;
	page->inspects = 1;
	assert_true(slice_is(get("/healthz"), "no inspector is there\n"));
	metric_put(&page->supervisor.value[METRIC_INSPECTORS], 2);
	assert_int_equal((get("/healthz"), made.status), 200);
	page->stopping = 1;
	assert_true(slice_is(get("/healthz"), "the gateway is stopping\n"));
}

static void test_other_paths_are_not_found(void **state)
{
	static const char *const paths[] = {"/", "", "*", "/metric", "/metrics/", "/status/x", "/Healthz"};

	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		get(paths[i]);
		assert_int_equal(made.status, 404);
	}
}

/* ---- As much as there can be ---- */

/* Every number as long as it gets, every site with a name as long as it gets. */
static void fill(void)
{
	char name[41];

	for (unsigned i = 0; i < METRIC_SITES; i++)
		metric_site_add(page, slice_make(name, (size_t)snprintf(name, sizeof name, "%040u", i)));
	for (unsigned w = 0; w < METRIC_WORKERS_MOST; w++) {
		struct metric_block *b = &page->worker[w];

		for (unsigned m = 0; m < METRICS; m++)
			metric_put(&b->value[m], INT64_MAX / 64);
		for (unsigned s = 0; s < METRIC_SITE_SLOTS; s++)
			for (unsigned d = 0; d < METRIC_DECISIONS && metric_site_name(page, s).len; d++)
				metric_put(&b->requests[s][d], INT64_MAX / 64);
		for (unsigned s = 0; s < SPANS; s++)
			metric_put(&b->times[s].bucket[METRIC_BUCKETS], INT64_MAX / 64);
	}
}

static unsigned count(struct slice text, struct slice word)
{
	unsigned n = 0;

	for (size_t i = 0; i + word.len <= text.len; i++)
		n += slice_starts(slice_after(text, i), word);
	return n;
}

static void test_the_status_has_room_for_all(void **state)
{
	struct slice text;

	(void)state;
	fill();
	text = get("/status");
	assert_int_equal(made.status, 200);
	assert_false(slice_contains(text, SLICE("\"cut\"")));
	assert_int_equal(count(text, SLICE("\"site\":")), METRIC_SITES + 2);
	assert_int_equal(count(text, SLICE("\"serves\":")), METRIC_WORKERS_MOST);
	assert_true(slice_ends(text, SLICE("}\n")));
}

static void test_lines_do_not_grow_beyond_the_tables(void **state)
{
	struct slice text;

	(void)state;
	fill();
	text = get("/metrics");
	assert_int_equal(count(text, SLICE("\nportcullis_requests_total{")), (METRIC_SITES + 2) * METRIC_DECISIONS);
	assert_in_range(count(text, SLICE("\n")), 900, 1200);
}

static void test_a_silent_site_has_no_lines(void **state)
{
	(void)state;
	metric_site_add(page, SLICE("shop"));
	assert_int_equal(count(get("/metrics"), SLICE("\nportcullis_requests_total{")), 0);
	metric_use(page, &page->worker[0]);
	metric_request(metric_site_of(SLICE("shop")), METRIC_PASS, 0);
	assert_true(slice_contains(get("/metrics"), SLICE("\nportcullis_requests_total{site=\"shop\",decision=\"pass\"} 1\n")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_page, close_page)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_health),
		TEST(test_other_paths_are_not_found),
		TEST(test_the_status_has_room_for_all),
		TEST(test_lines_do_not_grow_beyond_the_tables),
		TEST(test_a_silent_site_has_no_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
