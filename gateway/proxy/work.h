/* work.h -- what one client connection has caused and is not over, whether or not the client still waits for it.
 *
 * A client that leaves its requests as fast as it makes them would have more at work than its connection allows,
 * if only those counted that it waits for. */
#ifndef PORTCULLIS_PROXY_WORK_H
#define PORTCULLIS_PROXY_WORK_H

#include "gateway/base/list.h"

struct work_group {
	struct list members;
	unsigned n;
};

/* Inside of what is at work. */
struct work {
	struct list link;
	struct work_group *group; /* NULL: none */
};

void work_group_init(struct work_group *g);
/* The connection is gone; what is still at work goes on without. */
void work_group_done(struct work_group *g);
void work_init(struct work *w);
void work_begin(struct work *w, struct work_group *g);
/* Also of what is in no group. */
void work_end(struct work *w);

#endif
