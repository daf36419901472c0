/* traceparent.c -- the trace a request belongs to (W3C Trace Context, level 1).
 *
 * The gateway takes no part in traces: it makes no span and decides nothing about sampling.  So what is
 * well-formed is passed on as it is, and where there is nothing, nothing is made: an origin that begins a
 * trace decides by itself whether it is kept, which a field of ours would take from it. */
#include "gateway/http/message.h"

enum { VERSION = 0, TRACE_ID = 3, PARENT_ID = 36, FLAGS = 53, LENGTH = 55 };

/* Lower-case hexadecimal digits; not all zero where `some`. */
static bool is_hex(struct slice s, size_t at, size_t n, bool some)
{
	bool seen = !some;

	for (size_t i = at; i < at + n; i++) {
		if (!((s.at[i] >= '0' && s.at[i] <= '9') || (s.at[i] >= 'a' && s.at[i] <= 'f')))
			return false;
		seen |= s.at[i] != '0';
	}
	return seen;
}

/* Section 3.2.2.  A later version may add parts behind a "-"; ff is none. */
static bool is_valid(struct slice s)
{
	if (s.len < LENGTH || s.at[TRACE_ID - 1] != '-' || s.at[PARENT_ID - 1] != '-' || s.at[FLAGS - 1] != '-')
		return false;
	if (!is_hex(s, VERSION, 2, false) || slice_starts(s, SLICE("ff")))
		return false;
	if (s.len > LENGTH && (slice_starts(s, SLICE("00")) || s.at[LENGTH] != '-'))
		return false;
	return is_hex(s, TRACE_ID, 32, true) && is_hex(s, PARENT_ID, 16, true) && is_hex(s, FLAGS, 2, false);
}

struct slice http_check_trace(struct fields *f)
{
	const struct field *parent = fields_find(f, FIELD_TRACEPARENT);

	if (parent && fields_count(f, FIELD_TRACEPARENT) == 1 && is_valid(parent->value))
		return slice_make(parent->value.at + TRACE_ID, 32);
	for (uint32_t i = 0; i < f->n; i++)
		if (f->at[i].id == FIELD_TRACEPARENT || f->at[i].id == FIELD_TRACESTATE)
			f->at[i].hidden = 1;
	return SLICE_NONE;
}
