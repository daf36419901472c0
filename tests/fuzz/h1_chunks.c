/* h1_chunks.c -- fuzz: any split of a chunked body gives the same bytes, end and refusal; what is decoded
 * and written in chunks again decodes to the same. */
#include "fuzz.h"

struct decoded {
	struct buf data;
	size_t used;
	enum h1_chunk end;
};

static void feed(struct h1_chunks *c, struct slice in, struct decoded *d)
{
	do {
		struct slice data = SLICE_NONE;
		const char *why = NULL;
		size_t used;

		d->end = h1_chunks_next(c, in, &used, &data, &why);
		MUST(used <= in.len && (d->end == H1_CHUNK_BAD) == (why != NULL));
		MUST(d->end != H1_CHUNK_MORE || used == in.len);
		if (d->end == H1_CHUNK_DATA) {
			MUST(data.len && data.at + data.len == in.at + used);
			MUST(buf_put_slice(&d->data, data));
		}
		in = slice_after(in, used);
		d->used += used;
	} while (d->end == H1_CHUNK_DATA);
	MUST(c->overhead <= 4097);
}

/* In pieces of `step` bytes, the first of `first`. */
static struct decoded decode(struct slice in, size_t first, size_t step)
{
	struct decoded d = {.end = H1_CHUNK_MORE};
	struct h1_chunks c;
	size_t n = first;

	buf_init(&d.data, NULL);
	MUST(buf_room(&d.data, 1));
	h1_chunks_init(&c);
	for (; in.len && d.end == H1_CHUNK_MORE; n = step) {
		n = n && n < in.len ? n : in.len;
		feed(&c, slice_first(in, n), &d);
		in = slice_after(in, n);
	}
	return d;
}

static void check_same(const struct decoded *a, struct decoded b)
{
	MUST(a->end == b.end && slice_eq(buf_slice(&a->data), buf_slice(&b.data)));
	MUST(a->end == H1_CHUNK_BAD || a->used == b.used);
	buf_done(&b.data);
}

static void check_round_trip(const struct decoded *d)
{
	struct slice rest = buf_slice(&d->data);
	struct decoded again;
	struct buf out;
	char head[20];

	buf_init(&out, NULL);
	for (size_t n = 1; rest.len; n = n * 3 < rest.len ? n * 3 : rest.len) {
		n = n < rest.len ? n : rest.len;
		MUST(buf_put(&out, head, h1_chunk_head(head, n)) && buf_put(&out, rest.at, n) && buf_put(&out, "\r\n", 2));
		rest = slice_after(rest, n);
	}
	MUST(buf_put(&out, head, h1_chunk_head(head, 0)) && buf_put(&out, "\r\n", 2));
	again = decode(buf_slice(&out), 0, 0);
	MUST(again.end == H1_CHUNK_END && again.used == buf_len(&out));
	MUST(slice_eq(buf_slice(&again.data), buf_slice(&d->data)));
	buf_done(&again.data);
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct slice in = slice_make((const char *)bytes, n);
	struct decoded whole;

	if (!n)
		return 0;
	whole = decode(in, 0, 0);
	check_same(&whole, decode(in, 1, 1));
	for (size_t cut = 1; cut < n && cut < 128; cut++)
		check_same(&whole, decode(in, cut, 0));
	if (whole.end == H1_CHUNK_END)
		check_round_trip(&whole);
	buf_done(&whole.data);
	return 0;
}
