/* pressure_test.c -- a queue in front of a server that finishes one thing a millisecond, on a clock of its own. */
#include "bed.h"

#include "rules/pressure.h"

enum { MOST_US = 1000000, LEAST = 8, SERVICE_US = 1000, QUEUE = 100000 };

struct shop {
	struct pressure pressure;
	int64_t came[QUEUE]; /* of those that wait, a ring */
	unsigned first, n;
	int64_t free_at;
	unsigned served, late, refused; /* late: nobody waits so long */
	int64_t longest_us;
};

static void serve_until(struct shop *s, int64_t now)
{
	while (s->n && s->free_at <= now) {
		int64_t came = s->came[s->first], begun = s->free_at > came ? s->free_at : came;

		if (begun > now)
			break;
		s->first = (s->first + 1) % QUEUE;
		s->n--;
		if (begun - came > MOST_US) {
			s->late++;
			continue;
		}
		s->free_at = begun + SERVICE_US;
		s->served++;
		if (begun - came > s->longest_us)
			s->longest_us = begun - came;
		pressure_done(&s->pressure, begun - came, MOST_US, s->free_at);
	}
}

static void come(struct shop *s, int64_t now)
{
	serve_until(s, now);
	if (!s->n && s->free_at <= now)
		pressure_none(&s->pressure, now);
	if (!pressure_allows(&s->pressure, s->n, LEAST, MOST_US, now)) {
		s->refused++;
		return;
	}
	s->came[(s->first + s->n++) % QUEUE] = now;
	serve_until(s, now);
}

/* `every_us` one comes, for so long; returns the time at the end. */
static int64_t stream(struct shop *s, int64_t now, int64_t every_us, int64_t for_us)
{
	s->served = s->late = s->refused = 0;
	s->longest_us = 0;
	for (int64_t end = now + for_us; now < end; now += every_us)
		come(s, now);
	return now;
}

static struct shop shop;

static int make(void **state)
{
	(void)state;
	memset(&shop, 0, sizeof shop);
	return 0;
}

static void below_capacity_nobody_is_refused(void **state)
{
	(void)state;
	stream(&shop, 5000000, SERVICE_US * 11 / 10, 20000000);
	assert_int_equal(shop.refused, 0);
}

static void a_burst_is_no_standing_queue(void **state)
{
	int64_t now = 5000000;

	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < 200; i++)
			come(&shop, now);
		now += 300000;
	}
	serve_until(&shop, now);
	assert_int_equal(shop.refused, 0);
	assert_int_equal(shop.served, 50 * 200);
}

static void at_three_times_capacity_as_much_is_done_as_ever(void **state)
{
	int64_t now = stream(&shop, 5000000, SERVICE_US / 3, 2000000);

	(void)state;
	stream(&shop, now, SERVICE_US / 3, 60000000);
	assert_true(shop.served > 60000 * 95 / 100);
	assert_int_equal(shop.late, 0);
	/* Nobody waits the whole time for nothing: about a quarter of it. */
	assert_true(shop.longest_us < MOST_US / 3);
}

static void afterwards_everybody_is_welcome_at_once(void **state)
{
	int64_t now = stream(&shop, 5000000, SERVICE_US / 3, 10000000);

	(void)state;
	now = stream(&shop, now, SERVICE_US * 2, 1000000);
	stream(&shop, now, SERVICE_US * 2, 10000000);
	assert_int_equal(shop.refused, 0);
	assert_true(shop.longest_us < SERVICE_US);
}

static void a_few_are_always_let_in_although_nothing_is_finished(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < LEAST; i++)
		assert_true(pressure_allows(&shop.pressure, i, LEAST, MOST_US, 100000000));
	assert_false(pressure_allows(&shop.pressure, LEAST, LEAST, MOST_US, 100000000));
}

static void after_a_pause_an_old_count_says_nothing(void **state)
{
	int64_t now = stream(&shop, 5000000, SERVICE_US / 3, 3000000);

	(void)state;
	assert_true(shop.pressure.rate > 400);
	assert_false(pressure_allows(&shop.pressure, LEAST, LEAST, MOST_US, now + 10 * MOST_US));
	assert_int_equal(shop.pressure.rate, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(below_capacity_nobody_is_refused, make),
		cmocka_unit_test_setup(a_burst_is_no_standing_queue, make),
		cmocka_unit_test_setup(at_three_times_capacity_as_much_is_done_as_ever, make),
		cmocka_unit_test_setup(afterwards_everybody_is_welcome_at_once, make),
		cmocka_unit_test_setup(a_few_are_always_let_in_although_nothing_is_finished, make),
		cmocka_unit_test_setup(after_a_pause_an_old_count_says_nothing, make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
