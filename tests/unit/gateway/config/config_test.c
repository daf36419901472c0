/* config_test.c -- portcullis.yaml: what it means when it says nothing, what is refused, and where. */
#include "bed.h"

/* ---- Defaults ---- */

static void test_the_smallest_file(void **state)
{
	const struct config_listener *l;
	const struct config_origin *o;
	const struct config_server *s;
	const struct config_site *site;
	struct bed b;

	(void)state;
	bed_read(&b, SITE "certificates: [{certificate: one.pem, key: one.key}]\n");
	assert_non_null(b.config);
	assert_int_equal(b.fail.n, 0);
	l = b.config->listeners.at;
	assert_int_equal(b.config->listeners.n, 2);
	assert_int_equal(l[0].port, 443);
	assert_int_equal(l[0].serve, CONFIG_HTTPS);
	assert_slice(l[0].address_text, "*:443");
	assert_int_equal(l[1].port, 80);
	assert_int_equal(l[1].serve, CONFIG_REDIRECT);
	assert_false(addr_is_v4(&l[1].address));
	assert_int_equal(b.config->trusted.n, 0);
	assert_int_equal(b.config->origins.n, 1);
	o = b.config->origins.at;
	assert_slice(o->head.key, "http://10.0.0.1");
	assert_int_equal(o->head.place.line, 2);
	assert_true(o->tls_verify);
	assert_int_equal(o->tls_name.len + o->tls_ca.len, 0);
	assert_int_equal(o->connect_ms, 2000);
	assert_int_equal(o->first_byte_ms, 60000);
	assert_int_equal(o->between_ms, 30000);
	assert_int_equal(o->events_ms, 300000);
	assert_int_equal(o->idle_ms, 60000);
	assert_int_equal(o->keep, 64);
	assert_int_equal(o->retries, 1);
	assert_int_equal(o->eject_failures, 3);
	assert_int_equal(o->eject_ms, 10000);
	s = o->servers.at;
	assert_int_equal(o->servers.n, 1);
	assert_int_equal(s->port, 80);
	assert_int_equal(s->weight, 1);
	assert_false(s->tls);
	assert_slice(s->name, "10.0.0.1");
	assert_int_equal(b.config->servers_n, 1);
	site = b.config->sites.at;
	assert_slice(site->head.key, "a");
	assert_slice(((const struct slice *)site->hosts.at)[0], "a.example");
	assert_ptr_equal(site->origin, o);
	assert_null(site->policy);
	assert_false(b.config->waf_used);
	assert_false(site->websocket || b.config->websocket_used);
	assert_int_equal(b.config->hash.len, 64);
	assert_int_equal(b.secrets->pems_n, 1);
	assert_true(slice_starts(b.secrets->pems[0].key, SLICE("-----BEGIN ")));
	assert_int_equal(b.secrets->pems[0].place.line, 3);
	assert_int_equal(b.secrets->redis_password.len, 0);
	assert_int_equal(b.secrets->origin_ca[0].len, 0);
	bed_done(&b);
}

static void test_every_bound_has_its_default(void **state)
{
	const struct config *c;
	struct bed b;
	char path[128];

	(void)state;
	bed_read(&b, LISTEN SITE);
	c = b.config;
	assert_non_null(c);
	assert_int_equal(c->client.head_bytes, 32 << 10);
	assert_int_equal(c->client.target_bytes, 8 << 10);
	assert_int_equal(c->client.fields, 100);
	assert_int_equal(c->client.handshake_ms, 5000);
	assert_int_equal(c->client.head_ms, 10000);
	assert_int_equal(c->client.body_rate, 500);
	assert_int_equal(c->client.body_grace_ms, 20000);
	assert_int_equal(c->client.stall_ms, 15000);
	assert_int_equal(c->client.keep_alive_ms, 60000);
	assert_int_equal(c->client.requests, 1000);
	assert_int_equal(c->client.body, 1 << 30);
	assert_int_equal(c->client.inspected_body, 1 << 20);
	assert_int_equal(c->client.total_ms, 3600000);
	assert_int_equal(c->client.tunnels, 256);
	assert_int_equal(c->client.tunnel_idle_ms, 60000);
	assert_int_equal(c->client.tunnel_bytes, 1 << 30);
	assert_int_equal(c->client.tunnel_total_ms, 0);
	assert_int_equal(c->client.connections, 50000);
	assert_int_equal(c->client.per_address, 256);
	assert_int_equal(c->client.memory, 2 << 20);
	assert_int_equal(c->waf.queue_ms, 1000);
	assert_int_equal(c->waf.run_ms, 250);
	assert_int_equal(c->waf.run_ms_per_kib, 1);
	assert_int_equal(c->waf.arguments, 1000);
	assert_int_equal(c->waf.json_depth, 64);
	assert_int_equal(c->waf.parts, 128);
	assert_int_equal(c->waf.recycle_jobs, 20000);
	assert_int_equal(c->processes.workers, 0);
	assert_int_equal(c->processes.inspectors, 0);
	assert_int_equal(c->processes.uids, 58100);
	assert_int_equal(c->processes.drain_ms, 30000);
	assert_int_equal(c->processes.worker_memory, 1 << 30);
	assert_int_equal(c->processes.spool, 256 << 20);
	assert_int_equal(c->tls.ticket_period_ms, 43200000);
	assert_int_equal(((const struct config_site *)c->sites.at)->client_cert, CONFIG_CERT_NONE);
	assert_false(c->redis.present);
	assert_int_equal(c->redis.deadline_ms, 20);
	assert_int_equal(c->redis.nodes, 1);
	assert_int_equal(c->redis.database, 0);
	assert_int_equal(c->geoip.missing, CONFIG_GEOIP_REFUSE);
	assert_int_equal(c->geoip.country.len + c->geoip.asn.len, 0);
	assert_slice(c->logs.requests, "stdout");
	assert_slice(c->logs.errors, "stderr");
	assert_slice(c->logs.waf, "off");
	assert_int_equal(c->logs.level, 1);
	assert_false(c->logs.waf_sync);
	snprintf(path, sizeof path, "%s/policies", folder);
	assert_slice(c->policies, path);
	assert_int_equal(c->cluster_secret_file.len, 0);
	assert_int_equal(c->rulesets.n, 1);
	assert_slice(((const struct config_ruleset *)c->rulesets.at)->head.key, "crs");
	assert_slice(((const struct config_ruleset *)c->rulesets.at)->path, "/usr/share/modsecurity-crs");
	assert_slice(((const struct config_ruleset *)c->rulesets.at)->setup, "/etc/modsecurity/crs/crs-setup.conf");
	bed_done(&b);
}

