/* world_rules.h -- what must hold in the world of world.h, whatever a client sends, an origin answers and
 * whichever allocation fails.
 *
 * What was refused never reached an origin.  What reached one is exactly one request for each that was let
 * through (a second try apart), and equal to what the filters and the rule engine were shown, content too.
 * The client gets one well-formed answer for each request, in order, with the status of its record, and no
 * byte more. */
#ifndef PORTCULLIS_TESTS_PROXY_WORLD_RULES_H
#define PORTCULLIS_TESTS_PROXY_WORLD_RULES_H

#include <stdlib.h>

#include "tests/unit/gateway/proxy/world.h"

enum { WORLD_TURNS = 160, WORLD_GOT = 1 << 17 };

#define WORLD_COUNT(a) (sizeof(a) / sizeof *(a))

/* What an origin answers; "|" is where it closes the connection. */
static const char *const answers[] = {
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nuntil the end|",
	"HTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 5\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel|",
	"|",
	"garbage\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
	"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nleak",
	"", /* never */
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"HTTP/1.1 500 No\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nbad\r\n0\r\n\r\n|",
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
};

struct world_script {
	struct slice choices; /* an answer for each request, in turn */
	struct slice raw;     /* what stands for an answer beyond the list */
	unsigned next;
};

/* ---- What an origin gets ---- */

static void check_fields(const struct fields *sent, const struct judged *j)
{
	static const char *const ours[] = {"host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "x-request-id",
					   "accept-encoding", "content-length", "transfer-encoding", NULL};
	uint32_t k = 0;

	for (uint32_t i = 0; i < sent->n; i++) {
		const struct field *f = &sent->at[i];
		bool own = false;

		for (unsigned w = 0; ours[w]; w++)
			own = own || slice_is(f->name, ours[w]);
		while (!own && k < j->fields.n && !(slice_eq(j->fields.at[k].name, f->name) && slice_eq(j->fields.at[k].value, f->value)))
			k++;
		CHECK(own || k++ < j->fields.n);
	}
}

static void check_sent(const struct request *r, struct slice body)
{
	uint32_t i = 0;
	const struct field *id = fields_next(&r->fields, SLICE("x-request-id"), &i);
	struct judged *j;

	CHECK(id && !fields_next(&r->fields, SLICE("x-request-id"), &i));
	j = world_find(id->value);
	CHECK(j->passed && ++j->sent <= 2);
	CHECK(slice_eq(r->method, j->method) && slice_eq(r->target, j->target) && slice_eq(r->authority, j->authority));
	CHECK(j->inspected && slice_eq(j->seen_target, r->target));
	CHECK(!j->held || slice_eq(body, j->body));
	CHECK(!j->seen_body || j->held);
	CHECK(!slice_contains(body, SLICE("evil")) || !j->seen_body);
	check_fields(&r->fields, j);
}

/* The content at the front of `rest`: its wire length, or 0 and false when it is not whole yet. */
static bool read_body(struct slice rest, const struct request *r, struct buf *body, size_t *used)
{
	struct h1_chunks c;
	enum h1_chunk found = H1_CHUNK_DATA;

	*used = r->body == HTTP_BODY_LENGTH ? r->content_length : 0;
	if (r->body != HTTP_BODY_CHUNKED)
		return rest.len >= *used && buf_put(body, rest.at, *used);
	h1_chunks_init(&c);
	while (found == H1_CHUNK_DATA) {
		struct slice data = SLICE_NONE;
		const char *why;
		size_t n;

		found = h1_chunks_next(&c, slice_after(rest, *used), &n, &data, &why);
		CHECK(found != H1_CHUNK_BAD && buf_put_slice(body, found == H1_CHUNK_DATA ? data : SLICE_NONE));
		*used += n;
	}
	return found == H1_CHUNK_END;
}

