/* shed.c -- giving up: limits, capabilities, uid, the way to new privileges. */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/cage/inside.h"

enum { CAPABILITIES = 64 };

struct capabilities {
	uint64_t effective, permitted;
};

static bool read_own(struct capabilities *c)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct half[2];

	if (syscall(SYS_capget, &head, half) < 0)
		return false;
	c->effective = half[0].effective | (uint64_t)half[1].effective << 32;
	c->permitted = half[0].permitted | (uint64_t)half[1].permitted << 32;
	return true;
}

/* Nothing is inheritable: what a program we execute has, it has by the bounding set. */
static bool write_own(uint64_t bits)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct half[2] = {
		{.effective = (uint32_t)bits, .permitted = (uint32_t)bits},
		{.effective = (uint32_t)(bits >> 32), .permitted = (uint32_t)(bits >> 32)}};

	return syscall(SYS_capset, &head, half) == 0;
}

/* The bounding set, while we still may; who never could is held by no_new_privs alone. */
static bool narrow_bounds(uint64_t keeps)
{
	struct capabilities own;

	if (!read_own(&own))
		return false;
	if (!(own.effective & UINT64_C(1) << CAP_SETPCAP))
		return true;
	for (int i = 0; i < CAPABILITIES; i++)
		if (!(keeps & UINT64_C(1) << i) && prctl(PR_CAPBSET_READ, i, 0, 0, 0) > 0 &&
		    prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			return false;
	return true;
}

static bool become(uid_t uid)
{
	gid_t gid = (gid_t)uid;

	return setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0;
}

static bool keep_only(uint64_t keeps)
{
	struct capabilities own;

	/* A kernel without ambient capabilities has none to clear. */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return read_own(&own) && write_own(own.permitted & keeps);
}

bool cage_shed(const struct cage_row *row, uid_t uid)
{
	struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) < 0 || !narrow_bounds(row->keeps))
		return false;
	if (row->own_uid && uid && geteuid() == 0 && !become(uid))
		return false;
	if (!row->forks && !cage_build.forks && setrlimit(RLIMIT_NPROC, &none) < 0)
		return false;
	/* A change of uid clears the last two. */
	return keep_only(row->keeps) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
	       (!row->death_signal || prctl(PR_SET_PDEATHSIG, row->death_signal, 0, 0, 0) == 0);
}

bool cage_shed_holds(const struct cage_row *row)
{
	struct capabilities own;

	return read_own(&own) && !((own.effective | own.permitted) & ~row->keeps);
}
