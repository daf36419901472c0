/* question.c -- one question of the WAF filter to an inspector: written, sent, answered or cancelled.
 *
 * In detect mode nothing waits: traffic goes on and the answer fills the record; where the request ends
 * first, the hits are logged from here. */
#include "rules/filter_parts.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/metric.h"

enum {
	DEADLINE_SLACK_MS = 100,
	WALL_TIMES = 4,
	EXPECTED_US = 1000, EXPECTED_US_PER_KIB = 4000, /* of CPU, for a dense body; the bill is settled afterwards */
};

static enum policy_mode mode_of(const struct rules_state *s, bool answering)
{
	return answering ? s->plan.responses.mode : s->plan.mode;
}

void question_uninspected(const struct visit *v, bool answering)
{
	if (answering)
		v->facts->answer_uninspected = true;
	else
		v->facts->uninspected = true;
}

struct verdict question_unsure(const struct visit *v, bool answering, enum reason reason)
{
	const struct rules_state *s = v->state;
	bool block = !s->plan.lost_pass && mode_of(s, answering) == POLICY_ENFORCE;

	if (!block)
		question_uninspected(v, answering);
	return (struct verdict){.kind = VERDICT_UNSURE, .reason = reason, .block = block};
}

/* ---- The life of a question ---- */

static void free_asked(struct asked *q)
{
	if (q->own_fd >= 0)
		close(q->own_fd);
	if (q->plain_fd >= 0)
		close(q->plain_fd);
	mem_give(pool_budget(conf_of(q->visit)->pool), q, sizeof *q);
}

static void cancel(void *ticket)
{
	struct asked *q = ticket;

	q->wait = NULL;
	if (q->pending)
		pool_cancel(conf_of(q->visit)->pool, &q->ask);
	q->pending = false;
}

static struct slice copy_text(struct arena *a, struct slice s)
{
	struct slice copy = arena_copy(a, s);

	return copy.at ? copy : SLICE_NONE;
}

/* Behind the hits that are there. */
static void keep_hits(struct facts *facts, struct arena *a, const struct waf_answer *answer)
{
	unsigned n = facts->waf_hits_n;
	struct waf_hit *hits = answer->hits_n ? ARENA_ARRAY(a, struct waf_hit, n + answer->hits_n) : NULL;

	if (!hits)
		return;
	if (n)
		memcpy(hits, facts->waf_hits, n * sizeof *hits);
	for (uint32_t i = 0; i < answer->hits_n; i++) {
		const struct waf_hit *h = &answer->hits[i];

		hits[n + i] = (struct waf_hit){h->rule, h->phase, h->severity, copy_text(a, h->message), copy_text(a, h->data),
					       copy_text(a, h->tag)};
	}
	facts->waf_hits = hits;
	facts->waf_hits_n = n + answer->hits_n;
}

static void keep_answer(struct asked *q, const struct waf_answer *answer)
{
	struct rules_state *s = q->visit->state;
	struct facts *facts = q->visit->facts;

	if (q->answering) {
		facts->waf_answer_score = answer->score;
		s->request_hits = facts->waf_hits_n;
	} else {
		facts->waf_score = answer->score;
		facts->waf_caught = answer->result == WAF_DENY || answer->score >= s->plan.threshold_request;
		s->kept = q->ask.token;
		s->keeper = answer->keeper;
	}
	facts->waf_us += answer->cpu_us;
	keep_hits(facts, q->visit->arena, answer);
}

static bool would_block(const struct rules_state *s, const struct facts *f, bool answering)
{
	return answering ? f->waf_answer_score >= s->plan.threshold_response : f->waf_score >= s->plan.threshold_request;
}

/* Nobody waited: what would have happened belongs into the record, which may now be closed. */
static void answer_record(struct asked *q)
{
	struct visit *v = q->visit;
	const struct rules_state *s = v->state;

	if (!q->answering)
		note_worst(v, 0);
	if (would_block(s, v->facts, q->answering))
		note(v, "would-block", "%sscore %u", q->answering ? "answer, " : "",
		     q->answering ? v->facts->waf_answer_score : v->facts->waf_score);
	if (q->result == WAF_LOST || q->result == WAF_SHED) {
		question_uninspected(v, q->answering);
		note(v, "uninspected", "the inspection did not finish");
	}
	background_done(v);
}

static void count(const struct pool_ask *ask, const struct waf_answer *answer)
{
	static const enum metric ends[] = {[WAF_ALLOW] = METRIC_WAF_ALLOW, [WAF_DENY] = METRIC_WAF_DENY,
					   [WAF_LOST] = METRIC_WAF_LOST, [WAF_SHED] = METRIC_WAF_SHED};

	metric_count(ends[answer->result]);
	if (answer->result != WAF_ALLOW && answer->result != WAF_DENY)
		return;
	metric_span(SPAN_WAF_RUN, answer->wall_us);
	metric_span(SPAN_WAF_QUEUE, loop_clock_us() - ask->asked_us - answer->wall_us);
	metric_add(METRIC_WAF_CPU, answer->cpu_us);
}

