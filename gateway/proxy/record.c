/* record.c -- the decision record of an exchange, and the WAF's lines. */
#include "gateway/proxy/record.h"

#include <stdio.h>
#include <time.h>

#include "gateway/base/json.h"
#include "gateway/base/line.h"
#include "gateway/base/log.h"
#include "gateway/base/secret.h"
#include "rules/waf.h"

uint64_t record_token(struct proxy *p)
{
	uint64_t token;

	do
		proxy_random(p, &token, sizeof token);
	while (!token);
	return token;
}

static struct slice stamp(char text[40], int64_t wall_us)
{
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm utc;
	size_t n;

	gmtime_r(&seconds, &utc);
	n = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &utc);
	n += (size_t)snprintf(text + n, 40 - n, ".%03dZ", (int)(wall_us / 1000 % 1000));
	return slice_make(text, n);
}

/* ---- Parts of the line ---- */

static void write_client(const struct exchange *x, struct json *j)
{
	char text[ADDR_TEXT];

	json_text(j, "client", slice_make(text, addr_text(&x->facts.client, text)));
	if (x->peer_trusted)
		json_text(j, "peer", slice_make(text, addr_text(&x->peer, text)));
	if (x->hopped)
		json_text(j, "hop", slice_make(text, addr_text(&x->hop, text)));
	if (x->facts.place.country_known == GEOIP_KNOWN)
		json_text(j, "country", slice_of(x->facts.place.country));
	if (x->facts.place.asn_known == GEOIP_KNOWN)
		json_int(j, "asn", x->facts.place.asn);
	if (x->facts.tls_version.len)
		json_text(j, "tls", x->facts.tls_version);
	if (x->certificate) {
		json_text(j, "cert_sha256", x->certificate->sha256);
		json_text(j, "cert_subject", slice_first(x->certificate->subject, x->certificate->subject.len < 256 ? x->certificate->subject.len : 256));
	}
}

static void write_request(const struct exchange *x, struct json *j)
{
	char query[1024];
	const struct field *agent = fields_find(&x->req.fields, FIELD_USER_AGENT);

	if (!x->req.method.len)
		return;
	json_text(j, "method", x->req.method);
	json_text(j, "host", x->req.host);
	json_text(j, "path", slice_first(x->req.path, x->req.path.len < 1024 ? x->req.path.len : 1024));
	if (x->req.has_query)
		json_text(j, "query", slice_make(query, secret_hide(x->req.query, "&;", false, query, sizeof query)));
	if (agent)
		json_text(j, "user_agent", slice_first(agent->value, agent->value.len < 256 ? agent->value.len : 256));
}

static void write_waf(const struct exchange *x, struct json *j)
{
	const struct facts *f = &x->facts;

	if (!f->waf_us && !f->waf_hits_n)
		return;
	json_object(j, "waf");
	json_int(j, "score", f->waf_score);
	if (f->waf_answer_score)
		json_int(j, "answer_score", f->waf_answer_score);
	json_milli(j, "ms", f->waf_us);
	if (f->waf_hits_n) {
		json_list(j, "rules");
		for (unsigned i = 0; i < f->waf_hits_n && i < 16; i++) {
			json_object(j, NULL);
			json_int(j, "id", f->waf_hits[i].rule);
			json_text(j, "message", f->waf_hits[i].message);
			json_end(j);
		}
		json_end(j);
	}
	json_end(j);
}

bool record_is_judged(const struct exchange *x)
{
	return x->chain.filters && (x->chain.record.deciding >= 0 || !x->failed);
}

static void write_decision(const struct exchange *x, struct json *j)
{
	if (record_is_judged(x)) {
		chain_record(&x->chain, j);
		return;
	}
	if (!x->failed) {
		json_text(j, "decision", SLICE("redirect"));
		json_text(j, "filter", SLICE("connection"));
		return;
	}
	json_text(j, "decision", x->tries || x->failed == REASON_CLIENT_LEFT ? SLICE("failed") : SLICE("block"));
	json_text(j, "filter", x->tries ? SLICE("forward") : SLICE("connection"));
	json_text(j, "reason", slice_of(reason_word(x->failed)));
}

