/* redact.c -- fuzz: whatever a client writes around it, a secret that stands behind a name like one is not in the log:
 * not in what a rule says it has matched, nor in a query, a JSON text or a field within that.
 *
 * And no byte is written that neither the text nor a variable's name had. */
#include "fuzz.h"
#include "rules/redact.h"

#define SECRET "hUnTeR2"

/* What a rule tells of: a variable, then its value. */
static const char *const variables[] = {"ARGS:password", "ARGS_POST:user[passwd]", "REQUEST_COOKIES:a", "REQUEST_HEADERS:Authorization",
					"ARGS:json.api_key", "MATCHED_VAR", "RESPONSE_HEADERS:Set-Cookie", "ARGS_GET:pass%77ord"};
static const char *const before[] = {"&password=", "?token=", "\"secret\":\"", "&api%5Fkey=", "\r\nAuthorization: Bearer "};

static bool is_ours(struct slice out, size_t i)
{
	return out.at[i] == '*' || memchr(" found within : ", out.at[i], 16);
}

static void check(struct arena *a, struct slice data, struct slice variable, size_t most)
{
	struct slice out = redact(a, data, variable, most);

	MUST(out.at && out.len <= (most < 160 ? 160 : most));
	MUST(!slice_contains(out, SLICE(SECRET)));
	for (size_t i = 0; i < out.len; i++)
		MUST(is_ours(out, i) || memchr(data.at, out.at[i], data.len) || memchr(variable.at, out.at[i], variable.len));
}

static bool has_secret(struct slice s)
{
	return slice_contains(s, SLICE(SECRET));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	size_t most = fuzz_below(&in, 600);
	struct slice variable = slice_of(variables[fuzz_below(&in, FUZZ_COUNT(variables))]), left = fuzz_run(&in, 200), middle = fuzz_run(&in, 200);
	const char *name = before[fuzz_below(&in, FUZZ_COUNT(before))];
	struct arena a;
	struct buf data;

	if (has_secret(left) || has_secret(middle) || has_secret(in.rest))
		return 0;
	arena_init(&a, NULL, 4096);
	buf_init(&data, NULL);
	/* The text says of which variable, or the engine does. */
	MUST(buf_put_slice(&data, left) && buf_print(&data, "found within %.*s: ", SLICE_F(variable)) && buf_put_slice(&data, middle) &&
	     buf_print(&data, SECRET) && buf_put_slice(&data, in.rest));
	check(&a, buf_slice(&data), SLICE("ARGS:q"), most);
	check(&a, slice_after(buf_slice(&data), left.len + 13 + variable.len), variable, most);
	buf_eat(&data, buf_len(&data));
	MUST(buf_put_slice(&data, left) && buf_print(&data, "%s" SECRET, name) && buf_put_slice(&data, in.rest));
	check(&a, buf_slice(&data), SLICE("REQUEST_BODY"), most);
	/* All of that as the name of an argument. */
	check(&a, SLICE("x"), buf_slice(&data), most);
	buf_done(&data);
	arena_done(&a);
	return 0;
}
