/* config_table.c -- every key of portcullis.yaml: its type, default, bounds and meaning. */
#include "gateway/config/config_parts.h"

#define TEXT(k, S, m, d) .key = k, .kind = SETTING_TEXT, .at = offsetof(struct S, m), .doc = d
#define PATH(k, S, m, d) .key = k, .kind = SETTING_PATH, .at = offsetof(struct S, m), .doc = d
#define TIME(k, S, m, def, lo, hi, d)                                                                    \
	.key = k, .kind = SETTING_DURATION, .at = offsetof(struct S, m), .fallback = def, .least = lo, .most = hi, .doc = d
#define SIZE(k, S, m, def, lo, hi, d)                                                                    \
	.key = k, .kind = SETTING_SIZE, .at = offsetof(struct S, m), .fallback = def, .least = lo, .most = hi, .doc = d
#define INT(k, S, m, def, lo, hi, d)                                                                     \
	.key = k, .kind = SETTING_INT, .at = offsetof(struct S, m), .fallback = def, .least = lo, .most = hi, .doc = d
#define BOOL(k, S, m, def, d) .key = k, .kind = SETTING_BOOL, .at = offsetof(struct S, m), .fallback = def, .doc = d
#define WORD(k, S, m, def, w, d)                                                                         \
	.key = k, .kind = SETTING_WORD, .at = offsetof(struct S, m), .fallback = def, .words = w, .doc = d
#define CUSTOM(k, S, m, fn, how, d)                                                                      \
	.key = k, .kind = SETTING_CUSTOM, .at = offsetof(struct S, m), .parse = fn, .syntax = how, .doc = d
#define LATER(k) .key = k, .kind = SETTING_LATER

enum {
	SECOND = 1000,
	MINUTE = 60 * SECOND,
	HOUR = 60 * MINUTE,
	KIB = 1 << 10,
	MIB = 1 << 20,
};
#define DAY (24 * (int64_t)HOUR)
#define GIB ((int64_t)1 << 30)

static const char *const serve_words[] = {"https", "http", "redirect", NULL};
static const char *const client_cert_words[] = {"none", "optional", "required", NULL};
static const char *const http2_words[] = {"auto", "on", "off", NULL};
static const char *const http_words[] = {"1", "2", "auto", NULL};
static const char *const missing_words[] = {"refuse", "degrade", NULL};
static const char *const errors_words[] = {"replace", "pass", NULL};
static const char *const level_words[] = {"debug", "info", "warn", "error", NULL};

static const struct setting each_network = {.kind = SETTING_CUSTOM,
					    .size = sizeof(struct cidr),
					    .parse = config_parse_network,
					    .syntax = "a network",
					    .pattern = "^[0-9a-f:.]+(/[0-9]{1,3})?$"};

static const struct setting listener_table[] = {
	{CUSTOM("address", config_listener, address_text, config_parse_listen, "ADDRESS:PORT",
		"`127.0.0.1:8443`, `'[::1]:443'`; `'*:443'` is every address, IPv6 and IPv4."),
	 .required = true, .pattern = "^.+:[0-9]{1,5}$"},
	{WORD("serve", config_listener, serve, "https", serve_words,
	      "`redirect` answers every request with a redirect to https.")},
	{WORD("http2", config_listener, http2, "auto", http2_words,
	      "HTTP/2. `auto` is `on` for https and `off` else; `on` without TLS takes it from who begins with it (prior knowledge).")},
	{.key = "proxy_protocol", .kind = SETTING_LIST, .at = offsetof(struct config_listener, proxy_protocol),
	 .each = &each_network, .lone = true, .least = 1, .most = 1000,
	 .doc = "Networks of load balancers: their connections begin with a PROXY header (version 1 or 2) that "
		"names the client, and nobody else's are taken here."},
	{LATER("tls")},
	{LATER("http3")},
	{0},
};

static const struct setting certificate_table[] = {
	{PATH("certificate", config_certificate, certificate, "PEM: the certificate, then its chain."), .required = true},
	{PATH("key", config_certificate, key, "PEM: its private key, without a passphrase."), .required = true},
	{0},
};

