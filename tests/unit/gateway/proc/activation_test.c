/* activation_test.c -- sockets that are there when the process begins.
 *
 * They must be descriptors 3 and following: each test runs in a child that puts them there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/proc/activation.h"

enum { FIRST = 3 };

/* A TCP socket of 127.0.0.1 at a port of its own; its number in *port. */
static int socket_of(int type, bool listening, uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, type, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, len) < 0 || (listening && listen(fd, 8) < 0) ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		_exit(99);
	*port = ntohs(at.sin_port);
	return fd;
}

static void pass(const char *count)
{
	char pid[16];

	snprintf(pid, sizeof pid, "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", count, 1);
	setenv("LISTEN_FDNAMES", "https", 1);
}

/* Exit status of `body` in a process whose descriptors from 3 on are free. */
static int in_a_child(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		close_range(FIRST, ~0u, 0);
		/* Refusals are said on stderr; the test's reader need not see them. */
		if (!freopen("/dev/null", "w", stderr))
			_exit(98);
		_exit(body());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static struct addr loopback(void)
{
	struct addr a;

	return addr_parse(SLICE("127.0.0.1"), &a) ? a : (struct addr){0};
}

static int finds(void)
{
	struct addr a = loopback(), other;
	uint16_t port;
	int fd = socket_of(SOCK_STREAM, true, &port);

	pass("1");
	addr_parse(SLICE("127.0.0.2"), &other);
	if (fd != FIRST || !activation_open() || getenv("LISTEN_FDS") || getenv("LISTEN_PID") || getenv("LISTEN_FDNAMES"))
		return 1;
	if (activation_find(&a, (uint16_t)(port + 1)) != -1 || activation_find(&other, port) != -1)
		return 2;
	if (activation_find(&a, port) != fd || !(fcntl(fd, F_GETFL) & O_NONBLOCK) || !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
		return 3;
	return activation_end() && fcntl(fd, F_GETFD) < 0 ? 0 : 4;
}

static int is_of_another_process(void)
{
	uint16_t port;
	struct addr a = loopback();

	socket_of(SOCK_STREAM, true, &port);
	pass("1");
	setenv("LISTEN_PID", "1", 1);
	return activation_open() && activation_find(&a, port) == -1 && activation_end() && fcntl(FIRST, F_GETFD) >= 0 ? 0 : 1;
}

static int is_nobodys(void)
{
	uint16_t port;

	socket_of(SOCK_STREAM, true, &port);
	pass("1");
	return activation_open() && !activation_end() ? 0 : 1;
}

static int does_not_listen(void)
{
	uint16_t port;

	socket_of(SOCK_STREAM, false, &port);
	pass("1");
	return activation_open() ? 1 : 0;
}

static int is_a_datagram_socket(void)
{
	uint16_t port;

	socket_of(SOCK_DGRAM, false, &port);
	pass("1");
	return activation_open() ? 1 : 0;
}

static int is_missing(void)
{
	pass("1");
	return activation_open() ? 1 : 0;
}

static int are_too_many(void)
{
	pass("65");
	return activation_open() ? 1 : 0;
}

static void a_socket_is_found_by_its_address(void **state)
{
	(void)state;
	assert_int_equal(in_a_child(finds), 0);
}

static void sockets_of_another_process_are_left_alone(void **state)
{
	(void)state;
	assert_int_equal(in_a_child(is_of_another_process), 0);
}

static void what_nobody_would_accept_from_is_refused(void **state)
{
	static const struct { int (*body)(void); const char *says; } cases[] = {
		{is_nobodys, "a socket that no listener names"},
		{does_not_listen, "a socket that does not listen"},
		{is_a_datagram_socket, "a datagram socket"},
		{is_missing, "a descriptor that is not open"},
		{are_too_many, "more than can be taken"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (in_a_child(cases[i].body) != 0)
			fail_msg("%s is taken", cases[i].says);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_is_found_by_its_address),
		cmocka_unit_test(sockets_of_another_process_are_left_alone),
		cmocka_unit_test(what_nobody_would_accept_from_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
