/* reload.c -- from one generation to the next, in two phases.
 *
 * loader -> rules (where they changed) -> every worker has prepared it -> known
 * attacks through every site's chain -> commit.  Until then nothing has changed,
 * and whatever fails on the way leaves it so and is told with its reason. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/proc/node.h"
#include "gateway/proc/notify.h"

enum reload_step { LOADING, RULES, PREPARING, TRYING, COMMITTING };

enum { DEADLINE_MS = 60000, FINDINGS_MOST = 64 << 10, LINE = 1024 };

struct reload {
	struct node *node;
	enum reload_step step;
	struct release *next;
	pid_t loader;
	int requester;        /* -1: a signal asked */
	struct watch findings;
	struct buf text;      /* of the loader, what is not told yet */
	struct timer deadline;
	bool waits[SHARED_WORKERS]; /* for the word of these */
};

/* ---- Telling ---- */

/* To whoever asked, and to the error log.  Who asked and does not read is not waited for. */
static void tell(struct reload *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct reload *r, const char *fmt, ...)
{
	char line[LINE];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof line - 1, fmt, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n > sizeof line - 2)
		n = sizeof line - 2;
	if (strstr(line, "error: "))
		log_error("reload: %s", line);
	else
		log_info("reload: %s", line);
	line[n++] = '\n';
	if (r->requester >= 0)
		(void)!send(r->requester, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void tell_findings(struct reload *r)
{
	struct slice rest = slice_make(r->text.at + r->text.start, buf_len(&r->text)), line;

	while (slice_cut(&rest, '\n', &line))
		if (line.len)
			tell(r, "%.*s", SLICE_F(line));
	buf_done(&r->text);
}

/* ---- The end ---- */

static void end(struct reload *r)
{
	struct node *n = r->node;

	n->reload = NULL;
	notify_ready("generation %.16s, %u workers serve", n->config->hash.at, n->workers);
	timer_stop(&r->deadline);
	if (r->findings.fd >= 0) {
		watch_remove(&r->findings);
		close(r->findings.fd);
	}
	if (r->requester >= 0)
		close(r->requester);
	buf_done(&r->text);
	free(r);
	if (n->reload_again && !n->stopping) {
		n->reload_again = false;
		reload_begin(n, -1);
	}
}

static void drop_next(struct reload *r)
{
	struct node *n = r->node;

	if (!r->next)
		return;
	/* Of new rules the zygote is not needed: nobody holds a lane. */
	if (r->next->queue && r->next->queue->held == 1 && r->next->queue->zygote.pid)
		kill(r->next->queue->zygote.pid, SIGTERM);
	release_close(n, r->next);
	free(r->next);
	r->next = NULL;
}

static void order(struct reload *r, enum control_order what)
{
	const struct control_message m = {.what = (char)what};
	struct node *n = r->node;

	/* Who is still starting is about to serve with the one in force. */
	for (unsigned i = 0; i < n->workers; i++)
		if (n->worker[i].ready && n->worker[i].report.fd >= 0)
			control_send(n->worker[i].report.fd, &m, NULL, 0);
}

static void refuse(struct reload *r)
{
	if (r->step == PREPARING || r->step == TRYING)
		order(r, CONTROL_FORGET);
	if (r->step == LOADING && r->loader > 0)
		kill(r->loader, SIGKILL);
	drop_next(r);
	metric_count(METRIC_RELOADS_REFUSED);
	tell(r, "refused: generation %.16s goes on", r->node->config->hash.at);
	end(r);
}

static void out_of_time(struct timer *t)
{
	struct reload *r = LIST_OF(t, struct reload, deadline);
	static const char *const doing[] = {"the configuration was being read", "the rules were being loaded",
					    "workers were preparing", "the protection was being tried", "workers were changing over"};

	tell(r, "error: no end after %d s, while %s", DEADLINE_MS / 1000, doing[r->step]);
	if (r->step != COMMITTING) {
		refuse(r);
		return;
	}
	/* It is in force; who has not said so comes back with it. */
	for (unsigned i = 0; i < r->node->workers; i++)
		if (r->waits[i] && r->node->worker[i].pid)
			kill(r->node->worker[i].pid, SIGKILL);
	end(r);
}

/* ---- Step by step ---- */

static bool all_said(const struct reload *r)
{
	for (unsigned i = 0; i < r->node->workers; i++)
		if (r->waits[i])
			return false;
	return true;
}

static void await_all(struct reload *r)
{
	for (unsigned i = 0; i < r->node->workers; i++)
		r->waits[i] = true;
}

/* From here on it is in force: who starts now starts with it. */
static void commit(struct reload *r)
{
	struct node *n = r->node;
	struct release *old = n->now;

	r->step = COMMITTING;
	await_all(r);
	n->now = r->next;
	n->config = n->now->config;
	node_name_generation(n);
	r->next = NULL;
	order(r, CONTROL_COMMIT);
	release_close(n, old);
	free(old);
	/* It writes what it has been sent, and the next one goes on in the files that are there now. */
	n->logger.planned = n->logger.pid != 0;
	if (n->logger.pid)
		kill(n->logger.pid, SIGTERM);
	log_level((enum log_level)n->config->logs.level);
}

/* One worker's word stands for all: they have the same images. */
static void try(struct reload *r)
{
	const struct control_message m = {.what = CONTROL_TRY};

	r->step = TRYING;
	memset(r->waits, 0, sizeof r->waits);
	r->waits[0] = true;
	if (!control_send(r->node->worker[0].report.fd, &m, NULL, 0)) {
		tell(r, "error: worker 0 does not listen: %s", strerror(errno));
		refuse(r);
	}
}

static void prepare(struct reload *r)
{
	struct node *n = r->node;
	bool keep = r->next->queue && r->next->queue == n->now->queue;

	r->step = PREPARING;
	await_all(r);
	for (unsigned i = 0; i < n->workers; i++)
		if (!n->worker[i].ready || !release_give(n, r->next, &n->worker[i], keep)) {
			tell(r, "error: worker %u is not there to change over; try again", i);
			refuse(r);
			return;
		}
}

struct queue *reload_queue(const struct node *n)
{
	const struct reload *r = n->reload;

	return r && r->next && r->next->queue && r->next->queue != n->now->queue ? r->next->queue : NULL;
}

void reload_rules(struct node *n, struct queue *q, const char *why)
{
	struct reload *r = n->reload;

	if (!r || q != reload_queue(n))
		return;
	if (!why) {
		if (r->step == RULES)
			prepare(r);
		return;
	}
	tell(r, "error: the rules cannot be loaded: %s", why);
	refuse(r);
}

/* What the supervisor decided when it started cannot change without that. */
static void warn_of_fixed(struct reload *r)
{
	const struct config *a = r->node->config, *b = r->next->config;

	if (a->processes.workers != b->processes.workers || a->processes.inspectors != b->processes.inspectors ||
	    a->processes.uids != b->processes.uids)
		tell(r, "warning: processes.workers, inspectors and uids change at the next start only");
	if (!slice_eq(a->admin.listen.address_text, b->admin.listen.address_text))
		tell(r, "warning: admin.address changes at the next start only");
}

static void loaded(struct reload *r)
{
	struct node *n = r->node;
	char why[LINE];

	if (!release_map(r->next, n->now, why, sizeof why) || !release_open(n, r->next, n->now, why, sizeof why)) {
		tell(r, "%s", why);
		refuse(r);
		return;
	}
	warn_of_fixed(r);
	if (!r->next->queue || r->next->queue == n->now->queue) {
		prepare(r);
		return;
	}
	r->step = RULES;
	node_start_child(&r->next->queue->zygote);
	if (!r->next->queue->zygote.pid) {
		tell(r, "error: no inspectors can be started for the new rules");
		refuse(r);
	}
}

static void read_findings(struct watch *w, unsigned what)
{
	struct reload *r = LIST_OF(w, struct reload, findings);
	ssize_t n;

	(void)what;
	for (;;) {
		if (!buf_room(&r->text, 4096))
			return;
		n = read(w->fd, r->text.at + r->text.end, 4096);
		if (n <= 0)
			break;
		if (buf_len(&r->text) < FINDINGS_MOST)
			r->text.end += (uint32_t)n;
	}
	if (n == 0)
		watch_remove(w);
}

bool reload_child_ended(struct node *n, pid_t pid, int status)
{
	struct reload *r = n->reload;
	bool silent;

	if (!r || r->step != LOADING || pid != r->loader)
		return false;
	r->loader = 0;
	read_findings(&r->findings, LOOP_READ);
	silent = buf_len(&r->text) == 0;
	tell_findings(r);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		loaded(r);
		return true;
	}
	if (WIFSIGNALED(status))
		tell(r, "error: the loader was ended by signal %d", WTERMSIG(status));
	else if (silent)
		tell(r, "error: the loader ended with status %d and said nothing; the error log may say why",
		     WEXITSTATUS(status));
	refuse(r);
	return true;
}

