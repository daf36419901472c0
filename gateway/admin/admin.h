/* admin.h -- what an operator's tools ask a running gateway: a small HTTP server over the metric page.
 *
 * GET or HEAD of /metrics (Prometheus' text format 0.0.4), /status (JSON, for programs and for `portcullis
 * status`) and /healthz (200 "ok", or 503 and why).  One request per connection, a few connections, and a
 * clock on each.  It only reads the page: what it shows is what was counted, however busy the workers
 * are.  It knows no configuration and no secret. */
#ifndef PORTCULLIS_ADMIN_ADMIN_H
#define PORTCULLIS_ADMIN_ADMIN_H

#include "gateway/base/metric.h"
#include "gateway/loop/loop.h"

struct admin_plan {
	struct loop *loop;
	const struct metric_page *page; /* borrowed; may be mapped read-only */
	int local, port;                /* listening sockets, non-blocking, or -1: a Unix one, and TCP on loopback */
};

struct admin;

/* Begins to accept.  NULL: no memory, or the loop is full. */
struct admin *admin_new(const struct admin_plan *plan);
void admin_free(struct admin *a);

#endif
