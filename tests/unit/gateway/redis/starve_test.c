/* starve_test.c -- replies while the heap is empty, hiredis's own allocations among them: a reply, or a reason to drop
 * the connection, and never the end of the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway/redis/reply.h"
#include "tests/unit/starve.h"

enum { LARGE = 40000 };

static const char small[] = "*3\r\n:1\r\n$5\r\nhello\r\n*1\r\n$-1\r\n+OK\r\n-ERR no\r\n:7\r\n";

/* A large reply makes hiredis's buffer grow; what comes when that is empty is where it would give it back. */
static size_t make_large(char *at)
{
	size_t n = (size_t)sprintf(at, "$%d\r\n", LARGE);

	memset(at + n, 'x', LARGE);
	return n + LARGE + (size_t)sprintf(at + n + LARGE, "\r\n");
}

/* How many replies came. */
static unsigned read_all(struct replies *in, const char *at, size_t n)
{
	const struct redis_value *v;
	unsigned whole = 0;

	while (n) {
		size_t piece = n < REPLY_FEED ? n : REPLY_FEED;
		enum reply_found found;

		if (!replies_feed(in, at, piece)) {
			assert_non_null(in->why);
			return whole;
		}
		at += piece;
		n -= piece;
		while ((found = replies_next(in, &v)) == REPLY_WHOLE)
			whole++;
		if (found == REPLY_BAD) {
			assert_non_null(in->why);
			return whole;
		}
	}
	return whole;
}

static void every_allocation_may_fail_once(void **state)
{
	static char large[LARGE + 200];
	size_t len = make_large(large);
	unsigned long n = 1;

	(void)state;
	for (;; n++) {
		struct budget budget = {.limit = 1 << 20};
		struct replies in;
		unsigned whole = 0;
		bool begun;

		starve_at(n);
		begun = replies_init(&in, &budget);
		for (unsigned i = 0; begun && i < 3; i++)
			whole += read_all(&in, large, len) + read_all(&in, small, sizeof small - 1);
		starve_at(0);
		if (begun)
			replies_done(&in);
		assert_int_equal(budget.used, 0);
		if (!starved()) {
			assert_int_equal(whole, 15);
			break;
		}
		assert_true(whole < 15);
	}
	print_message("%lu allocations\n", n - 1);
	assert_true(n > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
