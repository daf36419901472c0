/* slice.c -- comparing and cutting borrowed bytes. */
#include "gateway/base/slice.h"

bool slice_ieq(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (ascii_lower(a.at[i]) != ascii_lower(b.at[i]))
			return false;
	return true;
}

bool slice_contains(struct slice hay, struct slice needle)
{
	if (needle.len == 0)
		return true;
	return hay.len >= needle.len && memmem(hay.at, hay.len, needle.at, needle.len) != NULL;
}

size_t slice_find(struct slice s, char c)
{
	const char *hit = s.len ? memchr(s.at, c, s.len) : NULL;

	return hit ? (size_t)(hit - s.at) : s.len;
}

struct slice slice_trim(struct slice s)
{
	while (s.len && (s.at[0] == ' ' || s.at[0] == '\t'))
		s = slice_after(s, 1);
	while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
		s.len--;
	return s;
}

bool slice_cut(struct slice *rest, char c, struct slice *part)
{
	size_t n;

	if (!rest->at)
		return false;
	n = slice_find(*rest, c);
	*part = slice_first(*rest, n);
	*rest = n < rest->len ? slice_after(*rest, n + 1) : SLICE_NONE;
	return true;
}
