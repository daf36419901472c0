/* fields.c -- fuzz: what travels on of a field section, both ways.
 *
 * Hop-by-hop fields and what Connection names are gone, what somebody relies on survives even when
 * Connection names it, look-alikes never leave, and what does leave came in, in the same order. */
#include "fuzz.h"

/* RFC 9110 section 7.6.1, framing, and orders to a proxy. */
static const char *const gone[] = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
				   "content-length", "expect", "proxy-authorization", "proxy-authenticate", "http2-settings", "proxy",
				   "x-accel-redirect", "x-sendfile", "surrogate-control", "early-data", NULL};
static const char *const gone_back[] = {"server", "via", "x-powered-by", "alt-svc", NULL};
/* No Connection field takes these away. */
static const char *const stays[] = {"authorization", "cookie", "content-type", "x-forwarded-for", "x-forwarded-proto", "x-real-ip",
				    "forwarded", "origin", "referer", "sec-fetch-site", "sec-websocket-key", "content-encoding", NULL};

static bool listed(const char *const *names, struct slice name)
{
	while (*names && !slice_ieq(name, slice_of(*names)))
		names++;
	return *names != NULL;
}

/* Some Connection line of `section` names it. */
static bool named(struct slice section, struct slice name)
{
	struct slice line, part, rest;

	while (slice_cut(&section, '\n', &line)) {
		size_t colon = slice_find(line, ':');

		if (colon == line.len || !slice_ieq(slice_first(line, colon), SLICE("connection")))
			continue;
		rest = slice_after(line, colon + 1);
		while (slice_cut(&rest, ',', &part)) {
			part = slice_trim(part);
			part.len -= slice_ends(part, SLICE("\r"));
			if (slice_ieq(slice_trim(part), name))
				return true;
		}
	}
	return false;
}

/* The next line of `section` with that name and value; moves behind it. */
static bool find_line(struct slice *section, struct slice name, struct slice value)
{
	struct slice line;

	while (slice_cut(section, '\n', &line)) {
		size_t colon = slice_find(line, ':');
		struct slice text = colon < line.len ? slice_after(line, colon + 1) : SLICE("");

		text.len -= slice_ends(text, SLICE("\r"));
		if (slice_ieq(slice_first(line, colon), name) && slice_eq(slice_trim(text), value))
			return true;
	}
	return false;
}

static void check(struct slice section, const struct fields *fields, bool back)
{
	struct slice rest = section;

	for (uint32_t i = 0; i < fields->n; i++) {
		const struct field *f = &fields->at[i];
		bool odd = memchr(f->name.at, '_', f->name.len) || memchr(f->name.at, '.', f->name.len);

		MUST(find_line(&rest, f->name, f->value));
		if (listed(gone, f->name) || (odd && !back))
			MUST(f->hidden);
		if (listed(stays, f->name))
			MUST(!f->hidden);
		else if (f->id == FIELD_OTHER && named(section, f->name) && !slice_starts(f->name, SLICE("sec-")) &&
			 !slice_starts(f->name, SLICE("x-forwarded")))
			MUST(f->hidden);
		for (size_t k = 0; k < f->name.len; k++)
			MUST(f->name.at[k] == ascii_lower(f->name.at[k]));
	}
}

static void check_identity(struct fields *fields)
{
	static const char *const claims[] = {"forwarded", "x-real-ip", "true-client-ip", "x-original-url", "x-request-id", NULL};

	http_hide_claims(fields, false);
	for (uint32_t i = 0; i < fields->n; i++)
		if (slice_starts(fields->at[i].name, SLICE("x-forwarded-")) || listed(claims, fields->at[i].name))
			MUST(fields->at[i].hidden);
}

static void check_telltales(struct fields *fields)
{
	static const struct http_names none;

	http_hide_telltales(fields, &none, &none);
	for (uint32_t i = 0; i < fields->n; i++)
		if (listed(gone_back, fields->at[i].name))
			MUST(fields->at[i].hidden);
}

static void check_written(bool back, const struct request *req, const struct response *res)
{
	struct buf out;
	struct slice head, line;

	buf_init(&out, NULL);
	MUST(back ? h1_write_response(&out, res->status, &res->fields, NULL, HTTP_BODY_LENGTH, 7, true) :
		    h1_write_request(&out, req, NULL, HTTP_BODY_LENGTH, 7));
	head = buf_slice(&out);
	slice_cut(&head, '\n', &line);
	while (slice_cut(&head, '\n', &line)) {
		struct slice name = slice_first(line, slice_find(line, ':'));

		if (listed(gone, name))
			MUST(slice_is(line, "Content-Length: 7\r") || slice_starts(line, SLICE("Connection: ")) ||
			     slice_is(line, "Upgrade: websocket\r"));
	}
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const struct slice starts[] = {{"POST / HTTP/1.1\r\nHost: a\r\n", 26}, {"HTTP/1.1 200 OK\r\n", 17}};
	struct fuzz_in in = fuzz_in(bytes, n);
	bool back = fuzz_byte(&in) & 1;
	struct slice start = starts[back];
	struct request req = {.method = SLICE("POST")};
	struct response res = {0};
	const char *why = NULL;
	struct arena a;
	struct buf head;

	arena_init(&a, NULL, 4096);
	buf_init(&head, NULL);
	MUST(buf_put_slice(&head, start) && buf_put_slice(&head, in.rest) && buf_put(&head, "\r\n\r\n", 4));
	if (back ? h1_response(&a, buf_slice(&head), &fuzz_limits, &req, &res, &why) :
		   !h1_request(&a, buf_slice(&head), &fuzz_limits, true, &req, &why)) {
		check(slice_after(buf_slice(&head), back ? start.len : 17), back ? &res.fields : &req.fields, back);
		check_written(back, &req, &res);
		if (back)
			check_telltales(&res.fields);
		else
			check_identity(&req.fields);
	} else {
		MUST(why && why != h1_no_memory);
	}
	buf_done(&head);
	arena_done(&a);
	return 0;
}
