/* record.c -- the decision record of an exchange, and the WAF's lines. */
#include "gateway/proxy/record.h"

#include <stdio.h>
#include <time.h>

#include "gateway/base/json.h"
#include "gateway/base/log.h"
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

/* ---- The query, without what its names say is secret ---- */

static bool secret_name(struct slice name)
{
	static const char *const words[] = {"pass", "pwd", "secret", "token", "apikey", "api_key", "api-key",
					    "auth", "session", "sid", "signature", "credential", "otp", "code"};
	char low[64];

	if (name.len >= sizeof low)
		return true;
	for (size_t i = 0; i < name.len; i++)
		low[i] = ascii_lower(name.at[i]);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (slice_contains(slice_make(low, name.len), slice_of(words[i])))
			return true;
	return false;
}

static struct slice redact(struct slice query, char *out, size_t room)
{
	struct slice rest = query, part;
	size_t n = 0;

	while (slice_cut(&rest, '&', &part)) {
		size_t name = slice_find(part, '=');
		bool hide = name < part.len && secret_name(slice_first(part, name));
		struct slice shown = hide ? slice_first(part, name + 1) : part;

		if (n + shown.len + 5 > room)
			break;
		if (n)
			out[n++] = '&';
		memcpy(out + n, shown.at, shown.len);
		n += shown.len;
		if (hide) {
			memcpy(out + n, "***", 3);
			n += 3;
		}
	}
	return slice_make(out, n);
}

/* ---- Parts of the line ---- */

static void write_client(const struct exchange *x, struct json *j)
{
	char text[ADDR_TEXT];

	json_text(j, "client", slice_make(text, addr_text(&x->facts.client, text)));
	if (x->peer_trusted)
		json_text(j, "peer", slice_make(text, addr_text(&x->peer, text)));
	if (x->facts.place.country_known == GEOIP_KNOWN)
		json_text(j, "country", slice_of(x->facts.place.country));
	if (x->facts.place.asn_known == GEOIP_KNOWN)
		json_int(j, "asn", x->facts.place.asn);
	if (x->facts.tls_version.len)
		json_text(j, "tls", x->facts.tls_version);
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
		json_text(j, "query", redact(x->req.query, query, sizeof query));
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
	json_int(&j, "http", x->version);
	if (x->stream_id)
		json_int(&j, "stream", x->stream_id);
	json_int(&j, "status", x->status);
	write_decision(x, &j);
	if (x->why)
		json_text(&j, "why", slice_of(x->why));
	write_waf(x, &j);
	write_request(x, &j);
	if (x->server_name)
		json_text(&j, "origin", slice_of(x->server_name));
	json_int(&j, "received", (int64_t)x->body_bytes);
	json_int(&j, "sent", (int64_t)x->sent_bytes);
	write_times(x, &j);
	log_line(LOG_REQUESTS, json_finish(&j), 0);
}

/* ---- The WAF's lines: the shape that tools for ModSecurity's error log read ---- */

/* Quotes, controls and what is not ASCII become \xNN, so that one hit is one line. */
static size_t quote(char *out, size_t room, struct slice s)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (size_t i = 0; i < s.len && n + 5 < room; i++) {
		unsigned char c = (unsigned char)s.at[i];

		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '\\';
		out[n++] = 'x';
		out[n++] = digits[c >> 4];
		out[n++] = digits[c & 15];
	}
	out[n] = 0;
	return n;
}

static bool write_hit(const struct exchange *x, const struct waf_hit *hit, uint64_t token)
{
	static const char *const severities[] = {"EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"};
	char line[LOG_LINE], time_text[40], client[ADDR_TEXT], message[1024], data[1024], path[1024], host[300];
	struct slice when = stamp(time_text, x->began_wall_us);
	int n;

	addr_text(&x->facts.client, client);
	quote(message, sizeof message, hit->message);
	quote(data, sizeof data, hit->data);
	quote(path, sizeof path, x->req.path);
	quote(host, sizeof host, x->req.host);
	n = snprintf(line, sizeof line,
		     "%.*s [client %s] [site \"%.*s\"] [id \"%u\"] [msg \"%s\"] [data \"%s\"] [severity \"%s\"] [phase \"%u\"] "
		     "[hostname \"%s\"] [uri \"%s\"] [unique_id \"%.*s\"]",
		     SLICE_F(when), client, SLICE_F(x->facts.site), hit->rule, message, data,
		     severities[hit->severity & 7], hit->phase, host, path, SLICE_F(x->facts.id));
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
