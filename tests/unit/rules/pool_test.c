/* pool_test.c -- jobs out and back, with the far end in this process. */
#include "bed.h"

#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "rules/pool.h"

enum { WAITING_MOST = 8 };

struct question {
	struct pool_ask ask;
	unsigned answers;
	struct waf_answer last;
};

static struct loop *loop;
static struct pool *pool;
static struct waf_shared *shared;
static struct budget budget;
static struct arena arena;
static int far_end[WAF_LANES], near_end[WAF_LANES], door[2];
static struct question questions[WAF_OUTSTANDING + WAITING_MOST + 4];
static struct waf_job job, seen;
static char message[WAF_MESSAGE];

static int open_bed(void **state)
{
	struct pool_plan plan = {.worker = 3, .waiting_max = WAITING_MOST, .budget = &budget};

	(void)state;
	budget = (struct budget){0};
	arena_init(&arena, NULL, 4096);
	shared = calloc(1, sizeof *shared);
	loop = loop_new();
	for (unsigned i = 0; i < WAF_LANES; i++) {
		int fd[2], room = 4 << 20;

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
		setsockopt(fd[0], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
		setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
		plan.lanes[i] = near_end[i] = fd[0];
		far_end[i] = fd[1];
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, door), 0);
	plan.doors[0] = door[0];
	plan.doors_n = 1;
	plan.shared = shared;
	loop_virtual(loop, 1000000);
	pool = pool_new(loop, &plan);
	memset(questions, 0, sizeof questions);
	return pool ? 0 : -1;
}

static int close_bed(void **state)
{
	(void)state;
	pool_free(pool);
	loop_free(loop);
	for (unsigned i = 0; i < WAF_LANES; i++) {
		close(near_end[i]);
		if (far_end[i] >= 0)
			close(far_end[i]);
	}
	for (unsigned i = 0; i < 2; i++)
		if (door[i] >= 0)
			close(door[i]);
	free(shared);
	arena_done(&arena);
	assert_int_equal(budget.used, 0);
	return 0;
}

static void count(struct pool_ask *ask, const struct waf_answer *answer)
{
	struct question *q = LIST_OF(ask, struct question, ask);

	q->answers++;
	q->last = *answer;
}

static bool ask(unsigned i, const char *target)
{
	bed_job(&job, &arena, target);
	questions[i].ask.answered = count;
	return pool_ask(pool, &questions[i].ask, &job, -1, 100);
}

/* Take one job off the far end of a lane or a door, as an inspector does; false when there is none. */
static bool take_from(int end, int *fd)
{
	union {
		struct cmsghdr head;
		char room[64];
	} control;
	struct iovec part = {message, sizeof message};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
	ssize_t n = recvmsg(end, &m, MSG_DONTWAIT);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	if (fd)
		*fd = -1;
	if (fd && c)
		memcpy(fd, CMSG_DATA(c), sizeof *fd);
	if (n <= 0)
		return false;
	assert_true(waf_unpack_job(slice_make(message, (size_t)n), &arena, &seen));
	return true;
}

static bool take(unsigned lane, int *fd)
{
	return take_from(far_end[lane], fd);
}

static bool wanted(void)
{
	return atomic_load(&shared->wanted[seen.worker].token[seen.slot]) == seen.token;
}

static uint32_t cpu_us;

static void answer(unsigned lane, uint64_t token, enum waf_result result)
{
	struct waf_answer *a = calloc(1, sizeof *a);
	struct buf out = {0};

	a->token = token;
	a->result = result;
	a->status = result == WAF_DENY ? 403 : 0;
	a->cpu_us = cpu_us;
	assert_true(waf_pack_answer(&out, a));
	assert_true(send(far_end[lane], out.at, buf_len(&out), 0) > 0);
	buf_done(&out);
	free(a);
	loop_turn(loop, 0);
}

static void a_question_is_answered_once(void **state)
{
	(void)state;
	assert_true(ask(0, "/a"));
	assert_int_equal(questions[0].answers, 0);
	assert_int_equal(pool_outstanding(pool), 1);
	assert_true(take(WAF_SMALL, NULL));
	assert_true(slice_is(seen.target, "/a") && seen.worker == 3 && wanted());
	assert_int_equal(seen.queue_until_us, 1000000 + 100000);
	answer(WAF_SMALL, seen.token, WAF_DENY);
	assert_int_equal(questions[0].answers, 1);
	assert_int_equal(questions[0].last.status, 403);
	assert_int_equal(pool_outstanding(pool), 0);
	assert_false(wanted());
	answer(WAF_SMALL, seen.token, WAF_ALLOW);
	assert_int_equal(questions[0].answers, 1);
}

