/* h1.h -- HTTP/1.1 (RFC 9112), strict: bytes in, one canonical message out, or a refusal.
 *
 * Pure: no sockets, no clock.  A head is first found (h1_scan, incremental), then
 * parsed as a whole.  What is ambiguous is refused, never repaired: bare CR or
 * LF, NUL, folding, space around names, two framings, list lengths, any transfer
 * coding but "chunked", names that are not tokens. */
#ifndef PORTCULLIS_HTTP_H1_H
#define PORTCULLIS_HTTP_H1_H

#include "gateway/base/buf.h"
#include "gateway/http/message.h"

struct h1_limits {
	uint32_t head_bytes;   /* 32768: request line and fields together */
	uint32_t target_bytes; /* 8192 */
	uint32_t fields;       /* 100; each cookie crumb counts as one more */
};

/* ---- Finding the end of a head ---- */

enum h1_found { H1_MORE, H1_HEAD, H1_BAD };

struct h1_scan {
	uint32_t seen;       /* bytes looked at so far */
	uint32_t line_start; /* of the current line */
	bool first_line_done;
};

/* Look on in `bytes` (from the message's first byte; earlier bytes unchanged since the last
 * call).  H1_HEAD: *len is the length of the head with its empty line.  H1_BAD: no valid head
 * can come of this (a control character, a bare LF or CR, a first line that is not HTTP/1.x);
 * *why says what.  Any split of the bytes gives the same answer. */
enum h1_found h1_scan(struct h1_scan *s, struct slice bytes, uint32_t *len, const char **why);

/* ---- Requests ---- */

/* Parse a whole head.  0, or the status to refuse with (400 404 405 414 417 421 431 501 505),
 * *why then is a short constant reason.  `secure`: it came over TLS.  One CRLF before the request
 * line has been removed by the caller.  Checks that names of hop-by-hop fields in Connection are
 * marked hidden, but never lets Connection hide host, content-length, cookie, authorization and
 * kin, nor names that begin with "x-" which the gateway sets (THREATS G2).  Names with "_" or "."
 * are refused (look-alikes, G3). */
int h1_request(struct arena *a, struct slice head, const struct h1_limits *limits, bool secure,
	       struct request *out, const char **why);

/* Canonical path of an origin-form target, see docs in path.c.  False: *why. */
bool h1_target(struct arena *a, struct slice target, struct request *out, const char **why);
/* Lower case, no trailing dot, validated reg-name, IPv4 or [IPv6]; port cut off.  False: *why. */
bool h1_authority(struct arena *a, struct slice text, bool secure, struct request *out, const char **why);

/* ---- Responses ---- */

/* Parse a response head that answers `req`.  False: the origin broke the protocol, *why. */
bool h1_response(struct arena *a, struct slice head, const struct h1_limits *limits, const struct request *req,
		 struct response *out, const char **why);

/* ---- Chunked bodies ---- */

enum h1_chunk { H1_CHUNK_MORE, H1_CHUNK_DATA, H1_CHUNK_END, H1_CHUNK_BAD };

struct h1_chunks {
	uint64_t left;     /* data bytes left in the current chunk */
	uint32_t overhead; /* bytes of extensions and trailers so far, at most 4096 (else BAD) */
	uint8_t state;
	uint8_t digits;
};

void h1_chunks_init(struct h1_chunks *c);
/* Decode from the front of `in`.  *used bytes are consumed.  DATA: *data is a run of body bytes
 * inside `in` (also consumed); call again with the rest.  END: the body, trailers included, is
 * over (trailers are dropped).  MORE: all of `in` is consumed, more bytes are needed.  BAD: *why. */
enum h1_chunk h1_chunks_next(struct h1_chunks *c, struct slice in, size_t *used, struct slice *data, const char **why);

/* ---- Writing ---- */

/* Request line, Host, all fields not hidden, then `extra` (may be NULL), framing, empty line.
 * Re-validates every byte (no CR, LF, NUL; tokens): false if anything is not fit, or memory is
 * used up.  `body`/`length` is the framing upstream: NONE, LENGTH or CHUNKED. */
bool h1_write_request(struct buf *out, const struct request *req, const struct fields *extra,
		      enum http_body body, uint64_t length);
/* Status line, fields not hidden, extra, framing, "Connection: close" unless keep_alive.  With
 * body CLOSE nothing frames the content.  `informational` for 1xx: no framing at all.  For 304 and
 * HEAD a content_length of the origin may be passed on (body LENGTH, but none is sent). */
bool h1_write_response(struct buf *out, unsigned status, const struct fields *fields, const struct fields *extra,
		       enum http_body body, uint64_t length, bool keep_alive);
/* "1000\r\n" before n bytes of data (n > 0); returns its length.  The caller writes CRLF behind the data. */
unsigned h1_chunk_head(char out[20], uint64_t n);

#endif
