/* worker.c -- the process that serves: TLS, HTTP, the chain, origins.
 *
 * It begins empty; what it serves with, a generation, is given to it by its
 * control socket, at the start and at each reload in the same way. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "gateway/base/log.h"
#include "gateway/cage/cage.h"
#include "gateway/proc/prepared.h"
#include "gateway/proc/shared.h"
#include "gateway/proc/spawn.h"
#include "gateway/proxy/canary.h"
#include "gateway/proxy/proxy.h"
#include "policies/filter.h"

enum { BEAT_MS = 250, STORE_MS = 500, LOOK_MS = 10, MAKE_US = 1000, CROWD = 256, CROWD_BYTES = 16 << 20 };

static const struct filter *const filters[] = {&policy_filter, &limit_filter, &rules_filter, NULL};

static struct worker {
	unsigned slot;
	struct loop *loop;
	struct shared *shared;
	struct metric_page *metrics;
	struct proxy *proxy;
	struct prepared_plan plan;
	struct prepared *next;    /* prepared, not committed */
	struct prepared *current; /* the proxy's hold on it */
	bool made, told_to_commit; /* of the next */
	struct task making;
	struct canary *canary;    /* on its way */
	struct budget helpers;    /* of what is neither client nor origin */
	struct watch control, log;
	struct timer beat, deadline, look;
	unsigned looks;           /* at the store, before the first generation serves */
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

/* What is a state rather than a count is looked at now and then. */
static void measure(void)
{
	proxy_measure(w.proxy);
	metric_set(METRIC_REDIS_READY, w.current->limit.redis && redis_ready(w.current->limit.redis));
	metric_set(METRIC_WAF_OUT, w.current->rules.pool ? pool_outstanding(w.current->rules.pool) : 0);
	metric_set(METRIC_WAF_WAITING, w.current->rules.pool ? pool_waiting(w.current->rules.pool) : 0);
	metric_set(METRIC_GEOIP_BUILT, (uint64_t)geoip_built(w.current->geoip));
	atomic_store_explicit(&metric_here->beat_us, loop_us(w.loop), memory_order_relaxed);
}

static void beat(struct timer *t)
{
	tell_dropped();
	give_back();
	w.shared->cells[w.slot].beat_us = loop_us(w.loop);
	measure();
	timer_start(w.loop, t, BEAT_MS);
}

/* ---- The end ---- */

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
	timer_start(w.loop, &w.deadline, w.current ? w.current->config->processes.drain_ms : 1);
	proxy_drain(w.proxy, drained);
}

/* ---- Generations ---- */

static void say(enum control_word word, const char *text)
{
	if (!control_say(WORKER_CONTROL, word, text))
		log_error("the supervisor does not listen: %m");
}

static void forget(void)
{
	canary_free(w.canary);
	w.canary = NULL;
	task_stop(&w.making);
	w.made = w.told_to_commit = false;
	if (w.next) {
		generation_retire(&w.next->generation);
		generation_drop(&w.next->generation);
	}
	w.next = NULL;
}

static void refuse(struct fail *f)
{
	say(CONTROL_REFUSED, f->n ? f->at[0].text : "it cannot be made ready");
	fail_done(f);
	forget();
}

static void prepare(const struct control_message *m, const int *fds, unsigned fds_n)
{
	struct fail f = {0};

	forget();
	w.next = prepared_new(&w.plan, m, fds, fds_n, w.current, &f);
	if (!w.next) {
		refuse(&f);
		return;
	}
	fail_done(&f);
	task_start(w.loop, &w.making);
}

static void commit(void);

/* A little in each turn: who is served meanwhile does not wait for it. */
static void make_more(struct task *t)
{
	struct fail f = {0};

	switch (generation_make(&w.next->generation, w.current ? MAKE_US : -1, &f)) {
	case TLS_MORE_TO_MAKE:
		task_start(w.loop, t);
		break;
	case TLS_NOT_MADE:
		refuse(&f);
		return;
	case TLS_MADE:
		w.made = true;
		say(CONTROL_PREPARED, "");
		if (w.told_to_commit)
			commit();
		break;
	}
	fail_done(&f);
}

static void commit(void)
{
	w.told_to_commit = w.next && !w.made;
	if (!w.next || !w.made || w.proxy->draining)
		return;
	/* The first requests should be counted where the others are: give the store a moment to answer. */
	if (!w.current && !prepared_counts(w.next) && w.looks++ < STORE_MS / LOOK_MS) {
		timer_start(w.loop, &w.look, LOOK_MS);
		return;
	}
	log_level((enum log_level)w.next->config->logs.level);
	generation_commit(&w.next->generation);
	w.current = w.next;
	w.next = NULL;
	w.made = false;
	if (!timer_on(&w.beat))
		beat(&w.beat);
	say(CONTROL_COMMITTED, "");
}

