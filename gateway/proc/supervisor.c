/* supervisor.c -- starts the others, restarts what dies, ends them in order.
 *
 * It parses no byte that came from a network. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/cage/cage.h"
#include "gateway/proc/node.h"
#include "gateway/proc/proc.h"
#include "gateway/proc/spawn.h"

enum { WATCHDOG_MS = 250, SILENT_US = 2000000, FIRST_TRIES = 3, KILL_AFTER_MS = 2000 };

static const char *const role_names[] = {"logger", "zygote", "worker"};

static void start(struct child *c);
static void give_up(struct node *n);

/* ---- Coming up ---- */

static void start_workers(struct node *n)
{
	for (unsigned i = 0; i < n->workers; i++)
		if (!n->worker[i].pid)
			start(&n->worker[i]);
}

static void look_if_serving(struct node *n)
{
	if (n->serving || n->stopping)
		return;
	for (unsigned i = 0; i < n->workers; i++)
		if (!n->worker[i].ready)
			return;
	n->serving = true;
	printf("READY\n");
	fflush(stdout);
}

static void worker_said(struct watch *w, unsigned what)
{
	struct child *c = LIST_OF(w, struct child, report);
	char said;

	(void)what;
	switch (recv(w->fd, &said, 1, MSG_DONTWAIT)) {
	case 1:
		if (said == CONTROL_READY)
			c->ready = true;
		look_if_serving(c->node);
		break;
	case 0:
		watch_remove(w);
		break;
	default:
		break;
	}
}

/* READY, or what is wrong with the rules.  At the first start that is the operator's business now; later
 * the running configuration is known to be good and starting is tried again. */
static void zygote_said(struct watch *w, unsigned what)
{
	struct child *c = LIST_OF(w, struct child, report);
	struct node *n = c->node;
	ssize_t got = read(w->fd, c->said + c->said_n, sizeof c->said - 1 - c->said_n);

	(void)what;
	if (got > 0)
		c->said_n += (unsigned)got;
	c->said[c->said_n] = 0;
	if (got > 0 && !strchr(c->said, '\n') && c->said_n < sizeof c->said - 1)
		return;
	watch_remove(w);
	if (strncmp(c->said, "READY", 5) == 0) {
		c->ready = true;
		start_workers(n);
		return;
	}
	if (c->said_n)
		log_error("the rules cannot be loaded: %.*s", (int)strcspn(c->said, "\n"), c->said);
	if (!n->serving && c->said_n)
		give_up(n);
}

static void again(struct timer *t)
{
	start(LIST_OF(t, struct child, again));
}

static void start(struct child *c)
{
	struct node *n = c->node;
	int fd;

	if (n->stopping || c->pid)
		return;
	if (!child_start(c)) {
		log_error("cannot start the %s: %s", role_names[c->role], strerror(errno));
		if (!n->serving)
			give_up(n);
		else
			timer_start(n->loop, &c->again, child_ended(c));
		return;
	}
	fd = c->report.fd;
	if (fd >= 0 && !watch_add_level(n->loop, &c->report, fd, c->role == ROLE_WORKER ? worker_said : zygote_said))
		log_error("the event loop is full");
}

/* ---- Going down ---- */

static bool workers_left(const struct node *n)
{
	for (unsigned i = 0; i < n->workers; i++)
		if (n->worker[i].pid)
			return true;
	return false;
}

/* Workers first, then what they need, the logger last: what they said is still written. */
static void go_down(struct node *n)
{
	if (workers_left(n))
		return;
	if (n->zygote.pid)
		kill(n->zygote.pid, SIGTERM);
	else if (n->logger.pid)
		kill(n->logger.pid, SIGTERM);
	else
		loop_stop(n->loop);
}

/* All but the logger, which still has to write why. */
static void kill_servants(struct node *n)
{
	for (unsigned i = 0; i < n->workers; i++)
		if (n->worker[i].pid)
			kill(n->worker[i].pid, SIGKILL);
	if (n->zygote.pid)
		kill(n->zygote.pid, SIGKILL);
}

