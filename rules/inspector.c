/* inspector.c -- one process that takes jobs off the lanes and judges them.
 *
 * It is where hostile bytes meet the rule engine, so it owns nothing: it may be
 * killed at any moment, and what it writes (its cell, its answers) is believed by
 * nobody.  It waits for all lanes at once; the kernel wakes one idle inspector per
 * message. */
#include "rules/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/cage/cage.h"
#include "rules/heap.h"
#include "rules/kept.h"

enum {
	ANSWER_WAIT_MS = 50,  /* a worker that does not read its answers for longer loses this one */
	MEMORY_EVERY = 64,    /* jobs between two looks at our own size; one more when there is nothing to do */
	LOOK_MS = 100,        /* the one the kernel woke may have died before it took the job */
	DOOR = WAF_WORKERS * WAF_LANES, /* our own door, where events name lanes */
	/* What a kept transaction takes, measured: so much, and so many times the request's own bytes. */
	KEPT_BASE = 32 << 10, KEPT_TIMES = 30,
};

struct inspector {
	const struct engine *engine;
	unsigned number;
	struct waf_cell *cell;
	int epoll;
	bool big, broken, grown;
	uint64_t jobs, looked_at; /* of those: when our size was last looked at */
	uint64_t base_bytes;
	char *in;
	size_t message_len;
	struct buf out;
	struct arena arena;
	struct waf_job job;
	struct waf_answer answer;
	int plain_fd; /* -1, or the decoded content that goes with the answer */
	struct kept kept;
};

static volatile sig_atomic_t stop;

static void on_term(int number)
{
	(void)number;
	stop = 1;
}

static int64_t clock_us(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- The cell ---- */

static void claim(struct inspector *in, unsigned lane, int64_t now)
{
	struct waf_cell *c = in->cell;

	atomic_store(&c->worker, in->job.worker);
	atomic_store(&c->lane, lane);
	atomic_store(&c->slot, in->job.slot);
	atomic_store(&c->run_ms, in->job.run_ms);
	atomic_store(&c->began_us, now);
	atomic_store(&c->cpu_began_us, clock_us(CLOCK_PROCESS_CPUTIME_ID));
	/* Last: with a token the cell is valid. */
	atomic_store(&c->token, in->job.token);
}

static bool still_wanted(const struct inspector *in)
{
	const struct waf_wanted *w = &in->engine->shared->wanted[in->job.worker];

	return atomic_load(&w->token[in->job.slot]) == in->job.token;
}

/* ---- Answering ---- */

/* The message, and beside it the decoded content's file. */
static ssize_t send_answer(const struct inspector *in, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {in->out.at + in->out.start, buf_len(&in->out)};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	if (in->plain_fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof control.room;
		control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.head), &in->plain_fd, sizeof(int));
	}
	return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void answer(struct inspector *in, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	in->answer.token = in->job.token;
	if (!waf_pack_answer(&in->out, &in->answer)) {
		buf_done(&in->out);
		return;
	}
	for (int tries = 0; tries < 2; tries++) {
		ssize_t n = send_answer(in, fd);

		if (n >= 0 || errno != EAGAIN || poll(&p, 1, ANSWER_WAIT_MS) <= 0)
			break;
	}
	buf_eat(&in->out, buf_len(&in->out));
}

static void answer_short(struct inspector *in, int fd, enum waf_result result)
{
	in->answer.result = result;
	in->answer.status = 0;
	in->answer.hits_n = in->answer.hits_cut = in->answer.score = 0;
	in->answer.keeper = 0;
	in->answer.again = false;
	in->answer.plain = false;
	in->answer.plain_len = 0;
	answer(in, fd);
}

/* ---- Bodies outside the message ---- */

/* A mapping of a file that cannot shrink or change under us; empty when it is not that. */
static struct slice map_body(const struct inspector *in, int fd)
{
	int seals = fcntl(fd, F_GET_SEALS), needed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	uint64_t most = in->job.answering ? WAF_ANSWER_MOST : in->engine->plan.rulesets[in->job.ruleset].body_max;
	uint64_t len = in->job.body_len;
	struct stat st;
	void *at;

	if (seals < 0 || (seals & needed) != needed || fstat(fd, &st) < 0 || (uint64_t)st.st_size != len || !len || len > most)
		return SLICE_NONE;
	at = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
	return at == MAP_FAILED ? SLICE_NONE : slice_make(at, len);
}

