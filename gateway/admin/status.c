/* status.c -- /status: the state of the gateway as one JSON object.
 *
 * Times are in milliseconds with three decimals, ages and points in time in seconds.  Members are only
 * ever added: programs read this. */
#include "gateway/admin/pages.h"

#include <stdio.h>

#include "gateway/base/json.h"

enum { ROOM = 128 << 10 };

/* A row of an object: a metric under a name of its own. */
struct row {
	const char *key;
	enum metric metric;
};

static int64_t total(const struct metric_page *from, enum metric m)
{
	return (int64_t)metric_total(from, m);
}

static void put_rows(struct json *j, const struct metric_page *from, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		json_int(j, rows[i].key, total(from, rows[i].metric));
}

#define PUT_ROWS(j, from, rows) put_rows(j, from, rows, sizeof(rows) / sizeof *(rows))

static void put_span(struct json *j, const struct metric_page *from, const char *key, enum span s)
{
	struct metric_spread spread;

	metric_spread(from, s, &spread);
	json_object(j, key);
	json_int(j, "n", (int64_t)spread.n);
	json_milli(j, "p50_ms", metric_quantile_us(&spread, 500));
	json_milli(j, "p99_ms", metric_quantile_us(&spread, 990));
	json_end(j);
}

/* ---- Sections ---- */

static void put_workers(struct json *j, const struct metric_page *from, int64_t now_us)
{
	json_list(j, "workers");
	for (unsigned i = 0; i < from->workers; i++) {
		const struct metric_block *b = &from->worker[i];
		uint64_t requests = 0;

		for (unsigned s = 0; s < METRIC_SITE_SLOTS; s++)
			for (unsigned d = 0; d < METRIC_DECISIONS; d++)
				requests += metric_get(&b->requests[s][d]);
		json_object(j, NULL);
		json_bool(j, "serves", page_worker_serves(from, i, now_us));
		json_int(j, "connections", (int64_t)metric_get(&b->value[METRIC_CONNECTIONS]));
		json_int(j, "in_flight", (int64_t)metric_get(&b->value[METRIC_REQUESTS]));
		json_int(j, "requests", (int64_t)requests);
		json_int(j, "memory", (int64_t)metric_get(&b->value[METRIC_MEMORY]));
		json_int(j, "memory_limit", (int64_t)metric_get(&b->value[METRIC_MEMORY_LIMIT]));
		json_end(j);
	}
	json_end(j);
}

static void put_sites(struct json *j, const struct metric_page *from)
{
	json_list(j, "sites");
	for (unsigned s = 0; s < METRIC_SITE_SLOTS; s++) {
		uint64_t n[METRIC_DECISIONS], all = 0;

		for (unsigned d = 0; d < METRIC_DECISIONS; d++)
			all += n[d] = metric_total_requests(from, s, (enum metric_decision)d);
		if (!all && (s < METRIC_SITE_FIRST || !metric_site_name(from, s).len))
			continue;
		json_object(j, NULL);
		json_text(j, "site", metric_site_name(from, s));
		for (unsigned d = 0; d < METRIC_DECISIONS; d++)
			json_int(j, metric_decision_word((enum metric_decision)d), (int64_t)n[d]);
		json_end(j);
	}
	json_end(j);
}

static void put_clients(struct json *j, const struct metric_page *from)
{
	static const struct row rows[] = {
		{"connections", METRIC_CONNECTIONS},    {"accepted", METRIC_ACCEPTED},
		{"refused_address", METRIC_REFUSED_ADDRESS}, {"refused_full", METRIC_REFUSED_FULL},
		{"refused_memory", METRIC_REFUSED_MEMORY},   {"evicted", METRIC_EVICTED},
		{"handshakes_full", METRIC_TLS_FULL},   {"handshakes_resumed", METRIC_TLS_RESUMED},
		{"handshakes_failed", METRIC_TLS_FAILED},
	};

	json_object(j, "clients");
	PUT_ROWS(j, from, rows);
	put_span(j, from, "handshake", SPAN_HANDSHAKE);
	put_span(j, from, "request", SPAN_REQUEST);
	put_span(j, from, "chain", SPAN_CHAIN);
	json_end(j);
}

