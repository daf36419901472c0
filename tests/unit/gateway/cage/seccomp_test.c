/* seccomp_test.c -- inside a cage, work goes on: ours, and the C library's when something is wrong. */
#include "bed.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

/* ---- What every role goes on doing ---- */

static int abort_there(const void *role)
{
	if (!cage_close(*(const enum cage_role *)role, NOBODY))
		return 1;
	signal(SIGABRT, SIG_DFL);
	abort();
}

static void abort_ends_with_its_own_signal(void **state)
{
	static const enum cage_role roles[] = {CAGE_LOADER, CAGE_LOGGER, CAGE_WORKER, CAGE_ZYGOTE, CAGE_INSPECTOR, CAGE_ADMIN};

	(void)state;
	for (unsigned i = 0; i < ROWS(roles); i++)
		assert_int_equal(in_child(abort_there, &roles[i]), 1000 + SIGABRT);
}

static int live_there(const void *role)
{
	struct timespec t = {0, 1000};
	char some[16];
	volatile char *big;
	time_t now = time(NULL);
	struct tm local;

	if (!cage_close(*(const enum cage_role *)role, NOBODY))
		return 1;
	big = malloc(64 << 20);
	if (!big)
		return 2;
	big[63 << 20] = 1;
	free((void *)(uintptr_t)big);
	if (getrandom(some, sizeof some, 0) != sizeof some || nanosleep(&t, NULL) < 0 || !localtime_r(&now, &local))
		return 3;
	return fprintf(stderr, "%s", "") < 0 ? 4 : 0;
}

static void memory_time_and_randomness_are_there(void **state)
{
	(void)state;
	for (enum cage_role role = 0; role < CAGE_ROLES; role++)
		assert_int_equal(in_child(live_there, &role), 0);
}

/* ---- What some need ---- */

static int worker_works(const void *with)
{
	struct epoll_event e = {.events = EPOLLIN};
	struct stat st;
	int file, epoll, stream;

	(void)with;
	if (!cage_close(CAGE_WORKER, NOBODY))
		return 1;
	file = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (write(file, "abc", 3) != 3 || fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) < 0 || fstat(file, &st) < 0 || st.st_size != 3)
		return 2;
	stream = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (stream < 0 && errno != EAFNOSUPPORT)
		return 3;
	stream = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (stream < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, stream, &e) < 0)
		return 4;
	/* Through, and refused by the socket, not by the cage. */
	return accept4(stream, NULL, NULL, 0) < 0 && errno == EINVAL ? 0 : 5;
}

static void a_worker_spools_connects_and_accepts(void **state)
{
	(void)state;
	assert_int_equal(in_child(worker_works, NULL), 0);
}

static int inspector_of_zygote(void)
{
	struct rusage usage;

	if (!cage_close(CAGE_INSPECTOR, 0))
		_exit(1);
	_exit(getrusage(RUSAGE_SELF, &usage) == 0 && fork() < 0 ? 0 : 2);
}

static int zygote_works(const void *with)
{
	int status;
	pid_t pid;

	(void)with;
	if (!cage_close(CAGE_ZYGOTE, NOBODY))
		return 1;
	pid = fork();
	if (pid == 0)
		inspector_of_zygote();
	/* Under a sanitizer an inspector may fork. */
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || (WEXITSTATUS(status) && !cage_build.forks))
		return 2;
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	return kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) ? 0 : 3;
}

static void a_zygote_forks_caged_inspectors_and_ends_them(void **state)
{
	(void)state;
	assert_int_equal(in_child(zygote_works, NULL), 0);
}

/* ---- What holds for good ---- */

static int load_another(const void *role)
{
	if (!cage_close(*(const enum cage_role *)role, NOBODY))
		return 1;
	errno = 0;
	return syscall(SYS_seccomp, 1, 0, NULL) < 0 && errno == EPERM ? 0 : 2;
}

static void no_further_filter_can_be_loaded_but_by_who_forks(void **state)
{
	static const enum cage_role roles[] = {CAGE_LOADER, CAGE_LOGGER, CAGE_WORKER, CAGE_INSPECTOR, CAGE_ADMIN};

	(void)state;
	for (unsigned i = 0; i < ROWS(roles); i++)
		assert_int_equal(in_child(load_another, &roles[i]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(abort_ends_with_its_own_signal),
		cmocka_unit_test(memory_time_and_randomness_are_there),
		cmocka_unit_test(a_worker_spools_connects_and_accepts),
		cmocka_unit_test(a_zygote_forks_caged_inspectors_and_ends_them),
		cmocka_unit_test(no_further_filter_can_be_loaded_but_by_who_forks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
