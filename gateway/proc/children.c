/* children.c -- starting each role with what it needs, and tidying up behind it. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/proc/node.h"
#include "gateway/proc/spawn.h"

enum { BACKOFF_MS = 100, BACKOFF_MOST_MS = 5000, STEADY_MS = 10000 };

static const char self[] = "/proc/self/exe";

static unsigned uid_of(const struct node *n, enum role role)
{
	return n->root ? (unsigned)n->config->processes.uids + (unsigned)role : (unsigned)getuid();
}

/* ---- Starting ---- */

static pid_t start_logger(struct child *c)
{
	struct node *n = c->node;
	unsigned writers = n->workers + NODE_WRITERS;
	int fds[3 + SHARED_WORKERS + NODE_WRITERS];
	char workers[16], count[16], uid[16];
	const char *const argv[] = {"portcullis-logger", "role-logger", workers, count, uid, NULL};

	memcpy(fds, n->now->outputs, sizeof n->now->outputs);
	for (unsigned i = 0; i < writers; i++)
		fds[3 + i] = n->logs[i][1];
	snprintf(workers, sizeof workers, "%u", n->workers);
	snprintf(count, sizeof count, "%u", writers);
	snprintf(uid, sizeof uid, "%u", uid_of(n, ROLE_LOGGER));
	c->ready = true;
	return spawn(self, argv, fds, 3 + writers);
}

