/* hash_test.c -- SipHash-1-3 against vectors from elsewhere. */
#include "gateway/base/hash.h"

#include "bed.h"

/* What CPython 3.11 answers for hash() of the same bytes with PYTHONHASHSEED=0: there too it is
 * SipHash-1-3, with a key of zeros. */
static void test_vectors(void **state)
{
	static const struct hash_seed zero;
	static const struct {
		struct slice in;
		int64_t want;
	} rows[] = {
		{B("a"), 4644417185603328019},
		{B("abc"), -4594863902769663758},
		{B("abcdefg"), 7904145750247929094},
		{B("abcdefgh"), 4574395652268504554},
		{B("abcdefghi"), -532774252720507163},
	};
	unsigned char bytes[63];
	struct guard guard;

	(void)state;
	guard_open(&guard, 64);
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct slice in = guard_put(&guard, rows[i].in);

		assert_true((int64_t)hash_bytes(&zero, in.at, in.len) == rows[i].want);
	}
	for (unsigned i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)i;
	assert_true((int64_t)hash_bytes(&zero, bytes, sizeof bytes) == 4061470857350050649);
	guard_close(&guard);
}

/* With the key 00 01 .. 0f, as the authors publish their vectors. */
static void test_the_key_counts(void **state)
{
	static const struct hash_seed key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

	(void)state;
	assert_true(hash_bytes(&key, "", 0) == 0xabac0158050fc4dc);
}

static void test_seeds_differ(void **state)
{
	struct hash_seed a, b;

	(void)state;
	hash_seed_random(&a);
	hash_seed_random(&b);
	assert_memory_not_equal(&a, &b, sizeof a);
	assert_true(hash_bytes(&a, "x", 1) != hash_bytes(&b, "x", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_the_key_counts),
		cmocka_unit_test(test_seeds_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
