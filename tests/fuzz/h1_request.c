/* h1_request.c -- fuzz: a request that is accepted is written as exactly one request, which is read as the same.
 *
 * Also: any split scans alike; a head that parses has been found by the
 * scanner; canonical targets and authorities do not change when read again. */
#include "fuzz.h"

static void check_canonical(struct arena *a, const struct request *r)
{
	struct request again = {0};
	const char *why;

	MUST(h1_authority(a, r->authority, r->secure, &again, &why));
	MUST(slice_eq(again.host, r->host) && slice_eq(again.authority, r->authority) && again.port == r->port);
	MUST(r->path.len && (r->path.at[0] == '/' || slice_is(r->path, "*")));
	MUST(!slice_contains(r->path, SLICE("//")) && !slice_contains(r->path, SLICE("/../")));
	MUST(!slice_contains(r->path, SLICE("/./")) && !slice_contains(r->path, SLICE("\\")));
	if (r->path.at[0] == '*')
		return;
	MUST(h1_target(a, r->target, &again, &why));
	MUST(slice_eq(again.path, r->path) && slice_eq(again.target, r->target) && slice_eq(again.query, r->query));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	bool secure = n && bytes[0] & 1;
	struct request r;
	struct arena a;
	const char *why = NULL;
	struct slice in;
	unsigned status;
	uint32_t len;

	if (!n)
		return 0;
	in = slice_make((const char *)bytes + 1, n - 1);
	arena_init(&a, NULL, 4096);
	/* Unscanned bytes may be given to the parser, too: it accepts none that the scanner refuses. */
	if (h1_request(&a, in, &fuzz_limits, secure, &r, &why) == 0)
		MUST(fuzz_find_head(in, &len) && len == in.len);
	if (fuzz_find_head(in, &len)) {
		status = h1_request(&a, slice_first(in, len), &fuzz_limits, secure, &r, &why);
		MUST(status == 0 || (status >= 400 && status <= 505 && why));
		if (status == 0) {
			check_canonical(&a, &r);
			fuzz_check_written(&a, &r);
		}
	}
	arena_done(&a);
	return 0;
}
