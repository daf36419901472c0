/* spawn.c -- starting a role. */
#include "gateway/proc/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

/* In the child: first out of the way of the numbers that are wanted, then into place. */
static bool place(const int *fds, unsigned n)
{
	int high[SPAWN_MOST];

	for (unsigned i = 0; i < n; i++) {
		high[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD, SPAWN_FIRST + (int)n);
		if (fds[i] >= 0 && high[i] < 0)
			return false;
	}
	for (unsigned i = 0; i < n; i++) {
		int to = SPAWN_FIRST + (int)i;

		if (high[i] < 0)
			close(to);
		else if (dup2(high[i], to) < 0)
			return false;
	}
	return close_range(SPAWN_FIRST + n, ~0u, 0) == 0;
}

pid_t spawn(const char *program, const char *const *argv, const int *fds, unsigned fds_n)
{
	pid_t parent = getpid(), pid;
	sigset_t none;

	if (fds_n > SPAWN_MOST)
		return -1;
	pid = fork();
	if (pid != 0)
		return pid;
	/* Until the role has its own arrangement, it must not outlive us. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (place(fds, fds_n))
		execve(program, (char *const *)(uintptr_t)argv, environ);
	fprintf(stderr, "portcullis: cannot start %s: %m\n", program);
	_exit(127);
}

void spawn_more_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}
