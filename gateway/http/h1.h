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

/* *why is this very pointer when memory or budget is used up: nobody's fault but ours. */
extern const char h1_no_memory[];

struct h1_limits {
	uint32_t head_bytes;   /* 32768: request line and fields together */
	uint32_t target_bytes; /* 8192 */
	uint32_t fields;       /* 100; each ";" in a cookie counts as one more */
};

/* ---- Finding the end of a head ---- */

enum h1_found { H1_MORE, H1_HEAD, H1_BAD };

/* All zero before each message. */
struct h1_scan {
	uint32_t seen;       /* bytes looked at so far */
	uint32_t line_start; /* of the current line */
	bool first_line_done; /* when the caller's room is full before H1_HEAD: 431 if true, else 414 */
};

/* Look on in `bytes` (from the message's first byte; earlier bytes unchanged since the last
 * call).  H1_HEAD: *len is the length of the head with its empty line.  H1_BAD: no valid head
 * can come of this (a control character, a bare LF or CR, a first line that is neither
 * "METHOD target HTTP/d.d" nor "HTTP/1.d ddd"); *why says what.  Any split of the bytes gives the
 * same answer.  The limit is the caller's: at most 4 GiB. */
enum h1_found h1_scan(struct h1_scan *s, struct slice bytes, uint32_t *len, const char **why);

/* ---- Requests ---- */

/* Parse a whole head.  0, or the status to refuse with (400 405 414 417 421 431 501 503 505);
 * *why then is a short constant reason and *out is not to be read.  `secure`: it came over TLS.
 * One CRLF before the request line has been removed by the caller.  `head` need not live on; it
 * is looked at byte by byte again, whether it was scanned or not.
 *
 * Names: lower case.  One with a sign other than "-" ("_", ".", "!" ...) that would become a known name where
 * all signs are one character (Transfer_Encoding, X.Forwarded.For) is refused; any other such name is
 * hidden: filters see it, no origin does (THREATS G3).
 * Hidden: hop-by-hop fields, Host, framing, Expect, orders to proxies (Proxy, X-Accel-*,
 * X-Sendfile, Surrogate-*), and what Connection names.  Connection cannot hide a name that
 * fields.def knows, a claim of identity, or Sec-* (G2); it may name 16.
 * Claims of identity stay visible: see http_hide_claims.
 * Cookie is without $Version, $Path, $Domain and $Port, for everybody.
 * At most one Host, Content-Length, Transfer-Encoding, Content-Type, Authorization, Expect.
 * Content-Length may have leading zeros (19 digits at most); a number is sent upstream.
 * Absolute form: its authority counts and Host's is forgotten, though it must have been a good one.
 * 501: a method over 32 bytes, or a known transfer coding other than chunked.  421: absolute form
 * with the other scheme; a host nobody serves is the caller's to refuse. */
unsigned h1_request(struct arena *a, struct slice head, const struct h1_limits *limits, bool secure,
		    struct request *out, const char **why);

/* An origin-form target, to be in the arena already: sets path, target, query, has_query and
 * raw_target.  Decoded once, "//" merged, dot segments resolved; encoded again is what RFC 3986
 * does not allow in a path, and ";".  False, *why: above the root; an encoded slash, backslash or
 * control character; a malformed escape; ";" or a backslash as it is; overlong UTF-8; dots followed by
 * ";" or spaces; "#", spaces, controls, bytes above 0x7e anywhere.  The query may hold any other byte,
 * malformed escapes among them.  h1_target of the resulting target changes nothing more. */
bool h1_target(struct arena *a, struct slice target, struct request *out, const char **why);
/* Sets host, authority and port.  Lower case, one trailing dot removed; a name of letters, digits, "-",
 * "_" and single dots, an IPv4 address in four decimal parts, or an IPv6 address in brackets that is
 * none of IPv4.  The port is 1-65535 without leading zeros.  False: *why. */
bool h1_authority(struct arena *a, struct slice text, bool secure, struct request *out, const char **why);

/* ---- Responses ---- */

