/* zygote_test.c -- a real zygote with real inspectors; this process is the workers. */
#include "bed.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "gateway/cage/cage.h"
#include "load_bed.h"

#define CRS "/usr/share/modsecurity-crs"

enum { WORKERS = 2, INSPECTORS = 3, SLOW_BODY = 900 << 10 };

static struct engine engine;
static struct arena arena;
static struct waf_job job;
static struct waf_answer answer;
static int near_end[WORKERS * WAF_LANES], door[INSPECTORS];
static pid_t zygote;
static char message[WAF_MESSAGE];
static uint64_t tokens = 1000;

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- The zygote's life ---- */

static void start_zygote(void)
{
	char line[16] = "";
	int ready[2];

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	zygote = fork();
	if (zygote == 0) {
		close(ready[0]);
		if (!cage_close(CAGE_ZYGOTE, 0))
			_exit(1);
		_exit(zygote_run(&engine, ready[1]));
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], line, sizeof line - 1), 6);
	assert_string_equal(line, "READY\n");
	close(ready[0]);
}

static int stop_zygote(int number)
{
	int status;

	kill(zygote, number);
	waitpid(zygote, &status, 0);
	zygote = 0;
	return status;
}

static int open_all(void **state)
{
	const struct capture_ruleset set = LOAD_CRS;
	char why[512];
	bool loaded;

	(void)state;
	arena_init(&arena, NULL, 16384);
	engine = (struct engine){.inspectors = INSPECTORS, .big = 1, .log_fd = -1, .lanes_n = WORKERS * WAF_LANES};
	engine.plan.rulesets[0] = (struct plan_ruleset){.arguments = 1000, .json_depth = 64, .parts = 128, .body_max = 1 << 20};
	hash_seed_random(&engine.seed);
	engine.shared = mmap(NULL, sizeof *engine.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	loaded = load_bed(&engine, &set, why, sizeof why);
	if (!loaded)
		printf("%s\n", why);
	return loaded && engine.shared != MAP_FAILED ? 0 : -1;
}

static int close_all(void **state)
{
	(void)state;
	modsec_free(engine.modsec);
	munmap(engine.shared, sizeof *engine.shared);
	arena_done(&arena);
	return 0;
}

static int open_bed(void **state)
{
	(void)state;
	memset(engine.shared, 0, sizeof *engine.shared);
	engine.plan.recycle_jobs = 0;
	for (unsigned i = 0; i < WORKERS * WAF_LANES; i++) {
		int fd[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
		near_end[i] = fd[0];
		engine.lanes[i] = fd[1];
	}
	for (unsigned i = 0; i < INSPECTORS; i++) {
		int fd[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
		door[i] = fd[0];
		engine.doors[i] = fd[1];
	}
	engine.doors_n = INSPECTORS;
	start_zygote();
	return 0;
}

static int close_bed(void **state)
{
	(void)state;
	if (zygote)
		stop_zygote(SIGTERM);
	for (unsigned i = 0; i < WORKERS * WAF_LANES; i++) {
		close(near_end[i]);
		close(engine.lanes[i]);
	}
	for (unsigned i = 0; i < INSPECTORS; i++) {
		close(door[i]);
		close(engine.doors[i]);
	}
	arena_done(&arena);
	return 0;
}

/* ---- Its children ---- */

static unsigned inspectors(pid_t out[INSPECTORS])
{
	char path[64], text[256] = "", *at = text;
	unsigned n = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)zygote, (int)zygote);
	f = fopen(path, "r");
	assert_non_null(f);
	if (!fgets(text, sizeof text, f))
		text[0] = '\0';
	fclose(f);
	for (long pid; n < INSPECTORS && (pid = strtol(at, &at, 10)) > 0;)
		out[n++] = (pid_t)pid;
	return n;
}

static bool soon(bool (*is)(void))
{
	for (unsigned i = 0; i < 500; i++) {
		if (is())
			return true;
		usleep(10000);
	}
	return false;
}

static bool all_there(void)
{
	pid_t pids[INSPECTORS];

	return inspectors(pids) == INSPECTORS;
}

static bool one_busy(void)
{
	for (unsigned i = 0; i < INSPECTORS; i++)
		if (atomic_load(&engine.shared->cells[i].token))
			return true;
	return false;
}

static bool none_busy(void)
{
	return !one_busy();
}

static uint64_t jobs_done(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < INSPECTORS; i++)
		n += atomic_load(&engine.shared->cells[i].jobs);
	return n;
}

