/* admit.h -- may this request's content come in at all?  Decided on the head alone.
 *
 * In enforce mode content that the rule engine would be blind to is refused before
 * a byte of it is read: without a media type, with two, of a type nobody reads, in
 * a coding nobody undoes.  A `bodies` entry of the policy that lists the type, or
 * says `inspect: head`, lets it through; it then counts as uninspected.  A listed
 * type that is read is inspected all the same. */
#ifndef PORTCULLIS_RULES_ADMIT_H
#define PORTCULLIS_RULES_ADMIT_H

#include "gateway/chain/chain.h"
#include "rules/media.h"

struct admission {
	bool refuse;
	enum reason reason;
	const char *why;
	bool by_entry;      /* the policy's entry decided */
	bool content;       /* there is content */
	bool inspect;       /* it is to be given to the engine */
	const char *unseen; /* why it is not, for the record */
	bool listed;        /* its type is one that the policy's entry names */
	enum media_coding coding; /* to be undone before; OTHER: it cannot be, and nobody minds */
};

struct admission admit(const struct request *req, const struct policy_waf *plan);
/* The same of a call whose content streams and is not read (facts->grpc): entries of the policy hold, the engine sees
 * the head. */
struct admission admit_call(const struct request *req, const struct policy_waf *plan);

#endif
