/* exchange.c -- the life of one request: judged, held or streamed, asked, recorded.  Its answer is
 * exchange_answer.c. */
#include "gateway/proxy/exchange_parts.h"

#include "gateway/base/fail.h"
#include "gateway/base/metric.h"
#include "gateway/proxy/client_cert.h"
#include "gateway/proxy/grpc.h"
#include "gateway/proxy/guard.h"
#include "gateway/proxy/identity.h"
#include "gateway/proxy/record.h"
#include "gateway/proxy/reply.h"
#include "gateway/proxy/upstream.h"

enum { ARENA_BLOCK = 4096, RECORD_MS = 10000 };

static void forward(struct exchange *x);
static void judge_body(struct exchange *x);

/* ---- Beginning and end ---- */

static void bury(struct task *t)
{
	struct exchange *x = LIST_OF(t, struct exchange, bury);

	metric_fall(METRIC_REQUESTS);
	spool_done(&x->spool);
	spool_done(&x->answer.copy);
	arena_done(&x->arena);
	tls_peer_drop(x->certificate);
	budget_give(&x->budget, sizeof *x);
	generation_drop(x->generation);
	mem_give(NULL, x, sizeof *x);
}

/* The last answer for the record has come, none was expected, or none came in time. */
static void close_record(struct exchange *x)
{
	timer_stop(&x->total);
	work_end(&x->work);
	record_waf_lines(x, 0);
	record_count(x);
	record_write(x);
	if (x->chain.filters)
		chain_done(&x->chain);
	task_start(x->proxy->loop, &x->bury);
}

static void settled(struct chain_run *run)
{
	close_record(run->owner);
}

/* No front and no origin from here on; the record may still wait for an inspector. */
static void let_go(struct exchange *x)
{
	x->state = EXCHANGE_ENDED;
	timer_stop(&x->total);
	timer_stop(&x->ack_timer);
	list_remove(&x->ack);
	answer_stop(x);
	tunnel_stop(x);
	if (x->upstream)
		upstream_abandon(x->upstream);
	x->upstream = NULL;
	x->front = NULL;
	x->tls = NULL;
	/* Nobody walks on for a client that is gone; what only the record waits for still comes. */
	if (x->chain.filters)
		chain_stop(&x->chain);
	if (x->chain.filters && x->chain.background) {
		budget_move(&x->budget, &x->proxy->memory);
		x->chain.settled = settled;
		timer_start(x->proxy->loop, &x->total, RECORD_MS);
		return;
	}
	close_record(x);
}

void exchange_finish(struct exchange *x, bool whole)
{
	const struct exchange_front *front = x->front;

	CHECK(front);
	front->end(x, whole);
	let_go(x);
}

/* The answer is on its way and cannot be finished. */
static void break_off(struct exchange *x, enum reason why)
{
	exchange_finish(x, grpc_end(x, why));
}

static void out_of_time(struct timer *t)
{
	struct exchange *x = LIST_OF(t, struct exchange, total);

	if (x->state == EXCHANGE_ENDED)
		close_record(x);
	else if (x->status)
		break_off(x, REASON_TOTAL_DEADLINE);
	else
		exchange_refuse(x, REASON_TOTAL_DEADLINE, 0, "the request took too long in all");
}

static void ack_late(struct timer *t)
{
	struct exchange *x = LIST_OF(t, struct exchange, ack_timer);

	proxy_log_acked(x->proxy, x->ack_token);
}

struct exchange *exchange_new(struct proxy *p, struct budget *b, const struct exchange_front *front, void *stream)
{
	struct exchange *x = mem_take(NULL, sizeof *x);

	if (!x)
		return NULL;
	memset(x, 0, offsetof(struct exchange, chain));
	x->budget.parent = b;
	if (!budget_take(&x->budget, sizeof *x)) {
		mem_give(NULL, x, sizeof *x);
		return NULL;
	}
	x->chain.filters = NULL;
	x->proxy = p;
	x->generation = generation_hold(p->current);
	x->front = front;
	x->stream = stream;
	x->version = (uint8_t)front->version;
	work_init(&x->work);
	arena_init(&x->arena, &x->budget, ARENA_BLOCK);
	spool_init(&x->spool, &x->budget, &p->spool);
	answer_init(x);
	tunnel_init(x);
	list_init(&x->ack);
	timer_init(&x->total, out_of_time);
	timer_init(&x->ack_timer, ack_late);
	task_init(&x->bury, bury);
	x->began_us = loop_us(p->loop);
	metric_count(METRIC_REQUESTS);
	return x;
}

