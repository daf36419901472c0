/* websocket.h -- WebSocket (RFC 6455), the pure parts: the opening handshake, and where frames end. */
#ifndef PORTCULLIS_HTTP_WEBSOCKET_H
#define PORTCULLIS_HTTP_WEBSOCKET_H

#include "gateway/base/fields.h"

enum { WEBSOCKET_KEY = 24, WEBSOCKET_ACCEPT = 28 };

/* The only answer to `key` that a WebSocket server may give (section 4.2.2). */
void websocket_accept(struct slice key, char out[WEBSOCKET_ACCEPT]);
/* 16 bytes in base64. */
bool websocket_is_key(struct slice key);
/* A key of these bytes. */
void websocket_key(const uint8_t random[16], char out[WEBSOCKET_KEY]);
/* What was asked for is what is agreed to (section 4.1): at most one subprotocol, and extensions of no other name
 * than the client has offered. */
bool websocket_agrees(const struct fields *asked, const struct fields *answered);

/* Where in the frames of one side (section 5.2) its bytes are.  All zero in the beginning. */
struct websocket_place {
	uint64_t left;    /* of a frame's payload */
	uint8_t head[14]; /* of the next frame, ... */
	uint8_t have;     /* ... so much of it */
	bool closed;      /* a Close frame has begun */
};

/* These bytes have gone by.  Nothing but where frames end is looked at. */
void websocket_follow(struct websocket_place *p, struct slice bytes);
/* Between two frames, and none of them was Close: a frame of somebody else's may stand here. */
bool websocket_is_between(const struct websocket_place *p);

/* An origin as browsers write it in Origin (RFC 6454 section 6.2): http or https, host in lower case, and a port if it
 * is not the scheme's. */
bool websocket_is_origin(struct slice text);
/* `origin` is that of `authority`, which is lower case and without its scheme's own port.  A page that came in clear is
 * not of what is reached over TLS (`secure`): anybody on its way could have written it. */
bool websocket_is_same_origin(struct slice origin, struct slice authority, bool secure);

#endif
