/* h2_request.c -- fuzz: a header list that is accepted is written as exactly one HTTP/1.1 request, which is read as
 * the same.
 *
 * Input: a byte of flags, then names and values, each behind a byte that says how long it is. */
#include "gateway/http/h2.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	uint8_t flags = fuzz_byte(&in);
	struct budget budget = {.limit = 1 << 20};
	const char *why = NULL;
	struct h2_list list;
	struct request r;
	struct arena a;
	bool kept = true;
	unsigned status;

	arena_init(&a, &budget, 4096);
	h2_list_init(&list, &budget);
	if (flags & 4) {
		static const char *const usual[] = {":method", "POST", ":scheme", "https", ":authority", "a.example", ":path", "/p?q"};

		for (unsigned i = 0; i < 8; i += 2)
			h2_list_add(&list, &fuzz_limits, slice_of(usual[i]), slice_of(usual[i + 1]));
	}
	while (kept && in.rest.len) {
		struct slice name = fuzz_run(&in, UINT8_MAX), value = fuzz_run(&in, UINT8_MAX);

		kept = h2_list_add(&list, &fuzz_limits, name, value);
	}
	MUST(buf_len(&list.bytes) <= 4 * fuzz_limits.head_bytes);
	status = h2_request(&a, &list, flags & 1, &fuzz_limits, !(flags & 2), &r, &why);
	MUST(status == 0 || (status >= 400 && status <= 505 && why));
	MUST(kept || status == 431);
	if (status == 0) {
		MUST(fields_count(&r.fields, FIELD_HOST) == 1 && fields_count(&r.fields, FIELD_COOKIE) <= 1);
		fuzz_check_written(&a, &r);
	}
	h2_list_done(&list);
	arena_done(&a);
	MUST(budget.used == 0);
	return 0;
}
