/* waf.c -- packing and unpacking of inspection messages.
 *
 * Fixed-width numbers in the machine's order (both ends are this machine), runs
 * of bytes behind their length.  A reader that runs past the end turns bad and
 * stays bad, so that an unpacker checks once, at its end.  What is out of bounds
 * is refused, never cut to fit. */
#include "rules/waf.h"

#include "rules/media.h"

enum { JOB_MAGIC = 0x4a574634, ANSWER_MAGIC = 0x41574634, FIELDS_MOST = 4096 };

struct reader {
	struct slice in;
	bool bad;
};

static struct slice take(struct reader *r, size_t n)
{
	struct slice s = {r->in.at, n};

	if (r->bad || n > r->in.len) {
		r->bad = true;
		return SLICE_NONE;
	}
	r->in = slice_after(r->in, n);
	return s;
}

static uint64_t take_number(struct reader *r, size_t width)
{
	struct slice s = take(r, width);
	uint64_t n = 0;

	if (s.at)
		memcpy(&n, s.at, width); /* the low bytes: x86 and ARM are little-endian */
	return n;
}

static struct slice take_bytes(struct reader *r)
{
	return take(r, take_number(r, 4));
}

static bool put_number(struct buf *b, uint64_t n, size_t width)
{
	return buf_put(b, &n, width);
}

static bool put_bytes(struct buf *b, struct slice s)
{
	return s.len <= UINT32_MAX && put_number(b, s.len, 4) && buf_put_slice(b, s);
}

#define N(value) ((uint64_t)(value))

/* The fixed part, in one place for both directions. */
struct job_head {
	uint64_t token, body_len, plain_most, kept;
	int64_t queue_until_us;
	uint32_t magic, slot, worker, run_ms, ruleset, fields_n, exclusions_n, answer_n;
	uint16_t threshold_request, threshold_response, client_port, server_port, status;
	uint8_t mode, paranoia, detection_paranoia, with_body, body_outside, minor, keep, answering, status_minor;
	uint8_t coding, files, type_listed, pad[2];
	struct addr client;
};

static bool put_fields(struct buf *out, const struct fields *fields)
{
	for (uint32_t i = 0; i < fields->n; i++) {
		const struct field *f = &fields->at[i];

		if (!put_number(out, f->hidden != 0, 1) || !put_bytes(out, f->name) || !put_bytes(out, f->value))
			return false;
	}
	return true;
}

static bool put_job_lists(struct buf *out, const struct waf_job *job)
{
	if (!put_fields(out, &job->fields) || !put_fields(out, &job->answer))
		return false;
	for (uint32_t i = 0; i < job->exclusions_n; i++) {
		const struct waf_exclusion *x = &job->exclusions[i];

		if (!put_number(out, x->rule, 4) || !put_bytes(out, x->tag) || !put_bytes(out, x->target))
			return false;
	}
	return true;
}

bool waf_pack_job(struct buf *out, const struct waf_job *job)
{
	struct job_head head;
	uint32_t before = buf_len(out);

	memset(&head, 0, sizeof head); /* no stray bytes of ours leave in the padding */
	head.magic = JOB_MAGIC;
	head.token = job->token;
	head.slot = job->slot;
	head.worker = job->worker;
	head.queue_until_us = job->queue_until_us;
	head.run_ms = job->run_ms;
	head.ruleset = job->ruleset;
	head.mode = (uint8_t)job->mode;
	head.paranoia = job->paranoia;
	head.detection_paranoia = job->detection_paranoia;
	head.threshold_request = job->threshold_request;
	head.threshold_response = job->threshold_response;
	head.with_body = job->with_body;
	head.body_outside = job->body_outside;
	head.body_len = job->body_len;
	head.coding = job->coding;
	head.plain_most = job->plain_most;
	head.files = job->files;
	head.type_listed = job->type_listed;
	head.client = job->client;
	head.client_port = job->client_port;
	head.server_port = job->server_port;
	head.minor = job->minor;
	head.fields_n = job->fields.n;
	head.exclusions_n = job->exclusions_n;
	head.keep = job->keep;
	head.answering = job->answering;
	head.kept = job->kept;
	head.status = job->status;
	head.status_minor = job->status_minor;
	head.answer_n = job->answer.n;
	return job->exclusions_n <= WAF_EXCLUSIONS && job->fields.n <= FIELDS_MOST && job->answer.n <= FIELDS_MOST &&
	       job->body.len <= WAF_INLINE &&
	       buf_put(out, &head, sizeof head) && put_bytes(out, job->server_name) && put_bytes(out, job->id) &&
	       put_bytes(out, job->method) && put_bytes(out, job->target) && put_bytes(out, job->body) &&
	       put_job_lists(out, job) && buf_len(out) - before <= WAF_MESSAGE;
}

