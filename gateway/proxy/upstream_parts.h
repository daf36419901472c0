/* upstream_parts.h -- what upstream.c (asking), upstream_answer.c (hearing), upstream_pool.c (keeping) and those of HTTP/2
 * (upstream_h2.h) share. */
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
	struct buf trailers;  /* of its chunks, as they came */
	enum http_body body;
	uint64_t left;
	uint32_t pending;     /* decoded bytes at the front of `in` */
	bool got_any, keep;
	bool switched;        /* to another protocol: what comes is a tunnel's, and so are its clocks */

	/* Of HTTP/2, where it is a stream, and `sock` is never opened */
	bool h2;
	struct upstream_h2 *over; /* its connection; NULL: it waits for one, or the stream has ended */
	struct list turn;         /* of its connection, or of those that wait */
	int32_t stream;
	bool deferred;            /* nghttp2 waits until there is content of the request again */
	bool end_sent, end_seen;  /* END_STREAM, either way */
	bool refused;             /* it broke the protocol */
	bool inside;              /* its content is with the exchange just now */
	bool blamed;              /* what ends it has been held against the server already */
	uint64_t mark;            /* of those that were left: the ping that is behind its end */
};

struct upstream *upstream_new(struct exchange *x, struct proxy_origin *o, struct proxy_server *s);
/* For x's request, or for the next. */
void upstream_prepare(struct upstream *u, struct exchange *x);
/* Ask by HTTP/1.1. */
void upstream_ask(struct exchange *x, struct proxy_origin *o, struct proxy_server *s);
/* Begin to connect; `sock` is open then, or closed as before.  REASON_NONE, or *detail. */
enum reason upstream_dial(struct sock *sock, struct proxy *p, const struct proxy_origin *o, const struct proxy_server *s,
			  void (*ready)(struct watch *w, unsigned what), const char **detail);
/* What became of it, when `ready` says that it can be written.  NULL: it is connected. */
const char *upstream_dialled(const struct sock *sock);

/* Close it, and free it at the end of the turn; the exchange is told nothing. */
void upstream_shut(struct upstream *u);
/* The same, and tell the exchange; `u` is gone after it. */
void upstream_fail(struct upstream *u, enum reason why, const char *detail);
/* The same, for want of something of ours: it says nothing about the server, and another could not be asked either. */
void upstream_give_up(struct upstream *u, enum reason why, const char *detail);

/* How long it may be silent between two bytes.  Events, and messages of a call, come when something happens. */
int64_t upstream_between_ms(const struct upstream *u);
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
