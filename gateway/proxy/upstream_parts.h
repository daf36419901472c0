/* upstream_parts.h -- what upstream.c (asking), upstream_answer.c (hearing) and upstream_pool.c (keeping) share. */
#ifndef PORTCULLIS_PROXY_UPSTREAM_PARTS_H
#define PORTCULLIS_PROXY_UPSTREAM_PARTS_H

#include "gateway/http/h1.h"
#include "gateway/proxy/sock.h"
#include "gateway/proxy/upstream.h"

enum upstream_state { CONNECTING, HANDSHAKING, ASKING, IDLE, LEFT, CLOSED };
enum upstream_part { PART_HEAD, PART_BODY, PART_OVER };

struct upstream {
	struct sock sock;
	struct proxy *proxy;
	struct proxy_origin *origin;
	struct proxy_server *server;
	struct exchange *x;   /* NULL: pooled, left or closed */
	struct work work;     /* of a client that has left */
	struct list pooled;   /* of its server; or of those that were left */
	struct timer timer;
	struct task more, bury;
	struct buf in, out;
	enum upstream_state state;
	bool reused;
	int64_t dialled_us;

	/* The request on its way */
	enum http_body req_body;
	uint64_t req_left;    /* of a body with a length */
	bool sent_any, req_over;

	/* The answer on its way */
	enum upstream_part part;
	struct h1_scan scan;
	struct h1_chunks chunks;
	enum http_body body;
	uint64_t left;
	uint32_t pending;     /* decoded bytes at the front of `in` */
	bool got_any, keep;
	bool switched;        /* to another protocol: what comes is a tunnel's, and so are its clocks */
};

/* Close it, and free it at the end of the turn; the exchange is told nothing. */
void upstream_shut(struct upstream *u);
/* The same, and tell the exchange; `u` is gone after it. */
void upstream_fail(struct upstream *u, enum reason why, const char *detail);
/* The same, for want of something of ours: it says nothing about the server, and another could not be asked either. */
void upstream_give_up(struct upstream *u, enum reason why, const char *detail);

/* Read and pass on what the server says, until it has nothing more or the exchange takes nothing more. */
void upstream_pump(struct upstream *u);
/* A turn of it that was put off: the task `more`. */
void upstream_more(struct task *t);

/* An idle connection to `s`, not idle any more; NULL when there is none that can be trusted. */
struct upstream *upstream_take(struct proxy_origin *o, struct proxy_server *s);
/* The answer is whole and the connection as good as new: keep it for the next.  False: there is no place. */
bool upstream_keep(struct upstream *u);
/* Nothing has come over an idle connection since it was left. */
bool upstream_is_quiet(struct upstream *u);

#endif
