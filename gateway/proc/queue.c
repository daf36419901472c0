/* queue.c -- inspection queues: their memory, their lanes, and when they end. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/proc/node.h"
#include "gateway/proc/spawn.h"
#include "rules/plan.h"

static void describe_set(struct plan_ruleset *to, const struct config *c, const struct config_ruleset *set)
{
	to->name = set->head.key;
	to->arguments = (uint32_t)c->waf.arguments;
	to->json_depth = (uint32_t)c->waf.json_depth;
	to->parts = (uint32_t)c->waf.parts;
	to->body_max = (uint64_t)c->client.body;
}

static bool pack(const struct config *c, struct buf *out)
{
	const struct config_ruleset *sets = c->rulesets.at;
	struct plan *plan = calloc(1, sizeof *plan);
	bool packed;

	if (!plan)
		return false;
	plan->recycle_jobs = (uint32_t)c->waf.recycle_jobs;
	plan->recycle_bytes = (uint64_t)c->waf.recycle_memory;
	plan->rulesets_n = c->rulesets.n < PLAN_RULESETS ? c->rulesets.n : PLAN_RULESETS;
	for (unsigned i = 0; i < plan->rulesets_n; i++)
		describe_set(&plan->rulesets[i], c, &sets[i]);
	packed = plan_pack(out, plan);
	free(plan);
	return packed;
}

static bool same(const struct queue *q, const struct config *c, const struct buf *plan)
{
	return slice_eq(q->plan, slice_make(plan->at + plan->start, buf_len(plan))) &&
	       slice_is(c->rules_hash, q->rules_hash);
}

/* Both ends of all lanes and doors, as the supervisor holds them. */
static void close_lanes(struct node *n, struct queue *q)
{
	for (unsigned w = 0; q->lanes && q->doors && w < n->workers; w++)
		for (unsigned lane = 0; lane < WAF_LANES; lane++)
			for (unsigned end = 0; end < 2; end++)
				if (q->lanes[w][lane][end] >= 0)
					close(q->lanes[w][lane][end]);
	for (unsigned i = 0; q->lanes && q->doors && i < n->inspectors; i++)
		for (unsigned end = 0; end < 2; end++)
			if (q->doors[i][end] >= 0)
				close(q->doors[i][end]);
	free(q->lanes);
	free(q->doors);
	q->lanes = NULL;
	q->doors = NULL;
}

static bool open_lanes(struct node *n, struct queue *q)
{
	q->lanes = malloc(n->workers * sizeof *q->lanes);
	q->doors = malloc(n->inspectors * sizeof *q->doors);
	if (!q->lanes || !q->doors)
		return false;
	memset(q->lanes, 0xff, n->workers * sizeof *q->lanes);
	memset(q->doors, 0xff, n->inspectors * sizeof *q->doors);
	for (unsigned w = 0; w < n->workers; w++)
		for (unsigned lane = 0; lane < WAF_LANES; lane++)
			if (!node_pair(q->lanes[w][lane]))
				return false;
	for (unsigned i = 0; i < n->inspectors; i++)
		if (!node_pair(q->doors[i]))
			return false;
	return true;
}

void queue_free(struct queue *q)
{
	list_remove(&q->link);
	if (q->shared)
		munmap((void *)(uintptr_t)q->shared, sizeof *q->shared);
	if (q->waf_fd >= 0)
		close(q->waf_fd);
	if (q->plan_fd >= 0)
		close(q->plan_fd);
	if (q->files_fd >= 0)
		close(q->files_fd);
	free((char *)(uintptr_t)q->plan.at);
	free(q);
}

static bool map_page(struct queue *q)
{
	void *at = mmap(NULL, sizeof *q->shared, PROT_READ, MAP_SHARED, q->waf_fd, 0);

	q->shared = at == MAP_FAILED ? NULL : at;
	return q->shared;
}

static struct queue *make(struct node *n, const struct release *r, struct buf *plan)
{
	struct queue *q = calloc(1, sizeof *q);

	if (!q)
		return NULL;
	list_init(&q->link);
	q->held = 1;
	q->plan = slice_make(strndup(plan->at + plan->start, buf_len(plan)), buf_len(plan));
	snprintf(q->rules_hash, sizeof q->rules_hash, "%.*s", SLICE_F(r->config->rules_hash));
	child_init(n, &q->zygote, ROLE_ZYGOTE, 0);
	q->zygote.queue = q;
	q->waf_fd = node_memory("portcullis-waf", sizeof(struct waf_shared));
	q->plan_fd = node_memory("portcullis-rules", q->plan.len);
	q->files_fd = fcntl(r->rules_fd, F_DUPFD_CLOEXEC, SPAWN_FIRST);
	if (q->plan.at && q->waf_fd >= 0 && q->plan_fd >= 0 && q->files_fd >= 0 && open_lanes(n, q) &&
	    pwrite(q->plan_fd, q->plan.at, q->plan.len, 0) == (ssize_t)q->plan.len && map_page(q))
		return q;
	close_lanes(n, q);
	queue_free(q);
	return NULL;
}

struct queue *queue_of(struct node *n, const struct release *r, struct queue *beside)
{
	struct queue *q = NULL;
	struct buf plan;

	buf_init(&plan, NULL);
	if (pack(r->config, &plan) && beside && same(beside, r->config, &plan)) {
		beside->held++;
		q = beside;
	} else if (buf_len(&plan)) {
		q = make(n, r, &plan);
	}
	buf_done(&plan);
	return q;
}

void queue_drop(struct node *n, struct queue *q)
{
	if (!q || --q->held)
		return;
	timer_stop(&q->zygote.again);
	/* Workers hold what they still use; when they let go, the zygote hears it and ends. */
	close_lanes(n, q);
	if (q->zygote.pid)
		list_push_last(&n->leaving, &q->link);
	else
		queue_free(q);
}
