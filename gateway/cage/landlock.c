/* landlock.c -- no files, no ports, no signals and no abstract sockets of others, as far as the kernel has it.
 *
 * The numbers are the kernel's: headers of Debian 12 end at version 2. */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/cage/inside.h"

/* What can be refused, by the version that brought it. */
enum { V1_FILES = 13, V2_FILES = 14, V3_FILES = 15, V5_FILES = 16 };
enum { READ_FILE = 1 << 2, READ_DIR = 1 << 3 };
enum { BIND_TCP = 1 << 0, CONNECT_TCP = 1 << 1 };
enum { ABSTRACT_SOCKETS = 1 << 0, SIGNALS = 1 << 1 };
enum { VERSION_NET = 4, VERSION_SCOPE = 6 };
enum { CREATE_VERSION = 1, RULE_PATH_BENEATH = 1 };

/* A kernel of an older version takes the longer one if the rest is zero. */
struct ruleset {
	uint64_t files, net, scoped;
};

struct beneath {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

int cage_landlock_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	return version < 0 ? 0 : (int)version;
}

static struct ruleset refusals(const struct cage_row *row, int version)
{
	int files = version >= 5 ? V5_FILES : version >= 3 ? V3_FILES : version == 2 ? V2_FILES : V1_FILES;
	struct ruleset r = {.files = (UINT64_C(1) << files) - 1};

	if (version >= VERSION_NET)
		r.net = BIND_TCP | (row->connects ? 0 : CONNECT_TCP);
	/* The loader's resolver may be a daemon with such a socket. */
	if (version >= VERSION_SCOPE)
		r.scoped = SIGNALS | (row->files == CAGE_FILES_NONE ? ABSTRACT_SOCKETS : 0);
	return r;
}

static bool allow_reading(int ruleset)
{
	struct beneath all = {.allowed = READ_FILE | READ_DIR, .parent = open("/", O_PATH | O_CLOEXEC)};
	bool allowed = all.parent >= 0 && syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &all, 0) == 0;

	if (all.parent >= 0)
		close(all.parent);
	return allowed;
}

bool cage_landlock(const struct cage_row *row)
{
	int version = cage_landlock_version(), fd;
	struct ruleset r = refusals(row, version);
	bool closed;

	if (!version || row->files == CAGE_FILES_ALL)
		return true;
	fd = (int)syscall(SYS_landlock_create_ruleset, &r, sizeof r, 0);
	if (fd < 0)
		return false;
	closed = (row->files == CAGE_FILES_READ || cage_build.reads_files ? allow_reading(fd) : true) &&
		 syscall(SYS_landlock_restrict_self, fd, 0) == 0;
	close(fd);
	return closed;
}
