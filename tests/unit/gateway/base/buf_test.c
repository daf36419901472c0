/* buf_test.c -- bytes come out as they went in, whatever the block does meanwhile. */
#include "gateway/base/buf.h"

#include "bed.h"

static void test_bytes_keep_their_order(void **state)
{
	struct budget budget = {0};
	uint32_t in = 0, out = 0, seed = 1;
	struct buf b;

	(void)state;
	buf_init(&b, &budget);
	/* Writes and reads of changing sizes: the content is a counter. */
	for (unsigned round = 0; round < 5000; round++) {
		uint32_t n = (seed = seed * 1103515245 + 12345) >> 16 & 511;

		for (uint32_t i = 0; i < n; i++, in++) {
			unsigned char c = (unsigned char)(in * 7);

			assert_true(buf_put(&b, &c, 1));
		}
		n = (seed = seed * 1103515245 + 12345) >> 16 & 511;
		for (; n && buf_len(&b); n--, out++) {
			if ((unsigned char)*buf_slice(&b).at != (unsigned char)(out * 7))
				fail_msg("byte %u", out);
			buf_eat(&b, 1);
		}
	}
	assert_int_equal(buf_len(&b), in - out);
	buf_done(&b);
	assert_int_equal(budget.used, 0);
}

static void test_an_empty_block_goes_back(void **state)
{
	struct budget budget = {0};
	struct buf b;

	(void)state;
	buf_init(&b, &budget);
	assert_true(buf_put(&b, "", 0));
	assert_int_equal(budget.used, 0);
	assert_true(buf_put_slice(&b, SLICE("ab")));
	buf_release(&b);
	assert_true(budget.used > 0);
	buf_eat(&b, 2);
	buf_release(&b);
	assert_int_equal(budget.used, 0);
	assert_int_equal(buf_len(&b), 0);
	buf_done(&b);
}

static void test_a_full_budget_leaves_the_bytes(void **state)
{
	struct budget budget = {.limit = 1024};
	char block[600];
	struct buf b;

	(void)state;
	memset(block, 'x', sizeof block);
	buf_init(&b, &budget);
	assert_true(buf_put(&b, "abc", 3));
	assert_false(buf_put(&b, block, sizeof block));
	assert_false(buf_room(&b, UINT32_MAX));
	assert_false(buf_put(&b, block, (size_t)UINT32_MAX + 1));
	assert_slice(buf_slice(&b), SLICE("abc"));
	buf_done(&b);
	assert_int_equal(budget.used, 0);
}

static void test_the_front_is_used_before_the_block_grows(void **state)
{
	struct budget budget = {0};
	char block[400];
	struct buf b;

	(void)state;
	memset(block, 'x', sizeof block);
	buf_init(&b, &budget);
	for (unsigned i = 0; i < 50; i++) {
		assert_true(buf_put(&b, block, sizeof block));
		buf_eat(&b, 399);
		if (i % 2)
			buf_eat(&b, 1);
	}
	assert_true(budget.peak <= 1024);
	buf_done(&b);
}

static void test_printing(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, NULL);
	assert_true(buf_print(&b, "%s %d", "a", 1));
	assert_true(buf_print(&b, "%600d", 2));
	assert_int_equal(buf_len(&b), 603);
	assert_true(slice_starts(buf_slice(&b), SLICE("a 1  ")));
	assert_true(slice_ends(buf_slice(&b), SLICE(" 2")));
	mem_fail_at(1);
	assert_false(buf_print(&b, "%2000d", 3));
	mem_fail_at(0);
	assert_int_equal(buf_len(&b), 603);
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_keep_their_order),
		cmocka_unit_test(test_an_empty_block_goes_back),
		cmocka_unit_test(test_a_full_budget_leaves_the_bytes),
		cmocka_unit_test(test_the_front_is_used_before_the_block_grows),
		cmocka_unit_test(test_printing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