static void write_times(const struct exchange *x, struct json *j)
{
	int64_t now = loop_us(x->proxy->loop);

	json_milli(j, "ms", now - x->began_us);
	if (x->judged_us)
		json_milli(j, "chain_ms", x->judged_us - x->began_us);
	if (x->head_us && x->asked_us)
		json_milli(j, "origin_ms", x->head_us - x->asked_us);
}

void record_write(struct exchange *x)
{
	char line[LOG_LINE], time_text[40];
	struct json j;

	if (slice_is(x->generation->config->logs.requests, "off"))
		return;
	json_begin(&j, line, sizeof line);
	json_text(&j, "time", stamp(time_text, x->began_wall_us ? x->began_wall_us : loop_wall_us(x->proxy->loop)));
	if (x->facts.id.len)
		json_text(&j, "id", x->facts.id);
	if (x->trace.len)
		json_text(&j, "trace", x->trace);
	write_client(x, &j);
	if (x->site)
		json_text(&j, "site", x->site->head.key);
	json_int(&j, "status", x->status);
	write_decision(x, &j);
	json_int(&j, "http", x->version);
	if (x->grpc_status.len)
		json_text(&j, "grpc_status", slice_first(x->grpc_status, x->grpc_status.len < 16 ? x->grpc_status.len : 16));
	if (x->stream_id)
		json_int(&j, "stream", x->stream_id);
	if (x->why)
		json_text(&j, "why", slice_of(x->why));
	write_waf(x, &j);
	write_request(x, &j);
	if (x->server_name)
		json_text(&j, "origin", slice_of(x->server_name));
	if (x->origin_version > 1)
		json_int(&j, "origin_http", x->origin_version);
	json_int(&j, "received", (int64_t)x->body_bytes);
	json_int(&j, "sent", (int64_t)x->sent_bytes);
	write_times(x, &j);
	log_line(LOG_REQUESTS, json_finish(&j), 0);
}

/* ---- The WAF's lines: the shape that tools for ModSecurity's error log read ---- */

/* Without a quote inside, so that each value ends where it seems to. */
static struct slice quote(char *out, size_t room, struct slice s)
{
	return slice_make(out, line_escape(out, room, s, true));
}

static bool write_hit(const struct exchange *x, const struct waf_hit *hit, uint64_t token)
{
	static const char *const severities[] = {"EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"};
	char line[LOG_LINE], time_text[40], client[ADDR_TEXT], room[4][2048];
	struct slice when = stamp(time_text, x->began_wall_us), message, data, host, path;
	int n;

	addr_text(&x->facts.client, client);
	message = quote(room[0], 1024, hit->message);
	data = quote(room[1], sizeof room[1], hit->data);
	host = quote(room[2], 300, x->req.host);
	path = quote(room[3], sizeof room[3], x->req.path);
	n = snprintf(line, sizeof line,
		     "%.*s [client %s] [site \"%.*s\"] [id \"%u\"] [msg \"%.*s\"] [data \"%.*s\"] [severity \"%s\"] [phase \"%u\"] "
		     "[hostname \"%.*s\"] [uri \"%.*s\"] [unique_id \"%.*s\"]",
		     SLICE_F(when), client, SLICE_F(x->facts.site), hit->rule, SLICE_F(message), SLICE_F(data),
		     severities[hit->severity & 7], hit->phase, SLICE_F(host), SLICE_F(path), SLICE_F(x->facts.id));
	if (n < 0)
		return false;
	return log_line(LOG_WAF, slice_make(line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1), token);
}

bool record_waf_lines(struct exchange *x, uint64_t token)
{
	bool sent = false;

	if (slice_is(x->generation->config->logs.waf, "off"))
		return false;
	for (; x->reported < x->facts.waf_hits_n; x->reported++)
		sent = write_hit(x, &x->facts.waf_hits[x->reported], x->reported + 1 == x->facts.waf_hits_n ? token : 0);
	return sent;
}
