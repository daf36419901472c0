/* Greeting, and servers that are wrong, unfit or hostile: each is dropped and come back to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/redis/redis_server.h"

enum { DEADLINE_MS = 20, MOST_MEMORY = 1 << 20 };

/* ---- A server of our own: greets well, then answers the first question with anything ---- */

struct play {
	const char *greeting; /* to the PING; NULL: silence */
	const char *head, *unit; /* then to a question: head, and units up to size */
	size_t size;
	bool close; /* at once after accepting */
	int slow_ms; /* before each answer to a question, for ever */
};

static bool read_until(int fd, const char *end)
{
	char seen[4096];
	size_t n = 0;

	while (n < sizeof seen - 1) {
		ssize_t got = recv(fd, seen + n, sizeof seen - 1 - n, 0);

		if (got <= 0)
			return false;
		n += (size_t)got;
		seen[n] = 0;
		if (strstr(seen, end))
			return true;
	}
	return false;
}

static void send_flood(int fd, const struct play *play)
{
	size_t len = strlen(play->unit ? play->unit : ""), done = 0;
	char block[8192];

	if (send(fd, play->head, strlen(play->head), MSG_NOSIGNAL) < 0 || !len)
		return;
	for (size_t i = 0; i < sizeof block; i++)
		block[i] = play->unit[i % len];
	while (done < play->size) {
		size_t most = sizeof block - sizeof block % len;
		ssize_t n = send(fd, block, play->size - done < most ? play->size - done : most, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		done += (size_t)n;
	}
}

static void serve(int listener, const struct play *play)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0 && !play->close && read_until(fd, "PING\r\n") && play->greeting) {
			send(fd, play->greeting, strlen(play->greeting), MSG_NOSIGNAL);
			while (play->head && read_until(fd, "INCR")) {
				usleep((useconds_t)play->slow_ms * 1000);
				send_flood(fd, play);
				if (!play->slow_ms)
					break;
			}
		}
		if (fd >= 0 && !play->close)
			read_until(fd, "never said");
		close(fd);
	}
}

static pid_t serve_apart(const struct play *play, uint16_t *port)
{
	int listener;
	pid_t pid;

	*port = 0;
	listener = listen_on(port);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(listener, play);
	}
	close(listener);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static const struct {
	const char *head, *unit;
	size_t size;
	const char *says;
} hostile[] = {
	{"*1073741824\r\n", NULL, 0, "an array that would reserve gigabytes"},
	{"*-5\r\n", NULL, 0, "a negative array"},
	{"", "*1\r\n", 40000, "ten thousand levels"},
	{"$1073741824\r\n", "x", 16 << 20, "a string of a gigabyte"},
	{"+", "y", 16 << 20, "a line without an end"},
	{"HTTP/1.1 200 OK\r\n\r\n", NULL, 0, "another protocol"},
	{">3\r\n+message\r\n+a\r\n+b\r\n", NULL, 0, "a push"},
	{":1\r\n:2\r\n", NULL, 0, "an answer that was not asked for"},
	{"", ":1\r\n", 8 << 20, "a million answers that were not asked for"},
	{"\r\n\r\n", NULL, 0, "empty lines"},
	{"\x16\x03\x01\x02", NULL, 0, "a TLS record"},
};

static void hostile_answers_drop_the_connection_within_bounded_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
		struct play play = {"+PONG\r\n", hostile[i].head, hostile[i].unit, hostile[i].size, false, 0};
		struct budget budget = {.limit = MOST_MEMORY};
		struct loop *l = loop_new();
		struct redis_plan plan;
		struct redis *r;
		struct asked a;
		uint16_t port;
		pid_t pid = serve_apart(&play, &port);

		plan = plan_for(port, 200);
		plan.budget = &budget;
		r = redis_new(l, &plan);
		assert_true(turn_until_ready(l, r, true, 3000));
		assert_true(ask(r, &a, "INCR n"));
		assert_true(turn_until_told(l, &a, 3000));
		if (a.how != REDIS_LOST && hostile[i].head[0] != ':' && (!hostile[i].unit || hostile[i].unit[0] != ':'))
			fail_msg("%s: told %d", hostile[i].says, a.how);
		/* The unasked second answer may come a moment later. */
		if (!turn_until_ready(l, r, false, 1000))
			fail_msg("%s: still trusted", hostile[i].says);
		assert_true(turn_until_ready(l, r, true, 3000));
		assert_true(budget.peak < MOST_MEMORY);
		redis_free(r);
		assert_int_equal(budget.used, 0);
		loop_free(l);
		end(pid);
	}
}