static void kill_all(struct node *n)
{
	kill_servants(n);
	if (n->logger.pid)
		kill(n->logger.pid, SIGKILL);
}

/* It never came up: end with an error. */
static void give_up(struct node *n)
{
	n->status = 1;
	n->stopping = true;
	timer_start(n->loop, &n->deadline, KILL_AFTER_MS);
	kill_servants(n);
	go_down(n);
}

static void out_of_patience(struct timer *t)
{
	struct node *n = LIST_OF(t, struct node, deadline);

	log_warn("not everything ended in time; what is left is killed");
	kill_all(n);
}

static void stop(struct node *n)
{
	char drain = CONTROL_DRAIN;

	if (n->stopping) {
		kill_all(n);
		return;
	}
	log_info("stopping: no new connections, requests have %lld ms to end", (long long)n->config->processes.drain_ms);
	n->stopping = true;
	for (unsigned i = 0; i < n->workers * n->config->listeners.n; i++)
		close(n->listeners[i]);
	timer_start(n->loop, &n->deadline, n->config->processes.drain_ms + KILL_AFTER_MS);
	for (unsigned i = 0; i < n->workers; i++) {
		struct child *c = &n->worker[i];

		timer_stop(&c->again);
		if (c->pid && (c->report.fd < 0 || send(c->report.fd, &drain, 1, MSG_NOSIGNAL) != 1))
			kill(c->pid, SIGTERM);
	}
	timer_stop(&n->zygote.again);
	timer_stop(&n->logger.again);
	go_down(n);
}

/* ---- Children that end ---- */

static struct child *child_of(struct node *n, pid_t pid)
{
	if (n->logger.pid == pid)
		return &n->logger;
	if (n->zygote.pid == pid)
		return &n->zygote;
	for (unsigned i = 0; i < n->workers; i++)
		if (n->worker[i].pid == pid)
			return &n->worker[i];
	return NULL;
}

static void ended(struct node *n, struct child *c, int status)
{
	bool was_ready = c->ready;
	char slot[16] = "";
	int64_t wait;

	if (c->role == ROLE_ZYGOTE && c->report.loop)
		zygote_said(&c->report, LOOP_READ);
	wait = child_ended(c);
	if (n->stopping)
		return;
	if (c->role == ROLE_WORKER)
		snprintf(slot, sizeof slot, " %u", c->slot);
	log_error("the %s%s %s %d; it is started again in %lld ms", role_names[c->role], slot,
		  WIFSIGNALED(status) ? "was ended by signal" : "ended with status",
		  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), (long long)wait);
	if (!n->serving && !was_ready && c->failures >= FIRST_TRIES) {
		log_error("the %s does not come up; giving up", role_names[c->role]);
		give_up(n);
		return;
	}
	timer_start(n->loop, &c->again, wait);
}

static void reap(struct node *n)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = child_of(n, pid);

		if (c)
			ended(n, c, status);
	}
	if (n->stopping)
		go_down(n);
}

static void signalled(struct watch *w, unsigned what)
{
	struct node *n = LIST_OF(w, struct node, signals);
	struct signalfd_siginfo info;

	(void)what;
	while (read(w->fd, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGCHLD)
			reap(n);
		else if (info.ssi_signo == SIGHUP)
			log_warn("reload is not in this version; restart to read the configuration again");
		else
			stop(n);
	}
}

/* How long a process has stood ready to run and without a core, us since it was started; 0 where the
 * kernel does not say. */
static int64_t queued_us(pid_t pid)
{
	char path[40];
	unsigned long long ran_ns, queued_ns = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%llu %llu", &ran_ns, &queued_ns) != 2)
		queued_ns = 0;
	fclose(f);
	return (int64_t)(queued_ns / 1000);
}

/* One look at a worker.  Its silence is what we saw of it, less what it waited for a core: who is starved
 * is not helped by being killed, and after a pause of the whole machine everybody has been silent. */
