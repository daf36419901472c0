/* pick.c -- choosing a server. */
#include "gateway/proxy/pick.h"

#include "gateway/base/log.h"
#include "gateway/base/metric.h"

static struct proxy_server *pick(struct proxy_origin *o, const struct proxy_server *avoid, int64_t now_ms, bool ejected)
{
	struct proxy_server *best = NULL;
	int64_t total = 0;

	for (unsigned i = 0; i < o->n; i++) {
		struct proxy_server *s = &o->servers[i];

		if (s == avoid || (!ejected && s->ejected_until_ms > now_ms))
			continue;
		s->credit += s->config->weight;
		total += s->config->weight;
		if (!best || s->credit > best->credit)
			best = s;
	}
	if (best)
		best->credit -= total;
	return best;
}

struct proxy_server *pick_server(struct proxy_origin *o, const struct proxy_server *avoid, int64_t now_ms)
{
	struct proxy_server *s = pick(o, avoid, now_ms, false);

	if (!s)
		s = pick(o, avoid, now_ms, true);
	if (!s && avoid)
		s = pick(o, NULL, now_ms, true);
	return s;
}

void pick_good(struct proxy_server *s)
{
	s->failures = 0;
	s->ejected_until_ms = 0;
}

void pick_bad(const struct proxy_origin *o, struct proxy_server *s, int64_t now_ms)
{
	if (++s->failures < (uint64_t)o->config->eject_failures || s->ejected_until_ms > now_ms)
		return;
	s->ejected_until_ms = now_ms + o->config->eject_ms;
	metric_count(METRIC_ORIGIN_EJECTIONS);
	log_warn("origin %.*s: server %.*s left out for %lld ms after %u failures", SLICE_F(o->config->head.key),
		 SLICE_F(s->config->url), (long long)o->config->eject_ms, s->failures);
}
