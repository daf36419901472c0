/* waf_job.c -- fuzz: a question to an inspector is read as it was written, and hostile bytes are refused or
 * mean what writing their meaning down again means.
 *
 * What is made of a message is charged to a budget that its length bounds. */
#include "waf_fuzz.h"

static bool same_fields(const struct fields *a, const struct fields *b)
{
	for (uint32_t i = 0; i < a->n && a->n == b->n; i++)
		if (!slice_eq(a->at[i].name, b->at[i].name) || !slice_eq(a->at[i].value, b->at[i].value) ||
		    a->at[i].hidden != b->at[i].hidden || a->at[i].id != b->at[i].id)
			return false;
	return a->n == b->n;
}

static bool same_exclusions(const struct waf_job *a, const struct waf_job *b)
{
	for (uint32_t i = 0; i < a->exclusions_n && a->exclusions_n == b->exclusions_n; i++)
		if (a->exclusions[i].rule != b->exclusions[i].rule || !slice_eq(a->exclusions[i].tag, b->exclusions[i].tag) ||
		    !slice_eq(a->exclusions[i].target, b->exclusions[i].target))
			return false;
	return a->exclusions_n == b->exclusions_n;
}

static bool same(const struct waf_job *a, const struct waf_job *b)
{
	return a->token == b->token && a->slot == b->slot && a->worker == b->worker && a->queue_until_us == b->queue_until_us &&
	       a->run_ms == b->run_ms && a->ruleset == b->ruleset && a->mode == b->mode && a->paranoia == b->paranoia &&
	       a->detection_paranoia == b->detection_paranoia && a->threshold_request == b->threshold_request &&
	       a->threshold_response == b->threshold_response && a->with_body == b->with_body &&
	       a->body_outside == b->body_outside && a->body_len == b->body_len && a->coding == b->coding &&
	       a->plain_most == b->plain_most && a->files == b->files && a->type_listed == b->type_listed && !addr_compare(&a->client, &b->client) &&
	       a->client_port == b->client_port && slice_eq(a->server_name, b->server_name) && a->server_port == b->server_port &&
	       slice_eq(a->id, b->id) && slice_eq(a->method, b->method) && slice_eq(a->target, b->target) && a->minor == b->minor &&
	       slice_eq(a->body, b->body) && a->keep == b->keep && a->answering == b->answering && a->kept == b->kept &&
	       a->status == b->status && a->status_minor == b->status_minor && same_fields(&a->fields, &b->fields) &&
	       same_fields(&a->answer, &b->answer) && same_exclusions(a, b);
}

/* Packed, and read again as the same. */
static void check_round(const struct waf_job *job)
{
	static struct waf_job again;
	struct arena a;
	struct buf out;

	arena_init(&a, NULL, 4096);
	buf_init(&out, NULL);
	MUST(waf_pack_job(&out, job));
	MUST(waf_unpack_job(buf_slice(&out), &a, &again) && same(job, &again));
	waf_set_slot(out.at + out.start, 7);
	MUST(waf_unpack_job(buf_slice(&out), &a, &again) && again.slot == 7 && again.token == job->token);
	buf_done(&out);
	arena_done(&a);
}

static void check_hostile(struct slice in)
{
	/* A field takes 9 bytes at least, and 40 in memory; the list doubles. */
	struct budget budget = {.limit = 8192 + 20 * in.len};
	static struct waf_job job;
	struct arena a;

	arena_init(&a, &budget, 1024);
	if (waf_unpack_job(in, &a, &job)) {
		MUST(job.body.len <= WAF_INLINE && (job.body_outside || job.body_len == job.body.len));
		MUST(job.slot < WAF_OUTSTANDING && job.worker < WAF_WORKERS && job.token);
		check_round(&job);
	}
	arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	static struct waf_job job;
	struct arena a;
	struct buf out;
	bool hostile = fuzz_byte(&in) & 1;
	struct slice edits;

	if (hostile) {
		check_hostile(in.rest);
		return 0;
	}
	edits = fuzz_run(&in, 16);
	arena_init(&a, NULL, 4096);
	buf_init(&out, NULL);
	waf_fuzz_job(&in, &a, &job);
	check_round(&job);
	/* And the same with a few bytes changed. */
	waf_fuzz_pack(&job, &out);
	for (size_t i = 0; i + 1 < edits.len; i += 2)
		out.at[out.start + (unsigned char)edits.at[i] % buf_len(&out)] = edits.at[i + 1];
	check_hostile(buf_slice(&out));
	buf_done(&out);
	arena_done(&a);
	return 0;
}
