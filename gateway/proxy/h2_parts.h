/* h2_parts.h -- shared by the files of the HTTP/2 front; nobody else includes it.
 *
 * front_h2.c is the connection: bytes in and out, clocks, its end.  h2_session.c hears what nghttp2 makes of
 * what comes in, h2_stream.c is the front of each exchange, h2_trailers.c has what follows
 * content, h2_memory.c charges what nghttp2 takes.  Nothing
 * but nghttp2's own submit calls may be called from inside its callbacks, and those call exchanges: so what an
 * exchange asks for is noted, and done in the connection's next turn. */
#ifndef PORTCULLIS_PROXY_H2_PARTS_H
#define PORTCULLIS_PROXY_H2_PARTS_H

#include <nghttp2/nghttp2.h>

#include "gateway/http/h2.h"
#include "gateway/proxy/front_h2.h"
#include "gateway/proxy/front_parts.h"

enum {
	H2_OUT_MOST = 16384,            /* gathered for one write: one TLS record */
	H2_CONNECTION_WINDOW = 256 << 10, /* of content that may wait here for all exchanges together */
};

struct h2_stream {
	struct h2 *h2;
	struct exchange *x; /* NULL: its answer is complete, or nobody is there for it */
	struct list link;   /* in h2->streams */
	struct list turn;   /* in h2->wanting: its exchange can take content */
	int32_t id;

	/* What comes: content that its exchange has not taken yet, at most the stream's window */
	struct buf pending;
	uint64_t body_bytes;
	int64_t body_waited_ms;
	bool waits;        /* for an end of no content, before its exchange begins */
	bool remote_ended; /* END_STREAM has come, */
	bool told;         /* ... and the exchange knows */
	bool wide;         /* its window has been opened */

	/* What goes */
	bool headed;       /* the final head is submitted, */
	bool bare;         /* ... and nothing follows it */
	bool deferred;     /* nghttp2 waits until there is content again */
	bool ended;        /* nothing follows */
	bool cut;          /* ... and the client must see that something is missing */
	bool finished;     /* the end is sent */
	nghttp2_nv *trailers; /* follow the content; one block with their bytes; NULL: none */
	size_t trailers_n, trailers_size;
	bool ours;         /* what ended it early is no fault of the client's */
	const char *why;   /* ... it was reset */
	char code[3], length[20]; /* of the head, while it is on its way */
	uint64_t sent, stalled_sent;
	int64_t stalled_ms;
};

/* Streams that a PRIORITY_UPDATE came for before they began (RFC 9218 section 7.1): so many of the newest. */
enum { H2_EARLY = 32 };

enum h2_going { H2_STAYS, H2_NOTICED, H2_GOES };

struct h2 {
	struct front *front;
	nghttp2_session *session;
	nghttp2_mem mem;
	struct list streams, wanting;
	unsigned streams_n;
	struct work_group work; /* streams, and what is left of those that are gone */
	struct h2_list list; /* the header list in progress */
	struct h2_budget budget;
	struct h2_fates fates;

	int32_t early[H2_EARLY]; /* 0: none */
	unsigned early_n;        /* since the beginning */

	/* Where in the bytes that come we are */
	uint32_t preface; /* bytes of it still to come */
	uint32_t left;    /* of the payload of a frame */
	uint32_t block;   /* the stream whose header block is not complete; 0: none */
	int64_t frame_ms; /* since when a frame or a header block is on its way; 0: none is */

	/* The frame that nghttp2 is making of an answer */
	struct h2_stream *pulled;
	uint32_t granted, given;

	bool over;             /* nothing more is read */
	bool failed;           /* memory or nghttp2 gave up: cut it; */
	bool starved;          /* ... it was memory, */
	bool gone;             /* ... or the client has closed it in good order */
	enum h2_cost cost;     /* the bound that was broken */
	uint8_t going;         /* enum h2_going */
	int64_t idle_ms;       /* since when it has no stream */
	int64_t noticed_ms, ticked_ms, stalled_ms;
	uint64_t stalled_sent;
};

/* ---- front_h2.c ---- */

/* A bound is broken: the connection ends with ENHANCE_YOUR_CALM. */
void h2_calm(struct h2 *h, enum h2_cost cost);
/* It ends for a fault of the client's. */
void h2_end(struct h2 *h, uint32_t error);
/* No new streams: those that are there end well. */
void h2_retire(struct h2 *h);
void h2_last_goodbye(struct h2 *h);
/* There is something to do in this turn. */
void h2_wake(struct h2 *h);

/* ---- h2_session.c ---- */

bool h2_session_open(struct h2 *h);
struct h1_limits h2_limits(const struct h2 *h);

/* ---- h2_stream.c ---- */

extern const struct exchange_front h2_operations;

/* NULL: no memory. */
struct h2_stream *h2_stream_open(struct h2 *h, int32_t id);
/* It is closed; an exchange in progress is aborted. */
void h2_stream_close(struct h2_stream *s, enum reason why, const char *detail);
/* Its header list is whole. */
void h2_stream_begin(struct h2_stream *s, bool ended);
/* A header list of its is none, or does not come: if it has no exchange yet, only a record is made of it. */
void h2_stream_malformed(struct h2_stream *s, enum reason reason, const char *why);
void h2_stream_content(struct h2_stream *s, struct slice bytes);
/* END_STREAM. */
void h2_stream_ended(struct h2_stream *s);
/* Give its exchange what is pending. */
void h2_stream_feed(struct h2_stream *s);
void h2_stream_reset(struct h2_stream *s, uint32_t error, const char *why);
/* Room for content in the frame that is being made. */
ssize_t h2_stream_read(nghttp2_session *session, int32_t id, uint8_t *at, size_t length, uint32_t *flags,
		       nghttp2_data_source *source, void *user);
/* Its clocks. */
void h2_stream_tick(struct h2_stream *s, int64_t now_ms, int64_t passed_ms);

/* ---- h2_trailers.c ---- */

/* Trailers of the request have come, and END_STREAM with them. */
void h2_stream_trailed(struct h2_stream *s);
/* Those of the answer, a copy of what may be sent of them.  False: no memory. */
bool h2_trailers_keep(struct h2_stream *s, const struct fields *f);
void h2_trailers_drop(struct h2_stream *s);

#endif
