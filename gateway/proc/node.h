/* node.h -- what the supervisor owns: descriptors, shared memory, children. */
#ifndef PORTCULLIS_PROC_NODE_H
#define PORTCULLIS_PROC_NODE_H

#include "gateway/config/config.h"
#include "gateway/loop/loop.h"
#include "gateway/proc/shared.h"
#include "rules/waf.h"

enum role { ROLE_LOGGER, ROLE_ZYGOTE, ROLE_WORKER };

struct child {
	struct node *node;
	enum role role;
	unsigned slot;         /* of a worker */
	pid_t pid;             /* 0: not running */
	bool ready;
	int64_t started_ms;
	unsigned failures;     /* in a row: how long to wait before the next start */
	struct watch report;   /* a worker's control socket, the zygote's ready pipe */
	struct timer again;
	int64_t beat_us;       /* a worker's beat as last seen, */
	int64_t queued_us;     /* how long it had waited for a core by then, */
	int64_t silent_us;     /* and for how long there has been no other since */
	char said[512];        /* the zygote's first line so far */
	unsigned said_n;
};

struct node {
	const char *config_path;
	const struct config *config;
	struct loop *loop;
	unsigned workers, inspectors;
	bool root;             /* roles get uids of their own */
	bool serving;          /* READY has been said */
	bool stopping;
	int status;            /* exit status of the gateway */

	int image_fd, secrets_fd, shared_fd, words_fd, waf_fd, country_fd, asn_fd, plan_fd;
	struct shared *shared;
	int *listeners;        /* workers x config->listeners.n */
	int outputs[3];        /* by enum log_stream */
	int (*lanes)[WAF_LANES][2];  /* by worker: near and far end */
	int (*doors)[2];       /* by inspector: near end, of all workers, and far end */
	int (*logs)[2];        /* by writer: workers, then zygote, then supervisor: near and far end */

	struct child logger, zygote;
	struct child *worker;
	struct watch signals;
	struct timer watchdog, deadline;
	int64_t watched_us;    /* when the workers' beats were last looked at */
};

/* ---- sockets.c: descriptors that outlive every child ---- */

/* One socket per worker and listener; false after a line on stderr that names the address. */
bool node_open_listeners(struct node *n);
bool node_open_logs(struct node *n);
bool node_open_shared(struct node *n);
bool node_open_places(struct node *n);

/* ---- children.c ---- */

/* Run the loader and map its image; false after its findings were printed. */
bool node_load(struct node *n);
void child_init(struct node *n, struct child *c, enum role role, unsigned slot);
bool child_start(struct child *c);
/* It is gone: tidy up what it shared.  Returns how long to wait before the next start, ms. */
int64_t child_ended(struct child *c);

#endif
