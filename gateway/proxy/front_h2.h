/* front_h2.h -- an HTTP/2 client connection (RFC 9113): an exchange for each stream. */
#ifndef PORTCULLIS_PROXY_FRONT_H2_H
#define PORTCULLIS_PROXY_FRONT_H2_H

#include "gateway/proxy/proxy.h"

struct front;
struct h2;

/* The connection speaks HTTP/2 from here on; what lies in f->in is the beginning of it.  False: memory is used
 * up. */
bool h2_open(struct front *f);
/* Work on what has come and what is to be sent.  The connection may be closed by it. */
void h2_go(struct front *f);
/* f->timer has fired. */
void h2_late(struct front *f);
/* No new streams; it closes when the last of them ends. */
void h2_drain(struct front *f);
/* Its tunnels end, and the client is told, as far as its socket takes it.  True: nothing else is at work. */
bool h2_end_tunnels(struct front *f, const char *why);
bool h2_is_idle(const struct front *f);
/* An idle one is about to be closed to make room: tell the client, as far as its socket takes it. */
void h2_say_goodbye(struct front *f);
/* The connection is closed: nothing more is sent, exchanges in progress are aborted. */
void h2_close(struct front *f);

#endif
