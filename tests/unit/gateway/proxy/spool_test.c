/* spool_test.c -- held content reads back as it came, within its quota. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/proxy/spool.h"

static void content_of_any_length_reads_back(void **state)
{
	static const size_t lengths[] = {0, 1, 1000, SPOOL_MEMORY, SPOOL_MEMORY + 1, 300000};
	static char from[300000], to[300000];

	(void)state;
	for (size_t i = 0; i < sizeof from; i++)
		from[i] = (char)(i * 7 + i / 251);
	for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
		struct budget memory = {0}, quota = {.limit = 1 << 20};
		struct spool s;
		struct held held;
		uint64_t got = 0;

		spool_init(&s, &memory, &quota);
		for (size_t at = 0; at < lengths[k];) {
			size_t n = (size_t)rand() % 40000 + 1;

			n = n > lengths[k] - at ? lengths[k] - at : n;
			assert_int_equal(spool_put(&s, slice_make(from + at, n)), REASON_NONE);
			at += n;
		}
		assert_true(spool_close(&s));
		spool_held(&s, &held);
		assert_int_equal(held.len, lengths[k]);
		assert_int_equal(held.fd >= 0, lengths[k] > SPOOL_MEMORY);
		while (got < lengths[k]) {
			ssize_t n = spool_read(&s, got, to + got, 9973);

			assert_true(n > 0);
			got += (uint64_t)n;
		}
		assert_int_equal(spool_read(&s, got, to, 1), 0);
		assert_memory_equal(from, to, lengths[k]);
		if (held.fd >= 0)
			assert_int_equal(write(held.fd, "x", 1), -1);
		spool_done(&s);
		assert_int_equal(memory.used, 0);
		assert_int_equal(quota.used, 0);
	}
}

static void the_quota_is_an_end(void **state)
{
	struct budget memory = {0}, quota = {.limit = 100000};
	static char piece[50000];
	struct spool s;

	(void)state;
	spool_init(&s, &memory, &quota);
	assert_int_equal(spool_put(&s, slice_make(piece, sizeof piece)), REASON_NONE);
	assert_int_equal(spool_put(&s, slice_make(piece, sizeof piece)), REASON_NONE);
	assert_int_equal(spool_put(&s, slice_make(piece, 1)), REASON_SPOOL_FULL);
	spool_done(&s);
	assert_int_equal(quota.used, 0);
}

static void one_client_fills_an_eighth_but_one_content_always_fits(void **state)
{
	struct budget memory = {0}, quota = {.limit = 800000};
	static char piece[SPOOL_MEMORY + 1];
	uint64_t share = 0, other = 0;
	struct spool s[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		spool_init(&s[i], &memory, &quota);
		spool_own(&s[i], i < 2 ? &share : &other);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(spool_put(&s[0], slice_make(piece, sizeof piece)), REASON_NONE);
	assert_int_equal(share, 3 * sizeof piece);
	assert_int_equal(spool_put(&s[1], slice_make(piece, sizeof piece)), REASON_SPOOL_SHARE);
	assert_int_equal(spool_put(&s[2], slice_make(piece, sizeof piece)), REASON_NONE);
	spool_done(&s[0]);
	assert_int_equal(share, 0);
	spool_done(&s[1]);
	spool_init(&s[1], &memory, &quota);
	spool_own(&s[1], &share);
	assert_int_equal(spool_put(&s[1], slice_make(piece, sizeof piece)), REASON_NONE);
	spool_done(&s[1]);
	spool_done(&s[2]);
	assert_true(share == 0 && other == 0 && quota.used == 0 && memory.used == 0);
}

static void memory_that_is_used_up_is_said(void **state)
{
	struct budget memory = {.limit = 1000}, quota = {0};
	static char piece[2000];
	struct spool s;

	(void)state;
	spool_init(&s, &memory, &quota);
	assert_int_equal(spool_put(&s, slice_make(piece, sizeof piece)), REASON_MEMORY_CONNECTION);
	spool_done(&s);
}

static int file_of(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void what_is_held_can_be_replaced(void **state)
{
	struct budget memory = {0}, quota = {.limit = 100};
	struct spool s;
	char got[16];
	int fd;

	(void)state;
	spool_init(&s, &memory, &quota);
	assert_int_equal(spool_put(&s, SLICE("in a coding")), REASON_NONE);
	assert_int_equal(spool_replace(&s, file_of("plain"), 5), REASON_NONE);
	assert_true(s.len == 5 && quota.used == 5 && memory.used == 0);
	assert_int_equal(spool_read(&s, 1, got, sizeof got), 4);
	assert_memory_equal(got, "lain", 4);
	assert_int_equal(spool_replace(&s, -1, 0), REASON_NONE);
	assert_true(s.len == 0 && quota.used == 0);
	assert_int_equal(spool_read(&s, 0, got, sizeof got), 0);
	fd = file_of("more than there is room for");
	assert_int_equal(spool_replace(&s, fd, 101), REASON_SPOOL_FULL);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	spool_done(&s);
	assert_int_equal(quota.used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_of_any_length_reads_back),
		cmocka_unit_test(the_quota_is_an_end),
		cmocka_unit_test(one_client_fills_an_eighth_but_one_content_always_fits),
		cmocka_unit_test(memory_that_is_used_up_is_said),
		cmocka_unit_test(what_is_held_can_be_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
