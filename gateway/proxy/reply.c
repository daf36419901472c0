/* reply.c -- error pages and redirects. */
#include "gateway/proxy/reply.h"

#include <time.h>

#include "gateway/proxy/identity.h"

static struct slice page_of(struct exchange *x, unsigned status)
{
	const char *reason = http_reason(status);

	return arena_print(&x->arena,
			   "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%u %s</title></head>\n"
			   "<body><h1>%u %s</h1><p>Request id %.*s</p></body></html>\n",
			   status, reason, status, reason, SLICE_F(x->facts.id));
}

/* Put into words once a second: it may stand in every answer. */
struct slice reply_date(struct exchange *x)
{
	struct proxy *p = x->proxy;
	time_t now = (time_t)(loop_wall_us(p->loop) / 1000000);
	struct tm utc;

	if (p->date_s != now) {
		gmtime_r(&now, &utc);
		strftime(p->date, sizeof p->date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
		p->date_s = now;
	}
	return arena_copy(&x->arena, slice_of(p->date));
}

static bool add(struct exchange *x, struct fields *f, const char *name, struct slice value)
{
	return value.at && fields_add(f, &x->arena, slice_of(name), value);
}

/* What soon passes is worth another try. */
static int64_t retry_after_s(const struct verdict *v)
{
	static const enum reason passing[] = {REASON_OVERLOAD,   REASON_WAF_BUSY,    REASON_MEMORY_WORKER,
					      REASON_SPOOL_FULL, REASON_SPOOL_SHARE, REASON_DESCRIPTORS};

	for (unsigned i = 0; !v->retry_after_s && i < sizeof passing / sizeof *passing; i++)
		if (v->reason == passing[i])
			return 1;
	return v->retry_after_s;
}

bool reply_make(struct exchange *x, const struct verdict *v, struct reply *out)
{
	unsigned status = v->status ? v->status : reason_status(v->reason);

	*out = (struct reply){.status = status ? status : 403};
	if (!identity_id(x))
		return false;
	out->page = page_of(x, out->status);
	if (!add(x, &out->fields, "date", reply_date(x)) ||
	    !add(x, &out->fields, "content-type", SLICE("text/html; charset=utf-8")) ||
	    !add(x, &out->fields, "cache-control", SLICE("no-store")) ||
	    !add(x, &out->fields, "x-request-id", x->facts.id) || !out->page.at)
		return false;
	if (v->kind == VERDICT_REDIRECT && !add(x, &out->fields, "location", v->location))
		return false;
	if (out->status == 405 && !add(x, &out->fields, "allow", SLICE("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")))
		return false;
	if (retry_after_s(v) > 0)
		return add(x, &out->fields, "retry-after", arena_print(&x->arena, "%lld", (long long)retry_after_s(v)));
	return true;
}

struct slice reply_https_location(struct exchange *x)
{
	const struct generation *g = x->generation;
	uint16_t port = 443;

	for (unsigned i = 0; i < g->listeners_n; i++)
		if (g->listeners[i].serve == CONFIG_HTTPS) {
			port = g->listeners[i].port;
			break;
		}
	if (port == 443)
		return arena_print(&x->arena, "https://%.*s%.*s", SLICE_F(x->req.host), SLICE_F(x->req.target));
	return arena_print(&x->arena, "https://%.*s:%u%.*s", SLICE_F(x->req.host), port, SLICE_F(x->req.target));
}
