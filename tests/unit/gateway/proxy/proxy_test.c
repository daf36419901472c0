/* proxy_test.c -- the data path in one process, with every allocation failing once.
 *
 * A client and an origin of the test talk to a worker's proxy on the same loop.
 * Whatever fails, the client gets one whole answer or the end of its connection,
 * and nothing stays allocated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/proxy/front_h1.h"
#include "gateway/proxy/generation.h"
#include "gateway/proxy/proxy.h"

static struct verdict pass(struct visit *v)
{
	(void)v;
	return PASS;
}

static struct verdict hold(struct visit *v)
{
	assert_non_null(v->held);
	return PASS;
}

static enum body_use held(const struct visit *v)
{
	(void)v;
	return BODY_HELD;
}

static const struct filter passing = {.name = "pass", .state_size = 32, .at = {pass}};
static const struct filter holding = {.name = "hold", .at = {pass, hold}, .body = held};
static const struct filter *const streams[] = {&passing, NULL};
static const struct filter *const holds[] = {&passing, &holding, NULL};

static struct config config;
static struct config_server server;
static struct config_origin origin;
static struct config_site site;
static struct config_host host = {.name = {"*", 1}, .site = &site};
static struct config_listener listener = {.serve = CONFIG_HTTP, .port = 80};
static struct proxy_guard guard;
static int origin_fd;

static int make(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;

	(void)state;
	log_level(LOG_ERROR + 1);
	origin_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(origin_fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(origin_fd, 16), 0);
	assert_int_equal(getsockname(origin_fd, (struct sockaddr *)&at, &len), 0);
	server = (struct config_server){.url = SLICE("http://origin"), .weight = 1, .port = ntohs(at.sin_port)};
	assert_true(addr_parse(SLICE("127.0.0.1"), &server.address));
	origin = (struct config_origin){.servers = {&server, 1}, .connect_ms = 1000, .first_byte_ms = 1000, .between_ms = 1000,
					.idle_ms = 1000, .keep = 4, .eject_failures = 1000000, .eject_ms = 1, .retries = 1};
	site = (struct config_site){.head.key = SLICE("s"), .origin = &origin};
	config = (struct config){.listeners = {&listener, 1}, .sites = {&site, 1}, .hosts = {&host, 1}, .origins = {&origin, 1}, .servers_n = 1,
				 .client = {.head_bytes = 32768, .target_bytes = 8192, .fields = 100, .head_ms = 500,
					    .body_rate = 1, .body_grace_ms = 500, .stall_ms = 500, .keep_alive_ms = 500,
					    .requests = 100, .body = 1 << 20, .total_ms = 5000, .connections = 10,
					    .per_address = 10, .per_network = 10, .memory = 1 << 20,
					    .tunnels = 1, .tunnel_idle_ms = 40, .tunnel_bytes = 1 << 20},
				 .processes = {.worker_memory = 1 << 24, .spool = 1 << 20},
				 .logs = {.requests = SLICE("off"), .waf = SLICE("off")}};
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	close(origin_fd);
	return 0;
}

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
static const char switching[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
				"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello";
static const char *says = answer;

/* The origin: reads whatever there is, answers once per connection when a request has ended. */
static void serve_origin(int *open_fd, char *seen, size_t room, size_t *n)
{
	ssize_t got;

	if (*open_fd < 0) {
		*open_fd = accept4(origin_fd, NULL, NULL, SOCK_NONBLOCK);
		*n = 0;
	}
	if (*open_fd < 0)
		return;
	got = recv(*open_fd, seen + *n, room - 1 - *n, 0);
	if (got > 0)
		*n += (size_t)got;
	seen[*n] = 0;
	if (got == 0 || (got < 0 && errno != EAGAIN)) {
		close(*open_fd);
		*open_fd = -1;
	} else if (*n && strstr(seen, "THE-END")) {
		assert_int_equal(send(*open_fd, says, strlen(says), MSG_NOSIGNAL), strlen(says));
		*n = 0;
		seen[0] = 0;
	}
}

