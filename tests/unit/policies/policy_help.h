/* policy_help.h -- policies inline in tests, and requests to ask them about. */
#ifndef PORTCULLIS_TESTS_POLICY_HELP_H
#define PORTCULLIS_TESTS_POLICY_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/text.h"
#include "policies/policy.h"

/* 2026-11-01T12:00:00Z, a Sunday. */
enum { TEST_NOW = 1793534400 };

struct help {
	struct arena arena, request;
	struct fail fail;
	struct policy *policy;
	struct policy_facts facts;
	struct fields fields;
	struct policy_run run;
	char notes[1024];
	size_t notes_len;
};

static inline void help_compile(struct help *h, const char *text)
{
	struct policy_source from = {.path = "p.yaml", .bytes = slice_of(text), .now = TEST_NOW};

	memset(h, 0, sizeof *h);
	arena_init(&h->arena, NULL, 65536);
	arena_init(&h->request, NULL, 4096);
	h->policy = policy_compile(&h->arena, &from, &h->fail);
	if (h->policy)
		assert_true(policy_wake(h->policy));
}

/* A compiled policy, or the test ends with the findings. */
static inline void help_begin(struct help *h, const char *text)
{
	help_compile(h, text);
	if (!h->policy)
		fail_print(&h->fail, stderr, false);
	assert_non_null(h->policy);
}

static inline void help_done(struct help *h)
{
	if (h->policy)
		policy_sleep(h->policy);
	fail_done(&h->fail);
	arena_done(&h->request);
	arena_done(&h->arena);
}

static inline void help_header(struct help *h, const char *name, const char *value)
{
	assert_true(fields_add(&h->fields, &h->request, slice_of(name), slice_of(value)));
}

/* GET https://shop.example.com/ from 203.0.113.9 in Germany, AS64496, TLS 1.3. */
static inline void help_request(struct help *h)
{
	arena_done(&h->request);
	h->fields = (struct fields){0};
	h->notes_len = 0;
	h->notes[0] = 0;
	h->facts = (struct policy_facts){
		.method = SLICE("GET"), .host = SLICE("shop.example.com"), .path = SLICE("/"), .fields = &h->fields, .secure = true,
		.country_known = POLICY_KNOWN, .asn_known = POLICY_KNOWN, .country = "DE", .continent = "EU", .asn = 64496,
		.tls_version = 0x0304, .tls_sni = SLICE("shop.example.com"), .site = SLICE("shop"), .now = TEST_NOW,
		.arena = &h->request,
	};
	assert_true(addr_parse(SLICE("203.0.113.9"), &h->facts.ip));
}

static inline void help_note(void *context, const char *what, const struct policy_entry *by, struct slice text)
{
	struct help *h = context;

	assert_true(h->notes_len < sizeof h->notes - 200);
	h->notes_len += (size_t)snprintf(h->notes + h->notes_len, sizeof h->notes - h->notes_len, "%s%s(%.*s,%.*s)",
					 h->notes_len ? " " : "", what, SLICE_F(by->id), SLICE_F(text));
}

static inline struct policy_verdict help_ask(struct help *h)
{
	h->notes_len = 0;
	h->notes[0] = 0;
	policy_run_init(&h->run, h->policy, &h->facts);
	return policy_rules(&h->run, help_note, h);
}

/* A whole policy around one expression: block when it is true, 451; unknown is told apart by the verdict. */
static inline void help_expression(struct help *h, const char *expression)
{
	char text[8192];

	snprintf(text, sizeof text,
		 "policy: t\nwaf: {mode: off}\nswitches: {panic: 1h, calm: 1h}\n"
		 "sets:\n  nets: [198.51.100.0/24, '2001:db8:10::/48']\n  words: [alpha, beta]\n  lands: [DE, FR]\n"
		 "  verbs: [POST, PUT]\n  asns: [AS64496, AS64497]\n  parts: [EU, AF]\n"
		 "  hashes: [2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824]\n"
		 "rules:\n"
		 "  - {id: l, when: 'header.x-label == \"1\" or ip.country == AQ', do: label marked}\n"
		 "  - id: r\n    do: block 451\n    when: |\n      %s\n",
		 expression);
	help_compile(h, text);
}

enum { NO, YES, UNKNOWN, BROKEN };

static inline int help_truth(struct help *h)
{
	struct policy_verdict v = help_ask(h);

	return v.unknown ? UNKNOWN : v.act == POLICY_BLOCK ? YES : NO;
}

#endif