/* ---- Answers of our own ---- */

static void send_page(struct exchange *x)
{
	size_t taken = x->page.len ? x->front->body(x, x->page) : 0;

	x->page = slice_after(x->page, taken);
	x->sent_bytes += taken;
	if (!x->page.len)
		exchange_finish(x, true);
}

void exchange_answer(struct exchange *x, const struct verdict *v)
{
	struct reply reply;

	if (x->upstream)
		upstream_abandon(x->upstream);
	x->upstream = NULL;
	if (x->chain.filters)
		chain_stop(&x->chain);
	timer_stop(&x->ack_timer);
	list_remove(&x->ack);
	answer_stop(x);
	/* What was held is of no use now, and may be what the page lacks room for. */
	spool_done(&x->spool);
	x->own = true;
	x->state = EXCHANGE_ANSWERING;
	if (x->facts.grpc ? !grpc_reply(x, v, &reply) : !reply_make(x, v, &reply)) {
		exchange_finish(x, false);
		return;
	}
	x->status = (uint16_t)reply.status;
	x->page = x->req.head ? SLICE_NONE : reply.page;
	x->front->head(x, reply.status, &reply.fields, &x->facts.client_fields, HTTP_BODY_LENGTH, reply.page.len);
	send_page(x);
}

void exchange_refuse(struct exchange *x, enum reason why, unsigned status, const char *detail)
{
	struct verdict v = DENY(why);

	x->failed = why;
	x->why = detail;
	v.status = (uint16_t)status;
	exchange_answer(x, &v);
}

/* ---- Judging ---- */

/* The length alone says that it is too much. */
static bool announced_too_large(const struct exchange *x)
{
	return x->req.body == HTTP_BODY_LENGTH && !x->held && x->facts.body_max &&
	       x->req.content_length > x->facts.body_max;
}

static void go_on(struct exchange *x)
{
	if (x->chain.gate >= GATE_RESPONSE)
		answer_go_on(x);
	else if (x->chain.record.deciding >= 0)
		exchange_answer(x, &x->chain.verdict);
	else if (announced_too_large(x))
		exchange_refuse(x, REASON_BODY_TOO_LARGE, 0, "the content is larger than allowed");
	else if (x->chain.gate == GATE_REQUEST && !x->held && x->req.body != HTTP_BODY_NONE &&
		 chain_body(&x->chain) == BODY_HELD) {
		x->state = EXCHANGE_COLLECTING;
		x->holding = true;
		if (x->expecting)
			x->front->go_ahead(x);
		x->expecting = false;
		/* An empty body may have ended while the head was judged: nobody would say so again. */
		if (x->body_ended)
			judge_body(x);
		else
			x->front->want(x);
	} else {
		forward(x);
	}
}

/* The chain has come to an end of a gate.  Where the operator wants it, the WAF's lines are on disk
 * before anything leaves. */
static void judged(struct chain_run *run, bool stop)
{
	struct exchange *x = run->owner;

	(void)stop;
	if (run->gate < GATE_RESPONSE)
		x->judged_us = loop_us(x->proxy->loop);
	if (x->facts.waf_hits_n > x->reported && !x->status && x->generation->config->logs.waf_sync) {
		x->ack_token = record_token(x->proxy);
		if (record_waf_lines(x, x->ack_token)) {
			x->state = EXCHANGE_REPORTING;
			list_push_last(&x->proxy->ack_waiters, &x->ack);
			timer_start(x->proxy->loop, &x->ack_timer, 1000);
			return;
		}
	}
	go_on(x);
}

void proxy_log_acked(struct proxy *p, uint64_t token)
{
	LIST_EACH(item, &p->ack_waiters) {
		struct exchange *x = LIST_OF(item, struct exchange, ack);

		if (x->ack_token != token)
			continue;
		list_remove(&x->ack);
		timer_stop(&x->ack_timer);
		x->state = EXCHANGE_JUDGING;
		go_on(x);
		return;
	}
}

/* Another connection could carry it, so this one ends. */
static bool may_be_carried(struct exchange *x)
{
	enum reason why;
	const char *misfit = client_cert_misfit(x, &why);

	if (!misfit)
		return true;
	x->req.keep_alive = false;
	exchange_refuse(x, why, 0, misfit);
	return false;
}

