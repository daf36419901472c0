/* h2_bed.h -- one HTTP/2 connection to a proxy in this process, and an origin that reads strictly.
 *
 * Time is the test's; what must hold is checked with MUST, which the test or the fuzz target defines. */
#ifndef PORTCULLIS_TESTS_H2_BED_H
#define PORTCULLIS_TESTS_H2_BED_H

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/http/h1.h"
#include "gateway/proxy/front_parts.h"
#include "gateway/proxy/h2_parts.h"
#include "gateway/proxy/upstream.h"

enum { BED_ORIGIN_CONNECTIONS = 256 };

/* One connection of the gateway to the origin. */
struct bed_request {
	int fd; /* -1: none */
	struct buf in;
	struct h1_scan scan;
	struct request head;
	struct h1_chunks chunks;
	uint64_t left;
	bool body;
};

struct bed {
	struct loop *loop;
	struct proxy *proxy;
	struct generation generation;
	struct fail fail;
	int64_t now_us;
	int client, listener, origin_listener;
	struct bed_request requests[BED_ORIGIN_CONNECTIONS];
	struct arena arena;
	unsigned answered, at_work, most_at_work;
	bool deaf; /* the origin does not answer */
};

static struct verdict bed_pass(struct visit *v)
{
	(void)v;
	return PASS;
}

static const struct filter bed_filter = {.name = "pass", .at = {bed_pass}};
static const struct filter *const bed_filters[] = {&bed_filter, NULL};
static struct config bed_config;
static struct config_server bed_server;
static struct config_origin bed_origin;
static struct config_site bed_site;
static struct config_host bed_host = {.name = {"*", 1}, .site = &bed_site};
static struct config_listener bed_listener = {.serve = CONFIG_HTTP, .port = 80, .http2 = CONFIG_HTTP2_ON};
static struct proxy_guard bed_guard;
static struct config_secrets bed_secrets;
static struct slice bed_no_ca;

static inline void bed_configure(uint16_t port)
{
	bed_secrets.origin_ca = &bed_no_ca;
	bed_server = (struct config_server){.url = SLICE("http://origin"), .weight = 1, .port = port};
	MUST(addr_parse(SLICE("127.0.0.1"), &bed_server.address));
	bed_origin = (struct config_origin){.servers = {&bed_server, 1}, .connect_ms = 1000, .first_byte_ms = 2000, .between_ms = 1000,
					    .idle_ms = 1000, .keep = 200, .eject_failures = 1000000, .eject_ms = 1};
	bed_site = (struct config_site){.head.key = SLICE("s"), .origin = &bed_origin};
	bed_config = (struct config){
		.listeners = {&bed_listener, 1}, .sites = {&bed_site, 1}, .hosts = {&bed_host, 1}, .origins = {&bed_origin, 1}, .servers_n = 1,
		.client = {.head_bytes = 32768, .target_bytes = 8192, .fields = 100, .head_ms = 500, .body_rate = 1, .body_grace_ms = 500,
			   .stall_ms = 500, .keep_alive_ms = 500, .requests = 1000, .streams = 100, .body = 1 << 20, .total_ms = 5000,
			   .connections = 10, .per_address = 10, .memory = 2 << 20},
		.processes = {.worker_memory = 1 << 26, .spool = 1 << 20},
		.logs = {.requests = SLICE("off"), .waf = SLICE("off")}};
}

static inline int bed_listen(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	MUST(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 256) == 0);
	MUST(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	*port = ntohs(at.sin_port);
	return fd;
}

/* ---- The origin ---- */

static inline void bed_drop(struct bed *b, struct bed_request *r)
{
	b->at_work -= r->body;
	close(r->fd);
	buf_done(&r->in);
	*r = (struct bed_request){.fd = -1};
}

/* What of it is here is well-formed, or the gateway is broken. */
static inline bool bed_read_head(struct bed *b, struct bed_request *r)
{
	static const struct h1_limits wide = {1 << 20, 1 << 20, 1 << 20};
	const char *why = "";
	enum h1_found found;
	uint32_t len;

	found = h1_scan(&r->scan, buf_slice(&r->in), &len, &why);
	if (found == H1_MORE)
		return false;
	MUST(found == H1_HEAD);
	arena_done(&b->arena);
	/* An allocation that is to fail may be one of ours; it fails once. */
	if (h1_request(&b->arena, slice_first(buf_slice(&r->in), len), &wide, false, &r->head, &why) == 503)
		arena_done(&b->arena);
	MUST(h1_request(&b->arena, slice_first(buf_slice(&r->in), len), &wide, false, &r->head, &why) == 0);
	buf_eat(&r->in, len);
	r->left = r->head.content_length;
	r->body = true;
	h1_chunks_init(&r->chunks);
	if (++b->at_work > b->most_at_work)
		b->most_at_work = b->at_work;
	return true;
}

