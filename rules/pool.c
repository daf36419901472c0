/* pool.c -- outstanding jobs, the ones that wait for a slot, and their answers. */
#include "rules/pool.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gateway/base/fail.h"
#include "gateway/base/hash.h"
#include "rules/pressure.h"

/* Bytes of body that still count as a small page: inspecting them costs little more than a page. */
enum {
	LANE_TURN = 256,   /* answers of one lane before others have their turn */
	POOL_SMALL = 4096,
	POOL_SMALL_ANSWER = WAF_INLINE, /* an answer's content is one text, not a thousand arguments */
};

struct slot {
	struct pool_ask *ask; /* NULL: free */
	uint64_t token;
};

struct lane {
	struct watch watch;
	struct pool *pool;
	struct list waiting;
	struct pressure pressure;
	unsigned out, waiting_n; /* jobs; never more than `most` and `waiting_max`: */
	unsigned most, waiting_max; /* of large ones half as many as of all, so that they leave room for pages */
	bool full;  /* the socket said EAGAIN; it will say when there is room */
	bool gone;  /* nobody holds the far end any more, */
	bool ended; /* and all that was sent from there has been read */
	struct task more;
};

/* Its asker has left, an inspector is at it: who pays is known until it is over. */
struct orphan {
	uint64_t token; /* 0: free */
	struct bill bill;
};

struct pool {
	struct loop *loop;
	struct pool_plan plan;
	struct lane lanes[WAF_LANES];
	struct slot slots[WAF_OUTSTANDING];
	uint8_t free_slots[WAF_OUTSTANDING];
	unsigned free_n;
	uint32_t waiting_n;
	struct orphan orphans[WAF_INSPECTORS];
	unsigned next_orphan;
	struct timer expiry;
	struct task drain;
	struct hash_seed seed; /* tokens are this over a counter: nobody else can name a job */
	uint64_t counter;
	char *in; /* WAF_MESSAGE bytes */
};

static _Atomic uint64_t *wanted(struct pool *p, uint32_t slot)
{
	return &p->plan.shared->wanted[p->plan.worker].token[slot];
}

static void free_slot(struct pool *p, struct pool_ask *q)
{
	atomic_store(wanted(p, q->slot), 0);
	p->lanes[q->lane].out--;
	p->slots[q->slot].ask = NULL;
	p->free_slots[p->free_n++] = (uint8_t)q->slot;
	q->out = false;
}

static void begin_waiting(struct pool *p, struct pool_ask *q)
{
	list_push_last(&p->lanes[q->lane].waiting, &q->link);
	p->lanes[q->lane].waiting_n++;
	p->waiting_n++;
	q->waiting = true;
}

static void end_waiting(struct pool *p, struct pool_ask *q)
{
	list_remove(&q->link);
	p->lanes[q->lane].waiting_n--;
	p->waiting_n--;
	q->waiting = false;
}

/* The asker's again, before it is told. */
static void forget(struct pool *p, struct pool_ask *q)
{
	if (q->waiting)
		end_waiting(p, q);
	if (q->out)
		free_slot(p, q);
	buf_done(&q->message);
}

static void answer_ourselves(struct pool *p, struct pool_ask *q, enum waf_result result)
{
	struct waf_answer answer;

	memset(&answer, 0, sizeof answer);
	answer.token = q->token;
	answer.result = result;
	/* Of what was out when everybody was lost nobody knows how far it came. */
	bill_settle(&q->bill, q->out && result == WAF_LOST ? q->bill.laid_aside_us : 0, loop_us(p->loop));
	forget(p, q);
	q->plain_fd = -1;
	q->answered(q, &answer);
}

/* ---- Sending ---- */

enum sent { SENT, SENT_LATER, SENT_NEVER };

static enum sent send_job(const struct pool_ask *q, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {q->message.at + q->message.start, buf_len(&q->message)};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	if (q->body_fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof control.room;
		control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.head), &q->body_fd, sizeof(int));
	}
	if (sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return SENT;
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == EINTR || errno == ETOOMANYREFS)
		return SENT_LATER;
	return SENT_NEVER;
}

/* Give it a slot and send it, to a lane or a door; one slot must be free. */
static enum sent put_out(struct pool *p, struct pool_ask *q, int fd)
{
	enum sent how;

