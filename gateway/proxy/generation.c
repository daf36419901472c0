/* generation.c -- making a generation, putting it into force, letting it go. */
#include "gateway/proxy/generation.h"

#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/fail.h"
#include "gateway/proxy/client_cert.h"
#include "gateway/proxy/upstream.h"

/* ---- Making ---- */

static bool make_client_tls(struct generation *g, struct proxy_origin *o, struct fail *f)
{
	struct tls_client_plan plan = {.ca_pem = g->plan.secrets->origin_ca[o->config->number], .verify = o->config->tls_verify};

	o->tls = tls_client_new(&plan, f);
	return o->tls != NULL;
}

static bool make_origin(struct generation *g, const struct config_origin *config, struct fail *f)
{
	struct proxy_origin *o = &g->origins[config->number];
	const struct config_server *servers = config->servers.at;

	o->generation = g;
	o->config = config;
	o->n = config->servers.n;
	o->servers = calloc(o->n, sizeof *o->servers);
	if (!o->servers)
		return fail_at(f, config->head.place, "no memory for the origins");
	for (unsigned k = 0; k < o->n; k++) {
		o->servers[k].config = &servers[k];
		list_init(&o->servers[k].idle);
		list_init(&o->servers[k].h2);
		list_init(&o->servers[k].waiting);
		if (servers[k].tls && !o->tls && !make_client_tls(g, o, f))
			return false;
	}
	return true;
}

static bool make_origins(struct generation *g, struct fail *f)
{
	const struct config_origin *configs = g->config->origins.at;

	g->origins = calloc(g->config->origins.n + 1, sizeof *g->origins);
	if (!g->origins)
		return fail_at(f, (struct place){0}, "no memory for the origins");
	for (unsigned i = 0; i < g->config->origins.n; i++)
		if (!make_origin(g, &configs[i], f))
			return false;
	return true;
}

static bool make_listeners(struct generation *g, struct fail *f)
{
	const struct config_listener *configs = g->config->listeners.at;

	g->listeners = calloc(g->config->listeners.n + 1, sizeof *g->listeners);
	if (!g->listeners)
		return fail_at(f, (struct place){0}, "no memory for the listeners");
	g->listeners_n = g->config->listeners.n;
	for (unsigned i = 0; i < g->listeners_n; i++)
		g->listeners[i] = (struct proxy_listener){
			.proxy = g->proxy, .number = i, .serve = configs[i].serve, .port = configs[i].port,
			.http2 = config_offers_h2(&configs[i]), .fd = g->plan.listeners[i]};
	return true;
}

static bool begin_tls(struct generation *g, struct fail *f)
{
	const struct config_secrets *s = g->plan.secrets;
	struct tls_tickets tickets = {.ring = g->proxy->plan.tickets, .period_ms = g->config->tls.ticket_period_ms};
	struct tls_server_plan plan = {.tickets = &tickets, .min_version = 0x0303};
	struct tls_pem *pems;
	bool needed = false;

	for (unsigned i = 0; i < g->listeners_n; i++)
		needed = needed || g->listeners[i].serve == CONFIG_HTTPS;
	if (!needed)
		return true;
	pems = calloc(s->pems_n ? s->pems_n : 1, sizeof *pems);
	if (!pems || !client_cert_plan(g->config, s, &plan)) {
		free(pems);
		return fail_at(f, (struct place){0}, "no memory for the certificates");
	}
	for (unsigned i = 0; i < s->pems_n; i++)
		pems[i] = (struct tls_pem){s->pems[i].certificate, s->pems[i].key, s->pems[i].place};
	plan.pems = pems;
	plan.pems_n = s->pems_n;
	/* Without a file of its own the secret is no secret that nodes were meant to share. */
	if (g->config->cluster_secret_file.len)
		tickets.secret = slice_make((const char *)s->cluster_secret, sizeof s->cluster_secret);
	g->tls = tls_server_begin(&plan, f);
	client_cert_plan_done(&plan);
	free(pems);
	return g->tls != NULL;
}

