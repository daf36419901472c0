/* inside.h -- what a row of the table says, and the parts that make it true. */
#ifndef PORTCULLIS_CAGE_INSIDE_H
#define PORTCULLIS_CAGE_INSIDE_H

#include <seccomp.h>
#include <stdint.h>

#include "gateway/cage/cage.h"

enum { CAGE_LISTS = 12 };

/* A call, by its name in the kernel, and what its arguments must be. */
struct cage_rule {
	const char *call;
	bool self;                   /* its first argument is our own process id */
	unsigned conditions;         /* so many of `when`, all of which must hold */
	struct scmp_arg_cmp when[2];
};

struct cage_list {
	const struct cage_rule *at;
	unsigned n;
};

enum cage_files { CAGE_FILES_ALL, CAGE_FILES_READ, CAGE_FILES_NONE };

struct cage_row {
	const char *name;
	uint64_t keeps;              /* capabilities, as bits */
	bool own_uid;
	int death_signal;            /* sent when the parent dies; 0: it has none of ours */
	bool forks;
	bool breeds;                 /* its children close cages of their own */
	bool connects;
	enum cage_files files;
	bool open_list;              /* all calls, exec among them, but what kills and what no child may have either */
	const struct cage_list *allows[CAGE_LISTS];
};

extern const struct cage_row cage_rows[CAGE_ROLES];
/* These kill, whatever the role; exec kills who has a list.  Where they are not allowed, some say ENOSYS, and some
 * go to the kernel's log. */
extern const char *const cage_deadly[], *const cage_exec[], *const cage_unknown[], *const cage_alarming[];
/* What the build needs beyond that: nothing, or a sanitizer's calls. */
extern const struct cage_build {
	const struct cage_list *allows;
	bool reads_files, forks;
} cage_build;

bool cage_build_allows(const char *call);

/* ---- The parts, in this order; false with errno, or a text, when one cannot be ---- */

/* Limits, capabilities, uid, no_new_privs. */
bool cage_shed(const struct cage_row *row, uid_t uid);
/* No capability but those of the row is left; false when one is. */
bool cage_shed_holds(const struct cage_row *row);
/* Version of the kernel's Landlock, 0 when it has none. */
int cage_landlock_version(void);
bool cage_landlock(const struct cage_row *row);
/* NULL when the filter is loaded, else what failed, with errno. */
const char *cage_seccomp(const struct cage_row *row);
/* From here on the kernel's log hears of refused calls that no role makes in peace; and no further filter
 * can be loaded, but by who forks. */
const char *cage_seccomp_alarm(const struct cage_row *row);
/* Try what the row forbids and what does not kill; NULL, or the name of what was not refused. */
const char *cage_prove(enum cage_role role);

#endif
