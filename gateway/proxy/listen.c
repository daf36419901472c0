/* listen.c -- accepting clients, and one worker's data path as a whole. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/fail.h"
#include "gateway/base/log.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/front_h1.h"
#include "gateway/proxy/guard.h"
#include "gateway/proxy/upstream.h"

enum {
	ACCEPT_BATCH = 64,
	ACCEPT_PAUSE_MS = 100,
	UNSENT = 256 << 10, /* bytes the kernel holds for a client that does not read */
};

void proxy_random(struct proxy *p, void *at, size_t n)
{
	CHECK(n <= sizeof p->random);
	if (p->random_left < n) {
		CHECK(getrandom(p->random, sizeof p->random, 0) == (ssize_t)sizeof p->random);
		p->random_left = sizeof p->random;
	}
	p->random_left -= (unsigned)n;
	memcpy(at, p->random + p->random_left, n);
	explicit_bzero(p->random + p->random_left, n);
}

/* ---- Accepting ---- */

static void accepting(struct watch *w, unsigned what);

static void stop_accepting(struct proxy *p)
{
	for (unsigned i = 0; i < p->listeners_n; i++)
		watch_remove(&p->listeners[i].watch);
}

static bool start_accepting(struct proxy *p)
{
	for (unsigned i = 0; i < p->listeners_n; i++)
		if (!watch_add_listener(p->loop, &p->listeners[i].watch, p->listeners[i].fd, accepting))
			return false;
	return true;
}

/* Descriptors or memory ran out: look away for a while instead of spinning on a ready listener. */
static void pause_accepting(struct proxy *p, const char *why)
{
	if (!p->accept_paused)
		log_warn("accepting pauses for %d ms: %s", ACCEPT_PAUSE_MS, why);
	p->accept_paused = true;
	metric_count(METRIC_ACCEPT_PAUSES);
	stop_accepting(p);
	timer_start(p->loop, &p->accept_again, ACCEPT_PAUSE_MS);
}

static void accept_again(struct timer *t)
{
	struct proxy *p = LIST_OF(t, struct proxy, accept_again);

	p->accept_paused = false;
	if (!p->draining && !start_accepting(p))
		pause_accepting(p, "the event loop is full");
}

/* The oldest connection between two requests makes room for a new one. */
static bool make_room(struct proxy *p)
{
	LIST_EACH(link, &p->fronts) {
		struct front *f = front_of(link);

		if (front_is_idle(f)) {
			front_cut(f);
			metric_count(METRIC_EVICTED);
			return true;
		}
	}
	return false;
}

static void refuse(int fd, enum metric cause)
{
	metric_count(cause);
	close(fd);
}

static void take(struct proxy_listener *listener, int fd, const struct sockaddr_storage *from)
{
	struct proxy *p = listener->proxy;
	struct addr peer;
	uint16_t port;
	int one = 1, unsent = UNSENT;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
	metric_count(METRIC_ACCEPTED);
	if (!addr_from_sockaddr(from, &peer, &port) || !guard_allows(p, &peer))
		refuse(fd, METRIC_REFUSED_ADDRESS);
	else if (p->fronts_n >= p->fronts_max && !make_room(p))
		refuse(fd, METRIC_REFUSED_FULL);
	else if (!front_open(p, listener, fd, &peer, port))
		refuse(fd, METRIC_REFUSED_MEMORY);
}

