/* spending_test.c -- who pays for inspections, how much, and when it is enough. */
#include "bed.h"

#include <string.h>

#include "rules/spending.h"

#define NOW_US INT64_C(1000000000)
#define SECOND_US INT64_C(1000000)

static struct spending spending;
static void *table;
static size_t table_size;

static int make(void **state)
{
	(void)state;
	table_size = words_size(1024);
	table = mmap(NULL, table_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	spending = (struct spending){.words = words_at(table, table_size), .seed = {1, 2}, .cpu_ms = 1000, .window_ms = 10000};
	return spending.words ? 0 : -1;
}

static int unmake(void **state)
{
	(void)state;
	return munmap(table, table_size);
}

static struct addr address(const char *text)
{
	struct addr a;

	assert_true(addr_parse(slice_of(text), &a));
	return a;
}

static int64_t wait_s(const char *text, int64_t now_us)
{
	struct addr a = address(text);

	return spending_wait_s(&spending, &a, now_us);
}

/* One inspection of that client. */
static void spend(const char *text, int64_t cpu_us, int64_t now_us)
{
	struct addr a = address(text);
	struct bill b;

	bill_open(&b, &spending, &a, 5000, now_us);
	bill_settle(&b, cpu_us, now_us);
}

static void so_much_is_free_and_no_more(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 9; i++)
		spend("192.0.2.1", 100000, NOW_US);
	assert_int_equal(wait_s("192.0.2.1", NOW_US), 0);
	spend("192.0.2.1", 100000, NOW_US);
	assert_true(wait_s("192.0.2.1", NOW_US) == 1);
	assert_int_equal(wait_s("192.0.2.2", NOW_US), 0);
}

static void it_comes_back_evenly(void **state)
{
	(void)state;
	/* A quarter more than there is: a quarter of the window. */
	spend("192.0.2.1", 1250000, NOW_US);
	assert_int_equal(wait_s("192.0.2.1", NOW_US), 3);
	assert_int_equal(wait_s("192.0.2.1", NOW_US + 2 * SECOND_US), 1);
	assert_int_equal(wait_s("192.0.2.1", NOW_US + 3 * SECOND_US), 0);
	spend("192.0.2.1", 50000, NOW_US + 3 * SECOND_US);
	assert_true(wait_s("192.0.2.1", NOW_US + 3 * SECOND_US) == 1);
}

static void debts_have_an_end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		spend("192.0.2.1", 4000000, NOW_US);
	assert_true(wait_s("192.0.2.1", NOW_US) <= 11);
	assert_int_equal(wait_s("192.0.2.1", NOW_US + 11 * SECOND_US), 0);
}

static void what_is_on_its_way_is_counted_too(void **state)
{
	struct addr a = address("192.0.2.1");
	struct bill bills[12];

	(void)state;
	for (unsigned i = 0; i < 12; i++)
		bill_open(&bills[i], &spending, &a, 100000, NOW_US);
	assert_true(wait_s("192.0.2.1", NOW_US) > 0);
	/* It was never begun. */
	for (unsigned i = 0; i < 12; i++)
		bill_settle(&bills[i], 0, NOW_US);
	assert_int_equal(wait_s("192.0.2.1", NOW_US), 0);
	for (unsigned i = 0; i < 9; i++)
		spend("192.0.2.1", 100000, NOW_US);
	assert_int_equal(wait_s("192.0.2.1", NOW_US), 0);
	/* Settled twice costs once. */
	bill_settle(&bills[0], 900000, NOW_US);
	assert_int_equal(wait_s("192.0.2.1", NOW_US), 0);
}

static void what_was_expected_to_cost_more_than_there_is_is_not_free(void **state)
{
	struct addr a = address("192.0.2.1");
	struct bill b;

	(void)state;
	for (unsigned i = 0; i < 9; i++) {
		assert_int_equal(wait_s("192.0.2.1", NOW_US), 0);
		bill_open(&b, &spending, &a, 60000000, NOW_US);
		bill_settle(&b, 120000, NOW_US);
	}
	assert_true(wait_s("192.0.2.1", NOW_US) > 0);
}

static void a_64_is_one_client_and_a_48_has_eight_times_as_much(void **state)
{
	char text[40];

	(void)state;
	spend("2001:db8:1:1::1", 600000, NOW_US);
	spend("2001:db8:1:1::2", 600000, NOW_US);
	assert_true(wait_s("2001:db8:1:1::3", NOW_US) > 0);
	assert_int_equal(wait_s("2001:db8:1:2::1", NOW_US), 0);
	for (unsigned i = 2; i < 9; i++) {
		snprintf(text, sizeof text, "2001:db8:1:%x::1", i);
		assert_int_equal(wait_s(text, NOW_US), 0);
		spend(text, 990000, NOW_US);
	}
	assert_true(wait_s("2001:db8:1:ffff::1", NOW_US) > 0);
	assert_int_equal(wait_s("2001:db8:2:ffff::1", NOW_US), 0);
}

static void a_mapped_address_is_no_second_purse(void **state)
{
	(void)state;
	spend("::ffff:192.0.2.1", 1100000, NOW_US);
	assert_true(wait_s("192.0.2.1", NOW_US) > 0);
}

static void zero_is_no_bound(void **state)
{
	(void)state;
	spending.cpu_ms = 0;
	for (unsigned i = 0; i < 100; i++)
		spend("192.0.2.1", 4000000, NOW_US);
	assert_int_equal(wait_s("192.0.2.1", NOW_US), 0);
	spending = (struct spending){.cpu_ms = 1};
	spend("192.0.2.1", 4000000, NOW_US);
	assert_int_equal(wait_s("192.0.2.1", NOW_US), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(so_much_is_free_and_no_more),
		TEST(it_comes_back_evenly),
		TEST(debts_have_an_end),
		TEST(what_is_on_its_way_is_counted_too),
		TEST(what_was_expected_to_cost_more_than_there_is_is_not_free),
		TEST(a_64_is_one_client_and_a_48_has_eight_times_as_much),
		TEST(a_mapped_address_is_no_second_purse),
		TEST(zero_is_no_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
