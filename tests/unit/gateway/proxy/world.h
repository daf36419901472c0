/* world.h -- a worker's data path in one process, without a network and on a clock of its own.
 *
 * Around the real front, chain, filters and forwarding stand a client, an origin, inspectors and a logger that
 * are played here.  A connection to an origin is a pair of sockets (socket and connect of the C library are
 * replaced); the one filter of this file's own stands last in the chain and keeps what every other let
 * through.  What must hold of all that is world_rules.h.  Of this program's own mistakes CHECK speaks. */
#ifndef PORTCULLIS_TESTS_PROXY_WORLD_H
#define PORTCULLIS_TESTS_PROXY_WORLD_H

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/base/fail.h"
#include "gateway/base/log.h"
#include "gateway/http/h1.h"
#include "gateway/limit/limit.h"
#include "gateway/proxy/front_h1.h"
#include "gateway/proxy/generation.h"
#include "policies/filter.h"
#include "rules/rules.h"

enum { JUDGED = 64, ORIGINS = 64, RECORDS = 64, STEP_US = 250000 };

/* A request as it was judged. */
struct judged {
	struct slice id, method, target, authority, body;
	struct fields fields;
	bool passed;    /* every filter let it through, at every gate */
	bool held;      /* with its content, which is `body` */
	bool inspected; /* the rule engine saw it, */
	bool seen_body; /* and that content */
	struct slice seen_target;
	unsigned sent;  /* times it came to an origin */
};

struct origin_end {
	int fd;
	struct buf in;
	size_t answered; /* requests */
};

static struct world {
	struct loop *loop;
	struct proxy *proxy;
	struct generation generation;
	struct arena arena;
	int client, logger;
	int64_t now_us;
	struct judged judged[JUDGED];
	unsigned judged_n;
	struct origin_end origins[ORIGINS];
	unsigned origins_n;
	struct slice records[RECORDS];
	unsigned records_n;
	int lanes[WAF_LANES], near_lanes[WAF_LANES];
	struct pool *pool;
} world;

static struct config_server world_server = {.url = SLICE("http://origin"), .weight = 1, .port = 80};
static struct config_origin world_origin = {
	.head = {.key = SLICE("o")}, .servers = {&world_server, 1}, .connect_ms = 300, .first_byte_ms = 900, .between_ms = 900, .idle_ms = 2000, .keep = 4,
	.eject_failures = 1000, .eject_ms = 1, .retries = 1};
static struct config_site world_site = {.head = {.key = SLICE("shop")}, .origin = &world_origin};
static struct config_host world_hosts[] = {{.name = {"a", 1}, .site = &world_site}, {.name = {"b.example", 9}, .site = &world_site}};
static struct config_listener world_listener = {.serve = CONFIG_HTTP, .port = 80};
static struct config world_config = {
	.listeners = {&world_listener, 1}, .sites = {&world_site, 1}, .hosts = {world_hosts, 2}, .origins = {&world_origin, 1}, .servers_n = 1,
	.client = {.head_bytes = 2048, .target_bytes = 512, .fields = 30, .head_ms = 900, .body_rate = 1, .body_grace_ms = 900, .stall_ms = 900,
		   .keep_alive_ms = 900, .requests = 20, .body = 1500, .inspected_body = 1000, .total_ms = 6000, .connections = 10,
		   .per_address = 10, .memory = 1 << 18},
	.processes = {.worker_memory = 1 << 20, .spool = 1 << 18},
	.logs = {.requests = SLICE("stdout"), .waf = SLICE("off")}};

static const char world_policy[] =
	"policy: p\n"
	"rules:\n"
	"  - {id: admin, when: 'path under \"/admin\"', do: block 404}\n"
	"  - {id: bot, when: 'header.user-agent contains \"bot\"', do: block 403}\n"
	"  - {id: old, when: 'path under \"/old\"', do: redirect 302, to: '/new', keep: path}\n"
	"  - {id: key, when: 'query.key == \"no\" or cookie.sid == \"no\"', do: block 401}\n"
	"limits:\n"
	"  - {id: slow, when: 'path under \"/slow\"', key: [ip], rate: 1 per 1m}\n"
	"waf: {paranoia: 1, responses: {mode: enforce, body: true}}\n";

