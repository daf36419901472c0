/* exchange.h -- one request and its answer, whatever carried them.
 *
 * An exchange belongs to a stream of a front (an HTTP/1 connection has one
 * stream).  The front parses into x->req, calls exchange_start, feeds body bytes,
 * and does what x->front asks.  It walks the chain, holds or streams the body,
 * asks an origin, and passes the answer on with back-pressure both ways.
 *
 * A front may get calls to its operations from inside any exchange_ call. */
#ifndef PORTCULLIS_PROXY_EXCHANGE_H
#define PORTCULLIS_PROXY_EXCHANGE_H

#include "gateway/http/websocket.h"
#include "gateway/proxy/generation.h"
#include "gateway/proxy/spool.h"
#include "gateway/proxy/work.h"

struct exchange;
struct upstream;

struct exchange_front {
	unsigned version; /* of HTTP: 1 or 2 */
	/* A head: informational (status below 200), or the final one.  `body` and `length` frame it.  101 is final: what
	 * follows both ways are the bytes of a tunnel, which the front gives to exchange_body, also a rest that is here
	 * already, and an end of the client's to exchange_body_end. */
	void (*head)(struct exchange *x, unsigned status, const struct fields *fields, const struct fields *extra,
		     enum http_body body, uint64_t length);
	/* Content; returns how much was taken.  Less than all: exchange_writable will follow. */
	size_t (*body)(struct exchange *x, struct slice bytes);
	/* The answer is complete (whole), or cut: the client must see that it is. After this call the
	 * exchange is gone. */
	void (*end)(struct exchange *x, bool whole);
	/* There is room for request content again. */
	void (*want)(struct exchange *x);
	/* Tell the client to send its content. */
	void (*go_ahead)(struct exchange *x);
};

enum answer_phase {
	ANSWER_NONE,
	ANSWER_JUDGED, /* its head, or what is held of its content, is before the filters */
	ANSWER_HELD,   /* its content is collected for them */
	ANSWER_OWED,   /* passed; what was held is on its way to the client */
	ANSWER_FLOWS,  /* its head is out, content is passed on as it comes */
};

/* The origin's answer, from its final head on. */
struct answer {
	enum answer_phase phase;
	enum body_use use;  /* of its content */
	struct spool copy;  /* what is held or copied of it */
	uint64_t sent;      /* of that, to the client */
	bool judged;        /* the gate of its content has been walked */
	bool ended;         /* it is whole; the origin's connection is gone */
	bool inside;        /* a gate is walked on behalf of the origin's connection */
	struct task more;
};

/* What a right 101 opens: bytes both ways that nobody reads (exchange_tunnel.c). */
struct tunnel {
	bool counted;           /* among those of its client, at: */
	uint16_t counted_at;
	bool open;
	struct timer clock;
	int64_t opened_ms;
	int64_t moved_ms;       /* when a byte last went either way */
	struct websocket_place place; /* in what goes to the client */
	bool closing;           /* the origin is gone, and the client is told to go */
	int64_t outdated_ms;    /* since when its generation is not the current one; 0: it is */
};

enum exchange_state {
	EXCHANGE_JUDGING,    /* in the chain */
	EXCHANGE_COLLECTING, /* holding the body for the chain */
	EXCHANGE_ASKING,     /* an origin has it, no head yet */
	EXCHANGE_WITHHOLDING, /* an answer has begun, nothing of it is out */
	EXCHANGE_ANSWERING,  /* the answer's head is out */
	EXCHANGE_REPORTING,  /* waiting for the WAF's lines to be written */
	EXCHANGE_ENDED,
};

struct exchange {
	struct proxy *proxy;
	struct generation *generation; /* that it began with; held */
	const struct exchange_front *front;
	void *stream;              /* the front's own */
	uint8_t version;           /* of HTTP, with the client */
	uint32_t stream_id;        /* of HTTP/2; 0: none */
	struct work work;          /* until its record is written */
	struct budget budget;      /* of this exchange; its parent is the connection's */
	struct arena arena;
	struct request req;
	struct facts facts;
	const struct config_site *site;
	struct addr peer;          /* the other end of the connection, or whom its PROXY header names */
	struct addr hop;           /* who sent that header, */
	bool hopped;               /* ... if there was one */
	struct tls *tls;           /* of the connection, as long as `front` is there; NULL: in clear */
	const struct tls_peer *certificate; /* that the client has proven to have, where the site asks for one; held */
	bool peer_trusted;
	struct slice grpc_status;  /* of a call of gRPC: how it went; empty: nobody has said */
	struct slice trace;        /* id of the trace it belongs to, 32 digits; empty: of none */
	enum exchange_state state;
	uint64_t print;            /* of the request's head: quarantine.h; 0: none */