static void answered(struct pool_ask *ask, const struct waf_answer *answer)
{
	struct asked *q = LIST_OF(ask, struct asked, ask);
	struct wait *wait = q->wait;

	q->pending = false;
	if (!q->visit->facts->canary)
		count(ask, answer);
	q->result = answer->result;
	q->status = answer->status;
	q->plain = answer->plain;
	q->plain_len = answer->plain_len;
	q->plain_fd = ask->plain_fd;
	if (answer->result == WAF_ALLOW || answer->result == WAF_DENY) {
		keep_answer(q, answer);
		if (q->answering)
			answer_note(q->visit, answer);
	}
	q->wait = NULL;
	if (wait) {
		wait_done(wait, OUTCOME_ANSWERED);
		return;
	}
	if (!q->answering)
		answer_catch_up(q->visit);
	answer_record(q);
}

/* ---- Asking ---- */

static bool add_exclusion(struct waf_job *job, uint32_t rule, struct slice tag, struct slice target)
{
	if (job->exclusions_n == WAF_EXCLUSIONS)
		return false;
	job->exclusions[job->exclusions_n++] = (struct waf_exclusion){rule, tag, target};
	return true;
}

static bool add_exclusions_of(struct waf_job *job, const struct policy_exclusion *x)
{
	bool fits = true;

	/* By tag there is one round, with no rule; without targets one round, with none. */
	for (uint32_t r = 0; r < (x->rules_n ? x->rules_n : 1); r++)
		for (uint32_t t = 0; t < (x->targets_n ? x->targets_n : 1); t++)
			fits = fits && add_exclusion(job, x->rules_n ? x->rules[r] : 0, x->rules_n ? SLICE_NONE : x->tag,
						     x->targets_n ? x->targets[t] : SLICE_NONE);
	return fits;
}

static bool find_ruleset(const struct rules_config *c, struct slice name, uint32_t *index)
{
	for (*index = 0; c->rulesets && c->rulesets[*index]; (*index)++)
		if (slice_is(name, c->rulesets[*index]))
			return true;
	return false;
}

/* The engine sees every field the client sent, with the one Host that goes upstream. */
static bool fill_fields(struct waf_job *job, const struct request *req, struct arena *a)
{
	job->fields = (struct fields){ARENA_ARRAY(a, struct field, req->fields.n + 1), req->fields.n, req->fields.n};
	if (!job->fields.at)
		return false;
	if (req->fields.n)
		memcpy(job->fields.at, req->fields.at, req->fields.n * sizeof *req->fields.at);
	for (uint32_t i = 0; i < job->fields.n; i++)
		if (job->fields.at[i].id == FIELD_HOST && req->authority.len)
			job->fields.at[i].value = req->authority;
	return true;
}

/* What content in a coding may become: a length by which its inspection is planned, too. */
static uint64_t plain_most(const struct rules_state *s, uint64_t coded)
{
	uint64_t most = coded * WAF_PLAIN_TIMES;

	if (most < WAF_PLAIN_LEAST)
		most = WAF_PLAIN_LEAST;
	if (most > WAF_PLAIN_MOST)
		most = WAF_PLAIN_MOST;
	return most < s->plan.body_max ? most : s->plan.body_max;
}

static void fill_content(struct waf_job *job, const struct visit *v, bool answering, uint64_t body_len)
{
	const struct rules_config *c = v->conf;
	const struct rules_state *s = v->state;
	uint64_t inspected = body_len;

	job->body_len = body_len;
	job->with_body = body_len != 0;
	if (body_len && !answering && s->coding != CODING_NONE) {
		job->coding = (uint8_t)s->coding;
		job->plain_most = inspected = plain_most(s, body_len);
	}
	job->files = s->plan.inspect == POLICY_INSPECT_FULL;
	job->type_listed = s->type_listed;
	job->run_ms = c->run_ms + c->run_ms_per_kib * (uint32_t)(inspected >> 10);
}

static bool fill_job(struct waf_job *job, struct visit *v, bool answering, uint64_t body_len)
{
	const struct rules_config *c = v->conf;
	const struct rules_state *s = v->state;
	const struct request *req = v->req;
	bool fits = true;

	memset(job, 0, offsetof(struct waf_job, exclusions));
	if (!find_ruleset(c, s->plan.ruleset, &job->ruleset) || !fill_fields(job, req, v->arena))
		return false;
	job->mode = s->plan.mode == POLICY_DETECT ? WAF_DETECT : WAF_ENFORCE;
	job->paranoia = (uint8_t)s->plan.paranoia;
	job->detection_paranoia = (uint8_t)s->plan.detection_paranoia;
	job->threshold_request = (uint16_t)s->plan.threshold_request;
	job->threshold_response = (uint16_t)s->plan.threshold_response;
	fill_content(job, v, answering, body_len);
	job->client = v->facts->client;
	job->client_port = v->facts->client_port;
	job->server_name = req->host;
	job->server_port = req->port;
	job->id = v->facts->id;
	job->method = req->method;
	job->target = req->target;
	job->minor = req->minor;
	job->keep = s->answers;
	for (unsigned i = 0; i < s->plan.exclusions_n; i++)
		fits = add_exclusions_of(job, s->plan.exclusions[i]) && fits;
	if (!fits && !s->asked)
		note(v, "exclusions", "only %d fit one request", WAF_EXCLUSIONS);
	return true;
}

