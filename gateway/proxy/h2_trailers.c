/* h2_trailers.c -- what follows the content of a stream: a request's goes no further, an answer's waits here until the
 * content has been sent. */
#include "gateway/proxy/guard.h"
#include "gateway/proxy/h2_parts.h"

/* ---- Of the request ---- */

/* They are dropped, as in HTTP/1.1: no filter has seen them, and no origin shall find there what was looked for in
 * the head (RFC 9110 section 6.5.1 allows it).  They must be well-formed all the same. */
void h2_stream_trailed(struct h2_stream *s)
{
	struct h1_limits limits = h2_limits(s->h2);
	const char *why = NULL;
	struct fields read;

	if (s->x && !h2_trailers(&s->x->arena, &s->h2->list, &limits, true, &read, &why)) {
		h2_stream_malformed(s, why == h1_no_memory ? guard_starved(s->h2->front->proxy) : REASON_BAD_REQUEST, why);
		h2_stream_reset(s, NGHTTP2_PROTOCOL_ERROR, why);
		return;
	}
	h2_stream_ended(s);
}

/* ---- Of the answer ---- */

static size_t size_of(const struct fields *f)
{
	size_t size = f->n * sizeof(nghttp2_nv);

	for (uint32_t i = 0; i < f->n; i++)
		size += f->at[i].name.len + f->at[i].value.len;
	return size;
}

static uint8_t *copy(char **at, struct slice s)
{
	uint8_t *begin = (uint8_t *)*at;

	if (s.len)
		memcpy(begin, s.at, s.len);
	*at += s.len;
	return begin;
}

bool h2_trailers_keep(struct h2_stream *s, const struct fields *f)
{
	size_t size = size_of(f);
	nghttp2_nv *to = mem_take(&s->h2->front->budget, size);
	char *at = (char *)(to + f->n);

	if (!to)
		return false;
	s->trailers = to;
	s->trailers_size = size;
	for (uint32_t i = 0; i < f->n; i++) {
		const struct field *one = &f->at[i];
		uint8_t *name, *value;

		if (one->hidden || !h1_may_answer(one))
			continue;
		name = copy(&at, one->name);
		value = copy(&at, one->value);
		to[s->trailers_n++] = (nghttp2_nv){name, value, one->name.len, one->value.len, NGHTTP2_NV_FLAG_NONE};
	}
	return true;
}

void h2_trailers_drop(struct h2_stream *s)
{
	if (s->trailers)
		mem_give(&s->h2->front->budget, s->trailers, s->trailers_size);
	s->trailers = NULL;
}