	q->slot = p->free_slots[--p->free_n];
	waf_set_slot(q->message.at + q->message.start, q->slot);
	q->out = true;
	p->lanes[q->lane].out++;
	p->slots[q->slot] = (struct slot){q, q->token};
	atomic_store(wanted(p, q->slot), q->token);
	how = send_job(q, fd);
	if (how == SENT)
		buf_done(&q->message);
	else
		free_slot(p, q);
	return how;
}

/* As far as is known; the socket has the last word. */
static bool has_room(const struct pool *p, const struct lane *lane)
{
	return p->free_n && lane->out < lane->most && !lane->full;
}

/* Send what waits, small pages first, as far as slots and sockets allow. */
static void drain(struct pool *p)
{
	for (unsigned i = 0; i < WAF_LANES; i++) {
		struct lane *lane = &p->lanes[i];

		while (has_room(p, lane) && !list_empty(&lane->waiting)) {
			struct pool_ask *q = LIST_OF(lane->waiting.next, struct pool_ask, link);
			enum sent how = put_out(p, q, p->plan.lanes[q->lane]);

			if (how == SENT_LATER) {
				lane->full = true;
				break;
			}
			end_waiting(p, q);
			if (how == SENT_NEVER)
				answer_ourselves(p, q, WAF_LOST);
		}
	}
}

static void run_drain(struct task *t)
{
	drain(LIST_OF(t, struct pool, drain));
}

/* ---- The queue clock of those that wait here ---- */

static void start_expiry(struct pool *p)
{
	int64_t next = INT64_MAX, now = loop_us(p->loop);

	/* All askers wait about equally long, so the oldest of each lane is the next to expire. */
	for (unsigned i = 0; i < WAF_LANES; i++)
		LIST_EACH(item, &p->lanes[i].waiting) {
			struct pool_ask *q = LIST_OF(item, struct pool_ask, link);

			if (q->queue_until_us < next)
				next = q->queue_until_us;
			break;
		}
	if (next != INT64_MAX)
		timer_start(p->loop, &p->expiry, next > now ? (next - now) / 1000 + 1 : 1);
}

static struct pool_ask *expired(struct pool *p)
{
	for (unsigned i = 0; i < WAF_LANES; i++)
		LIST_EACH(item, &p->lanes[i].waiting) {
			struct pool_ask *q = LIST_OF(item, struct pool_ask, link);

			if (q->queue_until_us <= loop_us(p->loop))
				return q;
			break;
		}
	return NULL;
}

static void expire(struct timer *t)
{
	struct pool *p = LIST_OF(t, struct pool, expiry);
	struct pool_ask *q;

	while ((q = expired(p)))
		answer_ourselves(p, q, WAF_SHED);
	for (unsigned i = 0; i < WAF_LANES; i++)
		p->lanes[i].full = false; /* the kernel may have been short of memory: no edge tells */
	drain(p);
	start_expiry(p);
}

/* ---- Answers ---- */

static bool is_running(const struct pool *p, uint64_t token)
{
	for (unsigned i = 0; i < WAF_INSPECTORS; i++)
		if (atomic_load(&p->plan.shared->cells[i].token) == token)
			return true;
	return false;
}

/* Who asks for what is dear and leaves would have it for nothing.  There are no more of them than inspectors. */
static void leave_orphan(struct pool *p, const struct pool_ask *q)
{
	p->orphans[p->next_orphan] = (struct orphan){q->token, q->bill};
	p->next_orphan = (p->next_orphan + 1) % WAF_INSPECTORS;
}

static void pay_orphan(struct pool *p, const struct waf_answer *answer)
{
	for (unsigned i = 0; i < WAF_INSPECTORS; i++)
		if (answer->token && p->orphans[i].token == answer->token) {
			p->orphans[i].token = 0;
			bill_settle(&p->orphans[i].bill, answer->cpu_us, loop_us(p->loop));
		}
}

/* False: it is nobody's, and so is the descriptor. */
static bool take_answer(struct pool *p, struct slice message, int plain_fd)
{
	struct waf_answer answer;
	struct pool_ask *q = NULL;

	if (!waf_unpack_answer(message, &answer))
		return false;
	for (unsigned i = 0; i < WAF_OUTSTANDING; i++)
		if (p->slots[i].ask && p->slots[i].token == answer.token)
			q = p->slots[i].ask;
	if (!q) {
		pay_orphan(p, &answer); /* cancelled, or answered before */
		return false;
	}
	if (answer.result != WAF_SHED)
		pressure_done(&p->lanes[q->lane].pressure, loop_us(p->loop) - q->asked_us - answer.wall_us,
			      q->queue_until_us - q->asked_us, loop_us(p->loop));
	bill_settle(&q->bill, answer.cpu_us, loop_us(p->loop));
	forget(p, q);
	q->plain_fd = plain_fd;
	q->answered(q, &answer);
	return true;
}