/* Nobody is asked to put an answer together from a thousand pieces. */
static bool may_be_asked_for(struct exchange *x)
{
	const char *wrong = http_check_range(&x->req.fields);

	if (wrong)
		exchange_refuse(x, REASON_RANGE, 0, wrong);
	return !wrong;
}

void exchange_start(struct exchange *x, bool redirect)
{
	const struct generation *g = x->generation;
	struct proxy *p = x->proxy;
	uint64_t *share;

	x->expecting = x->req.expect_continue;
	timer_start(p->loop, &x->total, g->config->client.total_ms);
	x->site = config_site_of(g->config, x->req.host);
	if (!x->site) {
		exchange_refuse(x, REASON_UNKNOWN_HOST, 0, NULL);
		return;
	}
	grpc_begin(x);
	if (redirect) {
		struct verdict v = {.kind = VERDICT_REDIRECT, .status = 308};

		v.location = reply_https_location(x);
		exchange_answer(x, &v);
		return;
	}
	if (!may_be_carried(x) || !may_be_asked_for(x))
		return;
	if (!identity_fill(x) || !chain_init(&x->chain, p->loop, p->plan.filters, g->plan.confs, &x->req, &x->facts, &x->arena, judged, x)) {
		x->chain.filters = NULL;
		exchange_refuse(x, guard_starved(p), guard_starved_head(p), NULL);
		return;
	}
	if (!tunnel_may_open(x))
		return;
	share = guard_spool_share(p, &x->facts.client);
	spool_own(&x->spool, share);
	spool_own(&x->answer.copy, share);
	x->state = EXCHANGE_JUDGING;
	chain_gate(&x->chain, GATE_REQUEST);
}

/* ---- The request's content ---- */

static bool too_large(struct exchange *x, size_t more)
{
	return x->facts.body_max && x->body_bytes + more > x->facts.body_max;
}

/* To the origin as it comes.  The mark is set first: where the connection breaks on these bytes, nobody
 * else may be asked without them. */
static size_t stream(struct exchange *x, struct slice bytes)
{
	bool before = x->sent_streamed;
	size_t taken;

	x->sent_streamed = true;
	taken = upstream_body(x->upstream, bytes);
	if (!taken)
		x->sent_streamed = before;
	x->body_bytes += taken;
	return taken;
}

size_t exchange_body(struct exchange *x, struct slice bytes)
{
	enum reason why;

	if (x->own)
		return bytes.len;
	if (x->tunnel.open)
		return tunnel_take(x, bytes);
	if (x->state == EXCHANGE_JUDGING || x->state == EXCHANGE_REPORTING)
		return 0;
	if (too_large(x, bytes.len)) {
		exchange_body_broken(x, REASON_BODY_TOO_LARGE, "the content is larger than allowed");
		return bytes.len;
	}
	if (x->facts.grpc && !x->body_bytes && !grpc_may_begin(bytes)) {
		exchange_body_broken(x, REASON_BODY_INVALID, "what is said to be gRPC is no message of it");
		return bytes.len;
	}
	if (x->state == EXCHANGE_COLLECTING) {
		x->body_bytes += bytes.len;
		why = spool_put(&x->spool, bytes);
		if (why)
			exchange_refuse(x, why == REASON_MEMORY_CONNECTION ? guard_starved(x->proxy) : why, 0, "no room to hold the content");
		return bytes.len;
	}
	return x->upstream ? stream(x, bytes) : 0;
}

/* The whole content is held: on to the filters that wanted it. */
static void judge_body(struct exchange *x)
{
	struct held *held = ARENA_NEW(&x->arena, struct held);

	x->held = true;
	x->holding = false;
	if (!held || !spool_close(&x->spool)) {
		exchange_refuse(x, guard_starved(x->proxy), 0, "the content cannot be held");
		return;
	}
	spool_held(&x->spool, held);
	for (unsigned i = 0; i < x->chain.n; i++)
		x->chain.visits[i].held = held;
	x->state = EXCHANGE_JUDGING;
	chain_gate(&x->chain, GATE_REQUEST_BODY);
}

void exchange_body_end(struct exchange *x)
{
	x->body_ended = true;
	if (x->own)
		return;
	if (x->state == EXCHANGE_COLLECTING)
		judge_body(x);
	else if (x->upstream)
		upstream_body_end(x->upstream);
}

