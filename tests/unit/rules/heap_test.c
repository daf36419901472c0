/* heap_test.c -- blocks do not overlap, come back, and are found again. */
#include "bed.h"
#include "rules/heap.h"

static void blocks_of_every_size_hold_their_bytes(void **state)
{
	static unsigned char *blocks[3000];

	(void)state;
	for (size_t n = 0; n < ROWS(blocks); n++) {
		blocks[n] = heap_take(n);
		assert_non_null(blocks[n]);
		assert_int_equal((uintptr_t)blocks[n] % 16, 0);
		memset(blocks[n], (int)(n % 251), n);
	}
	for (size_t n = 0; n < ROWS(blocks); n++)
		for (size_t i = 0; i < n; i++)
			assert_int_equal(blocks[n][i], n % 251);
	for (size_t n = 0; n < ROWS(blocks); n++)
		heap_give(blocks[n]);
}

static void what_is_given_is_taken_again(void **state)
{
	void *a = heap_take(100), *b = heap_take(100), *c;

	(void)state;
	assert_ptr_not_equal(a, b);
	heap_give(a);
	c = heap_take(99); /* the same 16 bytes' class */
	assert_ptr_equal(a, c);
	heap_give(c);
	heap_give(b);
	assert_ptr_equal(heap_take(112), b);
	assert_ptr_equal(heap_take(112), a);
	heap_give(a);
	heap_give(b);
	heap_give(NULL);
}

static void a_link_is_not_an_address(void **state)
{
	void *a = heap_take(48), *b = heap_take(48);
	uintptr_t link;

	(void)state;
	heap_give(a);
	heap_give(b);
	memcpy(&link, b, sizeof link);
	assert_true(link != (uintptr_t)a);
}

static void random_use_keeps_blocks_apart(void **state)
{
	static struct {
		unsigned char *at;
		size_t size;
	} held[512];
	unsigned seed = 1;

	(void)state;
	for (unsigned round = 0; round < 200000; round++) {
		unsigned i, size;

		seed = seed * 1103515245 + 12345;
		i = seed >> 16 & 511;
		size = seed >> 7 & 2047;
		if (held[i].at) {
			if (held[i].size && (held[i].at[0] != (unsigned char)i || held[i].at[held[i].size - 1] != (unsigned char)i))
				fail_msg("round %u: a block was written over", round);
			heap_give(held[i].at);
		}
		held[i].at = heap_take(size);
		held[i].size = size;
		memset(held[i].at, (int)i, size);
	}
	for (unsigned i = 0; i < ROWS(held); i++)
		heap_give(held[i].at);
}

static void a_full_region_falls_back(void **state)
{
	enum { EACH = 1024, MOST = (300 << 20) / EACH };
	void **blocks = malloc(MOST * sizeof *blocks);

	(void)state;
	for (unsigned i = 0; i < MOST; i++)
		assert_non_null(blocks[i] = heap_take(EACH));
	assert_non_null(heap_take(16)); /* a class without a page, or with one: never nothing */
	for (unsigned i = 0; i < MOST; i++)
		heap_give(blocks[i]);
	free(blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_of_every_size_hold_their_bytes),
		cmocka_unit_test(what_is_given_is_taken_again),
		cmocka_unit_test(a_link_is_not_an_address),
		cmocka_unit_test(random_use_keeps_blocks_apart),
		cmocka_unit_test(a_full_region_falls_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
