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
	MEDIA_MULTIPART, /* multipart/form-data with one usable boundary, and no parameter but charset */
	MEDIA_JSON,      /* application/json, application/...+json */
	MEDIA_XML,       /* application/xml, text/xml, application/...+xml */
	MEDIA_TEXT,      /* any other text/..., GraphQL, lines of JSON: read as the text it is, and as whatever it may hold */
	MEDIA_OTHER,     /* well-formed; nobody here can read it */
};

/* Content-Encoding (RFC 9110 section 8.4.1; brotli RFC 7932, zstd RFC 8878). */
enum media_coding {
	CODING_NONE,     /* not given, or "identity" */
	CODING_GZIP,
	CODING_DEFLATE,
	CODING_BROTLI,
	CODING_ZSTD,
	CODING_OTHER,    /* another one, or several: what is decoded twice is a bomb or a disguise */
};

struct media {
	enum media_kind kind;
	struct slice type;     /* "type/subtype" as it was written */
	struct slice charset;  /* empty: not given */
	struct slice boundary; /* of MEDIA_MULTIPART */
};

struct media media_parse(struct slice value);
struct media media_of(const struct fields *fields);
/* A charset in which the engine and every origin read the same: UTF-8 and its subsets; but for JSON and
 * XML also the Latin ones that the Core Rule Set allows. */
bool media_charset_ok(const struct media *m);
/* UTF-8, spelt in a way that the rules do not know ("utf8", 'utf-8') and every origin does. */
bool media_charset_alias(const struct media *m);
enum media_coding media_coding(const struct fields *fields);
/* Is the type in a comma-separated list ("image/png, text/csv", case ignored)? */
bool media_listed(const struct media *m, struct slice list);

#endif
