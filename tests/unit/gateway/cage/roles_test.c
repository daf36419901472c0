/* roles_test.c -- the table says nothing that it does not mean. */
#include "bed.h"

static const char *const *const named[] = {cage_deadly, cage_exec, cage_unknown, cage_alarming};

static bool has(const char *const *names, const char *call)
{
	for (; *names; names++)
		if (strcmp(*names, call) == 0)
			return true;
	return false;
}

static bool row_has(const struct cage_row *row, const char *call)
{
	for (unsigned i = 0; i < CAGE_LISTS && row->allows[i]; i++)
		for (unsigned k = 0; k < row->allows[i]->n; k++)
			if (strcmp(row->allows[i]->at[k].call, call) == 0)
				return true;
	return false;
}

static void every_name_is_a_call_that_the_library_knows(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROWS(named); i++)
		for (const char *const *name = named[i]; *name; name++)
			if (seccomp_syscall_resolve_name(*name) == __NR_SCMP_ERROR)
				fail_msg("no call is named %s", *name);
	for (unsigned r = 0; r < CAGE_ROLES; r++)
		for (unsigned i = 0; i < CAGE_LISTS && cage_rows[r].allows[i]; i++)
			for (unsigned k = 0; k < cage_rows[r].allows[i]->n; k++)
				if (seccomp_syscall_resolve_name(cage_rows[r].allows[i]->at[k].call) == __NR_SCMP_ERROR)
					fail_msg("no call is named %s", cage_rows[r].allows[i]->at[k].call);
}

static void no_role_is_allowed_what_kills(void **state)
{
	(void)state;
	for (unsigned r = 0; r < CAGE_ROLES; r++) {
		assert_non_null(cage_rows[r].name);
		for (unsigned i = 0; cage_deadly[i]; i++)
			assert_false(row_has(&cage_rows[r], cage_deadly[i]));
		for (unsigned i = 0; cage_exec[i]; i++)
			assert_false(row_has(&cage_rows[r], cage_exec[i]));
	}
}

static void only_the_supervisor_has_no_list(void **state)
{
	(void)state;
	for (unsigned r = 0; r < CAGE_ROLES; r++) {
		assert_int_equal(cage_rows[r].open_list, r == CAGE_SUPERVISOR);
		assert_int_equal(cage_rows[r].allows[0] == NULL, r == CAGE_SUPERVISOR);
		assert_null(cage_rows[r].allows[CAGE_LISTS - 1]);
	}
}

/* Refused once and killed once: one of the two would not be meant. */
static void no_alarm_is_about_what_kills(void **state)
{
	(void)state;
	for (unsigned i = 0; cage_alarming[i]; i++) {
		assert_false(has(cage_deadly, cage_alarming[i]));
		assert_false(has(cage_exec, cage_alarming[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_is_a_call_that_the_library_knows),
		cmocka_unit_test(no_role_is_allowed_what_kills),
		cmocka_unit_test(only_the_supervisor_has_no_list),
		cmocka_unit_test(no_alarm_is_about_what_kills),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