const struct setting config_server_table[] = {
	{TEXT("url", config_server, url, "`http://10.0.0.5:8000` or `https://app.internal`: scheme, host and port only."),
	 .required = true},
	{INT("weight", config_server, weight, "1", 1, 100, "Share of the requests.")},
	{0},
};

static const struct setting each_server = {
	.kind = SETTING_CUSTOM,
	.size = sizeof(struct config_server),
	.table = config_server_table,
	.parse = config_parse_server,
	.syntax = "a url or {url, weight}",
	.pattern = "^https?://",
};

static const struct setting origin_table[] = {
	{.key = "servers", .kind = SETTING_LIST, .at = offsetof(struct config_origin, servers), .each = &each_server,
	 .lone = true, .required = true, .least = 1, .most = 256, .doc = "Where requests go, by weighted round robin."},
	{WORD("http", config_origin, http, "1", http_words,
	      "HTTP/1.1, or HTTP/2: many requests share a connection. `2` needs servers that agree on it by ALPN (https) or take it "
	      "without a word (http: prior knowledge); `auto` is what ALPN gives, and HTTP/1.1 over http.")},
	{BOOL("tls_verify", config_origin, tls_verify, "true", "Check the certificates of https servers.")},
	{TEXT("tls_name", config_origin, tls_name, "The name their certificate must carry, instead of the url's host.")},
	{PATH("tls_ca", config_origin, tls_ca, "PEM of the authorities trusted for them, instead of the system's.")},
	{TIME("connect", config_origin, connect_ms, "2s", 1, MINUTE, "Time to connect, TLS included.")},
	{TIME("first_byte", config_origin, first_byte_ms, "60s", 1, HOUR, "Time to the first byte of an answer.")},
	{TIME("between", config_origin, between_ms, "30s", 1, HOUR, "Time between two bytes of an answer.")},
	{TIME("events", config_origin, events_ms, "5m", 1, DAY, "The same of answers of type `text/event-stream`, and of calls of gRPC.")},
	{TIME("idle", config_origin, idle_ms, "60s", 1, HOUR, "Time an idle connection is kept.")},
	{INT("keep", config_origin, keep, "64", 0, 10000, "Idle connections kept per worker; 0 keeps none.")},
	{INT("retries", config_origin, retries, "1", 0, 3,
	     "Further tries, on another server, of requests that are safe to repeat.")},
	{INT("eject_failures", config_origin, eject_failures, "3", 1, 1000, "Failures in a row that eject a server.")},
	{TIME("eject", config_origin, eject_ms, "10s", SECOND, HOUR, "Time an ejected server is left alone.")},
	{LATER("health")},
	{0},
};

static const struct setting each_origin = {
	.kind = SETTING_STRUCT, .table = origin_table, .size = sizeof(struct config_origin)};

static const struct setting each_host = {.kind = SETTING_CUSTOM,
					 .size = sizeof(struct slice),
					 .parse = config_parse_host,
					 .syntax = "a host",
					 .pattern = "^(\\*|(\\*\\.)?[a-z0-9_.-]+|\\[[0-9a-f:.]+\\])$"};

static const struct setting each_field = {.kind = SETTING_CUSTOM,
					  .size = sizeof(struct slice),
					  .parse = config_parse_field,
					  .syntax = "a field",
					  .pattern = "^[A-Za-z0-9_.-]{2,}\\*?$"};

static const struct setting each_page_origin = {.kind = SETTING_CUSTOM,
						.size = sizeof(struct slice),
						.parse = config_parse_page_origin,
						.syntax = "an origin",
						.pattern = "^(\\*|https?://[a-z0-9_.:\\[\\]-]+)$"};