static void word(struct reload *r, unsigned slot, const struct control_message *m)
{
	static const struct {
		enum reload_step at;
		enum control_word word;
		void (*then)(struct reload *r);
	} table[] = {{PREPARING, CONTROL_PREPARED, try}, {TRYING, CONTROL_TRIED, commit}};

	if (m->what == CONTROL_REFUSED || m->what == CONTROL_UNSAFE) {
		tell(r, "error: %s", m->text);
		refuse(r);
		return;
	}
	for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].at == r->step && m->what == (char)table[i].word) {
			r->waits[slot] = false;
			if (all_said(r))
				table[i].then(r);
			return;
		}
}

void reload_worker(struct node *n, struct child *worker, const struct control_message *m)
{
	struct reload *r = n->reload;

	if (!r || r->step < PREPARING)
		return;
	/* Also who has prepared: it comes back with the generation in force, and nothing beside it. */
	if (!m && r->step < COMMITTING) {
		tell(r, "error: worker %u died before it changed over", worker->slot);
		refuse(r);
		return;
	}
	if (!r->waits[worker->slot])
		return;
	/* Who dies while changing over comes back with the new generation. */
	if (r->step == COMMITTING && (!m || m->what == CONTROL_COMMITTED)) {
		r->waits[worker->slot] = false;
		if (!all_said(r))
			return;
		metric_count(METRIC_RELOADS_DONE);
		tell(r, "generation %.16s is in force", n->config->hash.at);
		if (r->requester >= 0)
			(void)!send(r->requester, "ok\n", 3, MSG_DONTWAIT | MSG_NOSIGNAL);
		end(r);
	} else if (m) {
		word(r, worker->slot, m);
	}
}