/* ---- A file that says everything ---- */

static const char full[] =
	"listeners:\n"
	"  - {address: '127.0.0.1:8443', serve: https}\n"
	"  - {address: '[::1]:8080', serve: http, proxy_protocol: [10.0.0.0/24, '2001:db8:2::/48']}\n"
	"  - {address: '*:80', serve: redirect, proxy_protocol: 192.0.2.1}\n"
	"certificates:\n"
	"  - {certificate: one.pem, key: one.key}\n"
	"  - {certificate: two.pem, key: two.key}\n"
	"sites:\n"
	"  shop:\n"
	"    hosts: [shop.example, '*.shop.example']\n"
	"    origin: pool\n"
	"    policy: rules\n"
	"  blog: {hosts: blog.example, origin: 'http://[2001:db8::1]:8000', policy: rules, errors: pass, websocket: true, websocket_origins: ['https://a.example', '*']}\n"
	"  wiki: {hosts: '*', origin: 'http://[2001:db8::1]:8000', policy: plain, hide_fields: [X-Node, 'X-Debug-*'], show_fields: Server}\n"
	"origins:\n"
	"  pool:\n"
	"    servers: ['http://10.0.0.5:8000', {url: 'https://10.0.0.6', weight: 3}]\n"
	"    tls_verify: false\n"
	"    tls_name: app.internal\n"
	"    tls_ca: two.pem\n"
	"    connect: 1s\n"
	"    retries: 0\n"
	"trusted: [10.0.0.0/8, '2001:db8:1::/48', 192.0.2.1]\n"
	"rulesets:\n"
	"  crs: {path: crs, before: bare/rules/a.conf}\n"
	"cluster_secret_file: secret\n"
	"client: {head_bytes: 16KiB, memory: 2MiB}\n"
	"processes: {workers: 4, inspectors: auto}\n"
	"redis: {address: 'localhost:6380', user: gate, password_file: password, database: 3, deadline: 50ms, nodes: 2}\n"
	"logs: {requests: off, errors: ./e.log, waf: /var/log/waf.log, level: warn, waf_sync: true}\n";

/* Whose connections begin with a PROXY header, by listener. */
static void check_hops(const struct config_listener *l)
{
	static const struct {
		const char *text;
		bool listed[3];
	} rows[] = {
		{"10.0.0.7", {false, true, false}},  {"10.0.1.7", {false}},	{"2001:db8:2::7", {false, true, false}},
		{"192.0.2.1", {false, false, true}}, {"192.0.2.2", {false}}, {"::", {false}},
	};

	for (unsigned i = 0; i < ROWS(rows); i++)
		for (unsigned k = 0; k < 3; k++) {
			struct addr a;

			assert_true(addr_parse(slice_of(rows[i].text), &a));
			assert_int_equal(config_lists(&l[k].proxy_protocol, &a), rows[i].listed[k]);
		}
}

/* What of answers is hidden, by site. */
static void check_answers(const struct config_site *site)
{
	const struct slice *names = site[2].hide_fields.at;

	assert_int_equal(site[0].errors, CONFIG_ERRORS_REPLACE);
	assert_int_equal(site[0].hide_fields.n + site[0].show_fields.n, 0);
	assert_int_equal(site[1].errors, CONFIG_ERRORS_PASS);
	assert_true(!site[0].websocket && site[1].websocket);
	assert_int_equal(site[1].websocket_origins.n, 2);
	assert_slice(*(const struct slice *)site[1].websocket_origins.at, "https://a.example");
	assert_int_equal(site[2].hide_fields.n, 2);
	assert_slice(names[0], "x-node");
	assert_slice(names[1], "x-debug-*");
	assert_int_equal(site[2].show_fields.n, 1);
	assert_slice(*(const struct slice *)site[2].show_fields.at, "server");
}

static void test_a_full_file(void **state)
{
	const struct config_origin *o;
	const struct config_server *s;
	const struct config_site *site;
	const struct cidr *net;
	const struct config *c;
	char path[128];
	struct bed b;

	(void)state;
	bed_read(&b, full);
	if (b.fail.n)
		fail_print(&b.fail, stderr, true);
	c = b.config;
	assert_non_null(c);
	assert_int_equal(b.fail.n, 0);
	o = c->origins.at;
	assert_int_equal(c->origins.n, 2);
	assert_int_equal(c->servers_n, 3);
	s = o[0].servers.at;
	assert_int_equal(s[0].port, 8000);
	assert_int_equal(s[1].port, 443);
	assert_true(s[1].tls);
	assert_int_equal(s[1].weight, 3);
	assert_int_equal(s[1].number, 1);
	assert_false(o[0].tls_verify);
	assert_int_equal(o[0].connect_ms, 1000);
	assert_int_equal(o[0].first_byte_ms, 60000);
	assert_int_equal(o[1].number, 1);
	s = o[1].servers.at;
	assert_slice(s->name, "2001:db8::1");
	assert_int_equal(s->number, 2);
	assert_true(slice_starts(b.secrets->origin_ca[0], SLICE("-----BEGIN CERT")));
	assert_int_equal(b.secrets->origin_ca[1].len, 0);
	site = c->sites.at;
	assert_ptr_equal(site[0].origin, &o[0]);
	/* Two sites with one url share an origin, with one name a policy. */
	assert_ptr_equal(site[1].origin, &o[1]);
	assert_ptr_equal(site[2].origin, &o[1]);
	assert_ptr_equal(site[0].policy, site[1].policy);
	assert_ptr_not_equal(site[0].policy, site[2].policy);
	assert_slice(policy_name(site[2].policy), "plain");
	check_hops(c->listeners.at);
	check_answers(site);
	net = c->trusted.at;
	assert_int_equal(c->trusted.n, 3);
	assert_int_equal(net[0].bits, 104);
	assert_int_equal(net[1].bits, 48);
	assert_int_equal(net[2].bits, 128);
	assert_int_equal(c->processes.workers, 4);
	assert_int_equal(c->processes.inspectors, 0);
	assert_true(c->redis.present);
	assert_int_equal(c->redis.port, 6380);
	assert_true(addr_is_v4(&c->redis.address));
	assert_slice(b.secrets->redis_password, "p@ss word");
	assert_int_equal(c->redis.deadline_ms, 50);
	assert_slice(c->logs.requests, "off");
	snprintf(path, sizeof path, "%s/./e.log", folder);
	assert_slice(c->logs.errors, path);
	assert_slice(c->logs.waf, "/var/log/waf.log");
	assert_int_equal(c->logs.level, 2);
	assert_slice(((const struct config_ruleset *)c->rulesets.at)->setup, in_folder("crs/crs-setup.conf.example"));
	bed_done(&b);
}