static const struct setting site_table[] = {
	{.key = "hosts", .kind = SETTING_LIST, .at = offsetof(struct config_site, hosts), .each = &each_host, .lone = true,
	 .required = true, .least = 1, .most = 10000,
	 .doc = "`shop.example.com`, `'*.example.com'`, or `'*'` for any other. Exact names win, then the longest wildcard."},
	{TEXT("origin", config_site, origin_text, "A name from `origins`, or a url."), .required = true},
	{.key = "policy", .kind = SETTING_NAME, .at = offsetof(struct config_site, policy_name),
	 .doc = "NAME of `policies/NAME.yaml`; without one nothing is refused but malformed requests."},
	{WORD("client_cert", config_site, client_cert, "none", client_cert_words,
	      "Certificates of clients: `optional` asks for one, `required` refuses who has none. One that is shown must be of "
	      "`client_ca`.")},
	{PATH("client_ca", config_site, client_ca, "PEM of the authorities that issue its clients' certificates.")},
	{PATH("client_crl", config_site, client_crl,
	      "PEM of the lists of certificates they have revoked: one of each authority, intermediates too. A certificate "
	      "whose issuer has none there, or one that is out of date, is refused.")},
	{LATER("candidate")},
	{LATER("candidate_sample")},
	{LATER("routes")},
	{LATER("path_case")},
	{LATER("path_parameters")},
	{WORD("errors", config_site, errors, "replace", errors_words,
	      "Answers of the origin with a status of 500 and above: the gateway's own page instead, or `pass` as they are.")},
	{BOOL("websocket", config_site, websocket, "false",
	      "Pass WebSocket on. Its handshake is judged like any request; what follows is not inspected.")},
	{.key = "websocket_origins", .kind = SETTING_LIST, .at = offsetof(struct config_site, websocket_origins),
	 .each = &each_page_origin, .lone = true, .least = 1, .most = 100,
	 .doc = "Whose pages may open one, beside the site's own: `https://app.example.com`, or `'*'` for any page."},
	{BOOL("grpc", config_site, grpc, "false",
	      "Calls of gRPC over HTTP/2 (`Content-Type: application/grpc`): heads are judged, messages stream both ways and count as "
	      "uninspected, refusals are a `grpc-status`. The origin says `http: 2`. Without it such requests are judged as any other.")},
	{.key = "hide_fields", .kind = SETTING_LIST, .at = offsetof(struct config_site, hide_fields), .each = &each_field,
	 .lone = true, .least = 0, .most = 64,
	 .doc = "Fields of answers that clients do not see, beside those that tell of the origin anyway: `X-Node`, `'X-Debug-*'`."},
	{.key = "show_fields", .kind = SETTING_LIST, .at = offsetof(struct config_site, show_fields), .each = &each_field,
	 .lone = true, .least = 0, .most = 64,
	 .doc = "Fields that tell of the origin (`Server`, `Via`, `X-Powered-By`, `X-Cache` ...) and are seen all the same."},
	{0},
};

static const struct setting each_site = {
	.kind = SETTING_STRUCT, .table = site_table, .size = sizeof(struct config_site)};

static const struct setting each_path = {.kind = SETTING_PATH};

static const struct setting ruleset_table[] = {
	{PATH("path", config_ruleset, path,
	      "Directory that holds `rules/*.conf`; what they include and the data files they name are read with them."),
	 .required = true},
	{PATH("setup", config_ruleset, setup, "The rule set's own settings; `PATH/crs-setup.conf` (or `.example`) if left out.")},
	{.key = "before", .kind = SETTING_LIST, .at = offsetof(struct config_ruleset, before), .each = &each_path,
	 .lone = true, .least = 0, .most = 64, .doc = "SecLang files read after the setup and before the rules."},
	{LATER("version")},
	{0},
};

static const struct setting each_ruleset = {
	.kind = SETTING_STRUCT, .table = ruleset_table, .size = sizeof(struct config_ruleset)};

