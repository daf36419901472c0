/* Questions are answered in order, late ones in time, and a lost server costs nobody a wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/redis/redis_server.h"

enum { DEADLINE_MS = 20, SLACK_MS = 40 /* of a busy machine */, MANY = 2000 };

static struct redis_server server;
static struct loop *loop;
static struct redis *client;

static int start(void **state)
{
	struct redis_plan plan;

	(void)state;
	server = (struct redis_server){0};
	if (!redis_server_start(&server))
		return -1;
	loop = loop_new();
	plan = plan_for(server.port, DEADLINE_MS);
	client = redis_new(loop, &plan);
	return client && turn_until_ready(loop, client, true, 5000) ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	redis_free(client);
	loop_free(loop);
	redis_server_kill(&server);
	return 0;
}

static void every_kind_of_reply_arrives(void **state)
{
	static const struct {
		const char *command;
		enum redis_kind kind;
		const char *text;
		int64_t integer;
	} cases[] = {
		{"SET a 1", REDIS_STATUS, "OK", 0},
		{"INCR a", REDIS_INT, "", 2},
		{"GET a", REDIS_STRING, "2", 0},
		{"GET none", REDIS_NIL, "", 0},
		{"MGET a none a", REDIS_ARRAY, "", 0},
		{"LPUSH a x", REDIS_ERROR, "WRONGTYPE Operation against a key holding the wrong kind of value", 0},
		{"NOSUCH", REDIS_ERROR, "ERR unknown command 'NOSUCH', with args beginning with: ", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct asked a;

		assert_true(ask(client, &a, cases[i].command));
		assert_int_equal(a.told, 0);
		assert_true(turn_until_told(loop, &a, 1000));
		assert_int_equal(a.how, REDIS_ANSWERED);
		assert_int_equal(a.kind, cases[i].kind);
		assert_string_equal(a.text, cases[i].text);
		assert_int_equal(a.integer, cases[i].integer);
		assert_int_equal(a.n, cases[i].kind == REDIS_ARRAY ? 3 : 0);
	}
}

static void arguments_are_bytes_not_text(void **state)
{
	static const char odd[] = "a\r\nDEL x\r\n\0{}$5";
	const struct slice set[] = {SLICE("SET"), {odd, sizeof odd}, {odd, sizeof odd}};
	const struct slice get[] = {SLICE("GET"), {odd, sizeof odd}};
	const struct slice size[] = {SLICE("DBSIZE")};
	struct asked a[3] = {0};

	(void)state;
	for (int i = 0; i < 3; i++)
		a[i].q = (struct redis_ask){.answered = keep_answer, .owner = &a[i]};
	assert_true(redis_ask(client, &a[0].q, set, 3));
	assert_true(redis_ask(client, &a[1].q, get, 2));
	assert_true(redis_ask(client, &a[2].q, size, 1));
	assert_true(turn_until_told(loop, &a[2], 1000));
	assert_int_equal(a[1].kind, REDIS_STRING);
	assert_memory_equal(a[1].text, "a\r\nDEL x\r\n", 11);
	assert_int_equal(a[2].integer, 1);
}

static void questions_of_one_turn_are_answered_in_their_order(void **state)
{
	static struct asked a[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++)
		assert_true(ask(client, &a[i], "INCR n"));
	assert_true(turn_until_told(loop, &a[MANY - 1], 1000));
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(a[i].told, 1);
		assert_int_equal(a[i].integer, i + 1);
	}
}

