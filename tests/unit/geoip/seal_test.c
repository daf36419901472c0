/* seal_test.c -- the private copy cannot be changed, and odd files are not copied. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "geoip/db.h"

static char dir[] = "/tmp/portcullis-seal-XXXXXX";
static char path[64];

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/db", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void save(const char *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

static void a_copy_is_whole_and_fixed(void **state)
{
	static char big[200001], back[200002];
	struct fail f = {0};
	int fd;

	(void)state;
	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (char)(i * 7);
	save(big, sizeof big);
	fd = geoip_seal(path, &f, (struct place){0});
	assert_true(fd >= 0);
	assert_int_equal(f.n, 0);
	assert_int_equal(truncate(path, 0), 0); /* the operator's file is the operator's */
	assert_int_equal(pread(fd, back, sizeof back, 0), sizeof big);
	assert_memory_equal(back, big, sizeof big);
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(pwrite(fd, "x", 1, sizeof big), -1);
	assert_true(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, 0), -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void only_files_are_copied(void **state)
{
	char pipe_path[80];
	struct fail f = {0};
	struct place by = {"p.yaml", 3, 9};

	(void)state;
	save("", 0);
	assert_int_equal(geoip_seal(path, &f, by), -1);
	assert_int_equal(geoip_seal(dir, &f, by), -1);
	assert_int_equal(geoip_seal("/dev/zero", &f, by), -1);
	assert_int_equal(geoip_seal("/nonexistent/x", &f, by), -1);
	snprintf(pipe_path, sizeof pipe_path, "%s/pipe", dir);
	assert_int_equal(mkfifo(pipe_path, 0600), 0);
	assert_int_equal(geoip_seal(pipe_path, &f, by), -1); /* and does not wait for a writer */
	unlink(pipe_path);
	save("x", 1);
	assert_int_equal(truncate(path, ((off_t)1 << 30) + 1), 0);
	assert_int_equal(geoip_seal(path, &f, by), -1);
	assert_int_equal(f.errors, 6);
	for (unsigned i = 0; i < f.n; i++)
		assert_int_equal(f.at[i].place.line, 3);
	fail_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_is_whole_and_fixed),
		cmocka_unit_test(only_files_are_copied),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
