/* parts.h -- what request.c and response.c share; for the files of this folder. */
#ifndef PORTCULLIS_HTTP_PARTS_H
#define PORTCULLIS_HTTP_PARTS_H

#include "gateway/http/h1.h"
#include "gateway/http/websocket.h"

/* Which way a field section goes: look-alikes are refused or hidden only towards an origin. */
enum h1_way { H1_TO_ORIGIN, H1_TO_CLIENT };

/* The field lines of a head up to its empty line, which must be the last two bytes before `end`.
 * The bytes are ours: names are made lower case where they stand, slices point there.  Fields that
 * do not travel on are marked hidden.  0, or 400, 431, 503 and *why. */
unsigned h1_section(struct arena *a, char *at, const char *end, uint32_t most, enum h1_way way, struct fields *out,
		    const char **why);

/* One field behind the others; its name is a token in lower case.  `odd`: there is a sign other than "-" in it.
 * 0, or 400, 503 and *why. */
unsigned h1_field(struct arena *a, struct slice name, struct slice value, bool odd, enum h1_way way, struct fields *out,
		  const char **why);

/* ---- What a request of any version has ---- */

/* Sets method and head.  0, or 400, 405, 501 and *why. */
unsigned h1_method(struct slice method, struct request *out, const char **why);
/* The target "*", which asks about the server itself. */
void h1_asterisk(struct request *out, struct slice raw);

struct h1_singles {
	const struct field *host, *length, *expect; /* NULL: not there */
};

/* Finds them.  0, or the status to refuse with where a field that may be there once is there twice. */
unsigned h1_singles(const struct fields *fields, struct h1_singles *out, const char **why);
/* Reads Expect (may be NULL), when out->body is known.  0, or 417. */
unsigned h1_expect(const struct field *expect, struct request *out, const char **why);

/* ---- What all Connection fields of a section say ---- */

struct h1_connection {
	bool close, keep_alive, upgrade;
};

/* Reads them and hides what they name, as far as that is allowed.  False: not a list of tokens, or
 * more names than anybody needs; *why. */
bool h1_connection(struct fields *f, struct h1_connection *out, const char **why);

/* Content-Length: digits, at most 2^63-1, no sign, no list. */
bool h1_length(struct slice value, uint64_t *out);
/* Content of an answer that is sent piece by piece while things happen (HTML Living Standard section 9.2). */
bool http_is_events(const struct fields *fields);

/* Takes $Version and its kin out of every Cookie.  False: memory is used up. */
bool h1_cookies(struct arena *a, struct fields *f);

/* ---- Header lists of HTTP/2 ---- */

/* The next field of `*rest`, which is a list's bytes. */
void h2_cut_field(struct slice *rest, struct slice *name, struct slice *value);
/* A token in lower case; *odd if it holds a sign other than "-". */
bool h2_is_name(struct slice name, bool *odd);
/* RFC 9113 section 8.2.1. */
bool h2_is_value(struct slice value);
/* Section 8.2.2. */
bool h2_is_of_connection(const struct field *f);

static inline unsigned h1_refuse(const char **why, unsigned status, const char *text)
{
	*why = text;
	return status;
}

#endif