static char world_room[1 << 19];
static struct proxy_guard world_guard;
static struct waf_shared world_shared;
static struct limit_config world_limit;
static _Alignas(4096) char world_words[1 << 13];
static struct rules_config world_rules;

/* ---- The last filter ---- */

static inline struct judged *world_find(struct slice id)
{
	for (unsigned i = 0; i < world.judged_n; i++)
		if (slice_eq(world.judged[i].id, id))
			return &world.judged[i];
	CHECK(world.judged_n < JUDGED);
	world.judged[world.judged_n] = (struct judged){.id = arena_copy(&world.arena, id)};
	return &world.judged[world.judged_n++];
}

static struct verdict witness_head(struct visit *v)
{
	struct judged *j = world_find(v->facts->id);
	const struct request *r = v->req;

	j->method = arena_copy(&world.arena, r->method);
	j->target = arena_copy(&world.arena, r->target);
	j->authority = arena_copy(&world.arena, r->authority);
	for (uint32_t i = 0; i < r->fields.n; i++)
		if (!r->fields.at[i].hidden)
			CHECK(fields_add(&j->fields, &world.arena, arena_copy(&world.arena, r->fields.at[i].name),
					arena_copy(&world.arena, r->fields.at[i].value)));
	j->passed = chain_body(v->run) != BODY_HELD || r->body == HTTP_BODY_NONE;
	return PASS;
}

static struct verdict witness_body(struct visit *v)
{
	struct judged *j = world_find(v->facts->id);

	CHECK(v->held && v->held->fd < 0);
	j->passed = j->held = true;
	j->body = arena_copy(&world.arena, v->held->memory);
	return PASS;
}

static const struct filter witness_filter = {
	.name = "witness", .at = {[GATE_REQUEST] = witness_head, [GATE_REQUEST_BODY] = witness_body}};
static const struct filter *const world_filters[] = {&policy_filter, &limit_filter, &rules_filter, &witness_filter, NULL};
static const void *const world_confs[] = {NULL, &world_limit, &world_rules, NULL};

/* ---- No network ---- */

int socket(int domain, int type, int protocol)
{
	int ends[2];

	if (domain == AF_UNIX)
		return (int)syscall(SYS_socket, domain, type, protocol);
	if (world.origins_n == ORIGINS || socketpair(AF_UNIX, type, 0, ends) < 0)
		return -1;
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	world.origins[world.origins_n] = (struct origin_end){.fd = ends[1]};
	buf_init(&world.origins[world.origins_n++].in, NULL);
	return ends[0];
}

int connect(int fd, const struct sockaddr *to, socklen_t len)
{
	return to->sa_family == AF_UNIX ? (int)syscall(SYS_connect, fd, to, len) : 0;
}

/* ---- Inspectors, and the logger ---- */

static inline bool world_is_attack(const struct waf_job *job)
{
	if (job->answering)
		return slice_contains(job->body, SLICE("leak"));
	return slice_contains(job->target, SLICE("evil")) || slice_contains(job->body, SLICE("evil"));
}

