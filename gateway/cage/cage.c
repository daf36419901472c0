/* cage.c -- closing a cage, in order, and saying why when it cannot be. */
#include "gateway/cage/cage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/cage/inside.h"

/* What the supervisor was told, for those it starts.  Who could write it could start them without us. */
static const char open_word[] = "PORTCULLIS_CAGE_OPEN";

static bool is_open(void)
{
	return getenv(open_word) != NULL;
}

void cage_leave_open(bool open)
{
	if (open)
		setenv(open_word, "yes", 1);
	else
		unsetenv(open_word);
}

void cage_begin(void)
{
	if (is_open())
		log_mark("no cage");
}

const char *cage_role_name(enum cage_role role)
{
	return cage_rows[role].name;
}

static bool refuse(const struct cage_row *row, const char *why)
{
	log_error("the cage of the %s cannot be closed: %s: %s; the kernel needs seccomp filters, and a container's profile "
		  "must let seccomp and prctl through (run --no-cage goes on without, for development only)",
		  row->name, why, strerror(errno));
	return false;
}

static bool give_up(const struct cage_row *row, uid_t uid)
{
	pid_t parent = getppid();

	if (!cage_shed(row, uid)) {
		log_error("the %s cannot become user id %u without capabilities: %m; start as root with SETUID, SETGID and "
			  "SETPCAP, or as the user that shall serve (see processes.uids)", row->name, (unsigned)uid);
		return false;
	}
	/* It may have died before its death could reach us. */
	return !row->death_signal || getppid() == parent;
}

/* The time zone is a file.  The C library looks at it anew each time it is asked the local time, unless it has a
 * name that has not changed. */
static void keep_time_zone(void)
{
	setenv("TZ", ":/etc/localtime", 0);
	tzset();
}

/* Once a gateway, by the one who is never started again. */
static void tell(const struct cage_row *row)
{
	if (!row->open_list)
		return;
	if (is_open())
		log_warn("no cages: nothing but user ids keeps the roles from files, processes and the network; "
			 "--no-cage is for development only");
	else if (!cage_landlock_version())
		log_warn("this kernel has no Landlock: that roles open no files is seccomp's work alone");
}

bool cage_close(enum cage_role role, uid_t uid)
{
	const struct cage_row *row = &cage_rows[role];
	const char *why;

	keep_time_zone();
	tell(row);
	if (!give_up(row, uid))
		return false;
	if (is_open())
		return true;
	if (!cage_landlock(row))
		return refuse(row, "Landlock");
	why = cage_seccomp(row);
	if (why)
		return refuse(row, why);
	why = cage_prove(role);
	if (why) {
		log_error("the cage of the %s does not hold: \"%s\" was not refused; nothing is served like this", row->name, why);
		return false;
	}
	why = cage_seccomp_alarm(row);
	return why ? refuse(row, why) : true;
}
