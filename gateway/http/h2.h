/* h2.h -- HTTP/2 (RFC 9113), the pure parts: frame heads, what became of streams, what a connection may
 * cost, and one header list to one canonical request.
 *
 * Pure: no sockets, no library; time is an argument.  Framing itself, HPACK and flow control are nghttp2's;
 * this is what stands before it (bounds that it has not, states that it forgets) and behind it (the same
 * strictness as for HTTP/1.1, and the same structs). */
#ifndef PORTCULLIS_HTTP_H2_H
#define PORTCULLIS_HTTP_H2_H

#include "gateway/base/buf.h"
#include "gateway/http/h1.h"

/* ---- Frames: h2_frames.c ---- */

enum h2_type {
	H2_DATA,
	H2_HEADERS,
	H2_PRIORITY,
	H2_RST_STREAM,
	H2_SETTINGS,
	H2_PUSH_PROMISE,
	H2_PING,
	H2_GOAWAY,
	H2_WINDOW_UPDATE,
	H2_CONTINUATION,
	H2_PRIORITY_UPDATE = 16, /* RFC 9218 section 7.1 */
};

enum { H2_END_STREAM = 1, H2_ACK = 1, H2_END_HEADERS = 4, H2_PADDED = 8 };

enum {
	H2_FRAME_HEAD = 9,
	H2_FRAME_MOST = 16384, /* of a payload: SETTINGS_MAX_FRAME_SIZE as it is without a word */
	H2_PEEK_MOST = H2_FRAME_HEAD + 5,
};

struct h2_frame {
	uint32_t length; /* of the payload */
	uint32_t stream;
	uint8_t type;    /* enum h2_type, or unknown */
	uint8_t flags;
	bool blank;      /* DATA without content; known once h2_peek bytes are here */
	uint32_t parent; /* of PRIORITY: the stream it depends on */
};

/* So many bytes from the frame's head on must be here before it is read: all that is judged by. `at` has
 * H2_FRAME_HEAD bytes. */
uint32_t h2_peek(const char *at);
void h2_frame_read(const char *at, struct h2_frame *out);

/* ---- What became of streams: h2_frames.c ---- */

/* nghttp2 forgets a stream that is closed; what a frame on it means depends on how that was (section 5.1). */
enum h2_fate {
	H2_UNUSED, /* skipped by a later one, or not yet begun */
	H2_OPEN,
	H2_CLOSED, /* by both sides' END_STREAM or by the client's reset: nothing may follow */
	H2_RESET,  /* by ours: what follows may have been on its way */
	H2_OLD,    /* too long ago to know */
};

enum { H2_FATES = 256 };

/* Of the H2_FATES newest streams of a client.  All zero in the beginning. */
struct h2_fates {
	uint32_t newest; /* id; 0: none */
	uint8_t two_bits[H2_FATES / 4];
};

/* `stream` is a client's: odd, below 2^31. */
enum h2_fate h2_fate_of(const struct h2_fates *f, uint32_t stream);
void h2_fate_set(struct h2_fates *f, uint32_t stream, enum h2_fate fate);

/* ---- What a connection may cost: h2_budget.c ---- */

/* Each a bound; the words are those of the metric and of the log. */
enum h2_cost {
	H2_NO_COST,
	H2_COST_RESETS,        /* by the client, or provoked by it */
	H2_COST_CONTINUATIONS, /* of one header block */
	H2_COST_SETTINGS,
	H2_COST_PINGS,
	H2_COST_PRIORITIES,
	H2_COST_EMPTY,         /* DATA without content that ends nothing */
	H2_COST_WINDOWS,
	H2_COST_UNKNOWN,       /* frames of other types, and GOAWAY */
	H2_COST_FIELDS,        /* a header list far beyond what is answered with 431 */
	H2_COST_STALL,         /* nothing is read of what is sent */
	H2_COSTS
};

const char *h2_cost_word(enum h2_cost c);
/* "more than 100 resets in a minute" */
const char *h2_cost_text(enum h2_cost c);

/* So many since a minute began; it begins with the first of them.  All zero in the beginning. */
struct h2_meter {
	int64_t since_ms;
	uint32_t n;
};

/* One more; how many that makes in this minute. */
uint32_t h2_meter_count(struct h2_meter *m, int64_t now_ms);

/* All zero in the beginning. */
struct h2_budget {
	struct h2_meter meters[H2_COSTS]; /* of those that are counted by the minute */
	uint64_t windows, windows_granted;
	uint32_t continuations;
};

/* One of a kind that is counted by the minute.  False: that was one too many. */
bool h2_budget_count(struct h2_budget *b, enum h2_cost c, int64_t now_ms);
/* A frame has come.  H2_NO_COST, or the bound it breaks. */
enum h2_cost h2_budget_frame(struct h2_budget *b, const struct h2_frame *f, int64_t now_ms);
/* A request has begun, or DATA has been sent: it may be answered with WINDOW_UPDATEs. */
void h2_budget_request(struct h2_budget *b);
void h2_budget_data(struct h2_budget *b);

/* ---- Header lists: h2_request.c ---- */

/* One list, as it is decoded.  Its bytes are the budget's of `bytes`. */
struct h2_list {
	struct buf bytes;
	uint64_t size, count; /* so far, also of what is not kept */
	bool out_of_memory;
};

void h2_list_init(struct h2_list *l, struct budget *b);
/* For the next list; keeps the memory. */
void h2_list_clear(struct h2_list *l);
void h2_list_done(struct h2_list *l);
/* One field more.  Beyond the limits it is only counted: h2_request says 431 then.  False: it is so far beyond
 * them (four times) that the connection is not worth the rest of the list. */
bool h2_list_add(struct h2_list *l, const struct h1_limits *limits, struct slice name, struct slice value);

/* The request of a whole list, as h1_request: 0, or the status to refuse with, and *why.  `ended`: no content
 * follows.  What is malformed (section 8.1.1) is 400, here as there; pseudo-fields, names in upper case, fields
 * of a connection and the like.  Host and :authority are one: both may be given if they are the same.  Cookie
 * crumbs are joined (section 8.2.3) and counted one by one.  Without a Content-Length what follows is CHUNKED:
 * its length is unknown.  An extended CONNECT for websocket (RFC 8441) is a GET with `upgrade` set and no content; that it
 * was offered is the caller's to know, and a key is the caller's to add.  501: another :protocol. */
unsigned h2_request(struct arena *a, const struct h2_list *l, bool ended, const struct h1_limits *limits, bool secure,
		    struct request *out, const char **why);

/* The answer of a whole list to `req`, of which only `head` is read.  False: the origin broke the protocol, *why.  The
 * same as h1_response hides is hidden, what is malformed is refused as there; there is no 101.  `ended`: no content
 * follows.  Without a Content-Length what follows is CHUNKED. */
bool h2_response(struct arena *a, const struct h2_list *l, bool ended, const struct h1_limits *limits,
		 const struct request *req, struct response *out, const char **why);
/* The trailers of a whole list, `to_origin` or else to a client.  False: malformed, or beyond the limits; *why.  What may
 * not be a trailer is hidden (http_hide_trailers). */
bool h2_trailers(struct arena *a, const struct h2_list *l, const struct h1_limits *limits, bool to_origin,
		 struct fields *out, const char **why);

#endif