/* ---- Broken files ---- */

#define FILES_8 "a, a, a, a, a, a, a, a, "
#define FILES_65 FILES_8 FILES_8 FILES_8 FILES_8 FILES_8 FILES_8 FILES_8 FILES_8 "a"

static const struct broken {
	const char *in;
	uint32_t line, column; /* of the first finding */
	const char *part;
} broken[] = {
	{"", 1, 1, "the file is empty"},
	{LISTEN, 1, 1, "\"sites\" is missing"},
	{LISTEN "sites: {}\n", 2, 8, "sites has 0 entries; at least 1"},
	{LISTEN "stes: {}\n", 2, 1, "did you mean \"sites\"?"},
	{LISTEN SITE "keyholder: {}\n", 4, 1, "\"keyholder\" is not in this version"},
	{LISTEN SITE "admin: {address: '*:9180'}\n", 4, 18, "\"*:9180\" is not a loopback address"},
	{LISTEN SITE "admin: {address: '10.0.0.1:9180'}\n", 4, 18, "\"10.0.0.1:9180\" is not a loopback address"},
	{LISTEN SITE "admin: {address: '[::]:9180'}\n", 4, 18, "\"[::]:9180\" is not a loopback address"},
	{LISTEN SITE "admin: {address: '127.0.0.1'}\n", 4, 18, "has no port"},
	{LISTEN SITE "keyholder: {}\n", 4, 1, "not in this version"},
	{LISTEN SITE "acme: {}\n", 4, 1, "not in this version"},
	{LISTEN "sites: {a: {hosts: a, origin: x, candidate: b}}\n", 2, 34, "\"candidate\" is not in this version"},
	{LISTEN "sites: {a: {hosts: a, origin: x, client_cert: require}}\n", 2, 47, "did you mean \"required\"?"},
	{LISTEN "sites: {a: {hosts: a, origin: x, routes: []}}\n", 2, 34, "not in this version"},
	{LISTEN "sites: {a: {hosts: a, origin: x, path_case: insensitive}}\n", 2, 34, "not in this version"},
	{LISTEN "sites: {a: {hosts: a, origin: x, errors: keep}}\n", 2, 42, "errors"},
	{LISTEN "sites: {a: {hosts: a, origin: 'http://10.0.0.1', hide_fields: 'X Node'}}\n", 2, 63, "is not the name of a field"},
	{LISTEN "sites: {a: {hosts: a, origin: 'http://10.0.0.1', hide_fields: '*'}}\n", 2, 63, "is not the name of a field"},
	{LISTEN "sites: {a: {hosts: a, origin: 'http://10.0.0.1', hide_fields: ['X-*-Node']}}\n", 2, 64, "is not the name of a field"},
	{LISTEN "sites: {a: {hosts: a, origin: 'http://10.0.0.1', hide_fields: [\"X-A\\r\\nB\"]}}\n", 2, 64, "is not the name of a field"},
	{LISTEN "sites: {a: {hosts: a, origin: 'http://10.0.0.1', hide_fields: VIA, show_fields: via}}\n", 2, 81, "hides and shows \"via\""},
	{LISTEN "sites: {a: {hosts: a, origin: 'http://10.0.0.1', websocket_origins: '*'}}\n", 2, 69, "passes no WebSocket on"},
	{LISTEN "sites: {a: {hosts: a, origin: 'http://10.0.0.1', websocket: true, websocket_origins: a.example}}\n", 2, 86, "is not the origin of a page"},
	{LISTEN "sites: {a: {hosts: a, origin: 'http://10.0.0.1', websocket: true, websocket_origins: 'https://A.example'}}\n", 2, 86, "is not the origin of a page"},
	{LISTEN "sites: {a: {hosts: a, origin: 'http://10.0.0.1', websocket: true, websocket_origins: 'https://a.example/'}}\n", 2, 86, "is not the origin of a page"},
	{LISTEN "sites: {a: {hosts: a, origin: 'http://10.0.0.1', websocket: true, websocket_origins: 'wss://a.example'}}\n", 2, 86, "is not the origin of a page"},

	/* Listeners and certificates */
	{SITE, 1, 1, "*:443 serves https, but there is no certificate"},
	{SITE "listeners: []\n", 3, 12, "at least 1"},
	{SITE "listeners: [{address: '127.0.0.1:8443'}]\n", 3, 13, "serves https, but there is no certificate"},
	{SITE "listeners: [{serve: http}]\n", 3, 13, "\"address\" is missing"},
	{SITE "listeners: [{address: 8080, serve: http}]\n", 3, 23, "did you mean '*:8080'?"},
	{SITE "listeners: [{address: 127.0.0.1, serve: http}]\n", 3, 23, "has no port"},
	{SITE "listeners: [{address: '::1', serve: http}]\n", 3, 23, "in brackets"},
	{SITE "listeners: [{address: '127.0.0.1:0', serve: http}]\n", 3, 23, "is not ADDRESS:PORT"},
	{SITE "listeners: [{address: 'localhost:80', serve: http}]\n", 3, 23, "is not ADDRESS:PORT"},
	{SITE "listeners: [{address: '*:80', serve: htpp}]\n", 3, 38, "did you mean \"http\"?"},
	{SITE "listeners: [{address: '*:80', serve: http, proxy_protocol: []}]\n", 3, 60, "at least 1"},
	{SITE "listeners: [{address: '*:80', serve: http, proxy_protocol: on}]\n", 3, 60, "not an address or network"},
	{SITE "listeners: [{address: '*:80', serve: http, proxy_protocol: ['::/0']}]\n", 3, 61, "trusts every address"},
	{SITE "listeners:\n- {address: '127.0.0.1:80', serve: http}\n- {address: '127.0.0.1:80', serve: http}\n", 5, 3,
	 "127.0.0.1:80 is listened on twice, first at line 4"},
	{SITE "listeners:\n- {address: '127.0.0.1:80', serve: http}\n- {address: '[::ffff:127.0.0.1]:80', serve: http}\n", 5, 3,
	 "twice"},
	{LISTEN SITE "certificates: [{certificate: none.pem, key: one.key}]\n", 4, 30, "/none.pem cannot be opened: No such file"},
	{LISTEN SITE "certificates: [{certificate: one.pem, key: none.key}]\n", 4, 44, "/none.key cannot be opened"},
	{LISTEN SITE "certificates: [{certificate: one.pem, key: two.key}]\n", 4, 44, "does not belong to the certificate"},
	{LISTEN SITE "certificates: [{certificate: one.key, key: one.pem}]\n", 4, 30, "are the two swapped?"},
	{LISTEN SITE "certificates: [{certificate: one.pem, key: one.locked}]\n", 4, 44, "protected by a passphrase"},
	{LISTEN SITE "certificates: [{certificate: secret, key: one.key}]\n", 4, 30, "no certificate in PEM"},
	{LISTEN SITE "certificates: [{certificate: one.pem, key: secret}]\n", 4, 44, "no private key in PEM"},
	{LISTEN SITE "certificates: [{certificate: policies, key: one.key}]\n", 4, 30, "is not a regular file"},
	{LISTEN SITE "certificates: [{certificate: one.pem}]\n", 4, 16, "\"key\" is missing"},

	/* Hosts */
	{LISTEN "sites: {a: {hosts: [], origin: 'http://10.0.0.1'}}\n", 2, 20, "at least 1"},
	{LISTEN "sites: {a: {hosts: Shop.Example, origin: 'http://10.0.0.1'}}\n", 2, 20, "did you mean \"shop.example\"?"},
	{LISTEN "sites: {a: {hosts: 'a.example:80', origin: 'http://10.0.0.1'}}\n", 2, 20, "no port or path"},
	{LISTEN "sites: {a: {hosts: a.example/x, origin: 'http://10.0.0.1'}}\n", 2, 20, "no port or path"},
	{LISTEN "sites: {a: {hosts: a.example., origin: 'http://10.0.0.1'}}\n", 2, 20, "an empty label"},
	{LISTEN "sites: {a: {hosts: a..example, origin: 'http://10.0.0.1'}}\n", 2, 20, "an empty label"},
	{LISTEN "sites: {a: {hosts: -a.example, origin: 'http://10.0.0.1'}}\n", 2, 20, "begins or ends with \"-\""},
	{LISTEN "sites: {a: {hosts: ['a.*.example'], origin: 'http://10.0.0.1'}}\n", 2, 21, "only as the whole or as the first label"},
	{LISTEN "sites: {a: {hosts: ['*a.example'], origin: 'http://10.0.0.1'}}\n", 2, 21, "only as the whole"},
	{LISTEN "sites: {a: {hosts: ['*.*.example'], origin: 'http://10.0.0.1'}}\n", 2, 21, "only as the whole"},
	{LISTEN "sites: {a: {hosts: ['*.'], origin: 'http://10.0.0.1'}}\n", 2, 21, "an empty label"},
	{LISTEN "sites: {a: {hosts: m\xc3\xbcller.example, origin: 'http://10.0.0.1'}}\n", 2, 20, "write its xn-- form"},
	{LISTEN "sites: {a: {hosts: '::1', origin: 'http://10.0.0.1'}}\n", 2, 20, "write it in brackets and quotes"},
	{LISTEN "sites: {a: {hosts: '[::1', origin: 'http://10.0.0.1'}}\n", 2, 20, "is not an IPv6 address"},
	{LISTEN "sites: {a: {hosts: {x: y}, origin: 'http://10.0.0.1'}}\n", 2, 20, "must be text, not a mapping"},
	{LISTEN "sites:\n  a: {hosts: [x, y], origin: 'http://10.0.0.1'}\n  b: {hosts: [z, y], origin: 'http://10.0.0.1'}\n", 4, 18,
	 "host \"y\" is served twice, first by site \"a\" at line 3"},
	{LISTEN "sites: {a: {hosts: ['*.x', '*.x'], origin: 'http://10.0.0.1'}}\n", 2, 28, "host \"*.x\" is served twice"},
	{LISTEN "sites: {a: {hosts: ['*', '*'], origin: 'http://10.0.0.1'}}\n", 2, 26, "host \"*\" is served twice"},
	{LISTEN "sites: {a: {hosts: [x, x], origin: 'http://10.0.0.1'}}\n", 2, 24, "served twice, first by site \"a\""},
	{LISTEN "sites: {Shop: {hosts: x, origin: 'http://10.0.0.1'}}\n", 2, 9, "is not a name"},

	/* Origins */
	{LISTEN "sites: {a: {hosts: x}}\n", 2, 12, "\"origin\" is missing"},
	{LISTEN "sites: {a: {hosts: x, origin: pol}}\norigins: {pool: {servers: 'http://10.0.0.1'}}\n", 2, 31,
	 "no origin \"pol\"; did you mean \"pool\"?"},
	{LISTEN "sites: {a: {hosts: x, origin: somewhere}}\n", 2, 31, "add it under origins, or write a url"},
	{LISTEN "sites: {a: {hosts: x, origin: '10.0.0.1:80'}}\n", 2, 31, "did you mean \"http://10.0.0.1:80\"?"},
	{LISTEN "sites: {a: {hosts: x, origin: 'ftp://10.0.0.1'}}\n", 2, 31, "did you mean \"http://10.0.0.1\"?"},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://10.0.0.1/'}}\n", 2, 31, "has a path"},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://10.0.0.1?x'}}\n", 2, 31, "has a path"},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://u:p@10.0.0.1'}}\n", 2, 31, "carries a user or password"},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://'}}\n", 2, 31, "has no host"},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://:80'}}\n", 2, 31, "has no host"},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://10.0.0.1:'}}\n", 2, 31, "must end with a port"},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://10.0.0.1:0'}}\n", 2, 31, "must end with a port"},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://10.0.0.1:65536'}}\n", 2, 31, "must end with a port"},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://[::1:80'}}\n", 2, 31, "has a \"[\" without \"]\""},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://a b'}}\n", 2, 31, "a character that no host has"},
	{LISTEN "sites: {a: {hosts: x, origin: \"http://a\\r\\nb\"}}\n", 2, 31, "a character that no host has"},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://no.such.host.invalid'}}\n", 2, 31, "cannot be resolved"},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://0.0.0.0:80'}}\n", 2, 31, "no server has it"},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://169.254.169.254'}}\n", 2, 31, "no server has it"},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://[::]:80'}}\n", 2, 31, "no server has it"},
	{LISTEN "sites: {a: {hosts: x, origin: p}}\norigins: {p: {servers: []}}\n", 3, 24, "at least 1"},
	{LISTEN "sites: {a: {hosts: x, origin: p}}\norigins: {p: {servers: [{url: 'http://10.0.0.1', weight: 0}]}}\n", 3, 58,
	 "write 1 to 100"},
	{LISTEN "sites: {a: {hosts: x, origin: p}}\norigins: {p: {servers: [{weight: 1}]}}\n", 3, 25, "\"url\" is missing"},
	{LISTEN "sites: {a: {hosts: x, origin: p}}\norigins: {p: {servers: [[x]]}}\n", 3, 25, "not a list"},
	{LISTEN "sites: {a: {hosts: x, origin: p}}\norigins: {p: {servers: 'http://10.0.0.1', tls_ca: one.key}}\n", 3, 51,
	 "holds no certificate"},
	/* Loops */
	{LISTEN "sites: {a: {hosts: x, origin: 'http://127.0.0.1:8080'}}\n", 2, 31, "this gateway's own listener 127.0.0.1:8080 (line 1)"},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://localhost:8080'}}\n", 2, 31, "this gateway's own listener"},
	{LISTEN "sites: {a: {hosts: x, origin: p}}\norigins:\n  p:\n    servers:\n    - http://10.0.0.1\n    - http://127.0.0.1:8080\n", 7, 7,
	 "this gateway's own listener"},
	{"listeners: [{address: '*:8080', serve: http}]\nsites: {a: {hosts: x, origin: 'http://127.0.0.9:8080'}}\n", 2, 31,
	 "this gateway's own listener"},
	{"listeners: [{address: '0.0.0.0:8080', serve: http}]\nsites: {a: {hosts: x, origin: 'http://127.0.0.1:8080'}}\n", 2, 31,
	 "this gateway's own listener"},

	/* Trusted hops */
	{LISTEN SITE "trusted: 0.0.0.0/0\n", 4, 10, "trusts every address"},
	{LISTEN SITE "trusted: ['::/0']\n", 4, 11, "trusts every address"},
	{LISTEN SITE "trusted: [10.0.0.1/8]\n", 4, 11, "bits behind the prefix are set"},
	{LISTEN SITE "trusted: [10.0.0.0/8, here]\n", 4, 23, "not an address or network"},
	{LISTEN SITE "trusted: [2001:db8::]\n", 4, 11, "put it in quotes: '2001:db8::'"},

	/* Policies */
	{LISTEN "sites: {a: {hosts: x, origin: 'http://10.0.0.1', policy: none}}\n", 2, 58, "there is no file "},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://10.0.0.1', policy: plian}}\n", 2, 58, "did you mean \"plain\"?"},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://10.0.0.1', policy: misnamed}}\n", 2, 58, "calls itself \"other\""},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://10.0.0.1', policy: '../x'}}\n", 2, 58, "is not a name"},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://10.0.0.1', policy: broken}}\n", 2, 1, "ruels"},
	{LISTEN "sites: {a: {hosts: x, origin: 'http://10.0.0.1', policy: plain}}\npolicies: empty\n", 2, 58,
	 "/empty/plain.yaml"},

	/* Rule sets */
	{LISTEN SITE "rulesets: {crs: {path: empty}}\n", 4, 24, "install Debian's package modsecurity-crs"},
	{LISTEN SITE "rulesets: {crs: {path: nowhere}}\n", 4, 24, "/nowhere/rules"},
	{LISTEN SITE "rulesets: {crs: {path: bare}}\n", 4, 24, "neither crs-setup.conf nor crs-setup.conf.example"},
	{LISTEN SITE "rulesets: {crs: {path: crs, setup: nothing.conf}}\n", 4, 36, "cannot be opened"},
	{LISTEN SITE "rulesets: {crs: {path: crs, before: [none.conf]}}\n", 4, 37, "cannot be opened"},
	{LISTEN SITE "rulesets: {crs: {path: crs, before: [" FILES_65 "]}}\n", 4, 37, "has 65 entries; at most 64 allowed"},
	{LISTEN SITE "rulesets: {crs: {}}\n", 4, 17, "\"path\" is missing"},

	/* Databases, Redis, secrets */
	{LISTEN SITE "geoip: {country: none.mmdb}\n", 4, 18, "none.mmdb"},
	{LISTEN SITE "geoip: {country: secret}\n", 4, 18, "secret"},
	{LISTEN SITE "geoip: {asn: none.mmdb}\n", 4, 14, "none.mmdb"},
	{LISTEN SITE "geoip: {missing: ignore}\n", 4, 18, "write refuse or degrade"},
	{LISTEN SITE "redis: {}\n", 4, 8, "\"address\" is missing"},
	{LISTEN SITE "redis: {address: here}\n", 4, 18, "is not HOST:PORT"},
	{LISTEN SITE "redis: {address: '[::1]'}\n", 4, 18, "is not HOST:PORT"},
	{LISTEN SITE "redis: {address: 'a/b:1'}\n", 4, 18, "is not HOST:PORT"},
	{LISTEN SITE "redis: {address: '127.0.0.1:6379', user: x}\n", 4, 42, "redis.user needs redis.password_file"},
	{LISTEN SITE "redis: {address: '127.0.0.1:6379', password_file: nothing}\n", 4, 51, "is empty"},
	{LISTEN SITE "redis: {address: '127.0.0.1:6379', password_file: lines}\n", 4, 51, "more than one line"},
	{LISTEN SITE "redis: {address: '127.0.0.1:6379', password_file: none}\n", 4, 51, "cannot be opened"},
	{LISTEN SITE "redis: {address: '127.0.0.1:6379', deadline: 0ms}\n", 4, 46, "write 1ms to 1s"},
	{LISTEN SITE "redis: {address: '127.0.0.1:6379', sentinel: x}\n", 4, 36, "not in this version"},
	{LISTEN SITE "cluster_secret_file: short\n", 4, 22, "has 16 bytes; at least 32"},
	{LISTEN SITE "cluster_secret_file: none\n", 4, 22, "cannot be opened"},

	/* Bounds */
	{LISTEN SITE "client: {head_bytes: 100B}\n", 4, 22, "write 1KiB to 256KiB"},
	{LISTEN SITE "client: {stall: 5}\n", 4, 17, "did you mean \"5s\"?"},
	{LISTEN SITE "client: {stal: 5s}\n", 4, 10, "did you mean \"stall\"?"},
	{LISTEN SITE "waf: {run: 0ms}\n", 4, 12, "write 1ms to 1m"},
	{LISTEN SITE "processes: {workers: 0}\n", 4, 22, "write 1 to 64, or auto"},
	{LISTEN SITE "processes: {workers: 65}\n", 4, 22, "write 1 to 64, or auto"},
	{LISTEN SITE "processes: {inspectors: many}\n", 4, 25, "write 1 to 64, or auto"},
	{LISTEN SITE "processes: {uids: 0}\n", 4, 19, "write 1000 to"},
	{LISTEN SITE "logs: {errors: stdot}\n", 4, 16, "did you mean \"stdout\"?"},
	{LISTEN SITE "logs: {level: warning}\n", 4, 15, "did you mean \"warn\"?"},
};