static void a_forgotten_question_keeps_its_place(void **state)
{
	struct asked a[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(ask(client, &a[i], "INCR n"));
	redis_forget(&a[1].q);
	redis_forget(&a[1].q);
	assert_true(turn_until_told(loop, &a[2], 1000));
	assert_int_equal(a[0].integer, 1);
	assert_int_equal(a[1].told, 0);
	assert_int_equal(a[2].integer, 3);
}

static void the_pipeline_is_bounded(void **state)
{
	static struct asked a[20000];
	int n = 0;

	(void)state;
	kill(server.pid, SIGSTOP);
	while (n < 20000 && ask(client, &a[n], "PING"))
		n++;
	assert_int_equal(n, 8192);
	assert_false(redis_ready(client));
	kill(server.pid, SIGCONT);
	assert_true(turn_until_told(loop, &a[n - 1], 1000));
}

static void a_command_that_is_too_large_leaves_nothing_behind(void **state)
{
	static char large[70000];
	const struct slice argv[] = {SLICE("SET"), SLICE("k"), {large, sizeof large}};
	struct asked a = {.q = {.answered = keep_answer, .owner = &a}}, b;

	(void)state;
	assert_false(redis_ask(client, &a.q, argv, 3));
	assert_true(ask(client, &b, "GET k"));
	assert_true(turn_until_told(loop, &b, 1000));
	assert_int_equal(b.kind, REDIS_NIL);
	assert_int_equal(a.told, 0);
}

static void a_stopped_server_costs_one_deadline_and_then_nothing(void **state)
{
	struct asked first, second;
	int64_t began = loop_clock_us();

	(void)state;
	kill(server.pid, SIGSTOP);
	loop_turn(loop, 0);
	assert_true(ask(client, &first, "INCR n"));
	assert_true(turn_until_told(loop, &first, 1000));
	assert_int_equal(first.how, REDIS_LATE);
	assert_in_range(first.took_us, (DEADLINE_MS - 1) * 1000, (DEADLINE_MS + SLACK_MS) * 1000);
	/* Silence opens the breaker, without any further question. */
	assert_true(turn_until_ready(loop, client, false, 1000));
	assert_in_range(loop_clock_us() - began, 0, (DEADLINE_MS + 80 + SLACK_MS) * 1000);
	assert_false(ask(client, &second, "INCR n"));
	kill(server.pid, SIGCONT);
	assert_true(turn_until_ready(loop, client, true, 2500));
	assert_true(ask(client, &second, "PING"));
	assert_true(turn_until_told(loop, &second, 1000));
	assert_string_equal(second.text, "PONG");
	assert_int_equal(first.told, 1);
}

static void all_that_are_in_flight_are_late_in_time(void **state)
{
	struct asked a[5], none;

	(void)state;
	kill(server.pid, SIGSTOP);
	loop_turn(loop, 0);
	for (int i = 0; i < 5; i++)
		assert_true(ask(client, &a[i], "INCR n"));
	assert_true(turn_until_told(loop, &a[4], 1000));
	/* Nobody else waits: the next would be late too. */
	assert_false(redis_ready(client));
	assert_false(ask(client, &none, "INCR n"));
	for (int i = 0; i < 5; i++) {
		assert_int_equal(a[i].how, REDIS_LATE);
		assert_in_range(a[i].took_us, (DEADLINE_MS - 1) * 1000, (DEADLINE_MS + SLACK_MS) * 1000);
	}
	/* A short stop ends with the connection as it was. */
	kill(server.pid, SIGCONT);
	assert_true(turn_until_ready(loop, client, true, 20));
	assert_true(ask(client, &none, "INCR n"));
	assert_true(turn_until_told(loop, &none, 1000));
	assert_int_equal(none.integer, 6);
}

static void a_late_reply_is_thrown_away_and_the_order_stays(void **state)
{
	struct asked late, next;

	(void)state;
	kill(server.pid, SIGSTOP);
	loop_turn(loop, 0);
	assert_true(ask(client, &late, "INCR n"));
	assert_true(turn_until_told(loop, &late, 1000));
	kill(server.pid, SIGCONT);
	assert_true(turn_until_ready(loop, client, true, 1000));
	assert_true(ask(client, &next, "INCR n"));
	assert_true(turn_until_told(loop, &next, 1000));
	assert_int_equal(late.how, REDIS_LATE);
	assert_int_equal(late.told, 1);
	assert_int_equal(next.how, REDIS_ANSWERED);
	assert_int_equal(next.integer, 2);
	assert_true(redis_ready(client));
}

static void a_forgotten_question_still_counts_as_late(void **state)
{
	struct asked a[3];

	(void)state;
	kill(server.pid, SIGSTOP);
	loop_turn(loop, 0);
	for (int i = 0; i < 3; i++) {
		assert_true(ask(client, &a[i], "INCR n"));
		redis_forget(&a[i].q);
	}
	assert_true(turn_until_ready(loop, client, false, DEADLINE_MS + SLACK_MS));
	kill(server.pid, SIGCONT);
	for (int i = 0; i < 3; i++)
		assert_int_equal(a[i].told, 0);
}

static void an_idle_client_notices_a_stopped_server_by_itself(void **state)
{
	(void)state;
	kill(server.pid, SIGSTOP);
	assert_true(turn_until_ready(loop, client, false, 1000 + DEADLINE_MS + 80 + SLACK_MS));
	kill(server.pid, SIGCONT);
	assert_true(turn_until_ready(loop, client, true, 2500));
}

static void an_idle_client_stays_connected(void **state)
{
	int64_t end = loop_clock_us() + 2300000;

	(void)state;
	while (loop_clock_us() < end) {
		loop_turn(loop, 100);
		assert_true(redis_ready(client));
	}
}

static void a_killed_server_is_lost_at_once_and_found_again(void **state)
{
	struct asked a, none;

	(void)state;
	kill(server.pid, SIGSTOP);
	loop_turn(loop, 0);
	assert_true(ask(client, &a, "INCR n"));
	loop_turn(loop, 0);
	a.at_us = loop_clock_us();
	redis_server_kill(&server);
	assert_true(turn_until_told(loop, &a, 1000));
	assert_int_equal(a.how, REDIS_LOST);
	assert_in_range(a.took_us, 0, 15000);
	assert_false(ask(client, &none, "PING"));
	/* Down for long enough that the back-off has grown. */
	assert_false(turn_until_ready(loop, client, true, 1500));
	assert_true(redis_server_start(&server));
	assert_true(turn_until_ready(loop, client, true, 2500));
}

static void freeing_the_client_tells_what_is_pending(void **state)
{
	struct redis_plan plan = plan_for(server.port, DEADLINE_MS);
	struct budget budget = {0};
	struct redis *other;
	struct asked a;

	(void)state;
	plan.budget = &budget;
	plan.user = SLICE("default");
	other = redis_new(loop, &plan);
	assert_true(turn_until_ready(loop, other, true, 1000));
	assert_true(ask(other, &a, "PING"));
	redis_free(other);
	assert_int_equal(a.told, 1);
	assert_int_equal(a.how, REDIS_LOST);
	redis_forget(&a.q);
	assert_int_equal(budget.used, 0);
}

static void a_client_needs_all_its_memory_or_takes_none(void **state)
{
	struct redis_plan plan = plan_for(server.port, DEADLINE_MS);
	struct budget budget = {0};

	(void)state;
	plan.budget = &budget;
	plan.user = SLICE("u");
	plan.password = SLICE("p");
	for (unsigned long at = 1; at <= 4; at++) {
		mem_fail_at(at);
		assert_null(redis_new(loop, &plan));
		assert_int_equal(budget.used, 0);
	}
	mem_fail_at(0);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(every_kind_of_reply_arrives),
		WITH_SERVER(arguments_are_bytes_not_text),
		WITH_SERVER(questions_of_one_turn_are_answered_in_their_order),
		WITH_SERVER(a_forgotten_question_keeps_its_place),
		WITH_SERVER(the_pipeline_is_bounded),
		WITH_SERVER(a_command_that_is_too_large_leaves_nothing_behind),
		WITH_SERVER(a_stopped_server_costs_one_deadline_and_then_nothing),
		WITH_SERVER(all_that_are_in_flight_are_late_in_time),
		WITH_SERVER(a_late_reply_is_thrown_away_and_the_order_stays),
		WITH_SERVER(a_forgotten_question_still_counts_as_late),
		WITH_SERVER(an_idle_client_notices_a_stopped_server_by_itself),
		WITH_SERVER(an_idle_client_stays_connected),
		WITH_SERVER(a_killed_server_is_lost_at_once_and_found_again),
		WITH_SERVER(freeing_the_client_tells_what_is_pending),
		WITH_SERVER(a_client_needs_all_its_memory_or_takes_none),
	};

	if (access("/usr/bin/redis-server", X_OK) != 0)
		return TEST_SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
