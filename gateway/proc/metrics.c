/* metrics.c -- the supervisor's part in what is counted: the page, its names, and the admin's sockets.
 *
 * Workers count in the page themselves.  The supervisor counts its children, and a few times a second
 * copies what the zygote says of its inspectors: the admin process needs no page of theirs then. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/proc/node.h"
#include "gateway/proc/rundir.h"

enum { BACKLOG = 64 };

/* ---- The page ---- */

/* Names are for the operator's eyes: with more sites than slots the last ones of the file share one. */
void node_name_generation(struct node *n)
{
	const struct config_site *sites = n->config->sites.at;
	uint64_t name = 0;

	for (unsigned i = 0; i < n->config->sites.n; i++)
		metric_site_add(n->metrics, sites[i].head.key);
	if (n->config->hash.len >= 16)
		text_hex(slice_first(n->config->hash, 16), &name);
	atomic_store(&n->metrics->generation, name);
	atomic_store(&n->metrics->inspects, n->config->waf_used);
	metric_set(METRIC_LOADED, (uint64_t)time(NULL));
}

bool node_open_metrics(struct node *n)
{
	size_t size = metric_page_size(n->workers);

	n->metrics_fd = node_memory("portcullis-metrics", size);
	if (n->metrics_fd < 0)
		return false;
	n->metrics = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, n->metrics_fd, 0);
	if (n->metrics == MAP_FAILED)
		return false;
	n->metrics->workers = n->workers;
	metric_use(n->metrics, &n->metrics->supervisor);
	metric_set(METRIC_STARTED, (uint64_t)time(NULL));
	node_name_generation(n);
	return true;
}

int node_metrics_to_read(const struct node *n)
{
	char path[40];

	snprintf(path, sizeof path, "/proc/self/fd/%d", n->metrics_fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* ---- Children ---- */

void node_count_restart(const struct child *c)
{
	static const enum metric restarts[] = {[ROLE_LOGGER] = METRIC_RESTARTS_LOGGER,
					       [ROLE_ZYGOTE] = METRIC_RESTARTS_ZYGOTE,
					       [ROLE_WORKER] = METRIC_RESTARTS_WORKER,
					       [ROLE_ADMIN] = METRIC_RESTARTS_ADMIN};

	metric_count(restarts[c->role]);
}

/* A tally begins with its queue; the counter here goes on over all of them. */
static void follow(enum metric m, uint64_t *seen, const _Atomic uint64_t *tally)
{
	uint64_t now = metric_get(tally);

	metric_add(m, now - *seen);
	*seen = now;
}

/* An inspector may write there what it likes; these are numbers for eyes, and nothing is done by them. */
static void measure_inspectors(const struct node *n, struct queue *q)
{
	const struct waf_tally *t = &q->shared->tally;
	unsigned busy = 0;

	for (unsigned i = 0; i < n->inspectors; i++)
		busy += atomic_load(&q->shared->cells[i].token) != 0;
	metric_set(METRIC_INSPECTORS, q->zygote.ready ? atomic_load(&t->alive) : 0);
	metric_set(METRIC_INSPECTORS_BUSY, q->zygote.ready ? busy : 0);
	follow(METRIC_INSPECTORS_STARTED, &q->tallied[0], &t->started);
	follow(METRIC_INSPECTORS_KILLED, &q->tallied[1], &t->killed);
	follow(METRIC_INSPECTORS_RECYCLED, &q->tallied[2], &t->recycled);
	follow(METRIC_INSPECTORS_GROWN, &q->tallied[3], &t->grown);
	follow(METRIC_INSPECTORS_DIED, &q->tallied[4], &t->died);
	metric_set(METRIC_INSPECTORS_MEMORY, atomic_load(&t->bytes));
}

void node_measure(struct node *n)
{
	unsigned ready = 0;

	for (unsigned i = 0; i < n->workers; i++)
		ready += n->worker[i].ready;
	metric_set(METRIC_WORKERS, ready);
	if (n->now->queue) {
		measure_inspectors(n, n->now->queue);
	} else {
		metric_set(METRIC_INSPECTORS, 0);
		metric_set(METRIC_INSPECTORS_BUSY, 0);
	}
}

/* ---- The admin's sockets ---- */

static bool local_address(const struct node *n, struct sockaddr_un *at)
{
	*at = (struct sockaddr_un){.sun_family = AF_UNIX};
	return rundir_path(n->config_path, "admin.sock", at->sun_path, sizeof at->sun_path - sizeof ".new");
}

/* Made beside its place and moved there: a socket that a dead gateway left is replaced, and nobody ever
 * finds one that does not listen. */
static int open_local(struct node *n)
{
	struct sockaddr_un at, beside;
	struct stat st;
	int fd, error;

	if (!rundir_make(n->config_path))
		return -1;
	if (!local_address(n, &at)) {
		fprintf(stderr, "portcullis: the path of the admin's socket is too long; set XDG_RUNTIME_DIR to a shorter one\n");
		return -1;
	}
	beside = at;
	memcpy(beside.sun_path + strlen(beside.sun_path), ".new", sizeof ".new");
	unlink(beside.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&beside, sizeof beside) == 0 && chmod(beside.sun_path, 0660) == 0 &&
	    listen(fd, BACKLOG) == 0 && stat(beside.sun_path, &st) == 0 && rename(beside.sun_path, at.sun_path) == 0) {
		n->admin_inode = st.st_ino;
		return fd;
	}
	error = errno;
	if (fd >= 0)
		close(fd);
	fprintf(stderr, "portcullis: cannot listen on %s: %s\n", at.sun_path, strerror(error));
	return -1;
}

static bool open_port(struct node *n)
{
	const struct config_listener *l = &n->config->admin.listen;
	struct sockaddr_storage at;
	socklen_t len = addr_to_sockaddr(&l->address, l->port, &at);
	int one = 1;

	n->admin_port_fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(n->admin_port_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(n->admin_port_fd, (struct sockaddr *)&at, len) == 0 && listen(n->admin_port_fd, BACKLOG) == 0)
		return true;
	fprintf(stderr, "%s: error: cannot listen on admin.address %.*s: %s\n", n->config->file, SLICE_F(l->address_text),
		errno == EADDRINUSE ? "the address is in use; stop what uses it (ss -ltnp shows it)" : strerror(errno));
	return false;
}

bool node_open_admin(struct node *n)
{
	n->admin_local_fd = open_local(n);
	if (n->admin_local_fd < 0)
		fprintf(stderr, "portcullis: serving without it; `portcullis status` will not find this gateway\n");
	return !n->config->admin.listen.port || open_port(n);
}

/* Only if it is still ours: another gateway may have begun with the same file meanwhile. */
void node_close_admin(const struct node *n)
{
	struct sockaddr_un at;
	char directory[RUNDIR_PATH];
	struct stat st;

	if (n->admin_local_fd >= 0 && local_address(n, &at) && stat(at.sun_path, &st) == 0 && st.st_ino == n->admin_inode)
		unlink(at.sun_path);
	/* The last one that leaves. */
	if (rundir_path(n->config_path, "", directory, sizeof directory))
		rmdir(directory);
}
