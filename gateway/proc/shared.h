/* shared.h -- memory of the supervisor and all workers of one node.
 *
 * Each worker's cell has one writer.  Gauges are zeroed before a successor
 * starts; what counts from the start stays. */
#ifndef PORTCULLIS_PROC_SHARED_H
#define PORTCULLIS_PROC_SHARED_H

#include <sys/types.h>

#include "gateway/base/hash.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/proxy.h"
#include "gateway/tls/tls.h"
#include "rules/waf.h"

enum { SHARED_WORKERS = 64 };

struct shared_cell {
	_Atomic int64_t beat_us; /* monotonic, of the last turn; 0 until it serves */
	_Atomic uint64_t handling; /* the request at work: quarantine.h */
	char pad[48];
};

struct shared {
	struct tls_ticket_keys tickets;
	struct hash_seed guard_seed;
	struct proxy_quarantine quarantine;
	struct shared_cell cells[SHARED_WORKERS];
	struct proxy_guard guards[]; /* one per worker */
};

/* The descriptors of a worker, in order from SPAWN_FIRST on.  What belongs to a generation comes by its
 * control socket. */
enum worker_fd { WORKER_CONTROL = 3, WORKER_SHARED, WORKER_WORDS, WORKER_LOG, WORKER_METRICS, WORKER_FDS = 5 };

/* The descriptors of the logger: outputs, then its ends of the writers' sockets. */
enum logger_fd { LOGGER_ERRORS = 3, LOGGER_REQUESTS, LOGGER_WAF, LOGGER_INPUTS };

/* The descriptors of the admin process; without a listener its number is closed. */
enum admin_fd { ADMIN_METRICS = 3, ADMIN_LOG, ADMIN_LOCAL, ADMIN_PORT, ADMIN_FDS = ADMIN_PORT + 1 - ADMIN_METRICS };

/* The descriptors of the loader: memory files to fill, and where it says what is wrong. */
enum loader_fd {
	LOADER_IMAGE = 3, LOADER_SECRETS, LOADER_COUNTRY, LOADER_ASN, LOADER_RULES, LOADER_FINDINGS,
	LOADER_FDS = LOADER_FINDINGS + 1 - LOADER_IMAGE
};

/* `slot`: of the addresses at which its images are built. */
int loader_main(const char *config_path, unsigned slot);
/* Of its inputs the first are workers; the others may only speak of errors. */
int logger_main(unsigned workers, unsigned inputs, uid_t uid);
int worker_main(unsigned slot, unsigned workers, uid_t uid);
int admin_main(uid_t uid);

#endif
