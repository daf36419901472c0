/* parts.h -- what request.c and response.c share; for the files of this folder. */
#ifndef PORTCULLIS_HTTP_PARTS_H
#define PORTCULLIS_HTTP_PARTS_H

#include "gateway/http/h1.h"

/* Which way a field section goes: look-alikes are refused or hidden only towards an origin. */
enum h1_way { H1_TO_ORIGIN, H1_TO_CLIENT };

/* The field lines of a head up to its empty line, which must be the last two bytes before `end`.
 * The bytes are ours: names are made lower case where they stand, slices point there.  Fields that
 * do not travel on are marked hidden.  0, or 400, 431, 503 and *why. */
unsigned h1_section(struct arena *a, char *at, const char *end, uint32_t most, enum h1_way way, struct fields *out,
		    const char **why);

/* What all Connection fields of a section say. */
struct h1_connection {
	bool close, keep_alive, upgrade;
};

/* Reads them and hides what they name, as far as that is allowed.  False: not a list of tokens, or
 * more names than anybody needs; *why. */
bool h1_connection(struct fields *f, struct h1_connection *out, const char **why);

/* Content-Length: digits, at most 2^63-1, no sign, no list. */
bool h1_length(struct slice value, uint64_t *out);

/* Takes $Version and its kin out of every Cookie.  False: memory is used up. */
bool h1_cookies(struct arena *a, struct fields *f);

/* The only answer to `key` that a WebSocket server may give (RFC 6455 section 4.2.2). */
enum { WEBSOCKET_ACCEPT = 28 };
void websocket_accept(struct slice key, char out[WEBSOCKET_ACCEPT]);
/* 16 bytes in base64. */
bool websocket_is_key(struct slice key);

static inline unsigned h1_refuse(const char **why, unsigned status, const char *text)
{
	*why = text;
	return status;
}

#endif
