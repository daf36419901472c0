/* by_fd.c -- the open() that libmaxminddb calls in our programs.
 *
 * The library opens a database by name only, and where it is looked things up no
 * name can be opened.  "/proc/self/fd/N" therefore is another descriptor of N,
 * without the file system being asked; every other name goes to the kernel as it
 * is.  The linker prefers a program's own function to a library's. */
#undef _FORTIFY_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/base/text.h"
#include "geoip/inner.h"

#define BY_FD "/proc/self/fd/"

void geoip_name_fd(char out[GEOIP_NAME], int fd)
{
	snprintf(out, GEOIP_NAME, BY_FD "%d", fd);
}

int open(const char *path, int flags, ...)
{
	struct slice name = slice_of(path);
	mode_t mode = 0;
	uint64_t fd;
	va_list args;

	if (slice_starts(name, SLICE(BY_FD)) && text_uint(slice_after(name, sizeof BY_FD - 1), &fd) && fd < 1u << 20)
		return fcntl((int)fd, F_DUPFD_CLOEXEC, 0);
	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
