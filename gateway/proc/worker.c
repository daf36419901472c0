/* worker.c -- the process that serves: TLS, HTTP, the chain, origins. */
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/cage/cage.h"
#include "gateway/config/config.h"
#include "gateway/limit/limit.h"
#include "gateway/proc/image.h"
#include "gateway/proc/shared.h"
#include "gateway/proc/spawn.h"
#include "gateway/proxy/proxy.h"
#include "gateway/redis/redis.h"
#include "policies/filter.h"
#include "rules/rules.h"

enum { BEAT_MS = 250, STORE_MS = 500, CROWD = 256, CROWD_BYTES = 16 << 20 };

static const struct filter *const filters[] = {&policy_filter, &limit_filter, &rules_filter, NULL};

static struct worker {
	unsigned slot;
	struct loop *loop;
	const struct config *config;
	const struct config_secrets *secrets;
	struct shared *shared;
	struct proxy *proxy;
	struct pool *pool;
	struct redis *redis;
	struct geoip *geoip;
	struct budget helpers; /* of what is neither client nor origin */
	struct watch control, log;
	struct timer beat, deadline;
	const char **rulesets;
} w;

/* ---- Signs of life ---- */

/* The logger is slower than the lines come: whoever reads them must know that some are not there. */
static void tell_dropped(void)
{
	static uint64_t told;
	uint64_t dropped = log_dropped();

	if (dropped == told)
		return;
	log_warn("%llu lines for the logs were dropped, %llu since the start: they came faster than they are written",
		 (unsigned long long)(dropped - told), (unsigned long long)dropped);
	told = dropped;
}

/* When most of a crowd has left, so does its memory: the allocator gives back by itself only what
 * happens to lie at its top. */
static void give_back(void)
{
	static unsigned crowd;
	struct budget *memory = &w.proxy->memory;
	unsigned here = w.proxy->fronts_n;

	if (here > crowd)
		crowd = here;
	if (!(crowd >= CROWD && here < crowd / 4) &&
	    !(memory->peak >= CROWD_BYTES && memory->used < memory->peak / 4))
		return;
	malloc_trim(0);
	crowd = here;
	memory->peak = memory->used;
}

static void beat(struct timer *t)
{
	tell_dropped();
	give_back();
	w.shared->cells[w.slot].beat_us = loop_us(w.loop);
	timer_start(w.loop, t, BEAT_MS);
}

static void drained(struct proxy *p)
{
	(void)p;
	loop_stop(w.loop);
}

static void cut(struct timer *t)
{
	(void)t;
	log_warn("the time to drain is over: %u connections are cut", w.proxy->fronts_n);
	proxy_cut(w.proxy);
	loop_stop(w.loop);
}

static void drain(void)
{
	if (w.proxy->draining)
		return;
	timer_start(w.loop, &w.deadline, w.config->processes.drain_ms);
	proxy_drain(w.proxy, drained);
}

static void controlled(struct watch *watch, unsigned what)
{
	char c;

	(void)what;
	switch (recv(watch->fd, &c, 1, MSG_DONTWAIT)) {
	case 1:
		if (c == CONTROL_DRAIN)
			drain();
		break;
	case 0:
		watch_remove(watch);
		drain();
		break;
	default:
		break;
	}
}

static void acked(struct watch *watch, unsigned what)
{
	uint64_t token;

	(void)what;
	while (recv(watch->fd, &token, sizeof token, MSG_DONTWAIT) == sizeof token)
		proxy_log_acked(w.proxy, token);
}

/* ---- Making the parts ---- */

static void *map(int fd, size_t *size)
{
	struct stat st;
	void *at;

	if (fstat(fd, &st) < 0)
		return NULL;
	*size = (size_t)st.st_size;
	at = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return at == MAP_FAILED ? NULL : at;
}

