/* body_multipart.c -- multipart/form-data in its one canonical form (RFC 7578, RFC 2046 section 5.1). */
#include "rules/body.h"

enum { HEADERS_MOST = 32 }; /* of one part; three have a meaning */

struct part {
	unsigned dispositions, types, encodings;
	struct slice name, filename;
	bool has_name, has_filename, has_second;
	struct media media;
	struct extras *into;
};

static struct body_fault fault(const char *why, size_t at)
{
	return (struct body_fault){why, at, false};
}

static bool token_char(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_len(struct slice s)
{
	size_t n = 0;

	while (n < s.len && token_char(s.at[n]))
		n++;
	return n;
}

static const char *take_disposition_value(struct slice *rest, struct slice *value)
{
	size_t end;

	if (!rest->len)
		return "a part's parameter without a value";
	if (rest->at[0] != '"') {
		*value = slice_first(*rest, token_len(*rest));
		*rest = slice_after(*rest, value->len);
		return value->len ? NULL : "a part's parameter without a value";
	}
	*rest = slice_after(*rest, 1);
	end = slice_find(*rest, '"');
	if (end == rest->len)
		return "a quoted value does not end";
	*value = slice_first(*rest, end);
	*rest = slice_after(*rest, end + 1);
	/* Readers disagree whether a backslash escapes; browsers write %22 instead. */
	return slice_find(*value, '\\') == value->len ? NULL : "a backslash in a part's parameter";
}

static const char *read_disposition(struct slice value, struct part *p)
{
	struct slice rest = value, one;
	const char *why;

	if (!slice_ieq(slice_first(rest, token_len(rest)), SLICE("form-data")))
		return "a part that is not form-data";
	rest = slice_after(rest, 9);
	while ((rest = slice_trim(rest)).len) {
		struct slice name;

		if (rest.at[0] != ';')
			return "Content-Disposition is malformed";
		rest = slice_trim(slice_after(rest, 1));
		name = slice_first(rest, token_len(rest));
		rest = slice_after(rest, name.len);
		if (!name.len || !rest.len || rest.at[0] != '=')
			return "Content-Disposition is malformed";
		rest = slice_after(rest, 1);
		why = take_disposition_value(&rest, &one);
		if (why)
			return why;
		if (slice_is(name, "name") && !p->has_name) {
			p->has_name = true;
			p->name = one;
		} else if (slice_is(name, "filename") && !p->has_filename) {
			p->has_filename = true;
			p->filename = one;
		} else if (slice_is(name, "filename*") && !p->has_second) {
			p->has_second = true;
			why = body_second_name(one, p->into);
			if (why)
				return why;
		} else {
			return "Content-Disposition has a parameter twice, or one that readers differ on";
		}
	}
	if (!p->has_name || (p->has_second && !p->has_filename))
		return "a part without a name, or with a file's second name alone";
	return slice_contains(p->name, SLICE("=?")) ? "an encoded word in a part's name" : body_mail_name(p->filename, p->into);
}

static const char *read_part_header(struct slice line, struct part *p)
{
	size_t n = token_len(line);
	struct slice name = slice_first(line, n), value;
	struct media m;

	if (!n || n == line.len || line.at[n] != ':')
		return "a part header without a name, or folded";
	value = slice_trim(slice_after(line, n + 1));
	for (size_t i = 0; i < value.len; i++)
		if (((unsigned char)value.at[i] < 0x20 && value.at[i] != '\t') || value.at[i] == 0x7f)
			return "a control character in a part header";
	if (slice_ieq(name, SLICE("content-disposition")))
		return p->dispositions++ ? "a part header twice" : read_disposition(value, p);
	if (slice_ieq(name, SLICE("content-type"))) {
		m = p->media = media_parse(value);
		if (p->types++)
			return "a part header twice";
		if (m.type.len > 10 && slice_ieq(slice_first(m.type, 10), SLICE("multipart/")))
			return "parts within a part";
		return m.kind == MEDIA_BAD || !media_charset_ok(&m) ? "a part's media type is not accepted" : NULL;
	}
	if (slice_ieq(name, SLICE("content-transfer-encoding"))) {
		if (p->encodings++)
			return "a part header twice";
		return slice_ieq(value, SLICE("binary")) || slice_ieq(value, SLICE("8bit")) || slice_ieq(value, SLICE("7bit")) ?
			       NULL :
			       "a part with a transfer encoding";
	}
	return NULL;
}

/* Headers up to the empty line; *i behind it.  A line that begins like a boundary is one to whoever looks for those
 * first. */
static const char *read_part_head(struct slice body, struct slice between, size_t *i, struct part *p)
{
	for (unsigned n = 0;; n++) {
		struct slice rest = slice_after(body, *i), line;
		const char *end = memmem(rest.at, rest.len, "\r\n", 2), *why;

		if (!end)
			return "a part's header section does not end";
		line = slice_first(rest, (size_t)(end - rest.at));
		*i += line.len + 2;
		if (!line.len)
			return p->dispositions ? NULL : "a part without Content-Disposition";
		if (slice_starts(line, slice_after(between, 2)))
			return "a boundary among a part's headers";
		why = n == HEADERS_MOST ? body_too_many : read_part_header(line, p);
		if (why)
			return why;
	}
}

/* PHP takes "\n--boundary" for a boundary, others "\r--boundary". */
static bool has_loose_boundary(struct slice data, struct slice between)
{
	struct slice line = slice_after(between, 2);

	for (size_t i = 0; i < data.len;) {
		const char *found = memmem(data.at + i, data.len - i, line.at, line.len);

		if (!found)
			return false;
		i = (size_t)(found - data.at);
		if (i && (data.at[i - 1] == '\n' || data.at[i - 1] == '\r'))
			return true;
		i++;
	}
	return false;
}

/* What the content of one part means.  A program that says it sends JSON or XML is believed, file name or not:
 * that is what the origin will do. */
static const char *read_content(struct slice data, const struct part *p, const struct body_limits *limits,
				const struct body_look *look)
{
	struct body_fault f = {NULL, 0, false};

	if (slice_is(p->name, "_charset_") && !slice_ieq(data, SLICE("utf-8")))
		return "a form that changes its charset";
	/* Readers differ whether this is a file without a name or no file at all; browsers send it empty. */
	if (p->has_filename && !p->filename.len && data.len)
		return "content of a file without a name";
	if (!data.len || (p->has_filename && !look->files))
		return NULL;
	if (p->media.kind != MEDIA_JSON && p->media.kind != MEDIA_XML)
		return NULL;
	if (p->media.kind == MEDIA_JSON)
		extras_add_strings(p->into, p->name, data);
	else
		f = body_xml(data, limits, p->into);
	/* The engine has seen the content of a field; and a file that is not well-formed after all is a text. */
	if (p->has_filename || (f.why && !f.too_much))
		extras_add(p->into, EXTRA_ARGUMENT, p->name, data);
	return p->into->over || p->into->starved || f.too_much ? body_too_many : NULL;
}

/* From behind a boundary's CRLF to behind the next boundary. */
static const char *read_part(struct slice body, struct slice between, size_t *i, const struct body_limits *limits,
			     struct body_look *look)
{
	struct part p = {.into = &look->extras};
	const char *why = read_part_head(body, between, i, &p), *end;
	struct slice data;

	if (why)
		return why;
	data = slice_after(body, *i);
	end = memmem(data.at, data.len, between.at, between.len);
	if (!end)
		return "the last boundary is missing";
	if (slice_starts(data, slice_after(between, 2)))
		return "a part without the line end before its boundary";
	data = slice_first(data, (size_t)(end - data.at));
	if (has_loose_boundary(data, between))
		return "a boundary behind half a line end";
	*i += data.len + between.len;
	return read_content(data, &p, limits, look);
}

struct body_fault body_multipart(struct slice body, struct slice boundary, const struct body_limits *limits,
				 struct body_look *look)
{
	char mark[80] = "\r\n--";
	struct slice between, rest;
	const char *why;
	size_t i;

	if (boundary.len > 70 || !boundary.len)
		return fault("no usable boundary", 0);
	memcpy(mark + 4, boundary.at, boundary.len);
	between = slice_make(mark, 4 + boundary.len);
	if (!slice_starts(body, slice_after(between, 2)))
		return fault("the body does not begin with its boundary", 0);
	i = between.len - 2;
	for (uint32_t parts = 0;; parts++) {
		rest = slice_after(body, i);
		if (slice_starts(rest, SLICE("--"))) {
			rest = slice_after(rest, 2);
			return rest.len && !slice_is(rest, "\r\n") ? fault("bytes behind the last boundary", i) : fault(NULL, 0);
		}
		if (!slice_starts(rest, SLICE("\r\n")))
			return fault("a boundary line is malformed", i);
		if (parts == limits->parts)
			return (struct body_fault){"more parts than allowed", i, true};
		i += 2;
		why = read_part(body, between, &i, limits, look);
		if (why)
			return (struct body_fault){why, i, why == body_too_many};
	}
}
