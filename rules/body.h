/* body.h -- is a body exactly what its media type says, and small enough in its parts; and what else is in it?
 *
 * Pure.  The inspector asks before it gives a body to the rule engine, whose
 * parsers forgive: what only some readers accept is refused here, so that the
 * engine, this gateway and the origin read the same.
 * - form: the number of fields; no _charset_ but UTF-8.  Fields that hold JSON: its strings are told.
 * - JSON: RFC 8259 in UTF-8; no two members of one object with the same name
 *   after decoding; no number that overflows; leaves and depth within bounds.
 * - multipart/form-data: RFC 7578; CRLF line ends, nothing before the first or
 *   after the last boundary, no boundary behind half a line end, no folded, repeated or escaped part
 *   headers, no transfer encoding, no parts within parts, charsets as media_charset_ok.  A file's second
 *   name (filename*, or an encoded word) is told; so is what a part holds that says it is JSON or XML.
 * - XML: 1.0 in UTF-8, well-formed, no document type (so no entities); values within bounds, and told.
 * - text: no NUL; told as a whole, read as JSON if it is that, else as a form too, and its strings told. */
#ifndef PORTCULLIS_RULES_BODY_H
#define PORTCULLIS_RULES_BODY_H

#include "gateway/base/hash.h"
#include "rules/extra.h"
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

struct body_look {
	enum body_reading reading;
	struct extras extras; /* set arena before; `most` is set to limits->arguments */
	bool files;           /* set before: look into files, too */
};

struct body_fault body_check(const struct media *m, struct slice body, const struct body_limits *limits,
			     const struct hash_seed *seed, struct body_look *look);

/* The parts; body_check calls them. */
struct body_fault body_json(struct slice body, const struct body_limits *limits, const struct hash_seed *seed);
struct body_fault body_multipart(struct slice body, struct slice boundary, const struct body_limits *limits,
				 struct body_look *look);
struct body_fault body_xml(struct slice body, const struct body_limits *limits, struct extras *into);
struct body_fault body_form(struct slice body, const struct body_limits *limits, struct extras *into);
struct body_fault body_text(struct slice body, const struct body_limits *limits, const struct hash_seed *seed,
			    struct body_look *look);

/* The file name that a filename* parameter means, or one written as mail does, if it is: told, or why not. */
const char *body_second_name(struct slice value, struct extras *into);
const char *body_mail_name(struct slice filename, struct extras *into);
/* The very pointer that they return for what does not fit. */
extern const char body_too_many[];

#endif