static bool open_fd(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static bool wake_policies(void)
{
	const struct config_site *sites = w.config->sites.at;

	for (unsigned i = 0; i < w.config->sites.n; i++) {
		bool seen = !sites[i].policy;

		for (unsigned k = 0; k < i && !seen; k++)
			seen = sites[k].policy == sites[i].policy;
		if (!seen && !policy_wake(sites[i].policy))
			return false;
	}
	return true;
}

static bool make_limits(void)
{
	struct limit_config limit = {.deadline_ms = (uint32_t)w.config->redis.deadline_ms,
				     .local_share = (unsigned)w.config->redis.nodes};
	size_t size;
	void *words = map(WORKER_WORDS, &size);

	if (!words || !(limit.words = words_at(words, size)))
		return false;
	memcpy(limit.key_secret, w.secrets->cluster_secret, sizeof limit.key_secret);
	if (w.config->redis.present) {
		struct redis_plan plan = {.address = w.config->redis.address,
					  .port = w.config->redis.port,
					  .user = w.config->redis.user,
					  .password = w.secrets->redis_password,
					  .database = w.config->redis.database,
					  .deadline_ms = limit.deadline_ms,
					  .budget = &w.helpers};

		w.redis = redis_new(w.loop, &plan);
		if (!w.redis)
			return false;
	}
	limit.redis = w.redis;
	limit_configure(&limit);
	return true;
}

static bool make_rules(void)
{
	const struct config_ruleset *sets = w.config->rulesets.at;
	struct rules_config rules = {.queue_ms = (uint32_t)w.config->waf.queue_ms,
				     .run_ms = (uint32_t)w.config->waf.run_ms,
				     .run_ms_per_kib = (uint32_t)w.config->waf.run_ms_per_kib,
				     .detect_waits = w.config->logs.waf_sync,
				     .body_max = (uint64_t)w.config->client.inspected_body};
	size_t size;

	w.rulesets = calloc(w.config->rulesets.n + 1, sizeof *w.rulesets);
	if (!w.rulesets)
		return false;
	for (unsigned i = 0; i < w.config->rulesets.n; i++)
		w.rulesets[i] = sets[i].head.key.at;
	rules.rulesets = w.rulesets;
	if (w.config->waf_used) {
		struct pool_plan plan = {.worker = w.slot,
					 .lanes = {[WAF_SMALL] = WORKER_LANE_SMALL, [WAF_BIG] = WORKER_LANE_BIG},
					 .shared = map(WORKER_WAF, &size),
					 .waiting_max = 4096,
					 .budget = &w.helpers};

		if (!plan.shared || !(w.pool = pool_new(w.loop, &plan)))
			return false;
	}
	rules.pool = w.pool;
	rules_configure(&rules);
	return true;
}

static bool make_proxy(unsigned workers)
{
	struct fail f = {0};
	int *listeners = calloc(w.config->listeners.n, sizeof *listeners);
	struct proxy_plan plan = {.loop = w.loop,
				  .config = w.config,
				  .secrets = w.secrets,
				  .tickets = &w.shared->tickets,
				  .listeners = listeners,
				  .worker = w.slot,
				  .workers = workers,
				  .guards = w.shared->guards,
				  .guard_seed = w.shared->guard_seed,
				  .geoip = w.geoip,
				  .filters = filters};

	if (!listeners)
		return false;
	for (unsigned i = 0; i < w.config->listeners.n; i++)
		listeners[i] = WORKER_LISTENERS + (int)i;
	w.proxy = proxy_new(&plan, &f);
	for (unsigned i = 0; i < f.n; i++)
		log_error("%s:%u: %s", f.at[i].place.file ? f.at[i].place.file : "portcullis", f.at[i].place.line,
			  f.at[i].text);
	fail_done(&f);
	free(listeners);
	return w.proxy != NULL;
}

static bool made(bool good, const char *part)
{
	if (!good)
		log_error("the %s cannot be made ready: memory or descriptors are used up, or a line above says why", part);
	return good;
}

static bool make_all(unsigned workers)
{
	/* Before anything is opened that could take the number of one that was not given. */
	int country = open_fd(WORKER_COUNTRY) ? WORKER_COUNTRY : -1, asn = open_fd(WORKER_ASN) ? WORKER_ASN : -1;
	size_t size;

	w.config = image_map(IMAGE_CONFIG, WORKER_IMAGE);
	w.secrets = image_map(IMAGE_SECRETS, WORKER_SECRETS);
	w.shared = map(WORKER_SHARED, &size);
	w.loop = loop_new();
	if (!w.config || !w.secrets || !w.shared || !w.loop)
		return made(false, "shared memory and event loop");
	log_level((enum log_level)w.config->logs.level);
	w.helpers.limit = 256u << 20;
	w.geoip = geoip_open(country, asn);
	return made(w.geoip || (country < 0 && asn < 0), "places") && made(wake_policies(), "policies") &&
	       made(make_limits(), "limits") && made(make_rules(), "rules") && made(make_proxy(workers), "data path");
}

static void unmake_all(void)
{
	const struct config_site *sites = w.config->sites.at;

	timer_stop(&w.beat);
	timer_stop(&w.deadline);
	proxy_free(w.proxy);
	if (w.pool)
		pool_free(w.pool);
	if (w.redis)
		redis_free(w.redis);
	if (w.geoip)
		geoip_close(w.geoip);
	for (unsigned i = 0; i < w.config->sites.n; i++)
		if (sites[i].policy)
			policy_sleep(sites[i].policy);
	loop_free(w.loop);
	free(w.rulesets);
}

/* The first requests should be counted where the others are: give the store a moment to answer. */
static void wait_for_store(void)
{
	int64_t until = loop_clock_us() + STORE_MS * 1000;

	while (w.redis && !redis_ready(w.redis) && loop_clock_us() < until)
		loop_turn(w.loop, 10);
}

int worker_main(unsigned slot, unsigned workers, uid_t uid)
{
	char role[24], ready = CONTROL_READY;

	/* One thread: one arena, and room at its top is kept rather than given back and asked for again. */
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, 4 << 20);
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	snprintf(role, sizeof role, "worker %u", slot);
	log_open(role, WORKER_LOG);
	w.slot = slot;
	spawn_more_files();
	if (!make_all(workers))
		return 1;
	if (!cage_close(CAGE_WORKER, uid))
		return 1;
	signal(SIGTERM, SIG_DFL);
	wait_for_store();
	timer_init(&w.beat, beat);
	timer_init(&w.deadline, cut);
	beat(&w.beat);
	if (!watch_add_level(w.loop, &w.control, WORKER_CONTROL, controlled) ||
	    !watch_add_level(w.loop, &w.log, WORKER_LOG, acked) || !proxy_listen(w.proxy)) {
		log_error("the event loop has no room for listeners: %m");
		return 1;
	}
	if (send(WORKER_CONTROL, &ready, 1, MSG_NOSIGNAL) != 1)
		return 1;
	loop_run(w.loop);
	unmake_all();
	return 0;
}
