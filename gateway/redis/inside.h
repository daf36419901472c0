/* inside.h -- what redis.c (questions) and connection.c (the socket) share. */
#ifndef PORTCULLIS_REDIS_INSIDE_H
#define PORTCULLIS_REDIS_INSIDE_H

#include "gateway/base/buf.h"
#include "gateway/redis/redis.h"
#include "gateway/redis/reply.h"

enum {
	PIPELINE = 8192,          /* questions without a reply; a power of two */
	OUT_BYTES = 4 << 20,      /* not yet taken by the kernel */
	COMMAND_BYTES = 64 << 10,
	LATE_ROW = 3,             /* times in a row that it was late */
	SILENT_MS = 80,           /* beyond a deadline, without any reply */
	IDLE_MS = 1000,           /* then a PING finds out whether the server is still there */
	CONNECT_MS = 500,
	BACK_OFF_LEAST_MS = 50,
	BACK_OFF_MOST_MS = 1600,
	HELLOS = REDIS_GREETS + 3, /* AUTH, SELECT, greetings, PING */
};

enum state { DOWN, CONNECTING, GREETING, UP };

/* One question on its way.  It stays in the pipeline when its asker has gone: the reply still comes. */
struct slot {
	struct redis_ask *q; /* NULL: nobody waits any more */
	int64_t due_ms;
};

struct redis {
	struct loop *loop;
	struct redis_plan plan;
	enum state state;
	struct watch watch;
	int fd;
	bool writable;
	struct timer clock; /* the next deadline, silence or idle PING */
	struct timer again; /* the end of connecting, or of the back-off */
	struct task flush;
	struct buf out;
	struct replies in;
	/* The pipeline: slots [head, tail) wait for replies, [head, due) of them are late. */
	struct slot *slots;
	uint64_t head, due, tail;
	unsigned late_row;
	int64_t heard_ms;
	unsigned back_off_ms;
	uint64_t random;
	bool told; /* the operator knows that it is down */
	struct redis_ask hello[HELLOS], probe;
	struct buf greetings; /* whole commands */
	unsigned greetings_n;
};

static inline struct slot *slot_at(struct redis *r, uint64_t place)
{
	return &r->slots[place % PIPELINE];
}

/* ---- redis.c ---- */

/* Append one command; false, and nothing appended, when memory or `most` is used up. */
bool command_print(struct buf *out, const struct slice *argv, unsigned argc, uint32_t most);
/* Let `q` (NULL: nobody) wait for the reply of a command that was just appended to r->out. */
void pipeline_push(struct redis *r, struct redis_ask *q);
/* The reply of the oldest question.  False: nothing was asked. */
bool pipeline_answer(struct redis *r, const struct redis_value *v);
/* Every question that waits is told LOST. */
void pipeline_lose(struct redis *r);
/* Start the clock for what comes next. */
void clock_set(struct redis *r);
void clock_fired(struct timer *t);

/* ---- connection.c ---- */

void connection_open(struct redis *r);
/* Close, tell what is pending LOST and come again later.  `why` is for the operator. */
void connection_lost(struct redis *r, struct slice why);
void connection_again(struct timer *t);
void connection_flush(struct task *t);

#endif