static void unmake(struct generation *g)
{
	for (unsigned i = 0; g->origins && i < g->config->origins.n; i++) {
		free(g->origins[i].servers);
		tls_client_free(g->origins[i].tls);
	}
	free(g->origins);
	free(g->listeners);
	tls_server_free(g->tls);
}

bool generation_init(struct generation *g, struct proxy *p, const struct generation_plan *plan, struct fail *f)
{
	*g = (struct generation){.proxy = p, .plan = *plan, .config = plan->config, .held = 1};
	if (make_origins(g, f) && make_listeners(g, f) && begin_tls(g, f))
		return true;
	unmake(g);
	return false;
}

enum tls_made generation_make(struct generation *g, int64_t us, struct fail *f)
{
	return g->tls ? tls_server_make(g->tls, us, f) : TLS_MADE;
}

/* ---- Holding ---- */

struct generation *generation_hold(struct generation *g)
{
	g->held++;
	return g;
}

void generation_drop(struct generation *g)
{
	CHECK(g->held);
	if (--g->held)
		return;
	unmake(g);
	if (g->plan.gone)
		g->plan.gone(g);
}

/* ---- In force ---- */

/* The same server, reached in the same way: a connection to the one is as good for the other. */
static bool same_server(const struct generation *a, const struct proxy_origin *o, const struct config_server *s,
			const struct generation *b, const struct proxy_origin *to, const struct config_server *t)
{
	if (o->config->http != to->config->http || s->tls != t->tls || s->port != t->port || addr_compare(&s->address, &t->address) != 0)
		return false;
	return !s->tls ||
	       (o->config->tls_verify == to->config->tls_verify && slice_eq(o->config->tls_name, to->config->tls_name) &&
		slice_eq(s->name, t->name) &&
		slice_eq(a->plan.secrets->origin_ca[o->config->number], b->plan.secrets->origin_ca[to->config->number]));
}

static struct proxy_origin *find_origin(const struct generation *g, struct slice name)
{
	for (unsigned i = 0; i < g->config->origins.n; i++)
		if (slice_eq(g->origins[i].config->head.key, name))
			return &g->origins[i];
	return NULL;
}

static void take_over(struct generation *g, struct generation *old)
{
	for (unsigned i = 0; i < old->config->origins.n; i++) {
		struct proxy_origin *from = &old->origins[i], *to = find_origin(g, from->config->head.key);

		for (unsigned k = 0; to && k < from->n; k++)
			for (unsigned m = 0; m < to->n; m++)
				if (same_server(old, from, from->servers[k].config, g, to, to->servers[m].config)) {
					upstream_take_over(to, &to->servers[m], from, &from->servers[k]);
					break;
				}
	}
}

void generation_retire(struct generation *g)
{
	for (unsigned i = 0; i < g->listeners_n; i++) {
		watch_remove(&g->listeners[i].watch);
		if (g->listeners[i].fd >= 0)
			close(g->listeners[i].fd);
		g->listeners[i].fd = -1;
	}
	for (unsigned i = 0; i < g->config->origins.n; i++)
		upstream_close_idle(&g->origins[i]);
}

bool generation_commit(struct generation *g)
{
	struct proxy *p = g->proxy;
	struct generation *old = p->current;

	if (old) {
		take_over(g, old);
		generation_retire(old);
	}
	p->current = g;
	p->config = g->config;
	p->memory.limit = (size_t)g->config->processes.worker_memory;
	p->memory.reserve = p->memory.limit / 10;
	p->spool.limit = (size_t)g->config->processes.spool;
	/* Rounded up: a worker that may have none would leave its share of the clients waiting for ever. */
	p->fronts_max = (unsigned)((g->config->client.connections + p->plan.workers - 1) / p->plan.workers);
	if (old)
		generation_drop(old);
	return proxy_accept(p);
}
