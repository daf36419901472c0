/* reply.h -- answers of our own: error pages and redirects. */
#ifndef PORTCULLIS_PROXY_REPLY_H
#define PORTCULLIS_PROXY_REPLY_H

#include "gateway/proxy/exchange.h"

struct reply {
	unsigned status;
	struct fields fields;
	struct slice page;
};

/* The same bytes for one status, whatever the cause, but for the request id: a page tells the client
 * nothing about rules, origins or faults.  False: memory is used up. */
bool reply_make(struct exchange *x, const struct verdict *v, struct reply *out);
/* The time as Date says it; at is NULL when memory is used up. */
struct slice reply_date(struct exchange *x);
/* This request's URL on the https listener; at is NULL when memory is used up. */
struct slice reply_https_location(struct exchange *x);

#endif
