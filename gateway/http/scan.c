/* scan.c -- finding the end of a head, and what can never become one.
 *
 * Knows lines and control characters only; what the lines mean is the parsers'
 * business.  Each byte is looked at once, however the network splits them. */
#include "gateway/http/bytes.h"
#include "gateway/http/h1.h"

static bool is_version(struct slice s)
{
	return s.len == 8 && slice_starts(s, SLICE("HTTP/")) && byte_is_digit(s.at[5]) && s.at[6] == '.' &&
	       byte_is_digit(s.at[7]);
}

/* "HTTP/1.1 200" and whatever reason. */
static bool is_status_line(struct slice line)
{
	if (line.len < 12 || !is_version(slice_first(line, 8)) || line.at[5] != '1' || line.at[8] != ' ')
		return false;
	if (!byte_is_digit(line.at[9]) || !byte_is_digit(line.at[10]) || !byte_is_digit(line.at[11]))
		return false;
	return line.len == 12 || line.at[12] == ' ';
}

/* "METHOD target HTTP/d.d".  Only the shape, so that HTTP/0.9, a TLS record or a mail client is
 * refused at its first line; the version is h1_request's to refuse, with 505. */
static bool is_request_line(struct slice line)
{
	size_t method = slice_find(line, ' ');

	if (line.len < 10 || method + 10 > line.len || line.at[line.len - 9] != ' ')
		return false;
	return bytes_is_token(slice_first(line, method)) && is_version(slice_after(line, line.len - 8)) &&
	       !memchr(line.at, '\t', line.len);
}

static enum h1_found bad(const char **why, const char *text)
{
	*why = text;
	return H1_BAD;
}

static enum h1_found bad_byte(const char **why, char c)
{
	if (c == '\n')
		return bad(why, "a line ends with LF alone");
	return bad(why, c ? "a control character in the head" : "a NUL in the head");
}

enum h1_found h1_scan(struct h1_scan *s, struct slice bytes, uint32_t *len, const char **why)
{
	for (;;) {
		uint32_t i = s->seen + (uint32_t)bytes_control(bytes.at + s->seen, bytes.len - s->seen);
		struct slice line = slice_make(bytes.at + s->line_start, i - s->line_start);

		/* A CR at the end stays unseen until the byte behind it is here. */
		s->seen = i;
		if (i == bytes.len)
			return H1_MORE;
		if (bytes.at[i] != '\r')
			return bad_byte(why, bytes.at[i]);
		if (i + 1 == bytes.len)
			return H1_MORE;
		if (bytes.at[i + 1] != '\n')
			return bad(why, "a CR without LF");
		s->seen = i + 2;
		if (!s->first_line_done && !is_request_line(line) && !is_status_line(line))
			return bad(why, "the first line is not HTTP/1");
		if (!line.len) {
			*len = i + 2;
			return H1_HEAD;
		}
		s->first_line_done = true;
		s->line_start = i + 2;
	}
}
