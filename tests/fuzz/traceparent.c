/* traceparent.c -- fuzz: which traces are passed on, by a regular expression.
 *
 * Input: values of traceparent, one a line; none has a zero byte, which no field has. */
#include "fuzz.h"

#include <regex.h>

#include "gateway/http/message.h"

/* W3C Trace Context section 3.2.2, without what a regular expression says badly: what is all zero, and version ff. */
static bool is_formed(const char *value)
{
	static const char digits[] = "^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$";
	static regex_t known;
	static bool ready;
	regmatch_t part[5];

	if (!ready)
		ready = regcomp(&known, digits, REG_EXTENDED) == 0;
	if (!ready || regexec(&known, value, 5, part, 0) != 0)
		return false;
	if (strncmp(value, "ff", 2) == 0 || (part[4].rm_so >= 0 && strncmp(value, "00", 2) == 0))
		return false;
	return strspn(value + part[2].rm_so, "0") < 32 && strspn(value + part[3].rm_so, "0") < 16;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct slice rest = fuzz_in(bytes, n).rest, line, first = SLICE_NONE, trace;
	struct fields f = {0};
	unsigned values = 0;
	struct arena a;
	char text[256];
	bool fine;

	if (memchr(bytes, 0, n))
		return 0;
	arena_init(&a, NULL, 4096);
	for (; values < 4 && slice_cut(&rest, '\n', &line); values++) {
		if (!values)
			first = line;
		if (!fields_add(&f, &a, SLICE("traceparent"), line) || !fields_add(&f, &a, SLICE("tracestate"), SLICE("a=b")))
			abort();
	}
	snprintf(text, sizeof text, "%.*s", SLICE_F(first));
	fine = values == 1 && first.len < sizeof text && is_formed(text);
	trace = http_check_trace(&f);
	if (first.len < sizeof text) {
		MUST((trace.len == 32) == fine);
		MUST(!fine || memcmp(trace.at, text + 3, 32) == 0);
	}
	for (uint32_t i = 0; i < f.n; i++)
		MUST(f.at[i].hidden == !trace.len);
	arena_done(&a);
	return 0;
}
