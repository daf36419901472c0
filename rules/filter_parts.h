/* filter_parts.h -- shared by the files of the WAF's filter; nobody else includes it. */
#ifndef PORTCULLIS_RULES_FILTER_PARTS_H
#define PORTCULLIS_RULES_FILTER_PARTS_H

#include "rules/media.h"
#include "rules/rules.h"

/* One question and what came back. */
struct asked {
	struct pool_ask ask;
	struct visit *visit;
	struct wait *wait;    /* NULL: only the record waits */
	bool pending;         /* an answer will come */
	bool answering;       /* it is about the origin's answer */
	enum waf_result result;
	uint16_t status;
	int own_fd;           /* -1, or the content's memory file, ours to close */
	int plain_fd;         /* -1, or what an inspector says is the content, decoded; the same */
	bool plain;           /* it did decode it, into so many bytes */
	uint64_t plain_len;
};

struct rules_state {
	struct policy_waf plan;
	struct asked *asked;
	bool hold;
	enum media_coding coding; /* of the content, where it is inspected */
	bool type_listed;         /* its media type is one that the policy's entry names */

	/* The answer */
	bool answers;             /* it is looked at */
	enum body_use answer_use; /* of its content */
	struct asked *answer_asked;
	uint64_t kept;            /* token of the request's job, and */
	uint8_t keeper;           /* who keeps its transaction; 0: nobody */
	bool postponed;           /* it is asked about when the request has been judged, with */
	const struct held *postponed_held;
	unsigned request_hits;    /* of facts->waf_hits: the request's own, which come first */
};

static inline const struct rules_config *conf_of(const struct visit *v)
{
	return v->conf;
}

/* ---- question.c ---- */

/* Ask about the request, or about its answer, with what is held of its content (NULL: none).  `next` reads
 * what comes back, where somebody waits for it. */
struct verdict question_ask(struct visit *v, bool answering, const struct held *held, step_fn *next);
/* True: there is no verdict of the rules, and *out is what that means. */
bool question_failed(const struct visit *v, const struct asked *q, struct verdict *out);
/* The request passed, and its content was in a coding: declare what it is in the plain.  False: the inspector has
 * not left it. */
bool question_take_plain(struct visit *v);
/* There will be no verdict: the policy's failure direction decides. */
struct verdict question_unsure(const struct visit *v, bool answering, enum reason reason);
/* Something passes that the rules did not see: of the request, or of its answer. */
void question_uninspected(const struct visit *v, bool answering);
/* Must traffic of that mode wait for the verdict? */
bool question_waits(const struct visit *v, enum policy_mode mode);

/* Cancel it if it is pending, and free it. */
void question_forget(struct asked **at);

/* ---- filter.c ---- */

/* The gravest hit from number `from` on. */
void note_worst(struct visit *v, unsigned from);

/* ---- filter_answer.c ---- */

/* What the request's question must say, and the forwarding end must know, for the answer's sake. */
void answer_prepare(struct visit *v);
/* Turn a question about the request into one about its answer. */
void answer_fill_job(const struct visit *v, struct asked *q, struct waf_job *job);
/* The request has been judged: ask what was postponed until then. */
void answer_catch_up(struct visit *v);
/* The record of an answer that nobody waited for. */
void answer_note(struct visit *v, const struct waf_answer *answer);
struct verdict answer_at_head(struct visit *v);
struct verdict answer_at_body(struct visit *v);
enum body_use answer_use(const struct visit *v);

#endif
