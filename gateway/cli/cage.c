/* cage.c -- portcullis cage: every forbidden call, tried in every role's cage. */
#include "gateway/cage/cage.h"

#include <unistd.h>

#include "gateway/cli/cli.h"

/* The first of processes.uids: nobody's, unless the configuration says otherwise. */
enum { CAGE_UID = 58100 };

static const char *const words[] = {
	[CAGE_NOT_CLAIMED] = "-",     [CAGE_REFUSED] = "EPERM",     [CAGE_NOT_THERE] = "ENOSYS",
	[CAGE_KILLED] = "killed",     [CAGE_PASSED] = "PASSED",     [CAGE_NOT_CLOSED] = "NO CAGE",
};

static bool holds(enum cage_ending e)
{
	return e != CAGE_PASSED && e != CAGE_NOT_CLOSED;
}

static bool try_everywhere(unsigned probe)
{
	bool good = true;

	printf("%-26s", cage_probe_name(probe));
	for (enum cage_role role = 0; role < CAGE_ROLES; role++) {
		enum cage_ending e = cage_try(role, CAGE_UID, probe);

		good = good && holds(e);
		printf(" %-10s", words[e]);
	}
	putchar('\n');
	return good;
}

int cli_cage(int argc, char **argv)
{
	bool good = true;

	if (argc != 1)
		return cli_usage(argv[0]);
	cage_leave_open(false);
	printf("%-26s", "");
	for (enum cage_role role = 0; role < CAGE_ROLES; role++)
		printf(" %-10s", cage_role_name(role));
	putchar('\n');
	for (unsigned i = 0; i < cage_probes(); i++)
		good &= try_everywhere(i);
	puts(good ? "every cage holds; - is what the role is there for" : "NOT EVERY CAGE HOLDS");
	return good ? CLI_YES : CLI_NO;
}
