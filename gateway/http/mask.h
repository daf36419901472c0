/* mask.h -- the public name in place of the origin's, wherever a field of its answer has it.
 *
 * An origin builds links from the name and port it knows itself by.  A client can neither follow them nor should it
 * learn that name.  Pure. */
#ifndef PORTCULLIS_HTTP_MASK_H
#define PORTCULLIS_HTTP_MASK_H

#include "gateway/base/fields.h"

struct http_mask {
	/* Of the origin's servers: host names in lower case and addresses as addr_text writes them, sorted by
	 * mask_compare; and the ports they listen on. */
	const struct slice *names;
	unsigned names_n;
	const uint16_t *ports;
	unsigned ports_n;
	/* As the client knows the site. */
	struct slice host, authority; /* lower case; with the port, where it is not the scheme's own */
	uint16_t port;
	bool secure;
};

/* Order of names: as memcmp, a shorter one before those that begin with it. */
int mask_compare(struct slice a, struct slice b);

/* In every field that is not hidden:
 *
 * - http://10.0.0.5:8080/x becomes https://shop.example.com/x; so do ws, wss and https, what has no scheme
 *   ("//int.local/x"), and what is in percent-encoding (a return address in a query).  A port goes with the host.
 * - The public name with one of the origin's ports behind it loses that.
 * - A name with a dot, or an address, is replaced where it stands alone, too ("served by int.local:8080").
 * - Of Set-Cookie only a Domain goes that the client's host is not in: with it browsers refuse the cookie.
 *
 * Values are made anew in the arena.  False: memory is used up. */
bool http_mask(struct arena *a, struct fields *f, const struct http_mask *m);

#endif
