/* judge.c -- one job, judged: from the message's form to the engine's, and back. */
#include "rules/body.h"
#include "rules/engine.h"
#include "rules/redact.h"

#include <stdio.h>

/* What body_check found is told as a rule of ours, beside the 200002 of unparsable bodies. */
enum { RULE_BODY_FORM = WAF_RULE_BODY };

struct collect {
	struct arena *arena;
	struct waf_answer *answer;
};

static struct slice keep(struct arena *a, struct slice s)
{
	return arena_copy(a, s.len > WAF_TEXT ? slice_first(s, WAF_TEXT) : s);
}

static void collect(void *context, const struct modsec_hit *h)
{
	struct collect *c = context;
	struct waf_answer *a = c->answer;
	struct waf_hit *into;

	/* The last one sums up and says why: it is never the one left out. */
	if (a->hits_n == WAF_HITS) {
		a->hits_cut++;
		into = &a->hits[WAF_HITS - 1];
	} else {
		into = &a->hits[a->hits_n++];
	}
	*into = (struct waf_hit){h->rule, (uint8_t)h->phase, (uint8_t)h->severity, keep(c->arena, h->message),
				 redact(c->arena, h->data, h->variable, WAF_TEXT), keep(c->arena, h->tag)};
}

/* True when the answer is complete: the body is refused before the engine sees it. */
static bool check_body(const struct engine *e, const struct waf_job *job, struct slice body, struct collect *c)
{
	const struct plan_ruleset *set = &e->plan.rulesets[job->ruleset];
	struct body_limits limits = {set->arguments, set->json_depth, set->parts};
	struct media m = media_of(&job->fields);
	struct body_fault f = body_check(&m, body, &limits, &e->seed);
	struct modsec_hit h = {.rule = RULE_BODY_FORM, .phase = 2, .severity = 2, .tag = SLICE("attack-protocol")};
	char data[64];

	if (!f.why)
		return false;
	snprintf(data, sizeof data, "at byte %zu of %zu", f.at, body.len);
	h.message = slice_of(f.why);
	h.data = slice_of(data);
	collect(c, &h);
	if (job->mode == WAF_DETECT)
		return false;
	c->answer->result = WAF_DENY;
	c->answer->status = f.too_much ? 413 : 400;
	return true;
}

static struct modsec_field *copy_fields(const struct fields *from, struct arena *a)
{
	struct modsec_field *fields = ARENA_ARRAY(a, struct modsec_field, from->n + 1);

	for (uint32_t i = 0; fields && i < from->n; i++)
		fields[i] = (struct modsec_field){from->at[i].name, from->at[i].value};
	return fields;
}

static bool fill_lists(const struct waf_job *job, struct arena *a, struct modsec_request *req)
{
	struct modsec_field *fields = copy_fields(&job->fields, a);
	struct modsec_exclusion *exclusions = ARENA_ARRAY(a, struct modsec_exclusion, job->exclusions_n + 1);

	if (!fields || !exclusions)
		return false;
	for (uint32_t i = 0; i < job->exclusions_n; i++)
		exclusions[i] = (struct modsec_exclusion){job->exclusions[i].rule, job->exclusions[i].tag, job->exclusions[i].target};
	req->fields = fields;
	req->fields_n = job->fields.n;
	req->exclusions = exclusions;
	req->exclusions_n = job->exclusions_n;
	return true;
}

/* All but the content.  `client` has ADDR_TEXT bytes. */
static bool fill_request(const struct waf_job *job, struct arena *a, char *client, struct modsec_request *req)
{
	*req = (struct modsec_request){
		.ruleset = job->ruleset,
		.detect = job->mode == WAF_DETECT,
		.paranoia = job->paranoia,
		.detection_paranoia = job->detection_paranoia,
		.threshold_request = job->threshold_request,
		.threshold_response = job->threshold_response,
		.client = client,
		.client_port = job->client_port,
		.server_port = job->server_port,
		.server_name = arena_copy(a, job->server_name).at,
		.id = arena_copy(a, job->id).at,
		.method = arena_copy(a, job->method).at,
		.target = arena_copy(a, job->target).at,
		.version = job->minor == 0 ? "1.0" : "1.1",
	};
	addr_text(&job->client, client);
	return req->server_name && req->id && req->method && req->target && fill_lists(job, a, req);
}

static void take_verdict(struct waf_answer *out, const struct modsec_verdict *verdict)
{
	out->score = verdict->score;
	if (verdict->deny) {
		out->result = WAF_DENY;
		out->status = (uint16_t)verdict->status;
	}
}

bool inspector_judge(const struct engine *e, const struct waf_job *job, struct slice body, struct arena *a,
		     struct waf_answer *out, struct modsec_kept **kept)
{
	struct collect c = {a, out};
	struct modsec_verdict verdict;
	char client[ADDR_TEXT];
	struct modsec_request req;
	bool judged;

	out->result = WAF_ALLOW;
	if (!fill_request(job, a, client, &req))
		return false;
	req.with_body = job->with_body;
	req.body = body;
	if (job->with_body && check_body(e, job, body, &c))
		return true;
	judged = kept ? modsec_judge_kept(e->modsec, &req, &verdict, collect, &c, kept) :
			modsec_judge(e->modsec, &req, &verdict, collect, &c);
	if (judged)
		take_verdict(out, &verdict);
	return judged;
}

/* ---- Answers ---- */

/* The request's head once more, for what the rules remember of it: it was let through, and its hits were told. */
static bool run_again(const struct engine *e, const struct waf_job *job, struct arena *a, struct modsec_kept **kept)
{
	struct modsec_verdict verdict;
	struct modsec_request req;
	char client[ADDR_TEXT];

	if (!fill_request(job, a, client, &req))
		return false;
	req.detect = true;
	return modsec_judge_kept(e->modsec, &req, &verdict, NULL, NULL, kept);
}

bool inspector_judge_answer(const struct engine *e, struct modsec_kept *kept, const struct waf_job *job, struct slice body,
			    struct arena *a, struct waf_answer *out)
{
	struct collect c = {a, out};
	struct modsec_verdict verdict;
	struct modsec_answer answer = {
		.detect = job->mode == WAF_DETECT,
		.status = job->status,
		.version = job->status_minor == 0 ? "1.0" : "1.1",
		.fields = copy_fields(&job->answer, a),
		.fields_n = job->answer.n,
		.body = body,
	};
	bool judged;

	out->result = WAF_ALLOW;
	out->again = !kept;
	judged = answer.fields && (kept || run_again(e, job, a, &kept)) &&
		 modsec_judge_answer(kept, &answer, &verdict, collect, &c);
	if (judged)
		take_verdict(out, &verdict);
	modsec_drop(kept);
	return judged;
}
