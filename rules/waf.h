/* waf.h -- what a worker asks an inspector, and what comes back, as bytes.
 *
 * Pure: packing and unpacking only.  Both sides are ours, but an inspector runs
 * hostile input through C++ and may answer anything: unpacking trusts nothing.
 * One message is one SOCK_SEQPACKET datagram; a body over WAF_INLINE travels
 * beside it as a sealed memory file (SCM_RIGHTS). */
#ifndef PORTCULLIS_RULES_WAF_H
#define PORTCULLIS_RULES_WAF_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/buf.h"
#include "gateway/base/fields.h"

enum {
	WAF_INLINE = 64 << 10,        /* bytes of body inside the message */
	WAF_MESSAGE = 160 << 10,      /* most bytes of one message */
	WAF_HITS = 48,
	WAF_EXCLUSIONS = 256,
	WAF_OUTSTANDING = 128,        /* jobs of one worker that are out at once */
	WAF_TEXT = 512,               /* most bytes of a hit's message or data */
	WAF_ANSWER_MOST = 16 << 20,   /* most bytes of an answer's content */
	WAF_PLAIN_MOST = 8 << 20,     /* most bytes that content in a coding becomes */
	WAF_KEPT = 256,               /* transactions that all inspectors keep for the answers to come, */
	WAF_KEPT_BYTES = 32 << 20,    /* and what they are thought to take */
};

/* Content in a coding: it may become so many times as long, but so much in any case, and never more than
 * WAF_PLAIN_MOST. */
enum { WAF_PLAIN_TIMES = 20, WAF_PLAIN_LEAST = 64 << 10 };

enum waf_mode { WAF_ENFORCE, WAF_DETECT };

/* One target, or one whole rule, removed for this request. */
struct waf_exclusion {
	uint32_t rule;       /* 0: by tag */
	struct slice tag;
	struct slice target; /* "ARGS:q"; empty: the whole rule */
};

struct waf_job {
	uint64_t token;      /* random; the answer carries it */
	uint32_t slot;       /* 0..WAF_OUTSTANDING-1: where the worker's page says the job is wanted */
	uint32_t worker;
	int64_t queue_until_us; /* monotonic; not begun by then: dropped unrun */
	uint32_t run_ms;     /* CPU time it may take once begun; four times that on the wall */
	uint32_t ruleset;    /* index */
	enum waf_mode mode;
	uint8_t paranoia, detection_paranoia;
	uint16_t threshold_request, threshold_response;
	bool with_body;      /* the body is there to be inspected */
	bool body_outside;   /* it travels as a descriptor */
	uint64_t body_len;
	uint8_t coding;      /* enum media_coding: it is decoded before it is inspected, */
	uint64_t plain_most; /* ... into so many bytes at most */
	bool files;          /* what files hold is looked at, too */
	bool type_listed;    /* policy names the content's media type: the rule set's own list does not matter */
	struct addr client;
	uint16_t client_port;
	struct slice server_name; /* canonical host */
	uint16_t server_port;
	struct slice id;     /* of the request */
	struct slice method, target; /* canonical target, sent upstream the same */
	uint8_t minor;       /* of HTTP/1.x */
	struct fields fields; /* every field the client sent but hop-by-hop ones, in order */
	struct slice body;   /* inline part */
	bool keep;           /* of a request: its answer will be asked about */
	/* An answer is judged in its request's transaction, where the inspector that is asked still keeps it;
	 * else the request's head is run again.  So all above stands in both kinds, but for the body: here it
	 * is the answer's. */
	bool answering;
	uint64_t kept;       /* token of the request's job */
	uint16_t status;
	uint8_t status_minor; /* of HTTP/1.x */
	struct fields answer; /* fields of the origin's answer, hop-by-hop ones too */
	uint32_t exclusions_n;
	struct waf_exclusion exclusions[WAF_EXCLUSIONS];
};

struct waf_hit {
	uint32_t rule;
	uint8_t phase, severity; /* severity 0 emergency .. 7 debug */
	struct slice message, data, tag; /* data: what matched, cut to WAF_TEXT; tag: the first "attack-" one */
};

/* Rules of the gateway's own, in the range of ModSecurity's recommended configuration: content
 * that cannot be parsed, or is not in the one form that everybody reads the same; methods in disguise. */
enum { WAF_RULE_FIRST = 200002, WAF_RULE_BODY = 200010, WAF_RULE_LAST = 200011 };

enum waf_result { WAF_ALLOW, WAF_DENY, WAF_LOST, WAF_SHED };

struct waf_answer {
	uint64_t token;
	enum waf_result result; /* SHED: expired in the queue, unrun; LOST: its inspector died or was killed */
	uint16_t status;        /* of DENY: what the rule said */
	uint32_t score;         /* inbound anomaly score; outbound of an answer */
	uint8_t keeper;         /* of a request: 1 + number of the inspector that keeps its transaction; 0: nobody */
	bool again;             /* of an answer: the request's head was run again, without its content */
	/* Of a request that is let through: its content was decoded, and is what an origin is to be sent.  It travels
	 * beside the answer as a sealed memory file, unless it is empty. */
	bool plain;
	uint64_t plain_len;
	uint32_t cpu_us, wall_us;
	uint32_t hits_n;
	uint32_t hits_cut;      /* more matched than fit */
	struct waf_hit hits[WAF_HITS];
};

/* Append the message; false when it does not fit WAF_MESSAGE or memory is used up. */
bool waf_pack_job(struct buf *out, const struct waf_job *job);
/* Change the slot of a packed message: it is known only when the message leaves. */
void waf_set_slot(char *message, uint32_t slot);
/* Slices of `out` point into `in`; fields are made in the arena.  False: not a message of ours. */
bool waf_unpack_job(struct slice in, struct arena *a, struct waf_job *out);
bool waf_pack_answer(struct buf *out, const struct waf_answer *answer);
bool waf_unpack_answer(struct slice in, struct waf_answer *out);

/* ---- Shared pages ---- */

/* One per worker: slot i holds the token of the job that is wanted there, 0 when it is not (any
 * more).  A puller compares before it runs; cancelling is storing 0. */
struct waf_wanted {
	_Atomic uint64_t token[WAF_OUTSTANDING];
};

/* One per inspector, written by it; the zygote reads, workers look whether it is busy. */
struct waf_cell {
	_Atomic uint64_t token;      /* 0: idle */
	_Atomic uint32_t worker, lane;
	_Atomic int64_t began_us;    /* monotonic */
	_Atomic int64_t cpu_began_us; /* its own CPU clock */
	_Atomic uint32_t run_ms;
	_Atomic uint32_t slot;
	_Atomic uint64_t jobs;       /* done since it was forked */
	_Atomic uint64_t grown;      /* bytes it holds beyond what it began with */
};

/* Of all inspectors, by the zygote that forks them; it goes on where the one before it stopped. */
struct waf_tally {
	_Atomic uint32_t alive;
	_Atomic uint64_t started;
	_Atomic uint64_t killed, recycled, grown, died; /* over their clock; at peace after so many jobs, or so much memory; else */
	_Atomic uint64_t bytes; /* what those alive hold beyond what they began with */
};

enum waf_lane { WAF_SMALL, WAF_BIG, WAF_LANES };
enum { WAF_WORKERS = 64, WAF_INSPECTORS = 64 };

struct waf_shared {
	struct waf_wanted wanted[WAF_WORKERS];
	struct waf_cell cells[WAF_INSPECTORS];
	struct waf_tally tally;
};

#endif
