/* pages.h -- what is shown: each page from the metric page and the clocks, nothing else. */
#ifndef PORTCULLIS_ADMIN_PAGES_H
#define PORTCULLIS_ADMIN_PAGES_H

#include "gateway/base/buf.h"
#include "gateway/base/metric.h"

struct page {
	unsigned status;
	const char *type;   /* media type */
	struct buf body;    /* the caller's to free */
};

/* The page at `path`; 404 for what is none. */
void page_make(struct page *p, struct slice path, const struct metric_page *from, int64_t now_us, int64_t wall_s);
/* A page of one line. */
void page_say(struct page *p, unsigned status, const char *line);

/* What is wrong with the gateway as a whole; NULL: it serves.  `now_us` is monotonic. */
const char *page_health(const struct metric_page *from, int64_t now_us);
bool page_worker_serves(const struct metric_page *from, unsigned worker, int64_t now_us);

/* prometheus.c; false when memory is used up. */
bool page_prometheus(struct buf *out, const struct metric_page *from);
/* status.c; `wall_s` is Unix time. */
bool page_status(struct buf *out, const struct metric_page *from, int64_t now_us, int64_t wall_s);

#endif