/* Decoded content on its way back: a file that will not change any more.  -1 when there is none to have. */
static int plain_file(struct slice plain)
{
	int fd = memfd_create("portcullis-plain", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	while (plain.len) {
		ssize_t n = write(fd, plain.at, plain.len);

		if (n <= 0)
			break;
		plain = slice_after(plain, (size_t)n);
	}
	if (!plain.len && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The engine's part of a job.  *kept: the transaction of a request whose answer will be asked about, or NULL. */
static bool run(struct inspector *in, struct slice body, struct modsec_kept **kept)
{
	const struct engine *e = in->engine;
	struct slice plain;

	*kept = NULL;
	if (in->job.answering)
		return inspector_judge_answer(e, kept_take(&in->kept, in->job.kept), &in->job, body, &in->arena, &in->answer);
	if (!inspector_judge(e, &in->job, body, &in->arena, &in->answer, in->job.keep ? kept : NULL, &plain))
		return false;
	if (in->answer.plain_len) {
		in->plain_fd = plain_file(plain);
		if (in->plain_fd < 0)
			in->answer.result = WAF_LOST;
	}
	in->answer.keeper = *kept ? (uint8_t)(in->number + 1) : 0;
	return true;
}

static void judge(struct inspector *in, int fd, int body_fd)
{
	struct modsec_kept *kept;
	int64_t wall = clock_us(CLOCK_MONOTONIC), cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID);
	uint64_t outside = in->job.body_outside ? in->job.body_len : 0;
	struct slice body = in->job.body;

	if (in->job.body_outside) {
		body = map_body(in, body_fd);
		if (!body.at) {
			log_warn("a body that is not sealed, or larger than its rule set allows, was not inspected");
			answer_short(in, fd, WAF_LOST);
			return;
		}
	}
	if (!run(in, body, &kept))
		in->broken = true;
	in->answer.cpu_us = (uint32_t)(clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu);
	in->answer.wall_us = (uint32_t)(clock_us(CLOCK_MONOTONIC) - wall);
	if (in->broken || in->answer.result == WAF_LOST)
		answer_short(in, fd, WAF_LOST);
	else
		answer(in, fd);
	if (in->plain_fd >= 0)
		close(in->plain_fd);
	in->plain_fd = -1;
	if (kept)
		kept_put(&in->kept, in->job.token, kept, KEPT_BASE + KEPT_TIMES * (in->message_len + outside));
	if (in->job.body_outside)
		munmap((void *)(uintptr_t)body.at, body.len);
}

/* ---- Taking jobs ---- */

/* Length of the datagram, 0 when there is none for us; *body_fd is ours to close. */
static size_t receive(struct inspector *in, int fd, int *body_fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {in->in, WAF_MESSAGE};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_LEN(sizeof(int))};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);

	*body_fd = -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(body_fd, CMSG_DATA(c), sizeof(int));
	return n < 0 || (m.msg_flags & MSG_TRUNC) ? 0 : (size_t)n;
}

/* Jobs of all workers come through the door; they are answered on the small lanes. */
static bool is_ours(const struct inspector *in, unsigned lane)
{
	const struct engine *e = in->engine;

	return in->job.ruleset < e->plan.rulesets_n &&
	       (lane == DOOR ? in->job.worker < e->lanes_n / WAF_LANES : in->job.worker == lane / WAF_LANES);
}

static bool serve(struct inspector *in, unsigned lane)
{
	const struct engine *e = in->engine;
	int fd = lane == DOOR ? e->doors[in->number] : e->lanes[lane], body_fd;
	size_t n = receive(in, fd, &body_fd);
	int64_t now = clock_us(CLOCK_MONOTONIC);

	if (n && !waf_unpack_job(slice_make(in->in, n), &in->arena, &in->job)) {
		log_warn("a message that is not a job was dropped, from %s", lane == DOOR ? "the door" : "a lane");
		n = 0;
	}
	in->message_len = n;
	if (n && lane == DOOR && in->job.worker < e->lanes_n / WAF_LANES)
		fd = e->lanes[in->job.worker * WAF_LANES + WAF_SMALL];
	if (n && !is_ours(in, lane)) {
		if (lane != DOOR)
			answer_short(in, fd, WAF_LOST);
	} else if (n && still_wanted(in)) {
		in->answer.cpu_us = in->answer.wall_us = in->answer.score = 0;
		in->answer.status = 0;
		in->answer.keeper = 0;
		in->answer.again = in->answer.plain = false;
		in->answer.plain_len = 0;
		in->answer.hits_n = in->answer.hits_cut = 0;
		claim(in, lane == DOOR ? WAF_SMALL : lane % WAF_LANES, now);
		if (now > in->job.queue_until_us)
			answer_short(in, fd, WAF_SHED);
		else
			judge(in, fd, body_fd);
		in->jobs++;
		atomic_store(&in->cell->jobs, in->jobs);
		atomic_store(&in->cell->token, 0);
	}
	if (body_fd >= 0)
		close(body_fd);
	arena_done(&in->arena);
	return n != 0;
}

