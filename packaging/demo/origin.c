/* origin.c -- a small web server for trying Portcullis: the backend nobody sees.
 *
 *   origin PORT          listens on 127.0.0.1, says READY, serves until it is ended
 *
 *   /         a page          /count    how many requests it has answered, /count itself apart
 *   /bytes/N  N bytes         anything else: a line that names the path
 *
 * One thread per connection, HTTP/1.1 with keep-alive.  It trusts what it reads:
 * it is a backend, and stands behind a gateway. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_MAX = 64 << 10, PIECE = 64 << 10, STACK = 256 << 10 };

static _Atomic unsigned long answered;

struct peer {
	int fd;
	size_t len; /* bytes in `at` */
	char at[HEAD_MAX + 1];
};

static bool more(struct peer *p)
{
	if (p->len == HEAD_MAX)
		return false;
	ssize_t n = read(p->fd, p->at + p->len, HEAD_MAX - p->len);
	if (n <= 0)
		return false;
	p->len += (size_t)n;
	p->at[p->len] = 0;
	return true;
}

static void used(struct peer *p, size_t n)
{
	p->len -= n;
	memmove(p->at, p->at + n, p->len + 1);
}

static bool skip(struct peer *p, uint64_t n)
{
	while (n > 0) {
		if (p->len == 0 && !more(p))
			return false;
		size_t now = n < p->len ? (size_t)n : p->len;
		used(p, now);
		n -= now;
	}
	return true;
}

/* Length of the first line with its CRLF, once it is there; 0 when the peer left. */
static size_t line(struct peer *p)
{
	for (;;) {
		char *end = memmem(p->at, p->len, "\r\n", 2);
		if (end)
			return (size_t)(end - p->at) + 2;
		if (!more(p))
			return 0;
	}
}

static bool skip_chunks(struct peer *p)
{
	for (;;) {
		size_t n = line(p);
		if (n == 0)
			return false;
		uint64_t size = strtoull(p->at, NULL, 16);
		used(p, n);
		if (size == 0)
			break;
		if (!skip(p, size + 2))
			return false;
	}
	for (size_t n = line(p); n != 2; n = line(p)) {
		if (n == 0)
			return false;
		used(p, n);
	}
	used(p, 2);
	return true;
}

static bool say(int fd, const char *at, size_t n)
{
	while (n > 0) {
		ssize_t done = send(fd, at, n, MSG_NOSIGNAL);
		if (done <= 0)
			return false;
		at += done;
		n -= (size_t)done;
	}
	return true;
}

static bool say_bytes(int fd, uint64_t n)
{
	char piece[PIECE];

	memset(piece, 'x', sizeof(piece));
	while (n > 0) {
		size_t now = n < PIECE ? (size_t)n : PIECE;
		if (!say(fd, piece, now))
			return false;
		n -= now;
	}
	return true;
}

static bool answer(int fd, const char *method, const char *path)
{
	char head[256], page[512];
	uint64_t filler = 0;
	int n;

	if (strcmp(path, "/count") == 0)
		n = snprintf(page, sizeof(page), "%lu\n", atomic_load(&answered));
	else if (strcmp(path, "/") == 0)
		n = snprintf(page, sizeof(page), "<!doctype html><title>Demo</title><p>Hello from the origin.</p>\n");
	else if (sscanf(path, "/bytes/%lu", &filler) == 1)
		n = 0;
	else
		n = snprintf(page, sizeof(page), "the origin answers %.200s\n", path);
	if (strcmp(path, "/count") != 0)
		atomic_fetch_add(&answered, 1);
	int h = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nServer: demo/1.0\r\nContent-Type: %s\r\nContent-Length: %lu\r\n\r\n",
			 strcmp(path, "/") == 0 ? "text/html" : "text/plain", (unsigned long)n + filler);
	if (!say(fd, head, (size_t)h))
		return false;
	return strcmp(method, "HEAD") == 0 || (say(fd, page, (size_t)n) && say_bytes(fd, filler));
}

/* The value of a field of the head at p->at, or NULL. */
static const char *field(const struct peer *p, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = strstr(p->at, "\r\n"); at && strncmp(at, "\r\n\r\n", 4) != 0; at = strstr(at + 2, "\r\n"))
		if (strncasecmp(at + 2, name, n) == 0 && at[2 + n] == ':')
			return at + 3 + n + strspn(at + 3 + n, " ");
	return NULL;
}

static bool one_request(struct peer *p)
{
	char method[16], path[2048];
	char *end;

	while (!(end = memmem(p->at, p->len, "\r\n\r\n", 4)))
		if (!more(p))
			return false;
	if (sscanf(p->at, "%15s %2047[^ ?\r]", method, path) != 2)
		return false;
	const char *length = field(p, "content-length");
	uint64_t body = length ? strtoull(length, NULL, 10) : 0;
	bool chunked = field(p, "transfer-encoding");
	used(p, (size_t)(end - p->at) + 4);
	if (!(chunked ? skip_chunks(p) : skip(p, body)))
		return false;
	return answer(p->fd, method, path);
}

static void *serve(void *arg)
{
	struct peer *p = arg;

	while (one_request(p))
		;
	close(p->fd);
	free(p);
	return NULL;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1024) < 0) {
		fprintf(stderr, "origin: port %u: %s\n", port, strerror(errno));
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	pthread_attr_t small;
	int port = argc == 2 ? (int)strtoul(argv[1], NULL, 10) : 0;

	if (port < 1 || port > 65535) {
		fprintf(stderr, "usage: origin PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	int listener = listen_on((uint16_t)port);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK);
	pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
	puts("READY");
	fflush(stdout);
	for (;;) {
		pthread_t thread;
		int on = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		struct peer *p = fd < 0 ? NULL : calloc(1, sizeof(*p));

		if (p) {
			p->fd = fd;
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		}
		if (!p || pthread_create(&thread, &small, serve, p) != 0) {
			/* Out of descriptors or memory: the connections there are go on. */
			free(p);
			if (fd >= 0)
				close(fd);
			usleep(10000);
		}
	}
}