static void put_waf(struct json *j, const struct metric_page *from)
{
	static const struct row rows[] = {
		{"inspectors", METRIC_INSPECTORS},   {"busy_inspectors", METRIC_INSPECTORS_BUSY},
		{"out", METRIC_WAF_OUT},             {"waiting", METRIC_WAF_WAITING},
		{"allow", METRIC_WAF_ALLOW},         {"deny", METRIC_WAF_DENY},
		{"lost", METRIC_WAF_LOST},           {"shed", METRIC_WAF_SHED},
		{"late", METRIC_WAF_LATE},           {"busy", METRIC_WAF_BUSY},
		{"spent", METRIC_WAF_SPENT},         {"grown", METRIC_INSPECTORS_GROWN},
		{"killed", METRIC_INSPECTORS_KILLED}, {"recycled", METRIC_INSPECTORS_RECYCLED},
		{"died", METRIC_INSPECTORS_DIED},    {"uninspected_requests", METRIC_UNINSPECTED},
		{"uninspected_bytes", METRIC_UNINSPECTED_BYTES}, {"uninspected_answers", METRIC_UNSEEN_ANSWERS},
		{"uninspected_answer_bytes", METRIC_UNSEEN_ANSWER_BYTES},
	};

	json_object(j, "waf");
	json_bool(j, "used", from->inspects);
	PUT_ROWS(j, from, rows);
	put_span(j, from, "queue", SPAN_WAF_QUEUE);
	put_span(j, from, "run", SPAN_WAF_RUN);
	json_end(j);
}

static void put_limits(struct json *j, const struct metric_page *from)
{
	static const struct row rows[] = {
		{"checked", METRIC_LIMITED},           {"redis_ready", METRIC_REDIS_READY},
		{"answered", METRIC_REDIS_ANSWERED},   {"late", METRIC_REDIS_LATE},
		{"lost", METRIC_REDIS_LOST},           {"unasked", METRIC_REDIS_UNASKED},
		{"breaks", METRIC_REDIS_BREAKS},
	};

	json_object(j, "limits");
	PUT_ROWS(j, from, rows);
	put_span(j, from, "wait", SPAN_LIMIT);
	json_end(j);
}

static void put_origins(struct json *j, const struct metric_page *from)
{
	static const struct row rows[] = {
		{"new", METRIC_ORIGIN_NEW},           {"pooled", METRIC_ORIGIN_POOLED},
		{"idle", METRIC_ORIGIN_IDLE},         {"failures", METRIC_ORIGIN_FAILURES},
		{"retries", METRIC_ORIGIN_RETRIES},   {"ejections", METRIC_ORIGIN_EJECTIONS},
		{"ejected", METRIC_ORIGIN_OUT},
	};

	json_object(j, "origins");
	PUT_ROWS(j, from, rows);
	put_span(j, from, "connect", SPAN_CONNECT);
	put_span(j, from, "first_byte", SPAN_FIRST_BYTE);
	json_end(j);
}

static void put_node(struct json *j, const struct metric_page *from)
{
	static const struct row rows[] = {
		{"worker", METRIC_RESTARTS_WORKER},
		{"zygote", METRIC_RESTARTS_ZYGOTE},
		{"logger", METRIC_RESTARTS_LOGGER},
		{"admin", METRIC_RESTARTS_ADMIN},
	};

	json_object(j, "restarts");
	PUT_ROWS(j, from, rows);
	json_end(j);
	json_int(j, "reloads_done", total(from, METRIC_RELOADS_DONE));
	json_int(j, "reloads_refused", total(from, METRIC_RELOADS_REFUSED));
	json_int(j, "log_lines_dropped", total(from, METRIC_LOG_DROPPED));
	json_int(j, "geoip_built", total(from, METRIC_GEOIP_BUILT));
}

bool page_status(struct buf *out, const struct metric_page *from, int64_t now_us, int64_t wall_s)
{
	const char *why = page_health(from, now_us);
	char name[24];
	struct json j;
	struct slice text;

	if (!buf_room(out, ROOM))
		return false;
	json_begin(&j, out->at + out->end, ROOM - 1);
	snprintf(name, sizeof name, "%016llx", (unsigned long long)from->generation);
	json_text(&j, "version", SLICE(PORTCULLIS_VERSION));
	json_bool(&j, "healthy", !why);
	json_text(&j, "why", slice_of(why ? why : "ok"));
	json_text(&j, "generation", slice_of(name));
	json_int(&j, "loaded", total(from, METRIC_LOADED));
	json_int(&j, "started", total(from, METRIC_STARTED));
	json_int(&j, "now", wall_s);
	put_node(&j, from);
	put_clients(&j, from);
	put_waf(&j, from);
	put_limits(&j, from);
	put_origins(&j, from);
	put_workers(&j, from, now_us);
	put_sites(&j, from);
	text = json_finish(&j);
	out->end += (uint32_t)text.len;
	return buf_put(out, "\n", 1);
}
