/* control_test.c -- a message between supervisor and worker comes whole, or not at all and leaves nothing open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/proc/control.h"

static int near, far, some;

static int open_pair(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	near = ends[0];
	far = ends[1];
	some = open("/dev/null", O_RDONLY);
	return some < 0;
}

static int close_pair(void **state)
{
	(void)state;
	close(near);
	close(far);
	close(some);
	return 0;
}

/* The number the next descriptor gets; it is higher where one was left open. */
static int next_fd(void)
{
	int fd = dup(some);

	close(fd);
	return fd;
}

/* As a worker could that somebody has taken over. */
static void send_anything(const void *bytes, size_t n, unsigned fds_n)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(253 * sizeof(int))];
	} control = {0};
	struct iovec part = {(void *)(uintptr_t)bytes, n};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(fds_n * sizeof(int))};

	control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(fds_n * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	for (unsigned i = 0; i < fds_n; i++)
		memcpy(CMSG_DATA(&control.head) + i * sizeof(int), &some, sizeof(int));
	assert_int_equal(sendmsg(near, &m, 0), n);
}

static void a_message_comes_with_its_descriptors(void **state)
{
	static const unsigned counts[] = {0, 1, CONTROL_FDS - 1, CONTROL_FDS};
	struct control_message m = {.what = CONTROL_PREPARE, .parts = 0x41, .doors = 3, .slot = 7}, got;
	int fds[CONTROL_FDS], all[CONTROL_FDS], before = next_fd();
	unsigned n;

	(void)state;
	for (unsigned i = 0; i < CONTROL_FDS; i++)
		all[i] = some;
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		assert_true(control_send(near, &m, all, counts[i]));
		assert_int_equal(control_receive(far, &got, fds, &n), 1);
		assert_int_equal(n, counts[i]);
		assert_true(got.what == m.what && got.parts == m.parts && got.doors == m.doors && got.slot == m.slot);
		for (unsigned k = 0; k < n; k++)
			assert_int_equal(close(fds[k]), 0);
	}
	assert_int_equal(next_fd(), before);
	errno = 0;
	assert_false(control_send(near, &m, all, CONTROL_FDS + 1));
	assert_int_equal(errno, E2BIG);
	assert_int_equal(control_receive(far, &got, fds, &n), 0);
}

static void what_is_no_message_leaves_no_descriptor(void **state)
{
	static const struct {
		int less; /* bytes fewer than a message has */
		unsigned fds_n;
		const char *says;
	} cases[] = {{1, 0, "a byte too few"}, {-1, 0, "a byte too many"}, {1, 5, "the same with descriptors"},
		     {0, CONTROL_FDS + 1, "one descriptor more than a message has"}, {0, 253, "as many as the kernel passes"}};
	char bytes[sizeof(struct control_message) + 1] = {CONTROL_COMMITTED};
	/* Behind the room for descriptors lies what must stay as it is. */
	struct {
		int fds[CONTROL_FDS], behind;
	} room = {.behind = 0x5aa55aa5};
	struct control_message got;
	unsigned n;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int before = next_fd();

		send_anything(bytes, (size_t)((int)sizeof got - cases[i].less), cases[i].fds_n);
		if (control_receive(far, &got, room.fds, &n) != -1 || n || room.behind != 0x5aa55aa5 || next_fd() != before)
			fail_msg("%s", cases[i].says);
	}
}

static void a_reason_is_cut_to_its_room(void **state)
{
	char text[2 * CONTROL_TEXT];
	struct control_message got;
	int fds[CONTROL_FDS];
	unsigned n;

	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	assert_true(control_say(near, CONTROL_UNSAFE, text));
	assert_int_equal(control_receive(far, &got, fds, &n), 1);
	assert_int_equal(got.what, CONTROL_UNSAFE);
	assert_int_equal(strlen(got.text), CONTROL_TEXT - 1);
	/* One that is not ended is ended here. */
	memset(got.text, 'y', sizeof got.text);
	send_anything(&got, sizeof got, 0);
	assert_int_equal(control_receive(far, &got, fds, &n), 1);
	assert_int_equal(strlen(got.text), CONTROL_TEXT - 1);
}

static void nobody_there_and_nothing_said_are_two_things(void **state)
{
	struct control_message got;
	int fds[CONTROL_FDS];
	unsigned n;

	(void)state;
	assert_int_equal(control_receive(far, &got, fds, &n), 0);
	shutdown(near, SHUT_WR);
	assert_int_equal(control_receive(far, &got, fds, &n), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_message_comes_with_its_descriptors, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(what_is_no_message_leaves_no_descriptor, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(a_reason_is_cut_to_its_room, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(nobody_there_and_nothing_said_are_two_things, open_pair, close_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