/* One datagram, and the one descriptor that may come with it.  The kernel closes what there is no room for: CMSG_SPACE
 * would be room for two. */
static ssize_t receive(struct pool *p, int fd, int *plain_fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {p->in, WAF_MESSAGE};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_LEN(sizeof(int))};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);

	*plain_fd = -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(plain_fd, CMSG_DATA(c), sizeof(int));
	return n;
}

/* Nobody will answer what is out on this lane. */
static void end_lane(struct pool *p, struct lane *lane)
{
	unsigned number = (unsigned)(lane - p->lanes);

	lane->ended = true;
	task_stop(&lane->more);
	watch_remove(&lane->watch);
	for (unsigned i = 0; i < WAF_OUTSTANDING; i++)
		if (p->slots[i].ask && p->slots[i].ask->lane == number)
			answer_ourselves(p, p->slots[i].ask, WAF_LOST);
	while (!list_empty(&lane->waiting))
		answer_ourselves(p, LIST_OF(lane->waiting.next, struct pool_ask, link), WAF_LOST);
}

/* A datagram of nothing and the end of the line both read as 0 bytes; lane->gone tells them apart. */
static void read_lane(struct pool *p, struct lane *lane)
{
	for (unsigned i = 0; i < LANE_TURN; i++) {
		int plain_fd;
		ssize_t n = receive(p, lane->watch.fd, &plain_fd);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0 || (n == 0 && lane->gone)) {
			end_lane(p, lane);
			return;
		}
		if ((n > WAF_MESSAGE || !take_answer(p, slice_make(p->in, (size_t)n), plain_fd)) && plain_fd >= 0)
			close(plain_fd);
	}
	/* An inspector that was taken over could write as fast as we read. */
	task_start(p->loop, &lane->more);
}

static void read_more(struct task *t)
{
	struct lane *lane = LIST_OF(t, struct lane, more);

	read_lane(lane->pool, lane);
}

static void ready(struct watch *w, unsigned what)
{
	struct lane *lane = LIST_OF(w, struct lane, watch);
	struct pool *p = lane->pool;

	if (what & LOOP_WRITE)
		lane->full = false;
	lane->gone = lane->gone || what & (LOOP_HANGUP | LOOP_PEER_CLOSED);
	if (what & LOOP_READ)
		read_lane(p, lane);
	drain(p);
}

/* ---- Asking ---- */

static uint64_t new_token(struct pool *p)
{
	uint64_t token;

	do {
		p->counter++;
		token = hash_bytes(&p->seed, &p->counter, sizeof p->counter);
	} while (!token);
	return token;
}

/* A body that takes long must not stand in front of a page. */
static enum waf_lane lane_of(const struct waf_job *job)
{
	uint64_t len = job->coding ? job->plain_most : job->body_len;

	return len > (job->answering ? POOL_SMALL_ANSWER : POOL_SMALL) ? WAF_BIG : WAF_SMALL;
}

/* At something that may take long.  What its cell says is a hint and no more: the inspector may write what it
 * likes.  How long it has been at a page says nothing: where cores are short everything takes long, and then
 * nobody should do a transaction's work twice. */
static bool is_busy(const struct pool *p, unsigned inspector)
{
	const struct waf_cell *cell = &p->plan.shared->cells[inspector];

	return atomic_load(&cell->token) && atomic_load(&cell->lane) == WAF_BIG;
}

/* Straight to who keeps the transaction.  Where that would mean to wait, anybody else is as good. */
static bool through_door(struct pool *p, struct pool_ask *q)
{
	if (!q->keeper || q->keeper > p->plan.doors_n || q->lane != WAF_SMALL || !p->free_n || is_busy(p, q->keeper - 1u))
		return false;
	return put_out(p, q, p->plan.doors[q->keeper - 1]) == SENT;
}

/* Two for each inspector: one at work, one at hand. */
static uint32_t always_allowed(const struct pool *p, enum waf_lane lane)
{
	uint32_t inspectors = lane == WAF_BIG ? (p->plan.doors_n + 1) / 2 : p->plan.doors_n;

	return inspectors ? 2 * inspectors : 2;
}

