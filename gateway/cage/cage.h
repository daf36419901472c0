/* cage.h -- what a role may still do, once it is ready to meet strangers' bytes.
 *
 * One table (roles.c) has a row per role: capabilities, files, network, the
 * system calls of its steady work.  A role makes itself ready, with files and
 * names and keys, and then closes its cage from inside, for good:
 *
 *   its own uid, no capabilities, no_new_privs, no core, not dumpable, no
 *   processes if it needs none, gone with its parent; Landlock, as far as the
 *   kernel has it; a seccomp list of allowed calls; and the proof: a table of
 *   forbidden calls is tried, and a cage that lets one through is none.
 *
 * A refused call answers EPERM, or ENOSYS where callers know another way.
 * exec, ptrace, mount and their kin end the process.  A cage holds for whom
 * the role starts, too: theirs can only be narrower. */
#ifndef PORTCULLIS_CAGE_CAGE_H
#define PORTCULLIS_CAGE_CAGE_H

#include <stdbool.h>
#include <sys/types.h>

enum cage_role {
	CAGE_SUPERVISOR, CAGE_LOADER, CAGE_LOGGER, CAGE_WORKER, CAGE_ZYGOTE, CAGE_INSPECTOR, CAGE_ADMIN, CAGE_ROLES
};

/* First thing in a role's process: notes in the log's role part when there will be no cage. */
void cage_begin(void);
/* Close it.  Started as root, a role with a uid of its own becomes `uid` and the group of that number.
 * False after a line in the log that says what is wrong and what to do; then the role must not serve. */
bool cage_close(enum cage_role role, uid_t uid);

/* For development: this process and all it starts go on without seccomp, Landlock and proof; privileges
 * are given up all the same, and the supervisor warns.  `open` false: cages, whatever the environment says. */
void cage_leave_open(bool open);

/* ---- The proof, for whoever wants to see it ---- */

enum cage_ending {
	CAGE_NOT_CLAIMED, /* the role needs this call */
	CAGE_REFUSED,     /* EPERM or EACCES */
	CAGE_NOT_THERE,   /* ENOSYS, EAFNOSUPPORT */
	CAGE_KILLED,
	CAGE_PASSED,      /* it went through: the cage does not hold */
	CAGE_NOT_CLOSED,  /* there was no cage to try it in; the log says why */
};

unsigned cage_probes(void);
const char *cage_probe_name(unsigned probe);
const char *cage_role_name(enum cage_role role);
/* Close the cage of `role` in a process of its own and try one forbidden call there. */
enum cage_ending cage_try(enum cage_role role, uid_t uid, unsigned probe);

#endif
