/* h2_request.c -- fuzz: a header list that is accepted is written as exactly one HTTP/1.1 request, which is read as
 * the same.
 *
 * Input: a byte of flags, then fields: the lengths of name and value, each a byte, and their bytes. */
#include "gateway/http/h2.h"
#include "fuzz.h"

static void check_round_trip(struct arena *a, const struct request *r)
{
	const struct h1_limits wide = {1 << 20, 1 << 20, 1 << 20};
	struct request again;
	const char *why;
	struct buf out;
	uint32_t len;

	buf_init(&out, NULL);
	MUST(h1_write_request(&out, r, NULL, r->body, r->content_length));
	MUST(fuzz_find_head(buf_slice(&out), &len) && len == buf_len(&out));
	MUST(h1_request(a, buf_slice(&out), &wide, r->secure, &again, &why) == 0);
	MUST(slice_eq(r->method, again.method) && slice_eq(r->authority, again.authority) && slice_eq(r->host, again.host));
	MUST(slice_eq(r->target, again.target) && slice_eq(r->path, again.path) && slice_eq(r->query, again.query));
	MUST(r->has_query == again.has_query && r->body == again.body && r->content_length == again.content_length);
	MUST(r->upgrade == again.upgrade && fuzz_same_fields(&r->fields, &again.fields));
	MUST(fields_count(&r->fields, FIELD_HOST) == 1 && fields_count(&r->fields, FIELD_COOKIE) <= 1);
	buf_done(&out);
}

static bool take(struct slice *in, size_t n, struct slice *out)
{
	if (in->len < n)
		n = in->len;
	*out = slice_first(*in, n);
	*in = slice_after(*in, n);
	return n > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct slice in = slice_make((const char *)bytes, n), head, name, value;
	struct budget budget = {.limit = 1 << 20};
	const char *why = NULL;
	struct h2_list list;
	struct request r;
	struct arena a;
	bool kept = true;
	unsigned status;

	if (!take(&in, 1, &head))
		return 0;
	arena_init(&a, &budget, 4096);
	h2_list_init(&list, &budget);
	if (head.at[0] & 4) {
		static const char *const usual[] = {":method", "POST", ":scheme", "https", ":authority", "a.example", ":path", "/p?q"};

		for (unsigned i = 0; i < 8; i += 2)
			h2_list_add(&list, &fuzz_limits, slice_of(usual[i]), slice_of(usual[i + 1]));
	}
	while (kept && in.len >= 2) {
		uint8_t name_len = (uint8_t)in.at[0], value_len = (uint8_t)in.at[1];

		in = slice_after(in, 2);
		take(&in, name_len, &name);
		take(&in, value_len, &value);
		kept = h2_list_add(&list, &fuzz_limits, name, value);
	}
	MUST(buf_len(&list.bytes) <= 4 * fuzz_limits.head_bytes);
	status = h2_request(&a, &list, head.at[0] & 1, &fuzz_limits, !(head.at[0] & 2), &r, &why);
	MUST(status == 0 || (status >= 400 && status <= 505 && why));
	MUST(kept || status == 431);
	if (status == 0)
		check_round_trip(&a, &r);
	h2_list_done(&list);
	arena_done(&a);
	MUST(budget.used == 0);
	return 0;
}
