/* advertise.c -- the RateLimit and RateLimit-Policy fields.
 *
 * As the IETF's draft-ietf-httpapi-ratelimit-headers has them: q is the quota, w its
 * window in seconds, r what is left, t the seconds until more is there. */
#include <inttypes.h>
#include <stdio.h>

#include "gateway/limit/asked.h"

enum { FIELD = 1024, SECOND_US = 1000000 };

struct line {
	char text[FIELD];
	size_t len;
};

static bool is_told(const struct asked *a)
{
	return a->counted && a->limit->advertise && asked_enforced(a);
}

/* Members that do not fit are left out whole. */
static void add_member(struct line *out, const struct policy_limit *l, const char *params)
{
	int n = snprintf(out->text + out->len, FIELD - out->len, "%s\"%.*s\"%s", out->len ? ", " : "",
			 SLICE_F(l->entry.id), params);

	if (n > 0 && (size_t)n < FIELD - out->len)
		out->len += (size_t)n;
}

/* One limit may have counted several keys: the one with least left is told. */
static struct gcra_answer worst_of(const struct asked *at, unsigned n, const struct policy_limit *l)
{
	struct gcra_answer worst = {.allowed = true, .remaining = INT64_MAX};

	for (unsigned i = 0; i < n; i++) {
		struct gcra_answer one;

		if (at[i].limit != l || !at[i].counted)
			continue;
		one = gcra_tell(&at[i].gcra, at[i].allowed, at[i].ahead, at[i].charge);
		if (one.remaining < worst.remaining || one.retry_after_us > worst.retry_after_us)
			worst = one;
	}
	return worst;
}

static void tell_policy(struct line *out, const struct policy_limit *l)
{
	char params[64];

	/* A window of less than a second, or of a second and a half, cannot be said. */
	if (l->period_ms % 1000)
		snprintf(params, sizeof params, ";q=%" PRIu64, l->number);
	else
		snprintf(params, sizeof params, ";q=%" PRIu64 ";w=%" PRId64, l->number, l->period_ms / 1000);
	add_member(out, l, params);
}

static void tell_state(struct line *out, const struct policy_limit *l, const struct gcra_answer *a)
{
	uint64_t left = (uint64_t)a->remaining < l->number ? (uint64_t)a->remaining : l->number;
	int64_t until_us = a->allowed ? a->reset_us : a->retry_after_us;
	char params[64];

	snprintf(params, sizeof params, ";r=%" PRIu64 ";t=%" PRId64, left, (until_us + SECOND_US - 1) / SECOND_US);
	add_member(out, l, params);
}

static bool is_repeated(const struct asked *at, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (at[k].limit == at[i].limit && is_told(&at[k]))
			return true;
	return false;
}

static bool add_field(struct facts *facts, struct arena *arena, struct slice name, const struct line *line)
{
	struct slice value = arena_copy(arena, slice_make(line->text, line->len));

	return value.at && fields_add(&facts->client_fields, arena, name, value);
}

bool advertise(struct facts *facts, struct arena *arena, const struct asked *at, unsigned n)
{
	struct line policies = {.len = 0}, states = {.len = 0};

	for (unsigned i = 0; i < n; i++) {
		struct gcra_answer worst;

		if (!is_told(&at[i]) || is_repeated(at, i))
			continue;
		worst = worst_of(at, n, at[i].limit);
		tell_policy(&policies, at[i].limit);
		tell_state(&states, at[i].limit, &worst);
	}
	return !states.len || (add_field(facts, arena, SLICE("ratelimit-policy"), &policies) &&
			       add_field(facts, arena, SLICE("ratelimit"), &states));
}
