/* trailers.c -- what may stand behind content: RFC 9110 section 6.5.
 *
 * Who reads a trailer has acted on the head long ago.  A field that would have changed how is read by some and missed
 * by others, gateways and caches among them: such are hidden, whoever sent them.  What is left tells of the content
 * (digests, signatures, the status of a call), or means something to both ends only. */
#include "gateway/http/message.h"
#include "gateway/http/parts.h"

static const bool forbidden[FIELD_NAMES] = {
	[FIELD_DATE] = true,          [FIELD_VIA] = true,         [FIELD_ALT_SVC] = true,
	[FIELD_COOKIE] = true,        [FIELD_SET_COOKIE] = true,  [FIELD_AUTHORIZATION] = true,
	[FIELD_ACCEPT_ENCODING] = true, [FIELD_CONTENT_TYPE] = true, [FIELD_CONTENT_ENCODING] = true,
	[FIELD_USER_AGENT] = true,    [FIELD_REFERER] = true,     [FIELD_ORIGIN] = true,
	[FIELD_LOCATION] = true,      [FIELD_RETRY_AFTER] = true, [FIELD_RANGE] = true,
	[FIELD_TRACEPARENT] = true,   [FIELD_TRACESTATE] = true,
};

/* A name that ends with "-" is a family. */
static const char *const names[] = {
	"accept", "accept-ranges", "access-control-", "age", "allow", "authentication-info", "cache-control",
	"cdn-cache-control", "clear-site-data", "content-disposition", "content-language", "content-location",
	"content-range", "content-security-policy", "content-security-policy-report-only", "cross-origin-", "expires",
	"if-", "link", "max-forwards", "permissions-policy", "pragma", "refresh", "referrer-policy", "sec-", "set-cookie2",
	"strict-transport-security", "vary", "warning", "www-authenticate", "x-content-type-options", "x-frame-options",
};

static bool is_forbidden(const struct field *f)
{
	if (f->id != FIELD_OTHER && forbidden[f->id])
		return true;
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		struct slice name = slice_of(names[i]);

		if (name.at[name.len - 1] == '-' ? slice_starts(f->name, name) : slice_eq(f->name, name))
			return true;
	}
	return http_is_claim(f->name);
}

void http_hide_trailers(struct fields *f)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (is_forbidden(&f->at[i]))
			f->at[i].hidden = 1;
}

bool http_takes_trailers(const struct fields *f)
{
	for (uint32_t i = 0; i < f->n; i++) {
		struct slice rest = f->at[i].value, part;

		while (f->at[i].id == FIELD_TE && slice_cut(&rest, ',', &part))
			if (slice_ieq(slice_trim(part), SLICE("trailers")))
				return true;
	}
	return false;
}

bool h1_trailers(struct arena *a, struct slice section, uint32_t most, struct fields *out, const char **why)
{
	char *at = arena_take(a, section.len);

	*out = (struct fields){0};
	if (!at) {
		*why = h1_no_memory;
		return false;
	}
	memcpy(at, section.at, section.len);
	if (h1_section(a, at, at + section.len, most, H1_TO_CLIENT, out, why))
		return false;
	http_hide_trailers(out);
	return true;
}
