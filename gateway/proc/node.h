/* node.h -- what the supervisor owns: generations, descriptors, shared memory, children. */
#ifndef PORTCULLIS_PROC_NODE_H
#define PORTCULLIS_PROC_NODE_H

#include "gateway/base/buf.h"
#include "gateway/base/log.h"
#include "gateway/config/config.h"
#include "gateway/loop/loop.h"
#include "gateway/proc/control.h"
#include "gateway/proc/shared.h"
#include "rules/waf.h"

enum role { ROLE_LOGGER, ROLE_ZYGOTE, ROLE_WORKER, ROLE_ADMIN };

enum { NODE_WRITERS = 3 }; /* of log lines, beside the workers: zygote, supervisor, admin */

struct child {
	struct node *node;
	enum role role;
	unsigned slot;         /* of a worker */
	struct queue *queue;   /* of a zygote */
	pid_t pid;             /* 0: not running */
	bool ready;
	bool planned;          /* its end: it is started again at once */
	int64_t started_ms;
	unsigned failures;     /* in a row: how long to wait before the next start */
	struct watch report;   /* a worker's control socket, the zygote's ready pipe */
	struct timer again;
	struct timer orphaned; /* of a worker: its slot has had nobody for too long */
	struct child *adopter; /* who accepts for its slot meanwhile */
	int schedstat;         /* a worker's, of /proc, or -1 */
	int64_t beat_us;       /* a worker's beat as last seen, */
	int64_t queued_us;     /* how long it had waited for a core by then, */
	int64_t silent_us;     /* and for how long there has been no other since */
	char said[512];        /* the zygote's first line so far */
	unsigned said_n;
};

/* An inspection queue: one loaded set of rules, its zygote, and the lanes of all workers.  Generations with
 * the same rules share it. */
struct queue {
	struct list link;      /* in node->leaving, once no generation needs it any more */
	int waf_fd, plan_fd, files_fd; /* files: the rules themselves, sealed, for every zygote that is started here */
	int (*lanes)[WAF_LANES][2]; /* by worker: near and far end; NULL: given away */
	int (*doors)[2];       /* by inspector: near end, of all workers, and far end */
	struct slice plan;     /* packed, ours */
	char rules_hash[65];
	const struct waf_shared *shared; /* waf_fd, for reading */
	uint64_t tallied[5];   /* what of its tally has been counted */
	struct child zygote;
	unsigned held;
};

/* A generation, as the supervisor keeps it for workers that start. */
struct release {
	unsigned slot;         /* of its images */
	int image_fd, secrets_fd, country_fd, asn_fd, rules_fd; /* rules: the rule files it was loaded with */
	const struct config *config; /* mapped */
	int *listeners;        /* workers x config->listeners.n */
	int outputs[LOG_STREAMS]; /* of the logger */
	struct queue *queue;   /* NULL: nobody inspects */
};

struct node {
	const char *config_path;
	const struct config *config; /* of the release in force */
	struct release *now;         /* in force */
	struct loop *loop;
	unsigned workers, inspectors;
	unsigned next_slot;    /* of images */
	bool root;             /* roles get uids of their own */
	bool serving;          /* READY has been said */
	bool stopping;
	int status;            /* exit status of the gateway */

	int shared_fd, words_fd;
	struct shared *shared;
	int metrics_fd, admin_local_fd, admin_port_fd; /* the admin's are listening sockets, or -1 */
	ino_t admin_inode;     /* of the local one's name */
	struct metric_page *metrics;
	int (*logs)[2];        /* by writer: workers, then zygote, supervisor, admin: near and far end */

	struct child logger, admin;
	struct child *worker;
	struct list leaving;   /* queues whose last requests are under way */
	struct reload *reload; /* one in progress, or NULL */
	bool reload_again;     /* asked for while one was in progress */
	struct watch signals, door;
	struct timer watchdog, deadline;
	struct timer tickets;  /* the next turn of the ticket keys */
	int64_t tickets_ms;    /* the last one */
	int64_t watched_us;    /* when the workers' beats were last looked at */
};

/* ---- release.c: generations ---- */

/* Start the loader on a new release; what it finds goes to `findings`.  Its pid, or -1. */
pid_t release_load(struct node *n, struct release *r, int findings);
/* The loader has ended well: seal and map the image.  `beside`: the release in force, or NULL.  False after a
 * line was put into `why`. */
