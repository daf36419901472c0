/* judge.c -- one job, judged: from the message's form to the engine's, and back. */
#include "rules/body.h"
#include "rules/coding.h"
#include "rules/engine.h"
#include "rules/redact.h"

#include <stdio.h>

/* What body_check found is told as a rule of ours, beside the 200002 of unparsable bodies. */
enum { RULE_BODY_FORM = WAF_RULE_BODY };
/* Of cookies and fields of the query that the engine is shown anew; what is more is refused as too many arguments. */
enum { HEAD_EXTRAS_MOST = 2000 };

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

/* A fault of the content, told as a rule's hit.  True when the answer is complete: the engine does not see it. */
static bool refuse_body(const struct waf_job *job, const char *why, size_t at, unsigned status, struct collect *c)
{
	struct modsec_hit h = {.rule = RULE_BODY_FORM, .phase = 2, .severity = 2, .tag = SLICE("attack-protocol"),
			       .message = slice_of(why)};
	char data[64];

	snprintf(data, sizeof data, "at byte %zu of %llu", at, (unsigned long long)job->body_len);
	h.data = slice_of(data);
	collect(c, &h);
	if (job->mode == WAF_DETECT)
		return false;
	c->answer->result = WAF_DENY;
	c->answer->status = (uint16_t)status;
	return true;
}

/* What the engine is shown: the request as it is sent on. */
struct view {
	struct media media;
	struct slice body; /* decoded */
	bool decoded;
	struct body_look look;
};

/* True when the answer is complete. */
static bool undo_coding(const struct waf_job *job, struct view *v, struct collect *c)
{
	static const struct {
		const char *why;
		unsigned status;
	} ends[] = {
		[CODING_BROKEN] = {"content that is not in the coding that it names", 400},
		[CODING_TOO_MUCH] = {"content that becomes more than may be inspected, or more than twenty times as long", 413},
		[CODING_STARVED] = {"content that there is no memory to decode", 413},
	};
	char *room = arena_take(c->arena, job->plain_most + 1);
	size_t len = 0;
	enum coding_end end = CODING_STARVED;

	if (room)
		end = coding_undo((enum media_coding)job->coding, v->body, room, job->plain_most, &len);
	v->decoded = end == CODING_DONE;
	/* Where nothing is stopped the rules see as much as there is. */
	v->body = slice_make(room, room && len < job->plain_most ? len : room ? job->plain_most : 0);
	return end != CODING_DONE && refuse_body(job, ends[end].why, 0, ends[end].status, c);
}

/* True when the answer is complete: the body is refused before the engine sees it. */
static bool check_body(const struct engine *e, const struct waf_job *job, struct view *v, struct collect *c)
{
	const struct plan_ruleset *set = &e->plan.rulesets[job->ruleset];
	struct body_limits limits = {set->arguments, set->json_depth, set->parts};
	struct body_fault f;

	if (job->coding && undo_coding(job, v, c))
		return true;
	f = body_check(&v->media, v->body, &limits, &e->seed, &v->look);
	return f.why && refuse_body(job, f.why, f.at, f.too_much ? 413 : 400, c);
}

static struct modsec_field *copy_fields(const struct fields *from, struct arena *a)
{
	struct modsec_field *fields = ARENA_ARRAY(a, struct modsec_field, from->n + 1);

	for (uint32_t i = 0; fields && i < from->n; i++)
		fields[i] = (struct modsec_field){from->at[i].name, from->at[i].value};
	return fields;
}

/* Content-Type as the rules know how to read it: UTF-8 has spellings that mean nothing else, and a boundary in quotes,
 * which the engine calls an error, is the same boundary. */
static struct slice spelt_out(struct slice type, const struct media *m, struct arena *a)
{
	struct slice charset = media_charset_alias(m) ? SLICE("utf-8") : m->charset;
	size_t before = (size_t)(m->charset.at - type.at);

	if (m->kind == MEDIA_MULTIPART)
		return arena_print(a, "%.*s; boundary=%.*s%s%.*s", SLICE_F(m->type), SLICE_F(m->boundary), charset.len ? "; charset=" : "",
				   SLICE_F(charset));
	return charset.at == m->charset.at ? type :
					     arena_print(a, "%.*s%.*s%.*s", (int)before, type.at, SLICE_F(charset),
							 SLICE_F(slice_after(type, before + m->charset.len)));
}

