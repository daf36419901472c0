/* log_line.c -- fuzz: what strangers wrote stands in a line of a log so that its bytes can be had back, and what a name
 * says is secret does not stand there. */
#include "fuzz.h"
#include "gateway/base/line.h"
#include "gateway/base/secret.h"
#include "gateway/base/text.h"

enum { ROOM = 600 };

/* "\xNN" is a byte, all else itself. */
static size_t undo(struct slice line, char *out)
{
	size_t n = 0;

	while (line.len) {
		uint64_t code = (unsigned char)line.at[0];
		bool escaped = line.len >= 4 && line.at[0] == '\\' && line.at[1] == 'x' && text_hex(slice_make(line.at + 2, 2), &code);

		out[n++] = (char)code;
		line = slice_after(line, escaped ? 4 : 1);
	}
	return n;
}

static void check_line(struct slice in, size_t room, bool quotes)
{
	char line[ROOM], back[ROOM];
	size_t len = line_escape(line, room, in, quotes), n;

	MUST(len <= room && text_is_utf8(slice_make(line, len)));
	for (size_t i = 0; i < len; i++) {
		MUST((unsigned char)line[i] >= 0x20 && line[i] != 0x7f && (!quotes || line[i] != '"'));
		MUST(!quotes || line[i] != '\\' || (i + 3 < len && line[i + 1] == 'x'));
	}
	n = undo(slice_make(line, len), back);
	MUST(slice_starts(in, slice_make(back, n)) && (n == in.len || len + 4 > room));
}

/* In a query, a value behind a secret name is three stars, and everything else is as it was. */
static void check_query(struct slice query)
{
	char hidden[ROOM + 2048], want[ROOM + 2048];
	struct slice rest = query, pair;
	size_t n = 0, len;

	while (slice_cut(&rest, '&', &pair)) {
		size_t cut = slice_find(pair, '=');
		bool secret = cut < pair.len && secret_is_name(slice_first(pair, cut));

		/* Other separators, escapes and brackets begin names of their own: the product looks closer there. */
		for (size_t i = 0; i < pair.len; i++)
			if (!ascii_is_alnum(pair.at[i]) && !(i == cut && pair.at[i] == '='))
				return;
		if (n)
			want[n++] = '&';
		pair = slice_first(pair, secret ? cut + 1 : pair.len);
		if (n + pair.len + 4 > sizeof want)
			return;
		memcpy(want + n, pair.at, pair.len);
		n += pair.len;
		if (secret)
			n += (size_t)sprintf(want + n, "***");
		else if (!pair.len && !n)
			return;
	}
	len = secret_hide(query, "&", false, hidden, sizeof hidden);
	MUST(slice_eq(slice_make(hidden, len), slice_make(want, n)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	size_t room = fuzz_below(&in, ROOM);
	bool quotes = fuzz_byte(&in) & 1;
	char hidden[ROOM];

	check_line(in.rest, room, quotes);
	if (in.rest.len && in.rest.len < 500)
		check_query(in.rest);
	MUST(secret_hide(in.rest, "&;", quotes, hidden, room) <= room);
	return 0;
}