/* The child that uses the CPU now. */
static pid_t busy_child(void)
{
	pid_t pids[INSPECTORS], busiest = 0;
	unsigned n = inspectors(pids);
	int64_t most = -1;

	for (unsigned i = 0; i < n; i++) {
		clockid_t clock;
		struct timespec t;
		int64_t used;

		if (clock_getcpuclockid(pids[i], &clock) || clock_gettime(clock, &t))
			continue;
		used = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
		if (used > most) {
			most = used;
			busiest = pids[i];
		}
	}
	return busiest;
}

/* ---- A worker ---- */

static void send_to(int near, unsigned worker, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct buf out = {0};
	struct msghdr m = {0};
	struct iovec part;

	job.token = ++tokens;
	job.worker = worker;
	job.slot = (uint32_t)(tokens % WAF_OUTSTANDING);
	atomic_store(&engine.shared->wanted[worker].token[job.slot], job.token);
	assert_true(waf_pack_job(&out, &job));
	part = (struct iovec){out.at, buf_len(&out)};
	m.msg_iov = &part;
	m.msg_iovlen = 1;
	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof control.room;
		control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	}
	assert_true(sendmsg(near, &m, 0) > 0);
	buf_done(&out);
}

static void send_job(unsigned worker, enum waf_lane lane, int fd)
{
	send_to(near_end[worker * WAF_LANES + lane], worker, fd);
}

static bool get_answer(unsigned worker, enum waf_lane lane, int ms)
{
	struct pollfd p = {.fd = near_end[worker * WAF_LANES + lane], .events = POLLIN};
	ssize_t n;

	if (poll(&p, 1, ms) <= 0)
		return false;
	n = recv(p.fd, message, sizeof message, 0);
	assert_true(n > 0 && waf_unpack_answer(slice_make(message, (size_t)n), &answer));
	return true;
}

static void ask(const char *target)
{
	bed_job(&job, &arena, target);
	send_job(0, WAF_SMALL, -1);
	assert_true(get_answer(0, WAF_SMALL, 10000));
	assert_int_equal(answer.token, job.token);
}

/* Takes seconds: a thousand long arguments at the highest paranoia. */
static void send_slow(unsigned worker, uint32_t run_ms)
{
	struct buf body = {0};
	int fd;

	for (unsigned i = 0; i < 1000; i++) {
		buf_print(&body, "%sa%u=", i ? "&" : "", i);
		for (unsigned k = 0; k < 50; k++)
			buf_print(&body, "the+quick+brown+");
	}
	fd = bed_file(buf_slice(&body), true);
	bed_post(&job, &arena, "application/x-www-form-urlencoded", SLICE_NONE);
	job.with_body = job.body_outside = true;
	job.body_len = buf_len(&body);
	job.paranoia = job.detection_paranoia = 4;
	job.run_ms = run_ms;
	send_job(worker, WAF_BIG, fd);
	close(fd);
	buf_done(&body);
}

/* ---- Tests ---- */

static void jobs_are_judged(void **state)
{
	(void)state;
	ask("/catalog?q=chair");
	assert_int_equal(answer.result, WAF_ALLOW);
	assert_true(answer.cpu_us > 0 && answer.wall_us > 0);
	ask("/?q=%3Cscript%3Ealert(1)%3C/script%3E");
	assert_int_equal(answer.result, WAF_DENY);
	assert_true(answer.hits_n > 1);
	bed_job(&job, &arena, "/");
	send_job(1, WAF_SMALL, -1);
	assert_true(get_answer(1, WAF_SMALL, 10000));
	assert_int_equal(answer.result, WAF_ALLOW);
}