static void an_unknown_token_answers_nobody(void **state)
{
	(void)state;
	assert_true(ask(0, "/a"));
	assert_true(take(WAF_SMALL, NULL));
	answer(WAF_SMALL, seen.token ^ 1, WAF_ALLOW);
	assert_int_equal(questions[0].answers, 0);
	assert_int_equal(send(far_end[WAF_SMALL], "garbage", 7, 0), 7);
	assert_int_equal(send(far_end[WAF_SMALL], "", 0, 0), 0);
	loop_turn(loop, 0);
	assert_int_equal(questions[0].answers, 0);
	answer(WAF_SMALL, seen.token, WAF_ALLOW);
	assert_int_equal(questions[0].answers, 1);
}

static void tokens_do_not_repeat_or_count_up(void **state)
{
	uint64_t first;

	(void)state;
	assert_true(ask(0, "/a") && ask(1, "/b"));
	assert_true(take(WAF_SMALL, NULL));
	first = seen.token;
	assert_true(take(WAF_SMALL, NULL));
	assert_true(seen.token != first && seen.token - first > 1000 && first - seen.token > 1000);
	answer(WAF_SMALL, first, WAF_ALLOW);
	answer(WAF_SMALL, seen.token, WAF_ALLOW);
}

static void so_many_are_out_and_the_rest_waits_in_turn(void **state)
{
	unsigned n = WAF_OUTSTANDING + WAITING_MOST;
	uint64_t tokens[WAF_OUTSTANDING + WAITING_MOST];

	(void)state;
	for (unsigned i = 0; i < n; i++)
		assert_true(ask(i, "/a"));
	assert_false(ask(n, "/one-too-many"));
	assert_int_equal(pool_outstanding(pool), WAF_OUTSTANDING);
	for (unsigned i = 0; i < WAF_OUTSTANDING; i++) {
		assert_true(take(WAF_SMALL, NULL));
		tokens[i] = seen.token;
	}
	assert_false(take(WAF_SMALL, NULL));
	for (unsigned i = 0; i < WAITING_MOST; i++) {
		answer(WAF_SMALL, tokens[i], WAF_ALLOW);
		assert_true(take(WAF_SMALL, NULL));
		assert_true(wanted());
		assert_int_equal(seen.token, questions[WAF_OUTSTANDING + i].ask.token);
		tokens[WAF_OUTSTANDING + i] = seen.token;
	}
	for (unsigned i = WAITING_MOST; i < n; i++)
		answer(WAF_SMALL, tokens[i], WAF_ALLOW);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(questions[i].answers, 1);
}

static void a_cancelled_job_is_not_wanted(void **state)
{
	(void)state;
	assert_true(ask(0, "/a"));
	pool_cancel(pool, &questions[0].ask);
	assert_true(take(WAF_SMALL, NULL));
	assert_false(wanted());
	answer(WAF_SMALL, seen.token, WAF_ALLOW);
	assert_int_equal(questions[0].answers, 0);
	assert_int_equal(pool_outstanding(pool), 0);
}

static void cancelling_makes_room(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WAF_OUTSTANDING + 2; i++)
		assert_true(ask(i, "/a"));
	pool_cancel(pool, &questions[WAF_OUTSTANDING].ask); /* one that waits here */
	pool_cancel(pool, &questions[5].ask);               /* one that is out */
	loop_turn(loop, 0);
	assert_true(questions[WAF_OUTSTANDING + 1].ask.out);
	for (unsigned i = 0; i < WAF_OUTSTANDING + 1; i++)
		assert_true(take(WAF_SMALL, NULL));
	assert_false(take(WAF_SMALL, NULL));
	for (unsigned i = 0; i < WAF_OUTSTANDING + 2; i++)
		if (questions[i].ask.out)
			pool_cancel(pool, &questions[i].ask);
}

static void the_queue_clock_runs_here_too(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WAF_OUTSTANDING + 2; i++)
		assert_true(ask(i, "/a"));
	loop_virtual(loop, 1000000 + 99000);
	loop_turn(loop, 0);
	assert_int_equal(questions[WAF_OUTSTANDING].answers, 0);
	loop_virtual(loop, 1000000 + 102000);
	loop_turn(loop, 0);
	assert_int_equal(questions[WAF_OUTSTANDING].answers, 1);
	assert_int_equal(questions[WAF_OUTSTANDING + 1].last.result, WAF_SHED);
	assert_int_equal(questions[0].answers, 0);
	for (unsigned i = 0; i < WAF_OUTSTANDING; i++)
		pool_cancel(pool, &questions[i].ask);
}