/* One job of what is ready: the door, where only we are waited for; then small lanes before big ones,
 * each in its turn. */
static void serve_one(struct inspector *in, struct epoll_event *events, int n)
{
	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 != DOOR)
			continue;
		if ((events[i].events & EPOLLIN) && serve(in, DOOR))
			return;
		if (events[i].events & (EPOLLHUP | EPOLLERR))
			epoll_ctl(in->epoll, EPOLL_CTL_DEL, in->engine->doors[in->number], NULL);
	}
	for (unsigned kind = WAF_SMALL; kind < WAF_LANES; kind++)
		for (int i = 0; i < n; i++) {
			unsigned lane = events[i].data.u32;

			if (lane == DOOR || lane % WAF_LANES != kind)
				continue;
			if ((events[i].events & EPOLLIN) && serve(in, lane))
				return;
			if (events[i].events & (EPOLLHUP | EPOLLERR))
				epoll_ctl(in->epoll, EPOLL_CTL_DEL, in->engine->lanes[lane], NULL);
		}
}

static uint64_t growth(const struct inspector *in)
{
	uint64_t now = heap_bytes();

	return now > in->base_bytes ? now - in->base_bytes : 0;
}

/* What was touched is kept for the next request, as far as it is little; a peak that is over is given back, and
 * only what is in use then can make us too large. */
static void look_at_size(struct inspector *in)
{
	uint64_t most = in->engine->plan.recycle_bytes, now = growth(in);

	in->looked_at = in->jobs;
	if (most && now > most / 4) {
		heap_trim();
		now = growth(in);
	}
	in->grown = most && now > most;
	atomic_store(&in->cell->grown, now);
}

/* The engine leaks a little; whoever has done enough, or has grown, makes room for a fresh fork. */
static bool worn_out(const struct inspector *in)
{
	uint32_t most = in->engine->plan.recycle_jobs;

	return in->broken || in->grown || (most && in->jobs >= most);
}

static bool open_lanes(struct inspector *in)
{
	const struct engine *e = in->engine;

	in->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < e->lanes_n && in->epoll >= 0; i++) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.u32 = i};

		if (i % WAF_LANES == WAF_BIG && !in->big)
			continue;
		if (epoll_ctl(in->epoll, EPOLL_CTL_ADD, e->lanes[i], &event) < 0)
			return false;
	}
	if (in->epoll >= 0 && in->number < e->doors_n) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = DOOR};

		return epoll_ctl(in->epoll, EPOLL_CTL_ADD, e->doors[in->number], &event) == 0;
	}
	return in->epoll >= 0;
}

static void serve_until_stopped(struct inspector *in)
{
	struct epoll_event events[DOOR + 1];
	sigset_t none;

	sigemptyset(&none);
	while (!stop && !worn_out(in)) {
		int n = epoll_pwait(in->epoll, events, DOOR + 1, LOOK_MS, &none);

		if (n > 0)
			serve_one(in, events, n);
		if (in->jobs - in->looked_at >= (n > 0 ? MEMORY_EVERY : 1))
			look_at_size(in);
	}
}

int inspector_run(const struct engine *e, unsigned number)
{
	struct inspector *in = calloc(1, sizeof *in);
	struct sigaction act = {.sa_handler = on_term};
	char role[24];
	int end;
	bool ok;

	snprintf(role, sizeof role, "inspector %u", number);
	log_open(role, e->log_fd);
	sigaction(SIGTERM, &act, NULL);
	if (!in)
		return 1;
	in->engine = e;
	in->number = number;
	in->plain_fd = -1;
	in->cell = &e->shared->cells[number];
	in->big = number < e->big;
	in->in = malloc(WAF_MESSAGE);
	in->base_bytes = heap_bytes();
	arena_init(&in->arena, NULL, 16 << 10);
	kept_init(&in->kept, e->inspectors, modsec_drop);
	ok = in->in && open_lanes(in) && cage_close(CAGE_INSPECTOR, e->uid);
	if (ok)
		serve_until_stopped(in);
	else
		log_error("cannot begin: %m");
	kept_done(&in->kept);
	arena_done(&in->arena);
	buf_done(&in->out);
	close(in->epoll);
	free(in->in);
	end = !ok || in->broken ? INSPECTOR_BROKEN : in->grown ? INSPECTOR_GROWN : INSPECTOR_DONE;
	free(in);
	return end;
}