static const struct setting client_table[] = {
	{SIZE("head_bytes", config_client, head_bytes, "32KiB", KIB, 256 * KIB,
	      "One request head, 431 beyond; one head of an answer, 502 beyond.")},
	{SIZE("target_bytes", config_client, target_bytes, "8KiB", 256, 64 * KIB, "The request target; 414 beyond.")},
	{INT("fields", config_client, fields, "100", 10, 1000, "Header fields, cookie crumbs included; 431 beyond.")},
	{TIME("handshake", config_client, handshake_ms, "5s", 100, MINUTE, "The whole TLS handshake, and a PROXY header before it.")},
	{TIME("head", config_client, head_ms, "10s", 100, 10 * MINUTE, "A whole request head; 408 beyond.")},
	{SIZE("body_rate", config_client, body_rate, "500B", 0, GIB, "Bytes a second a body must bring at least; `0B` for any.")},
	{TIME("body_grace", config_client, body_grace_ms, "20s", 0, HOUR, "Time before `body_rate` counts.")},
	{TIME("stall", config_client, stall_ms, "15s", 100, HOUR, "Time an answer may stay unread.")},
	{TIME("keep_alive", config_client, keep_alive_ms, "60s", 100, HOUR, "Time between two requests of a connection.")},
	{INT("requests", config_client, requests, "1000", 1, 1000000000, "Requests on one connection.")},
	{INT("streams", config_client, streams, "100", 1, 1000, "Requests at a time on one HTTP/2 connection.")},
	{SIZE("body", config_client, body, "1GiB", 0, 1024 * GIB, "A body that is not inspected; 413 beyond.")},
	{SIZE("inspected_body", config_client, inspected_body, "1MiB", KIB, GIB,
	      "A body that is inspected, unless the policy says otherwise; 413 beyond.")},
	{TIME("total", config_client, total_ms, "1h", SECOND, 7 * DAY, "One request in all.")},
	{INT("tunnels", config_client, tunnels, "256", 1, 1000000, "WebSockets of one IPv4 address or IPv6 /64; 429 beyond.")},
	{TIME("tunnel_idle", config_client, tunnel_idle_ms, "60s", 100, DAY, "Time a WebSocket may be without a byte either way.")},
	{SIZE("tunnel_bytes", config_client, tunnel_bytes, "1GiB", 0, 1024 * GIB, "Bytes of one WebSocket, both ways; `0B` for any.")},
	{TIME("tunnel_total", config_client, tunnel_total_ms, "0s", 0, 30 * DAY, "Time a WebSocket may be open; `0s` for any.")},
	{INT("connections", config_client, connections, "50000", 1, 10000000, "Connections of this node.")},
	{INT("per_address", config_client, per_address, "256", 1, 1000000, "Connections of one IPv4 address or IPv6 /64.")},
	{INT("per_network", config_client, per_network, "2048", 1, 1000000, "Connections of one IPv6 /48.")},
	{SIZE("memory", config_client, memory, "2MiB", 256 * KIB, GIB, "Buffers, bookkeeping and TLS of one connection; 431 or 413 beyond.")},
	{0},
};

static const struct setting tls_table[] = {
	{TIME("ticket_period", config_tls, ticket_period_ms, "12h", SECOND, 12 * HOUR,
	      "A key encrypts session tickets for so long, and is accepted for as long again.")},
	{0},
};

static const struct setting waf_table[] = {
	{TIME("queue", config_waf, queue_ms, "1s", 1, MINUTE, "Time a request may wait for an inspector.")},
	{TIME("run", config_waf, run_ms, "250ms", 1, MINUTE, "CPU time of one inspection, and four times that on the wall ...")},
	{TIME("run_per_kib", config_waf, run_ms_per_kib, "1ms", 0, SECOND, "... and so much more for each KiB of the body.")},
	{TIME("client_cpu", config_waf, client_cpu_ms, "30s", 0, HOUR,
	      "CPU time that the inspections of one IPv4 address or IPv6 /64 may take, and eight times that of an IPv6 /48; 429 beyond. "
	      "`0s` for any.")},
	{TIME("client_window", config_waf, client_window_ms, "1m", SECOND, DAY, "Time in which `client_cpu` comes back.")},
	{INT("arguments", config_waf, arguments, "1000", 1, 100000, "Arguments, leaves of JSON or values of XML; 413 beyond.")},
	{INT("json_depth", config_waf, json_depth, "64", 1, 1000, "Levels of JSON or XML; 413 beyond.")},
	{INT("parts", config_waf, parts, "128", 1, 10000, "Parts of a multipart body; 413 beyond.")},
	{INT("recycle_jobs", config_waf, recycle_jobs, "20000", 1, 100000000, "Inspections after which an inspector is replaced ...")},
	{SIZE("recycle_memory", config_waf, recycle_memory, "128MiB", 4 * MIB, 64 * GIB,
	      "... or what it may hold beyond what it began with, when all that is free is given back.")},
	{0},
};