bool release_map(struct release *r, const struct release *beside, char *why, size_t room);
/* Find or make its listeners and its queue. */
bool release_open(struct node *n, struct release *r, const struct release *beside, char *why, size_t room);
void release_init(struct node *n, struct release *r);
void release_close(struct node *n, struct release *r);
/* Send it to a worker to be prepared.  `keep_queue`: the worker has that queue already. */
bool release_give(const struct node *n, const struct release *r, const struct child *worker, bool keep_queue);

/* The listeners of a worker's slot, for another to accept through meanwhile. */
bool release_lend(const struct node *n, const struct release *r, unsigned slot, const struct child *to);

/* ---- queue.c ---- */

/* The queue of `beside` where it is the same rules, or a new one whose zygote is to be started. NULL: no memory. */
struct queue *queue_of(struct node *n, const struct release *r, struct queue *beside);
void queue_drop(struct node *n, struct queue *q);
/* Its zygote has ended and nobody needs it. */
void queue_free(struct queue *q);

/* ---- sockets.c: descriptors that outlive every child ---- */

/* One socket per worker and listener: those of `beside` at the same address again.  False after a line. */
bool node_open_listeners(struct node *n, struct release *r, const struct release *beside, char *why, size_t room);
/* The files and streams that the configuration names; opened anew for each release, so that a reload also
 * follows a rotation.  False after a line. */
bool node_open_outputs(const struct config *c, int outputs[LOG_STREAMS], char *why, size_t room);
/* The writers' sockets. */
bool node_open_logs(struct node *n);
bool node_open_shared(struct node *n);
/* A memory file of `size` zero bytes, sealable; or -1. */
int node_memory(const char *name, size_t size);
/* A SOCK_SEQPACKET pair with room. */
bool node_pair(int ends[2]);

/* ---- metrics.c ---- */

/* After node_open_shared: from here on the supervisor counts. */
bool node_open_metrics(struct node *n);
/* n->config is another one: its name, and its sites'. */
void node_name_generation(struct node *n);
/* A descriptor of the page that can only be read; the caller closes it. */
int node_metrics_to_read(const struct node *n);
/* Look at the children, for the gauges. */
void node_measure(struct node *n);
void node_count_restart(const struct child *c);
/* The admin's listening sockets.  Without the local one the gateway serves, after a line on stderr; false when the
 * port that the configuration asks for cannot be had. */
bool node_open_admin(struct node *n);
void node_close_admin(const struct node *n);

/* ---- children.c ---- */

void child_init(struct node *n, struct child *c, enum role role, unsigned slot);
bool child_start(struct child *c);
/* It is gone: tidy up what it shared.  Returns how long to wait before the next start, ms. */
int64_t child_ended(struct child *c);

/* ---- supervisor.c ---- */

void node_start_child(struct child *c);
/* Of child->again. */
void node_start_again(struct timer *t);

/* ---- workers.c ---- */

/* Of node->watchdog: replaces those whose loop has not turned for two seconds, and starts itself again. */
void workers_watch(struct timer *t);
/* Of child->orphaned: has a sibling accept for its slot. */
void worker_adopt(struct timer *t);
/* It has died; soon somebody else must accept for it, and for those for whom it did.  Where it crashed, the request
 * that it was working on is remembered. */
void worker_is_gone(struct child *worker, int status);
/* It serves again. */
void worker_is_back(struct child *worker);

/* ---- tickets.c ---- */

/* The ticket keys are this moment's. */
void tickets_begin(struct node *n);
/* n->config is another one: its period counts from the last turn. */
void tickets_follow(struct node *n);

/* ---- door.c ---- */

/* Without it the gateway serves all the same; that is warned of. */
void door_open(struct node *n);
void door_close(struct node *n);

/* ---- reload.c ---- */

/* Begin, or note that it is wanted once more.  `requester`: a socket that is told what happens, or -1. */
void reload_begin(struct node *n, int requester);
/* True when `pid` was the loader of a reload. */
bool reload_child_ended(struct node *n, pid_t pid, int status);
/* A worker spoke, or died (m NULL). */
void reload_worker(struct node *n, struct child *worker, const struct control_message *m);
/* The zygote of its new rules: READY (why NULL), or what is wrong. */
void reload_rules(struct node *n, struct queue *q, const char *why);
/* The queue of new rules that are not in force yet; NULL: none. */
struct queue *reload_queue(const struct node *n);
/* The gateway stops. */
void reload_cancel(struct node *n);

#endif