static void tried(struct canary *c, const char *why)
{
	say(why ? CONTROL_UNSAFE : CONTROL_TRIED, why ? why : "");
	canary_free(c);
	w.canary = NULL;
}

/* What is about to be put into force, or what is. */
static void try(void)
{
	struct prepared *p = w.next ? w.next : w.current;

	canary_free(w.canary);
	w.canary = p ? canary_new(&p->generation, tried) : NULL;
	if (!w.canary)
		say(CONTROL_UNSAFE, "there is no memory to try the protection");
}

static void look(struct timer *t)
{
	(void)t;
	commit();
}

static void obey(const struct control_message *m, const int *fds, unsigned fds_n)
{
	switch ((enum control_order)m->what) {
	case CONTROL_PREPARE:
		prepare(m, fds, fds_n);
		break;
	case CONTROL_TRY:
		try();
		break;
	case CONTROL_COMMIT:
		commit();
		break;
	case CONTROL_FORGET:
		/* What a worker begins with is in force: that is not meant. */
		if (w.current)
			forget();
		break;
	case CONTROL_ADOPT:
		proxy_adopt(w.proxy, m->slot, fds, fds_n);
		break;
	case CONTROL_RETURN:
		proxy_return(w.proxy, m->slot);
		break;
	case CONTROL_DRAIN:
		drain();
		break;
	}
}

static void controlled(struct watch *watch, unsigned what)
{
	struct control_message m;
	int fds[CONTROL_FDS];
	unsigned n;

	(void)what;
	switch (control_receive(watch->fd, &m, fds, &n)) {
	case 1:
		obey(&m, fds, n);
		break;
	case -1:
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

/* ---- The process ---- */

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

static bool begin(unsigned workers)
{
	size_t shared_size, words_size, metrics_size;
	void *words = map(WORKER_WORDS, &words_size);

	w.shared = map(WORKER_SHARED, &shared_size);
	w.metrics = map(WORKER_METRICS, &metrics_size);
	w.loop = loop_new();
	if (!w.shared || !w.metrics || !words || !w.loop)
		return false;
	metric_use(w.metrics, &w.metrics->worker[w.slot]);
	w.helpers.limit = 256u << 20;
	w.proxy = proxy_new(&(struct proxy_plan){.loop = w.loop,
						 .tickets = &w.shared->tickets,
						 .worker = w.slot,
						 .workers = workers,
						 .guards = w.shared->guards,
						 .guard_seed = w.shared->guard_seed,
						 .handling = &w.shared->cells[w.slot].handling,
						 .quarantine = &w.shared->quarantine,
						 .filters = filters});
	w.plan = (struct prepared_plan){
		.proxy = w.proxy, .words = words_at(words, words_size), .helpers = &w.helpers, .worker = w.slot};
	return w.proxy && w.plan.words;
}

static void end(void)
{
	timer_stop(&w.beat);
	timer_stop(&w.deadline);
	timer_stop(&w.look);
	forget();
	proxy_free(w.proxy);
	loop_free(w.loop);
}

int worker_main(unsigned slot, unsigned workers, uid_t uid)
{
	char role[24];

	/* One thread: one arena, and room at its top is kept rather than given back and asked for again. */
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, 4 << 20);
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	snprintf(role, sizeof role, "worker %u", slot);
	log_open(role, WORKER_LOG);
	w.slot = slot;
	spawn_more_files();
	if (!tls_count_memory())
		log_warn("the memory of TLS is not counted");
	if (!begin(workers)) {
		log_error("shared memory and event loop cannot be made ready: memory or descriptors are used up");
		return 1;
	}
	if (!cage_close(CAGE_WORKER, uid))
		return 1;
	signal(SIGTERM, SIG_DFL);
	timer_init(&w.beat, beat);
	timer_init(&w.deadline, cut);
	timer_init(&w.look, look);
	task_init(&w.making, make_more);
	if (!watch_add_level(w.loop, &w.control, WORKER_CONTROL, controlled) ||
	    !watch_add_level(w.loop, &w.log, WORKER_LOG, acked)) {
		log_error("the event loop has no room: %m");
		return 1;
	}
	loop_run(w.loop);
	end();
	return 0;
}
