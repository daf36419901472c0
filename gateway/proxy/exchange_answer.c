/* exchange_answer.c -- the origin's answer: judged, held, copied or streamed, and let out.
 *
 * Until the filters have passed what they hold, nothing of an answer is with the front: a
 * refusal then leaves as a page of our own, and no byte of the origin's with it. */
#include "gateway/proxy/exchange_parts.h"

#include "gateway/base/fail.h"
#include "gateway/base/text.h"
#include "gateway/proxy/conceal.h"
#include "gateway/proxy/grpc.h"
#include "gateway/proxy/guard.h"
#include "gateway/proxy/reply.h"
#include "gateway/proxy/upstream.h"

enum {
	INFORMATIONAL_MAX = 16,
	PIECE = 16384,
	TURN_BYTES = 256 << 10, /* of what was held, before others have their turn */
};

/* ---- Letting out ---- */

/* Whoever passes an answer on says when it came, if the origin has not (RFC 9110 section 6.6.1). */
static void date(struct exchange *x)
{
	struct slice now;

	if (fields_find(&x->response.fields, FIELD_DATE))
		return;
	now = reply_date(x);
	if (now.at)
		fields_add(&x->response.fields, &x->arena, field_name_text(FIELD_DATE), now);
}

static void send_head(struct exchange *x)
{
	const struct response *r = &x->response;
	enum http_body body = r->body;

	x->status = r->status;
	x->state = EXCHANGE_ANSWERING;
	x->answer.phase = ANSWER_FLOWS;
	/* A length is passed on also where no content follows: an empty answer, HEAD, 304. */
	if (body == HTTP_BODY_NONE && r->has_length && r->status != 204)
		body = HTTP_BODY_LENGTH;
	else if (x->req.head && !r->has_length && r->status != 204 && r->status != 304)
		body = HTTP_BODY_CHUNKED;
	date(x);
	x->front->head(x, r->status, &r->fields, &x->facts.client_fields, body, r->content_length);
}

/* Whatever the origin still has to say may come now.  Not while its own call is on the stack: it goes on
 * by itself then. */
static void let_flow(struct exchange *x)
{
	if (x->answer.ended && !x->chain.running)
		exchange_finish(x, true);
	else if (x->upstream && !x->answer.inside)
		upstream_resume(x->upstream);
}

static void send_held(struct exchange *x)
{
	struct answer *a = &x->answer;
	char piece[PIECE];

	for (size_t turn = 0; a->sent < a->copy.len;) {
		ssize_t n = spool_read(&a->copy, a->sent, piece, sizeof piece);
		size_t taken = n > 0 ? x->front->body(x, slice_make(piece, (size_t)n)) : 0;

		if (n <= 0) {
			exchange_finish(x, false);
			return;
		}
		a->sent += taken;
		x->sent_bytes += taken;
		turn += taken;
		if (taken < (size_t)n)
			return;
		/* A client that is faster than we are would never let the loop turn. */
		if (turn >= TURN_BYTES && a->sent < a->copy.len) {
			task_start(x->proxy->loop, &a->more);
			return;
		}
	}
	spool_done(&a->copy);
	a->phase = ANSWER_FLOWS;
	let_flow(x);
}

static void send_more(struct task *t)
{
	struct exchange *x = LIST_OF(t, struct exchange, answer.more);

	if (x->answer.phase == ANSWER_OWED)
		send_held(x);
}

bool answer_writable(struct exchange *x)
{
	if (x->answer.phase != ANSWER_OWED)
		return false;
	send_held(x);
	return true;
}

void answer_init(struct exchange *x)
{
	spool_init(&x->answer.copy, &x->budget, &x->proxy->spool);
	task_init(&x->answer.more, send_more);
}

void answer_stop(struct exchange *x)
{
	x->answer.phase = ANSWER_NONE;
	task_stop(&x->answer.more);
}

