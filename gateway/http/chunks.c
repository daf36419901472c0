/* chunks.c -- the chunked transfer coding (RFC 9112 section 7.1), decoded strictly.
 *
 * Data is handed out where it lies.  Everything else goes byte by byte through
 * a small machine, so that any split gives the same answer.  Extensions are
 * checked, counted and dropped; so are trailers, unless somebody wants them. */
#include "gateway/base/text.h"
#include "gateway/http/bytes.h"
#include "gateway/http/h1.h"

enum { OVERHEAD_MAX = 4096, SIZE_DIGITS = 16 };

enum state {
	SIZE_FIRST,
	SIZE,
	SIZE_LF,
	EXT_SPACE, /* the extension states stand together: is_extension */
	EXT_NAME_FIRST,
	EXT_NAME,
	EXT_NAME_SPACE,
	EXT_VALUE_FIRST,
	EXT_TOKEN,
	EXT_QUOTED,
	EXT_ESCAPED,
	EXT_QUOTED_END,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_FIRST, /* the trailer states stand together, too */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	END_LF,
	DONE,
	BAD,
};

static bool is_extension(unsigned state)
{
	return state >= EXT_SPACE && state <= EXT_QUOTED_END;
}

static bool is_trailer(unsigned state)
{
	return state >= TRAILER_FIRST && state <= TRAILER_LF;
}

/* Each step takes one byte and returns NULL, or what is wrong with it. */

static const char *go(struct h1_chunks *c, enum state to)
{
	c->state = (uint8_t)to;
	return NULL;
}

static bool is_space(char b)
{
	return b == ' ' || b == '\t';
}

static const char *step_size(struct h1_chunks *c, char b)
{
	int digit = text_hex_digit(b);

	if (digit >= 0) {
		if (++c->digits > SIZE_DIGITS || c->left > (uint64_t)INT64_MAX >> 4)
			return "a chunk size beyond all measure";
		c->left = c->left << 4 | (uint64_t)digit;
		return go(c, SIZE);
	}
	if (c->state == SIZE_FIRST)
		return "a chunk without a size";
	if (b == '\r')
		return go(c, SIZE_LF);
	if (is_space(b))
		return go(c, EXT_SPACE);
	return b == ';' ? go(c, EXT_NAME_FIRST) : "a chunk size that is not a hexadecimal number";
}

static const char *step_size_lf(struct h1_chunks *c, char b)
{
	if (b != '\n')
		return "a chunk size line that does not end with CRLF";
	c->digits = 0;
	return go(c, c->left ? DATA : TRAILER_FIRST);
}

/* Behind a complete name or value.  White space may stand before ";" and "=" (RFC 9112 section 7.1.1), but
 * never before the end of the line: there some readers take it for part of the size. */
static const char *step_extension_end(struct h1_chunks *c, char b)
{
	if (b == '\r')
		return go(c, SIZE_LF);
	if (is_space(b))
		return go(c, EXT_SPACE);
	return b == ';' ? go(c, EXT_NAME_FIRST) : "a malformed chunk extension";
}

static const char *step_extension(struct h1_chunks *c, char b)
{
	bool token = bytes_token[(unsigned char)b] != 0, visible = b == '\t' || ((unsigned char)b >= ' ' && b != 0x7f);

	switch (c->state) {
	case EXT_SPACE:
		if (b == ';')
			return go(c, EXT_NAME_FIRST);
		return is_space(b) ? NULL : "white space behind a chunk size";
	case EXT_NAME_FIRST:
		if (is_space(b))
			return NULL;
		return token ? go(c, EXT_NAME) : "a chunk extension without a name";
	case EXT_NAME:
	case EXT_NAME_SPACE:
		if (b == '=')
			return go(c, EXT_VALUE_FIRST);
		if (is_space(b))
			return go(c, EXT_NAME_SPACE);
		if (c->state == EXT_NAME_SPACE)
			return b == ';' ? go(c, EXT_NAME_FIRST) : "white space behind a chunk extension";
		return token ? NULL : step_extension_end(c, b);
	case EXT_VALUE_FIRST:
		if (b == '"')
			return go(c, EXT_QUOTED);
		if (is_space(b))
			return NULL;
		return token ? go(c, EXT_TOKEN) : "a chunk extension without its value";
	case EXT_TOKEN:
		return token ? NULL : step_extension_end(c, b);
	case EXT_QUOTED:
		if (b == '"')
			return go(c, EXT_QUOTED_END);
		if (b == '\\')
			return go(c, EXT_ESCAPED);
		return visible ? NULL : "a control character in a chunk extension";
	case EXT_ESCAPED:
		return visible ? go(c, EXT_QUOTED) : "a control character in a chunk extension";
	default:
		return step_extension_end(c, b);
	}
}

static const char *step_trailer(struct h1_chunks *c, char b)
{
	bool token = bytes_token[(unsigned char)b] != 0;

	switch (c->state) {
	case TRAILER_FIRST:
		if (b == '\r')
			return go(c, END_LF);
		return token ? go(c, TRAILER_NAME) : "a trailer without a name";
	case TRAILER_NAME:
		if (b == ':')
			return go(c, TRAILER_VALUE);
		return token ? NULL : "a trailer name that is not a token";
	case TRAILER_VALUE:
		if (b == '\r')
			return go(c, TRAILER_LF);
		return (unsigned char)b >= ' ' && b != 0x7f ? NULL : b == '\t' ? NULL : "a control character in a trailer";
	default:
		return b == '\n' ? go(c, TRAILER_FIRST) : "a trailer line that does not end with CRLF";
	}
}

static const char *step(struct h1_chunks *c, char b)
{
	if (is_extension(c->state) || is_trailer(c->state))
		if (++c->overhead > OVERHEAD_MAX)
			return "too many bytes of chunk extensions and trailers";
	if (c->trailers && (is_trailer(c->state) || c->state == END_LF) && !buf_put(c->trailers, &b, 1))
		return h1_no_memory;
	switch (c->state) {
	case SIZE_FIRST:
	case SIZE:
		return step_size(c, b);
	case SIZE_LF:
		return step_size_lf(c, b);
	case DATA_CR:
		return b == '\r' ? go(c, DATA_LF) : "no CRLF behind a chunk";
	case DATA_LF:
		return b == '\n' ? go(c, SIZE_FIRST) : "no CRLF behind a chunk";
	case END_LF:
		return b == '\n' ? go(c, DONE) : "no CRLF behind the last chunk";
	case BAD:
		return "the body was refused before";
	default:
		return is_extension(c->state) ? step_extension(c, b) : step_trailer(c, b);
	}
}

void h1_chunks_init(struct h1_chunks *c)
{
	*c = (struct h1_chunks){.state = SIZE_FIRST};
}

static struct slice take_data(struct h1_chunks *c, struct slice in)
{
	if (in.len > c->left)
		in.len = (size_t)c->left;
	c->left -= in.len;
	if (!c->left)
		c->state = DATA_CR;
	return in;
}

enum h1_chunk h1_chunks_next(struct h1_chunks *c, struct slice in, size_t *used, struct slice *data, const char **why)
{
	const char *wrong;

	for (*used = 0; c->state != DONE; (*used)++) {
		if (*used == in.len)
			return H1_CHUNK_MORE;
		if (c->state == DATA) {
			*data = take_data(c, slice_after(in, *used));
			*used += data->len;
			return H1_CHUNK_DATA;
		}
		wrong = step(c, in.at[*used]);
		if (wrong) {
			*why = wrong;
			c->state = BAD;
			return H1_CHUNK_BAD;
		}
	}
	return H1_CHUNK_END;
}