/* ---- The beginning ---- */

static void busy(struct node *n, int requester)
{
	static const char text[] = "error: a reload is in progress; try again when it has ended\n";

	if (requester < 0) {
		n->reload_again = true;
		return;
	}
	(void)!send(requester, text, sizeof text - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(requester);
}

void reload_begin(struct node *n, int requester)
{
	struct reload *r = n->reload || n->stopping || !n->serving ? NULL : calloc(1, sizeof *r);
	int ends[2];

	if (!r) {
		busy(n, requester);
		return;
	}
	*r = (struct reload){.node = n, .requester = requester, .findings = {.fd = -1}};
	n->reload = r;
	buf_init(&r->text, NULL);
	timer_init(&r->deadline, out_of_time);
	timer_start(n->loop, &r->deadline, DEADLINE_MS);
	r->next = calloc(1, sizeof *r->next);
	if (!r->next || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		tell(r, "error: no memory or descriptors to begin with");
		drop_next(r);
		end(r);
		return;
	}
	notify_reloading();
	release_init(n, r->next);
	r->loader = release_load(n, r->next, ends[1]);
	close(ends[1]);
	if (!watch_add_level(n->loop, &r->findings, ends[0], read_findings) || r->loader < 0) {
		tell(r, "error: the loader cannot be started: %s", strerror(errno));
		refuse(r);
	}
}

void reload_cancel(struct node *n)
{
	if (!n->reload)
		return;
	n->reload_again = false;
	tell(n->reload, "error: the gateway is stopping");
	if (n->reload->step == COMMITTING)
		end(n->reload);
	else
		refuse(n->reload);
}
