/* grpc.c -- what is a call of gRPC, how long it may take, and how it is answered where the origin does not. */
#include "gateway/proxy/grpc.h"

#include "gateway/base/text.h"
#include "gateway/proxy/identity.h"

enum status {
	CANCELLED = 1,
	UNKNOWN = 2,
	INVALID_ARGUMENT = 3,
	DEADLINE_EXCEEDED = 4,
	PERMISSION_DENIED = 7,
	RESOURCE_EXHAUSTED = 8,
	UNIMPLEMENTED = 12,
	UNAVAILABLE = 14,
	UNAUTHENTICATED = 16,
};

static const struct slice status_name = {"grpc-status", 11}, message_name = {"grpc-message", 12},
			  timeout_name = {"grpc-timeout", 12}, media_type = {"application/grpc", 16};

/* ---- What it is ---- */

static bool is_call(const struct exchange *x)
{
	const struct field *type = fields_find(&x->req.fields, FIELD_CONTENT_TYPE);
	struct slice rest;

	if (!x->site->grpc || x->version != 2 || !type || fields_count(&x->req.fields, FIELD_CONTENT_TYPE) > 1 ||
	    !slice_eq(x->req.method, SLICE("POST")))
		return false;
	if (type->value.len < media_type.len || !slice_ieq(slice_first(type->value, media_type.len), media_type))
		return false;
	/* "application/grpc-web" is another protocol, for HTTP as it is. */
	rest = slice_after(type->value, media_type.len);
	return !rest.len || rest.at[0] == '+' || rest.at[0] == ';';
}

/* One to eight digits and a unit; -1: none, or no such thing. */
static int64_t timeout_ms(const struct exchange *x)
{
	static const struct {
		char unit;
		int64_t us;
	} units[] = {{'H', 3600000000}, {'M', 60000000}, {'S', 1000000}, {'m', 1000}, {'u', 1}, {'n', 0}};
	uint32_t i = 0;
	const struct field *f = fields_next(&x->req.fields, timeout_name, &i);
	uint64_t n;

	if (!f || f->value.len < 2 || f->value.len > 9 || !text_uint(slice_first(f->value, f->value.len - 1), &n))
		return -1;
	for (unsigned k = 0; k < sizeof units / sizeof *units; k++)
		if (f->value.at[f->value.len - 1] == units[k].unit)
			return (int64_t)n * units[k].us / 1000;
	return -1;
}

/* The first byte of a message says whether it is compressed. */
bool grpc_may_begin(struct slice content)
{
	return !content.len || (unsigned char)content.at[0] <= 1;
}

void grpc_begin(struct exchange *x)
{
	int64_t ms;

	x->facts.grpc = is_call(x);
	if (!x->facts.grpc)
		return;
	ms = timeout_ms(x);
	if (ms >= 0 && ms < x->generation->config->client.total_ms)
		timer_start(x->proxy->loop, &x->total, ms > 0 ? ms : 1);
}

/* ---- What is said to it ---- */

/* From the word of HTTP to that of gRPC. */
static enum status status_of(enum reason why, unsigned http)
{
	static const struct {
		uint16_t http;
		enum status status;
	} table[] = {
		{400, INVALID_ARGUMENT}, {401, UNAUTHENTICATED},    {403, PERMISSION_DENIED},  {404, UNIMPLEMENTED},
		{405, UNIMPLEMENTED},    {408, DEADLINE_EXCEEDED},  {413, RESOURCE_EXHAUSTED}, {415, UNIMPLEMENTED},
		{421, UNAVAILABLE},      {429, RESOURCE_EXHAUSTED}, {431, RESOURCE_EXHAUSTED}, {499, CANCELLED},
	};

	if (why == REASON_TOTAL_DEADLINE)
		return DEADLINE_EXCEEDED;
	for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].http == http)
			return table[i].status;
	/* A redirect is nothing a call can follow: it is kept from where it goes. */
	return http >= 500 ? UNAVAILABLE : http >= 400 || http < 300 ? UNKNOWN : PERMISSION_DENIED;
}

/* As little as our page tells: the id by which the operator finds the rest. */
static bool say(struct exchange *x, struct fields *to, enum status status)
{
	struct slice code = arena_print(&x->arena, "%d", (int)status);
	struct slice text = arena_print(&x->arena, "answered by the gateway, request id %.*s", SLICE_F(x->facts.id));

	x->grpc_status = code;
	return code.at && text.at && fields_add(to, &x->arena, status_name, code) && fields_add(to, &x->arena, message_name, text);
}

bool grpc_reply(struct exchange *x, const struct verdict *v, struct reply *out)
{
	unsigned http = v->status ? v->status : reason_status(v->reason);
	struct slice date = reply_date(x);

	*out = (struct reply){.status = 200};
	return identity_id(x) && date.at && fields_add(&out->fields, &x->arena, field_name_text(FIELD_DATE), date) &&
	       fields_add(&out->fields, &x->arena, field_name_text(FIELD_CONTENT_TYPE), media_type) &&
	       fields_add(&out->fields, &x->arena, field_name_text(FIELD_X_REQUEST_ID), x->facts.id) &&
	       say(x, &out->fields, status_of(v->reason, http ? http : 403));
}

bool grpc_end(struct exchange *x, enum reason why)
{
	if (!x->facts.grpc || x->own || x->response.body != HTTP_BODY_CHUNKED)
		return false;
	x->response.trailers.n = 0;
	return say(x, &x->response.trailers, status_of(why, reason_status(why)));
}

static bool find_status(struct exchange *x, const struct fields *f)
{
	uint32_t i = 0;
	const struct field *said = fields_next(f, status_name, &i);

	if (said)
		x->grpc_status = said->value;
	return !said || !fields_next(f, status_name, &i);
}

/* Other answers are of whatever stands before the server: clients make their own of those. */
bool grpc_heard(struct exchange *x)
{
	const struct response *r = &x->response;

	return find_status(x, &r->fields) && (x->grpc_status.len || r->body != HTTP_BODY_NONE || r->status != 200);
}

void grpc_settle(struct exchange *x)
{
	struct response *r = &x->response;

	if ((find_status(x, &r->trailers) && x->grpc_status.len) || r->status != 200 || r->body != HTTP_BODY_CHUNKED)
		return;
	r->trailers.n = 0;
	say(x, &r->trailers, UNKNOWN);
}
