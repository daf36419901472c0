/* front_parts.h -- shared by the files of the HTTP/1.1 front; nobody else includes it. */
#ifndef PORTCULLIS_PROXY_FRONT_PARTS_H
#define PORTCULLIS_PROXY_FRONT_PARTS_H

#include "gateway/http/h1.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/front_h1.h"
#include "gateway/proxy/guard.h"
#include "gateway/proxy/sock.h"

enum { FRONT_DRAIN_BYTES = 65536 }; /* of content that is read only to be thrown away */

enum front_phase {
	FRONT_HOP,       /* a load balancer has to say for whom it comes */
	FRONT_HANDSHAKING,
	FRONT_IDLE,      /* between requests */
	FRONT_HEAD,      /* part of a head is here */
	FRONT_H2,        /* HTTP/2: front_h2.c */
	FRONT_BUSY,      /* an exchange is in progress */
	FRONT_FLUSHING,  /* the answer is complete, not all of it is sent */
	FRONT_DRAINING,  /* the rest of the content is read away before the next request */
	FRONT_LINGERING, /* our side is closed; wait for the client's end, so that it reads the answer */
	FRONT_CLOSED,
};

struct front {
	struct sock sock;
	struct proxy *proxy;
	int serve;     /* enum config_serve of the listener it came through */
	struct budget budget;
	struct list link; /* in proxy->fronts */
	struct list idle; /* in proxy->idle while IDLE or HEAD, or H2 without a stream */
	struct list shake; /* in one of proxy->shakes, while its handshake has something to do */
	struct timer timer;
	struct task go, bury;
	struct buf in, out;
	struct exchange *x;
	struct h2 *h2; /* NULL: HTTP/1.1 */
	struct addr peer; /* the client, as far as the connection says: the other end, or whom a PROXY header names */
	uint16_t peer_port;
	struct guard_place place; /* of the address guard, */
	bool guarded;     /* ... where it is counted there */
	bool hopped;      /* a PROXY header has been read; `hop` sent it */
	struct addr hop;
	uint8_t phase; /* enum front_phase */
	bool keep, broken;
	bool http2;    /* its listener offers HTTP/2 */
	bool ticking;  /* of HTTP/2: the timer is the clock of what is in progress, not of idleness */
	bool out_chunked, body_over, skipped_line;
	bool tunnel;   /* what comes and goes are the bytes of a tunnel */
	int64_t came_us;
	int64_t queued_us; /* for its handshake's share */
	bool spoken; /* the client has sent its first byte */
	bool shaking; /* its handshake has had a share */
	uint32_t requests, drained, drain_most;
	uint64_t print; /* of the request in progress: quarantine.h */
	struct h1_scan scan;

	/* Content of the request in progress */
	struct h1_chunks chunks;
	enum http_body body;
	uint64_t left, body_bytes;
	uint32_t pending; /* decoded bytes at the front of `in` */

	/* Progress, for the rate and the stall */
	int64_t ticked_ms, body_waited_ms, stalled_ms;
	uint64_t sent, stalled_sent;
};

/* ---- front_h1.c: the connection ---- */

/* Close it now; an exchange in progress is aborted.  `cut`: so that the client sees that. */
void front_shut(struct front *f, bool cut);
/* What comes now is the client's own: TLS, or the first head. */
void front_begin(struct front *f);
void front_next_request(struct front *f);
/* Do what can be done now. */
void front_go(struct front *f);
/* Close so that the client can still read what was sent: end our side, read the rest away,
 * `most` bytes of it. */
void front_linger(struct front *f, uint32_t most);
/* The connection speaks HTTP/2 from here on.  False: it is closed. */
bool front_speak_h2(struct front *f);
/* How often the clocks of a busy connection are looked at. */
int64_t front_tick_ms(const struct front *f);

/* ---- front_hop.c: what a load balancer says first ---- */

/* Look for a PROXY header.  True: it is read, and the client's own bytes follow. */
bool front_read_hop(struct front *f);

/* ---- front_shake.c: the handshake ---- */

/* It has something to do: its share of a turn will come. */
void front_shake(struct front *f);

/* ---- front_request.c: what the client sends ---- */

/* Who asks, as far as the connection says. */
void front_introduce(const struct front *f, struct exchange *x);
/* Answer a head that is no request: `status` and `why` are h1_request's, or h2_request's. */
void front_refuse_request(struct exchange *x, unsigned status, const char *why);
/* A request that has come is refused because the worker is late. */
bool front_is_shed(const struct front *f);
/* Look for a head in `in`.  True when something was done and it is worth looking again. */
bool front_parse_head(struct front *f);
/* Answer what cannot be a request; the connection ends with it. */
void front_refuse_head(struct front *f, enum reason reason, unsigned status, const char *why);
/* Feed what is in `in` to the exchange.  True when something was consumed. */
bool front_feed_body(struct front *f);

/* ---- front_answer.c: what goes out ---- */

extern const struct exchange_front front_operations;
/* Send what is in `out` as far as the client takes it. */
void front_flush(struct front *f);
/* Nothing sensible can be sent any more: the connection is cut on the next turn. */
void front_break_off(struct front *f);

#endif
