/* h2_response.c -- fuzz: a header list of an origin that is accepted is written as one HTTP/1.1 response, which is read as
 * the same; so are trailers, with nothing in them that belongs into a head.
 *
 * Input: a byte of flags, then names and values, each behind a byte that says how long it is. */
#include "gateway/http/h2.h"
#include "fuzz.h"

static void check_answer(struct arena *a, const struct request *req, const struct response *r, bool ended)
{
	const struct h1_limits wide = {1 << 20, 1 << 20, 1 << 20};
	bool none = req->head || r->status < 200 || r->status == 204 || r->status == 304;
	struct response again;
	const char *why;
	struct buf out;

	MUST(r->status >= 100 && r->status <= 599 && r->status != 101);
	MUST(r->body == HTTP_BODY_NONE || (!none && !ended));
	MUST(r->body != HTTP_BODY_LENGTH || (r->has_length && r->content_length));
	buf_init(&out, NULL);
	MUST(h1_write_response(&out, r->status, &r->fields, NULL, r->body, r->content_length, true));
	MUST(h1_response(a, buf_slice(&out), &wide, req, &again, &why));
	MUST(again.status == r->status && fuzz_same_fields(&r->fields, &again.fields));
	MUST(none || again.body == r->body);
	buf_done(&out);
}

static void check_trailers(const struct fields *f)
{
	static const enum field_name never[] = {FIELD_HOST, FIELD_CONTENT_LENGTH, FIELD_TRANSFER_ENCODING, FIELD_AUTHORIZATION,
						FIELD_SET_COOKIE, FIELD_X_FORWARDED_FOR, FIELD_LOCATION};
	struct buf out;

	for (uint32_t i = 0; i < f->n; i++)
		for (unsigned k = 0; k < sizeof never / sizeof *never; k++)
			MUST(f->at[i].id != never[k] || f->at[i].hidden);
	buf_init(&out, NULL);
	MUST(h1_write_last_chunk(&out, f));
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	uint8_t flags = fuzz_byte(&in);
	struct request req = {.method = SLICE("GET"), .head = flags & 2};
	struct budget budget = {.limit = 1 << 20};
	const char *why = NULL;
	struct h2_list list;
	struct response r;
	struct fields f;
	struct arena a;
	bool kept = true;

	arena_init(&a, &budget, 4096);
	h2_list_init(&list, &budget);
	if (flags & 4)
		h2_list_add(&list, &fuzz_limits, SLICE(":status"), SLICE("200"));
	while (kept && in.rest.len) {
		struct slice name = fuzz_run(&in, UINT8_MAX), value = fuzz_run(&in, UINT8_MAX);

		kept = h2_list_add(&list, &fuzz_limits, name, value);
	}
	if (h2_response(&a, &list, flags & 1, &fuzz_limits, &req, &r, &why))
		check_answer(&a, &req, &r, flags & 1);
	else
		MUST(why);
	why = NULL;
	if (h2_trailers(&a, &list, &fuzz_limits, flags & 8, &f, &why))
		check_trailers(&f);
	else
		MUST(why);
	h2_list_done(&list);
	arena_done(&a);
	MUST(budget.used == 0);
	return 0;
}
