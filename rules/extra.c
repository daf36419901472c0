/* extra.c -- collecting what the engine would not find. */
#include "rules/extra.h"

#include "gateway/base/arena.h"
#include "gateway/base/text.h"

bool extras_add(struct extras *x, enum extra_kind kind, struct slice name, struct slice value)
{
	if (x->n == x->most) {
		x->over = true;
		return false;
	}
	if (x->n == x->cap) {
		uint32_t cap = x->cap ? x->cap * 2 : 32;
		struct extra *grown = ARENA_ARRAY(x->arena, struct extra, cap);

		if (!grown) {
			x->starved = true;
			return false;
		}
		if (x->n)
			memcpy(grown, x->at, x->n * sizeof *grown);
		x->at = grown;
		x->cap = cap;
	}
	x->at[x->n++] = (struct extra){kind, name, value};
	return true;
}

/* ---- Strings ---- */

/* Index of the quote that ends the string which begins at `i`; line.len when it does not. */
static size_t end_of_string(struct slice line, size_t i, bool *escaped)
{
	*escaped = false;
	for (; i < line.len && line.at[i] != '"'; i++)
		if (line.at[i] == '\\') {
			*escaped = true;
			i++;
		}
	return i < line.len ? i : line.len;
}

static bool take_hex(struct slice in, size_t digits, unsigned *code)
{
	uint64_t n;

	if (in.len < digits || !text_hex(slice_first(in, digits), &n))
		return false;
	*code = (unsigned)n;
	return true;
}

/* \uXXXX, two of them for what is above U+FFFF, \xHH.  0: none of these. */
static size_t take_code(struct slice in, unsigned *code)
{
	unsigned low;

	if (in.len > 1 && in.at[1] == 'x')
		return take_hex(slice_after(in, 2), 2, code) ? 4 : 0;
	if (in.len < 6 || in.at[1] != 'u' || !take_hex(slice_after(in, 2), 4, code))
		return 0;
	if (*code < 0xd800 || *code > 0xdbff || in.len < 12 || in.at[6] != '\\' || in.at[7] != 'u' ||
	    !take_hex(slice_after(in, 8), 4, &low) || low < 0xdc00 || low > 0xdfff)
		return 6;
	*code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
	return 12;
}

/* Three octal digits, as old cookies have them. */
static bool take_octal(struct slice in, char *out)
{
	if (in.len < 4 || in.at[1] < '0' || in.at[1] > '3' || in.at[2] < '0' || in.at[2] > '7' || in.at[3] < '0' ||
	    in.at[3] > '7')
		return false;
	*out = (char)((in.at[1] - '0') << 6 | (in.at[2] - '0') << 3 | (in.at[3] - '0'));
	return true;
}

/* `in` begins with a backslash.  Returns how much of it the escape was; what it means is never longer. */
static size_t take_escape(struct slice in, char *out, size_t *n)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *found = in.len > 1 && in.at[1] ? strchr(from, in.at[1]) : NULL;
	unsigned code;
	size_t used = take_code(in, &code);

	if (used) {
		*n += text_put_utf8(out + *n, code);
		return used;
	}
	if (take_octal(in, &out[*n])) {
		(*n)++;
		return 4;
	}
	if (in.len > 1)
		out[(*n)++] = found ? to[found - from] : in.at[1];
	return in.len > 1 ? 2 : 1;
}

struct slice extra_unescape(struct arena *a, struct slice raw)
{
	char *out = arena_take(a, raw.len + 4);
	size_t n = 0;

	for (size_t i = 0; out && i < raw.len;) {
		if (raw.at[i] == '\\')
			i += take_escape(slice_after(raw, i), out, &n);
		else
			out[n++] = raw.at[i++];
	}
	return slice_make(out, n);
}

static bool add_strings_of_line(struct extras *x, struct slice name, struct slice line)
{
	for (size_t i = slice_find(line, '"'); i < line.len;) {
		struct slice rest = slice_after(line, i + 1), value;
		bool escaped;
		size_t end = end_of_string(rest, 0, &escaped);

		value = slice_first(rest, end);
		if (escaped)
			value = extra_unescape(x->arena, value);
		if (!value.at) {
			x->starved = true;
			return false;
		}
		if (value.len && !extras_add(x, EXTRA_ARGUMENT, name, value))
			return false;
		if (end == rest.len)
			return true;
		rest = slice_after(rest, end + 1);
		i = (size_t)(rest.at - line.at) + slice_find(rest, '"');
	}
	return true;
}

bool extras_add_strings(struct extras *x, struct slice name, struct slice text)
{
	struct slice line;

	while (slice_cut(&text, '\n', &line))
		if (!add_strings_of_line(x, name, line))
			return false;
	return true;
}
