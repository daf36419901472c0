/* proxy.h -- the data path of one worker: listeners, clients, exchanges, origins. */
#ifndef PORTCULLIS_PROXY_PROXY_H
#define PORTCULLIS_PROXY_PROXY_H

#include "gateway/base/hash.h"
#include "gateway/chain/chain.h"
#include "gateway/config/config.h"
#include "gateway/tls/tls.h"

enum { PROXY_ADDRESS_CELLS = 1 << 16, PROXY_NETWORK_CELLS = 1 << 14 };

/* Connections by address and by network, and tunnels by address: arrays per worker in shared memory, one writer each; a limit looks at
 * the sum.  Zeroed before a worker's successor starts. */
struct proxy_guard {
	_Atomic uint32_t address[PROXY_ADDRESS_CELLS]; /* IPv4 addresses and IPv6 /64 */
	_Atomic uint32_t network[PROXY_NETWORK_CELLS]; /* IPv6 /48 */
	_Atomic uint32_t tunnels[PROXY_ADDRESS_CELLS]; /* as `address`: WebSockets, asked for and open */
};

/* Requests that killed workers (quarantine.h); the supervisor writes. */
enum { PROXY_QUARANTINED = 32 };
struct proxy_quarantine {
	_Atomic unsigned added; /* since the start */
	struct {
		_Atomic uint64_t print;
		_Atomic int64_t until_us; /* monotonic */
	} at[PROXY_QUARANTINED];
};

struct generation; /* generation.h: what one reading of the configuration made */

/* Health of a server, as one worker sees it. */
struct proxy_server {
	const struct config_server *config;
	unsigned failures;     /* in a row */
	int64_t ejected_until_ms;
	int64_t credit;        /* of smooth weighted round robin */
	struct list idle;      /* pooled connections, most recently used first */
	struct list h2;        /* connections of HTTP/2, newest first: upstream_h2.h */
	unsigned h2_n;
	struct list waiting;   /* requests for one of those */
	int64_t h2_again_ms;   /* not before then another of those */
	bool plain;            /* it has not agreed on HTTP/2, and need not */
};

struct proxy_origin {
	struct generation *generation; /* whose it is */
	const struct config_origin *config;
	struct proxy_server *servers;
	unsigned n;
	struct tls_client *tls; /* NULL: no server of it uses TLS */
	unsigned idle_n;        /* pooled connections of all its servers */
};

struct proxy_listener {
	struct watch watch;
	struct proxy *proxy;
	unsigned number;        /* of the configuration's */
	int serve;              /* enum config_serve */
	uint16_t port;
	bool http2;             /* it offers HTTP/2 */
	int fd;                 /* -1: closed */
	unsigned slot;          /* of an adopted one: whose it is */
};

struct proxy_plan {
	struct loop *loop;
	const struct tls_ticket_ring *tickets;
	unsigned worker, workers;
	struct proxy_guard *guards; /* one per worker */
	struct hash_seed guard_seed; /* the same in all workers */
	_Atomic uint64_t *handling; /* the request at work, for who looks when this worker is dead; NULL: nobody */
	const struct proxy_quarantine *quarantine; /* NULL: none */
	const struct filter *const *filters;
};

/* Whether new work is refused: shed.h. */
struct shed {
	bool late;
	int64_t other_since_us; /* it has been the other way; 0: it is not */
	uint32_t owed[2];
};

struct proxy {
	struct loop *loop;
	struct proxy_plan plan;
	struct generation *current; /* with which requests begin; NULL: none was committed */
	const struct config *config; /* of the current generation */
	struct budget memory;       /* of this worker */
	struct budget spool;        /* bytes of held bodies in files */
	uint64_t *spool_shares;     /* of that, by client: PROXY_ADDRESS_CELLS as in the guard, of this worker alone */
	struct proxy_listener *adopted; /* of workers that are not there now */
	unsigned adopted_n;
	struct list fronts;         /* open client connections */
	struct list idle;           /* those between two requests, longest idle first */
	unsigned fronts_n, fronts_max;
	struct {
		struct list begun, fresh; /* handshakes that have something to do, longest wait first */
		struct task task;
	} shakes;
	int descriptors;            /* that clients may have */
	struct shed shed;
	struct timer accept_again;  /* after descriptors ran out */
	bool draining, accept_paused;
	void (*drained)(struct proxy *p);
	uint8_t random[4096];
	unsigned random_left;
	char date[32];              /* the last second in words, for Date */
	int64_t date_s;             /* which one */
	struct list left;           /* origins' connections whose clients have left (upstream_leave) */
	struct list ack_waiters;    /* exchanges whose log lines are on their way */
};

/* It serves once a generation is committed.  NULL: no memory. */
struct proxy *proxy_new(const struct proxy_plan *plan);
/* Accept through the current generation's listeners.  False: the event loop is full; it is tried again. */
bool proxy_accept(struct proxy *p);
/* Accept through another worker's listeners as well, in the order of the current generation's; takes the `n`
 * descriptors.  A closed listener of ours would leave its clients waiting in nobody's backlog. */
void proxy_adopt(struct proxy *p, unsigned slot, const int *fds, unsigned n);
void proxy_return(struct proxy *p, unsigned slot);
/* Stop accepting and close the listeners, close idle connections, let requests end; `drained` is called when the last is gone. */
void proxy_drain(struct proxy *p, void (*drained)(struct proxy *p));
/* Cut what is still open. */
void proxy_cut(struct proxy *p);
void proxy_free(struct proxy *p);
/* The logger has written a line that asked for it. */
void proxy_log_acked(struct proxy *p, uint64_t token);
/* Set the gauges of the data path (metric.def). */
void proxy_measure(const struct proxy *p);
/* n bytes that nobody can guess. */
void proxy_random(struct proxy *p, void *at, size_t n);

#endif
