/* supervisor.c -- starts the others, restarts what dies, ends them in order.
 *
 * It parses no byte that came from a network.  Going from one generation to the
 * next is reload.c's. */
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
#include "gateway/proc/activation.h"
#include "gateway/proc/node.h"
#include "gateway/proc/notify.h"
#include "gateway/proc/proc.h"
#include "gateway/proc/spawn.h"

enum { FIRST_TRIES = 3, KILL_AFTER_MS = 2000 };

static const char *const role_names[] = {"logger", "zygote", "worker", "admin"};

static void give_up(struct node *n);

/* ---- Coming up ---- */

static void start_workers(struct node *n)
{
	for (unsigned i = 0; i < n->workers; i++)
		if (!n->worker[i].pid)
			node_start_child(&n->worker[i]);
}

static void look_if_serving(struct node *n)
{
	static const struct control_message try = {.what = CONTROL_TRY};

	if (n->serving || n->stopping)
		return;
	for (unsigned i = 0; i < n->workers; i++)
		if (!n->worker[i].ready)
			return;
	n->serving = true;
	control_send(n->worker[0].report.fd, &try, NULL, 0);
	door_open(n);
	/* Who asks for /healthz now is told of now, not of a quarter of a second ago. */
	node_measure(n);
	printf("READY\n");
	fflush(stdout);
	notify_ready("%u workers serve", n->workers);
}

static void worker_said(struct watch *w, unsigned what)
{
	struct child *c = LIST_OF(w, struct child, report);
	struct control_message m;
	int fds[CONTROL_FDS];
	unsigned fds_n;

	(void)what;
	switch (control_receive(w->fd, &m, fds, &fds_n)) {
	case 1:
		if (m.what == CONTROL_COMMITTED && !c->ready) {
			c->ready = true;
			worker_is_back(c);
		}
		if (m.what == CONTROL_REFUSED && !c->ready) {
			log_error("worker %u cannot serve: %s", c->slot, m.text);
			kill(c->pid, SIGKILL);
		}
		/* At the start there is nothing to go back to. */
		if (m.what == CONTROL_UNSAFE && !c->node->reload)
			log_error("protection: %s", m.text);
		reload_worker(c->node, c, &m);
		look_if_serving(c->node);
		for (unsigned i = 0; i < fds_n; i++)
			close(fds[i]);
		break;
	case -1:
		watch_remove(w);
		break;
	default:
		break;
	}
}

/* READY, or ERROR and what is wrong with the rules.  At the first start that is the operator's business now; later
 * the running configuration is known to be good and starting is tried again. */
static void zygote_said(struct watch *w, unsigned what)
{
	struct child *c = LIST_OF(w, struct child, report);
	struct node *n = c->node;
	ssize_t got = read(w->fd, c->said + c->said_n, sizeof c->said - 1 - c->said_n);
	const char *why;

	(void)what;
	if (got > 0)
		c->said_n += (unsigned)got;
	c->said[c->said_n] = 0;
	if (got > 0 && !strchr(c->said, '\n') && c->said_n < sizeof c->said - 1)
		return;
	watch_remove(w);
	c->said[strcspn(c->said, "\n")] = 0;
	why = strncmp(c->said, "ERROR ", 6) == 0 ? c->said + 6 : c->said;
	if (strcmp(c->said, "READY") == 0) {
		c->ready = true;
		start_workers(n);
		reload_rules(n, c->queue, NULL);
	} else if (c->queue != n->now->queue) {
		reload_rules(n, c->queue, c->said_n ? why : "the zygote died of them");
	} else if (c->said_n) {
		log_error("the rules cannot be loaded: %s", why);
		if (!n->serving)
			give_up(n);
	}
}

void node_start_again(struct timer *t)
{
	node_start_child(LIST_OF(t, struct child, again));
}

void node_start_child(struct child *c)
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

/* True when there was one. */
static bool end_zygotes(struct node *n, int how)
{
	bool any = n->now && n->now->queue && n->now->queue->zygote.pid;

	if (any)
		kill(n->now->queue->zygote.pid, how);
	LIST_EACH(link, &n->leaving) {
		any = true;
		kill(LIST_OF(link, struct queue, link)->zygote.pid, how);
	}
	return any;
}

/* Workers first, then what they need, the logger last: what they said is still written. */
static void go_down(struct node *n)
{
	if (workers_left(n))
		return;
	if (n->admin.pid) {
		kill(n->admin.pid, SIGTERM);
		return;
	}
	if (end_zygotes(n, SIGTERM))
		return;
	if (n->logger.pid)
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
	end_zygotes(n, SIGKILL);
	if (n->admin.pid)
		kill(n->admin.pid, SIGKILL);
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
	const struct control_message drain = {.what = CONTROL_DRAIN};

	if (n->stopping) {
		kill_all(n);
		return;
	}
	log_info("stopping: no new connections, requests have %lld ms to end", (long long)n->config->processes.drain_ms);
	n->stopping = true;
	atomic_store(&n->metrics->stopping, 1);
	notify_stopping(n->config->processes.drain_ms + 2 * KILL_AFTER_MS);
	door_close(n);
	reload_cancel(n);
	for (unsigned i = 0; i < n->workers * n->config->listeners.n; i++) {
		close(n->now->listeners[i]);
		n->now->listeners[i] = -1;
	}
	timer_start(n->loop, &n->deadline, n->config->processes.drain_ms + KILL_AFTER_MS);
	for (unsigned i = 0; i < n->workers; i++) {
		struct child *c = &n->worker[i];

		timer_stop(&c->again);
		timer_stop(&c->orphaned);
		if (c->pid && (c->report.fd < 0 || !control_send(c->report.fd, &drain, NULL, 0)))
			kill(c->pid, SIGTERM);
	}
	if (n->now->queue)
		timer_stop(&n->now->queue->zygote.again);
	timer_stop(&n->logger.again);
	timer_stop(&n->admin.again);
	go_down(n);
}

