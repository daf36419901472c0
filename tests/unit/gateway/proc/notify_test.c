/* notify_test.c -- what the service manager hears, on a socket of its kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/loop/loop.h"
#include "gateway/proc/notify.h"

static char path[64];
static int manager = -1;

/* A manager that listens at `path`, or at a name in the abstract name space. */
static void listen_at(char first)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	socklen_t len;

	snprintf(path, sizeof path, "/tmp/portcullis-notify-%d", (int)getpid());
	unlink(path);
	strncpy(at.sun_path, path, sizeof at.sun_path - 1);
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (first == '@') {
		at.sun_path[0] = 0;
		path[0] = '@';
	}
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_true(manager >= 0);
	assert_int_equal(bind(manager, (const struct sockaddr *)&at, len), 0);
	setenv("NOTIFY_SOCKET", path, 1);
}

static int leave(void **state)
{
	(void)state;
	if (manager >= 0)
		close(manager);
	manager = -1;
	if (path[0] == '/')
		unlink(path);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

/* The next message, "" if there is none. */
static const char *heard(void)
{
	static char message[1024];
	ssize_t n = recv(manager, message, sizeof message - 1, 0);

	message[n > 0 ? n : 0] = 0;
	return message;
}

static void it_says_ready_and_stopping(void **state)
{
	(void)state;
	listen_at('/');
	notify_open();
	notify_ready("%u workers serve", 2u);
	assert_string_equal(heard(), "READY=1\nSTATUS=2 workers serve");
	notify_stopping(30000);
	assert_string_equal(heard(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000\nSTATUS=stopping: requests in flight are let end");
	assert_string_equal(heard(), "");
}

static void an_abstract_name_is_a_socket_too(void **state)
{
	(void)state;
	listen_at('@');
	notify_open();
	notify_ready("serving");
	assert_string_equal(heard(), "READY=1\nSTATUS=serving");
}

/* The manager tells a reload from an older one by the time it began (sd_notify(3)). */
static void a_reload_carries_its_time(void **state)
{
	long long before = loop_clock_us(), said = 0;

	(void)state;
	listen_at('/');
	notify_open();
	notify_reloading();
	assert_int_equal(sscanf(heard(), "RELOADING=1\nMONOTONIC_USEC=%lld\n", &said), 1);
	assert_in_range(said, before, loop_clock_us());
}

static void a_status_cannot_add_a_line(void **state)
{
	(void)state;
	listen_at('/');
	notify_open();
	notify_ready("%s", "one\nMAINPID=1");
	assert_string_equal(heard(), "READY=1\nSTATUS=one");
}

static void a_sign_of_life_is_sent_three_times_in_the_managers_patience(void **state)
{
	(void)state;
	setenv("WATCHDOG_USEC", "3000000", 1);
	listen_at('/');
	notify_open();
	notify_alive(10000000);
	assert_string_equal(heard(), "WATCHDOG=1");
	notify_alive(10999999);
	assert_string_equal(heard(), "");
	notify_alive(11000000);
	assert_string_equal(heard(), "WATCHDOG=1");
}

static void nobody_is_told_who_does_not_ask(void **state)
{
	static const struct { const char *usec, *pid, *says; } cases[] = {
		{NULL, NULL, "no watchdog"},
		{"0", NULL, "a watchdog that is off"},
		{"3000000", "1", "the watchdog of another process"},
		{"3s", NULL, "no number"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (cases[i].usec)
			setenv("WATCHDOG_USEC", cases[i].usec, 1);
		if (cases[i].pid)
			setenv("WATCHDOG_PID", cases[i].pid, 1);
		listen_at('/');
		notify_open();
		notify_alive(INT64_C(1) << 40);
		if (*heard())
			fail_msg("%s: a sign of life was sent", cases[i].says);
		leave(state);
	}
}

static void children_do_not_find_the_manager(void **state)
{
	(void)state;
	setenv("WATCHDOG_USEC", "3000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	listen_at('/');
	notify_open();
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
}

static void a_manager_that_is_not_there_costs_nothing(void **state)
{
	static const char *const names[] = {NULL, "", "@", "relative", "vsock:2:1234", "/nowhere/at/all",
					    "/0123456789012345678901234567890123456789012345678901234567890123456789"
					    "0123456789012345678901234567890123456789"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (names[i])
			setenv("NOTIFY_SOCKET", names[i], 1);
		notify_open();
		notify_ready("serving");
		notify_stopping(1);
		assert_null(getenv("NOTIFY_SOCKET"));
	}
}

/* Its queue is full: what the supervisor does must go on. */
static void a_manager_that_does_not_read_is_not_waited_for(void **state)
{
	int64_t begin;

	(void)state;
	listen_at('/');
	notify_open();
	begin = loop_clock_us();
	for (int i = 0; i < 20; i++)
		notify_ready("message %d", i);
	assert_true(loop_clock_us() - begin < 20 * 400000);
	assert_string_equal(heard(), "READY=1\nSTATUS=message 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(it_says_ready_and_stopping, leave),
		cmocka_unit_test_teardown(an_abstract_name_is_a_socket_too, leave),
		cmocka_unit_test_teardown(a_reload_carries_its_time, leave),
		cmocka_unit_test_teardown(a_status_cannot_add_a_line, leave),
		cmocka_unit_test_teardown(a_sign_of_life_is_sent_three_times_in_the_managers_patience, leave),
		cmocka_unit_test_teardown(nobody_is_told_who_does_not_ask, leave),
		cmocka_unit_test_teardown(children_do_not_find_the_manager, leave),
		cmocka_unit_test_teardown(a_manager_that_is_not_there_costs_nothing, leave),
		cmocka_unit_test_teardown(a_manager_that_does_not_read_is_not_waited_for, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
