/* body.c -- strict reading of forms and text; the door to JSON, multipart and XML. */
#include "rules/body.h"

#include "gateway/base/text.h"

static struct body_fault fault(const char *why, size_t at, bool too_much)
{
	return (struct body_fault){why, at, too_much};
}

static const struct body_fault fine = {NULL, 0, false};

/* What did not fit among the extras was not inspected. */
static struct body_fault complete(const struct extras *x)
{
	if (x->over || x->starved)
		return fault(x->over ? "more values than allowed" : "memory is used up", 0, true);
	return fine;
}

/* ---- Forms ---- */

/* NULL, or what is wrong with one field. */
static const char *form_field(struct slice field, struct extras *into)
{
	size_t cut = slice_find(field, '=');
	struct slice name = text_unescape(into->arena, slice_first(field, cut), true), value;

	if (!name.at && field.len)
		return "memory is used up";
	if (!slice_is(name, "_charset_") || cut == field.len)
		return NULL;
	value = text_unescape(into->arena, slice_after(field, cut + 1), true);
	return !value.len || slice_ieq(value, SLICE("utf-8")) ? NULL : "a form that changes its charset";
}

struct body_fault body_form(struct slice body, const struct body_limits *limits, struct extras *into)
{
	struct slice rest = body, field;
	uint32_t n = 0;

	while (slice_cut(&rest, '&', &field)) {
		const char *why = n++ == limits->arguments ? "more form fields than allowed" : form_field(field, into);

		if (why)
			return fault(why, (size_t)(field.at - body.at), n > limits->arguments);
	}
	extras_add_form(into, body);
	return complete(into);
}

/* ---- Text ---- */

static bool is_blank_or_markup(struct slice text)
{
	while (text.len && text.at[0] && strchr(" \t\r\n", text.at[0]))
		text = slice_after(text, 1);
	return !text.len || text.at[0] == '<';
}

/* In whatever way it could be read: as JSON where it is that; else as one text, its strings, a form, XML. */
struct body_fault body_text(struct slice body, const struct body_limits *limits, const struct hash_seed *seed,
			    struct body_look *look)
{
	struct body_fault f;

	look->reading = BODY_AS_TEXT;
	if (memchr(body.at, '\0', body.len))
		return fault("NUL in a text", 0, false);
	f = body_json(body, limits, seed);
	if (!f.why)
		look->reading = BODY_AS_JSON;
	if (!f.why || f.too_much)
		return f;
	extras_add(&look->extras, EXTRA_ARGUMENT, SLICE("text"), body);
	extras_add_strings(&look->extras, SLICE("text.string"), body);
	if (is_blank_or_markup(body))
		body_xml(body, limits, &look->extras);
	if (slice_find(body, '=') < body.len) {
		look->reading = BODY_AS_FORM;
		f = body_form(body, limits, &look->extras);
		return f.why ? f : complete(&look->extras);
	}
	return complete(&look->extras);
}

/* ---- Any ---- */

struct body_fault body_check(const struct media *m, struct slice body, const struct body_limits *limits,
			     const struct hash_seed *seed, struct body_look *look)
{
	look->reading = BODY_AS_SAID;
	look->extras.most = limits->arguments;
	if (!body.len)
		return fine;
	switch (m->kind) {
	case MEDIA_FORM:
		return body_form(body, limits, &look->extras);
	case MEDIA_JSON:
		look->reading = BODY_AS_JSON;
		return body_json(body, limits, seed);
	case MEDIA_MULTIPART:
		return body_multipart(body, m->boundary, limits, look);
	case MEDIA_XML:
		look->reading = BODY_AS_XML;
		return body_xml(body, limits, &look->extras);
	case MEDIA_TEXT:
		return body_text(body, limits, seed, look);
	case MEDIA_NONE:
	case MEDIA_BAD:
	case MEDIA_OTHER:
		break;
	}
	return fine;
}