static const struct {
	const char *answer, *says;
	bool drops;
} errors[] = {
	{"-LOADING Redis is loading the dataset in memory\r\n", "LOADING", true},
	{"-READONLY You can't write against a read only replica.\r\n", "READONLY", true},
	{"-MASTERDOWN Link with MASTER is down\r\n", "MASTERDOWN", true},
	{"-NOAUTH Authentication required.\r\n", "NOAUTH", true},
	{"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "OOM", false},
	{"-BUSY Redis is busy running a script.\r\n", "BUSY", false},
	{"-NOSCRIPT No matching script.\r\n", "NOSCRIPT", false},
	{"-MOVED 1 127.0.0.1:1\r\n", "MOVED", false},
};

static void an_error_is_an_answer_and_an_unfit_server_is_left(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
		struct play play = {.greeting = "+PONG\r\n", .head = errors[i].answer};
		struct loop *l = loop_new();
		struct redis_plan plan;
		struct redis *r;
		struct asked a;
		uint16_t port;
		pid_t pid = serve_apart(&play, &port);

		plan = plan_for(port, 200);
		r = redis_new(l, &plan);
		assert_true(turn_until_ready(l, r, true, 3000));
		assert_true(ask(r, &a, "INCR n"));
		assert_true(turn_until_told(l, &a, 3000));
		assert_int_equal(a.how, REDIS_ANSWERED);
		assert_int_equal(a.kind, REDIS_ERROR);
		assert_memory_equal(a.text, errors[i].answer + 1, strlen(errors[i].says));
		assert_int_equal(redis_ready(r), !errors[i].drops);
		redis_free(r);
		loop_free(l);
		end(pid);
	}
}

static void three_late_answers_in_a_row_open_the_breaker(void **state)
{
	struct play play = {.greeting = "+PONG\r\n", .head = ":1\r\n", .slow_ms = 40};
	struct loop *l = loop_new();
	struct redis_plan plan;
	struct redis *r;
	uint16_t port;
	pid_t pid = serve_apart(&play, &port);

	(void)state;
	plan = plan_for(port, DEADLINE_MS);
	r = redis_new(l, &plan);
	for (int i = 0; i < 3; i++) {
		struct asked a;

		/* Reading the late answer is enough to go on; coming again takes longer. */
		assert_true(turn_until_ready(l, r, true, i ? 23 + 15 : 3000));
		assert_true(ask(r, &a, "INCR n"));
		assert_true(turn_until_told(l, &a, 1000));
		assert_int_equal(a.how, REDIS_LATE);
	}
	assert_false(turn_until_ready(l, r, true, 24));
	redis_free(r);
	loop_free(l);
	end(pid);
}

static const struct {
	struct play play;
	const char *says;
} never_ready[] = {
	{{.greeting = NULL}, "one that accepts and says nothing"},
	{{.greeting = "-LOADING wait\r\n"}, "one that is loading"},
	{{.greeting = "-MASTERDOWN wait\r\n"}, "a replica without its master"},
	{{.greeting = "+PONG"}, "one that stops in the middle of a word"},
	{{.greeting = "*1073741824\r\n"}, "one that is hostile from the start"},
	{{.greeting = "+PONG\r\n+PONG\r\n"}, "one that says more than it was asked"},
	{{.close = true}, "one that hangs up"},
};

static void a_server_that_does_not_greet_well_is_never_asked(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof never_ready / sizeof *never_ready; i++) {
		struct loop *l = loop_new();
		struct redis_plan plan;
		struct redis *r;
		struct asked a;
		uint16_t port;
		pid_t pid = serve_apart(&never_ready[i].play, &port);

		plan = plan_for(port, DEADLINE_MS);
		r = redis_new(l, &plan);
		assert_false(ask(r, &a, "INCR n"));
		if (turn_until_ready(l, r, true, 250))
			fail_msg("%s is trusted", never_ready[i].says);
		redis_free(r);
		loop_free(l);
		end(pid);
	}
}

static void coming_again_backs_off(void **state)
{
	uint16_t port = 0;
	int listener = listen_on(&port), came = 0;
	struct redis_plan plan = plan_for(port, DEADLINE_MS);
	struct loop *l = loop_new();
	struct redis *r = redis_new(l, &plan);
	int64_t end_us = loop_clock_us() + 2000000;

	(void)state;
	fcntl(listener, F_SETFL, O_NONBLOCK);
	while (loop_clock_us() < end_us) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0) {
			came++;
			close(fd);
		}
		loop_turn(l, 5);
	}
	/* 50, 100, 200, 400, 800, 1600 ms, each at least halved by chance at most. */
	assert_in_range(came, 4, 8);
	redis_free(r);
	loop_free(l);
	close(listener);
}

