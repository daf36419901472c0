/* filter.c -- the WAF in the chain: one question per request, asked as late as its body needs, and what is
 * made of its answer.  What an origin answers is judged by filter_answer.c; both ask by question.c.
 *
 * A request without content to inspect is asked about at its head; another when
 * its content is whole, head and content in one message. */
#include "rules/filter_parts.h"

#include <unistd.h>

#include "gateway/base/metric.h"
#include "rules/admit.h"

static void note_uninspected(struct visit *v, const char *why)
{
	question_uninspected(v, false);
	note(v, "uninspected", "%s", why);
}

/* ---- From the answer to a verdict ---- */

static bool is_own_rule(const struct waf_hit *h)
{
	return h->rule >= WAF_RULE_FIRST && h->rule <= WAF_RULE_LAST;
}

static struct verdict deny(const struct visit *v, uint16_t status)
{
	const struct facts *f = v->facts;
	struct verdict deny = DENY(REASON_WAF_SCORE);

	/* A rule of the gateway's own stops the request before the score can: then the last hit is it. */
	if (f->waf_hits_n && is_own_rule(&f->waf_hits[f->waf_hits_n - 1]) && status != 403)
		deny.reason = status == 413 ? REASON_BODY_TOO_LARGE : REASON_BODY_INVALID;
	deny.status = status;
	return deny;
}

/* What detect mode would have done. */
static struct verdict detected(const struct visit *v)
{
	const struct rules_state *s = v->state;
	const struct facts *f = v->facts;
	struct verdict would = PASS;

	if (f->waf_score >= s->plan.threshold_request)
		would = DENY(REASON_WAF_SCORE);
	for (unsigned i = 0; i < f->waf_hits_n; i++)
		if (is_own_rule(&f->waf_hits[i]) && would.kind == VERDICT_PASS)
			would = DENY(REASON_BODY_INVALID);
	would.would = would.kind == VERDICT_DENY;
	return would;
}

/* The summing rules of CRS repeat what the others found. */
static bool sums_up(const struct waf_hit *h)
{
	return h->rule / 1000 == 949 || h->rule / 1000 == 959 || h->rule / 1000 == 980;
}

void note_worst(struct visit *v, unsigned from)
{
	const struct facts *f = v->facts;
	const struct waf_hit *worst = NULL;

	for (unsigned i = from; i < f->waf_hits_n; i++)
		if (!sums_up(&f->waf_hits[i]) && (!worst || f->waf_hits[i].severity < worst->severity))
			worst = &f->waf_hits[i];
	if (worst)
		note(v, "rule", "%u %.*s", worst->rule, SLICE_F(worst->message));
}

static struct verdict decide(struct visit *v)
{
	const struct rules_state *s = v->state;
	const struct asked *q = s->asked;
	struct verdict out;

	if (question_failed(v, q, &out))
		return out;
	note_worst(v, 0);
	if (s->plan.mode == POLICY_DETECT)
		return detected(v);
	if (q->result == WAF_DENY)
		return deny(v, q->status);
	/* What was inspected is what is sent: not the content in its coding, which an origin may read otherwise. */
	return s->coding == CODING_NONE || question_take_plain(v) ? PASS : question_unsure(v, false, REASON_WAF_LOST);
}

/* ---- Asking ---- */

/* The client has had its share of the inspectors' time.  Where nothing is refused nothing is inspected either:
 * the time is spent, whatever is made of the verdict. */
static bool is_over_budget(struct visit *v, struct verdict *out)
{
	struct rules_state *s = v->state;
	int64_t wait_s = v->facts->canary ? 0 : spending_wait_s(&conf_of(v)->spending, &v->facts->client, loop_us(v->run->loop));

	if (!wait_s)
		return false;
	metric_count(METRIC_WAF_SPENT);
	*out = DENY(REASON_WAF_BUDGET);
	out->retry_after_s = wait_s;
	out->would = s->plan.mode == POLICY_DETECT;
	if (out->would) {
		note_uninspected(v, "the client's share of inspection is used up");
		question_uninspected(v, s->answers);
		s->answers = false;
	}
	return true;
}

static struct verdict ask(struct visit *v, const struct held *held)
{
	struct verdict out;

	return is_over_budget(v, &out) ? out : question_ask(v, false, held, decide);
}

/* ---- The gates ---- */

static struct verdict refused(struct visit *v, const struct admission *a)
{
	const struct rules_state *s = v->state;
	struct verdict deny = DENY(a->reason);

	note(v, "content", "%s", a->why);
	if (a->by_entry)
		deny.by = s->plan.body_entry;
	return deny;
}

/* Which settings hold. */
static void note_at(struct visit *v)
{
	const struct rules_state *s = v->state;
	const struct policy_entry *by = &s->plan.at_entry;

	if (by->id.len)
		note(v, "at", "%.*s", SLICE_F(by->id));
	else
		note(v, "at", "line %u", by->line);
}

static struct verdict at_request(struct visit *v)
{
	struct rules_state *s = v->state;
	struct facts *f = v->facts;
	struct admission a;
	struct verdict over;

	if (!f->policy || !f->policy_ran)
		return PASS;
	if (!policy_waf_plan(&f->policy_run, conf_of(v)->body_max, &s->plan))
		return DENY(REASON_POLICY_MEMORY);
	a = f->grpc ? admit_call(v->req, &s->plan) : admit(v->req, &s->plan);
	if (a.refuse)
		return refused(v, &a);
	/* Content of unknown length meets the bound while it is collected. */
	if ((s->plan.body_by_entry || (a.inspect && s->plan.mode == POLICY_ENFORCE)) && s->plan.body_max < f->body_max)
		f->body_max = s->plan.body_max;
	if (s->plan.by_at)
		note_at(v);
	f->waf_off = s->plan.mode == POLICY_OFF;
	if (f->waf_off)
		return PASS;
	if (!conf_of(v)->pool)
		return question_unsure(v, false, REASON_WAF_LOST);
	answer_prepare(v);
	if (a.unseen)
		note_uninspected(v, a.unseen);
	s->type_listed = a.listed;
	if (!a.content || !a.inspect)
		return ask(v, NULL);
	/* Who may not ask need not send his content first. */
	if (is_over_budget(v, &over))
		return over;
	s->hold = true;
	s->coding = a.coding != CODING_OTHER ? a.coding : CODING_NONE;
	f->content_identity = s->plan.mode == POLICY_ENFORCE && a.coding == CODING_NONE;
	return PASS;
}

static struct verdict at_body(struct visit *v)
{
	const struct rules_state *s = v->state;

	if (!s->hold)
		return PASS;
	if (v->held->len > s->plan.body_max) {
		note_uninspected(v, "longer than may be inspected");
		return ask(v, NULL);
	}
	return ask(v, v->held->len ? v->held : NULL);
}

static enum body_use body(const struct visit *v)
{
	const struct rules_state *s = v->state;

	return s->hold ? BODY_HELD : BODY_UNSEEN;
}

static void leave(struct visit *v)
{
	struct rules_state *s = v->state;

	question_forget(&s->asked);
	question_forget(&s->answer_asked);
	if (v->facts->content_replaced && v->facts->content_len && v->facts->content_fd >= 0)
		close(v->facts->content_fd);
}

const struct filter rules_filter = {
	.name = "waf",
	.state_size = sizeof(struct rules_state),
	.at = {[GATE_REQUEST] = at_request,
	       [GATE_REQUEST_BODY] = at_body,
	       [GATE_RESPONSE] = answer_at_head,
	       [GATE_RESPONSE_BODY] = answer_at_body},
	.body = body,
	.answer = answer_use,
	.leave = leave,
};