void exchange_body_broken(struct exchange *x, enum reason why, const char *detail)
{
	x->failed = why;
	x->why = detail;
	if (x->status)
		break_off(x, why);
	else
		exchange_refuse(x, why, 0, detail);
}

/* ---- Asking an origin ---- */

/* What describes the content as it was in its coding: its digests would be wrong. */
static bool is_of_coding(const struct field *f)
{
	static const char *const names[] = {"content-md5", "content-digest", "repr-digest", "digest", NULL};

	if (f->id == FIELD_CONTENT_ENCODING)
		return true;
	for (unsigned i = 0; f->id == FIELD_OTHER && names[i]; i++)
		if (slice_is(f->name, names[i]))
			return true;
	return false;
}

/* What the filters declared of the content, once; not REASON_NONE: there is no room to hold it. */
static enum reason apply_content(struct exchange *x)
{
	struct facts *f = &x->facts;
	int fd = f->content_len ? f->content_fd : -1;

	for (uint32_t i = 0; f->content_identity && i < x->req.fields.n; i++)
		if (f->content_replaced ? is_of_coding(&x->req.fields.at[i]) : x->req.fields.at[i].id == FIELD_CONTENT_ENCODING)
			x->req.fields.at[i].hidden = 1;
	f->content_identity = false;
	if (!f->content_replaced)
		return REASON_NONE;
	f->content_replaced = false;
	return spool_replace(&x->spool, fd, f->content_len);
}

static void forward(struct exchange *x)
{
	enum reason why = apply_content(x);

	if (why) {
		exchange_refuse(x, why, 0, "no room to hold the content");
		return;
	}
	if (x->expecting)
		x->front->go_ahead(x);
	x->expecting = false;
	x->state = EXCHANGE_ASKING;
	if (!x->asked_us)
		x->asked_us = loop_us(x->proxy->loop);
	x->sent_offset = 0;
	x->tries++;
	upstream_open(x);
}

/* Held content goes out from the spool, at the origin's pace. */
static void pump_held(struct exchange *x)
{
	const struct upstream *to = x->upstream;
	char piece[16384];

	while (x->sent_offset < x->spool.len) {
		ssize_t n = spool_read(&x->spool, x->sent_offset, piece, sizeof piece);
		size_t taken = n > 0 ? upstream_body(x->upstream, slice_make(piece, (size_t)n)) : 0;

		/* Where it broke in there, another is asked by now, from the beginning; or nobody is. */
		if (!taken || x->upstream != to)
			return;
		x->sent_offset += taken;
	}
	if (x->sent_offset == x->spool.len)
		upstream_body_end(x->upstream);
}

void exchange_upstream_writable(struct exchange *x)
{
	if (x->held)
		pump_held(x);
	else if (!x->body_ended)
		x->front->want(x);
	else
		upstream_body_end(x->upstream);
}

static bool may_retry(const struct exchange *x, enum upstream_failure how)
{
	/* Once an answer has begun it is this origin's, also while nothing of it is out. */
	if (x->status || x->answer.phase != ANSWER_NONE || x->tries > (unsigned)x->site->origin->retries || x->sent_streamed)
		return false;
	return how == UPSTREAM_UNSENT || (how == UPSTREAM_UNANSWERED && http_method_idempotent(x->req.method));
}

void exchange_upstream_failed(struct exchange *x, enum reason why, const char *detail, enum upstream_failure how)
{
	x->upstream = NULL;
	x->failed = why;
	x->why = detail;
	if (x->status) {
		break_off(x, why);
	} else if (may_retry(x, how)) {
		metric_count(METRIC_ORIGIN_RETRIES);
		forward(x);
	} else {
		exchange_refuse(x, why, 0, detail);
	}
}

void exchange_writable(struct exchange *x)
{
	if (x->own || x->tunnel.closing)
		send_page(x);
	else if (!answer_writable(x) && x->upstream)
		upstream_resume(x->upstream);
}

void exchange_abort(struct exchange *x, enum reason why, const char *detail)
{
	if (!x->failed)
		x->failed = why;
	if (!x->why)
		x->why = detail;
	if (!x->status)
		x->status = (uint16_t)reason_status(why);
	/* An origin is at work until it has noticed. */
	if (x->upstream && x->work.group) {
		upstream_leave(x->upstream, x->work.group);
		x->upstream = NULL;
	}
	let_go(x);
}
