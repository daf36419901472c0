/* redis.h -- asking Redis (RESP2) without ever waiting long for it.
 *
 * hiredis is the codec (reader and formatter), the connection is ours: one per
 * worker, on the loop, pipelined.  Replies with arrays over 64, depth over 4 or
 * over 64 KiB drop the connection.  A breaker opens when questions go late or the
 * connection is lost: askers are then told LOST at once, and connecting is tried
 * again with jittered back-off. */
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
	struct list link;
	int64_t due_ms;
	/* `value` is valid only inside the call, and only when ANSWERED.  An ERROR reply is an answer. */
	void (*answered)(struct redis_ask *q, enum redis_outcome how, const struct redis_value *value);
	void *owner;
	bool pending;
	struct redis *redis;
};

struct redis;

struct redis *redis_new(struct loop *l, const struct redis_plan *plan);
void redis_free(struct redis *r);
/* True when a question would be sent now (connected, breaker closed). */
bool redis_ready(const struct redis *r);
/* Send one command.  False: not connected or the breaker is open; no call follows.  The client keeps
 * `q` until `answered`, or redis_forget(q).  Never calls back before returning. */
bool redis_ask(struct redis *r, struct redis_ask *q, const struct slice *argv, unsigned argc);
void redis_forget(struct redis_ask *q);

#endif
