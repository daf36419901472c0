/* range.c -- fuzz: ranges that are asked for are few, in order each, and none over another, by a second reading.
 *
 * Input: the value of one Range. */
#include "fuzz.h"

#include "gateway/http/message.h"

struct known {
	unsigned long long first, last;
};

/* One part as C reads numbers.  False: it is of another form, or open. */
static bool read_known(const char *text, struct known *out)
{
	return sscanf(text, " %llu-%llu", &out->first, &out->last) == 2;
}

static void check(struct slice set)
{
	struct known known[16];
	unsigned parts = 0, n = 0;
	struct slice part;
	char text[64];

	for (; slice_cut(&set, ',', &part); parts++) {
		part = slice_trim(part);
		MUST(part.len && part.len < sizeof text && parts < 10);
		for (size_t i = 0; i < part.len; i++)
			MUST(part.at[i] == '-' || (part.at[i] >= '0' && part.at[i] <= '9'));
		snprintf(text, sizeof text, "%.*s", SLICE_F(part));
		n += read_known(text, &known[n]);
	}
	MUST(parts);
	for (unsigned i = 0; i < n; i++) {
		MUST(known[i].first <= known[i].last);
		for (unsigned k = 0; k < i; k++)
			MUST(known[i].last < known[k].first || known[i].first > known[k].last);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	struct slice set = in.rest, unit;
	struct fields f = {0};
	struct arena a;

	arena_init(&a, NULL, 4096);
	if (!fields_add(&f, &a, SLICE("range"), in.rest))
		abort();
	if (!http_check_range(&f)) {
		MUST(slice_cut(&set, '=', &unit) && unit.len && set.at);
		if (slice_ieq(unit, SLICE("bytes")))
			check(set);
	}
	arena_done(&a);
	return 0;
}
