/* sha256_test.c -- the vectors of FIPS 180-4, and every length around a block's end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policies/sha256.h"

static void known_sums(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
		{"hello", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"},
	};
	char hex[64];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		sha256_hex(slice_of(rows[i].in), hex);
		assert_memory_equal(hex, rows[i].want, 64);
	}
}

/* The sum of the sums of "a" repeated 0 to 200 times: one wrong padding changes it. */
static void every_length_around_a_block(void **state)
{
	char *text = malloc(200), sums[201 * 64], hex[64];

	(void)state;
	memset(text, 'a', 200);
	for (size_t n = 0; n <= 200; n++)
		sha256_hex(slice_make(text + 200 - n, n), sums + n * 64);
	sha256_hex(slice_make(sums, sizeof sums), hex);
	assert_memory_equal(hex, "eb555248bd20c7831e511d4461b42c9b084e3a64b44d57b00051172f8afe03ff", 64);
	free(text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_sums),
		cmocka_unit_test(every_length_around_a_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