static void a_body_beside_the_message_is_judged(void **state)
{
	struct buf body = {0};
	int fd;

	(void)state;
	for (unsigned i = 0; i < 2000; i++)
		buf_print(&body, "%s", "lorem+ipsum+dolor+sit+amet+consectetur+");
	buf_print(&body, "&q=%%3Cscript%%3Ealert(1)%%3C/script%%3E");
	assert_true(buf_len(&body) > WAF_INLINE);
	for (unsigned sealed = 0; sealed < 2; sealed++) {
		fd = bed_file(buf_slice(&body), sealed);
		bed_post(&job, &arena, "application/x-www-form-urlencoded", SLICE_NONE);
		job.with_body = job.body_outside = true;
		job.body_len = buf_len(&body);
		send_job(0, WAF_BIG, fd);
		assert_true(get_answer(0, WAF_BIG, 10000));
		assert_int_equal(answer.result, sealed ? WAF_DENY : WAF_LOST);
		job.body_len++;
		send_job(0, WAF_BIG, fd);
		assert_true(get_answer(0, WAF_BIG, 10000));
		assert_int_equal(answer.result, WAF_LOST); /* not as long as it says */
		close(fd);
	}
	send_job(0, WAF_BIG, -1);
	assert_true(get_answer(0, WAF_BIG, 10000));
	assert_int_equal(answer.result, WAF_LOST); /* no body beside it at all */
	buf_done(&body);
}

static void a_cancelled_job_is_dropped_unrun(void **state)
{
	(void)state;
	bed_job(&job, &arena, "/");
	job.token = 0;
	assert_true(soon(all_there));
	/* Nobody wants it by the time it is pulled: another token is in its slot. */
	for (unsigned i = 0; i < 20; i++) {
		struct buf out = {0};

		job.token = ++tokens;
		job.slot = 7;
		assert_true(waf_pack_job(&out, &job));
		assert_true(send(near_end[WAF_SMALL], out.at, buf_len(&out), 0) > 0);
		buf_done(&out);
	}
	assert_false(get_answer(0, WAF_SMALL, 300));
	assert_int_equal(jobs_done(), 0);
	ask("/");
	assert_int_equal(answer.result, WAF_ALLOW);
}

static void an_expired_job_is_shed(void **state)
{
	(void)state;
	bed_job(&job, &arena, "/");
	job.queue_until_us = now_us() - 1;
	send_job(0, WAF_SMALL, -1);
	assert_true(get_answer(0, WAF_SMALL, 10000));
	assert_int_equal(answer.result, WAF_SHED);
	assert_int_equal(answer.token, job.token);
}

static void garbage_is_survived(void **state)
{
	(void)state;
	assert_int_equal(send(near_end[0], "garbage", 7, 0), 7);
	assert_int_equal(send(near_end[0], "", 0, 0), 0);
	bed_job(&job, &arena, "/");
	job.ruleset = 9;
	send_job(0, WAF_SMALL, -1);
	assert_true(get_answer(0, WAF_SMALL, 10000));
	assert_int_equal(answer.result, WAF_LOST);
	ask("/");
	assert_int_equal(answer.result, WAF_ALLOW);
}

/* A request whose answer will be asked about; who keeps it, less one, and its token. */
static unsigned ask_to_keep(uint64_t *token)
{
	bed_job(&job, &arena, "/page");
	job.keep = true;
	send_job(0, WAF_SMALL, -1);
	assert_true(get_answer(0, WAF_SMALL, 10000));
	assert_int_equal(answer.result, WAF_ALLOW);
	assert_true(answer.keeper >= 1 && answer.keeper <= INSPECTORS);
	*token = job.token;
	return answer.keeper - 1u;
}

/* Its answer, from worker 1: a door is everybody's. */
static void ask_about_answer(int near, uint64_t token, const char *text)
{
	bed_post(&job, &arena, NULL, slice_of(text));
	job.answering = true;
	job.status = 200;
	job.kept = token;
	send_to(near, 1, -1);
	assert_true(get_answer(1, WAF_SMALL, 10000));
	assert_int_equal(answer.token, job.token);
}

static const char leak[] = "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version";