/* True: the content is whole. */
static inline bool bed_read_body(struct bed_request *r)
{
	uint32_t n = buf_len(&r->in);
	struct slice data;
	const char *why;
	size_t used;

	if (r->head.body == HTTP_BODY_NONE)
		return true;
	if (r->head.body == HTTP_BODY_LENGTH) {
		n = n < r->left ? n : (uint32_t)r->left;
		buf_eat(&r->in, n);
		return !(r->left -= n);
	}
	for (;;) {
		enum h1_chunk c = h1_chunks_next(&r->chunks, buf_slice(&r->in), &used, &data, &why);

		MUST(c != H1_CHUNK_BAD);
		buf_eat(&r->in, (uint32_t)used);
		if (c != H1_CHUNK_DATA)
			return c == H1_CHUNK_END;
	}
}

static inline void bed_serve(struct bed *b, struct bed_request *r)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\nX-A: b\r\n\r\n";
	static const char content[20000];
	ssize_t got;

	MUST(buf_room(&r->in, 4096) || buf_room(&r->in, 4096));
	got = recv(r->fd, r->in.at + r->in.end, r->in.cap - r->in.end, MSG_DONTWAIT);
	if (got == 0 || (got < 0 && errno != EAGAIN)) {
		bed_drop(b, r);
		return;
	}
	r->in.end += got > 0 ? (uint32_t)got : 0;
	if ((!r->body && !bed_read_head(b, r)) || b->deaf || !bed_read_body(r))
		return;
	b->at_work--;
	b->answered++;
	r->body = false;
	r->scan = (struct h1_scan){0};
	if (send(r->fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0 ||
	    (!r->head.head && send(r->fd, content, sizeof content, MSG_NOSIGNAL) != (ssize_t)sizeof content))
		bed_drop(b, r);
}

static inline void bed_serve_all(struct bed *b)
{
	for (unsigned i = 0; i < BED_ORIGIN_CONNECTIONS; i++) {
		struct bed_request *r = &b->requests[i];

		if (r->fd < 0) {
			r->fd = accept4(b->origin_listener, NULL, NULL, SOCK_NONBLOCK);
			if (r->fd < 0)
				return;
			r->scan = (struct h1_scan){0};
			r->body = false;
			buf_init(&r->in, NULL);
		}
		bed_serve(b, r);
	}
}

/* ---- The connection ---- */

/* NULL: it is closed. */
static inline struct front *bed_front(const struct bed *b)
{
	return list_empty(&b->proxy->fronts) ? NULL : front_of(b->proxy->fronts.next);
}

/* What holds at any time. */
static inline void bed_check(const struct bed *b)
{
	const struct front *f = bed_front(b);

	MUST(b->proxy->memory.used <= b->proxy->memory.limit);
	MUST(b->most_at_work <= 100);
	if (!f)
		return;
	MUST(f->budget.used <= f->budget.limit && buf_len(&f->out) <= 65536 && buf_len(&f->in) <= 32768);
	MUST(!f->h2 || (f->h2->streams_n <= 100 && f->h2->work.n <= 100));
}

static inline void bed_turn(struct bed *b, int64_t ms)
{
	b->now_us += ms * 1000;
	loop_virtual(b->loop, b->now_us);
	bed_serve_all(b);
	loop_turn(b->loop, 0);
	bed_check(b);
}

static inline void bed_open(struct bed *b, unsigned long fail_at)
{
	struct generation_plan plan = {.config = &bed_config, .secrets = &bed_secrets};
	struct addr peer;
	uint16_t port, unused;
	int ends[2];

	*b = (struct bed){.now_us = 1000000};
	log_level(LOG_ERROR + 1);
	for (unsigned i = 0; i < BED_ORIGIN_CONNECTIONS; i++)
		b->requests[i].fd = -1;
	arena_init(&b->arena, NULL, 4096);
	b->origin_listener = bed_listen(&port);
	b->listener = bed_listen(&unused);
	bed_configure(port);
	b->loop = loop_new();
	loop_virtual(b->loop, b->now_us);
	b->proxy = proxy_new(&(struct proxy_plan){.loop = b->loop, .workers = 1, .guards = &bed_guard, .filters = bed_filters});
	plan.listeners = &b->listener;
	MUST(b->proxy && generation_init(&b->generation, b->proxy, &plan, &b->fail) && generation_commit(&b->generation));
	MUST(addr_parse(SLICE("192.0.2.9"), &peer));
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
	b->client = ends[0];
	mem_fail_at(fail_at);
	if (!front_open(b->proxy, &b->generation.listeners[0], false, ends[1], &peer, 1234))
		close(ends[1]);
}

/* Everything ends, and nothing stays. */
static inline void bed_close(struct bed *b)
{
	mem_fail_at(0);
	proxy_cut(b->proxy);
	close(b->client);
	for (int i = 0; i < 3; i++)
		loop_turn(b->loop, 0);
	MUST(b->proxy->fronts_n == 0);
	for (unsigned i = 0; i < BED_ORIGIN_CONNECTIONS; i++)
		if (b->requests[i].fd >= 0)
			bed_drop(b, &b->requests[i]);
	upstream_close_left(b->proxy);
	upstream_close_idle(&b->generation.origins[0]);
	loop_turn(b->loop, 0);
	MUST(b->proxy->memory.used == 0);
	proxy_free(b->proxy);
	loop_free(b->loop);
	arena_done(&b->arena);
	close(b->origin_listener);
	fail_done(&b->fail);
}

#endif
