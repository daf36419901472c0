/* redis_reply.c -- fuzz: replies are the same however their bytes are split, within their bounds, and a value
 * that is written down again is read as the same.
 *
 * Memory is charged to a budget: it is never passed, and all of it comes back. */
#include "fuzz.h"
#include "gateway/redis/reply.h"

static const size_t budget_most = REPLY_BUFFER + 4 * REPLY_BYTES + 65536;

static unsigned bounded(const struct redis_value *v, unsigned depth, size_t *bytes)
{
	unsigned n = 1;

	MUST(v->kind <= REDIS_ARRAY && depth <= REPLY_DEPTH && v->n <= REPLY_ELEMENTS);
	*bytes += v->text.len;
	for (unsigned i = 0; v->kind == REDIS_ARRAY && i < v->n; i++)
		n += bounded(&v->at[i], depth + (v->at[i].kind == REDIS_ARRAY), bytes);
	return n;
}

/* As RESP2. */
static void write_value(struct buf *out, const struct redis_value *v)
{
	static const char sign[] = {[REDIS_INT] = ':', [REDIS_STATUS] = '+', [REDIS_ERROR] = '-'};

	switch (v->kind) {
	case REDIS_NIL:
		MUST(buf_print(out, "$-1\r\n"));
		return;
	case REDIS_INT:
		MUST(buf_print(out, ":%lld\r\n", (long long)v->integer));
		return;
	case REDIS_STRING:
		MUST(buf_print(out, "$%zu\r\n", v->text.len) && buf_put_slice(out, v->text) && buf_put(out, "\r\n", 2));
		return;
	case REDIS_ARRAY:
		MUST(buf_print(out, "*%u\r\n", v->n));
		for (unsigned i = 0; i < v->n; i++)
			write_value(out, &v->at[i]);
		return;
	default:
		MUST(buf_put(out, &sign[v->kind], 1) && buf_put_slice(out, v->text) && buf_put(out, "\r\n", 2));
	}
}

/* All replies of `in`, given in pieces of `step` bytes, written one behind the other; "!" where they end badly. */
static void read_all(struct slice in, size_t step, struct buf *out)
{
	struct budget budget = {.limit = budget_most};
	const struct redis_value *v = NULL;
	enum reply_found found = REPLY_NONE;
	struct replies r;

	MUST(replies_init(&r, &budget));
	while (in.len && found != REPLY_BAD) {
		size_t n = in.len < step ? in.len : step, bytes = 0;

		if (!replies_feed(&r, in.at, n))
			break;
		in = slice_after(in, n);
		while ((found = replies_next(&r, &v)) == REPLY_WHOLE) {
			MUST(bounded(v, v->kind == REDIS_ARRAY, &bytes) && bytes <= REPLY_BYTES);
			write_value(out, v);
			bytes = 0;
		}
	}
	if (found == REPLY_BAD)
		MUST(r.why && buf_put(out, "!", 1));
	replies_done(&r);
	MUST(!budget.used && budget.peak <= budget_most);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct slice in = fuzz_in(bytes, n).rest, text;
	struct buf whole, pieces, again;

	buf_init(&whole, NULL);
	buf_init(&pieces, NULL);
	buf_init(&again, NULL);
	MUST(buf_room(&whole, 1) && buf_room(&pieces, 1) && buf_room(&again, 1));
	read_all(in, REPLY_FEED, &whole);
	for (size_t step = 1; step < 20; step += 6) {
		buf_eat(&pieces, buf_len(&pieces));
		read_all(in, step, &pieces);
		MUST(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
	}
	text = buf_slice(&whole);
	text.len -= slice_ends(text, SLICE("!"));
	read_all(text, 7, &again);
	MUST(slice_eq(buf_slice(&again), text));
	buf_done(&whole);
	buf_done(&pieces);
	buf_done(&again);
	return 0;
}
