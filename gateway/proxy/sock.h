/* sock.h -- one connection's bytes, in clear or under TLS, to a client or an origin.
 *
 * Edge-triggered: `readable` and `writable` say whether trying makes sense.  A
 * short read means the kernel's buffer is empty, so no second read asks for the
 * EAGAIN, unless the peer has closed and the end of the stream is still to come. */
#ifndef PORTCULLIS_PROXY_SOCK_H
#define PORTCULLIS_PROXY_SOCK_H

#include <sys/types.h>

#include "gateway/loop/loop.h"
#include "gateway/tls/tls.h"

enum { SOCK_AGAIN = 0, SOCK_EOF = -1, SOCK_BROKEN = -2 };

struct sock {
	struct watch watch;
	struct tls *tls; /* NULL: in clear */
	bool readable, writable, peer_closed;
};

/* Take over a non-blocking descriptor.  On failure it stays the caller's. */
bool sock_open(struct sock *s, struct loop *l, int fd, void (*ready)(struct watch *w, unsigned what));
/* Close everything; callbacks stop at once. */
void sock_close(struct sock *s);
/* Close so that the peer sees a reset, not an end: what was sent is not complete. */
void sock_reset(struct sock *s);
static inline bool sock_is_open(const struct sock *s)
{
	return s->watch.loop != NULL;
}
/* Put what epoll said into the marks. */
void sock_marks(struct sock *s, unsigned what);
/* Bytes read, SOCK_AGAIN, SOCK_EOF or SOCK_BROKEN. */
ssize_t sock_read(struct sock *s, void *at, size_t n);
/* Bytes written (may be short), SOCK_AGAIN or SOCK_BROKEN. */
ssize_t sock_write(struct sock *s, const void *at, size_t n);

#endif