static void accepting(struct watch *w, unsigned what)
{
	struct proxy_listener *listener = LIST_OF(w, struct proxy_listener, watch);

	(void)what;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage from;
		socklen_t len = sizeof from;
		int fd = accept4(listener->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take(listener, fd, &from);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_accepting(listener->proxy, "no descriptor or memory left");
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

/* ---- The data path as a whole ---- */

static bool make_origins(struct proxy *p, struct fail *f)
{
	const struct config_origin *configs = p->config->origins.at;

	p->origins = calloc(p->config->origins.n, sizeof *p->origins);
	if (!p->origins)
		return fail_at(f, (struct place){0}, "no memory for the origins");
	for (unsigned i = 0; i < p->config->origins.n; i++) {
		struct proxy_origin *o = &p->origins[configs[i].number];
		const struct config_server *servers = configs[i].servers.at;

		o->config = &configs[i];
		o->n = configs[i].servers.n;
		o->servers = calloc(o->n, sizeof *o->servers);
		if (!o->servers)
			return fail_at(f, (struct place){0}, "no memory for the origins");
		for (unsigned k = 0; k < o->n; k++) {
			o->servers[k].config = &servers[k];
			list_init(&o->servers[k].idle);
			if (servers[k].tls && !o->tls) {
				struct tls_client_plan plan = {.ca_pem = p->plan.secrets->origin_ca[configs[i].number],
							       .verify = configs[i].tls_verify};

				o->tls = tls_client_new(&plan, f);
				if (!o->tls)
					return false;
			}
		}
	}
	return true;
}

static bool make_tls(struct proxy *p, struct fail *f)
{
	const struct config_secrets *s = p->plan.secrets;
	struct tls_pem *pems;
	bool needed = false;

	for (unsigned i = 0; i < p->listeners_n; i++)
		needed = needed || p->listeners[i].serve == CONFIG_HTTPS;
	if (!needed)
		return true;
	pems = calloc(s->pems_n ? s->pems_n : 1, sizeof *pems);
	if (!pems)
		return fail_at(f, (struct place){0}, "no memory for the certificates");
	for (unsigned i = 0; i < s->pems_n; i++)
		pems[i] = (struct tls_pem){s->pems[i].certificate, s->pems[i].key, s->pems[i].place};
	p->tls = tls_server_new(&(struct tls_server_plan){.pems = pems, .pems_n = s->pems_n, .tickets = p->plan.tickets,
							  .min_version = 0x0303},
				f);
	free(pems);
	return p->tls != NULL;
}

struct proxy *proxy_new(const struct proxy_plan *plan, struct fail *f)
{
	const struct config_listener *configs = plan->config->listeners.at;
	struct proxy *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->plan = *plan;
	p->loop = plan->loop;
	p->config = plan->config;
	p->memory.limit = (size_t)plan->config->processes.worker_memory;
	p->spool.limit = (size_t)plan->config->processes.spool;
	/* Rounded up: a worker that may have none would leave its share of the clients waiting for ever. */
	p->fronts_max = (unsigned)((plan->config->client.connections + plan->workers - 1) / plan->workers);
	list_init(&p->fronts);
	list_init(&p->ack_waiters);
	timer_init(&p->accept_again, accept_again);
	p->listeners_n = plan->config->listeners.n;
	p->listeners = calloc(p->listeners_n, sizeof *p->listeners);
	if (!p->listeners) {
		proxy_free(p);
		return NULL;
	}
	for (unsigned i = 0; i < p->listeners_n; i++)
		p->listeners[i] = (struct proxy_listener){
			.proxy = p, .serve = configs[i].serve, .port = configs[i].port, .fd = plan->listeners[i]};
	if (!make_origins(p, f) || !make_tls(p, f)) {
		proxy_free(p);
		return NULL;
	}
	return p;
}

bool proxy_listen(struct proxy *p)
{
	return start_accepting(p);
}

void proxy_drain(struct proxy *p, void (*drained)(struct proxy *p))
{
	/* Who came before is taken in; who comes now is refused, not left to wait. */
	for (unsigned i = 0; i < p->listeners_n && !p->accept_paused; i++)
		accepting(&p->listeners[i].watch, LOOP_READ);
	p->draining = true;
	p->drained = drained;
	stop_accepting(p);
	for (unsigned i = 0; i < p->listeners_n; i++)
		close(p->listeners[i].fd);
	timer_stop(&p->accept_again);
	LIST_EACH_SAFE(link, &p->fronts)
		front_drain(front_of(link));
	for (unsigned i = 0; i < p->config->origins.n; i++)
		upstream_close_idle(&p->origins[i]);
	if (!p->fronts_n)
		drained(p);
}

void proxy_cut(struct proxy *p)
{
	LIST_EACH_SAFE(link, &p->fronts)
		front_cut(front_of(link));
}

void proxy_free(struct proxy *p)
{
	if (!p)
		return;
	stop_accepting(p);
	for (unsigned i = 0; p->origins && i < p->config->origins.n; i++) {
		if (p->origins[i].servers)
			upstream_close_idle(&p->origins[i]);
		tls_client_free(p->origins[i].tls);
	}
	/* What was closed is freed by the loop's tasks. */
	loop_turn(p->loop, 0);
	for (unsigned i = 0; p->origins && i < p->config->origins.n; i++)
		free(p->origins[i].servers);
	free(p->origins);
	free(p->listeners);
	tls_server_free(p->tls);
	free(p);
}