void waf_set_slot(char *message, uint32_t slot)
{
	memcpy(message + offsetof(struct job_head, slot), &slot, sizeof slot);
}

/* 101 is final: what follows it is no HTTP. */
static bool is_final(unsigned status)
{
	return status == 101 || (status >= 200 && status <= 599);
}

static bool job_from_head(const struct job_head *head, struct waf_job *out)
{
	*out = (struct waf_job){
		.token = head->token,
		.slot = head->slot,
		.worker = head->worker,
		.queue_until_us = head->queue_until_us,
		.run_ms = head->run_ms,
		.ruleset = head->ruleset,
		.mode = (enum waf_mode)head->mode,
		.paranoia = head->paranoia,
		.detection_paranoia = head->detection_paranoia,
		.threshold_request = head->threshold_request,
		.threshold_response = head->threshold_response,
		.with_body = head->with_body,
		.body_outside = head->body_outside,
		.body_len = head->body_len,
		.coding = head->coding,
		.plain_most = head->plain_most,
		.files = head->files,
		.type_listed = head->type_listed,
		.client = head->client,
		.client_port = head->client_port,
		.server_port = head->server_port,
		.minor = head->minor,
		.exclusions_n = head->exclusions_n,
		.keep = head->keep,
		.answering = head->answering,
		.kept = head->kept,
		.status = head->status,
		.status_minor = head->status_minor,
	};
	return head->magic == JOB_MAGIC && head->token && head->slot < WAF_OUTSTANDING && head->worker < WAF_WORKERS &&
	       head->mode <= WAF_DETECT && head->with_body <= 1 && head->body_outside <= 1 && head->files <= 1 &&
	       head->type_listed <= 1 && head->coding < CODING_OTHER && head->plain_most <= WAF_PLAIN_MOST &&
	       head->fields_n <= FIELDS_MOST && head->exclusions_n <= WAF_EXCLUSIONS && head->keep <= 1 &&
	       head->answering <= 1 && head->answer_n <= FIELDS_MOST &&
	       (head->answering ? is_final(head->status) && !head->keep : !head->answer_n);
}

static bool take_fields(struct reader *r, struct arena *a, uint32_t n, struct fields *out)
{
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		uint64_t hidden = take_number(r, 1);
		struct slice name = take_bytes(r), value = take_bytes(r);

		if (r->bad || hidden > 1 || !fields_add(out, a, name, value))
			return false;
		out->at[i].hidden = (uint16_t)hidden;
	}
	return !r->bad;
}

static bool take_job_lists(struct reader *r, struct arena *a, const struct job_head *head, struct waf_job *out)
{
	if (!take_fields(r, a, head->fields_n, &out->fields) || !take_fields(r, a, head->answer_n, &out->answer))
		return false;
	for (uint32_t i = 0; i < out->exclusions_n && !r->bad; i++) {
		out->exclusions[i].rule = (uint32_t)take_number(r, 4);
		out->exclusions[i].tag = take_bytes(r);
		out->exclusions[i].target = take_bytes(r);
	}
	return !r->bad;
}

