/* zone.c -- fuzz: whatever is in a time zone file, its table rises, and clock and weekday stay in their bounds. */
#include "fuzz.h"
#include "policies/zone.h"

/* What the table says, gone through from the beginning. */
static int32_t offset_slowly(const struct zone *z, int64_t now)
{
	int32_t offset = z->before;

	for (uint32_t i = 0; i < z->n && z->steps[i].from <= now; i++)
		offset = z->steps[i].offset;
	return offset;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const int64_t times[] = {0, 1, 86399, 951868800, 1793534400, 2871763199, 4102444800};
	struct slice in = fuzz_in(bytes, n).rest;
	const struct zone *z;
	const char *why = NULL;
	struct arena a;

	arena_init(&a, NULL, 4096);
	z = zone_parse(&a, SLICE("Europe/Berlin"), in, &why);
	MUST(z || why);
	for (uint32_t i = 1; z && i < z->n; i++)
		MUST(z->steps[i - 1].from < z->steps[i].from);
	for (size_t i = 0; z && i < FUZZ_COUNT(times); i++) {
		MUST(zone_offset(z, times[i]) == offset_slowly(z, times[i]));
		MUST(zone_clock(z, times[i]) >= 0 && zone_clock(z, times[i]) < 1440);
		MUST(zone_weekday(z, times[i]) >= 0 && zone_weekday(z, times[i]) < 7);
	}
	arena_done(&a);
	return 0;
}
