/* pool.h -- the worker's side of inspection: ask, and be answered once.
 *
 * At most WAF_OUTSTANDING jobs are out, half of them with large bodies; the rest
 * wait here, oldest first, where they can be cancelled and where their `queue`
 * time runs too.  Where a queue stands (pressure.h), questions about requests are
 * refused at once.  Never blocks. */
#ifndef PORTCULLIS_RULES_POOL_H
#define PORTCULLIS_RULES_POOL_H

#include "gateway/loop/loop.h"
#include "rules/spending.h"
#include "rules/waf.h"

struct pool;

struct pool_plan {
	unsigned worker;             /* index */
	int lanes[WAF_LANES];        /* near ends, SOCK_SEQPACKET, non-blocking; the pool does not close them */
	int doors[WAF_INSPECTORS];   /* the same, of the inspectors' own doors; all workers share them */
	unsigned doors_n;
	struct waf_shared *shared;
	uint32_t waiting_max;        /* jobs that may wait here; more are refused */
	struct budget *budget;
};

struct pool *pool_new(struct loop *l, const struct pool_plan *plan);
void pool_free(struct pool *p);

/* One question.  The asker keeps it until `answered` is called or pool_cancel. */
struct pool_ask {
	struct list link;
	struct buf message;
	int body_fd;   /* -1, or a sealed memory file; borrowed until answered */
	uint8_t keeper; /* set before asking: 0, or who keeps the transaction (waf_answer.keeper); it is asked if it is free soon */
	uint64_t token;
	uint32_t slot;
	enum waf_lane lane;
	int64_t queue_until_us, asked_us;
	bool out;      /* sent, not answered */
	bool waiting;  /* here */
	int plain_fd;  /* while `answered` runs: -1, or the decoded content's file, unlooked at; it is the asker's */
	void (*answered)(struct pool_ask *q, const struct waf_answer *answer);
	void *owner;
	struct bill bill; /* set before asking, or zeroed: who pays; settled here once the question was taken */
};

/* job->token, slot, worker and queue_until_us are filled in here (`queue_ms` from now).  False, and no
 * call follows: the queue is full, or stands, or memory is used up.  Never calls back before returning. */
bool pool_ask(struct pool *p, struct pool_ask *q, struct waf_job *job, int body_fd, uint32_t queue_ms);
void pool_cancel(struct pool *p, struct pool_ask *q);
/* Jobs that are out, and jobs that wait here. */
unsigned pool_outstanding(const struct pool *p);
unsigned pool_waiting(const struct pool *p);
/* What askers charge memory to that outlives a request. */
struct budget *pool_budget(const struct pool *p);

#endif
