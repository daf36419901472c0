/* pool.c -- fuzz: a worker asks, inspectors send what they like, clients leave, time passes.
 *
 * Each question ends once, as answered, shed or lost, unless it was cancelled; what is counted as out or
 * waiting is what is; an answer reaches nobody but who holds its token; memory comes back. */
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rules/pool.h"
#include "waf_fuzz.h"

enum { ASKS = 200, DOORS = 2 };

enum fate { IDLE, ASKED, ENDED };

static struct one {
	struct pool_ask ask;
	enum fate fate;
} asks[ASKS];

static struct {
	struct loop *loop;
	struct pool *pool;
	struct budget budget;
	int near[WAF_LANES + DOORS], far[WAF_LANES + DOORS];
	int64_t now_us;
	uint64_t tokens[ASKS]; /* of messages that inspectors have seen, */
	unsigned tokens_n;
} bed;

static struct waf_shared shared;

static void answered(struct pool_ask *q, const struct waf_answer *answer)
{
	struct one *o = LIST_OF(q, struct one, ask);

	if (q->plain_fd >= 0)
		close(q->plain_fd);
	MUST(o->fate == ASKED && answer->token == q->token && !q->out && !q->waiting && answer->hits_n <= WAF_HITS);
	o->fate = ENDED;
}

static void open_bed(void)
{
	struct pool_plan plan = {.shared = &shared, .waiting_max = 20, .budget = &bed.budget, .doors_n = DOORS};
	int room = 1 << 18;

	memset(asks, 0, sizeof asks);
	memset(&shared, 0, sizeof shared);
	bed.now_us = 1000000;
	bed.tokens_n = 0;
	bed.budget = (struct budget){.limit = 1 << 20};
	bed.loop = loop_new();
	MUST(bed.loop);
	loop_virtual(bed.loop, bed.now_us);
	for (unsigned i = 0; i < WAF_LANES + DOORS; i++) {
		int ends[2];

		MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends));
		setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
		bed.near[i] = ends[0];
		bed.far[i] = ends[1];
	}
	memcpy(plan.lanes, bed.near, sizeof plan.lanes);
	memcpy(plan.doors, bed.near + WAF_LANES, DOORS * sizeof *plan.doors);
	bed.pool = pool_new(bed.loop, &plan);
	MUST(bed.pool);
}

/* ---- What happens ---- */

static void ask(struct fuzz_in *in)
{
	static struct waf_job job;
	struct one *o = &asks[fuzz_below(in, ASKS)];
	struct arena a;

	if (o->fate == ASKED)
		return;
	arena_init(&a, NULL, 1024);
	waf_fuzz_job(in, &a, &job);
	if (fuzz_byte(in) & 1)
		job.body_len = 8000; /* what the big lane is for; its bytes are of no interest here */
	job.body_outside = job.with_body = job.body_len != 0;
	job.body = SLICE("");
	o->ask = (struct pool_ask){.answered = answered, .keeper = (uint8_t)fuzz_below(in, DOORS + 2)};
	o->fate = ASKED;
	if (!pool_ask(bed.pool, &o->ask, &job, -1, fuzz_byte(in)))
		o->fate = IDLE;
	arena_done(&a);
}

/* An inspector takes what lies on a lane. */
static void pull(unsigned lane)
{
	static char bytes[WAF_MESSAGE];
	static struct waf_job job;
	ssize_t n = recv(bed.far[lane], bytes, sizeof bytes, MSG_DONTWAIT);
	struct arena a;

	if (n <= 0 || bed.tokens_n == ASKS)
		return;
	arena_init(&a, NULL, 1024);
	MUST(waf_unpack_job(slice_make(bytes, (size_t)n), &a, &job));
	bed.tokens[bed.tokens_n++] = job.token;
	arena_done(&a);
}

static void answer(struct fuzz_in *in, unsigned lane)
{
	static struct waf_answer out;
	struct buf message;

	memset(&out, 0, sizeof out);
	out.token = bed.tokens_n && fuzz_byte(in) % 8 ? bed.tokens[fuzz_below(in, bed.tokens_n)] : fuzz_number(in) | 1;
	out.result = fuzz_byte(in) & 1 ? WAF_DENY : WAF_ALLOW;
	out.status = out.result == WAF_DENY ? 403 : 0;
	buf_init(&message, NULL);
	MUST(waf_pack_answer(&message, &out));
	(void)!send(bed.far[lane], message.at, buf_len(&message), MSG_DONTWAIT | MSG_NOSIGNAL);
	buf_done(&message);
}

static void cell(struct fuzz_in *in)
{
	struct waf_cell *c = &shared.cells[fuzz_below(in, DOORS)];

	atomic_store(&c->token, fuzz_byte(in));
	atomic_store(&c->lane, fuzz_byte(in));
}

static void step(struct fuzz_in *in)
{
	unsigned what = fuzz_below(in, 10), lane = fuzz_below(in, WAF_LANES + DOORS), which;
	struct slice raw;

	switch (what) {
	case 0:
	case 1:
		ask(in);
		break;
	case 2:
		which = fuzz_below(in, ASKS);
		if (asks[which].fate == ASKED) {
			pool_cancel(bed.pool, &asks[which].ask);
			asks[which].fate = IDLE;
		}
		break;
	case 3:
	case 4:
		pull(lane);
		break;
	case 5:
		answer(in, lane % WAF_LANES);
		break;
	case 6:
		raw = fuzz_run(in, 255);
		(void)!send(bed.far[lane % WAF_LANES], raw.at, raw.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 7:
		cell(in);
		break;
	case 8:
		if (fuzz_byte(in) == 255)
			shutdown(bed.far[lane], SHUT_RDWR);
		break;
	default:
		bed.now_us += fuzz_byte(in) * INT64_C(2000);
		loop_virtual(bed.loop, bed.now_us);
	}
	if (fuzz_byte(in) & 1)
		loop_turn(bed.loop, 0);
}

static void check_counts(void)
{
	unsigned out = 0, waiting = 0;

	for (unsigned i = 0; i < ASKS; i++) {
		MUST(asks[i].fate == ASKED ? asks[i].ask.out != asks[i].ask.waiting : !asks[i].ask.out && !asks[i].ask.waiting);
		out += asks[i].ask.out;
		waiting += asks[i].ask.waiting;
	}
	MUST(pool_outstanding(bed.pool) == out && pool_waiting(bed.pool) == waiting);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);

	open_bed();
	while (in.rest.len) {
		step(&in);
		check_counts();
	}
	/* All inspectors go: whoever still asks is told. */
	for (unsigned i = 0; i < WAF_LANES + DOORS; i++)
		close(bed.far[i]);
	for (unsigned i = 0; i < 4; i++)
		loop_turn(bed.loop, 0);
	for (unsigned i = 0; i < ASKS; i++)
		MUST(asks[i].fate != ASKED);
	MUST(!bed.budget.used);
	pool_free(bed.pool);
	loop_free(bed.loop);
	for (unsigned i = 0; i < WAF_LANES + DOORS; i++)
		close(bed.near[i]);
	return 0;
}
