/* prepared.c -- making and unmaking a worker's generation. */
#include "gateway/proc/prepared.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/fail.h"
#include "gateway/proc/image.h"

enum { QUEUE_WAITING = 4096 };

struct prepared_store {
	unsigned held;
	struct redis *redis;
};

struct prepared_queue {
	unsigned held;
	int lanes[WAF_LANES], doors[CONTROL_DOORS];
	unsigned doors_n;
	struct waf_shared *shared;
	struct pool *pool;
};

/* ---- Descriptors of a message, by name ---- */

struct given {
	int part[CONTROL_PARTS]; /* -1: not there */
	int doors[CONTROL_DOORS], listeners[CONTROL_LISTENERS];
	unsigned doors_n, listeners_n;
};

static bool take_given(const struct control_message *m, const int *fds, unsigned n, struct given *g)
{
	unsigned next = 0;

	for (unsigned i = 0; i < CONTROL_PARTS; i++)
		g->part[i] = m->parts & 1u << i && next < n ? fds[next++] : -1;
	for (g->doors_n = 0; next < n && g->doors_n < m->doors && g->doors_n < CONTROL_DOORS;)
		g->doors[g->doors_n++] = fds[next++];
	for (g->listeners_n = 0; next < n && g->listeners_n < CONTROL_LISTENERS;)
		g->listeners[g->listeners_n++] = fds[next++];
	return g->listeners_n == m->listeners && g->part[CONTROL_IMAGE] >= 0 && g->part[CONTROL_SECRETS] >= 0;
}

static void close_part(struct given *g, enum control_fd which)
{
	if (g->part[which] >= 0)
		close(g->part[which]);
	g->part[which] = -1;
}

static void close_given(struct given *g)
{
	for (unsigned i = 0; i < CONTROL_PARTS; i++)
		close_part(g, (enum control_fd)i);
	for (unsigned i = 0; i < g->doors_n; i++)
		close(g->doors[i]);
	for (unsigned i = 0; i < g->listeners_n; i++)
		close(g->listeners[i]);
	g->listeners_n = 0;
}

/* ---- The store ---- */

/* The one in force when it is the same server and login: its connection and its breaker go on. */
static struct prepared_store *find_store(struct loop *l, const struct redis_plan *plan, const struct prepared *beside,
					 bool *is_new)
{
	struct prepared_store *s;

	*is_new = !(beside && beside->store && redis_is(beside->store->redis, plan));
	if (!*is_new) {
		beside->store->held++;
		return beside->store;
	}
	s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	*s = (struct prepared_store){.held = 1, .redis = redis_new(l, plan)};
	if (s->redis)
		return s;
	free(s);
	return NULL;
}

static void drop_store(struct prepared_store *s)
{
	if (!s || --s->held)
		return;
	redis_free(s->redis);
	free(s);
}

static bool make_limits(struct prepared *p, const struct prepared_plan *plan, const struct prepared *beside)
{
	const struct config_redis *redis = &p->config->redis;
	bool greet = false;

	p->limit = (struct limit_config){
		.words = plan->words, .deadline_ms = (uint32_t)redis->deadline_ms, .local_share = (unsigned)redis->nodes};
	memcpy(p->limit.key_secret, p->secrets->cluster_secret, sizeof p->limit.key_secret);
	if (redis->present) {
		struct redis_plan at = {.address = redis->address, .port = redis->port, .user = redis->user,
					.password = p->secrets->redis_password, .database = redis->database,
					.deadline_ms = p->limit.deadline_ms, .budget = plan->helpers};

		p->store = find_store(plan->proxy->loop, &at, beside, &greet);
		if (!p->store)
			return false;
		p->limit.redis = p->store->redis;
	}
	return limit_prepare(&p->limit, greet);
}

/* ---- The inspection queue ---- */

static struct waf_shared *map_page(int fd)
{
	struct stat st;
	void *at;