static void test_broken_files(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < ROWS(broken); i++) {
		struct finding first = {.text = "no finding"};
		struct bed b;

		bed_read(&b, broken[i].in);
		for (unsigned k = b.fail.n; k; k--)
			if (b.fail.at[k - 1].level == FAIL_ERROR)
				first = b.fail.at[k - 1];
		if (b.config || b.secrets || !strstr(first.text, broken[i].part) || first.place.line != broken[i].line ||
		    first.place.column != broken[i].column) {
			wrong++;
			print_error("%s%s:%u:%u: %s\n\n", broken[i].in, first.place.file, first.place.line, first.place.column,
				    first.text);
		}
		bed_done(&b);
	}
	assert_int_equal(wrong, 0);
}

static void test_one_mistake_is_told_once(void **state)
{
	static const char *const rows[] = {
		LISTEN "sites: {a: {hosts: x, origin: 'http://10.0.0.1/'}}\n",
		LISTEN "sites: {a: {hosts: x, origin: 'http://127.0.0.1:8080'}, b: {hosts: y, origin: 'http://127.0.0.1:8080'}}\n",
		LISTEN "sites: {a: {hosts: x, origin: 'http://10.0.0.1', policy: none}, b: {hosts: y, origin: 'http://10.0.0.1'}}\n",
		LISTEN SITE "redis: {address: here}\ncluster_secret_file: secret\n",
		LISTEN SITE "certificates: [{certificate: none.pem, key: one.key}]\n",
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct bed b;

		bed_read(&b, rows[i]);
		if (b.fail.errors != 1)
			fail_msg("%s: %u errors", rows[i], b.fail.errors);
		bed_done(&b);
	}
}

