/* upstream_h2.h -- HTTP/2 to origin servers: what its files and those of upstream.h share.
 *
 * upstream_h2_dial.c begins a connection, upstream_h2.c is its bytes and its end.  upstream_h2_session.c hears what nghttp2
 * makes of what the server sends, upstream_h2_ask.c sends a request as a stream, upstream_h2_answer.c has what comes back.
 * A stream is a struct upstream with `h2` set; before it has a connection it waits at its server.  A server has a few
 * connections per worker, a new one where all are full.  Exchanges are called from inside nghttp2's callbacks, where
 * nothing but its submit calls may be used: all else is done in the connection's next turn (`go`).
 *
 * A server may be broken or taken over: what it sends is bounded, and held to what is demanded of HTTP/1.1.  A stream's
 * window opens only as its exchange takes content; the connection's is opened at once, so that a client who does not read
 * keeps nobody else waiting.  At most a stream's window waits here for each. */
#ifndef PORTCULLIS_PROXY_UPSTREAM_H2_H
#define PORTCULLIS_PROXY_UPSTREAM_H2_H

#include <nghttp2/nghttp2.h>

#include "gateway/http/h2.h"
#include "gateway/proxy/h2_memory.h"
#include "gateway/proxy/upstream_parts.h"

enum {
	UPSTREAM_H2_STREAMS = 100,    /* at a time on one connection, where the server allows as many */
	UPSTREAM_H2_CONNECTIONS = 16, /* to one server, of one worker */
};

enum upstream_h2_state {
	UPSTREAM_H2_DIALLING,
	UPSTREAM_H2_SHAKING,  /* hands, TLS's */
	UPSTREAM_H2_SETTLING, /* the server's SETTINGS are still to come: without them nobody knows what it allows */
	UPSTREAM_H2_READY,
	UPSTREAM_H2_SHUT,
};

struct upstream_h2 {
	struct sock sock;
	struct proxy *proxy;
	struct generation *generation; /* of its origin; held */
	struct proxy_origin *origin;
	struct proxy_server *server;
	struct list of_server;   /* in server->h2 */
	struct list streams;     /* what is asked, and what clients have left, by `turn` */
	unsigned streams_n;
	nghttp2_session *session;
	nghttp2_mem mem;
	struct h2_list list;     /* the header list in progress */
	struct timer timer;      /* of its beginning, or of idleness */
	struct task go, bury;
	struct buf out;
	enum upstream_h2_state state;
	bool inside;             /* nghttp2 is working */
	bool retiring;           /* no new streams */
	bool answered;           /* some stream has */
	bool failed;             /* cut it, */
	const char *why;         /* ... this is why; constant */
	int64_t dialled_us, heard_us;
	uint64_t pings, pongs;   /* behind the ends of streams that clients have left */
	uint64_t pongs_counted;  /* as they came, before nghttp2 had them */
	/* Where in the bytes that come we are, and what has come */
	uint32_t skip;           /* of a frame's payload */
	uint8_t head_n;
	char head[H2_FRAME_HEAD];
	uint32_t continuations;
	struct h2_meter control; /* frames that carry nothing of an answer */
	uint64_t windows, windows_granted;
	struct h2_meter resets;  /* by us, of what was not over on both sides */
};

/* ---- upstream_h2_dial.c ---- */

/* Is it asked by HTTP/2? */
bool upstream_h2_speaks(const struct proxy_origin *o, const struct proxy_server *s);
/* Begin a connection.  What waits at the server is told if that fails, possibly before this returns. */
void upstream_h2_dial(struct proxy_origin *o, struct proxy_server *s);

/* ---- upstream_h2.c ---- */

/* There is something to do in this turn. */
void upstream_h2_wake(struct upstream_h2 *l);
/* Do it: bytes in and out, and whoever waits.  Not from inside nghttp2; nor the four that follow. */
void upstream_h2_turn(struct upstream_h2 *l);
/* It ends, and with it all that is asked over it; `l` is gone at the end of the loop's turn. */
void upstream_h2_fail(struct upstream_h2 *l, enum reason reason, const char *why);
/* Who waits, where no other connection is or comes. */
void upstream_h2_fail_waiting(struct proxy_server *s, enum reason reason, const char *why);
/* In good order: nobody is asked over it. */
void upstream_h2_close(struct upstream_h2 *l);
/* The same, without a word. */
void upstream_h2_shut(struct upstream_h2 *l);
/* Its tasks. */
void upstream_h2_go(struct task *t);
void upstream_h2_bury(struct task *t);
/* One stream less; the last of a connection that is not wanted any more closes it. */
void upstream_h2_leave_one(struct upstream_h2 *l);
/* No request will begin with its generation any more: what is idle closes now, the others with their last stream. */
void upstream_h2_retire(struct proxy_server *s);
/* From now on connections to `s` are connections to `t`, which is the same. */
void upstream_h2_take_over(struct proxy_origin *to, struct proxy_server *t, struct proxy_server *s);

/* ---- upstream_h2_session.c ---- */

bool upstream_h2_session_open(struct upstream_h2 *l);
/* What has come, before nghttp2 gets it: frames cost more than they say.  False: too much; the connection has failed. */
bool upstream_h2_count(struct upstream_h2 *l, struct slice in);

/* ---- upstream_h2_ask.c ---- */

/* Ask by HTTP/2: over a connection that has room, or when there is one. */
void upstream_h2_ask(struct exchange *x, struct proxy_origin *o, struct proxy_server *s);
/* Those who wait at a server: over connections with room; where there is none, another is begun. */
void upstream_h2_serve(struct proxy_server *s);
/* Where the server takes no content any more over `l`, nor over any other: begin one for those who come. */
void upstream_h2_spare(struct upstream_h2 *l);
/* upstream.h's, for a stream */
size_t upstream_h2_body(struct upstream *u, struct slice bytes);
void upstream_h2_body_end(struct upstream *u);
void upstream_h2_leave(struct upstream *u, struct work_group *g);
/* It is being shut: no call from its connection any more, where the stream is reset if it has not ended. */
void upstream_h2_part(struct upstream *u);
/* Its clock has run out: is that the connection's fault? */
void upstream_h2_doubt(struct upstream *u);
/* Content of the request for the frame that is being made. */
ssize_t upstream_h2_read(nghttp2_session *session, int32_t id, uint8_t *at, size_t length, uint32_t *flags,
			 nghttp2_data_source *source, void *user);
/* The server has read what came before that ping: what clients had left by then is over. */
void upstream_h2_noticed(struct upstream_h2 *l);

/* ---- upstream_h2_answer.c ---- */

/* The origin may be silent for so long, from now on; not while it is the client who does not take what is here. */
static inline void upstream_h2_clock(struct upstream *u, int64_t ms)
{
	if (!buf_len(&u->in))
		timer_start(u->proxy->loop, &u->timer, ms);
}

/* A header list is whole: a head or trailers.  `ended`: END_STREAM. */
void upstream_h2_heard(struct upstream *u, bool ended);
void upstream_h2_content(struct upstream *u, struct slice bytes);
void upstream_h2_ended(struct upstream *u);
/* nghttp2 has closed the stream, with that error. */
void upstream_h2_closed(struct upstream *u, uint32_t error);
void upstream_h2_resume(struct upstream *u);

#endif