/* Where answers are judged, what the filters never see is not passed on, as with informational ones; but of a call of
 * gRPC its site lets pass what is not seen, and its trailers are what it is about. */
static void settle_trailers(struct exchange *x)
{
	if ((x->facts.answer_judged && !x->facts.grpc) || !conceal_trailers(x))
		x->response.trailers.n = 0;
	if (x->facts.grpc && !x->own)
		grpc_settle(x);
}

const struct fields *exchange_trailers(const struct exchange *x)
{
	const struct fields *f = &x->response.trailers;

	for (uint32_t i = 0; !x->own && i < f->n; i++)
		if (!f->at[i].hidden)
			return f;
	return NULL;
}

/* ---- The gates ---- */

static void walk(struct exchange *x, enum gate gate)
{
	x->answer.inside = true;
	chain_gate(&x->chain, gate);
	x->answer.inside = false;
}

/* A copy that cannot be made is no reason to cut what goes on without it.  While more comes, the origin's own call is
 * on the stack, and goes on by itself. */
static void cannot_hold(struct exchange *x, enum reason why)
{
	if (x->answer.use == BODY_HELD)
		exchange_refuse(x, why == REASON_MEMORY_CONNECTION ? guard_starved(x->proxy) : why, 503, "no room to hold the answer");
	else if (x->answer.ended)
		let_flow(x);
}

/* What is held or copied goes before the filters: all of it, or as much as they wanted (`cut`). */
static void judge_content(struct exchange *x, bool cut)
{
	struct held *held = ARENA_NEW(&x->arena, struct held);

	x->answer.judged = true;
	if (x->answer.phase == ANSWER_HELD)
		x->answer.phase = ANSWER_JUDGED;
	if (!held || !spool_close(&x->answer.copy)) {
		cannot_hold(x, REASON_MEMORY_CONNECTION);
		return;
	}
	spool_held(&x->answer.copy, held);
	held->cut = cut;
	for (unsigned i = 0; i < x->chain.n; i++)
		x->chain.visits[i].held = held;
	walk(x, GATE_RESPONSE_BODY);
}

/* The status is the origin's, all else our own.  When to come again tells nothing of it. */
static void replace_fault(struct exchange *x)
{
	const struct field *after = fields_find(&x->response.fields, FIELD_RETRY_AFTER);
	struct verdict v = DENY(REASON_NONE);
	uint64_t seconds;

	v.status = x->response.status;
	if (after && text_uint(after->value, &seconds) && seconds <= INT32_MAX)
		v.retry_after_s = (int64_t)seconds;
	x->why = "the origin's own page is kept from the client";
	exchange_answer(x, &v);
}

/* The head has passed: how the filters use the content decides how it goes on. */
static void begin_content(struct exchange *x)
{
	struct answer *a = &x->answer;

	if (conceal_is_fault(x)) {
		replace_fault(x);
		return;
	}
	if (x->response.status == 101) {
		tunnel_open(x);
		let_flow(x);
		return;
	}
	a->use = x->response.body == HTTP_BODY_NONE ? BODY_UNSEEN : chain_answer(&x->chain);
	if (a->use == BODY_HELD) {
		x->state = EXCHANGE_WITHHOLDING;
		a->phase = ANSWER_HELD;
	} else {
		send_head(x);
	}
	/* Content of no bytes may have ended while the head was judged: nobody would say so again. */
	if (a->ended && a->use != BODY_UNSEEN)
		judge_content(x, false);
	else
		let_flow(x);
}

void answer_go_on(struct exchange *x)
{
	bool stop = x->chain.record.deciding >= 0;

	/* The client's content may have waited for the WAF's lines. */
	if (!stop && x->upstream && !x->body_ended)
		x->front->want(x);
	if (stop && x->status) {
		exchange_finish(x, false);
	} else if (stop) {
		exchange_answer(x, &x->chain.verdict);
	} else if (x->chain.gate == GATE_RESPONSE) {
		begin_content(x);
	} else if (x->answer.use == BODY_HELD) {
		send_head(x);
		x->answer.phase = ANSWER_OWED;
		send_held(x);
	} else {
		let_flow(x);
	}
}

