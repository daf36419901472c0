/* role.c -- which role a process is, from its command line. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/cage/cage.h"
#include "gateway/proc/proc.h"
#include "gateway/proc/shared.h"

static bool number(const char *text, unsigned *out)
{
	uint64_t n;

	if (!text_uint(slice_of(text), &n) || n > UINT32_MAX)
		return false;
	*out = (unsigned)n;
	return true;
}

int role_main(int argc, char **argv)
{
	unsigned a = 0, b = 0, uid = 0;

	cage_begin();
	signal(SIGPIPE, SIG_IGN);
	/* Ctrl-C reaches the whole group; the supervisor decides what it means. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (argc == 4 && strcmp(argv[1], "role-loader") == 0 && number(argv[3], &a))
		return loader_main(argv[2], a);
	if (argc == 5 && strcmp(argv[1], "role-logger") == 0 && number(argv[2], &a) && number(argv[3], &b) &&
	    number(argv[4], &uid))
		return logger_main(a, b, (uid_t)uid);
	if (argc == 5 && strcmp(argv[1], "role-worker") == 0 && number(argv[2], &a) && number(argv[3], &b) &&
	    number(argv[4], &uid))
		return worker_main(a, b, (uid_t)uid);
	if (argc == 3 && strcmp(argv[1], "role-admin") == 0 && number(argv[2], &uid))
		return admin_main((uid_t)uid);
	fprintf(stderr, "portcullis: %s is started by the supervisor only\n", argc > 1 ? argv[1] : "a role");
	return 2;
}
