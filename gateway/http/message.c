/* message.c -- small facts about methods, status codes and field names. */
#include "gateway/http/message.h"

const char *http_reason(unsigned status)
{
	static const char *const reasons[] = {
		[100] = "Continue", [101] = "Switching Protocols", [102] = "Processing", [103] = "Early Hints",
		[200] = "OK", [201] = "Created", [202] = "Accepted", [203] = "Non-Authoritative Information",
		[204] = "No Content", [205] = "Reset Content", [206] = "Partial Content", [207] = "Multi-Status",
		[208] = "Already Reported", [226] = "IM Used", [300] = "Multiple Choices", [301] = "Moved Permanently",
		[302] = "Found", [303] = "See Other", [304] = "Not Modified", [305] = "Use Proxy",
		[307] = "Temporary Redirect", [308] = "Permanent Redirect", [400] = "Bad Request", [401] = "Unauthorized",
		[402] = "Payment Required", [403] = "Forbidden", [404] = "Not Found", [405] = "Method Not Allowed",
		[406] = "Not Acceptable", [407] = "Proxy Authentication Required", [408] = "Request Timeout",
		[409] = "Conflict", [410] = "Gone", [411] = "Length Required", [412] = "Precondition Failed",
		[413] = "Content Too Large", [414] = "URI Too Long", [415] = "Unsupported Media Type",
		[416] = "Range Not Satisfiable", [417] = "Expectation Failed", [421] = "Misdirected Request",
		[422] = "Unprocessable Content", [423] = "Locked", [424] = "Failed Dependency", [425] = "Too Early",
		[426] = "Upgrade Required", [428] = "Precondition Required", [429] = "Too Many Requests",
		[431] = "Request Header Fields Too Large", [451] = "Unavailable For Legal Reasons",
		[500] = "Internal Server Error", [501] = "Not Implemented", [502] = "Bad Gateway",
		[503] = "Service Unavailable", [504] = "Gateway Timeout", [505] = "HTTP Version Not Supported",
		[506] = "Variant Also Negotiates", [507] = "Insufficient Storage", [508] = "Loop Detected",
		[511] = "Network Authentication Required",
	};

	if (status >= sizeof reasons / sizeof *reasons || !reasons[status])
		return "Status";
	return reasons[status];
}

bool http_method_idempotent(struct slice method)
{
	static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};

	for (unsigned i = 0; i < sizeof methods / sizeof *methods; i++)
		if (slice_is(method, methods[i]))
			return true;
	return false;
}

/* What the gateway knows by id, and what it only must not believe. */
static const bool identity[FIELD_NAMES] = {
	[FIELD_X_FORWARDED_FOR] = true,
	[FIELD_X_FORWARDED_PROTO] = true,
	[FIELD_X_FORWARDED_HOST] = true,
	[FIELD_X_FORWARDED_PORT] = true,
	[FIELD_X_FORWARDED_PREFIX] = true,
	[FIELD_X_FORWARDED_SERVER] = true,
	[FIELD_FORWARDED] = true,
	[FIELD_X_REAL_IP] = true,
	[FIELD_TRUE_CLIENT_IP] = true,
	[FIELD_CF_CONNECTING_IP] = true,
	[FIELD_X_CLIENT_IP] = true,
	[FIELD_X_ORIGINAL_URL] = true,
	[FIELD_X_REWRITE_URL] = true,
	[FIELD_X_HTTP_METHOD_OVERRIDE] = true,
	[FIELD_X_REQUEST_ID] = true,
	[FIELD_CLIENT_CERT] = true,
	[FIELD_CLIENT_CERT_CHAIN] = true,
	[FIELD_X_CLIENT_CERT] = true,
	[FIELD_X_CLIENT_CERT_SUBJECT] = true,
	[FIELD_X_CLIENT_CERT_SAN] = true,
	[FIELD_X_CLIENT_CERT_FINGERPRINT] = true,
};

/* The last ones are what gateways of other makes call a client's certificate. */
static const struct slice identity_families[] = {
	{"x-forwarded-", 12}, {"client-cert", 11},   {"x-client-cert", 13},  {"x-ssl-client", 12},
	{"ssl-client", 10},   {"x-tls-client", 12},  {"x-amzn-mtls-", 12},   {"x-arr-clientcert", 16},
};

static const struct slice identity_others[] = {
	{"x-forwarded", 11},      {"x-host", 6},           {"x-original-host", 15},   {"x-http-method", 13},
	{"x-remote-ip", 11},      {"x-remote-addr", 13},   {"x-method-override", 17}, {"x-originating-ip", 16},
	{"fastly-client-ip", 16}, {"cf-connecting-ipv6", 18}, {"x-cluster-client-ip", 19},
};

static bool is_identity(const struct field *f)
{
	if (f->id != FIELD_OTHER)
		return identity[f->id];
	for (unsigned i = 0; i < sizeof identity_families / sizeof *identity_families; i++)
		if (slice_starts(f->name, identity_families[i]))
			return true;
	for (unsigned i = 0; i < sizeof identity_others / sizeof *identity_others; i++)
		if (slice_eq(f->name, identity_others[i]))
			return true;
	return false;
}

void http_hide_identity(struct fields *f)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (is_identity(&f->at[i]))
			f->at[i].hidden = 1;
}
