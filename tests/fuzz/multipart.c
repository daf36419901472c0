/* multipart.c -- fuzz: a form that is accepted is cut into the same parts by a naive reader, and by a lenient one.
 *
 * The naive reader splits at every line that begins with the boundary, as engines and frameworks do; where
 * it sees other parts than the strict one counted, somebody would read another form. */
#include "fuzz.h"
#include "rules/body.h"

struct seen {
	unsigned parts, names, files;
};

static bool has_word(struct slice line, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= line.len; i++)
		if (slice_ieq(slice_make(line.at + i, n), slice_of(word)))
			return true;
	return false;
}

/* Any line end will do, and a boundary line may have anything behind it. */
static struct seen read_leniently(struct slice body, struct slice boundary)
{
	struct seen seen = {0};
	struct slice line;
	bool head = false;

	while (slice_cut(&body, '\n', &line)) {
		if (slice_starts(line, SLICE("--")) && slice_starts(slice_after(line, 2), boundary)) {
			head = !slice_starts(slice_after(line, 2 + boundary.len), SLICE("--"));
			seen.parts += head;
		} else if (head && (!line.len || slice_is(line, "\r"))) {
			head = false;
		} else if (head) {
			seen.names += has_word(line, "; name=") || has_word(line, ";name=");
			seen.files += has_word(line, "filename");
			MUST(line.at[0] != ' ' && line.at[0] != '\t');
		}
	}
	return seen;
}

static void check(struct slice body, struct slice boundary, const struct body_limits *limits)
{
	struct seen seen = read_leniently(body, boundary);

	MUST(slice_starts(body, SLICE("--")) && slice_starts(slice_after(body, 2), boundary));
	MUST(seen.parts <= limits->parts);
	MUST(slice_ends(body, SLICE("--")) || slice_ends(body, SLICE("--\r\n")));
}

static struct body_fault read_strictly(struct slice body, struct slice boundary, const struct body_limits *limits)
{
	struct body_look look = {.extras.most = 50, .files = true};
	struct body_fault fault;
	struct arena a;

	arena_init(&a, NULL, 4096);
	look.extras.arena = &a;
	fault = body_multipart(body, boundary, limits, &look);
	MUST(fault.at <= body.len && look.extras.n <= look.extras.most);
	arena_done(&a);
	return fault;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	struct body_limits limits = {.arguments = 10, .depth = 10, .parts = 1 + fuzz_below(&in, 8)};
	struct slice boundary = fuzz_run(&in, 80);
	struct body_fault fault, fewer;

	if (!in.rest.len)
		return 0;
	fault = read_strictly(in.rest, boundary, &limits);
	if (fault.why)
		return 0;
	check(in.rest, boundary, &limits);
	/* The bound is met exactly: one part less than there are is too few. */
	limits.parts = read_leniently(in.rest, boundary).parts;
	if (!limits.parts--)
		return 0;
	fewer = read_strictly(in.rest, boundary, &limits);
	MUST(fewer.why && fewer.too_much);
	return 0;
}
