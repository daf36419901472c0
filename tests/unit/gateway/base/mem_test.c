/* mem_test.c -- every byte is charged once, all the way up, and given back. */
#include "gateway/base/mem.h"

#include "bed.h"
#include "gateway/base/metric.h"

static void test_charges_go_all_the_way_up(void **state)
{
	struct budget worker = {.limit = 1000}, connection = {.limit = 600, .parent = &worker};

	(void)state;
	assert_true(budget_take(&connection, 500));
	assert_int_equal(worker.used, 500);
	assert_false(budget_take(&connection, 101));
	assert_int_equal(connection.used, 500);
	assert_int_equal(worker.used, 500);
	assert_true(budget_take(&worker, 450));
	/* The parent refuses: the child is not charged either. */
	assert_false(budget_take(&connection, 51));
	assert_int_equal(connection.used, 500);
	assert_true(budget_take(&connection, 50));
	budget_give(&connection, 550);
	budget_give(&worker, 450);
	assert_int_equal(worker.used, 0);
	assert_int_equal(worker.peak, 1000);
	assert_int_equal(connection.peak, 550);
}

static void test_no_sum_overflows(void **state)
{
	struct budget b = {.limit = 1000};

	(void)state;
	assert_true(budget_take(&b, 10));
	assert_false(budget_take(&b, SIZE_MAX));
	assert_false(budget_take(&b, SIZE_MAX - 5));
	assert_int_equal(b.used, 10);
}

static void test_the_reserve_is_for_small_pieces(void **state)
{
	struct budget worker = {.limit = 100000, .reserve = 10000}, connection = {.parent = &worker};

	(void)state;
	assert_true(budget_take(&connection, 60000));
	assert_false(budget_is_tight(&connection));
	assert_false(budget_take(&connection, 35000));
	assert_true(budget_take(&connection, 30000));
	assert_true(budget_is_tight(&connection));
	assert_false(budget_take(&connection, BUDGET_SMALL + 1));
	assert_true(budget_take(&connection, 10000));
	assert_false(budget_take(&connection, 1));
}

static void test_what_is_spent_already_is_charged_beyond_the_limit(void **state)
{
	struct budget worker = {.limit = 1000, .refusals = 1 + METRIC_MEMORY_WORKER};
	uint64_t before = metric_get(&metric_here->value[METRIC_MEMORY_WORKER]);

	(void)state;
	budget_charge(&worker, 1500);
	assert_int_equal(worker.used, 1500);
	assert_int_equal(metric_get(&metric_here->value[METRIC_MEMORY_WORKER]), before);
	assert_false(budget_take(&worker, 1));
	assert_int_equal(metric_get(&metric_here->value[METRIC_MEMORY_WORKER]), before + 1);
	budget_give(&worker, 1500);
	assert_true(budget_take(&worker, 1));
}

static void test_no_limit(void **state)
{
	struct budget b = {0};
	void *p = mem_take_zeroed(&b, 5000);

	(void)state;
	assert_non_null(p);
	assert_int_equal(((char *)p)[4999], 0);
	assert_int_equal(b.used, 5000);
	mem_give(&b, p, 5000);
	mem_give(&b, NULL, 5000);
	assert_int_equal(b.used, 0);
}

static void test_the_nth_allocation_fails_once(void **state)
{
	struct budget b = {0};
	void *p[3];

	(void)state;
	mem_fail_at(2);
	p[0] = mem_take(&b, 1);
	assert_non_null(p[0]);
	assert_false(mem_failed());
	assert_null(mem_take(&b, 1));
	assert_true(mem_failed());
	assert_int_equal(b.used, 1);
	p[1] = mem_take(&b, 1);
	assert_non_null(p[1]);
	mem_fail_at(0);
	p[2] = mem_take(NULL, 1);
	assert_non_null(p[2]);
	mem_give(&b, p[0], 1);
	mem_give(&b, p[1], 1);
	mem_give(NULL, p[2], 1);
	assert_int_equal(b.used, 0);
}

static void test_what_must_be_had_is_charged_beyond_the_limit(void **state)
{
	struct budget top = {.limit = 100}, b = {.limit = 50, .parent = &top};
	void *p = mem_take_beyond(&b, 80), *q;

	(void)state;
	assert_non_null(p);
	assert_int_equal(b.used, 80);
	assert_int_equal(top.used, 80);
	assert_int_equal(b.peak, 80);
	assert_null(mem_take(&b, 1));
	mem_fail_at(1);
	q = mem_take_beyond(&b, 1);
	assert_non_null(q);
	assert_false(mem_failed());
	mem_fail_at(0);
	mem_give(&b, p, 80);
	mem_give(&b, q, 1);
	assert_int_equal(top.used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_must_be_had_is_charged_beyond_the_limit),
		cmocka_unit_test(test_charges_go_all_the_way_up),
		cmocka_unit_test(test_no_sum_overflows),
		cmocka_unit_test(test_the_reserve_is_for_small_pieces),
		cmocka_unit_test(test_what_is_spent_already_is_charged_beyond_the_limit),
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_the_nth_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
