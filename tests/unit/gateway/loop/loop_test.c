/* loop_test.c -- descriptors, tasks and timers of one loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/loop/loop.h"

static struct loop *loop;
static struct watch near, far;
static int calls, ran;
static unsigned last;

static int make(void **state)
{
	(void)state;
	calls = ran = 0;
	last = 0;
	loop = loop_new();
	return loop ? 0 : -1;
}

static int unmake(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static void count(struct watch *w, unsigned what)
{
	(void)w;
	calls++;
	last = what;
}

static void remove_other(struct watch *w, unsigned what)
{
	(void)what;
	calls++;
	watch_remove(w == &near ? &far : &near);
}

static void an_edge_is_told_once(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_true(watch_add(loop, &near, fd[0], count));
	loop_turn(loop, 0);
	assert_int_equal(last, LOOP_WRITE);
	assert_int_equal(write(fd[1], "x", 1), 1);
	loop_turn(loop, 0);
	assert_true(last & LOOP_READ);
	calls = 0;
	loop_turn(loop, 0);
	assert_int_equal(calls, 0);
	close(fd[1]);
	loop_turn(loop, 0);
	assert_true(last & LOOP_PEER_CLOSED);
	watch_remove(&near);
	close(fd[0]);
}

static void a_removed_watch_gets_no_call_from_the_same_turn(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_true(watch_add(loop, &near, fd[0], remove_other));
	assert_true(watch_add(loop, &far, fd[1], remove_other));
	loop_turn(loop, 0);
	assert_int_equal(calls, 1);
	watch_remove(&near);
	watch_remove(&far);
	close(fd[0]);
	close(fd[1]);
}

static void again(struct task *t)
{
	if (++ran < 3)
		task_start(loop, t);
}

static void a_task_that_asks_again_runs_in_the_next_turn(void **state)
{
	struct task t;

	(void)state;
	task_init(&t, again);
	task_start(loop, &t);
	task_start(loop, &t);
	loop_turn(loop, 0);
	assert_int_equal(ran, 1);
	loop_turn(loop, -1);
	assert_int_equal(ran, 2);
	task_stop(&t);
	loop_turn(loop, 0);
	assert_int_equal(ran, 2);
}

static struct timer timer;
static int64_t at_ms;

static void tick(struct timer *t)
{
	(void)t;
	ran++;
	at_ms = loop_ms(loop);
}

static void a_timer_moved_later_fires_once_at_the_later_time(void **state)
{
	(void)state;
	loop_virtual(loop, 5000000);
	timer_init(&timer, tick);
	timer_start(loop, &timer, 10);
	timer_start(loop, &timer, 300);
	loop_virtual(loop, 5010000);
	loop_turn(loop, 0);
	assert_int_equal(ran, 0);
	loop_virtual(loop, 5299000);
	loop_turn(loop, 0);
	assert_int_equal(ran, 0);
	loop_virtual(loop, 5300000);
	loop_turn(loop, 0);
	assert_int_equal(ran, 1);
	timer_start(loop, &timer, 300);
	timer_start(loop, &timer, 20);
	loop_virtual(loop, 5320000);
	loop_turn(loop, 0);
	assert_int_equal(ran, 2);
	assert_int_equal(at_ms, 5320);
	timer_start(loop, &timer, 20);
	timer_stop(&timer);
	loop_virtual(loop, 5400000);
	loop_turn(loop, 0);
	assert_int_equal(ran, 2);
}

static void dawdle(struct watch *w, unsigned what)
{
	char byte;

	(void)what;
	(void)!read(w->fd, &byte, 1);
	usleep(30000);
}

static void lateness_is_what_an_event_waits(void **state)
{
	struct watch w;
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	assert_true(watch_add(loop, &w, ends[0], dawdle));
	assert_int_equal(loop_lag_us(loop), 0);
	/* Our event comes in the same turn as the next one that dawdles. */
	for (unsigned i = 0; i < 4; i++) {
		usleep(40000);
		assert_int_equal(write(ends[1], "x", 1), 1);
		loop_turn(loop, 100);
	}
	assert_true(loop_lag_us(loop) >= 40000);
	for (unsigned i = 0; i < 3; i++)
		loop_turn(loop, 60);
	usleep(150000);
	loop_turn(loop, 0);
	loop_turn(loop, 0);
	assert_true(loop_lag_us(loop) < 30000);
	watch_remove(&w);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_edge_is_told_once, make, unmake),
		cmocka_unit_test_setup_teardown(a_removed_watch_gets_no_call_from_the_same_turn, make, unmake),
		cmocka_unit_test_setup_teardown(a_task_that_asks_again_runs_in_the_next_turn, make, unmake),
		cmocka_unit_test_setup_teardown(a_timer_moved_later_fires_once_at_the_later_time, make, unmake),
		cmocka_unit_test_setup_teardown(lateness_is_what_an_event_waits, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
