/* arena_test.c -- bump allocation: aligned, charged, gone at once. */
#include "gateway/base/arena.h"

#include "bed.h"

static void test_blocks_are_aligned_and_apart(void **state)
{
	char *last = NULL;
	struct arena a;

	(void)state;
	arena_init(&a, NULL, 256);
	for (size_t n = 0; n < 600; n++) {
		char *at = arena_take(&a, n);

		assert_non_null(at);
		assert_int_equal((uintptr_t)at % 8, 0);
		assert_ptr_not_equal(at, last);
		memset(at, 0xaa, n);
		last = at;
	}
	arena_done(&a);
}

static void test_nothing_has_an_address_too(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, NULL, 64);
	assert_non_null(arena_take(&a, 0));
	assert_non_null(ARENA_ARRAY(&a, int, 0));
	assert_ptr_not_equal(arena_take(&a, 0), arena_take(&a, 0));
	arena_done(&a);
}

static void test_bookkeeping_is_charged_and_given_back(void **state)
{
	struct budget budget = {.limit = 4096};
	struct arena a;

	(void)state;
	arena_init(&a, &budget, 512);
	assert_int_equal(budget.used, 0);
	assert_non_null(arena_take(&a, 1));
	assert_int_equal(budget.used, 512);
	assert_non_null(arena_take(&a, 2000));
	assert_true(budget.used > 2512);
	assert_null(arena_take(&a, 4096));
	assert_null(arena_take(&a, SIZE_MAX));
	assert_null(arena_take(&a, SIZE_MAX - 7));
	assert_null(arena_take(&a, SIZE_MAX / 2 + 1));
	/* It still serves what fits. */
	assert_non_null(arena_take(&a, 8));
	arena_done(&a);
	assert_int_equal(budget.used, 0);
	assert_non_null(arena_take(&a, 8));
	arena_done(&a);
	assert_int_equal(budget.used, 0);
}

static void test_a_fixed_arena_never_grows(void **state)
{
	_Alignas(8) char room[64];
	struct arena a;

	(void)state;
	arena_init_fixed(&a, room, sizeof room);
	assert_ptr_equal(arena_take(&a, 60), room);
	assert_null(arena_take(&a, 1));
	assert_null(arena_copy(&a, SLICE("x")).at);
	arena_done(&a);
}

static void test_copies_end_in_a_nul_that_is_not_counted(void **state)
{
	struct arena a;
	struct slice s;

	(void)state;
	arena_init(&a, NULL, 64);
	s = arena_copy(&a, SLICE("a\0b"));
	assert_slice(s, SLICE("a\0b"));
	assert_int_equal(s.at[3], 0);
	s = arena_copy(&a, SLICE_NONE);
	assert_non_null(s.at);
	assert_int_equal(s.len, 0);
	s = arena_print(&a, "%s-%d", "much longer than one block of this arena is, and then some more", 7);
	assert_slice(s, SLICE("much longer than one block of this arena is, and then some more-7"));
	mem_fail_at(1);
	assert_null(arena_print(&a, "%200s", "").at);
	mem_fail_at(0);
	arena_done(&a);
}

static void test_zeroed_memory_is_zero_after_reuse(void **state)
{
	static const char zeros[100];
	struct arena a;

	(void)state;
	arena_init(&a, NULL, 1024);
	for (unsigned i = 0; i < 3; i++) {
		memset(arena_take(&a, 100), 0xff, 100);
		assert_memory_equal(arena_take_zeroed(&a, 100), zeros, 100);
		arena_done(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_are_aligned_and_apart),
		cmocka_unit_test(test_nothing_has_an_address_too),
		cmocka_unit_test(test_bookkeeping_is_charged_and_given_back),
		cmocka_unit_test(test_a_fixed_arena_never_grows),
		cmocka_unit_test(test_copies_end_in_a_nul_that_is_not_counted),
		cmocka_unit_test(test_zeroed_memory_is_zero_after_reuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
