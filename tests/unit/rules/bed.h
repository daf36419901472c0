/* bed.h -- what the WAF's tests stand on: cmocka, a guarded input, a job that is like a browser's. */
#ifndef PORTCULLIS_TESTS_RULES_BED_H
#define PORTCULLIS_TESTS_RULES_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/base/text.h"
#include "guard.h"
#include "rules/waf.h"

#define ROWS(table) (sizeof(table) / sizeof *(table))
#define B(literal) {"" literal "", sizeof(literal) - 1}

static inline void bed_field(struct waf_job *job, struct arena *a, const char *name, struct slice value)
{
	assert_true(fields_add(&job->fields, a, slice_of(name), value));
}

/* GET `target` as a browser sends it, enforced at paranoia 1. */
static inline void bed_job(struct waf_job *job, struct arena *a, const char *target)
{
	memset(job, 0, sizeof *job);
	job->token = 77;
	job->queue_until_us = INT64_MAX;
	job->run_ms = 5000;
	job->paranoia = job->detection_paranoia = 1;
	job->threshold_request = 5;
	job->threshold_response = 4;
	job->client = (struct addr){{[10] = 0xff, 0xff, 192, 0, 2, 1}};
	job->client_port = 4711;
	job->server_name = SLICE("shop.example");
	job->server_port = 443;
	job->id = SLICE("0123456789abcdef0123456789abcdef");
	job->method = SLICE("GET");
	job->target = slice_of(target);
	job->minor = 1;
	bed_field(job, a, "host", SLICE("shop.example"));
	bed_field(job, a, "user-agent", SLICE("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/130.0"));
	bed_field(job, a, "accept", SLICE("text/html,*/*;q=0.8"));
}

static inline void bed_post(struct waf_job *job, struct arena *a, const char *type, struct slice body)
{
	char length[24];
	int n = snprintf(length, sizeof length, "%zu", body.len);

	bed_job(job, a, "/account");
	job->method = SLICE("POST");
	if (type)
		bed_field(job, a, "content-type", slice_of(type));
	bed_field(job, a, "content-length", arena_copy(a, slice_make(length, (size_t)n)));
	job->with_body = body.len != 0;
	job->body = body;
	job->body_len = body.len;
}

/* A memory file with these bytes; sealed as the spool seals one, or not. */
static inline int bed_file(struct slice bytes, bool sealed)
{
	int fd = memfd_create("bed", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.at, bytes.len), bytes.len);
	if (sealed)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	return fd;
}

#endif
