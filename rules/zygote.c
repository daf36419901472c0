/* zygote.c -- forks inspectors from one loaded rule set, and is their clock.
 *
 * The engine cannot be interrupted, so time is kept from outside: each inspector
 * says in its cell what it runs and since when; who runs over is killed, its job
 * is answered LOST, and another is forked. */
#include "rules/engine.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/log.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { SANITIZED = 1 }; /* its shadow memory needs all addresses */
#else
enum { SANITIZED = 0 };
#endif

enum {
	BUSY_MS = 10, IDLE_MS = 50,       /* between two looks at the cells */
	RUN_MOST_MS = 60000,              /* whatever a cell says */
	WALL_TIMES = 4,                   /* the wall clock may show so many times the CPU allowance */
	RETRY_FIRST_MS = 10, RETRY_MOST_MS = 2000,
};

/* Libraries, rules, and room to judge. */
#define ADDRESS_SPACE (1280ull << 20)

struct child {
	pid_t pid; /* 0: none now */
	clockid_t cpu;
	int64_t fork_at_us;
	int64_t retry_ms; /* 0: the last one served */
	bool killed;
};

struct zygote {
	struct engine *engine;
	struct child children[WAF_INSPECTORS];
	int signals;
	bool stopping;
};

static int64_t clock_us(clockid_t which)
{
	struct timespec t;

	if (clock_gettime(which, &t) < 0)
		return 0;
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- Birth ---- */

static int live(struct zygote *z, unsigned number, pid_t parent)
{
	struct rlimit space = {ADDRESS_SPACE, ADDRESS_SPACE};
	sigset_t child;

	close(z->signals);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &child, NULL);
	if (!SANITIZED && setrlimit(RLIMIT_AS, &space) < 0)
		return 1;
	/* The parent may be gone already. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
		return 1;
	return inspector_run(z->engine, number);
}

static void clear_cell(struct waf_cell *cell)
{
	atomic_store(&cell->token, 0);
	atomic_store(&cell->jobs, 0);
	atomic_store(&cell->grown, 0);
}

static void give_birth(struct zygote *z, unsigned number)
{
	struct child *c = &z->children[number];
	pid_t parent = getpid(), pid;

	clear_cell(&z->engine->shared->cells[number]);
	pid = fork();
	if (pid == 0)
		_exit(live(z, number, parent));
	c->killed = false;
	if (pid > 0 && clock_getcpuclockid(pid, &c->cpu) == 0) {
		c->pid = pid;
		atomic_fetch_add(&z->engine->shared->tally.started, 1);
		return;
	}
	log_error("cannot fork an inspector: %m");
	c->pid = pid > 0 ? pid : 0;
	c->fork_at_us = clock_us(CLOCK_MONOTONIC) + RETRY_MOST_MS * 1000;
}

/* ---- Death ---- */

/* A cell is written by a process that hostile bytes may have taken over: nothing in it is believed
 * beyond its bounds. */
static void answer_lost(const struct engine *e, const struct waf_cell *cell, int64_t cpu_us)
{
	struct waf_answer *a = calloc(1, sizeof *a);
	unsigned worker = atomic_load(&cell->worker), lane = atomic_load(&cell->lane);
	struct buf out = {0};

	if (a && worker < e->lanes_n / WAF_LANES && lane < WAF_LANES) {
		int fd = e->lanes[worker * WAF_LANES + lane];
		struct pollfd p = {.fd = fd, .events = POLLOUT};

		a->token = atomic_load(&cell->token);
		a->result = WAF_LOST;
		a->cpu_us = (uint32_t)(cpu_us < 0 ? 0 : cpu_us > RUN_MOST_MS * 1000 ? RUN_MOST_MS * 1000 : cpu_us);
		if (a->token && waf_pack_answer(&out, a) &&
		    send(fd, out.at, buf_len(&out), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EAGAIN &&
		    poll(&p, 1, BUSY_MS) > 0)
			(void)!send(fd, out.at, buf_len(&out), MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	buf_done(&out);
	free(a);
}

/* One that dies before it has served anything would die again: wait longer each time.  One that a
 * request killed is replaced at once, or the request's sender could shut the rest out. */
static void plan_next(struct child *c, bool served)
{
	if (served)
		c->retry_ms = 0;
	else
		c->retry_ms = !c->retry_ms ? RETRY_FIRST_MS : c->retry_ms * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : c->retry_ms * 2;
	c->fork_at_us = clock_us(CLOCK_MONOTONIC) + c->retry_ms * 1000;
}

static int64_t cpu_of(const struct rusage *u)
{
	return (int64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000000 + u->ru_utime.tv_usec + u->ru_stime.tv_usec;
}

static void bury(struct zygote *z, unsigned number, int status, const struct rusage *used)
{
	struct child *c = &z->children[number];
	struct waf_cell *cell = &z->engine->shared->cells[number];
	struct waf_tally *t = &z->engine->shared->tally;
	uint64_t token = atomic_load(&cell->token), jobs = atomic_load(&cell->jobs);
	bool grown = WIFEXITED(status) && WEXITSTATUS(status) == INSPECTOR_GROWN;
	bool peace = grown || (WIFEXITED(status) && WEXITSTATUS(status) == INSPECTOR_DONE);

	if (token)
		answer_lost(z->engine, cell, cpu_of(used) - atomic_load(&cell->cpu_began_us));
	atomic_fetch_add(c->killed ? &t->killed : grown ? &t->grown : peace ? &t->recycled : &t->died, 1);
	if (!peace && !c->killed)
		log_warn("inspector %u (pid %d) ended by %s %d after %llu jobs%s", number, (int)c->pid,
			 WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
			 (unsigned long long)jobs, token ? "; its job is lost" : "");
	c->pid = 0;
	clear_cell(cell);
	plan_next(c, peace || token || jobs || c->killed);
}

/* Stopped by somebody while idle: the kernel would wake it for jobs it cannot take.  With a job in
 * hand the run clock ends it. */
static void pick_up(struct zygote *z, unsigned number)
{
	if (atomic_load(&z->engine->shared->cells[number].token))
		return;
	log_warn("inspector %u (pid %d) was stopped; it is replaced", number, (int)z->children[number].pid);
	kill(z->children[number].pid, SIGKILL);
	z->children[number].killed = true;
}

static void reap(struct zygote *z)
{
	struct rusage used;
	pid_t pid;
	int status;

	while ((pid = wait4(-1, &status, WNOHANG | WUNTRACED, &used)) > 0)
		for (unsigned i = 0; i < z->engine->inspectors; i++) {
			if (z->children[i].pid != pid)
				continue;
			if (WIFSTOPPED(status))
				pick_up(z, i);
			else
				bury(z, i, status, &used);
		}
}

/* ---- The run clock ---- */

/* True when it runs a job. */
static bool watch_one(struct zygote *z, unsigned number, int64_t now)
{
	struct child *c = &z->children[number];
	struct waf_cell *cell = &z->engine->shared->cells[number];
	uint64_t token = atomic_load(&cell->token);
	int64_t began = atomic_load(&cell->began_us), cpu_began = atomic_load(&cell->cpu_began_us);
	uint32_t run_ms = atomic_load(&cell->run_ms);
	int64_t wall, cpu, most;

	if (!c->pid || !token || c->killed)
		return c->killed;
	most = (run_ms > RUN_MOST_MS ? RUN_MOST_MS : (int64_t)run_ms) * 1000;
	wall = now - began;
	cpu = clock_us(c->cpu) - cpu_began;
	if ((cpu <= most && wall <= most * WALL_TIMES) || atomic_load(&cell->token) != token)
		return true;
	log_warn("inspector %u (pid %d) is killed: its job took %lld ms, %lld ms of CPU, of %u allowed", number,
		 (int)c->pid, (long long)(wall / 1000), (long long)(cpu / 1000), run_ms);
	kill(c->pid, SIGKILL);
	c->killed = true;
	return true;
}

/* Returns how long the next look may wait. */
static int watch_all(struct zygote *z)
{
	int64_t now = clock_us(CLOCK_MONOTONIC);
	int wait_ms = IDLE_MS;
	unsigned alive = 0;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < z->engine->inspectors; i++) {
		struct child *c = &z->children[i];

		if (c->pid && watch_one(z, i, now))
			wait_ms = BUSY_MS;
		if (!c->pid && !z->stopping) {
			if (c->fork_at_us <= now)
				give_birth(z, i);
			else
				wait_ms = BUSY_MS;
		}
		alive += c->pid != 0;
		bytes += atomic_load(&z->engine->shared->cells[i].grown);
	}
	atomic_store(&z->engine->shared->tally.alive, alive);
	atomic_store(&z->engine->shared->tally.bytes, bytes);
	return wait_ms;
}

/* ---- The zygote ---- */

/* No worker holds a lane any more, nor does the supervisor: the rules that were loaded here are not in force,
 * and their last request has ended. */
static bool deserted(const struct engine *e)
{
	struct pollfd lanes[WAF_WORKERS * WAF_LANES];

	for (unsigned i = 0; i < e->lanes_n; i++)
		lanes[i] = (struct pollfd){.fd = e->lanes[i]};
	return e->lanes_n && poll(lanes, e->lanes_n, 0) == (int)e->lanes_n;
}

static bool any_left(const struct zygote *z)
{
	for (unsigned i = 0; i < z->engine->inspectors; i++)
		if (z->children[i].pid)
			return true;
	return false;
}

static void begin_stop(struct zygote *z)
{
	z->stopping = true;
	for (unsigned i = 0; i < z->engine->inspectors; i++)
		if (z->children[i].pid)
			kill(z->children[i].pid, SIGTERM); /* ends it between two jobs */
}

static void take_signals(struct zygote *z)
{
	struct signalfd_siginfo info;

	while (read(z->signals, &info, sizeof info) == sizeof info)
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			begin_stop(z);
	reap(z);
}

static bool open_signals(struct zygote *z)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return false;
	z->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return z->signals >= 0;
}

int zygote_run(struct engine *e, int ready)
{
	struct zygote *z = calloc(1, sizeof *z);
	int wait_ms;

	if (!z)
		return 1;
	z->engine = e;
	if (!open_signals(z)) {
		free(z);
		return 1;
	}
	/* The one before us may have died with jobs in its hands. */
	for (unsigned i = 0; i < WAF_INSPECTORS; i++)
		if (atomic_load(&e->shared->cells[i].token)) {
			answer_lost(e, &e->shared->cells[i], 0);
			clear_cell(&e->shared->cells[i]);
		}
	wait_ms = watch_all(z);
	if (ready >= 0) {
		(void)!write(ready, "READY\n", 6);
		close(ready);
	}
	while (!z->stopping || any_left(z)) {
		struct pollfd p = {.fd = z->signals, .events = POLLIN};

		if (poll(&p, 1, wait_ms) > 0)
			take_signals(z);
		if (!z->stopping && deserted(z->engine))
			begin_stop(z);
		wait_ms = watch_all(z);
	}
	close(z->signals);
	free(z);
	return 0;
}
