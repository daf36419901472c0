/* bed.h -- a cage is for good: each is closed in a process of its own. */
#ifndef PORTCULLIS_TESTS_CAGE_BED_H
#define PORTCULLIS_TESTS_CAGE_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/cage/inside.h"

#define ROWS(table) (sizeof(table) / sizeof *(table))

enum { NOBODY = 58100 };

/* How a child ended that did this: its exit status, or 1000 and the signal that ended it. */
static inline int in_child(int (*does)(const void *), const void *with)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(does(with));
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

#endif
