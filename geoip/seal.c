/* seal.c -- a private copy of a file that nobody can change or shorten any more.
 *
 * A mapped file that its owner truncates kills its reader with SIGBUS; a sealed
 * memory file cannot be truncated by anybody. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "geoip/geoip.h"

#define DATABASE_BYTES_MAX ((off_t)1 << 30)

static int open_regular(const char *path, off_t *size, struct fail *f, struct place by)
{
	/* O_NONBLOCK: a named pipe must not hold us up before we see what it is. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0) {
		fail_at(f, by, "cannot open \"%s\": %s", path, strerror(errno));
		return -1;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		fail_at(f, by, "\"%s\" is no regular file; name a database in MaxMind DB format", path);
	else if (st.st_size == 0)
		fail_at(f, by, "\"%s\" is empty; name a database in MaxMind DB format", path);
	else if (st.st_size > DATABASE_BYTES_MAX)
		fail_at(f, by, "\"%s\" is larger than 1 GiB; no such database is known", path);
	else {
		*size = st.st_size;
		return fd;
	}
	close(fd);
	return -1;
}

static bool write_all(int fd, const char *at, size_t n)
{
	while (n) {
		ssize_t w = write(fd, at, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return false;
		at += w;
		n -= (size_t)w;
	}
	return true;
}

/* Exactly `size` bytes: a file that shrinks or grows meanwhile is being written to. */
static bool copy(int from, int to, off_t size, const char *path, struct fail *f, struct place by)
{
	char block[65536];
	off_t done = 0;

	for (;;) {
		ssize_t r = read(from, block, sizeof block);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return fail_at(f, by, "cannot read \"%s\": %s", path, strerror(errno));
		done += r;
		if (r == 0 || done > size)
			break;
		if (!write_all(to, block, (size_t)r))
			return fail_at(f, by, "cannot copy \"%s\" into memory: %s", path, strerror(errno));
	}
	return done == size || fail_at(f, by, "\"%s\" changed while it was read; replace it by renaming a finished file over it", path);
}

int geoip_seal(const char *path, struct fail *f, struct place by)
{
	off_t size = 0;
	int from = open_regular(path, &size, f, by), to = -1;

	if (from < 0)
		return -1;
	to = memfd_create("geoip", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (to < 0)
		fail_at(f, by, "no memory file for \"%s\": %s", path, strerror(errno));
	else if (copy(from, to, size, path, f, by)) {
		if (fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0) {
			close(from);
			return to;
		}
		fail_at(f, by, "cannot seal the copy of \"%s\": %s", path, strerror(errno));
	}
	if (to >= 0)
		close(to);
	close(from);
	return -1;
}
