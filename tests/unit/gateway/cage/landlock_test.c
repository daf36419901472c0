/* landlock_test.c -- Landlock alone, without the filter that would refuse most of it anyway. */
#include "bed.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { FILES = 1, PORTS = 4, SCOPES = 6 }; /* since version */

static bool refused(int returned)
{
	return returned < 0 && (errno == EACCES || errno == EPERM);
}

static bool read_one(void)
{
	return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0;
}

static int bind_any_port(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return bind(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)(void *)&at, sizeof at);
}

static int connect_port_9(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return connect(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)(void *)&at, sizeof at);
}

static bool enter(const struct cage_row *row)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && cage_landlock(row);
}

static int without_files(const void *with)
{
	static const struct cage_row row = {.files = CAGE_FILES_NONE};

	(void)with;
	if (!enter(&row))
		return 1;
	if (read_one() != cage_build.reads_files || !refused(open("/dev/null", O_WRONLY)))
		return 2;
	/* Memory files and pipes are nobody's business. */
	if (memfd_create("body", MFD_CLOEXEC) < 0 || pipe((int[2]){0}) < 0)
		return 3;
	if (cage_landlock_version() >= PORTS && (!refused(bind_any_port()) || !refused(connect_port_9())))
		return 4;
	return cage_landlock_version() >= SCOPES && !refused(kill(getppid(), 0)) ? 5 : 0;
}

static void a_role_without_files_has_no_port_and_no_signal_either(void **state)
{
	(void)state;
	if (cage_landlock_version() < FILES)
		skip();
	assert_int_equal(in_child(without_files, NULL), 0);
}

static int with_reading(const void *with)
{
	static const struct cage_row row = {.files = CAGE_FILES_READ, .connects = true};

	(void)with;
	if (!enter(&row))
		return 1;
	if (!read_one() || !refused(open("/dev/null", O_WRONLY)) || !refused(mkdir("/tmp/portcullis-landlock-test", 0700)))
		return 2;
	if (cage_landlock_version() >= PORTS && (!refused(bind_any_port()) || refused(connect_port_9())))
		return 3;
	return 0;
}

static void the_reader_of_files_writes_none(void **state)
{
	(void)state;
	if (cage_landlock_version() < FILES)
		skip();
	assert_int_equal(in_child(with_reading, NULL), 0);
}

static int abstract(int (*does)(int, const struct sockaddr *, socklen_t), int fd)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	memcpy(at.sun_path, "\0portcullis-landlock-test", 25);
	return does(fd, (struct sockaddr *)(void *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 25));
}

static int call_abstract(const void *with)
{
	static const struct cage_row row = {.files = CAGE_FILES_NONE};

	(void)with;
	return !enter(&row) ? 1 : refused(abstract(connect, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))) ? 0 : 2;
}

static void an_abstract_socket_of_others_is_out_of_reach(void **state)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	if (cage_landlock_version() < SCOPES)
		skip();
	assert_int_equal(abstract(bind, fd), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(in_child(call_abstract, NULL), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_role_without_files_has_no_port_and_no_signal_either),
		cmocka_unit_test(the_reader_of_files_writes_none),
		cmocka_unit_test(an_abstract_socket_of_others_is_out_of_reach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
