/* ticket_keys_test.c -- which keys there are, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gateway/tls/inner.h"

enum { PERIOD = 1000 };

static const char secret[] = "0123456789abcdef0123456789abcdef";
static const uint8_t zeros[TLS_TICKET_BYTES];

static bool same(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, TLS_TICKET_BYTES) == 0;
}

static struct tls_ticket_source source_of(const struct tls_ticket_ring *ring, struct slice key)
{
	struct tls_ticket_source s;

	assert_true(tls_ticket_source_init(&s, &(struct tls_tickets){ring, key, PERIOD}));
	return s;
}

static void a_drawn_key_encrypts_for_one_turn_and_decrypts_for_two(void **state)
{
	struct tls_ticket_ring ring = {0};
	struct tls_ticket_source s = source_of(&ring, SLICE_NONE);
	struct tls_ticket_keys keys, before = {0};

	(void)state;
	tls_ticket_keys_at(&s, 0, &keys);
	assert_int_equal(keys.n, 0);
	for (unsigned turn = 1; turn < 20; turn++) {
		assert_true(tls_ticket_turn(&ring));
		tls_ticket_keys_at(&s, 0, &keys);
		assert_int_equal(keys.n, turn > 1 ? 2 : 1);
		if (turn > 1)
			assert_true(same(keys.key[1], before.key[0]));
		assert_false(same(keys.key[0], before.key[0]));
		for (unsigned i = 0; i < keys.n; i++)
			assert_false(same(keys.key[i], zeros));
		before = keys;
	}
	tls_ticket_source_done(&s);
}

/* Somebody who reads the memory later must not find it. */
static void a_key_that_is_past_is_nowhere(void **state)
{
	struct tls_ticket_ring ring = {0};
	uint8_t old[TLS_TICKET_BYTES];

	(void)state;
	for (unsigned turn = 1; turn < 12; turn++) {
		assert_true(tls_ticket_turn(&ring));
		memcpy(old, ring.key[turn % TLS_TICKET_RING], sizeof old);
		assert_true(tls_ticket_turn(&ring));
		assert_non_null(memmem(&ring, sizeof ring, old + 16, 16));
		assert_true(tls_ticket_turn(&ring));
		assert_null(memmem(&ring, sizeof ring, old + 16, 16));
		turn += 2;
	}
	for (unsigned i = 0; i < TLS_TICKET_RING; i++)
		assert_false(same(ring.key[i], zeros));
}

static void derived_keys_follow_the_clock(void **state)
{
	struct tls_ticket_source s = source_of(NULL, slice_of(secret)), other = source_of(NULL, slice_of(secret));
	struct tls_ticket_keys now, next, there;

	(void)state;
	tls_ticket_keys_at(&s, 500 * PERIOD, &now);
	assert_int_equal(now.n, 3);
	tls_ticket_keys_at(&s, 500 * PERIOD + PERIOD - 1, &next);
	assert_true(same(now.key[0], next.key[0])); /* a period is one key */
	tls_ticket_keys_at(&s, 501 * PERIOD, &next);
	assert_true(same(next.key[0], now.key[2])); /* which was known beforehand */
	assert_true(same(next.key[1], now.key[0])); /* and is known for one period more */
	tls_ticket_keys_at(&s, 502 * PERIOD, &next);
	for (unsigned i = 0; i < next.n; i++) {
		assert_false(same(next.key[i], now.key[0]));
		assert_false(same(next.key[i], zeros));
		for (unsigned k = 0; k < i; k++)
			assert_false(same(next.key[i], next.key[k]));
	}
	/* Another node, started now, knows the same. */
	tls_ticket_keys_at(&other, 502 * PERIOD + 7, &there);
	assert_memory_equal(&next, &there, sizeof next);
	/* A clock that is set back finds its keys again. */
	tls_ticket_keys_at(&s, 500 * PERIOD, &next);
	assert_memory_equal(&next, &now, sizeof next);
	tls_ticket_source_done(&s);
	tls_ticket_source_done(&other);
}

static void other_secrets_and_periods_give_other_keys(void **state)
{
	static const struct { const char *secret; int64_t period; } cases[] = {
		{"0123456789abcdef0123456789abcdef", 2 * PERIOD},
		{"0123456789abcdef0123456789abcdeF", PERIOD},
		{"0123456789abcdef0123456789abcde", PERIOD},
	};
	struct tls_ticket_source s = source_of(NULL, slice_of(secret));
	struct tls_ticket_keys want, keys;

	(void)state;
	tls_ticket_keys_at(&s, 1000 * PERIOD, &want);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tls_ticket_source t;

		assert_true(tls_ticket_source_init(&t, &(struct tls_tickets){NULL, slice_of(cases[i].secret), cases[i].period}));
		/* The same epoch, where the period is another. */
		tls_ticket_keys_at(&t, 1000 * cases[i].period, &keys);
		assert_false(same(keys.key[0], want.key[0]));
	}
}

static void what_cannot_be_a_source_is_refused(void **state)
{
	static const char long_one[65] = "too long";
	struct tls_ticket_source s;
	struct tls_ticket_keys keys;

	(void)state;
	assert_false(tls_ticket_source_init(&s, &(struct tls_tickets){NULL, slice_make(long_one, 65), PERIOD}));
	assert_false(tls_ticket_source_init(&s, &(struct tls_tickets){NULL, SLICE_NONE, 0}));
	assert_true(tls_ticket_source_init(&s, NULL));
	tls_ticket_keys_at(&s, 0, &keys);
	assert_int_equal(keys.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_drawn_key_encrypts_for_one_turn_and_decrypts_for_two),
		cmocka_unit_test(a_key_that_is_past_is_nowhere),
		cmocka_unit_test(derived_keys_follow_the_clock),
		cmocka_unit_test(other_secrets_and_periods_give_other_keys),
		cmocka_unit_test(what_cannot_be_a_source_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
