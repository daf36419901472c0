/* kept_test.c -- transactions that are kept: taken once, bounded, the oldest gone first. */
#include "bed.h"

#include "rules/kept.h"

static struct kept kept;
static unsigned dropped[WAF_KEPT + 8], drops;

/* A transaction is any address here: number i of an array. */
static char many[WAF_KEPT + 8];

static struct modsec_kept *number(unsigned i)
{
	return (struct modsec_kept *)(void *)&many[i];
}

static void drop(struct modsec_kept *transaction)
{
	dropped[drops++] = (unsigned)((char *)transaction - many);
}

static int begin(void **state)
{
	(void)state;
	drops = 0;
	kept_init(&kept, 64, drop); /* 4 transactions, 512 KiB */
	return 0;
}

static void what_is_kept_is_taken_once(void **state)
{
	(void)state;
	kept_put(&kept, 11, number(1), 100);
	kept_put(&kept, 12, number(2), 100);
	assert_null(kept_take(&kept, 13));
	assert_ptr_equal(kept_take(&kept, 11), number(1));
	assert_null(kept_take(&kept, 11));
	assert_ptr_equal(kept_take(&kept, 12), number(2));
	assert_int_equal(kept.bytes, 0);
	assert_int_equal(drops, 0);
}

static void the_oldest_makes_room(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++)
		kept_put(&kept, i + 1, number(i), 100);
	assert_int_equal(drops, 2);
	assert_true(dropped[0] == 0 && dropped[1] == 1);
	assert_ptr_equal(kept_take(&kept, 4), number(3));
	kept_put(&kept, 7, number(6), 100); /* into the gap */
	assert_int_equal(drops, 2);
	kept_done(&kept);
	assert_int_equal(drops, 6);
}

static void memory_is_a_bound_too(void **state)
{
	(void)state;
	kept_put(&kept, 1, number(1), 300 << 10);
	kept_put(&kept, 2, number(2), 200 << 10);
	assert_int_equal(drops, 0);
	kept_put(&kept, 3, number(3), 200 << 10);
	assert_true(drops == 1 && dropped[0] == 1);
	kept_put(&kept, 4, number(4), 513 << 10); /* more than everything: it is not kept itself */
	assert_true(drops == 2 && dropped[1] == 4);
	assert_ptr_equal(kept_take(&kept, 3), number(3));
	kept_done(&kept);
	assert_int_equal(kept.bytes, 0);
}

static void a_share_is_never_nothing(void **state)
{
	(void)state;
	kept_init(&kept, 1000, drop);
	kept_put(&kept, 1, number(1), 10);
	assert_ptr_equal(kept_take(&kept, 1), number(1));
	kept_init(&kept, 1, drop);
	for (unsigned i = 0; i < WAF_KEPT + 3; i++)
		kept_put(&kept, i + 1, number(i), 10);
	assert_int_equal(drops, 3);
	kept_done(&kept);
	assert_int_equal(drops, WAF_KEPT + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_kept_is_taken_once, begin),
		cmocka_unit_test_setup(the_oldest_makes_room, begin),
		cmocka_unit_test_setup(memory_is_a_bound_too, begin),
		cmocka_unit_test_setup(a_share_is_never_nothing, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
