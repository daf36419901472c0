/* range.c -- parts of a representation that a client asks for (RFC 9110 section 14.2).
 *
 * An answer that is put together from many small or overlapping parts costs an origin far more than it cost to ask
 * for; section 14.2 lets such a request be rejected.  Units other than bytes mean nothing to us and are passed on. */
#include "gateway/http/bytes.h"
#include "gateway/http/message.h"

enum { PARTS = 10, DIGITS = 18 };

struct part {
	uint64_t first, last; /* UINT64_MAX: to the end */
	bool suffix;          /* the last so many, wherever that is */
};

/* Digits, not too many, from *at on. */
static bool read_number(struct slice s, size_t *at, uint64_t *out)
{
	size_t begin = *at;

	*out = 0;
	while (*at < s.len && byte_is_digit(s.at[*at]))
		*out = *out * 10 + (uint64_t)(s.at[(*at)++] - '0');
	return *at > begin && *at - begin <= DIGITS;
}

static bool read_part(struct slice s, struct part *out)
{
	size_t at = 0;

	*out = (struct part){.last = UINT64_MAX, .suffix = s.len && s.at[0] == '-'};
	if (!out->suffix && !read_number(s, &at, &out->first))
		return false;
	if (at == s.len || s.at[at++] != '-')
		return false;
	if (!out->suffix && at == s.len)
		return true;
	return read_number(s, &at, &out->last) && at == s.len && (out->suffix || out->first <= out->last);
}

/* As far as one can tell without knowing how much there is. */
static bool overlap(const struct part *a, const struct part *b)
{
	if (a->suffix || b->suffix)
		return (a->suffix || a->last == UINT64_MAX) && (b->suffix || b->last == UINT64_MAX);
	return a->first <= b->last && b->first <= a->last;
}

static const char *read_bytes(struct slice set)
{
	struct part parts[PARTS];
	struct slice one;
	unsigned n = 0;

	for (; slice_cut(&set, ',', &one); n++) {
		if (n == PARTS)
			return "more than ten ranges";
		if (!read_part(slice_trim(one), &parts[n]))
			return "a range that is none";
		for (unsigned i = 0; i < n; i++)
			if (overlap(&parts[i], &parts[n]))
				return "ranges that overlap";
	}
	return NULL;
}

const char *http_check_range(const struct fields *f)
{
	const struct field *range = fields_find(f, FIELD_RANGE);
	struct slice set, unit;

	if (!range)
		return NULL;
	if (fields_count(f, FIELD_RANGE) > 1)
		return "more than one Range";
	set = range->value;
	if (!slice_cut(&set, '=', &unit) || !set.at || !bytes_is_token(unit))
		return "a range without a unit";
	return slice_ieq(unit, SLICE("bytes")) ? read_bytes(set) : NULL;
}