	struct spool spool;
	bool holding;              /* the body goes to the spool */
	bool held;                 /* ... and is whole there */
	bool body_ended;           /* every byte of content has come from the client */
	bool expecting;            /* the client waits for 100 (Continue) */
	uint64_t body_bytes;       /* of content from the client so far */

	struct upstream *upstream; /* NULL: none now */
	unsigned tries;
	uint64_t sent_offset;      /* of a held body */
	bool sent_streamed;        /* content went upstream that cannot be sent again */
	struct proxy_server *last; /* the server that was tried last */

	struct response response;
	struct answer answer;
	struct tunnel tunnel;
	unsigned informational;
	uint16_t status;           /* sent to the client; 0: none yet */
	uint64_t sent_bytes;       /* of content to the client */
	enum reason failed;        /* what the gateway itself answered for, beside the chain */
	const char *why;           /* detail for the record */

	unsigned reported;         /* so many of the WAF's lines are on their way */
	struct slice page;         /* what is left of an answer of our own */
	bool own;                  /* the answer is the gateway's */
	struct list ack;           /* in proxy->ack_waiters while REPORTING */
	uint64_t ack_token;
	struct timer ack_timer;

	struct timer total;
	struct task bury;
	int64_t began_us, judged_us, asked_us, head_us;
	int64_t began_wall_us;
	const char *server_name;   /* of the origin server, for the record, */
	uint8_t origin_version;    /* ... and of HTTP with it */
	struct chain_run chain;    /* last: not cleared */
};

/* A new exchange with an empty request; NULL when memory is used up. */
struct exchange *exchange_new(struct proxy *p, struct budget *b, const struct exchange_front *front, void *stream);
/* x->req is filled; peer and TLS facts too.  `redirect`: a listener that only redirects to https. */
void exchange_start(struct exchange *x, bool redirect);
/* The request could not be parsed: answer `status`. */
void exchange_refuse(struct exchange *x, enum reason why, unsigned status, const char *detail);
/* Content from the client; returns how much was taken.  Less: front->want will follow. */
size_t exchange_body(struct exchange *x, struct slice bytes);
/* No content follows. */
void exchange_body_end(struct exchange *x);
/* The client can take more of the answer. */
void exchange_writable(struct exchange *x);
/* The client is gone, or broke the framing: no more calls to the front.  The exchange is gone. */
void exchange_abort(struct exchange *x, enum reason why, const char *detail);
/* An open tunnel ends here, in good order towards both sides.  The exchange is gone, or as soon as the client has taken a
 * last frame. */
void exchange_end_tunnel(struct exchange *x, const char *why);
/* Content will not come in time or is malformed: answer if nothing was answered yet, else cut. */
void exchange_body_broken(struct exchange *x, enum reason why, const char *detail);

/* What follows the content of an answer that has come whole, from where the front is told its end; NULL: nothing. */
const struct fields *exchange_trailers(const struct exchange *x);

/* ---- Called by the origin's side ---- */

/* A head has come into x->response.  False: stop, the exchange is over. */
bool exchange_response(struct exchange *x);
/* Content of the answer; returns how much was taken. */
size_t exchange_response_body(struct exchange *x, struct slice bytes);
/* It is whole; its trailers, if any, are in x->response. */
void exchange_response_end(struct exchange *x);
/* The origin failed; x->upstream is gone.  What had happened decides whether another may be asked. */
enum upstream_failure { UPSTREAM_UNSENT, UPSTREAM_UNANSWERED, UPSTREAM_CUT };
void exchange_upstream_failed(struct exchange *x, enum reason why, const char *detail, enum upstream_failure how);
/* The origin can take more of the request. */
void exchange_upstream_writable(struct exchange *x);

#endif