static void look_at(struct child *c, int64_t beat_us, int64_t passed_us)
{
	int64_t queued = queued_us(c->pid), starved = queued - c->queued_us;

	if (passed_us > 2 * WATCHDOG_MS * 1000)
		passed_us = 2 * WATCHDOG_MS * 1000;
	if (beat_us != c->beat_us)
		c->silent_us = 0;
	else if (starved < passed_us)
		c->silent_us += passed_us - starved;
	c->beat_us = beat_us;
	c->queued_us = queued;
}

/* A worker whose loop has not turned for two seconds serves nobody. */
static void watch_over(struct timer *t)
{
	struct node *n = LIST_OF(t, struct node, watchdog);
	int64_t passed_us = loop_us(n->loop) - n->watched_us;

	n->watched_us = loop_us(n->loop);
	timer_start(n->loop, t, WATCHDOG_MS);
	for (unsigned i = 0; i < n->workers; i++) {
		struct child *c = &n->worker[i];
		int64_t beat_us = n->shared->cells[i].beat_us;

		if (!c->pid || !beat_us)
			continue;
		look_at(c, beat_us, passed_us);
		if (c->silent_us < SILENT_US)
			continue;
		log_error("worker %u has been silent for two seconds and is replaced", i);
		c->silent_us = 0;
		n->shared->cells[i].beat_us = 0;
		kill(c->pid, SIGKILL);
	}
}

/* ---- The whole ---- */

static bool catch_signals(struct node *n)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd >= 0 && watch_add_level(n->loop, &n->signals, fd, signalled);
}

static void count_processes(struct node *n)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t workers = n->config->processes.workers, inspectors = n->config->processes.inspectors;

	if (!workers)
		workers = cores < 1 ? 1 : cores;
	if (!inspectors)
		inspectors = cores * 2 < 4 ? 4 : cores * 2;
	n->workers = (unsigned)(workers > SHARED_WORKERS ? SHARED_WORKERS : workers);
	n->inspectors = (unsigned)(inspectors > WAF_INSPECTORS ? WAF_INSPECTORS : inspectors);
}

static bool prepare(struct node *n)
{
	if (!node_load(n))
		return false;
	count_processes(n);
	spawn_more_files();
	n->worker = calloc(n->workers, sizeof *n->worker);
	if (!n->worker || !node_open_listeners(n) || !node_open_logs(n) || !node_open_places(n))
		return false;
	if (!node_open_shared(n) || !catch_signals(n)) {
		fprintf(stderr, "portcullis: no memory or descriptors to begin with: %m\n");
		return false;
	}
	return true;
}

static void arm(struct child *c)
{
	timer_init(&c->again, again);
}

static void run(struct node *n)
{
	log_level((enum log_level)n->config->logs.level);
	child_init(n, &n->logger, ROLE_LOGGER, 0);
	child_init(n, &n->zygote, ROLE_ZYGOTE, 0);
	arm(&n->logger);
	arm(&n->zygote);
	for (unsigned i = 0; i < n->workers; i++) {
		child_init(n, &n->worker[i], ROLE_WORKER, i);
		arm(&n->worker[i]);
	}
	start(&n->logger);
	log_open("supervisor", n->logs[n->workers + 1][0]);
	timer_start(n->loop, &n->watchdog, WATCHDOG_MS);
	if (n->config->waf_used)
		start(&n->zygote);
	else
		start_workers(n);
	if (!n->stopping || n->logger.pid)
		loop_run(n->loop);
}

int supervisor_main(const char *config_path)
{
	static struct node n;

	n = (struct node){.config_path = config_path, .waf_fd = -1, .country_fd = -1, .asn_fd = -1, .plan_fd = -1};
	cage_begin();
	n.root = geteuid() == 0;
	n.loop = loop_new();
	timer_init(&n.watchdog, watch_over);
	timer_init(&n.deadline, out_of_patience);
	if (!n.loop || !prepare(&n) || !cage_close(CAGE_SUPERVISOR, 0))
		return 1;
	run(&n);
	return n.status;
}
