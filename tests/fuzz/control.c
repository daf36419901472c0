/* control.c -- fuzz: what supervisor and workers tell each other: a datagram of another form is none, a
 * message arrives as it was sent, with its descriptors, and no descriptor is ever left open. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "gateway/proc/control.h"

enum { RIGHTS_MOST = 253 }; /* of the kernel */

static int ends[2] = {-1, -1}, any_fd;

/* The number that the next descriptor gets: it rises where one is lost. */
static int next_fd(void)
{
	int fd = dup(any_fd);

	close(fd);
	return fd;
}

static void send_raw(struct slice bytes, unsigned fds_n)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(RIGHTS_MOST * sizeof(int))];
	} control = {0};
	struct iovec part = {(void *)(uintptr_t)bytes.at, bytes.len};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	if (fds_n) {
		control.head = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(fds_n * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		for (unsigned i = 0; i < fds_n; i++)
			memcpy(CMSG_DATA(&control.head) + i * sizeof(int), &any_fd, sizeof(int));
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(fds_n * sizeof(int));
	}
	MUST(sendmsg(ends[0], &m, MSG_DONTWAIT) >= 0);
}

static int receive(struct control_message *m, unsigned want_fds)
{
	int fds[CONTROL_FDS], how;
	unsigned n = 0;

	how = control_receive(ends[1], m, fds, &n);
	MUST(n <= CONTROL_FDS && (how == 1 || !n));
	if (how == 1)
		MUST(n == want_fds && memchr(m->text, 0, sizeof m->text));
	for (unsigned i = 0; i < n; i++)
		MUST(close(fds[i]) == 0);
	return how;
}

static void check_sent(const struct control_message *m, unsigned fds_n)
{
	struct control_message got;
	int fds[CONTROL_FDS];

	for (unsigned i = 0; i < CONTROL_FDS; i++)
		fds[i] = any_fd;
	MUST(control_send(ends[0], m, fds, fds_n));
	MUST(receive(&got, fds_n) == 1);
	MUST(got.what == m->what && got.parts == m->parts && got.slot == m->slot && !strncmp(got.text, m->text, sizeof m->text - 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	struct control_message m = {.what = 0};
	unsigned fds_n = fuzz_below(&in, RIGHTS_MOST + 1);
	struct slice text;
	int before;

	if (ends[0] < 0) {
		MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
		any_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	before = next_fd();
	switch (fuzz_below(&in, 3)) {
	case 0:
		if (in.rest.len || fds_n) { /* nothing at all reads like the other side's end */
			send_raw(in.rest, fds_n);
			receive(&m, fds_n);
		}
		break;
	case 1:
		fuzz_bytes(&in, &m, sizeof m);
		m.text[sizeof m.text - 1] = 0;
		check_sent(&m, fds_n % (CONTROL_FDS + 1));
		break;
	default:
		text = fuzz_run(&in, 255);
		memcpy(m.text, text.at, text.len);
		MUST(control_say(ends[0], CONTROL_REFUSED, m.text));
		MUST(receive(&m, 0) == 1 && m.what == CONTROL_REFUSED);
	}
	MUST(receive(&m, 0) == 0);
	MUST(next_fd() == before);
	return 0;
}
