/* activation.c -- taking over the sockets of a service manager. */
#include "gateway/proc/activation.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/text.h"

enum { FIRST = 3, MOST = 64 };

static struct given {
	int fd;
	struct addr address;
	uint16_t port;
	bool found; /* some listener has it */
} given[MOST];
static unsigned given_n;

static bool number_in(const char *variable, uint64_t *out)
{
	const char *text = getenv(variable);

	return text && text_uint(slice_of(text), out);
}

static bool option_is(int fd, int option, int want)
{
	int have = 0;
	socklen_t len = sizeof have;

	return getsockopt(fd, SOL_SOCKET, option, &have, &len) == 0 && have == want;
}

static bool take(struct given *g, int fd)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof at;
	int flags;

	*g = (struct given){.fd = fd};
	if (!option_is(fd, SO_TYPE, SOCK_STREAM) || !option_is(fd, SO_ACCEPTCONN, 1) ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0 || !addr_from_sockaddr(&at, &g->address, &g->port)) {
		fprintf(stderr, "portcullis: descriptor %d of LISTEN_FDS is no listening TCP socket; give the socket unit "
				"ListenStream=PORT or ADDRESS:PORT\n", fd);
		return false;
	}
	flags = fcntl(fd, F_GETFL);
	return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

bool activation_open(void)
{
	uint64_t pid = 0, n = 0;
	bool ours = number_in("LISTEN_PID", &pid) && pid == (uint64_t)getpid() && number_in("LISTEN_FDS", &n);

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (!ours)
		return true;
	if (n > MOST) {
		fprintf(stderr, "portcullis: LISTEN_FDS passes %llu sockets; at most %d can be taken\n", (unsigned long long)n, MOST);
		return false;
	}
	for (given_n = 0; given_n < n; given_n++)
		if (!take(&given[given_n], FIRST + (int)given_n))
			return false;
	return true;
}

int activation_find(const struct addr *address, uint16_t port)
{
	for (unsigned i = 0; i < given_n; i++)
		if (given[i].port == port && addr_compare(&given[i].address, address) == 0) {
			given[i].found = true;
			return given[i].fd;
		}
	return -1;
}

bool activation_end(void)
{
	for (unsigned i = 0; i < given_n; i++) {
		char text[ADDR_TEXT];

		close(given[i].fd);
		if (given[i].found)
			continue;
		addr_text(&given[i].address, text);
		fprintf(stderr, "portcullis: the service manager passed a socket on %s, port %u, that no listener names; add "
				"the listener, or take it out of the socket unit\n", text, given[i].port);
		return false;
	}
	given_n = 0;
	return true;
}