static const struct setting processes_table[] = {
	{CUSTOM("workers", config_processes, workers, config_parse_auto, "a whole number, 1 to 64, or auto",
		"`auto` is one per core."),
	 .fallback = "auto", .pattern = "^(auto|[1-9][0-9]?)$"},
	{CUSTOM("inspectors", config_processes, inspectors, config_parse_auto, "a whole number, 1 to 64, or auto",
		"`auto` is two per core, at least 4."),
	 .fallback = "auto", .pattern = "^(auto|[1-9][0-9]?)$"},
	{INT("uids", config_processes, uids, "58100", 1000, 2147480000,
	     "First of the user ids that roles run as when started as root.")},
	{TIME("drain", config_processes, drain_ms, "30s", 0, HOUR, "Time from SIGTERM to the end.")},
	{SIZE("worker_memory", config_processes, worker_memory, "1GiB", 16 * MIB, 1024 * GIB,
	      "Memory of one worker for clients and origins; new clients are refused at nine tenths of it, 503 at the end.")},
	{TIME("lag", config_processes, lag_ms, "100ms", 0, MINUTE,
	      "How late a worker may be. Where it is later for twenty times as long on end, it refuses some new clients, and from "
	      "twice that some requests, 503; `0s` for any.")},
	{SIZE("spool", config_processes, spool, "256MiB", MIB, 1024 * GIB,
	      "Held bodies of one worker that do not fit its memory; 503 beyond, and 429 where one client has an eighth of it.")},
	{0},
};

static const struct setting redis_table[] = {
	{TEXT("address", config_redis, address_text, "`127.0.0.1:6379`, or a host name and port."), .required = true},
	{TEXT("user", config_redis, user, "For AUTH.")},
	{PATH("password_file", config_redis, password_file, "Holds the password, and nothing else.")},
	{INT("database", config_redis, database, "0", 0, 1023, "SELECTed after connecting.")},
	{TIME("deadline", config_redis, deadline_ms, "20ms", 1, SECOND, "No request waits longer for an answer.")},
	{INT("nodes", config_redis, nodes, "1", 1, 1000,
	     "Gateways that share it: the part of a limit each one grants when it is lost.")},
	{LATER("sentinel")},
	{LATER("cluster")},
	{LATER("tls")},
	{0},
};

static const struct setting geoip_table[] = {
	{PATH("country", config_geoip, country, "Country database (MaxMind DB); `portcullis geoip build` makes a free one.")},
	{PATH("asn", config_geoip, asn, "AS number database.")},
	{WORD("missing", config_geoip, missing, "refuse", missing_words,
	      "A database that is missing or corrupt: `refuse` to start, or `degrade` to an unknown place.")},
	{LATER("overrides")},
	{0},
};

static const struct setting logs_table[] = {
	{CUSTOM("requests", config_logs, requests, config_parse_log, "stdout, stderr, off or a path",
		"One JSON line per request, with its decision."),
	 .fallback = "stdout", .pattern = "."},
	{CUSTOM("errors", config_logs, errors, config_parse_log, "stdout, stderr, off or a path", "What the operator should know."),
	 .fallback = "stderr", .pattern = "."},
	{CUSTOM("waf", config_logs, waf, config_parse_log, "stdout, stderr, off or a path", "One line per rule hit, in the shape of ModSecurity's error log."),
	 .fallback = "off", .pattern = "."},
	{WORD("level", config_logs, level, "info", level_words, "The least level of `errors`.")},
	{BOOL("waf_sync", config_logs, waf_sync, "false", "A hit is in its file before the answer leaves; for tests.")},
	{0},
};

static const struct setting admin_table[] = {
	{CUSTOM("address", config_admin, listen.address_text, config_parse_loopback, "ADDRESS:PORT",
		"`127.0.0.1:9180` or `'[::1]:9180'`: plain HTTP on loopback only; without it a Unix socket is all there is."),
	 .pattern = "^(127\\.|\\[::1\\]).*:[0-9]{1,5}$"},
	{0},
};

static const struct setting each_listener = {
	.kind = SETTING_STRUCT, .table = listener_table, .size = sizeof(struct config_listener)};
static const struct setting each_certificate = {
	.kind = SETTING_STRUCT, .table = certificate_table, .size = sizeof(struct config_certificate)};