static inline void world_inspect(int lane)
{
	static char bytes[WAF_MESSAGE];
	static struct waf_answer answer;
	static struct waf_job job;
	struct arena a;
	struct buf out;
	ssize_t n;

	while ((n = recv(lane, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
		arena_init(&a, NULL, 4096);
		buf_init(&out, NULL);
		CHECK(waf_unpack_job(slice_make(bytes, (size_t)n), &a, &job));
		memset(&answer, 0, sizeof answer);
		answer.token = job.token;
		answer.result = world_is_attack(&job) ? WAF_DENY : WAF_ALLOW;
		answer.status = answer.result == WAF_DENY ? 403 : 0;
		if (!job.answering) {
			struct judged *j = world_find(job.id);

			j->inspected = true;
			j->seen_body = job.with_body;
			j->seen_target = arena_copy(&world.arena, job.target);
			CHECK(!j->passed);
		}
		CHECK(waf_pack_answer(&out, &answer) && send(lane, out.at, buf_len(&out), MSG_DONTWAIT) > 0);
		buf_done(&out);
		arena_done(&a);
	}
}

static inline void world_read_log(void)
{
	char bytes[sizeof(struct log_head) + LOG_LINE];
	struct log_head head;
	ssize_t n;

	while ((n = recv(world.logger, bytes, sizeof bytes, MSG_DONTWAIT)) > (ssize_t)sizeof head) {
		memcpy(&head, bytes, sizeof head);
		if (head.stream == LOG_REQUESTS && world.records_n < RECORDS)
			world.records[world.records_n++] =
				arena_copy(&world.arena, slice_make(bytes + sizeof head, (size_t)n - sizeof head));
	}
}

/* ---- Beginning and end ---- */

static inline void world_prepare(void)
{
	static struct arena forever;
	struct policy_source from = {.path = "p.yaml", .bytes = slice_of(world_policy), .now = 1793534400};
	struct fail f = {0};
	int log_ends[2];

	/* What was counted before is forgotten. */
	memset(world_words, 0, sizeof world_words);
	CHECK(words_size(256) <= sizeof world_words && (world_limit.words = words_at(world_words, sizeof world_words)));
	if (world_site.policy)
		return;
	arena_init(&forever, NULL, 65536);
	world_site.policy = policy_compile(&forever, &from, &f);
	if (!world_site.policy)
		fail_print(&f, stderr, true);
	CHECK(world_site.policy && policy_wake(world_site.policy));
	fail_done(&f);
	CHECK(limit_prepare(&world_limit, false));
	CHECK(addr_parse(SLICE("192.0.2.80"), &world_server.address));
	CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, log_ends));
	world.logger = log_ends[0];
	log_open("worker", log_ends[1]);
	log_level(LOG_ERROR + 1);
}

static inline void world_open(void)
{
	static const char *const rulesets[] = {"crs", NULL};
	static struct config_secrets secrets;
	static struct slice no_ca;
	struct generation_plan plan = {.config = &world_config, .secrets = &secrets, .confs = world_confs};
	struct pool_plan pool = {.shared = &world_shared, .waiting_max = 8};
	int listeners[1], ends[2], logger;
	struct fail f = {0};
	struct addr peer;

	world_prepare();
	logger = world.logger;
	world = (struct world){.logger = logger, .now_us = INT64_C(1000000000)};
	/* Not the product's memory, which may be made to fail. */
	arena_init_fixed(&world.arena, world_room, sizeof world_room);
	world.loop = loop_new();
	loop_virtual(world.loop, world.now_us);
	for (unsigned i = 0; i < WAF_LANES; i++) {
		CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends));
		pool.lanes[i] = world.near_lanes[i] = ends[0];
		world.lanes[i] = ends[1];
	}
	world.pool = pool_new(world.loop, &pool);
	world_rules = (struct rules_config){.pool = world.pool, .queue_ms = 1000, .run_ms = 100, .rulesets = rulesets, .body_max = 1000};
	world.proxy = proxy_new(&(struct proxy_plan){.loop = world.loop, .workers = 1, .guards = &world_guard, .filters = world_filters});
	secrets.origin_ca = &no_ca;
	/* A listener that accepts nobody. */
	listeners[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK(!bind(listeners[0], &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)) && !listen(listeners[0], 1));
	plan.listeners = listeners;
	CHECK(world.pool && world.proxy && generation_init(&world.generation, world.proxy, &plan, &f));
	CHECK(generation_make(&world.generation, -1, &f) == TLS_MADE && generation_commit(&world.generation));
	CHECK(addr_parse(SLICE("192.0.2.9"), &peer) && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends));
	world.client = ends[0];
	CHECK(front_open(world.proxy, &world.generation.listeners[0], false, ends[1], &peer, 1234));
}

static inline void world_close(void)
{
	proxy_cut(world.proxy);
	for (unsigned i = 0; i < 4; i++)
		loop_turn(world.loop, 0);
	CHECK(!world.proxy->fronts_n);
	world_read_log();
	proxy_free(world.proxy);
	pool_free(world.pool);
	loop_free(world.loop);
	for (unsigned i = 0; i < WAF_LANES; i++) {
		close(world.lanes[i]);
		close(world.near_lanes[i]);
	}
	for (unsigned i = 0; i < world.origins_n; i++) {
		if (world.origins[i].fd >= 0)
			close(world.origins[i].fd);
		buf_done(&world.origins[i].in);
	}
}

#endif
