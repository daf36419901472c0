/* coding.h -- undoing a content coding, within bounds.
 *
 * In the inspector, not in the worker: what a decompressor makes of hostile bytes, and the time that it
 * takes, are then no concern of the process that holds keys and connections.  What was decoded is what
 * the rules see and what an origin is sent. */
#ifndef PORTCULLIS_RULES_CODING_H
#define PORTCULLIS_RULES_CODING_H

#include "rules/media.h"

enum coding_end {
	CODING_DONE,
	CODING_BROKEN,   /* not in that coding, cut short, or something follows it */
	CODING_TOO_MUCH, /* more than there is room for */
	CODING_STARVED,
};

/* One stream of GZIP, DEFLATE (with or without zlib's head: senders differ), BROTLI or ZSTD into `out`, which
 * has room for `room` bytes and one more. */
enum coding_end coding_undo(enum media_coding coding, struct slice in, char *out, size_t room, size_t *len);

#endif
