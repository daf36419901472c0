/* proof_test.c -- every forbidden call in every cage; and a proof that can fail. */
#include "bed.h"

#include <sys/syscall.h>

static unsigned probe_named(const char *name)
{
	for (unsigned i = 0; i < cage_probes(); i++)
		if (strcmp(cage_probe_name(i), name) == 0)
			return i;
	fail_msg("no probe is named \"%s\"", name);
	return 0;
}

static void no_forbidden_call_goes_through_in_any_cage(void **state)
{
	(void)state;
	for (enum cage_role role = 0; role < CAGE_ROLES; role++)
		for (unsigned i = 0; i < cage_probes(); i++) {
			enum cage_ending e = cage_try(role, NOBODY, i);

			if (e == CAGE_PASSED || e == CAGE_NOT_CLOSED)
				fail_msg("%s: \"%s\" ended with %d", cage_role_name(role), cage_probe_name(i), e);
		}
}

static const struct {
	const char *probe;
	enum cage_role role;
	enum cage_ending want;
} endings[] = {
	{"execute a program", CAGE_WORKER, CAGE_KILLED},
	{"execute a program", CAGE_INSPECTOR, CAGE_KILLED},
	{"execute a program", CAGE_LOADER, CAGE_KILLED},
	{"execute a program", CAGE_SUPERVISOR, CAGE_NOT_CLAIMED},
	{"mount", CAGE_SUPERVISOR, CAGE_KILLED},
	{"load BPF", CAGE_LOGGER, CAGE_KILLED},
	{"make a UDP socket", CAGE_WORKER, CAGE_REFUSED},
	{"make a TCP socket", CAGE_WORKER, CAGE_NOT_CLAIMED},
	{"make a TCP socket", CAGE_INSPECTOR, CAGE_REFUSED},
	{"use io_uring", CAGE_SUPERVISOR, CAGE_NOT_THERE},
	{"use io_uring", CAGE_WORKER, CAGE_NOT_THERE},
	{"remove a file", CAGE_LOADER, CAGE_REFUSED},
};

static void each_ends_as_it_should(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROWS(endings); i++) {
		enum cage_ending e = cage_try(endings[i].role, NOBODY, probe_named(endings[i].probe));

		/* A sanitizer may need the call; then nothing is claimed. */
		if (e != endings[i].want && !(e == CAGE_NOT_CLAIMED && cage_build.allows))
			fail_msg("%s: \"%s\" ended with %d, not %d", cage_role_name(endings[i].role), endings[i].probe, e,
				 endings[i].want);
	}
}

static int prove_without_a_cage(const void *with)
{
	const char *found = cage_prove(CAGE_WORKER);

	(void)with;
	return found ? 0 : 1;
}

static void the_proof_fails_where_there_is_no_cage(void **state)
{
	(void)state;
	assert_int_equal(in_child(prove_without_a_cage, NULL), 0);
}

/* The same probes, where nothing stops them: a probe that is always refused would prove nothing. */
static const char *const free_probes[] = {
	"remove a file", "make a Unix socket", "make a TCP socket", "make a UDP socket", "connect a socket", "bind a socket",
	"listen", "make a memory file", "map executable memory", "make memory executable", "change the uid",
	"set what a process is", "execute a program", "trace a process", "leave namespaces"};

static void every_probe_can_go_through(void **state)
{
	(void)state;
	cage_leave_open(true);
	for (unsigned i = 0; i < ROWS(free_probes); i++) {
		enum cage_ending e = cage_try(CAGE_LOGGER, NOBODY, probe_named(free_probes[i]));

		if (e != CAGE_PASSED && !(e == CAGE_NOT_CLAIMED && cage_build.allows))
			fail_msg("\"%s\" ended with %d although there is no cage", free_probes[i], e);
	}
	cage_leave_open(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_forbidden_call_goes_through_in_any_cage),
		cmocka_unit_test(each_ends_as_it_should),
		cmocka_unit_test(the_proof_fails_where_there_is_no_cage),
		cmocka_unit_test(every_probe_can_go_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
