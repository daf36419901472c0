/* body.h -- is a body exactly what its media type says, and small enough in its parts?
 *
 * Pure.  The inspector asks before it gives a body to the rule engine, whose
 * parsers forgive: what only some readers accept is refused here, so that the
 * engine, this gateway and the origin read the same.
 * - form: the number of fields.
 * - JSON: RFC 8259 in UTF-8; no two members of one object with the same name
 *   after decoding; leaves and depth within bounds.
 * - multipart/form-data: RFC 7578; CRLF line ends, nothing before the first or
 *   after the last boundary, no folded, repeated or escaped part headers, no
 *   filename*, no transfer encoding, charsets as media_charset_ok.
 * - XML: no document type (so no entities), no NUL, no other encoding. */
#ifndef PORTCULLIS_RULES_BODY_H
#define PORTCULLIS_RULES_BODY_H

#include "gateway/base/hash.h"
#include "rules/media.h"

enum { BODY_DEPTH_MOST = 1024 };

struct body_limits {
	uint32_t arguments, depth, parts; /* depth at most BODY_DEPTH_MOST */
};

struct body_fault {
	const char *why; /* NULL: nothing wrong */
	size_t at;       /* offset of the first byte that is wrong */
	bool too_much;   /* a bound was passed: 413; else malformed: 400 */
};

struct body_fault body_check(const struct media *m, struct slice body, const struct body_limits *limits,
			     const struct hash_seed *seed);

/* The parts; body_check calls them. */
struct body_fault body_json(struct slice body, const struct body_limits *limits, const struct hash_seed *seed);
struct body_fault body_multipart(struct slice body, struct slice boundary, const struct body_limits *limits);

#endif