/* Parse a response head that answers `req`; only req's head, upgrade and fields are read.  False:
 * the origin broke the protocol, *why.  Hidden: hop-by-hop and framing fields, and what Connection
 * names.  What tells the origin's software stays visible: see http_hide_telltales.
 * 101 only as the right answer to a WebSocket handshake (RFC 6455 section 4.2.2). */
bool h1_response(struct arena *a, struct slice head, const struct h1_limits *limits, const struct request *req,
		 struct response *out, const char **why);

/* ---- Chunked bodies ---- */

enum h1_chunk { H1_CHUNK_MORE, H1_CHUNK_DATA, H1_CHUNK_END, H1_CHUNK_BAD };

struct h1_chunks {
	uint64_t left;     /* data bytes left in the current chunk */
	struct buf *trailers; /* set it after h1_chunks_init to get the trailer section; NULL: it is dropped */
	uint32_t overhead; /* bytes of extensions and trailer lines so far, at most 4096 (else BAD) */
	uint8_t state;
	uint8_t digits;
};

void h1_chunks_init(struct h1_chunks *c);
/* Decode from the front of `in`.  *used bytes are consumed.  DATA: *data is a run of body bytes
 * inside `in` (also consumed); call again with the rest.  END: the body, trailers included, is
 * over; what follows in `in` is not the body's.  MORE: all of `in` is
 * consumed, more bytes are needed.  BAD: *why, now and for every later call. */
enum h1_chunk h1_chunks_next(struct h1_chunks *c, struct slice in, size_t *used, struct slice *data, const char **why);

/* The trailer section of an answer, as the decoder kept it: its lines and the empty one.  Read like a head's fields,
 * at most `most` of them; what may not be a trailer is hidden (http_hide_trailers).  False: *why. */
bool h1_trailers(struct arena *a, struct slice section, uint32_t most, struct fields *out, const char **why);

/* ---- Writing ---- */

/* Request line, Host, all fields not hidden, then `extra` (may be NULL), framing, empty line;
 * for a WebSocket handshake Connection and Upgrade.  Re-validates every byte: false, and nothing
 * written, if a method, target, authority or field is not fit, if a field that is not hidden is one of
 * framing, Connection, Upgrade, Expect or Host, or if memory is used up.  `body`/`length` is the
 * framing upstream: NONE (Content-Length: 0 for POST, PUT and PATCH), LENGTH or CHUNKED. */
bool h1_write_request(struct buf *out, const struct request *req, const struct fields *extra,
		      enum http_body body, uint64_t length);
/* Status line, fields not hidden, extra, framing, "Connection: close" unless keep_alive; false as
 * above.  NONE says Content-Length: 0, except with 304; CLOSE says nothing: it is also right for the answer
 * to a HEAD whose length nobody knows.  For 304 and HEAD an origin's length may be passed on
 * (body LENGTH, but none is sent).  1xx: no framing at all; 101 says Upgrade: websocket.  204: no
 * length.  `extra` may hold "connection: keep-alive" for an HTTP/1.0 client; to such a client CHUNKED
 * must not be sent. */
bool h1_write_response(struct buf *out, unsigned status, const struct fields *fields, const struct fields *extra,
		       enum http_body body, uint64_t length, bool keep_alive);
/* A field as that is fit for the answer in any version: none of a connection or of framing, every byte allowed. */
bool h1_may_answer(const struct field *f);
/* A field of a request that is fit for an origin in any version. */
bool h1_may_ask(const struct field *f);
/* Method, target and authority are fit to be sent. */
bool h1_may_be_sent(const struct request *req);
/* The last chunk, trailers that are not hidden (NULL: none), and the empty line.  False, and nothing written: one of
 * them may not be sent, or memory is used up. */
bool h1_write_last_chunk(struct buf *out, const struct fields *trailers);
/* "1000\r\n" before n bytes of data; returns its length.  The caller writes CRLF behind the data.  n = 0 is
 * the last chunk: an empty line ends the body then. */
unsigned h1_chunk_head(char out[20], uint64_t n);

#endif
