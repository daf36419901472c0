/* media.h -- what a body says it is, read once and strictly.
 *
 * The rule engine picks its parser by looking at the beginning of Content-Type;
 * an origin may look at its end, or at another one.  Here a media type is either
 * exact (RFC 9110 section 8.3.1) or bad, and there is one per message. */
#ifndef PORTCULLIS_RULES_MEDIA_H
#define PORTCULLIS_RULES_MEDIA_H

#include "gateway/base/fields.h"

enum media_kind {
	MEDIA_NONE,      /* not declared */
	MEDIA_BAD,       /* malformed, declared twice, a parameter twice */
	MEDIA_FORM,      /* application/x-www-form-urlencoded */
	MEDIA_MULTIPART, /* multipart/form-data with one usable boundary */
	MEDIA_JSON,      /* application/json, application/...+json */
	MEDIA_XML,       /* application/xml, text/xml, application/...+xml */
	MEDIA_OTHER,     /* well-formed; the engine has no parser for it */
};

struct media {
	enum media_kind kind;
	struct slice type;     /* "type/subtype" as it was written */
	struct slice charset;  /* empty: not given */
	struct slice boundary; /* of MEDIA_MULTIPART */
};

struct media media_parse(struct slice value);
struct media media_of(const struct fields *fields);
/* A charset in which the engine and every origin read the same: UTF-8 and its subsets; for
 * forms also the Latin ones that the Core Rule Set allows. */
bool media_charset_ok(const struct media *m);
/* Is the type in a comma-separated list ("image/png, text/csv", case ignored)? */
bool media_listed(const struct media *m, struct slice list);

#endif