static void an_answer_is_judged_behind_the_door_of_its_keeper(void **state)
{
	uint64_t token;
	unsigned keeper = ask_to_keep(&token);

	(void)state;
	ask_about_answer(door[keeper], token, leak);
	assert_int_equal(answer.result, WAF_DENY);
	assert_false(answer.again);
	ask_about_answer(door[keeper], token, leak); /* a transaction is used up */
	assert_true(answer.result == WAF_DENY && answer.again);
	keeper = ask_to_keep(&token);
	ask_about_answer(door[(keeper + 1) % INSPECTORS], token, "clean");
	assert_true(answer.result == WAF_ALLOW && answer.again);
	ask_about_answer(near_end[WAF_LANES + WAF_SMALL], 1, leak); /* the lane of worker 1 */
	assert_true(answer.result == WAF_DENY && answer.again);
}

static void behind_the_door_is_always_somebody(void **state)
{
	pid_t pids[INSPECTORS];
	uint64_t token;
	unsigned keeper, n;

	(void)state;
	assert_true(soon(all_there));
	keeper = ask_to_keep(&token);
	assert_true(soon(none_busy));
	n = inspectors(pids);
	for (unsigned i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	ask_about_answer(door[keeper], token, leak);
	assert_true(answer.result == WAF_DENY && answer.again);
	assert_int_equal(send(door[0], "garbage", 7, 0), 7);
	bed_job(&job, &arena, "/");
	send_to(door[0], WORKERS, -1); /* of a worker that there is not */
	ask("/");
	assert_int_equal(answer.result, WAF_ALLOW);
}

static void a_killed_inspector_loses_its_own_job_only(void **state)
{
	pid_t victim;

	(void)state;
	send_slow(1, 60000);
	assert_true(soon(one_busy));
	usleep(300000);
	victim = busy_child();
	kill(victim, SIGKILL);
	assert_true(get_answer(1, WAF_BIG, 1000));
	assert_int_equal(answer.result, WAF_LOST);
	assert_int_equal(answer.token, job.token);
	assert_true(soon(all_there));
	for (unsigned i = 0; i < 10; i++) {
		ask("/");
		assert_int_equal(answer.result, WAF_ALLOW);
	}
	assert_false(get_answer(1, WAF_BIG, 100));
}

static void a_job_that_burns_its_cpu_time_is_killed(void **state)
{
	int64_t began = now_us(), took;

	(void)state;
	send_slow(0, 200);
	assert_true(get_answer(0, WAF_BIG, 5000));
	took = now_us() - began;
	assert_int_equal(answer.result, WAF_LOST);
	assert_int_equal(answer.token, job.token);
	if (took < 200000 || took > 4 * 200000 + 300000)
		fail_msg("after %lld ms", (long long)took / 1000);
	assert_true(soon(all_there));
	ask("/");
	assert_int_equal(answer.result, WAF_ALLOW);
}

static void a_stopped_inspector_is_killed_by_the_wall_clock(void **state)
{
	int64_t began;

	(void)state;
	send_slow(0, 300);
	assert_true(soon(one_busy));
	began = now_us();
	usleep(50000);
	kill(busy_child(), SIGSTOP);
	assert_true(get_answer(0, WAF_BIG, 5000));
	assert_int_equal(answer.result, WAF_LOST);
	if (now_us() - began > 4 * 300000 + 300000)
		fail_msg("after %lld ms", (long long)(now_us() - began) / 1000);
	assert_true(soon(all_there));
	ask("/");
	assert_int_equal(answer.result, WAF_ALLOW);
}

static bool none_stopped(void)
{
	pid_t pids[INSPECTORS];
	unsigned n = inspectors(pids);

	for (unsigned i = 0; i < n; i++) {
		char path[64], kind = '?';
		FILE *f;

		snprintf(path, sizeof path, "/proc/%d/stat", (int)pids[i]);
		f = fopen(path, "r");
		if (!f || fscanf(f, "%*d (%*[^)]) %c", &kind) != 1)
			kind = 'T';
		if (f)
			fclose(f);
		if (kind == 'T')
			return false;
	}
	return n == INSPECTORS;
}

static void idle_inspectors_that_are_stopped_are_replaced(void **state)
{
	pid_t pids[INSPECTORS];

	(void)state;
	assert_true(soon(all_there));
	assert_int_equal(inspectors(pids), INSPECTORS);
	for (unsigned i = 0; i < INSPECTORS; i++)
		kill(pids[i], SIGSTOP);
	assert_true(soon(none_stopped));
	ask("/");
	assert_int_equal(answer.result, WAF_ALLOW);
}

static void a_big_body_does_not_stand_in_front_of_pages(void **state)
{
	int64_t began, worst = 0;

	(void)state;
	assert_true(soon(all_there));
	send_slow(0, 2000);
	send_slow(1, 2000);
	assert_true(soon(one_busy));
	for (unsigned i = 0; i < 10; i++) {
		began = now_us();
		ask("/");
		if (now_us() - began > worst)
			worst = now_us() - began;
	}
	/* One of three serves big lanes; two are left for pages. */
	if (worst > 1000000)
		fail_msg("a page waited %lld ms", (long long)worst / 1000);
}

static void worn_inspectors_are_replaced_between_jobs(void **state)
{
	pid_t before[INSPECTORS], after[INSPECTORS];
	unsigned same = 0;

	(void)state;
	stop_zygote(SIGTERM);
	engine.plan.recycle_jobs = 3;
	start_zygote();
	assert_true(soon(all_there));
	inspectors(before);
	for (unsigned i = 0; i < 30; i++) {
		ask("/");
		assert_int_equal(answer.result, WAF_ALLOW);
	}
	assert_true(soon(all_there));
	inspectors(after);
	for (unsigned i = 0; i < INSPECTORS; i++)
		for (unsigned k = 0; k < INSPECTORS; k++)
			same += before[i] == after[k];
	assert_true(same < INSPECTORS);
}

static void the_end_is_in_peace(void **state)
{
	int status;

	(void)state;
	bed_job(&job, &arena, "/");
	send_job(0, WAF_SMALL, -1);
	assert_true(soon(one_busy) || get_answer(0, WAF_SMALL, 1000));
	status = stop_zygote(SIGTERM);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool none_left(void)
{
	return !one_busy() || kill(busy_child(), 0) < 0;
}

static void the_next_zygote_answers_for_the_last(void **state)
{
	pid_t pids[INSPECTORS];
	unsigned n;

	(void)state;
	send_slow(0, 60000);
	assert_true(soon(one_busy));
	n = inspectors(pids);
	stop_zygote(SIGKILL);
	/* Its inspectors go with it. */
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; kill(pids[i], 0) == 0 && k < 500; k++)
			usleep(10000);
	start_zygote();
	assert_true(get_answer(0, WAF_BIG, 2000));
	assert_int_equal(answer.result, WAF_LOST);
	assert_int_equal(answer.token, job.token);
	assert_true(soon(none_left));
	ask("/");
	assert_int_equal(answer.result, WAF_ALLOW);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bed, close_bed)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(jobs_are_judged),
		TEST(a_body_beside_the_message_is_judged),
		TEST(a_cancelled_job_is_dropped_unrun),
		TEST(an_expired_job_is_shed),
		TEST(garbage_is_survived),
		TEST(an_answer_is_judged_behind_the_door_of_its_keeper),
		TEST(behind_the_door_is_always_somebody),
		TEST(a_killed_inspector_loses_its_own_job_only),
		TEST(a_job_that_burns_its_cpu_time_is_killed),
		TEST(a_stopped_inspector_is_killed_by_the_wall_clock),
		TEST(idle_inspectors_that_are_stopped_are_replaced),
		TEST(a_big_body_does_not_stand_in_front_of_pages),
		TEST(worn_inspectors_are_replaced_between_jobs),
		TEST(the_end_is_in_peace),
		TEST(the_next_zygote_answers_for_the_last),
	};

	if (access(CRS "/rules", R_OK) != 0)
		return 77;
	return cmocka_run_group_tests(tests, open_all, close_all);
}