/* A sealed memory file of content that is too long for the message; -1 when there is none to have. */
static int body_file(const struct held *held)
{
	int fd;

	if (held->fd >= 0)
		return fcntl(held->fd, F_DUPFD_CLOEXEC, 0);
	fd = memfd_create("portcullis-body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0 && write(fd, held->memory.at, held->memory.len) == (ssize_t)held->memory.len &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* In the message, or beside it. */
static bool attach(struct asked *q, struct waf_job *job, const struct held *held)
{
	if (!held)
		return true;
	if (held->fd < 0 && held->memory.len <= WAF_INLINE) {
		job->body = held->memory;
		return true;
	}
	job->body_outside = true;
	q->own_fd = body_file(held);
	return q->own_fd >= 0;
}

static struct asked *new_asked(struct visit *v, bool answering)
{
	struct asked *q = mem_take_zeroed(pool_budget(conf_of(v)->pool), sizeof *q);

	if (!q)
		return NULL;
	q->visit = v;
	q->answering = answering;
	q->own_fd = q->plain_fd = -1;
	q->ask.answered = answered;
	return q;
}

static uint32_t deadline_ms(const struct rules_config *c, const struct waf_job *job)
{
	return c->queue_ms + WALL_TIMES * job->run_ms + DEADLINE_SLACK_MS;
}

bool question_waits(const struct visit *v, enum policy_mode mode)
{
	return mode != POLICY_DETECT || conf_of(v)->detect_waits;
}

static void open_bill(struct visit *v, struct asked *q, const struct waf_job *job)
{
	int64_t expected = EXPECTED_US + EXPECTED_US_PER_KIB * (int64_t)(job->body_len >> 10), most = job->run_ms * 1000ll;

	if (!v->facts->canary)
		bill_open(&q->ask.bill, &conf_of(v)->spending, &v->facts->client, expected < most ? expected : most,
			  loop_us(v->run->loop));
}

struct verdict question_ask(struct visit *v, bool answering, const struct held *held, step_fn *next)
{
	static struct waf_job job; /* 12 KiB, used up before this returns */
	const struct rules_config *c = v->conf;
	struct rules_state *s = v->state;
	struct asked *q = new_asked(v, answering);

	if (!q || !fill_job(&job, v, answering, held ? held->len : 0))
		goto busy;
	if (answering)
		answer_fill_job(v, q, &job);
	open_bill(v, q, &job);
	if (!attach(q, &job, held) || !pool_ask(c->pool, &q->ask, &job, q->own_fd, c->queue_ms)) {
		bill_settle(&q->ask.bill, 0, loop_us(v->run->loop));
		goto busy;
	}
	q->pending = true;
	*(answering ? &s->answer_asked : &s->asked) = q;
	if (!question_waits(v, mode_of(s, answering))) {
		background_begin(v);
		return PASS;
	}
	q->wait = wait_open(v, deadline_ms(c, &job), cancel, q);
	return (struct verdict){.kind = VERDICT_WAIT, .next = next};
busy:
	metric_count(METRIC_WAF_BUSY);
	if (q)
		free_asked(q);
	return question_unsure(v, answering, REASON_WAF_BUSY);
}

bool question_failed(const struct visit *v, const struct asked *q, struct verdict *out)
{
	bool lost = v->run->wait.outcome != OUTCOME_ANSWERED || q->result == WAF_LOST;

	if (v->run->wait.outcome == OUTCOME_LATE)
		metric_count(METRIC_WAF_LATE);
	if (!lost && q->result != WAF_SHED)
		return false;
	*out = question_unsure(v, q->answering, lost ? REASON_WAF_LOST : REASON_WAF_BUSY);
	return true;
}

/* An inspector's word is a stranger's: a file that can still change, or of another length, is none. */
static bool is_plain_file(int fd, uint64_t len)
{
	int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS), needed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	struct stat st;

	return seals >= 0 && (seals & needed) == needed && fstat(fd, &st) == 0 && (uint64_t)st.st_size == len;
}

bool question_take_plain(struct visit *v)
{
	const struct rules_state *s = v->state;
	struct asked *q = s->asked;
	struct facts *f = v->facts;

	/* Content of no bytes was no content to decode. */
	if (!v->held || !v->held->len) {
		f->content_identity = true;
		return true;
	}
	if (!q->plain || q->plain_len > s->plan.body_max || (q->plain_len && !is_plain_file(q->plain_fd, q->plain_len)))
		return false;
	f->content_identity = f->content_replaced = true;
	f->content_len = q->plain_len;
	f->content_fd = q->plain_fd;
	q->plain_fd = -1;
	return true;
}

void question_forget(struct asked **at)
{
	struct asked *q = *at;

	if (!q)
		return;
	*at = NULL;
	if (q->pending)
		pool_cancel(conf_of(q->visit)->pool, &q->ask);
	free_asked(q);
}
