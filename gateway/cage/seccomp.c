/* seccomp.c -- from a row of the table to a filter in the kernel.
 *
 * libseccomp writes the filter: it knows the numbers of all architectures, and
 * what a 64-bit comparison and a second ABI ask for. */
#include <errno.h>
#include <linux/sched.h>
#include <string.h>
#include <unistd.h>

#include "gateway/cage/inside.h"

enum { SEARCH_TREE = 2 };

static bool is_among(const char *call, const struct cage_list *list)
{
	for (unsigned i = 0; list && i < list->n; i++)
		if (strcmp(list->at[i].call, call) == 0)
			return true;
	return false;
}

bool cage_build_allows(const char *call)
{
	return is_among(call, cage_build.allows);
}

static bool row_allows(const struct cage_row *row, const char *call)
{
	if (cage_build_allows(call))
		return true;
	for (unsigned i = 0; i < CAGE_LISTS && row->allows[i]; i++)
		if (is_among(call, row->allows[i]))
			return true;
	return false;
}

/* ---- Rules; 0 or a negative errno, as the library has it ---- */

/* A call of another architecture is none here, and no mistake. */
static int add(scmp_filter_ctx filter, uint32_t action, const struct cage_rule *rule)
{
	struct scmp_arg_cmp self = {0, SCMP_CMP_EQ, rule->self ? (scmp_datum_t)getpid() : 0, 0};
	int number = seccomp_syscall_resolve_name(rule->call);

	if (number == __NR_SCMP_ERROR)
		return -ENOSYS;
	if (rule->self)
		return seccomp_rule_add_array(filter, action, number, 1, &self);
	return seccomp_rule_add_array(filter, action, number, rule->conditions, rule->when);
}

static int allow(scmp_filter_ctx filter, const struct cage_list *list)
{
	int error = 0;

	for (unsigned i = 0; list && i < list->n && !error; i++)
		error = add(filter, SCMP_ACT_ALLOW, &list->at[i]);
	return error;
}

/* Each of `names` that the row does not allow. */
static int answer(scmp_filter_ctx filter, const struct cage_row *row, uint32_t action, const char *const *names)
{
	int error = 0;

	for (; *names && !error; names++)
		if (!row_allows(row, *names))
			error = add(filter, action, &(struct cage_rule){.call = *names});
	return error;
}

/* Nobody's, and worth a word in the kernel's log. */
static const char *const io_uring[] = {"io_uring_setup", "io_uring_enter", "io_uring_register", NULL};

static int fill(scmp_filter_ctx filter, const struct cage_row *row)
{
	int error = answer(filter, row, SCMP_ACT_KILL_PROCESS, cage_deadly);

	if (!error)
		error = answer(filter, row, SCMP_ACT_KILL_PROCESS, cage_exec);
	if (!error)
		error = answer(filter, row, SCMP_ACT_ERRNO(ENOSYS), cage_unknown);
	if (!error)
		error = answer(filter, row, SCMP_ACT_ERRNO(ENOSYS), io_uring);
	for (unsigned i = 0; i < CAGE_LISTS && row->allows[i] && !error; i++)
		error = allow(filter, row->allows[i]);
	return error ? error : allow(filter, cage_build.allows);
}

/* A row without a list: what is refused here is refused to all that it starts, beside their own cages. */
static int fill_open(scmp_filter_ctx filter, const struct cage_row *row)
{
	static const char *const threads[] = {"clone3", NULL};
	static const struct cage_rule namespace = {
		.call = "clone", .conditions = 1, .when = {{0, SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER}}};
	int error = answer(filter, row, SCMP_ACT_ERRNO(ENOSYS), io_uring);

	if (!error)
		error = answer(filter, row, SCMP_ACT_ERRNO(ENOSYS), threads);
	if (!error)
		error = answer(filter, row, SCMP_ACT_KILL_PROCESS, cage_deadly);
	return error ? error : add(filter, SCMP_ACT_ERRNO(EPERM), &namespace);
}

/* ---- Filters ---- */

/* no_new_privs is set by then, and setting it is a call that is refused to the second filter. */
static scmp_filter_ctx new_filter(uint32_t otherwise, bool logged)
{
	scmp_filter_ctx filter = seccomp_init(otherwise);

	if (!filter)
		return NULL;
	if (seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 &&
	    seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, SEARCH_TREE) == 0 &&
	    seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) == 0 &&
	    (!logged || seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1) == 0))
		return filter;
	seccomp_release(filter);
	return NULL;
}

/* Loads what was filled without error, and frees it. */
static const char *load(scmp_filter_ctx filter, int error, const char *what)
{
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	errno = -error;
	return error ? what : NULL;
}

const char *cage_seccomp(const struct cage_row *row)
{
	scmp_filter_ctx filter = new_filter(row->open_list ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM), false);

	if (!filter)
		return "a seccomp filter cannot be begun";
	return load(filter, row->open_list ? fill_open(filter, row) : fill(filter, row),
		    "its seccomp filter cannot be loaded");
}

const char *cage_seccomp_alarm(const struct cage_row *row)
{
	static const char *const last[] = {"seccomp", NULL};
	static const struct cage_row nothing = {0};
	scmp_filter_ctx filter;
	int error;

	if (row->open_list)
		return NULL;
	filter = new_filter(SCMP_ACT_ALLOW, true);
	if (!filter)
		return "a second seccomp filter cannot be begun";
	error = answer(filter, row, SCMP_ACT_ERRNO(ENOSYS), io_uring);
	if (!error)
		error = answer(filter, row, SCMP_ACT_ERRNO(EPERM), cage_alarming);
	if (!error && !row->breeds)
		error = answer(filter, &nothing, SCMP_ACT_ERRNO(EPERM), last);
	return load(filter, error, "its second seccomp filter cannot be loaded");
}
