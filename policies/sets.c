/* sets.c -- asking a set, and building one.
 *
 * Texts and numbers are sorted arrays; networks become ranges that are sorted and
 * merged, so that a hundred thousand of them cost seventeen comparisons. */
#include <stdlib.h>

#include "policies/compile.h"

/* ---- Asking ---- */

static int text_order(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return a.len ? memcmp(a.at, b.at, a.len) : 0;
}

bool set_has_text(const struct set *s, struct slice text)
{
	uint32_t low = 0, high = s->n;

	while (low < high) {
		uint32_t middle = (low + high) / 2;
		int order = text_order(s->texts[middle], text);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static bool has_number(const struct set *s, int64_t number)
{
	uint32_t low = 0, high = s->n;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (s->numbers[middle] == number)
			return true;
		if (s->numbers[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static void halves(const struct addr *a, uint64_t out[2])
{
	uint64_t raw[2];

	memcpy(raw, a->b, sizeof raw);
	out[0] = __builtin_bswap64(raw[0]);
	out[1] = __builtin_bswap64(raw[1]);
}

static inline bool above(const uint64_t a[2], const uint64_t b[2])
{
	return a[0] > b[0] || (a[0] == b[0] && a[1] > b[1]);
}

/* The last range that begins at or before the address is the only one that can hold it. */
static bool has_ip(const struct set *s, const struct addr *ip)
{
	uint32_t low = 0, high = s->n;
	uint64_t at[2];

	halves(ip, at);
	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (above(s->ranges[middle].first, at))
			high = middle;
		else
			low = middle + 1;
	}
	return low && !above(at, s->ranges[low - 1].last);
}

bool set_has(const struct set *s, const struct value *v)
{
	switch (type_form(s->type)) {
	case FORM_TEXT:
		return set_has_text(s, v->text);
	case FORM_IP:
		return has_ip(s, &v->ip);
	default:
		return has_number(s, v->number);
	}
}

/* ---- Building ---- */

bool set_add(struct set_builder *b, const struct value *v)
{
	if (b->n == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 16;
		struct value *grown = mem_take(NULL, cap * sizeof *grown);

		if (!grown)
			return false;
		if (b->n)
			memcpy(grown, b->at, b->n * sizeof *grown);
		mem_give(NULL, b->at, b->cap * sizeof *grown);
		b->at = grown;
		b->cap = cap;
	}
	b->at[b->n++] = *v;
	return true;
}

static int by_text(const void *a, const void *b)
{
	return text_order(((const struct value *)a)->text, ((const struct value *)b)->text);
}

static int by_number(const void *a, const void *b)
{
	int64_t x = ((const struct value *)a)->number, y = ((const struct value *)b)->number;

	return x < y ? -1 : x > y;
}

static int by_ip(const void *a, const void *b)
{
	return addr_compare(&((const struct value *)a)->ip, &((const struct value *)b)->ip);
}

static bool build_texts(struct arena *a, struct set_builder *b, struct set *s)
{
	struct slice *texts = ARENA_ARRAY(a, struct slice, b->n ? b->n : 1);

	qsort(b->at, b->n, sizeof *b->at, by_text);
	for (size_t i = 0; texts && i < b->n; i++) {
		if (i && by_text(&b->at[i - 1], &b->at[i]) == 0)
			continue;
		texts[s->n] = arena_copy(a, b->at[i].text);
		if (!texts[s->n++].at)
			return false;
	}
	s->texts = texts;
	return texts != NULL;
}

static bool build_numbers(struct arena *a, struct set_builder *b, struct set *s)
{
	int64_t *numbers = ARENA_ARRAY(a, int64_t, b->n ? b->n : 1);

	qsort(b->at, b->n, sizeof *b->at, by_number);
	for (size_t i = 0; numbers && i < b->n; i++)
		if (!i || b->at[i - 1].number != b->at[i].number)
			numbers[s->n++] = b->at[i].number;
	s->numbers = numbers;
	return numbers != NULL;
}

static struct range range_of(const struct value *v)
{
	struct range r;
	unsigned free_bits = 128u - v->bits;

	halves(&v->ip, r.first);
	r.last[0] = r.first[0];
	r.last[1] = r.first[1];
	if (free_bits >= 64) {
		r.last[1] = UINT64_MAX;
		r.last[0] |= free_bits == 128 ? UINT64_MAX : ((uint64_t)1 << (free_bits - 64)) - 1;
	} else {
		r.last[1] |= ((uint64_t)1 << free_bits) - 1;
	}
	return r;
}

/* `next` overlaps `r` or follows it without a gap; it never begins before it. */
static bool touches(const struct range *r, const struct range *next)
{
	uint64_t after[2] = {r->last[0] + (r->last[1] == UINT64_MAX), r->last[1] + 1};

	return !above(next->first, r->last) || (next->first[0] == after[0] && next->first[1] == after[1]);
}

static bool build_ranges(struct arena *a, struct set_builder *b, struct set *s)
{
	struct range *ranges = ARENA_ARRAY(a, struct range, b->n ? b->n : 1);

	qsort(b->at, b->n, sizeof *b->at, by_ip);
	for (size_t i = 0; ranges && i < b->n; i++) {
		struct range next = range_of(&b->at[i]);
		struct range *last = s->n ? &ranges[s->n - 1] : NULL;

		if (!last || !touches(last, &next)) {
			ranges[s->n++] = next;
		} else if (above(next.last, last->last)) {
			last->last[0] = next.last[0];
			last->last[1] = next.last[1];
		}
	}
	s->ranges = ranges;
	return ranges != NULL;
}

struct set *set_built(struct arena *a, struct set_builder *b)
{
	struct set *s = ARENA_NEW(a, struct set);
	bool ok = s != NULL;

	if (s) {
		s->type = b->type;
		s->stale_at = INT64_MAX;
		switch (type_form(b->type)) {
		case FORM_TEXT:
			ok = build_texts(a, b, s);
			break;
		case FORM_IP:
			ok = build_ranges(a, b, s);
			break;
		default:
			ok = build_numbers(a, b, s);
		}
	}
	mem_give(NULL, b->at, b->cap * sizeof *b->at);
	*b = (struct set_builder){.type = b->type};
	return ok ? s : NULL;
}
