/* spool.h -- a request body that is held: a little in memory, the rest in a memory file with a quota.
 *
 * One client may fill an eighth of the quota; one content always fits.  What is held can be inspected whole and sent
 * more than once.  A memory file that is complete is sealed, so it can be handed to an inspector as it is. */
#ifndef PORTCULLIS_PROXY_SPOOL_H
#define PORTCULLIS_PROXY_SPOOL_H

#include "gateway/base/buf.h"
#include "gateway/chain/chain.h"

enum { SPOOL_MEMORY = 64 << 10 }; /* bytes kept in memory before a file is made; fewer where memory is tight */

struct spool {
	struct buf memory;
	struct budget *quota; /* of the worker, for file bytes */
	uint64_t *share;      /* of the client: what all its contents have of the quota; NULL: nobody counts */
	uint64_t charged;     /* this one's part of both */
	uint64_t len;
	int fd;
};

enum { SPOOL_SHARES = 8 };

void spool_init(struct spool *s, struct budget *memory, struct budget *quota);
/* Whose it is; before the first byte. */
void spool_own(struct spool *s, uint64_t *share);
/* REASON_NONE, or what is used up: memory, room for all, the client's share of it, descriptors. */
enum reason spool_put(struct spool *s, struct slice bytes);
/* Nothing follows; seal the file if there is one. */
bool spool_close(struct spool *s);
/* Hold this instead: `len` bytes of a sealed memory file, which is the spool's from here on whatever comes of it.
 * REASON_NONE, or what is used up. */
enum reason spool_replace(struct spool *s, int fd, uint64_t len);
void spool_held(const struct spool *s, struct held *out);
/* Bytes from `offset` into `at`; returns how many (0 at the end, -1 on an error). */
ssize_t spool_read(const struct spool *s, uint64_t offset, void *at, size_t n);
void spool_done(struct spool *s);

#endif
