/* message.h -- the canonical request and response, whatever HTTP version carried them.
 *
 * There is one form of a request.  Filters read it, the serialiser writes it
 * upstream; nobody edits it.  All slices live in the arena the parser was
 * given. */
#ifndef PORTCULLIS_HTTP_MESSAGE_H
#define PORTCULLIS_HTTP_MESSAGE_H

#include <stdint.h>

#include "gateway/base/fields.h"

enum http_body {
	HTTP_BODY_NONE,    /* no content follows */
	HTTP_BODY_LENGTH,  /* content_length bytes follow */
	HTTP_BODY_CHUNKED, /* length unknown, its end is marked */
	HTTP_BODY_CLOSE,   /* responses only: until the connection ends */
};

enum http_upgrade { HTTP_UPGRADE_NONE, HTTP_UPGRADE_WEBSOCKET };

struct request {
	struct slice method;      /* case-sensitive token */
	struct slice host;        /* lower case, no port, no trailing dot; IPv6 in brackets, shortest form */
	struct slice authority;   /* host, and :port if it was given and is not the scheme's own; sent upstream */
	struct slice path;        /* decoded once, dots resolved, begins with "/"; "*" for OPTIONS * */
	struct slice target;      /* canonical form of path, re-encoded, and ?query: sent upstream, seen by the WAF */
	struct slice query;       /* raw bytes behind "?" */
	struct slice raw_target;  /* as the client wrote it; for records only */
	struct fields fields;     /* Host, framing and hop-by-hop fields are in it, marked hidden */
	struct fields trailers;
	uint64_t content_length;
	enum http_body body;      /* Content-Length: 0 is NONE */
	enum http_upgrade upgrade; /* WEBSOCKET: a whole handshake, version 13 with a key; else an ordinary request */
	uint16_t port;            /* of the authority; the scheme's own if not given */
	bool secure;              /* scheme https */
	bool has_query;
	bool keep_alive;          /* the client allows another request on this connection */
	bool expect_continue;     /* HTTP/1.1, and content is announced: it waits for a 100 */
	bool head;                /* method is HEAD: no response has content */
	uint8_t minor;            /* of HTTP/1.x; for records and framing, never for decisions */
};

struct response {
	uint16_t status;
	struct fields fields;     /* framing and hop-by-hop fields marked hidden */
	struct fields trailers;
	uint64_t content_length;
	enum http_body body;      /* what follows on this connection: NONE for HEAD, 1xx, 204, 304 and length 0 */
	bool has_length;          /* Content-Length was given; for HEAD and 304 it says what a GET would have had */
	bool events;              /* text/event-stream: content that comes as things happen, and may never end */
	bool keep_alive;          /* the origin allows reuse, its framing does, and no content may follow unread */
	uint8_t minor;
};

/* "Not Found" for 404; "Status" for what is not registered. */
const char *http_reason(unsigned status);
/* Safe to send twice: GET HEAD OPTIONS TRACE PUT DELETE (RFC 9110 section 9.2.2). */
bool http_method_idempotent(struct slice method);
/* Hide every field by which a client could say who or where it is, or what it asks for: all
 * X-Forwarded-*, Forwarded, X-Real-IP and kin, X-Original-URL, X-HTTP-Method-Override, X-Request-ID and
 * theirs, Remote-User, Client-Cert and theirs.  The parsers leave them visible: a trusted hop may have set
 * them.  `trusted`: one has; then users and certificates stay, which nobody else can know. */
void http_hide_claims(struct fields *f, bool trusted);
/* Hide what a trusted hop says of certificates: the gateway has looked for one itself. */
void http_hide_certificates(struct fields *f);
/* One of those; `name` in lower case. */
bool http_is_claim(struct slice name);
/* Names of fields, in lower case; one that ends with "*" is a beginning. */
struct http_names {
	const struct slice *at;
	unsigned n;
};

/* Hide what tells of an answer's origin: its software, its machine, what stands before it.  `shown` names what is
 * not hidden all the same, `hidden` what else is.  The parser leaves them visible. */
void http_hide_telltales(struct fields *f, const struct http_names *shown, const struct http_names *hidden);
/* Hidden unless a site shows it; `name` in lower case. */
bool http_is_telltale(struct slice name);
/* The trace id, 32 digits, of the one well-formed traceparent; then it and tracestate are passed on as
 * they are.  Else none, and both are hidden (W3C Trace Context, sections 3.2 and 4.3). */
struct slice http_check_trace(struct fields *f);
/* Hide what must not stand behind content, where nobody expects it: framing, routing, requests' conditions, proofs of
 * identity, cookies, what says how an answer is to be read, kept or shown (RFC 9110 section 6.5.1). */
void http_hide_trailers(struct fields *f);
/* TE says so (RFC 9110 section 10.1.4). */
bool http_takes_trailers(const struct fields *f);
/* What is wrong with the Range a client sent, or NULL: more than one, more than ten parts, parts that overlap or are
 * none (RFC 9110 section 14.2). */
const char *http_check_range(const struct fields *f);

#endif