/* ---- Greeting a real server ---- */

static const struct {
	const char *user, *password;
	bool passes;
	const char *says;
} logins[] = {
	{"", "sesame", true, "the password alone"},
	{"default", "sesame", true, "user and password"},
	{"", "wrong", false, "another password"},
	{"nobody", "sesame", false, "another user"},
	{"", "", false, "no password"},
};

static void only_who_is_let_in_is_ready(void **state)
{
	struct redis_server server = {.password = "sesame"};

	(void)state;
	assert_true(redis_server_start(&server));
	for (size_t i = 0; i < sizeof logins / sizeof *logins; i++) {
		struct loop *l = loop_new();
		struct redis_plan plan = plan_for(server.port, DEADLINE_MS);
		struct redis *r;

		plan.user = slice_of(logins[i].user);
		plan.password = slice_of(logins[i].password);
		r = redis_new(l, &plan);
		if (turn_until_ready(l, r, true, logins[i].passes ? 2000 : 200) != logins[i].passes)
			fail_msg("%s", logins[i].says);
		redis_free(r);
		loop_free(l);
	}
	redis_server_kill(&server);
}

static void the_database_is_the_one_of_the_plan(void **state)
{
	struct redis_server server = {0};
	struct loop *l = loop_new();
	struct redis_plan plan;
	struct redis *r[2];
	struct asked a;

	(void)state;
	assert_true(redis_server_start(&server));
	plan = plan_for(server.port, DEADLINE_MS);
	r[0] = redis_new(l, &plan);
	plan.database = 3;
	r[1] = redis_new(l, &plan);
	assert_true(turn_until_ready(l, r[0], true, 2000) && turn_until_ready(l, r[1], true, 2000));
	assert_true(ask(r[1], &a, "SET k v"));
	assert_true(turn_until_told(l, &a, 1000));
	assert_true(ask(r[0], &a, "GET k"));
	assert_true(turn_until_told(l, &a, 1000));
	assert_int_equal(a.kind, REDIS_NIL);
	redis_free(r[0]);
	redis_free(r[1]);
	plan.database = 9999;
	r[0] = redis_new(l, &plan);
	assert_false(turn_until_ready(l, r[0], true, 200));
	redis_free(r[0]);
	loop_free(l);
	redis_server_kill(&server);
}

static void greetings_come_first_on_every_connection(void **state)
{
	const struct slice greeting[] = {SLICE("INCR"), SLICE("greeted")};
	const struct slice refused[] = {SLICE("NOSUCH")};
	struct redis_server server = {0};
	struct loop *l = loop_new();
	struct redis_plan plan;
	struct redis *r;
	struct asked a;

	(void)state;
	assert_true(redis_server_start(&server));
	plan = plan_for(server.port, DEADLINE_MS);
	r = redis_new(l, &plan);
	assert_true(redis_greet(r, greeting, 2));
	assert_true(redis_greet(r, refused, 1));
	for (int life = 0; life < 2; life++) {
		assert_true(turn_until_ready(l, r, true, 2500));
		assert_true(ask(r, &a, "GET greeted"));
		assert_true(turn_until_told(l, &a, 1000));
		assert_string_equal(a.text, "1");
		redis_server_kill(&server);
		assert_true(turn_until_ready(l, r, false, 1000));
		if (!life)
			assert_true(redis_server_start(&server));
	}
	/* One that comes late is sent at once. */
	assert_true(redis_server_start(&server));
	assert_true(turn_until_ready(l, r, true, 2500));
	assert_true(redis_greet(r, greeting, 2));
	assert_true(ask(r, &a, "GET greeted"));
	assert_true(turn_until_told(l, &a, 1000));
	assert_string_equal(a.text, "2");
	assert_true(redis_greet(r, greeting, 2));
	assert_false(redis_greet(r, greeting, 2));
	redis_free(r);
	loop_free(l);
	redis_server_kill(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_answers_drop_the_connection_within_bounded_memory),
		cmocka_unit_test(an_error_is_an_answer_and_an_unfit_server_is_left),
		cmocka_unit_test(three_late_answers_in_a_row_open_the_breaker),
		cmocka_unit_test(a_server_that_does_not_greet_well_is_never_asked),
		cmocka_unit_test(coming_again_backs_off),
		cmocka_unit_test(only_who_is_let_in_is_ready),
		cmocka_unit_test(the_database_is_the_one_of_the_plan),
		cmocka_unit_test(greetings_come_first_on_every_connection),
	};

	if (access("/usr/bin/redis-server", X_OK) != 0)
		return TEST_SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
