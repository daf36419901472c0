/* shed_test.c -- what a late worker refuses, and that it is no more than must be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/proxy/shed.h"

enum { MOST_US = 100000, MS = 1000 };

static struct shed s;

/* For so long it has been that late, asked about every millisecond; how many of a thousand are refused then. */
static unsigned of_a_thousand(enum shed_what what, int64_t lag_us, int64_t for_us)
{
	int64_t now = 10000000;
	unsigned refused = 0;

	s = (struct shed){0};
	shed_refuses(&s, what, 0, 0, MOST_US, now);
	for (int64_t end = now + for_us; now < end; now += MS)
		shed_refuses(&s, what, lag_us, 0, MOST_US, now);
	for (unsigned i = 0; i < 1000; i++)
		refused += shed_refuses(&s, what, lag_us, 0, MOST_US, now);
	return refused;
}

static void only_who_is_late_for_a_while_refuses(void **state)
{
	static const struct {
		enum shed_what what;
		int64_t lag_us, for_us;
		unsigned least, most;
		const char *says;
	} rows[] = {
		{SHED_CONNECTION, 0, 10000000, 0, 0, "in time"},
		{SHED_CONNECTION, MOST_US, 10000000, 0, 0, "just in time"},
		{SHED_CONNECTION, 10 * MOST_US, 1900000, 0, 0, "late, but not for long"},
		{SHED_CONNECTION, MOST_US * 3 / 2, 2100000, 499, 501, "half of them"},
		{SHED_CONNECTION, MOST_US * 2, 2100000, 1000, 1000, "all of them"},
		{SHED_CONNECTION, MOST_US * 50, 2100000, 1000, 1000, "all of them, and no more than that"},
		{SHED_REQUEST, MOST_US * 2, 2100000, 0, 0, "those that are there go first"},
		{SHED_REQUEST, MOST_US * 3, 2100000, 499, 501, "half of them"},
		{SHED_REQUEST, MOST_US * 4, 2100000, 1000, 1000, "all of them"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		unsigned refused = of_a_thousand(rows[i].what, rows[i].lag_us, rows[i].for_us);

		if (refused < rows[i].least || refused > rows[i].most)
			fail_msg("%s: %u of a thousand", rows[i].says, refused);
	}
}

static void zero_is_never_late(void **state)
{
	(void)state;
	s = (struct shed){0};
	for (int64_t now = 10000000; now < 20000000; now += MS)
		assert_false(shed_refuses(&s, SHED_CONNECTION, 5000000, 5000000, 0, now));
}

static void one_moment_in_time_begins_anew(void **state)
{
	int64_t now = 10000000;

	(void)state;
	s = (struct shed){0};
	for (unsigned i = 0; i < 400; i++, now += 10 * MS)
		assert_false(shed_refuses(&s, SHED_CONNECTION, i % 160 ? 4 * MOST_US : 0, 0, MOST_US, now));
}

static void one_long_pause_is_not_late(void **state)
{
	(void)state;
	s = (struct shed){0};
	assert_false(shed_refuses(&s, SHED_CONNECTION, 0, 0, MOST_US, 10000000));
	assert_false(shed_refuses(&s, SHED_CONNECTION, 3000000, 0, MOST_US, 13000000));
	assert_false(shed_refuses(&s, SHED_CONNECTION, 3000000, 0, MOST_US, 13010000));
	assert_false(shed_refuses(&s, SHED_CONNECTION, 500, 0, MOST_US, 13020000));
}

/* Requests come three times as fast as they can be served, and a refusal costs a twentieth: as much is served as
 * could be, and nobody waits for longer than four times what is allowed. */
static void at_three_times_capacity_as_much_is_done_as_ever(void **state)
{
	const int64_t service = 1000, refusal = 50, between = service / 3;
	int64_t free_at = 10000000, latest = 0;
	unsigned served = 0, came = 0;

	(void)state;
	s = (struct shed){0};
	for (int64_t now = 10000000; now < 70000000; now += between) {
		int64_t begins = free_at > now ? free_at : now, lag = begins - now;
		/* The loop knows how late it was when what it looks at now came. */
		bool refused = shed_refuses(&s, SHED_REQUEST, lag, 0, MOST_US, begins);

		free_at = begins + (refused ? refusal : service);
		if (now < 20000000)
			continue;
		came++;
		served += !refused;
		latest = lag > latest ? lag : latest;
	}
	assert_int_equal(came / 1000, 150);
	assert_true(served > 50000 * 88 / 100);
	assert_true(latest <= 4 * MOST_US);
}

/* Handshakes wait beside the loop, which is in time all the while. */
static void handshakes_that_have_waited_refuse_others(void **state)
{
	(void)state;
	s = (struct shed){0};
	for (unsigned i = 0; i < 100; i++)
		assert_false(shed_refuses(&s, SHED_CONNECTION, 0, i * 20000, MOST_US, 10000000));
	assert_true(shed_refuses(&s, SHED_CONNECTION, 0, 101 * 20000, MOST_US, 10000000));
	/* Once it is late, sooner. */
	shed_refuses(&s, SHED_CONNECTION, 4 * MOST_US, 0, MOST_US, 11000000);
	shed_refuses(&s, SHED_CONNECTION, 4 * MOST_US, 0, MOST_US, 13000000);
	assert_true(s.late);
	assert_false(shed_refuses(&s, SHED_CONNECTION, 0, MOST_US, MOST_US, 13000000));
	assert_true(shed_refuses(&s, SHED_CONNECTION, 0, 2 * MOST_US, MOST_US, 13000000));
}

static void it_is_over_when_it_has_been_in_time_for_as_long(void **state)
{
	(void)state;
	of_a_thousand(SHED_CONNECTION, 4 * MOST_US, 2500000);
	assert_false(shed_refuses(&s, SHED_CONNECTION, 0, 0, MOST_US, 20000000));
	assert_true(shed_refuses(&s, SHED_CONNECTION, 2 * MOST_US, 0, MOST_US, 21900000));
	assert_false(shed_refuses(&s, SHED_CONNECTION, 0, 0, MOST_US, 22000000));
	assert_false(shed_refuses(&s, SHED_CONNECTION, 0, 0, MOST_US, 24000000));
	assert_false(shed_refuses(&s, SHED_CONNECTION, 2 * MOST_US, 0, MOST_US, 24100000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_who_is_late_for_a_while_refuses),
		cmocka_unit_test(zero_is_never_late),
		cmocka_unit_test(one_moment_in_time_begins_anew),
		cmocka_unit_test(one_long_pause_is_not_late),
		cmocka_unit_test(handshakes_that_have_waited_refuse_others),
		cmocka_unit_test(it_is_over_when_it_has_been_in_time_for_as_long),
		cmocka_unit_test(at_three_times_capacity_as_much_is_done_as_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
