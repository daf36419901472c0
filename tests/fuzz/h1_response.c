/* h1_response.c -- fuzz: a response that is accepted is written as one response, which is read as the same.
 *
 * The first byte chooses the request that is answered. */
#include "fuzz.h"

static const char *const requests[] = {
	"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
	("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
};

static void check_framing(const struct request *req, const struct response *r)
{
	bool none = req->head || r->status < 200 || r->status == 204 || r->status == 304;

	MUST(r->status >= 100 && r->status <= 599);
	MUST(!none || r->body == HTTP_BODY_NONE);
	MUST(r->body != HTTP_BODY_LENGTH || (r->has_length && r->content_length));
	MUST(r->body != HTTP_BODY_CLOSE || !r->keep_alive);
	MUST(r->status != 101 || (req->upgrade == HTTP_UPGRADE_WEBSOCKET && !r->keep_alive));
	for (uint32_t i = 0; i < r->fields.n; i++)
		MUST(r->fields.at[i].id != FIELD_CONTENT_LENGTH || r->fields.at[i].hidden);
}

static void check_round_trip(struct arena *a, const struct request *req, const struct response *r)
{
	const struct h1_limits wide = {1 << 20, 1 << 20, 1 << 20};
	struct response again;
	const char *why;
	struct buf out;
	uint32_t len;

	buf_init(&out, NULL);
	MUST(h1_write_response(&out, r->status, &r->fields, NULL, r->body, r->content_length, r->keep_alive));
	MUST(fuzz_find_head(buf_slice(&out), &len) && len == buf_len(&out));
	MUST(h1_response(a, buf_slice(&out), &wide, req, &again, &why));
	MUST(again.status == r->status && again.body == r->body && fuzz_same_fields(&r->fields, &again.fields));
	MUST(r->body != HTTP_BODY_LENGTH || again.content_length == r->content_length);
	MUST(r->status < 200 || again.keep_alive == r->keep_alive);
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct request req;
	struct response r;
	struct arena a;
	const char *why = NULL;
	struct slice in;
	uint32_t len;

	if (!n)
		return 0;
	in = slice_make((const char *)bytes + 1, n - 1);
	arena_init(&a, NULL, 4096);
	MUST(h1_request(&a, slice_of(requests[bytes[0] % 3]), &fuzz_limits, false, &req, &why) == 0);
	if (h1_response(&a, in, &fuzz_limits, &req, &r, &why))
		MUST(fuzz_find_head(in, &len) && len == in.len);
	if (fuzz_find_head(in, &len)) {
		why = NULL;
		if (h1_response(&a, slice_first(in, len), &fuzz_limits, &req, &r, &why)) {
			check_framing(&req, &r);
			check_round_trip(&a, &req, &r);
		} else {
			MUST(why);
		}
	}
	arena_done(&a);
	return 0;
}
