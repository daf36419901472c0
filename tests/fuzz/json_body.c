/* json_body.c -- fuzz: JSON content that is accepted is JSON to jansson, and what jansson takes is accepted.
 *
 * Both refuse a name twice.  Bounds are the only difference: what is refused for being too much, and numbers
 * that jansson cannot hold. */
#include <jansson.h>

#include "fuzz.h"
#include "rules/body.h"

/* Values, and how deep they nest. */
static void measure(const json_t *j, unsigned depth, unsigned *deepest, unsigned *leaves)
{
	unsigned inside = json_is_object(j) ? (unsigned)json_object_size(j) : json_is_array(j) ? (unsigned)json_array_size(j) : 0;

	if (depth > *deepest)
		*deepest = depth;
	*leaves += inside == 0;
	if (json_is_object(j)) {
		for (void *i = json_object_iter((json_t *)(uintptr_t)j); i; i = json_object_iter_next((json_t *)(uintptr_t)j, i))
			measure(json_object_iter_value(i), depth + 1, deepest, leaves);
	} else {
		for (unsigned i = 0; json_is_array(j) && i < inside; i++)
			measure(json_array_get(j, i), depth + 1, deepest, leaves);
	}
}

static unsigned containers(const json_t *j)
{
	unsigned deepest = 0, leaves = 0;

	measure(j, json_is_object(j) || json_is_array(j), &deepest, &leaves);
	return leaves;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const struct hash_seed seed = {1, 2};
	struct fuzz_in in = fuzz_in(bytes, n);
	struct body_limits limits = {.arguments = 1 + fuzz_byte(&in), .depth = 1 + fuzz_byte(&in), .parts = 1};
	struct body_fault fault;
	json_error_t error;
	json_t *j;

	if (!in.rest.len)
		return 0;
	fault = body_json(in.rest, &limits, &seed);
	j = json_loadb(in.rest.at, in.rest.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL,
		       &error);
	MUST(fault.at <= in.rest.len && (fault.why || !memchr(in.rest.at, 0, in.rest.len)));
	if (!fault.why)
		MUST(j ? containers(j) <= limits.arguments : json_error_code(&error) == json_error_numeric_overflow);
	else if (j && !memchr(in.rest.at, 0, in.rest.len)) /* which jansson takes for the end */
		MUST(fault.too_much);
	json_decref(j);
	return 0;
}