static void big_bodies_take_their_own_lane(void **state)
{
	static char body[WAF_INLINE];
	int fd = bed_file(slice_make(body, sizeof body), true), got;
	struct question *q = &questions[0];

	(void)state;
	memset(body, 'x', sizeof body);
	bed_post(&job, &arena, "text/plain", SLICE_NONE);
	job.with_body = job.body_outside = true;
	job.body_len = 200000;
	q->ask.answered = count;
	assert_true(pool_ask(pool, &q->ask, &job, fd, 100));
	assert_true(ask(1, "/page"));
	assert_true(take(WAF_BIG, &got));
	assert_true(got >= 0 && got != fd && seen.body_outside);
	close(got);
	answer(WAF_BIG, seen.token, WAF_ALLOW);
	assert_int_equal(q->answers, 1);
	assert_true(take(WAF_SMALL, NULL));
	answer(WAF_SMALL, seen.token, WAF_ALLOW);
	bed_post(&job, &arena, "text/plain", slice_make(body, sizeof body));
	assert_true(pool_ask(pool, &q->ask, &job, -1, 100));
	assert_true(take(WAF_BIG, NULL));
	assert_true(slice_eq(seen.body, slice_make(body, sizeof body)));
	answer(WAF_BIG, seen.token, WAF_ALLOW);
	close(fd);
}