static void answer(struct origin_end *o, struct world_script *s)
{
	unsigned choice = s->next < s->choices.len ? (unsigned char)s->choices.at[s->next] : 0;
	struct slice text = choice % 16 < WORLD_COUNT(answers) ? slice_of(answers[choice % 16]) : s->raw;
	bool ends = slice_ends(text, SLICE("|"));

	s->next++;
	text.len -= ends;
	if (text.len)
		(void)!send(o->fd, text.at, text.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (ends) {
		close(o->fd);
		o->fd = -1;
	}
}

static void serve(struct origin_end *o, struct world_script *s)
{
	const struct h1_limits wide = {1 << 16, 1 << 16, 1 << 10};
	struct h1_scan scan = {0};
	enum h1_found found;
	struct request r;
	const char *why;
	struct arena a;
	struct buf body;
	uint32_t len;
	size_t used;
	ssize_t n;

	while (o->fd >= 0 && buf_room(&o->in, 4096) && (n = recv(o->fd, o->in.at + o->in.end, 4096, MSG_DONTWAIT)) > 0)
		o->in.end += (uint32_t)n;
	arena_init(&a, NULL, 4096);
	buf_init(&body, NULL);
	CHECK(buf_room(&body, 1));
	/* Whatever came so far must be the beginning of a request. */
	found = buf_len(&o->in) ? h1_scan(&scan, buf_slice(&o->in), &len, &why) : H1_MORE;
	CHECK(found != H1_BAD);
	if (found == H1_HEAD) {
		CHECK(h1_request(&a, slice_first(buf_slice(&o->in), len), &wide, false, &r, &why) == 0);
		if (read_body(slice_after(buf_slice(&o->in), len), &r, &body, &used)) {
			check_sent(&r, buf_slice(&body));
			buf_eat(&o->in, len + (uint32_t)used);
			CHECK(!buf_len(&o->in)); /* the next one waits for this answer */
			answer(o, s);
		}
	}
	buf_done(&body);
	arena_done(&a);
}

/* ---- What the client gets ---- */

struct told {
	bool head, refused; /* not its answer only */
	unsigned status;
	struct slice id;
};

/* What stands behind `name` in a record: up to the next quote.  Inside a value a quote would be escaped. */
static struct slice told_text(struct slice line, const char *name)
{
	const char *at = memmem(line.at, line.len, name, strlen(name));
	struct slice rest = at ? slice_after(line, (size_t)(at - line.at) + strlen(name)) : SLICE_NONE;

	return at ? slice_first(rest, slice_find(rest, '"')) : rest;
}

static struct told read_record(struct slice line)
{
	return (struct told){.head = slice_is(told_text(line, ",\"method\":\""), "HEAD"),
			     .refused = slice_is(told_text(line, ",\"decision\":\""), "block") && !told_text(line, "\"gate\":\"answer").at,
			     .status = (unsigned)strtoul(told_text(line, ",\"status\":").at, NULL, 10),
			     .id = told_text(line, ",\"id\":\"")};
}

/* One answer at the front of `got`; false when it is cut, which ends everything. */
static bool check_answer(struct slice *got, const struct told *told, struct arena *a)
{
	const struct h1_limits wide = {1 << 16, 1 << 16, 1 << 10};
	struct request asked = {.method = SLICE("GET"), .head = told->head};
	struct buf body;
	struct response res;
	const char *why;
	uint32_t len;
	size_t used = 0;
	bool whole;

	do {
		struct h1_scan scan = {0};
		enum h1_found found = h1_scan(&scan, *got, &len, &why);

		if (found == H1_MORE)
			return false;
		CHECK(found == H1_HEAD && h1_response(a, slice_first(*got, len), &wide, &asked, &res, &why));
		*got = slice_after(*got, len);
	} while (res.status < 200);
	CHECK(res.status == told->status);
	buf_init(&body, NULL);
	CHECK(buf_room(&body, 1));
	/* A response's framing is a request's, but for the end of the connection. */
	asked.body = res.body;
	asked.content_length = res.content_length;
	whole = res.body != HTTP_BODY_CLOSE && read_body(*got, &asked, &body, &used);
	if (whole)
		CHECK(!slice_contains(buf_slice(&body), SLICE("poison")) && !slice_contains(buf_slice(&body), SLICE("leak")));
	buf_done(&body);
	*got = slice_after(*got, whole ? used : got->len);
	return whole;
}

/* Against the records; how many answers came whole. */
static unsigned check_client(struct slice got)
{
	unsigned whole = 0;
	struct arena a;
	bool more = true;

	arena_init(&a, NULL, 4096);
	for (unsigned i = 0; i < world.records_n; i++) {
		struct told told = read_record(world.records[i]);

		if (told.refused && told.id.len)
			CHECK(!world_find(told.id)->sent);
		more = more && got.len && check_answer(&got, &told, &a);
		whole += more;
	}
	CHECK(!more || !got.len);
	arena_done(&a);
	return whole;
}

/* ---- The play ---- */

struct world_play {
	struct slice bytes;  /* of the client */
	size_t step;         /* it sends so many at once, at least 1 */
	bool half_close;     /* ... and then ends its side */
	struct world_script script;
	/* Called before and after the product has its turn. */
	void (*before)(unsigned turn), (*after)(unsigned turn);
};

/* From a connection to its end; how many answers came whole. */
static inline unsigned world_run(struct world_play p)
{
	static char got[WORLD_GOT];
	size_t got_n = 0;
	bool over = false;

	world_open();
	for (unsigned turn = 0, quiet = 0; turn < WORLD_TURNS && !over; turn++) {
		size_t piece = p.bytes.len < p.step ? p.bytes.len : p.step;
		ssize_t r = piece ? send(world.client, p.bytes.at, piece, MSG_NOSIGNAL) : 0;

		p.bytes = slice_after(p.bytes, r > 0 ? (size_t)r : 0);
		if (!p.bytes.len && p.half_close)
			shutdown(world.client, SHUT_WR);
		if (p.before)
			p.before(turn);
		loop_turn(world.loop, 0);
		if (p.after)
			p.after(turn);
		for (unsigned i = 0; i < WAF_LANES; i++)
			world_inspect(world.lanes[i]);
		for (unsigned i = 0; i < world.origins_n; i++)
			serve(&world.origins[i], &p.script);
		world_read_log();
		while ((r = recv(world.client, got + got_n, sizeof got - got_n, 0)) > 0)
			got_n += (size_t)r, quiet = 0;
		over = r == 0 || (r < 0 && errno != EAGAIN);
		if (!p.bytes.len && ++quiet > 6)
			loop_virtual(world.loop, world.now_us += STEP_US);
	}
	close(world.client);
	world_close();
	return check_client(slice_make(got, got_n));
}

#endif
