/* reply.h -- bytes in, one redis_value at a time out.
 *
 * The only door to hiredis.  Its own reply functions reserve what a header of
 * the other end announces; ours refuse first, and a reply lives in an arena that
 * is emptied when the next one is asked for. */
#ifndef PORTCULLIS_REDIS_REPLY_H
#define PORTCULLIS_REDIS_REPLY_H

#include "gateway/base/arena.h"
#include "gateway/redis/redis.h"

enum {
	REPLY_ELEMENTS = 64,     /* of one array */
	REPLY_DEPTH = 4,         /* arrays inside arrays */
	REPLY_BYTES = 64 * 1024, /* of one reply, as bytes on the wire and as values in memory */
	REPLY_FEED = 16 * 1024,  /* most bytes to give at once */
	/* What the reader's own buffer can grow to: it doubles. */
	REPLY_BUFFER = 2 * (REPLY_BYTES + REPLY_FEED),
};

enum reply_found { REPLY_NONE, REPLY_WHOLE, REPLY_BAD };

struct replies {
	struct redisReader *reader;
	struct arena arena;
	struct budget *budget;
	size_t used; /* bytes of the reply in the making */
	const char *why; /* after BAD */
};

/* False when memory is used up. */
bool replies_init(struct replies *in, struct budget *budget);
void replies_done(struct replies *in);
/* Take in at most REPLY_FEED bytes.  False: too much unread, or memory is used up; `why` says which. */
bool replies_feed(struct replies *in, const char *at, size_t n);
/* The next whole reply; it is valid until the next call with `in`.  After BAD nothing more can be had. */
enum reply_found replies_next(struct replies *in, const struct redis_value **out);

#endif
