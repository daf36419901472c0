/* redis.h -- asking Redis (RESP2) without ever waiting long for it.
 *
 * hiredis reads the replies, the connection is ours: one per worker, on the loop,
 * pipelined.  Replies with arrays over 64, depth over 4 or over 64 KiB drop the
 * connection.  While a late question has no reply nothing more is asked.  The
 * breaker opens when that lasts 80 ms or happens three times in a row, when the
 * server says it cannot serve (LOADING, READONLY, MASTERDOWN, NOAUTH) or when the
 * connection is lost: what is pending is told LOST at once, and connecting is tried
 * again with jittered back-off.  It closes when a PING is answered within the
 * deadline of a question. */
#ifndef PORTCULLIS_REDIS_REDIS_H
#define PORTCULLIS_REDIS_REDIS_H

#include "gateway/base/addr.h"
#include "gateway/base/mem.h"
#include "gateway/base/slice.h"
#include "gateway/loop/loop.h"

struct redis_plan {
	struct addr address;
	uint16_t port;
	struct slice user, password; /* empty: no AUTH */
	int64_t database;
	uint32_t deadline_ms;        /* of one question */
	struct budget *budget;
};

enum { REDIS_GREETS = 4 };

enum redis_kind { REDIS_NIL, REDIS_INT, REDIS_STRING, REDIS_STATUS, REDIS_ERROR, REDIS_ARRAY };

struct redis_value {
	enum redis_kind kind;
	int64_t integer;
	struct slice text;
	unsigned n;
	struct redis_value *at;
};

enum redis_outcome { REDIS_ANSWERED, REDIS_LATE, REDIS_LOST };

struct redis_ask {
	/* `value` is valid only inside the call, and only when ANSWERED.  An ERROR reply is an answer.
	 * May ask and forget; may not free the client. */
	void (*answered)(struct redis_ask *q, enum redis_outcome how, const struct redis_value *value);
	void *owner;
	/* The client's: */
	bool pending;
	struct redis *redis;
	uint64_t place; /* in the pipeline */
};

struct redis;

/* Begins to connect.  The plan is copied, the budget is borrowed.  NULL when memory is used up. */
struct redis *redis_new(struct loop *l, const struct redis_plan *plan);
/* It was made with this plan, or one that says the same. */
bool redis_is(const struct redis *r, const struct redis_plan *plan);
/* What is still pending is told LOST. */
void redis_free(struct redis *r);
/* A command to send on every connection before any question (SCRIPT LOAD), now too if there is one.
 * What it answers is not waited for; an error is logged.  At most REDIS_GREETS; false when full. */
bool redis_greet(struct redis *r, const struct slice *argv, unsigned argc);
/* True when a question would be sent now (connected, breaker closed, none late). */
bool redis_ready(const struct redis *r);
/* Send one command, with all others of this turn.  `argv` is copied.  False: not ready, or the pipeline
 * is full; no call follows.  The client keeps `q` until `answered`, or
 * redis_forget(q).  Never calls back before returning. */
bool redis_ask(struct redis *r, struct redis_ask *q, const struct slice *argv, unsigned argc);
/* No call any more.  Redis may still carry the command out.  Fine on a question that has ended. */
void redis_forget(struct redis_ask *q);

#endif