bool waf_unpack_job(struct slice in, struct arena *a, struct waf_job *out)
{
	struct reader r = {.in = in};
	struct slice fixed = take(&r, sizeof(struct job_head));
	struct job_head head;

	if (!fixed.at || in.len > WAF_MESSAGE)
		return false;
	memcpy(&head, fixed.at, sizeof head);
	if (!job_from_head(&head, out))
		return false;
	out->server_name = take_bytes(&r);
	out->id = take_bytes(&r);
	out->method = take_bytes(&r);
	out->target = take_bytes(&r);
	out->body = take_bytes(&r);
	if (r.bad || !take_job_lists(&r, a, &head, out) || r.in.len)
		return false;
	if (out->body_outside ? out->body.len != 0 : out->body_len != out->body.len)
		return false;
	/* The engine takes these two as C strings. */
	return out->body.len <= WAF_INLINE && slice_find(out->method, '\0') == out->method.len &&
	       slice_find(out->target, '\0') == out->target.len && (out->with_body || !out->body_len);
}

/* ---- Answers ---- */

static struct slice at_most(struct slice s, size_t n)
{
	return s.len > n ? slice_first(s, n) : s;
}

bool waf_pack_answer(struct buf *out, const struct waf_answer *answer)
{
	uint32_t before = buf_len(out);
	bool fits = answer->hits_n <= WAF_HITS && put_number(out, ANSWER_MAGIC, 4) && put_number(out, answer->token, 8) &&
		    put_number(out, N(answer->result), 1) && put_number(out, answer->status, 2) &&
		    put_number(out, answer->score, 4) && put_number(out, answer->keeper, 1) &&
		    put_number(out, answer->again, 1) && put_number(out, answer->plain, 1) &&
		    put_number(out, answer->plain_len, 8) && put_number(out, answer->cpu_us, 4) &&
		    put_number(out, answer->wall_us, 4) && put_number(out, answer->hits_cut, 4) &&
		    put_number(out, answer->hits_n, 4);

	for (uint32_t i = 0; fits && i < answer->hits_n; i++) {
		const struct waf_hit *h = &answer->hits[i];

		fits = put_number(out, h->rule, 4) && put_number(out, h->phase, 1) && put_number(out, h->severity, 1) &&
		       put_bytes(out, at_most(h->message, WAF_TEXT)) && put_bytes(out, at_most(h->data, WAF_TEXT)) &&
		       put_bytes(out, at_most(h->tag, WAF_TEXT));
	}
	return fits && buf_len(out) - before <= WAF_MESSAGE;
}

static bool take_hit(struct reader *r, struct waf_hit *h)
{
	h->rule = (uint32_t)take_number(r, 4);
	h->phase = (uint8_t)take_number(r, 1);
	h->severity = (uint8_t)take_number(r, 1);
	h->message = take_bytes(r);
	h->data = take_bytes(r);
	h->tag = take_bytes(r);
	return !r->bad && h->phase <= 5 && h->severity <= 7 && h->message.len <= WAF_TEXT && h->data.len <= WAF_TEXT &&
	       h->tag.len <= WAF_TEXT;
}

bool waf_unpack_answer(struct slice in, struct waf_answer *out)
{
	struct reader r = {.in = in};
	uint64_t magic = take_number(&r, 4), result, again, plain;

	out->token = take_number(&r, 8);
	result = take_number(&r, 1);
	out->status = (uint16_t)take_number(&r, 2);
	out->score = (uint32_t)take_number(&r, 4);
	out->keeper = (uint8_t)take_number(&r, 1);
	again = take_number(&r, 1);
	plain = take_number(&r, 1);
	out->plain_len = take_number(&r, 8);
	out->cpu_us = (uint32_t)take_number(&r, 4);
	out->wall_us = (uint32_t)take_number(&r, 4);
	out->hits_cut = (uint32_t)take_number(&r, 4);
	out->hits_n = (uint32_t)take_number(&r, 4);
	if (r.bad || magic != ANSWER_MAGIC || !out->token || result > WAF_SHED || out->hits_n > WAF_HITS ||
	    out->keeper > WAF_INSPECTORS || again > 1 || plain > 1 || out->plain_len > (plain ? WAF_PLAIN_MOST : 0))
		return false;
	out->again = again;
	out->plain = plain;
	out->result = (enum waf_result)result;
	if (out->result == WAF_DENY ? out->status < 300 || out->status > 599 : out->status != 0)
		return false;
	for (uint32_t i = 0; i < out->hits_n; i++)
		if (!take_hit(&r, &out->hits[i]))
			return false;
	return !r.in.len;
}
