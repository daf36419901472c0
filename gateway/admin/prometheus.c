/* prometheus.c -- /metrics: every row of metric.def in Prometheus' text format, version 0.0.4.
 *
 * The number of lines is bounded by tables: sites have at most METRIC_SITES names, reasons are those of
 * reason.def.  Sites that were never asked for anything have no lines. */
#include "gateway/admin/pages.h"
#include "gateway/chain/chain.h"

enum { MICRO = 1000000 };

static bool put_head(struct buf *out, const char *name, const char *type, const char *help)
{
	return buf_print(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* ---- The rows of the table ---- */

static bool put_metric(struct buf *out, const struct metric_page *from, enum metric m)
{
	const struct metric_about *a = metric_about(m), *before = m ? metric_about(m - 1) : NULL;
	bool counts = a->kind == METRIC_IS_COUNTER || a->kind == METRIC_IS_SECONDS, labels = a->labels[0];
	unsigned long long value = metric_total(from, m);

	if (!before || !slice_is(slice_of(a->name), before->name))
		if (!put_head(out, a->name, counts ? "counter" : "gauge", a->help))
			return false;
	if (!buf_print(out, "%s%s%s%s ", a->name, labels ? "{" : "", a->labels, labels ? "}" : ""))
		return false;
	if (a->kind == METRIC_IS_SECONDS)
		return buf_print(out, "%llu.%06llu\n", value / MICRO, value % MICRO);
	return buf_print(out, "%llu\n", value);
}

static bool put_span(struct buf *out, const struct metric_page *from, enum span s)
{
	const struct metric_about *a = span_about(s);
	unsigned long long so_far = 0;
	struct metric_spread spread;

	metric_spread(from, s, &spread);
	if (!put_head(out, a->name, "histogram", a->help))
		return false;
	for (unsigned b = 0; b < METRIC_BUCKETS; b++) {
		long long bound = metric_bound_us(b);

		so_far += spread.bucket[b];
		if (!buf_print(out, "%s_bucket{le=\"%lld.%06lld\"} %llu\n", a->name, bound / MICRO, bound % MICRO, so_far))
			return false;
	}
	return buf_print(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %llu.%06llu\n%s_count %llu\n", a->name,
			 (unsigned long long)spread.n, a->name, (unsigned long long)spread.sum_us / MICRO,
			 (unsigned long long)spread.sum_us % MICRO, a->name, (unsigned long long)spread.n);
}

/* ---- What has a row per site or per reason ---- */

static bool put_site(struct buf *out, const struct metric_page *from, unsigned site)
{
	struct slice name = metric_site_name(from, site);
	unsigned long long n[METRIC_DECISIONS], all = 0;

	for (unsigned d = 0; d < METRIC_DECISIONS; d++)
		all += n[d] = metric_total_requests(from, site, (enum metric_decision)d);
	for (unsigned d = 0; d < METRIC_DECISIONS && all; d++)
		if (!buf_print(out, "portcullis_requests_total{site=\"%.*s\",decision=\"%s\"} %llu\n", SLICE_F(name),
			       metric_decision_word((enum metric_decision)d), n[d]))
			return false;
	return true;
}

static bool put_requests(struct buf *out, const struct metric_page *from)
{
	if (!put_head(out, "portcullis_requests_total", "counter",
		      "Requests by site and by what became of them; failed is neither policy's doing nor the request's."))
		return false;
	for (unsigned site = 0; site < METRIC_SITE_SLOTS; site++)
		if (!put_site(out, from, site))
			return false;
	return true;
}

static bool put_reasons(struct buf *out, const struct metric_page *from)
{
	if (!put_head(out, "portcullis_refusals_total", "counter",
		      "Requests that were not served as asked, by the reason in their record."))
		return false;
	for (unsigned r = REASON_NONE + 1; r < REASONS; r++)
		if (!buf_print(out, "portcullis_refusals_total{reason=\"%s\"} %llu\n", reason_word((enum reason)r),
			       (unsigned long long)metric_total_reason(from, r)))
			return false;
	return true;
}

/* ---- Facts ---- */

static bool put_facts(struct buf *out, const struct metric_page *from)
{
	return put_head(out, "portcullis_build_info", "gauge", "The program's version; always 1.") &&
	       buf_print(out, "portcullis_build_info{version=\"" PORTCULLIS_VERSION "\"} 1\n") &&
	       put_head(out, "portcullis_generation_info", "gauge", "The configuration that serves, as `portcullis check` names it; always 1.") &&
	       buf_print(out, "portcullis_generation_info{generation=\"%016llx\"} 1\n", (unsigned long long)from->generation);
}

bool page_prometheus(struct buf *out, const struct metric_page *from)
{
	if (!put_facts(out, from) || !put_requests(out, from) || !put_reasons(out, from))
		return false;
	for (unsigned m = 0; m < METRICS; m++)
		if (!put_metric(out, from, (enum metric)m))
			return false;
	for (unsigned s = 0; s < SPANS; s++)
		if (!put_span(out, from, (enum span)s))
			return false;
	return true;
}