static void test_a_missing_file(void **state)
{
	struct bed b;

	(void)state;
	unlink(in_folder("portcullis.yaml"));
	bed_reread(&b);
	assert_null(b.config);
	assert_int_equal(b.fail.errors, 1);
	assert_non_null(strstr(b.fail.at[0].text, "cannot be opened"));
	bed_done(&b);
}

/* ---- What clients must not learn ---- */

static void test_names_of_an_origin(void **state)
{
	static const char *const want[] = {"10.0.0.5", "10.0.0.6", "127.0.0.1", "2001:db8::5", "localhost"};
	const struct config_origin *o;
	const struct slice *names;
	const uint16_t *ports;
	struct bed b;

	(void)state;
	bed_read(&b, LISTEN "sites: {a: {hosts: [10.0.0.7, a.example, '*'], origin: pool}}\n"
			    "origins: {pool: {servers: ['http://LocalHost:8000', 'http://[2001:DB8:0::5]', 'http://10.0.0.6:81', "
			    "'http://10.0.0.5', 'http://10.0.0.7:82']}}\n");
	assert_non_null(b.config);
	o = b.config->origins.at;
	names = o->names.at;
	ports = o->ports.at;
	/* Sorted; a host of a site is public, a wildcard makes nothing so. */
	for (unsigned i = 0, k = 0; i < o->names.n; i++) {
		if (i && slice_eq(names[i], names[i - 1]))
			continue;
		assert_true(k < ROWS(want));
		assert_slice(names[i], want[k++]);
	}
	assert_int_equal(o->ports.n, 5);
	assert_int_equal(ports[0], 8000);
	assert_int_equal(ports[1], 80);
	assert_int_equal(ports[4], 82);
	bed_done(&b);
}

