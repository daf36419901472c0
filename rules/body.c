/* body.c -- strict reading of forms and XML; the door to JSON and multipart. */
#include "rules/body.h"

static struct body_fault fault(const char *why, size_t at, bool too_much)
{
	return (struct body_fault){why, at, too_much};
}

static struct body_fault check_form(struct slice body, const struct body_limits *limits)
{
	uint32_t n = 1;

	for (size_t i = 0; i < body.len; i++)
		if (body.at[i] == '&' && ++n > limits->arguments)
			return fault("more form fields than allowed", i, true);
	return fault(NULL, 0, false);
}

/* Index behind `end`, searched from `i`; 0 when it does not come. */
static size_t behind(struct slice s, size_t i, struct slice end)
{
	const char *found = memmem(s.at + i, s.len - i, end.at, end.len);

	return found ? (size_t)(found - s.at) + end.len : 0;
}

static struct body_fault check_xml(struct slice body)
{
	size_t i = 0, next;

	if (memchr(body.at, '\0', body.len))
		return fault("NUL in XML, or not UTF-8", 0, false);
	while (i < body.len) {
		struct slice rest = slice_after(body, i);

		if (rest.at[0] != '<') {
			i += slice_find(rest, '<');
			continue;
		}
		if (slice_starts(rest, SLICE("<!--")))
			next = behind(body, i + 4, SLICE("-->"));
		else if (slice_starts(rest, SLICE("<![CDATA[")))
			next = behind(body, i + 9, SLICE("]]>"));
		else if (slice_starts(rest, SLICE("<!")))
			return fault("document type declarations are not accepted", i, false);
		else if (slice_starts(rest, SLICE("<?")))
			next = behind(body, i + 2, SLICE("?>"));
		else
			next = i + 1;
		if (!next)
			return fault("an XML section does not end", i, false);
		i = next;
	}
	return fault(NULL, 0, false);
}

/* The declaration may name another encoding than the one that was inspected. */
static struct body_fault check_xml_encoding(struct slice body)
{
	struct slice line = body;
	const char *at;
	size_t end;

	if (slice_starts(line, SLICE("\xef\xbb\xbf")))
		line = slice_after(line, 3);
	end = slice_find(line, '>');
	if (!slice_starts(line, SLICE("<?xml")))
		return fault(NULL, 0, false);
	line = slice_first(line, end);
	at = memmem(line.at, line.len, "encoding", 8);
	if (!at)
		return fault(NULL, 0, false);
	line = slice_trim(slice_after(line, (size_t)(at - line.at) + 8));
	if (line.len && line.at[0] == '=')
		line = slice_trim(slice_after(line, 1));
	if (line.len > 7 && (line.at[0] == '"' || line.at[0] == '\'') &&
	    slice_ieq(slice_first(slice_after(line, 1), 5), SLICE("utf-8")) && line.at[6] == line.at[0])
		return fault(NULL, 0, false);
	return fault("XML in another encoding than UTF-8", (size_t)(at - body.at), false);
}

struct body_fault body_check(const struct media *m, struct slice body, const struct body_limits *limits,
			     const struct hash_seed *seed)
{
	struct body_fault f = {NULL, 0, false};

	if (!body.len)
		return f;
	switch (m->kind) {
	case MEDIA_FORM:
		return check_form(body, limits);
	case MEDIA_JSON:
		return body_json(body, limits, seed);
	case MEDIA_MULTIPART:
		return body_multipart(body, m->boundary, limits);
	case MEDIA_XML:
		f = check_xml(body);
		return f.why ? f : check_xml_encoding(body);
	case MEDIA_NONE:
	case MEDIA_BAD:
	case MEDIA_OTHER:
		break;
	}
	return f;
}