/* Of an answer all the work before it is done already: it is let in. */
static bool is_let_in(struct pool *p, const struct pool_ask *q, const struct waf_job *job)
{
	struct lane *lane = &p->lanes[q->lane];
	uint32_t ahead = lane->out + lane->waiting_n;

	if (!ahead)
		pressure_none(&lane->pressure, q->asked_us);
	return job->answering || pressure_allows(&lane->pressure, ahead, always_allowed(p, q->lane),
						 q->queue_until_us - q->asked_us, q->asked_us);
}

bool pool_ask(struct pool *p, struct pool_ask *q, struct waf_job *job, int body_fd, uint32_t queue_ms)
{
	struct lane *lane;
	enum sent how;

	q->token = job->token = new_token(p);
	q->lane = lane_of(job);
	q->body_fd = body_fd;
	q->asked_us = loop_us(p->loop);
	q->queue_until_us = job->queue_until_us = q->asked_us + (int64_t)queue_ms * 1000;
	q->out = q->waiting = false;
	job->worker = p->plan.worker;
	job->slot = 0;
	lane = &p->lanes[q->lane];
	buf_init(&q->message, p->plan.budget);
	if (lane->ended || !is_let_in(p, q, job) || !waf_pack_job(&q->message, job))
		goto no;
	if (through_door(p, q))
		return true;
	if (has_room(p, lane) && list_empty(&lane->waiting)) {
		how = put_out(p, q, p->plan.lanes[q->lane]);
		if (how == SENT)
			return true;
		if (how == SENT_NEVER)
			goto no;
		lane->full = true;
	}
	if (p->waiting_n >= p->plan.waiting_max || lane->waiting_n >= lane->waiting_max)
		goto no;
	begin_waiting(p, q);
	if (!timer_on(&p->expiry))
		start_expiry(p);
	return true;
no:
	buf_done(&q->message);
	return false;
}

void pool_cancel(struct pool *p, struct pool_ask *q)
{
	bool was_out = q->out;

	if (was_out && q->bill.address && is_running(p, q->token))
		leave_orphan(p, q);
	else
		bill_settle(&q->bill, 0, loop_us(p->loop));
	forget(p, q);
	/* Not from here: drain may call back, and nobody expects that of a cancel. */
	if (was_out && p->waiting_n)
		task_start(p->loop, &p->drain);
}

unsigned pool_outstanding(const struct pool *p)
{
	return WAF_OUTSTANDING - p->free_n;
}

unsigned pool_waiting(const struct pool *p)
{
	return p->waiting_n;
}

struct budget *pool_budget(const struct pool *p)
{
	return p->plan.budget;
}

struct pool *pool_new(struct loop *l, const struct pool_plan *plan)
{
	struct pool *p = calloc(1, sizeof *p);

	CHECK(plan->worker < WAF_WORKERS);
	if (!p)
		return NULL;
	p->loop = l;
	p->plan = *plan;
	p->in = malloc(WAF_MESSAGE);
	hash_seed_random(&p->seed);
	timer_init(&p->expiry, expire);
	task_init(&p->drain, run_drain);
	for (unsigned i = 0; i < WAF_OUTSTANDING; i++) {
		p->free_slots[p->free_n++] = (uint8_t)(WAF_OUTSTANDING - 1 - i);
		atomic_store(wanted(p, i), 0);
	}
	for (unsigned i = 0; i < WAF_LANES; i++) {
		p->lanes[i].pool = p;
		p->lanes[i].most = i == WAF_BIG ? WAF_OUTSTANDING / 2 : WAF_OUTSTANDING;
		p->lanes[i].waiting_max = i == WAF_BIG ? plan->waiting_max / 2 : plan->waiting_max;
		list_init(&p->lanes[i].waiting);
		task_init(&p->lanes[i].more, read_more);
		if (!p->in || !watch_add(l, &p->lanes[i].watch, plan->lanes[i], ready)) {
			pool_free(p);
			return NULL;
		}
	}
	return p;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	timer_stop(&p->expiry);
	task_stop(&p->drain);
	for (unsigned i = 0; i < WAF_LANES; i++) {
		if (p->lanes[i].more.run)
			task_stop(&p->lanes[i].more);
		if (p->lanes[i].watch.loop)
			watch_remove(&p->lanes[i].watch);
	}
	free(p->in);
	free(p);
}