/* ---- The origin's side ---- */

static bool informational(struct exchange *x)
{
	const struct response *r = &x->response;

	if (++x->informational > INFORMATIONAL_MAX) {
		upstream_abandon(x->upstream);
		exchange_upstream_failed(x, REASON_ORIGIN_BROKEN, "too many informational answers", UPSTREAM_CUT);
		return false;
	}
	/* 100 was ours to say; the others are passed on to who can read them, where nobody judges what they say. */
	if (r->status != 100 && x->req.minor > 0 && !x->facts.answer_judged && conceal_answer(x))
		x->front->head(x, r->status, &r->fields, NULL, HTTP_BODY_NONE, 0);
	return true;
}

bool exchange_response(struct exchange *x)
{
	if (x->response.status < 200 && x->response.status != 101)
		return informational(x);
	if (!conceal_answer(x)) {
		exchange_refuse(x, guard_starved(x->proxy), 503, NULL);
		return false;
	}
	if (x->facts.grpc && !grpc_heard(x)) {
		exchange_refuse(x, REASON_ORIGIN_BROKEN, 0, "the origin sent two grpc-status, or none");
		return false;
	}
	if (tunnel_is_feigned(x)) {
		exchange_refuse(x, REASON_ORIGIN_BROKEN, 0, "the origin answered a handshake as if it were none");
		return false;
	}
	x->failed = REASON_NONE;
	x->why = NULL;
	x->head_us = loop_us(x->proxy->loop);
	x->state = EXCHANGE_WITHHOLDING;
	x->answer.phase = ANSWER_JUDGED;
	for (unsigned i = 0; i < x->chain.n; i++)
		x->chain.visits[i].response = &x->response;
	walk(x, GATE_RESPONSE);
	return x->upstream != NULL;
}

/* Up to the bound of what is wanted; what comes beyond is the filters' to judge. */
static size_t keep(struct exchange *x, struct slice bytes)
{
	uint64_t room = x->facts.answer_max - x->answer.copy.len;
	size_t n = bytes.len < room ? bytes.len : (size_t)room;

	enum reason why = n ? spool_put(&x->answer.copy, slice_first(bytes, n)) : REASON_NONE;

	if (why && x->answer.use == BODY_HELD)
		cannot_hold(x, why);
	else if (why || n < bytes.len)
		judge_content(x, true);
	return n;
}

static size_t pass_on(struct exchange *x, struct slice bytes)
{
	size_t taken = x->front->body(x, bytes);

	x->sent_bytes += taken;
	if (x->tunnel.open && taken)
		tunnel_passed(x, slice_first(bytes, taken));
	if (x->answer.use == BODY_STREAMED && !x->answer.judged && taken)
		keep(x, slice_first(bytes, taken));
	return taken;
}

size_t exchange_response_body(struct exchange *x, struct slice bytes)
{
	size_t taken = 0;

	if (x->answer.phase == ANSWER_HELD)
		taken = keep(x, bytes);
	if (x->upstream && x->answer.phase == ANSWER_FLOWS && taken < bytes.len)
		taken += pass_on(x, slice_after(bytes, taken));
	/* Where the exchange has ended in here, the connection's buffer is gone too. */
	return x->upstream ? taken : 0;
}

void exchange_response_end(struct exchange *x)
{
	struct answer *a = &x->answer;

	x->upstream = NULL;
	a->ended = true;
	settle_trailers(x);
	if (a->phase == ANSWER_HELD || (a->phase == ANSWER_FLOWS && a->use == BODY_STREAMED && !a->judged))
		judge_content(x, false);
	else if (a->phase == ANSWER_FLOWS)
		let_flow(x);
}
