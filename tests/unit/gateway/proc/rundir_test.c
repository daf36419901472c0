/* rundir_test.c -- a gateway's directory has one name however its file is named, and is nobody else's. */
#include "gateway/proc/rundir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOBODY = 65534 };

static char runtime[] = "/tmp/portcullis-rundir-XXXXXX";
static uid_t me;

/* Runs as somebody who is not root, with a runtime directory of their own. */
static int begin(void **state)
{
	(void)state;
	me = geteuid();
	if (me == 0 && seteuid(NOBODY) < 0)
		return -1;
	if (!mkdtemp(runtime) || setenv("XDG_RUNTIME_DIR", runtime, 1) < 0 || chdir("/usr/bin") < 0)
		return -1;
	return 0;
}

static int end(void **state)
{
	char path[256];

	(void)state;
	if (!rundir_path("/etc/a.yaml", "", path, sizeof path))
		return -1;
	rmdir(path);
	*strrchr(path, '/') = 0;
	rmdir(path);
	rmdir(runtime);
	return me == 0 ? seteuid(0) : 0;
}

static void test_one_file_has_one_name(void **state)
{
	static const char *const same[] = {"/usr/bin/p.yaml", "p.yaml", "./p.yaml", "../bin/p.yaml", "/usr//bin/./p.yaml",
					   "/../usr/lib/../bin/p.yaml", "../../../../usr/bin/p.yaml"};
	char want[RUNDIR_PATH], have[RUNDIR_PATH];

	(void)state;
	assert_true(rundir_path(same[0], "admin.sock", want, sizeof want));
	for (size_t i = 1; i < sizeof same / sizeof *same; i++) {
		assert_true(rundir_path(same[i], "admin.sock", have, sizeof have));
		if (strcmp(have, want) != 0)
			fail_msg("%s is at %s, not %s", same[i], have, want);
	}
	assert_true(rundir_path("q.yaml", "admin.sock", have, sizeof have));
	assert_string_not_equal(have, want);
}

static void test_the_name_is_as_documented(void **state)
{
	char want[256], have[RUNDIR_PATH];

	(void)state;
	/* printf /etc/a.yaml | sha256sum */
	snprintf(want, sizeof want, "%s/portcullis-%u/9057073fcb965b30/x.sock", runtime, (unsigned)geteuid());
	assert_true(rundir_path("/etc/a.yaml", "x.sock", have, sizeof have));
	assert_string_equal(have, want);
	assert_true(rundir_path("/etc/a.yaml", "", have, sizeof have));
	assert_int_equal(strlen(have), strlen(want) - strlen("/x.sock"));
	setenv("XDG_RUNTIME_DIR", "relative", 1);
	assert_true(rundir_path("/etc/a.yaml", "x.sock", have, sizeof have));
	assert_int_equal(strncmp(have, "/tmp/portcullis-", 16), 0);
	setenv("XDG_RUNTIME_DIR", runtime, 1);
}

static void test_what_does_not_fit_is_refused(void **state)
{
	char path[RUNDIR_PATH], longer[8192];

	(void)state;
	assert_true(rundir_path("/etc/a.yaml", "", path, sizeof path));
	assert_false(rundir_path("/etc/a.yaml", "", path, strlen(path)));
	memset(longer, 'a', sizeof longer - 1);
	longer[0] = '/';
	longer[sizeof longer - 1] = 0;
	assert_false(rundir_path(longer, "x.sock", path, sizeof path));
}

static void test_root_has_run(void **state)
{
	char path[RUNDIR_PATH];

	(void)state;
	if (me != 0)
		skip();
	assert_int_equal(seteuid(0), 0);
	assert_true(rundir_path("/etc/a.yaml", "x.sock", path, sizeof path));
	assert_int_equal(seteuid(NOBODY), 0);
	assert_int_equal(strncmp(path, "/run/portcullis/", 16), 0);
}

static void test_it_is_made_and_may_be_there(void **state)
{
	char path[RUNDIR_PATH];
	struct stat st;

	(void)state;
	assert_true(rundir_make("/etc/a.yaml"));
	assert_true(rundir_make("/etc/a.yaml"));
	assert_true(rundir_path("/etc/a.yaml", "", path, sizeof path));
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 022, 0);
}

static void test_what_others_may_write_is_not_used(void **state)
{
	char path[RUNDIR_PATH];

	(void)state;
	assert_true(rundir_make("/etc/a.yaml"));
	assert_true(rundir_path("/etc/a.yaml", "", path, sizeof path));
	assert_int_equal(chmod(path, 0777), 0);
	assert_false(rundir_make("/etc/a.yaml"));
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_false(rundir_make("/etc/a.yaml"));
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_file_has_one_name),
		cmocka_unit_test(test_the_name_is_as_documented),
		cmocka_unit_test(test_what_does_not_fit_is_refused),
		cmocka_unit_test(test_root_has_run),
		cmocka_unit_test(test_it_is_made_and_may_be_there),
		cmocka_unit_test(test_what_others_may_write_is_not_used),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