	if (fstat(fd, &st) < 0 || (size_t)st.st_size < sizeof(struct waf_shared))
		return NULL;
	at = mmap(NULL, sizeof(struct waf_shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return at == MAP_FAILED ? NULL : at;
}

static void drop_queue(struct prepared_queue *q)
{
	if (!q || --q->held)
		return;
	pool_free(q->pool);
	if (q->shared)
		munmap(q->shared, sizeof *q->shared);
	for (unsigned i = 0; i < WAF_LANES; i++)
		if (q->lanes[i] >= 0)
			close(q->lanes[i]);
	for (unsigned i = 0; i < q->doors_n; i++)
		close(q->doors[i]);
	free(q);
}

static struct prepared_queue *make_queue(const struct prepared_plan *plan, struct given *g)
{
	struct prepared_queue *q = calloc(1, sizeof *q);
	struct pool_plan with = {.worker = plan->worker, .waiting_max = QUEUE_WAITING, .budget = plan->helpers};

	if (!q)
		return NULL;
	*q = (struct prepared_queue){.held = 1, .lanes = {g->part[CONTROL_LANE_SMALL], g->part[CONTROL_LANE_BIG]}};
	g->part[CONTROL_LANE_SMALL] = g->part[CONTROL_LANE_BIG] = -1;
	q->doors_n = with.doors_n = g->doors_n;
	memcpy(q->doors, g->doors, g->doors_n * sizeof *q->doors);
	memcpy(with.doors, g->doors, g->doors_n * sizeof *q->doors);
	g->doors_n = 0;
	q->shared = g->part[CONTROL_WAF] < 0 ? NULL : map_page(g->part[CONTROL_WAF]);
	memcpy(with.lanes, q->lanes, sizeof with.lanes);
	with.shared = q->shared;
	if (q->shared && (q->pool = pool_new(plan->proxy->loop, &with)))
		return q;
	drop_queue(q);
	return NULL;
}

static bool make_rules(struct prepared *p, const struct prepared_plan *plan, struct given *g, const struct prepared *beside,
		       bool keep)
{
	const struct config *c = p->config;
	const struct config_ruleset *sets = c->rulesets.at;

	p->rules = (struct rules_config){.queue_ms = (uint32_t)c->waf.queue_ms,
					 .run_ms = (uint32_t)c->waf.run_ms,
					 .run_ms_per_kib = (uint32_t)c->waf.run_ms_per_kib,
					 .detect_waits = c->logs.waf_sync,
					 .body_max = (uint64_t)c->client.inspected_body,
					 .spending = {.words = plan->words, .seed = p->limit.words_seed,
						      .cpu_ms = c->waf.client_cpu_ms, .window_ms = c->waf.client_window_ms}};
	p->rulesets = calloc(c->rulesets.n + 1, sizeof *p->rulesets);
	if (!p->rulesets)
		return false;
	for (unsigned i = 0; i < c->rulesets.n; i++)
		p->rulesets[i] = sets[i].head.key.at;
	p->rules.rulesets = p->rulesets;
	if (!c->waf_used)
		return true;
	if (keep && beside && beside->queue) {
		p->queue = beside->queue;
		p->queue->held++;
	} else {
		p->queue = make_queue(plan, g);
	}
	p->rules.pool = p->queue ? p->queue->pool : NULL;
	return p->queue != NULL;
}

/* ---- Policies ---- */

/* Each policy once, however many sites have it. */
static bool first_of_its_policy(const struct config_site *sites, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (sites[k].policy == sites[i].policy)
			return false;
	return sites[i].policy != NULL;
}

static bool wake_policies(struct prepared *p)
{
	const struct config_site *sites = p->config->sites.at;

	for (; p->awake < p->config->sites.n; p->awake++)
		if (first_of_its_policy(sites, p->awake) && !policy_wake(sites[p->awake].policy))
			return false;
	return true;
}

static void let_policies_sleep(struct prepared *p)
{
	const struct config_site *sites = p->config ? p->config->sites.at : NULL;

	while (p->awake > 0)
		if (first_of_its_policy(sites, --p->awake))
			policy_sleep(sites[p->awake].policy);
}

/* ---- The whole ---- */

static void unmake(struct prepared *p)
{
	let_policies_sleep(p);
	drop_queue(p->queue);
	drop_store(p->store);
	geoip_close(p->geoip);
	free(p->rulesets);
	if (p->secrets)
		image_unmap(IMAGE_SECRETS, p->slot);
	if (p->config)
		image_unmap(IMAGE_CONFIG, p->slot);
	free(p);
}

static void gone(struct generation *g)
{
	unmake((struct prepared *)g);
}

static bool part(bool good, const char *what, struct fail *f)
{
	return good || fail_at(f, (struct place){0}, "the %s cannot be made ready: memory or descriptors are used up", what);
}

static bool make(struct prepared *p, const struct prepared_plan *plan, const struct control_message *m, struct given *g,
		 const struct prepared *beside, struct fail *f)
{
	p->config = image_map(IMAGE_CONFIG, p->slot, g->part[CONTROL_IMAGE]);
	p->secrets = image_map(IMAGE_SECRETS, p->slot, g->part[CONTROL_SECRETS]);
	if (!part(p->config && p->secrets, "configuration", f))
		return false;
	p->geoip = geoip_open(g->part[CONTROL_COUNTRY], g->part[CONTROL_ASN]);
	return part(p->geoip || (g->part[CONTROL_COUNTRY] < 0 && g->part[CONTROL_ASN] < 0), "places", f) &&
	       part(wake_policies(p), "policies", f) && part(make_limits(p, plan, beside), "limits", f) &&
	       part(make_rules(p, plan, g, beside, m->keep_queue), "inspection queue", f);
}

/* In the order of the worker's filters. */
static void set_confs(struct prepared *p)
{
	p->confs[0] = NULL;
	p->confs[1] = &p->limit;
	p->confs[2] = &p->rules;
}

struct prepared *prepared_new(const struct prepared_plan *plan, const struct control_message *m, const int *fds,
			      unsigned fds_n, const struct prepared *beside, struct fail *f)
{
	struct prepared *p = calloc(1, sizeof *p);
	struct given g;
	struct generation_plan with;

	if (!take_given(m, fds, fds_n, &g) || !p) {
		part(false, "generation", f);
		close_given(&g);
		free(p);
		return NULL;
	}
	p->slot = m->slot;
	set_confs(p);
	if (!make(p, plan, m, &g, beside, f))
		goto no;
	with = (struct generation_plan){.config = p->config, .secrets = p->secrets, .geoip = p->geoip, .confs = p->confs,
					.listeners = g.listeners, .gone = gone};
	if (g.listeners_n != p->config->listeners.n || !generation_init(&p->generation, plan->proxy, &with, f)) {
		part(f->errors, "listeners", f);
		goto no;
	}
	g.listeners_n = 0; /* the generation's now */
	close_given(&g);
	return p;
no:
	close_given(&g);
	unmake(p);
	return NULL;
}

bool prepared_counts(const struct prepared *p)
{
	return !p->store || redis_ready(p->store->redis);
}