/* ---- Warnings ---- */

static void test_warnings(void **state)
{
	static const struct broken rows[] = {
		{LISTEN SITE "redis: {address: '127.0.0.1:6379'}\n", 4, 8, "set cluster_secret_file"},
		{LISTEN SITE "cluster_secret_file: open\n", 4, 22, "open to others on this machine (mode 644)"},
		{LISTEN SITE "redis: {address: '127.0.0.1:6379', password_file: open}\ncluster_secret_file: secret\n", 4, 51,
		 "open to others"},
		{LISTEN SITE "geoip: {country: none.mmdb, missing: degrade}\n", 4, 18, "or places are unknown"},
		{"listeners: [{address: '*:80', serve: redirect}]\n" SITE, 1, 13, "but none serves it"},
		{LISTEN SITE "origins: {old: {servers: 'http://10.0.0.2'}}\n", 4, 11, "no site has origin \"old\""},
		{LISTEN "sites: {a: {hosts: a, origin: 'http://10.0.0.1', show_fields: [ETag]}}\n", 2, 63, "is not hidden for what it tells"},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct bed b;

		bed_read(&b, rows[i].in);
		if (!b.config || b.fail.warnings != 1)
			fail_msg("%s: %u warnings, %s", rows[i].in, b.fail.warnings, b.fail.n ? b.fail.at[0].text : "");
		if (b.fail.at[0].place.line != rows[i].line || b.fail.at[0].place.column != rows[i].column ||
		    !strstr(b.fail.at[0].text, rows[i].part))
			fail_msg("%s: %u:%u %s", rows[i].in, b.fail.at[0].place.line, b.fail.at[0].place.column, b.fail.at[0].text);
		bed_done(&b);
	}
	chmod(in_folder("one.key"), 0640);
	{
		struct bed b;

		bed_read(&b, SITE "certificates: [{certificate: one.pem, key: one.key}]\n");
		assert_non_null(b.config);
		assert_int_equal(b.fail.warnings, 1);
		assert_non_null(strstr(b.fail.at[0].text, "chmod 600"));
		bed_done(&b);
	}
	chmod(in_folder("one.key"), 0600);
}

