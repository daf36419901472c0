/* bio.c -- OpenSSL's way to the socket, with no system call that is known to fail.
 *
 * With read-ahead on, OpenSSL asks for more than a whole record at once.  If the
 * kernel gives less than asked for, the socket is empty: that is remembered, and
 * the next question is answered "retry" from memory until epoll has spoken again.
 * Writing is the same: a short send means that the socket is full.
 *
 * The session ticket of TLS 1.3 waits for the first answer and leaves with it: no
 * client needs it sooner, and it would cost a segment and a wake-up of its own. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <openssl/bio.h>

#include "gateway/base/mem.h"
#include "gateway/tls/inner.h"

static void note_first(struct tls *t, const char *at, size_t n)
{
	while (n && t->first_n < sizeof t->first) {
		t->first[t->first_n++] = *at++;
		n--;
	}
}

/* Of a client's handshake, read-ahead included.  OpenSSL would take a ClientHello of 128 KiB. */
enum { HELLO_MOST = 32 << 10, PROVEN_MOST = 96 << 10 };

static int socket_read(BIO *bio, char *at, size_t n, size_t *got)
{
	struct tls *t = BIO_get_data(bio);
	ssize_t r = -1;

	*got = 0;
	BIO_clear_retry_flags(bio);
	if (!t->drained) {
		do
			r = recv(t->fd, at, n, 0);
		while (r < 0 && errno == EINTR);
		t->drained = !t->peer_closed && r < (ssize_t)n;
		if (r < 0 && errno != EAGAIN) {
			t->lost = errno;
			return 0;
		}
	}
	if (r < 0) {
		t->starved = t->drained = true;
		BIO_set_retry_read(bio);
		return 0;
	}
	if (r == 0) {
		t->ended = true;
		return 0;
	}
	if (!t->done)
		note_first(t, at, (size_t)r);
	if (!t->done && t->server && (t->taken += (uint32_t)r) > (t->demand ? PROVEN_MOST : HELLO_MOST)) {
		t->overlong = true;
		return 0;
	}
	*got = (size_t)r;
	return 1;
}

enum { HELD_MAX = 2048 };

/* Keep the ticket; false when it has to go out by itself. */
static bool hold_ticket(struct tls *t, const char *at, size_t n)
{
	if (t->done || t->held || n > HELD_MAX || SSL_get_state(t->ssl) != TLS_ST_SW_SESSION_TICKET ||
	    SSL_version(t->ssl) != TLS1_3_VERSION)
		return false;
	t->held = mem_take(NULL, n);
	if (!t->held)
		return false;
	memcpy(t->held, at, n);
	t->held_n = (uint16_t)n;
	return true;
}

void tls_held_drop(struct tls *t)
{
	mem_give(NULL, t->held, t->held_n);
	t->held = NULL;
	t->held_n = t->held_sent = 0;
}

/* send(), with what is held in front.  What of it went out is not counted. */
static ssize_t send_all(struct tls *t, const char *at, size_t n)
{
	struct iovec parts[] = {{t->held + t->held_sent, (size_t)(t->held_n - t->held_sent)}, {(void *)(uintptr_t)at, n}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	size_t front = parts[0].iov_len;
	ssize_t w;

	w = sendmsg(t->fd, &message, MSG_NOSIGNAL);
	if (w < 0)
		return w;
	t->full = (size_t)w < front + n;
	if ((size_t)w < front) {
		t->held_sent = (uint16_t)(t->held_sent + w);
		errno = EAGAIN;
		return -1;
	}
	tls_held_drop(t);
	if ((size_t)w > front)
		return w - (ssize_t)front;
	errno = EAGAIN;
	return -1;
}

static ssize_t send_plain(struct tls *t, const char *at, size_t n)
{
	ssize_t w = send(t->fd, at, n, MSG_NOSIGNAL);

	t->full = w < (ssize_t)n;
	return w;
}

static int socket_write(BIO *bio, const char *at, size_t n, size_t *put)
{
	struct tls *t = BIO_get_data(bio);
	ssize_t w = -1;

	*put = n;
	BIO_clear_retry_flags(bio);
	if (hold_ticket(t, at, n))
		return 1;
	*put = 0;
	if (!t->full) {
		do
			w = t->held ? send_all(t, at, n) : send_plain(t, at, n);
		while (w < 0 && errno == EINTR);
		if (w < 0 && errno != EAGAIN) {
			t->lost = errno;
			return 0;
		}
		t->full = t->full || w < 0;
	}
	if (w < 0) {
		BIO_set_retry_write(bio);
		return 0;
	}
	*put = (size_t)w;
	return 1;
}

static long socket_ctrl(BIO *bio, int what, long number, void *at)
{
	const struct tls *t = BIO_get_data(bio);

	(void)number;
	(void)at;
	if (what == BIO_CTRL_FLUSH)
		return 1;
	return what == BIO_CTRL_EOF && t->ended;
}

static BIO_METHOD *method(void)
{
	static BIO_METHOD *m;

	if (!m && (m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket of the loop"))) {
		BIO_meth_set_read_ex(m, socket_read);
		BIO_meth_set_write_ex(m, socket_write);
		BIO_meth_set_ctrl(m, socket_ctrl);
	}
	return m;
}

BIO *tls_bio_new(struct tls *t)
{
	BIO *bio = method() ? BIO_new(method()) : NULL;

	if (!bio)
		return NULL;
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	return bio;
}

/* Through the BIO for reading, which is never wrapped: ex_data would cost every connection a stack. */
struct tls *tls_of(const SSL *ssl)
{
	return BIO_get_data(SSL_get_rbio(ssl));
}
