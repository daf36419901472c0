/* control.c -- datagrams with descriptors. */
#include "gateway/proc/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

union fds_room {
	struct cmsghdr head;
	char room[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
};

bool control_send(int fd, const struct control_message *m, const int *fds, unsigned fds_n)
{
	union fds_room control;
	struct iovec part = {(void *)(uintptr_t)m, sizeof *m};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (fds_n > CONTROL_FDS) {
		errno = E2BIG;
		return false;
	}
	memset(&control, 0, sizeof control);
	if (fds_n) {
		control.head = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(fds_n * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.head), fds, fds_n * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(fds_n * sizeof(int));
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof *m;
}

bool control_say(int fd, enum control_word word, const char *text)
{
	struct control_message m = {.what = (char)word};

	snprintf(m.text, sizeof m.text, "%s", text);
	return control_send(fd, &m, NULL, 0);
}

static void close_all(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

int control_receive(int fd, struct control_message *m, int fds[CONTROL_FDS], unsigned *fds_n)
{
	union fds_room control;
	struct iovec part = {m, sizeof *m};
	/* Not sizeof: its padding has room for one descriptor more, and the kernel fills what it is given. */
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
				 .msg_controllen = CMSG_LEN(CONTROL_FDS * sizeof(int))};
	ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&message);

	*fds_n = 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		*fds_n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), *fds_n * sizeof(int));
	}
	if (n == (ssize_t)sizeof *m && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		m->text[sizeof m->text - 1] = 0;
		return 1;
	}
	close_all(fds, *fds_n);
	*fds_n = 0;
	return -1;
}
