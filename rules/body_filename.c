/* body_filename.c -- the second name of a file in multipart/form-data.
 *
 * .NET says filename and filename* (RFC 5987), and writes the first as mail does (RFC 2047), which some
 * readers decode.  Which name an origin takes is its business; the rules see each of them. */
#include "rules/body.h"

#include "gateway/base/text.h"

const char body_too_many[] = "more values, or headers of a part, than allowed";

static const char *tell_file(struct extras *into, struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.at[i] < 0x20 || name.at[i] == 0x7f)
			return "a control character in a file's name";
	if (!text_is_utf8(name))
		return "a file's name in another charset than UTF-8";
	return extras_add(into, EXTRA_FILE, SLICE("filename"), name) ? NULL : body_too_many;
}

/* filename*=utf-8''na%C3%AFve.txt, beside filename. */
const char *body_second_name(struct slice value, struct extras *into)
{
	struct slice charset = slice_first(value, slice_find(value, '\'')), rest, name;

	rest = slice_after(value, charset.len);
	if (!slice_ieq(charset, SLICE("utf-8")) || !slice_starts(rest, SLICE("''")))
		return "a second file name that is not of the form utf-8''NAME";
	rest = slice_after(rest, 2);
	for (size_t i = 0; i < rest.len; i++)
		if (rest.at[i] == '%' && (rest.len - i < 3 || text_hex_digit(rest.at[i + 1]) < 0 || text_hex_digit(rest.at[i + 2]) < 0))
			return "a malformed escape in a file's name";
	name = text_unescape(into->arena, rest, false);
	return name.at ? tell_file(into, name) : body_too_many;
}

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = c ? strchr(digits, c) : NULL;

	return found ? (int)(found - digits) : -1;
}

static bool base64(struct slice in, char *out, size_t *n)
{
	unsigned bits = 0, held = 0;

	while (in.len && in.at[in.len - 1] == '=')
		in.len--;
	for (size_t i = 0; i < in.len; i++) {
		int digit = base64_digit(in.at[i]);

		if (digit < 0)
			return false;
		held = (held << 6 | (unsigned)digit) & 0xffffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[(*n)++] = (char)(held >> bits & 0xff);
		}
	}
	return true;
}

static bool quoted(struct slice in, char *out, size_t *n)
{
	for (size_t i = 0; i < in.len; i++) {
		uint64_t byte;

		if (in.at[i] != '=') {
			out[(*n)++] = in.at[i] == '_' ? ' ' : in.at[i];
			continue;
		}
		if (in.len - i < 3 || !text_hex(slice_make(in.at + i + 1, 2), &byte))
			return false;
		out[(*n)++] = (char)byte;
		i += 2;
	}
	return true;
}

/* One "=?utf-8?B?...?=" from its beginning; what it means goes to `out`.  Returns its length, 0 for anything else. */
static size_t encoded_word(struct slice in, char *out, size_t *n)
{
	static const struct slice begin = {"=?utf-8?", 8};
	struct slice text;
	size_t end;
	char how;

	if (in.len < begin.len + 4 || !slice_ieq(slice_first(in, begin.len), begin) || in.at[begin.len + 1] != '?')
		return 0;
	how = (char)(in.at[begin.len] | 0x20);
	text = slice_after(in, begin.len + 2);
	end = slice_find(text, '?');
	if (end + 1 >= text.len || text.at[end + 1] != '=')
		return 0;
	text.len = end;
	if (how == 'b' ? !base64(text, out, n) : how == 'q' ? !quoted(text, out, n) : true)
		return 0;
	return begin.len + 2 + end + 2;
}

/* A name in the way of mail means another one to some. */
const char *body_mail_name(struct slice in, struct extras *into)
{
	char *out;
	size_t n = 0, used;

	if (!slice_contains(in, SLICE("=?")))
		return NULL;
	out = arena_take(into->arena, in.len);
	if (!out)
		return body_too_many;
	while (in.len) {
		used = encoded_word(in, out, &n);
		if (!used && slice_starts(in, SLICE("=?")))
			return "a file's name in an encoding that is not read here";
		if (!used)
			out[n++] = in.at[0];
		in = slice_after(in, used ? used : 1);
	}
	return tell_file(into, slice_make(out, n));
}