#define STRUCT(k, m, t, d) .key = k, .kind = SETTING_STRUCT, .at = offsetof(struct config, m), .table = t, .doc = d

const struct setting config_table[] = {
	{.key = "listeners", .kind = SETTING_LIST, .at = offsetof(struct config, listeners), .each = &each_listener,
	 .least = 1, .most = 64, .doc = "Where clients connect; without it `*:443` serves https and `*:80` redirects to it."},
	{.key = "certificates", .kind = SETTING_LIST, .at = offsetof(struct config, certificates),
	 .each = &each_certificate, .least = 0, .most = 10000,
	 .doc = "Chosen by name; the first one answers clients that ask for none."},
	{.key = "sites", .kind = SETTING_MAP, .at = offsetof(struct config, sites), .each = &each_site, .required = true,
	 .least = 1, .most = 10000, .doc = "What is served: hosts, their origin, their policy."},
	{.key = "origins", .kind = SETTING_MAP, .at = offsetof(struct config, origins), .each = &each_origin, .least = 0,
	 .most = 10000, .doc = "Groups of servers, by name."},
	{.key = "rulesets", .kind = SETTING_MAP, .at = offsetof(struct config, rulesets), .each = &each_ruleset,
	 .least = 0, .most = 16, .doc = "WAF rules, by name; without it `crs` is the one of Debian's modsecurity-crs."},
	{.key = "trusted", .kind = SETTING_LIST, .at = offsetof(struct config, trusted), .each = &each_network, .lone = true,
	 .least = 0, .most = 1000, .doc = "Hops in front of this gateway, whose X-Forwarded-For is believed."},
	{.key = "policies", .kind = SETTING_PATH, .at = offsetof(struct config, policies), .fallback = "policies",
	 .doc = "Directory of the policies."},
	{.key = "cluster_secret_file", .kind = SETTING_PATH, .at = offsetof(struct config, cluster_secret_file),
	 .doc = "At least 32 random bytes, the same on every node: hides what the counters in Redis count, and makes the keys "
		"of session tickets the same on all of them."},
	{STRUCT("client", client, client_table, "Bounds on what one client may take.")},
	{STRUCT("tls", tls, tls_table, "TLS to clients.")},
	{STRUCT("waf", waf, waf_table, "Bounds on inspection.")},
	{STRUCT("processes", processes, processes_table, "How many, as whom, how large.")},
	{STRUCT("redis", redis, redis_table, "Counters shared by several gateways; without it they are in memory.")},
	{STRUCT("geoip", geoip, geoip_table, "Databases from address to place.")},
	{STRUCT("logs", logs, logs_table, "Where lines go.")},
	{STRUCT("admin", admin, admin_table, "Where `/metrics`, `/status` and `/healthz` are, beside the Unix socket.")},
	{LATER("keyholder")},
	{LATER("acme")},
	{LATER("routes")},
	{LATER("cache")},
	{LATER("resolver")},
	{0},
};

void config_schema(FILE *out)
{
	setting_schema(config_table, "portcullis.yaml", out);
}

void config_reference(FILE *out)
{
	fputs("# portcullis.yaml\n\n"
	      "The operator's file: where clients connect, which sites are served, where clean requests go. What is refused\n"
	      "is the policies' business (`policies/NAME.yaml`). `portcullis check -c FILE` reads it as the gateway would and\n"
	      "says what is wrong, with file, line and column. This page is printed by `portcullis reference config`; editors\n"
	      "take `portcullis schema config`.\n\n"
	      "Strict YAML: unknown and double keys, anchors, aliases, tags and tabs are errors. Every value is text until its\n"
	      "key types it. Durations are `500ms`, `30s`, `10m`, `2h`, `7d`; sizes `512B`, `64KiB`, `10MiB`, `1GiB`. Paths are\n"
	      "relative to the file. A site is five lines:\n\n"
	      "```yaml\n"
	      "sites:\n"
	      "  shop:\n"
	      "    hosts: shop.example.com\n"
	      "    origin: http://10.0.0.5:8000\n"
	      "    policy: shop\n"
	      "```\n\n"
	      "Names (of sites, origins, rule sets and policies) are 1 to 40 of a-z, 0-9 and `-`.\n\n",
	      out);
	setting_reference(config_table, out);
}
