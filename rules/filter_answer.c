/* filter_answer.c -- the WAF and the origin's answer: one question, asked as late as its content needs.
 *
 * Where answers are enforced nothing of one leaves before its verdict: its head waits,
 * its content is held up to the policy's bound.  What the engine cannot read (longer, a
 * range, in a coding) is refused or declared uninspected, as the policy says. */
#include "rules/filter_parts.h"

#include "rules/media.h"

void answer_prepare(struct visit *v)
{
	struct rules_state *s = v->state;

	s->answers = s->plan.responses.mode != POLICY_OFF;
	v->facts->answer_judged = s->answers;
	v->facts->answer_plain = s->answers && s->plan.responses.body;
}

void answer_fill_job(const struct visit *v, struct asked *q, struct waf_job *job)
{
	const struct rules_state *s = v->state;

	job->mode = s->plan.responses.mode == POLICY_DETECT ? WAF_DETECT : WAF_ENFORCE;
	job->keep = false;
	job->answering = true;
	job->kept = s->kept;
	q->ask.keeper = s->keeper;
	job->status = v->response->status;
	job->status_minor = v->response->minor;
	job->answer = v->response->fields;
}

/* ---- From the answer to a verdict ---- */

static bool is_over(const struct visit *v)
{
	const struct rules_state *s = v->state;

	return v->facts->waf_answer_score >= s->plan.threshold_response;
}

void answer_note(struct visit *v, const struct waf_answer *answer)
{
	const struct rules_state *s = v->state;

	note_worst(v, s->request_hits);
	if (answer->again)
		note(v, "again", s->hold ? "the request's head, without its content" : "the request's head");
}

static struct verdict decide(struct visit *v)
{
	const struct rules_state *s = v->state;
	const struct asked *q = s->answer_asked;
	struct verdict out;

	if (question_failed(v, q, &out))
		return out;
	if (s->plan.responses.mode == POLICY_DETECT) {
		out = is_over(v) ? DENY(REASON_WAF_ANSWER) : PASS;
		out.would = is_over(v);
		return out;
	}
	if (q->result != WAF_DENY)
		return PASS;
	out = DENY(REASON_WAF_ANSWER);
	out.status = q->status;
	return out;
}

/* ---- What of the content can be read ---- */

/* Letters of more than one byte that are not UTF-8: the rules would see nothing they know. */
static bool is_wide(struct slice charset)
{
	static const char *const wide[] = {"utf-16", "utf-32", "utf-7", "ucs-", "iso-10646", "utf16", "utf32"};

	for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
		struct slice begin = slice_of(wide[i]);

		if (charset.len >= begin.len && slice_ieq(slice_first(charset, begin.len), begin))
			return true;
	}
	return false;
}

/* NULL, or why the engine could not make sense of it. */
static const char *unreadable(const struct response *r, const struct media *m)
{
	if (media_coding(&r->fields) != CODING_NONE)
		return "the answer: in a coding";
	return is_wide(m->charset) ? "the answer: in a charset the rules cannot read" : NULL;
}

static bool refuses_unseen(const struct rules_state *s)
{
	return s->plan.responses.beyond_block && s->plan.responses.mode == POLICY_ENFORCE;
}

static struct verdict refuse_unseen(struct visit *v, const char *why)
{
	note(v, "answer", "%s", why);
	return DENY(REASON_ANSWER_UNSEEN);
}

/* ---- The gates ---- */

/* Where nobody waits, an answer may be here while its request is still before the rules: the transaction is worth
 * the record's patience. */
static struct verdict ask(struct visit *v, const struct held *held)
{
	struct rules_state *s = v->state;

	if (!s->asked || !s->asked->pending || question_waits(v, s->plan.responses.mode))
		return question_ask(v, true, held, decide);
	s->postponed = true;
	s->postponed_held = held;
	background_begin(v);
	return PASS;
}

void answer_catch_up(struct visit *v)
{
	struct rules_state *s = v->state;

	if (!s->postponed)
		return;
	s->postponed = false;
	if (question_ask(v, true, s->postponed_held, decide).kind == VERDICT_UNSURE)
		note(v, "uninspected", "the answer: the inspection queue is full");
	background_done(v);
}

static void pass_unseen(struct visit *v, const char *why)
{
	question_uninspected(v, true);
	note(v, "uninspected", "%s", why);
}

/* Nobody reads what goes through a tunnel, either way. */
static void pass_tunnel(struct visit *v)
{
	const struct rules_state *s = v->state;

	question_uninspected(v, false);
	if (s->answers)
		question_uninspected(v, true);
	note(v, "uninspected", "what follows the upgrade");
}

/* There is content, and the policy wants it looked at: hold or copy it for the body gate, as far as it goes. */
static struct verdict look_at_content(struct visit *v, const struct media *m)
{
	struct rules_state *s = v->state;
	const struct policy_responses *plan = &s->plan.responses;
	const struct response *r = v->response;
	const char *why = unreadable(r, m);

	if (refuses_unseen(s)) {
		if (!why && r->status == 206)
			why = "the answer: a range of something longer";
		if (!why && r->body == HTTP_BODY_LENGTH && r->content_length > plan->max)
			why = "the answer: longer than may be inspected";
		if (why)
			return refuse_unseen(v, why);
	}
	if (why) {
		pass_unseen(v, why);
		return ask(v, NULL);
	}
	if (r->status == 206)
		pass_unseen(v, "the answer: all but a range of it");
	s->answer_use = question_waits(v, plan->mode) ? BODY_HELD : BODY_STREAMED;
	v->facts->answer_max = plan->max;
	return PASS;
}

/* Only what says that it is: the client alone has made a call of the request, and whoever answers may be no server
 * of gRPC. */
static bool is_message(const struct media *m)
{
	static const struct slice grpc = {"application/grpc", 16};

	if (m->kind == MEDIA_BAD || m->type.len < grpc.len || !slice_ieq(slice_first(m->type, grpc.len), grpc))
		return false;
	return m->type.len == grpc.len || m->type.at[grpc.len] == '+';
}

struct verdict answer_at_head(struct visit *v)
{
	struct rules_state *s = v->state;
	const struct policy_responses *plan = &s->plan.responses;
	struct media m;

	if (v->response->status == 101 && v->facts->policy_ran && !v->facts->waf_off)
		pass_tunnel(v);
	if (!s->answers)
		return PASS;
	if (v->response->body == HTTP_BODY_NONE || !plan->body)
		return ask(v, NULL);
	m = media_of(&v->response->fields);
	if (v->facts->grpc && is_message(&m)) {
		pass_unseen(v, "the answer: messages of gRPC");
		return ask(v, NULL);
	}
	/* Without a type that can be read a browser guesses, and may guess that it is a page. */
	if (m.kind == MEDIA_NONE || m.kind == MEDIA_BAD || media_listed(&m, plan->types))
		return look_at_content(v, &m);
	pass_unseen(v, "the answer: content of a type that is not listed");
	return ask(v, NULL);
}

struct verdict answer_at_body(struct visit *v)
{
	const struct rules_state *s = v->state;

	if (s->answer_use == BODY_UNSEEN)
		return PASS;
	if (v->held->cut && refuses_unseen(s))
		return refuse_unseen(v, "the answer: longer than may be inspected");
	if (v->held->cut) {
		question_uninspected(v, true);
		note(v, "uninspected", "the answer: what follows its first %llu bytes", (unsigned long long)v->held->len);
	}
	return ask(v, v->held->len ? v->held : NULL);
}

enum body_use answer_use(const struct visit *v)
{
	const struct rules_state *s = v->state;

	return s->answer_use;
}
