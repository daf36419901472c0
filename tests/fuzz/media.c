/* media.c -- fuzz: a media type that is accepted is written down again and read as the same.
 *
 * Whoever looks at the beginning of the field only, as the rule engine does, finds the same parser for it. */
#include "fuzz.h"
#include "rules/media.h"

static bool same(const struct media *a, const struct media *b)
{
	return a->kind == b->kind && slice_eq(a->type, b->type) && slice_eq(a->charset, b->charset) && slice_eq(a->boundary, b->boundary);
}

static void check_again(const struct media *m)
{
	struct media again;
	struct buf out;

	buf_init(&out, NULL);
	MUST(buf_print(&out, "%.*s", SLICE_F(m->type)));
	if (m->charset.len)
		MUST(buf_print(&out, "; charset=\"%.*s\"", SLICE_F(m->charset)));
	if (m->boundary.len)
		MUST(buf_print(&out, ";boundary=\"%.*s\"", SLICE_F(m->boundary)));
	again = media_parse(buf_slice(&out));
	MUST(same(m, &again));
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct slice in = fuzz_in(bytes, n).rest, lead;
	struct media m = media_parse(in), once, twice;
	struct fields fields = {0};
	struct arena a;

	arena_init(&a, NULL, 4096);
	MUST(fields_add(&fields, &a, SLICE("content-type"), in));
	once = media_of(&fields);
	MUST(fields_add(&fields, &a, SLICE("content-type"), in));
	twice = media_of(&fields);
	MUST(same(&m, &once) && twice.kind == MEDIA_BAD);
	arena_done(&a);
	if (m.kind == MEDIA_BAD)
		return 0;
	lead = slice_trim(in);
	MUST(slice_starts(lead, m.type) && m.type.len >= 3 && !memchr(m.type.at, ' ', m.type.len));
	MUST(m.kind != MEDIA_MULTIPART || (m.boundary.len && m.boundary.len <= 70));
	MUST(media_listed(&m, m.type) && !media_listed(&m, SLICE("text/other-thing")));
	/* What has a NUL or a quote in it cannot be written in quotes. */
	if (!memchr(in.at, 0, in.len))
		check_again(&m);
	return 0;
}
