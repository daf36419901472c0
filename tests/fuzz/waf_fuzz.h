/* waf_fuzz.h -- jobs of the rule engine made from a fuzzer's choices; for the targets about inspection. */
#ifndef PORTCULLIS_TESTS_WAF_FUZZ_H
#define PORTCULLIS_TESTS_WAF_FUZZ_H

#include "fuzz.h"
#include "rules/media.h"
#include "rules/waf.h"

static inline void waf_fuzz_fields(struct fuzz_in *in, struct arena *a, struct fields *out)
{
	for (unsigned i = fuzz_below(in, 4); i; i--) {
		struct slice name = fuzz_run(in, 20), value = fuzz_run(in, 40);

		MUST(fields_add(out, a, name, value));
		out->at[out->n - 1].hidden = fuzz_byte(in) & 1;
	}
}

/* A job as a worker makes it; slices are borrowed. */
static inline void waf_fuzz_job(struct fuzz_in *in, struct arena *a, struct waf_job *job)
{
	memset(job, 0, sizeof *job);
	job->token = fuzz_number(in) | 1;
	job->slot = fuzz_below(in, WAF_OUTSTANDING);
	job->worker = fuzz_below(in, WAF_WORKERS);
	job->queue_until_us = (int64_t)fuzz_number(in);
	job->run_ms = fuzz_byte(in);
	job->ruleset = fuzz_byte(in);
	job->mode = fuzz_byte(in) & 1 ? WAF_DETECT : WAF_ENFORCE;
	job->paranoia = fuzz_byte(in);
	job->threshold_request = fuzz_byte(in);
	fuzz_bytes(in, job->client.b, sizeof job->client.b);
	job->client_port = (uint16_t)fuzz_number(in);
	job->server_name = fuzz_run(in, 40);
	job->id = fuzz_run(in, 32);
	job->method = slice_of("GET");
	job->target = slice_of(fuzz_byte(in) & 1 ? "/a?b=c" : "/");
	waf_fuzz_fields(in, a, &job->fields);
	job->answering = fuzz_byte(in) & 1;
	if (job->answering) {
		job->status = (uint16_t)(200 + fuzz_below(in, 400));
		job->kept = fuzz_number(in);
		waf_fuzz_fields(in, a, &job->answer);
	} else {
		job->keep = fuzz_byte(in) & 1;
	}
	job->files = fuzz_byte(in) & 1;
	job->type_listed = fuzz_byte(in) & 1;
	job->exclusions_n = fuzz_below(in, 4);
	for (unsigned i = 0; i < job->exclusions_n; i++)
		job->exclusions[i] = (struct waf_exclusion){(uint32_t)fuzz_number(in), fuzz_run(in, 20), fuzz_run(in, 20)};
	job->body = fuzz_run(in, 200);
	job->body_len = job->body.len;
	job->with_body = job->body_len != 0;
	if (job->with_body && !job->answering && fuzz_byte(in) & 1) {
		job->coding = (uint8_t)fuzz_below(in, CODING_OTHER);
		job->plain_most = job->coding ? fuzz_number(in) % WAF_PLAIN_MOST : 0;
	}
}

/* What a packed job begins with (job_head of waf.c): a message that has it gets past the first look. */
static inline struct slice waf_fuzz_pack(const struct waf_job *job, struct buf *out)
{
	MUST(waf_pack_job(out, job));
	return buf_slice(out);
}

#endif