/* ---- What was read ---- */

static void test_the_site_of_a_host(void **state)
{
	static const struct {
		const char *host, *site; /* NULL: none */
	} rows[] = {
		{"shop.example", "exact"}, {"a.shop.example", "star"}, {"b.a.shop.example", "star"},
		{"x.deep.shop.example", "deep"}, {"deep.shop.example", "star"}, {"xshop.example", "rest"},
		{".shop.example", "rest"}, {"example", "rest"}, {"", "rest"}, {"[::1]", "six"}, {"a.b.other", "rest"},
		{".", "rest"}, {"shop.example.", "rest"}, {"shop.exampl", "rest"}, {"*", "rest"}, {"a..shop.example", "star"},
	};
	struct bed b;

	(void)state;
	bed_read(&b, LISTEN "sites:\n"
			    "  rest: {hosts: '*', origin: 'http://10.0.0.1'}\n"
			    "  star: {hosts: '*.shop.example', origin: 'http://10.0.0.1'}\n"
			    "  exact: {hosts: [other.example, shop.example], origin: 'http://10.0.0.1'}\n"
			    "  deep: {hosts: '*.deep.shop.example', origin: 'http://10.0.0.1'}\n"
			    "  six: {hosts: '[::1]', origin: 'http://10.0.0.1'}\n");
	assert_non_null(b.config);
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct config_site *site = config_site_of(b.config, slice_of(rows[i].host));

		if (!site || !slice_is(site->head.key, rows[i].site))
			fail_msg("%s: %.*s", rows[i].host, site ? (int)site->head.key.len : 4, site ? site->head.key.at : "none");
	}
	bed_done(&b);
	bed_read(&b, LISTEN SITE);
	assert_non_null(config_site_of(b.config, SLICE("a.example")));
	assert_null(config_site_of(b.config, SLICE("b.example")));
	assert_null(config_site_of(b.config, SLICE("x.a.example")));
	bed_done(&b);
}

static void read_hash(const char *text, char hash[65])
{
	struct bed b;

	bed_read(&b, text);
	assert_non_null(b.config);
	snprintf(hash, 65, "%.*s", SLICE_F(b.config->hash));
	bed_done(&b);
}

static void test_the_hash_names_what_was_read(void **state)
{
	static const char text[] = LISTEN "sites: {a: {hosts: x, origin: 'http://10.0.0.1', policy: plain}}\n"
					  "rulesets: {crs: {path: crs}}\ncertificates: [{certificate: two.pem, key: two.key}]\n";
	char first[65], again[65], other[65];

	(void)state;
	read_hash(text, first);
	read_hash(text, again);
	assert_string_equal(first, again);
	put_file("policies/waf2.yaml", "policy: waf2\n", 0644); /* nobody's */
	read_hash(text, again);
	assert_string_equal(first, again);
	put_file("policies/plain.yaml", "policy: plain\nwaf: {mode: off} # changed\n", 0644);
	read_hash(text, other);
	assert_string_not_equal(first, other);
	put_file("policies/plain.yaml", "policy: plain\nwaf: {mode: off}\n", 0644);
	read_hash(text, again);
	assert_string_equal(first, again);
	put_file("crs/rules/a.conf", "# other\n", 0644);
	read_hash(text, other);
	assert_string_not_equal(first, other);
	put_file("crs/rules/a.conf", "# none\n", 0644);
	put_certificate("two");
	read_hash(text, other);
	assert_string_not_equal(first, other);
}

static void test_the_hash_covers_list_files(void **state)
{
	static const char text[] = LISTEN "sites: {a: {hosts: x, origin: 'http://10.0.0.1', policy: lists}}\n";
	char first[65], other[65];

	(void)state;
	put_file("policies/lists.yaml",
		 "policy: lists\nsets:\n  bad: {type: ip, file: bad.txt}\n"
		 "rules:\n  - {id: bad, when: 'ip in @bad', do: block}\nwaf: {mode: off}\n", 0644);
	put_file("policies/bad.txt", "192.0.2.0/24\n", 0644);
	read_hash(text, first);
	put_file("policies/bad.txt", "192.0.2.0/25\n", 0644);
	read_hash(text, other);
	assert_string_not_equal(first, other);
}

static void read_secret(const char *text, uint8_t secret[32])
{
	struct bed b;

	bed_read(&b, text);
	assert_non_null(b.config);
	memcpy(secret, b.secrets->cluster_secret, 32);
	bed_done(&b);
}

static void test_nodes_with_one_configuration_agree(void **state)
{
	uint8_t a[32], b[32];

	(void)state;
	/* Other listeners and keys: other nodes of the same cluster. */
	read_secret(LISTEN SITE "redis: {address: '127.0.0.1:6379'}\n", a);
	read_secret(SITE "redis: {address: '127.0.0.1:6379'}\ncertificates: [{certificate: one.pem, key: one.key}]\n", b);
	assert_memory_equal(a, b, 32);
	read_secret(LISTEN SITE "redis: {address: '127.0.0.1:6379', database: 1}\n", b);
	assert_memory_not_equal(a, b, 32);
	read_secret(LISTEN SITE "redis: {address: '127.0.0.1:6379'}\ncluster_secret_file: secret\n", a);
	read_secret(LISTEN SITE "redis: {address: '127.0.0.1:6380'}\ncluster_secret_file: secret\n", b);
	assert_memory_equal(a, b, 32);
	read_secret(LISTEN SITE "redis: {address: '127.0.0.1:6379'}\n", b);
	assert_memory_not_equal(a, b, 32);
	/* A node alone hides its counters behind its private keys. */
	read_secret(LISTEN SITE "certificates: [{certificate: one.pem, key: one.key}]\n", a);
	read_secret(LISTEN SITE "certificates: [{certificate: two.pem, key: two.key}]\n", b);
	assert_memory_not_equal(a, b, 32);
}

