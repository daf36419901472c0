/* proxy_header.h -- the PROXY header by which a load balancer names the client (PROXY protocol, version 1 and 2).
 *
 * Pure: bytes in, answer out.  It stands before everything else on a connection, TLS included, so whoever
 * reads it takes exactly its bytes from the socket and not one more.  Strict: one form of each version, no
 * repairs; a second header is not looked for and so is whatever it is to HTTP or TLS. */
#ifndef PORTCULLIS_HTTP_PROXY_HEADER_H
#define PORTCULLIS_HTTP_PROXY_HEADER_H

#include "gateway/base/addr.h"

enum {
	PROXY_HEADER_LINE = 107,  /* most bytes of version 1, its CRLF included */
	PROXY_HEADER_MOST = 4096, /* most bytes of any that is read; version 2 could announce 64 KiB */
};

struct proxy_header {
	bool named;    /* false: LOCAL, UNKNOWN or unspecified; the connection is the hop's own */
	struct addr source, target;
	uint16_t source_port, target_port;
};

enum proxy_header_found { PROXY_HEADER_MORE, PROXY_HEADER_WHOLE, PROXY_HEADER_BAD };

/* Look at a connection's first bytes, all that have come.  WHOLE: *out, and *len bytes are the header's.
 * BAD: *why; no further bytes change that.  MORE: it may become one, and has less than PROXY_HEADER_MOST bytes.
 * Any split of the bytes gives the same answer in the end.
 *
 * Version 1: single spaces, addresses of the family that is said, ports without leading zeros; behind
 * UNKNOWN anything visible.  Version 2: TCP over IPv4 or IPv6, or unspecified; datagrams and Unix sockets
 * are refused.  Its additions (TLVs) must fill their room exactly; a checksum (CRC32c) must be right, the
 * others are not read.  Behind LOCAL nothing is. */
enum proxy_header_found proxy_header_read(struct slice in, struct proxy_header *out, uint32_t *len, const char **why);

#endif
