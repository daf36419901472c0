/* sock.c -- reading and writing one connection. */
#include "gateway/proxy/sock.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

bool sock_open(struct sock *s, struct loop *l, int fd, void (*ready)(struct watch *w, unsigned what))
{
	*s = (struct sock){.writable = true};
	return watch_add(l, &s->watch, fd, ready);
}

void sock_close(struct sock *s)
{
	if (!sock_is_open(s))
		return;
	if (s->tls) {
		tls_shutdown(s->tls);
		tls_free(s->tls);
		s->tls = NULL;
	}
	watch_remove(&s->watch);
	close(s->watch.fd);
}

void sock_reset(struct sock *s)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	if (!sock_is_open(s))
		return;
	if (s->tls) {
		/* No close_notify: under TLS that alone marks the stream as cut. */
		tls_free(s->tls);
		s->tls = NULL;
	}
	setsockopt(s->watch.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	sock_close(s);
}

void sock_marks(struct sock *s, unsigned what)
{
	if (what & LOOP_READ) {
		s->readable = true;
		if (s->tls)
			tls_readable(s->tls);
	}
	if (what & LOOP_WRITE)
		s->writable = true;
	if (what & (LOOP_PEER_CLOSED | LOOP_HANGUP)) {
		s->peer_closed = true;
		if (s->tls)
			tls_peer_closed(s->tls);
	}
}

static ssize_t read_tls(struct sock *s, void *at, size_t n)
{
	ssize_t got = tls_read(s->tls, at, n);

	s->readable = got > 0 && tls_pending(s->tls);
	return got > 0 ? got : got == 0 ? SOCK_AGAIN : got == -1 ? SOCK_EOF : SOCK_BROKEN;
}

ssize_t sock_read(struct sock *s, void *at, size_t n)
{
	ssize_t got;

	if (!n)
		return SOCK_AGAIN;
	if (s->tls)
		return read_tls(s, at, n);
	got = recv(s->watch.fd, at, n, 0);
	if (got > 0) {
		if ((size_t)got < n && !s->peer_closed)
			s->readable = false;
		return got;
	}
	if (got == 0)
		return SOCK_EOF;
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
		s->readable = false;
		return SOCK_AGAIN;
	}
	return SOCK_BROKEN;
}

ssize_t sock_write(struct sock *s, const void *at, size_t n)
{
	ssize_t put;

	if (!n)
		return 0;
	if (s->tls) {
		put = tls_write(s->tls, at, n);
		if (put == 0)
			s->writable = false;
		return put;
	}
	put = send(s->watch.fd, at, n, MSG_NOSIGNAL);
	if (put >= 0) {
		if ((size_t)put < n)
			s->writable = false;
		return put;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
		s->writable = false;
		return SOCK_AGAIN;
	}
	return SOCK_BROKEN;
}