static void test_who_inspects(void **state)
{
	struct bed b;

	(void)state;
	bed_read(&b, LISTEN "sites: {a: {hosts: x, origin: 'http://10.0.0.1', policy: plain}}\nrulesets: {crs: {path: crs}}\n");
	assert_non_null(b.config);
	assert_false(b.config->waf_used);
	bed_done(&b);
	bed_read(&b, LISTEN "sites: {a: {hosts: x, origin: 'http://10.0.0.1', policy: waf}}\nrulesets: {crs: {path: crs}}\n");
	assert_non_null(b.config);
	assert_true(b.config->waf_used);
	bed_done(&b);
}

/* Other processes map the image, and nothing else of this one: no word of it may look like an
 * address outside it. */
struct outside {
	struct {
		uintptr_t from, to;
	} maps[512];
	unsigned n;
};

static void find_outside(struct outside *o, uintptr_t image)
{
	FILE *in = fopen("/proc/self/maps", "r");
	char line[512];

	assert_non_null(in);
	o->n = 0;
	while (o->n < ROWS(o->maps) && fgets(line, sizeof line, in)) {
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx", &from, &to) != 2 || (from <= image && to > image))
			continue;
		/* The sanitizers map half of the address space for themselves. */
		if (to - from > (unsigned long)1 << 32)
			continue;
		o->maps[o->n].from = from;
		o->maps[o->n++].to = to;
	}
	fclose(in);
}

/* Offset of the first word that points outside, or -1. */
static ptrdiff_t points_out(const struct bed *b, const struct outside *o)
{
	for (const char *at = b->map; at < b->image.next; at += 8) {
		uintptr_t word;

		memcpy(&word, at, 8);
		for (unsigned i = 0; i < o->n; i++)
			if (word >= o->maps[i].from && word < o->maps[i].to)
				return at - b->map;
	}
	return -1;
}

static void test_the_image_points_only_into_itself(void **state)
{
	struct outside o;
	struct bed b;

	(void)state;
	bed_read(&b, full);
	assert_non_null(b.config);
	find_outside(&o, (uintptr_t)b.map);
	assert_int_equal(points_out(&b, &o), -1);
	/* It would have been found. */
	b.config->file = "a literal";
	assert_true(points_out(&b, &o) >= 0);
	bed_done(&b);
}

static void test_a_small_image_is_an_error_not_a_crash(void **state)
{
	struct bed b;
	size_t need;

	(void)state;
	bed_read(&b, full);
	assert_non_null(b.config);
	need = (size_t)(b.image.next - b.map);
	bed_done(&b);
	for (size_t size = 0; size < need; size += size < 2048 ? 64 : 1024) {
		struct config_secrets *secrets;
		struct arena image, secret;
		struct fail f = {0};
		char *room = calloc(1, size + 8);

		arena_init_fixed(&image, room, size);
		arena_init(&secret, NULL, 4096);
		assert_null(config_read(in_folder("portcullis.yaml"), &image, &secret, &secrets, NULL, &f));
		assert_null(secrets);
		assert_true(f.errors > 0);
		arena_done(&secret);
		fail_done(&f);
		free(room);
	}
}

static void test_schema_and_reference_know_every_section(void **state)
{
	static const char *const keys[] = {"listeners", "certificates", "sites", "origins", "rulesets", "trusted", "policies",
					   "client", "waf", "processes", "redis", "geoip", "logs", "inspected_body", "eject_failures"};
	void (*const print[])(FILE *) = {config_schema, config_reference};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		char *text = NULL;
		size_t len;
		FILE *out = open_memstream(&text, &len);

		print[i](out);
		fclose(out);
		for (size_t k = 0; k < ROWS(keys); k++)
			if (!strstr(text, keys[k]))
				fail_msg("%s is not in %s", keys[k], i ? "the reference" : "the schema");
		free(text);
	}
}

/* The example names files of a machine we are not on, and nothing else is wrong with it. */
static void test_the_example(void **state)
{
	struct fail f = {0};
	struct arena a;
	struct slice text;
	struct bed b;

	(void)state;
	arena_init(&a, NULL, 4096);
	if (access("packaging/portcullis.yaml.example", R_OK) < 0) {
		arena_done(&a);
		skip();
	}
	assert_true(yaml_load(&a, "packaging/portcullis.yaml.example", 1 << 16, &text, &f, (struct place){0}));
	bed_read(&b, text.at);
	for (unsigned i = 0; i < b.fail.n; i++)
		if (!strstr(b.fail.at[i].text, "cannot be opened") && !strstr(b.fail.at[i].text, "there is no file"))
			fail_msg("%u: %s", b.fail.at[i].place.line, b.fail.at[i].text);
	assert_int_equal(b.fail.n, 2);
	bed_done(&b);
	arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_smallest_file),
		cmocka_unit_test(test_every_bound_has_its_default),
		cmocka_unit_test(test_a_full_file),
		cmocka_unit_test(test_broken_files),
		cmocka_unit_test(test_one_mistake_is_told_once),
		cmocka_unit_test(test_a_missing_file),
		cmocka_unit_test(test_names_of_an_origin),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_the_site_of_a_host),
		cmocka_unit_test(test_the_hash_names_what_was_read),
		cmocka_unit_test(test_the_hash_covers_list_files),
		cmocka_unit_test(test_nodes_with_one_configuration_agree),
		cmocka_unit_test(test_who_inspects),
		cmocka_unit_test(test_the_image_points_only_into_itself),
		cmocka_unit_test(test_a_small_image_is_an_error_not_a_crash),
		cmocka_unit_test(test_the_example),
		cmocka_unit_test(test_schema_and_reference_know_every_section),
	};

	return cmocka_run_group_tests(tests, bed_make, bed_remove);
}
