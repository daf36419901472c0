/* admit.c -- what a head says about its content, held against the policy. */
#include "rules/admit.h"

#include "rules/media.h"

static struct admission refuse(struct admission a, enum reason reason, const char *why)
{
	a.refuse = true;
	a.reason = reason;
	a.why = why;
	return a;
}

static struct admission by_entry(struct admission a)
{
	a.by_entry = true;
	return a;
}

static struct admission unseen(struct admission a, const char *why)
{
	a.inspect = false;
	a.unseen = why;
	return a;
}

/* The engine is asked and may refuse: only what it reads exactly may pass it. */
static struct admission admit_enforced(struct admission a, const struct request *req, const struct media *m)
{
	switch (m->kind) {
	case MEDIA_NONE:
		return refuse(a, REASON_BODY_TYPE, "content without a media type");
	case MEDIA_BAD:
		return fields_count(&req->fields, FIELD_CONTENT_TYPE) > 1 ?
			       refuse(a, REASON_BODY_INVALID, "two media types") :
			       refuse(a, REASON_BODY_TYPE, "a media type that is malformed or ambiguous");
	case MEDIA_OTHER:
		return a.listed ? unseen(a, "nobody reads its media type") :
				  refuse(a, REASON_BODY_TYPE, "content of a media type that cannot be inspected, and that no entry lists");
	case MEDIA_FORM:
	case MEDIA_MULTIPART:
	case MEDIA_JSON:
	case MEDIA_XML:
	case MEDIA_TEXT:
		break;
	}
	if (a.coding == CODING_OTHER)
		return refuse(a, REASON_BODY_TYPE, "content in a coding that cannot be undone, or in several");
	return media_charset_ok(m) ? a : refuse(a, REASON_BODY_TYPE, "content in a charset that cannot be inspected");
}

struct admission admit(const struct request *req, const struct policy_waf *plan)
{
	struct admission a = {.content = req->body == HTTP_BODY_CHUNKED ||
					 (req->body == HTTP_BODY_LENGTH && req->content_length)};
	bool known = req->body == HTTP_BODY_LENGTH;
	bool full = plan->mode != POLICY_OFF && plan->inspect != POLICY_INSPECT_HEAD;
	struct media m;

	if (!a.content)
		return a;
	m = media_of(&req->fields);
	a.listed = media_listed(&m, plan->body_types);
	a.coding = media_coding(&req->fields);
	a.inspect = full;
	/* An entry of the policy holds in every mode: it is no guess of the WAF. */
	if (plan->body_by_entry && known && req->content_length > plan->body_max)
		return by_entry(refuse(a, REASON_BODY_TOO_LARGE, "content longer than its entry allows"));
	if (plan->body_by_entry && plan->body_types.len && !a.listed)
		return by_entry(refuse(a, REASON_BODY_TYPE, "a media type that its entry does not list"));
	if (plan->mode == POLICY_OFF)
		return a;
	if (!full)
		return unseen(a, "inspect: head");
	if (known && req->content_length > plan->body_max)
		return plan->mode == POLICY_ENFORCE ?
			       refuse(a, REASON_BODY_TOO_LARGE, "content longer than may be inspected") :
			       unseen(a, "longer than may be inspected");
	return plan->mode == POLICY_ENFORCE ? admit_enforced(a, req, &m) : a;
}

struct admission admit_call(const struct request *req, const struct policy_waf *plan)
{
	struct policy_waf head = *plan;
	struct admission a;

	head.inspect = POLICY_INSPECT_HEAD;
	a = admit(req, &head);
	/* The site lists it, as an entry would. */
	a.listed = true;
	if (a.unseen)
		a.unseen = "messages of gRPC";
	return a;
}
