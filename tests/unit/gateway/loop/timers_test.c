/* timers_test.c -- the wheel fires everything once, at its millisecond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/loop/timers.h"

struct probe {
	struct timer timer;
	int64_t fired_ms;
	int times;
};

static struct wheel wheel;

static void fired(struct timer *t)
{
	struct probe *p = LIST_OF(t, struct probe, timer);

	p->fired_ms = wheel.now_ms;
	p->times++;
}

static void set(struct probe *p, int64_t due_ms)
{
	*p = (struct probe){.timer = {.fire = fired}};
	list_init(&p->timer.slot);
	p->timer.due_ms = due_ms;
	wheel_store(&wheel, &p->timer);
}

static void every_timer_fires_at_its_time(void **state)
{
	static const int64_t ahead[] = {1, 2, 63, 64, 65, 127, 128, 4095, 4096, 4097, 262143, 262144, 300000, 20000000};
	static const int64_t starts[] = {0, 1, 63, 64, 1000003, 262143};
	struct probe p;

	(void)state;
	for (size_t s = 0; s < sizeof starts / sizeof *starts; s++)
		for (size_t i = 0; i < sizeof ahead / sizeof *ahead; i++) {
			int64_t due = starts[s] + ahead[i];

			wheel_init(&wheel, starts[s]);
			set(&p, due);
			wheel_advance(&wheel, due - 1);
			assert_int_equal(p.times, 0);
			wheel_advance(&wheel, due);
			assert_int_equal(p.times, 1);
			assert_int_equal(p.fired_ms, due);
		}
}

static void the_next_time_is_never_after_a_timer(void **state)
{
	struct probe p[200];

	(void)state;
	srand(1);
	wheel_init(&wheel, 777);
	for (int i = 0; i < 200; i++)
		set(&p[i], 778 + rand() % 100000);
	for (int steps = 0; steps < 100000; steps++) {
		int64_t next = wheel_next(&wheel);

		if (next < 0)
			break;
		for (int i = 0; i < 200; i++)
			assert_true(p[i].times || p[i].timer.due_ms >= next);
		wheel_advance(&wheel, next);
	}
	for (int i = 0; i < 200; i++)
		assert_int_equal(p[i].times, 1);
	assert_int_equal(wheel_next(&wheel), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_timer_fires_at_its_time),
		cmocka_unit_test(the_next_time_is_never_after_a_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