/* ---- Children that end ---- */

static struct child *child_of(struct node *n, pid_t pid)
{
	if (n->logger.pid == pid)
		return &n->logger;
	if (n->now->queue && n->now->queue->zygote.pid == pid)
		return &n->now->queue->zygote;
	if (n->admin.pid == pid)
		return &n->admin;
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
	if (c->planned) {
		c->planned = false;
		node_start_child(c);
		return;
	}
	node_count_restart(c);
	if (c->role == ROLE_WORKER) {
		reload_worker(n, c, NULL);
		worker_is_gone(c, status);
		snprintf(slot, sizeof slot, " %u", c->slot);
	}
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

/* The zygote of a queue that nothing holds any more, or of one that is not in force yet. */
static bool zygote_left(struct node *n, pid_t pid)
{
	struct queue *next = reload_queue(n);

	LIST_EACH_SAFE(link, &n->leaving) {
		struct queue *q = LIST_OF(link, struct queue, link);

		if (q->zygote.pid != pid)
			continue;
		child_ended(&q->zygote);
		queue_free(q);
		return true;
	}
	if (!next || next->zygote.pid != pid)
		return false;
	next->held++; /* until it is tidied up here, whatever the reload makes of it */
	if (next->zygote.report.loop)
		zygote_said(&next->zygote.report, LOOP_READ);
	child_ended(&next->zygote);
	reload_rules(n, next, "the zygote died");
	queue_drop(n, next);
	return true;
}

static void reap(struct node *n)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = child_of(n, pid);

		if (c)
			ended(n, c, status);
		else if (!zygote_left(n, pid))
			reload_child_ended(n, pid, status);
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
			reload_begin(n, -1);
		else
			stop(n);
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

/* The first generation: what is wrong with it ends the start. */
static bool load(struct node *n)
{
	int status;
	pid_t pid;

	n->now = calloc(1, sizeof *n->now);
	if (!n->now)
		return false;
	release_init(n, n->now);
	pid = release_load(n, n->now, STDERR_FILENO);
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		fprintf(stderr, "portcullis: the loader cannot be started: %s\n", strerror(errno));
		return false;
	}
	if (WIFSIGNALED(status))
		fprintf(stderr, "portcullis: the loader was ended by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool prepare(struct node *n)
{
	char why[1024] = "no memory or descriptors to begin with";

	if (!load(n))
		return false;
	if (!release_map(n->now, NULL, why, sizeof why))
		goto no;
	n->config = n->now->config;
	count_processes(n);
	spawn_more_files();
	n->worker = calloc(n->workers, sizeof *n->worker);
	if (!n->worker || !release_open(n, n->now, NULL, why, sizeof why))
		goto no;
	if (!node_open_logs(n) || !node_open_admin(n))
		return false;
	if (node_open_shared(n) && node_open_metrics(n) && catch_signals(n))
		return true;
no:
	if (why[0])
		fprintf(stderr, "%s%s\n", strstr(why, ": error: ") ? "" : "portcullis: ", why);
	return false;
}

static void run(struct node *n)
{
	log_level((enum log_level)n->config->logs.level);
	child_init(n, &n->logger, ROLE_LOGGER, 0);
	for (unsigned i = 0; i < n->workers; i++)
		child_init(n, &n->worker[i], ROLE_WORKER, i);
	child_init(n, &n->admin, ROLE_ADMIN, 0);
	node_start_child(&n->logger);
	log_open("supervisor", n->logs[n->workers + 1][0]);
	workers_watch(&n->watchdog);
	tickets_begin(n);
	node_start_child(&n->admin);
	if (n->now->queue)
		node_start_child(&n->now->queue->zygote);
	else
		start_workers(n);
	if (!n->stopping || n->logger.pid)
		loop_run(n->loop);
}

int supervisor_main(const char *config_path)
{
	static struct node n;

	n = (struct node){.config_path = config_path, .admin_local_fd = -1, .admin_port_fd = -1};
	list_init(&n.leaving);
	cage_begin();
	n.root = geteuid() == 0;
	notify_open();
	if (!activation_open())
		return 1;
	n.loop = loop_new();
	timer_init(&n.watchdog, workers_watch);
	timer_init(&n.deadline, out_of_patience);
	if (!n.loop || !prepare(&n) || !cage_close(CAGE_SUPERVISOR, 0))
		return 1;
	run(&n);
	node_close_admin(&n);
	return n.status;
}