static void a_full_socket_makes_jobs_wait(void **state)
{
	static char body[WAF_INLINE];
	unsigned n = 0, out = 0, taken = 0;

	(void)state;
	for (int room = 1 << 17; n < WAF_OUTSTANDING; n++) {
		setsockopt(near_end[WAF_BIG], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
		bed_post(&job, &arena, "text/plain", slice_make(body, sizeof body));
		questions[n].ask.answered = count;
		if (!pool_ask(pool, &questions[n].ask, &job, -1, 100))
			break;
		out += questions[n].ask.out;
	}
	assert_true(out > 0 && out < n && pool_outstanding(pool) == out);
	assert_int_equal(n - out, WAITING_MOST / 2);
	while (taken < n) {
		while (take(WAF_BIG, NULL)) {
			taken++;
			answer(WAF_BIG, seen.token, WAF_ALLOW);
		}
		loop_turn(loop, 0);
	}
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(questions[i].answers, 1);
}

/* Nobody takes a large body, and more of them come than ever could go. */
static void large_bodies_leave_room_for_pages(void **state)
{
	static char body[5000];
	unsigned n = 0, page = ROWS(questions) - 1;

	(void)state;
	for (; n < page; n++) {
		bed_post(&job, &arena, "text/plain", slice_make(body, sizeof body));
		questions[n].ask.answered = count;
		if (!pool_ask(pool, &questions[n].ask, &job, -1, 100))
			break;
	}
	assert_true(n >= 2 && n < page && pool_waiting(pool) == WAITING_MOST / 2);
	assert_true(ask(page, "/a"));
	assert_true(questions[page].ask.out);
	assert_true(take(WAF_SMALL, NULL));
	answer(WAF_SMALL, seen.token, WAF_ALLOW);
	assert_int_equal(questions[page].answers, 1);
	loop_virtual(loop, 1000000 + 102000);
	loop_turn(loop, 0);
	assert_int_equal(pool_waiting(pool), 0);
	for (unsigned i = 0; i < n; i++)
		if (questions[i].ask.out)
			pool_cancel(pool, &questions[i].ask);
		else
			assert_int_equal(questions[i].last.result, WAF_SHED);
	assert_true(ask(0, "/a"));
	pool_cancel(pool, &questions[0].ask);
}

static int unread(unsigned lane)
{
	int bytes;

	assert_int_equal(ioctl(near_end[lane], FIONREAD, &bytes), 0);
	return bytes;
}

/* An inspector that was taken over writes faster than anybody reads. */
static void a_flooded_lane_stops_nobody(void **state)
{
	static char body[5000];
	int room = 4 << 20;
	unsigned sent = 0;

	(void)state;
	for (unsigned i = 0; i < WAF_OUTSTANDING + 1; i++)
		assert_true(ask(i, "/a"));
	setsockopt(far_end[WAF_SMALL], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	while (sent < 2000 && send(far_end[WAF_SMALL], "x", 1, 0) == 1)
		sent++;
	assert_int_equal(sent, 2000);
	pool_cancel(pool, &questions[0].ask);
	bed_post(&job, &arena, "text/plain", slice_make(body, sizeof body));
	questions[0] = (struct question){.ask.answered = count};
	assert_true(pool_ask(pool, &questions[0].ask, &job, -1, 100));
	loop_turn(loop, 0);
	assert_true(unread(WAF_SMALL) > 0);
	assert_true(take(WAF_BIG, NULL));
	answer(WAF_BIG, seen.token, WAF_ALLOW);
	assert_int_equal(questions[0].answers, 1);
	assert_true(unread(WAF_SMALL) > 0);
	/* Behind all that the true answers come, too. */
	assert_true(take(WAF_SMALL, NULL) && take(WAF_SMALL, NULL));
	answer(WAF_SMALL, seen.token, WAF_ALLOW);
	for (unsigned i = 0; i < 2000 && unread(WAF_SMALL); i++)
		loop_turn(loop, 0);
	assert_int_equal(unread(WAF_SMALL), 0);
	assert_int_equal(questions[1].answers, 1);
	for (unsigned i = 2; i < WAF_OUTSTANDING + 1; i++)
		pool_cancel(pool, &questions[i].ask);
}

static void a_lane_without_a_far_end_loses_its_jobs(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WAF_OUTSTANDING + 1; i++)
		assert_true(ask(i, "/a"));
	close(far_end[WAF_SMALL]);
	far_end[WAF_SMALL] = -1;
	loop_turn(loop, 0);
	for (unsigned i = 0; i < WAF_OUTSTANDING + 1; i++) {
		assert_int_equal(questions[i].answers, 1);
		assert_int_equal(questions[i].last.result, WAF_LOST);
	}
	assert_false(ask(0, "/a"));
	assert_int_equal(pool_outstanding(pool), 0);
}

/* A question about an answer with so many bytes of content, whose request inspector `keeper` - 1 has let through. */
static void ask_keeper(unsigned i, uint8_t keeper, size_t len)
{
	static char body[WAF_INLINE];

	bed_post(&job, &arena, NULL, slice_make(body, len));
	job.answering = true;
	job.status = 200;
	questions[i].ask.answered = count;
	questions[i].ask.keeper = keeper;
	assert_true(pool_ask(pool, &questions[i].ask, &job, -1, 100));
}

static void an_answer_goes_to_who_keeps_its_transaction(void **state)
{
	(void)state;
	ask_keeper(0, 1, 50000);
	assert_true(take_from(door[1], NULL) && wanted() && seen.answering);
	assert_false(take(WAF_SMALL, NULL) || take(WAF_BIG, NULL));
	answer(WAF_SMALL, seen.token, WAF_DENY);
	assert_int_equal(questions[0].answers, 1);
	assert_int_equal(pool_outstanding(pool), 0);
}

static void where_the_keeper_cannot_be_asked_anybody_is(void **state)
{
	static const struct {
		uint8_t keeper;
		uint64_t token;
		uint32_t lane;
		bool door;
		const char *says;
	} rows[] = {
		{0, 0, 0, false, "nobody keeps it"},
		{2, 0, 0, false, "there is no such door"},
		{1, 0, WAF_BIG, true, "it was at an upload"},
		{1, 9, WAF_SMALL, true, "it is at a page, which is soon done"},
		{1, 9, WAF_BIG, false, "it is at an upload"},
	};

	(void)state;
	for (unsigned i = 0; i < ROWS(rows); i++) {
		atomic_store(&shared->cells[0].token, rows[i].token);
		atomic_store(&shared->cells[0].lane, rows[i].lane);
		ask_keeper(i, rows[i].keeper, 10);
		if (take_from(door[1], NULL) != rows[i].door || take(WAF_SMALL, NULL) == rows[i].door)
			fail_msg("%s", rows[i].says);
		answer(WAF_SMALL, seen.token, WAF_ALLOW);
		assert_int_equal(questions[i].answers, 1);
	}
	atomic_store(&shared->cells[0].token, 0);
	close(door[1]);
	door[1] = -1;
	ask_keeper(10, 1, 10);
	assert_true(take(WAF_SMALL, NULL)); /* nobody is behind the door */
	answer(WAF_SMALL, seen.token, WAF_ALLOW);
	assert_int_equal(questions[10].answers, 1);
}

static void memory_that_is_used_up_is_a_refusal(void **state)
{
	(void)state;
	budget.limit = 16;
	assert_false(ask(0, "/a"));
	budget.limit = 0;
	mem_fail_at(1);
	assert_false(ask(0, "/a"));
	mem_fail_at(0);
	assert_true(ask(0, "/a"));
	pool_cancel(pool, &questions[0].ask);
}

/* ---- Who pays ---- */

static const struct addr client = {{[10] = 0xff, 0xff, 192, 0, 2, 1}};

/* A purse of a second in a second; microseconds that are missing in it. */
static int64_t missing(const struct spending *s)
{
	struct bill b;

	bill_open(&b, s, &client, 0, loop_us(loop));
	return words_ahead(s->words, b.address, loop_us(loop) * GCRA_TICKS_PER_US) / GCRA_TICKS_PER_US;
}

static bool ask_paying(unsigned i, const struct spending *s)
{
	bill_open(&questions[i].ask.bill, s, &client, 5000, loop_us(loop));
	return ask(i, "/a");
}

static void every_end_of_a_question_settles_its_bill(void **state)
{
	size_t size = words_size(64);
	void *table = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct spending s = {.words = words_at(table, size), .cpu_ms = 1000, .window_ms = 1000};

	(void)state;
	cpu_us = 30000;
	assert_true(ask_paying(0, &s));
	assert_int_equal(missing(&s), 5000);
	assert_true(take(WAF_SMALL, NULL));
	answer(WAF_SMALL, seen.token, WAF_ALLOW);
	assert_int_equal(missing(&s), 30000);
	/* It was killed: what it took until then. */
	assert_true(ask_paying(0, &s) && take(WAF_SMALL, NULL));
	answer(WAF_SMALL, seen.token, WAF_LOST);
	assert_int_equal(missing(&s), 60000);
	/* Never begun, and the client is gone. */
	assert_true(ask_paying(0, &s));
	pool_cancel(pool, &questions[0].ask);
	assert_int_equal(missing(&s), 60000);
	assert_true(take(WAF_SMALL, NULL));
	/* Begun, and the client is gone. */
	assert_true(ask_paying(0, &s) && take(WAF_SMALL, NULL));
	atomic_store(&shared->cells[5].token, seen.token);
	pool_cancel(pool, &questions[0].ask);
	assert_int_equal(missing(&s), 65000);
	answer(WAF_SMALL, seen.token, WAF_ALLOW);
	assert_int_equal(missing(&s), 90000);
	answer(WAF_SMALL, seen.token, WAF_ALLOW);
	assert_int_equal(missing(&s), 90000);
	atomic_store(&shared->cells[5].token, 0);
	cpu_us = 0;
	munmap(table, size);
}

/* ---- A queue that stands ---- */

static void where_a_queue_stands_requests_are_refused_and_answers_are_not(void **state)
{
	uint64_t tokens[2];

	(void)state;
	assert_true(ask(0, "/a") && ask(1, "/b"));
	for (unsigned i = 0; i < 2; i++) {
		assert_true(take(WAF_SMALL, NULL));
		tokens[i] = seen.token;
	}
	assert_true(ask(2, "/c"));
	/* Half of the longest wait, and nobody came through. */
	loop_virtual(loop, 1000000 + 51000);
	assert_false(ask(3, "/d"));
	ask_keeper(4, 0, 10);
	answer(WAF_SMALL, tokens[0], WAF_ALLOW);
	assert_false(ask(3, "/d"));
	answer(WAF_SMALL, tokens[1], WAF_ALLOW);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(take(WAF_SMALL, NULL));
		answer(WAF_SMALL, seen.token, WAF_ALLOW);
	}
	/* Nobody is in front any more. */
	for (unsigned i = 5; i < 15; i++)
		assert_true(ask(i, "/e"));
	for (unsigned i = 5; i < 15; i++)
		pool_cancel(pool, &questions[i].ask);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bed, close_bed)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_question_is_answered_once),
		TEST(an_unknown_token_answers_nobody),
		TEST(tokens_do_not_repeat_or_count_up),
		TEST(so_many_are_out_and_the_rest_waits_in_turn),
		TEST(a_cancelled_job_is_not_wanted),
		TEST(cancelling_makes_room),
		TEST(the_queue_clock_runs_here_too),
		TEST(big_bodies_take_their_own_lane),
		TEST(a_full_socket_makes_jobs_wait),
		TEST(large_bodies_leave_room_for_pages),
		TEST(a_flooded_lane_stops_nobody),
		TEST(a_lane_without_a_far_end_loses_its_jobs),
		TEST(an_answer_goes_to_who_keeps_its_transaction),
		TEST(where_the_keeper_cannot_be_asked_anybody_is),
		TEST(memory_that_is_used_up_is_a_refusal),
		TEST(every_end_of_a_question_settles_its_bill),
		TEST(where_a_queue_stands_requests_are_refused_and_answers_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