/* The fields that go with what is sent on: without a coding that was undone, with the length that is true then. */
static bool adapt_fields(const struct waf_job *job, const struct view *v, struct arena *a, struct modsec_request *req)
{
	struct modsec_field *fields = copy_fields(&job->fields, a);
	bool plain = v->decoded || (job->with_body && media_coding(&job->fields) == CODING_NONE);
	unsigned n = 0;

	if (!fields)
		return false;
	for (uint32_t i = 0; i < job->fields.n; i++) {
		const struct field *f = &job->fields.at[i];

		if (plain && f->id == FIELD_CONTENT_ENCODING)
			continue;
		fields[n] = (struct modsec_field){f->name, f->value};
		if (v->decoded && f->id == FIELD_CONTENT_LENGTH)
			fields[n].value = arena_print(a, "%zu", v->body.len);
		else if (f->id == FIELD_CONTENT_TYPE && v->media.kind != MEDIA_BAD)
			fields[n].value = spelt_out(f->value, &v->media, a);
		if (!fields[n].value.at && f->value.at)
			return false;
		n++;
	}
	req->fields = fields;
	req->fields_n = n;
	return true;
}

static bool fill_exclusions(const struct waf_job *job, struct arena *a, struct modsec_request *req)
{
	struct modsec_exclusion *exclusions = ARENA_ARRAY(a, struct modsec_exclusion, job->exclusions_n + 1);

	if (!exclusions)
		return false;
	for (uint32_t i = 0; i < job->exclusions_n; i++)
		exclusions[i] = (struct modsec_exclusion){job->exclusions[i].rule, job->exclusions[i].tag, job->exclusions[i].target};
	req->exclusions = exclusions;
	req->exclusions_n = job->exclusions_n;
	return true;
}

/* Types that the rule set's list may not know: policy names it, or it is JSON or XML, read here to the letter. */
static const char *accepted_type(const struct waf_job *job, const struct media *m, struct arena *a)
{
	struct slice type;

	if (!m->type.len || !(job->type_listed || m->kind == MEDIA_JSON || m->kind == MEDIA_XML))
		return NULL;
	type = arena_copy(a, m->type);
	for (size_t i = 0; type.at && i < type.len; i++)
		((char *)(uintptr_t)type.at)[i] = ascii_lower(type.at[i]);
	return type.at;
}

/* `client` has ADDR_TEXT bytes. */
static bool fill_request(const struct waf_job *job, struct view *v, struct arena *a, char *client,
			 struct modsec_request *req)
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
		.with_body = job->with_body,
		.body = v->body,
		.reading = v->look.reading,
		.type_accepted = accepted_type(job, &v->media, a),
	};
	addr_text(&job->client, client);
	if (slice_find(job->target, '?') < job->target.len)
		extras_add_form(&v->look.extras, slice_after(job->target, slice_find(job->target, '?') + 1));
	extras_add_cookies(&v->look.extras, &job->fields);
	req->extras = v->look.extras.at;
	req->extras_n = v->look.extras.n;
	return req->server_name && req->id && req->method && req->target && !v->look.extras.starved &&
	       fill_exclusions(job, a, req) && adapt_fields(job, v, a, req);
}

static struct view view_of(const struct waf_job *job, struct slice body, struct arena *a)
{
	return (struct view){.media = media_of(&job->fields), .body = body,
			     .look = {.files = job->files, .extras = {.arena = a, .most = HEAD_EXTRAS_MOST}}};
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
		     struct waf_answer *out, struct modsec_kept **kept, struct slice *plain)
{
	struct collect c = {a, out};
	struct view v = view_of(job, body, a);
	struct modsec_verdict verdict;
	char client[ADDR_TEXT];
	struct modsec_request req;
	bool judged;

	out->result = WAF_ALLOW;
	out->plain = false;
	if (job->with_body && check_body(e, job, &v, &c))
		return true;
	v.look.extras.most += HEAD_EXTRAS_MOST;
	if (!fill_request(job, &v, a, client, &req))
		return false;
	judged = kept ? modsec_judge_kept(e->modsec, &req, &verdict, collect, &c, kept) :
			modsec_judge(e->modsec, &req, &verdict, collect, &c);
	if (judged)
		take_verdict(out, &verdict);
	out->plain = judged && v.decoded && out->result == WAF_ALLOW && job->mode == WAF_ENFORCE;
	out->plain_len = out->plain ? v.body.len : 0;
	*plain = v.body;
	return judged;
}

/* ---- Answers ---- */

/* The request's head once more, for what the rules remember of it: it was let through, and its hits were told. */
static bool run_again(const struct engine *e, const struct waf_job *job, struct arena *a, struct modsec_kept **kept)
{
	struct view v = view_of(job, SLICE_NONE, a);
	struct modsec_verdict verdict;
	struct modsec_request req;
	char client[ADDR_TEXT];

	if (!fill_request(job, &v, a, client, &req))
		return false;
	req.with_body = false;
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