/* At once: when it has become another user, a /proc that hides other users' processes (hidepid) hides it. */
static int open_schedstat(pid_t pid)
{
	char path[40];

	snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* It is told at once what to serve with; it does so when it has come so far. */
static pid_t start_worker(struct child *c)
{
	struct node *n = c->node;
	const struct control_message commit = {.what = CONTROL_COMMIT};
	int fds[WORKER_FDS], control[2];
	char slot[16], workers[16], uid[16];
	const char *const argv[] = {"portcullis-worker", "role-worker", slot, workers, uid, NULL};
	pid_t pid;

	if (!node_pair(control))
		return -1;
	fds[WORKER_CONTROL - SPAWN_FIRST] = control[1];
	fds[WORKER_SHARED - SPAWN_FIRST] = n->shared_fd;
	fds[WORKER_WORDS - SPAWN_FIRST] = n->words_fd;
	fds[WORKER_LOG - SPAWN_FIRST] = n->logs[c->slot][0];
	fds[WORKER_METRICS - SPAWN_FIRST] = n->metrics_fd;
	snprintf(slot, sizeof slot, "%u", c->slot);
	snprintf(workers, sizeof workers, "%u", n->workers);
	snprintf(uid, sizeof uid, "%u", uid_of(n, ROLE_WORKER));
	pid = spawn(self, argv, fds, WORKER_FDS);
	close(control[1]);
	if (pid < 0) {
		close(control[0]);
		return pid;
	}
	c->report.fd = control[0];
	c->schedstat = open_schedstat(pid);
	if (!release_give(n, n->now, c, false) || !control_send(control[0], &commit, NULL, 0))
		log_error("worker %u cannot be told what to serve with: %m", c->slot);
	return pid;
}

static pid_t start_admin(struct child *c)
{
	struct node *n = c->node;
	int fds[ADMIN_FDS], page = node_metrics_to_read(n);
	char uid[16];
	const char *const argv[] = {"portcullis-admin", "role-admin", uid, NULL};
	pid_t pid;

	if (page < 0)
		return -1;
	fds[ADMIN_METRICS - SPAWN_FIRST] = page;
	fds[ADMIN_LOG - SPAWN_FIRST] = n->logs[n->workers + 2][0];
	fds[ADMIN_LOCAL - SPAWN_FIRST] = n->admin_local_fd;
	fds[ADMIN_PORT - SPAWN_FIRST] = n->admin_port_fd;
	snprintf(uid, sizeof uid, "%u", uid_of(n, ROLE_ADMIN));
	c->ready = true;
	pid = spawn(self, argv, fds, ADMIN_FDS);
	close(page);
	return pid;
}

/* Beside this program, or where it is installed. */
static bool find_inspector(char path[PATH_MAX])
{
	static const char *const places[] = {"portcullis-inspector", "../libexec/portcullis/portcullis-inspector",
					     "../libexec/portcullis-inspector"};
	char here[PATH_MAX];
	ssize_t n = readlink(self, here, sizeof here - 1);
	char *slash;

	if (n <= 0)
		return false;
	here[n] = 0;
	slash = strrchr(here, '/');
	if (!slash)
		return false;
	slash[1] = 0;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (snprintf(path, PATH_MAX, "%s%s", here, places[i]) < PATH_MAX && access(path, X_OK) == 0)
			return true;
	fprintf(stderr, "portcullis: portcullis-inspector is not beside this program; install it there (cmake --install does)\n");
	return false;
}

/* --rules --files --shared --log --ready, then the far ends of lanes and doors, at fixed numbers. */
enum { ZYGOTE_RULES = SPAWN_FIRST, ZYGOTE_FILES, ZYGOTE_SHARED, ZYGOTE_LOG, ZYGOTE_READY, ZYGOTE_LANES };

static pid_t start_zygote(struct child *c)
{
	struct node *n = c->node;
	int fds[ZYGOTE_LANES - SPAWN_FIRST + SHARED_WORKERS * WAF_LANES + WAF_INSPECTORS], ready[2];
	char path[PATH_MAX], lanes[SHARED_WORKERS * WAF_LANES * 5], doors[WAF_INSPECTORS * 5], numbers[7][16];
	const char *argv[32] = {"portcullis-inspector"};
	unsigned fds_n = ZYGOTE_LANES - SPAWN_FIRST, args = 1;
	size_t used = 0;
	pid_t pid;

	if (!find_inspector(path) || pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	fds[ZYGOTE_RULES - SPAWN_FIRST] = c->queue->plan_fd;
	fds[ZYGOTE_FILES - SPAWN_FIRST] = c->queue->files_fd;
	fds[ZYGOTE_SHARED - SPAWN_FIRST] = c->queue->waf_fd;
	fds[ZYGOTE_LOG - SPAWN_FIRST] = n->logs[n->workers][0];
	fds[ZYGOTE_READY - SPAWN_FIRST] = ready[1];
	for (unsigned w = 0; w < n->workers; w++)
		for (unsigned lane = 0; lane < WAF_LANES; lane++) {
			used += (size_t)snprintf(lanes + used, sizeof lanes - used, "%s%u", used ? "," : "",
						 SPAWN_FIRST + fds_n);
			fds[fds_n++] = c->queue->lanes[w][lane][1];
		}
	used = 0;
	for (unsigned i = 0; i < n->inspectors; i++) {
		used += (size_t)snprintf(doors + used, sizeof doors - used, "%s%u", i ? "," : "", SPAWN_FIRST + fds_n);
		fds[fds_n++] = c->queue->doors[i][1];
	}
	const struct {
		const char *option;
		unsigned value;
	} options[] = {{"--rules", ZYGOTE_RULES},
		       {"--files", ZYGOTE_FILES},
		       {"--shared", ZYGOTE_SHARED},
		       {"--log", ZYGOTE_LOG},
		       {"--ready", ZYGOTE_READY},
		       {"--inspectors", n->inspectors},
		       {"--big", n->inspectors / 2 ? n->inspectors / 2 : 1}};

	for (unsigned i = 0; i < sizeof options / sizeof *options; i++) {
		snprintf(numbers[i], sizeof numbers[i], "%u", options[i].value);
		argv[args++] = options[i].option;
		argv[args++] = numbers[i];
	}
	argv[args++] = "--lanes";
	argv[args++] = lanes;
	argv[args++] = "--doors";
	argv[args++] = doors;
	char uid[16];
	if (n->root) {
		snprintf(uid, sizeof uid, "%u", uid_of(n, ROLE_ZYGOTE));
		argv[args++] = "--uid";
		argv[args++] = uid;
	}
	pid = spawn(path, argv, fds, fds_n);
	close(ready[1]);
	if (pid < 0)
		close(ready[0]);
	else
		c->report.fd = ready[0];
	return pid;
}

void child_init(struct node *n, struct child *c, enum role role, unsigned slot)
{
	*c = (struct child){.node = n, .role = role, .slot = slot, .report = {.fd = -1}, .schedstat = -1};
	timer_init(&c->again, node_start_again);
	timer_init(&c->orphaned, worker_adopt);
}

bool child_start(struct child *c)
{
	static pid_t (*const start[])(struct child *) = {
		[ROLE_LOGGER] = start_logger, [ROLE_ZYGOTE] = start_zygote, [ROLE_WORKER] = start_worker,
		[ROLE_ADMIN] = start_admin};

	c->ready = false;
	c->said_n = 0;
	c->started_ms = loop_ms(c->node->loop);
	c->pid = start[c->role](c);
	if (c->pid < 0)
		c->pid = 0;
	return c->pid != 0;
}

/* ---- Tidying up ---- */

int64_t child_ended(struct child *c)
{
	struct node *n = c->node;
	int64_t wait = BACKOFF_MS;

	c->pid = 0;
	c->ready = false;
	watch_remove(&c->report);
	if (c->report.fd >= 0)
		close(c->report.fd);
	c->report.fd = -1;
	if (c->schedstat >= 0)
		close(c->schedstat);
	c->schedstat = -1;
	if (c->role == ROLE_WORKER) {
		memset(&n->shared->guards[c->slot], 0, sizeof n->shared->guards[c->slot]);
		n->shared->cells[c->slot].beat_us = 0;
		metric_block_end(&n->metrics->worker[c->slot]);
	}
	c->failures = loop_ms(n->loop) - c->started_ms > STEADY_MS ? 0 : c->failures + 1;
	for (unsigned i = 1; i < c->failures && wait < BACKOFF_MOST_MS; i++)
		wait *= 2;
	return wait < BACKOFF_MOST_MS ? wait : BACKOFF_MOST_MS;
}
