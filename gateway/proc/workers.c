/* workers.c -- looking after the workers: who hangs, and who accepts for one that is not there. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/proc/node.h"
#include "gateway/proc/notify.h"
#include "gateway/proxy/quarantine.h"

enum { WATCHDOG_MS = 250, SILENT_US = 2000000, ADOPT_MS = 200 };

/* ---- Signs of life ---- */

/* How long a process has stood ready to run and without a core, us since it was started, from its
 * schedstat; 0 where the kernel does not say. */
static int64_t queued_us(int schedstat)
{
	char text[80];
	unsigned long long ran_ns, queued_ns;
	ssize_t n = schedstat < 0 ? -1 : pread(schedstat, text, sizeof text - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = 0;
	return sscanf(text, "%llu %llu", &ran_ns, &queued_ns) == 2 ? (int64_t)(queued_ns / 1000) : 0;
}

/* One look at a worker.  Its silence is what we saw of it, less what it waited for a core: who is starved
 * is not helped by being killed, and after a pause of the whole machine everybody has been silent. */
static void look_at(struct child *c, int64_t beat_us, int64_t passed_us)
{
	int64_t queued = queued_us(c->schedstat), starved = queued - c->queued_us;

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
void workers_watch(struct timer *t)
{
	struct node *n = LIST_OF(t, struct node, watchdog);
	int64_t passed_us = loop_us(n->loop) - n->watched_us;

	n->watched_us = loop_us(n->loop);
	timer_start(n->loop, t, WATCHDOG_MS);
	notify_alive(n->watched_us);
	node_measure(n);
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

/* ---- A slot that nobody serves ---- */

/* The kernel goes on to give it its share of new connections: a sibling takes them. */
void worker_adopt(struct timer *t)
{
	struct child *c = LIST_OF(t, struct child, orphaned);
	struct node *n = c->node;

	if (n->stopping || c->ready || c->adopter)
		return;
	for (unsigned i = 0; i < n->workers; i++) {
		struct child *sibling = &n->worker[i];

		if (sibling == c || !sibling->ready || !release_lend(n, n->now, c->slot, sibling))
			continue;
		c->adopter = sibling;
		return;
	}
	timer_start(n->loop, t, ADOPT_MS);
}

/* It serves again. */
void worker_is_back(struct child *c)
{
	const struct control_message m = {.what = CONTROL_RETURN, .slot = c->slot};

	timer_stop(&c->orphaned);
	if (c->adopter && c->adopter->ready)
		control_send(c->adopter->report.fd, &m, NULL, 0);
	c->adopter = NULL;
}

/* ---- Requests that kill ---- */

enum { SUSPECTS = 32, KILLS = 3 };

/* A signal that the process brought upon itself. */
static bool crashed(int status)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};

	for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
		if (WIFSIGNALED(status) && WTERMSIG(status) == own[i])
			return true;
	return false;
}

/* Three workers dead over the same request are no accident. */
static void remember(struct node *n, struct child *dead, int status)
{
	static struct {
		uint64_t print;
		unsigned kills;
	} suspects[SUSPECTS];
	static unsigned next;
	uint64_t print = n->shared->cells[dead->slot].handling;
	unsigned i = 0;

	if (!crashed(status) || !print)
		return;
	while (i < SUSPECTS && suspects[i].print != print)
		i++;
	if (i == SUSPECTS) {
		i = next++ % SUSPECTS;
		suspects[i].print = print;
		suspects[i].kills = 0;
	}
	if (++suspects[i].kills < KILLS)
		return;
	suspects[i].kills = 0;
	quarantine_add(&n->shared->quarantine, print, loop_us(n->loop));
	log_error("one and the same request was at work when %d workers died: it is refused for ten minutes", KILLS);
}

/* A worker has died: who accepts for it, and for those for whom it did? */
void worker_is_gone(struct child *dead, int status)
{
	struct node *n = dead->node;

	remember(n, dead, status);

	timer_start(n->loop, &dead->orphaned, ADOPT_MS);
	for (unsigned i = 0; i < n->workers; i++)
		if (n->worker[i].adopter == dead) {
			n->worker[i].adopter = NULL;
			timer_start(n->loop, &n->worker[i].orphaned, 1);
		}
}