/* One client connection that sends `text`; what it got. */
static size_t talk(const struct filter *const *filters, const char *text, size_t text_len, char *got, size_t room,
		   unsigned long fail_at)
{
	struct loop *loop = loop_new();
	struct fail f = {0};
	struct config_secrets secrets = {0};
	struct slice no_ca = {0};
	struct generation_plan plan;
	struct generation generation;
	int listeners[1] = {-1}, ends[2], origin_open = -1;
	static char seen[400000];
	size_t n = 0, seen_n = 0, sent = 0;
	struct addr peer;
	struct proxy *p;
	bool over = false;

	secrets.origin_ca = &no_ca;
	p = proxy_new(&(struct proxy_plan){.loop = loop, .workers = 1, .guards = &guard, .filters = filters});
	assert_non_null(p);
	/* A listener that accepts nobody: the test's client comes by itself. */
	listeners[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(listen(listeners[0], 1), 0);
	plan = (struct generation_plan){.config = &config, .secrets = &secrets, .listeners = listeners};
	assert_true(generation_init(&generation, p, &plan, &f));
	assert_int_equal(generation_make(&generation, -1, &f), TLS_MADE);
	assert_true(generation_commit(&generation));
	assert_true(addr_parse(SLICE("192.0.2.9"), &peer));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	mem_fail_at(fail_at);
	if (!front_open(p, &generation.listeners[0], false, ends[1], &peer, 1234)) {
		close(ends[1]);
		over = true;
	}
	for (int turn = 0; turn < 400 && !over; turn++) {
		ssize_t r;

		if (sent < text_len && (r = send(ends[0], text + sent, text_len - sent, MSG_NOSIGNAL)) > 0)
			sent += (size_t)r;
		serve_origin(&origin_open, seen, sizeof seen, &seen_n);
		loop_turn(loop, 2);
		r = recv(ends[0], got + n, room - 1 - n, 0);
		if (r > 0)
			n += (size_t)r;
		over = r == 0 || (r < 0 && errno != EAGAIN);
	}
	got[n] = 0;
	mem_fail_at(0);
	proxy_cut(p);
	close(ends[0]);
	if (origin_open >= 0)
		close(origin_open);
	for (int i = 0; i < 3; i++)
		loop_turn(loop, 0);
	assert_int_equal(p->fronts_n, 0);
	proxy_free(p);
	loop_free(loop);
	fail_done(&f);
	return n;
}

static const char get[] = "GET /THE-END HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
static const char post[] = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
			   "4\r\nmore\r\n7\r\nTHE-END\r\n0\r\n\r\n";

static const char handshake[] = "GET /THE-END HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nbytes THE-END";

static bool is_whole(const char *got)
{
	const char *body = strstr(got, "\r\n\r\n");
	const char *length = strcasestr(got, "content-length: ");

	return body && length && strlen(body + 4) == (size_t)strtoul(length + 16, NULL, 10);
}

static void a_request_is_answered(void **state)
{
	static const struct {
		const char *text;
		const struct filter *const *filters;
	} cases[] = {{get, streams}, {get, holds}, {post, streams}, {post, holds}};
	static char got[65536];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		talk(cases[i].filters, cases[i].text, strlen(cases[i].text), got, sizeof got, 0);
		assert_true(strstr(got, "200 OK") && strstr(got, "\r\n\r\nhello"));
	}
}

static void every_allocation_may_fail_once(void **state)
{
	static const struct {
		const char *text;
		const struct filter *const *filters;
	} cases[] = {{get, streams}, {post, streams}, {post, holds}};
	static char got[65536];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (unsigned long n = 1;; n++) {
			talk(cases[i].filters, cases[i].text, strlen(cases[i].text), got, sizeof got, n);
			if (!mem_failed())
				break;
			if (got[0] && !is_whole(got))
				fail_msg("allocation %lu: half an answer: %s", n, got);
			assert_true(n < 200);
		}
}

static void content_beyond_the_bound_is_413_and_the_rest_is_not_read_as_a_request(void **state)
{
	static char text[200000], got[65536];
	int n = snprintf(text, sizeof text, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", 2 << 20);

	(void)state;
	memset(text + n, 'x', 100000);
	talk(holds, text, (size_t)n + 100000, got, sizeof got, 0);
	assert_non_null(strstr(got, "413 "));
	assert_null(strstr(got + 1, "HTTP/1.1"));
}

/* What the client says in the tunnel reaches the origin, whose second word is the same as its first: by then it is bytes. */
static void a_tunnel_carries_bytes_whichever_allocation_fails(void **state)
{
	static char got[65536];
	unsigned long n = 0;

	(void)state;
	site.websocket = true;
	says = switching;
	for (;; n++) {
		talk(streams, handshake, sizeof handshake - 1, got, sizeof got, n);
		if (n && !mem_failed())
			break;
		if (!n)
			assert_non_null(strstr(got, "\r\n\r\nhelloHTTP/1.1 101 "));
		if (got[0] && !strstr(got, "HTTP/1.1 101 ") && !is_whole(got))
			fail_msg("allocation %lu: half an answer: %s", n, got);
		assert_true(n < 200);
	}
	says = answer;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_request_is_answered),
		CASE(every_allocation_may_fail_once),
		CASE(a_tunnel_carries_bytes_whichever_allocation_fails),
		CASE(content_beyond_the_bound_is_413_and_the_rest_is_not_read_as_a_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
