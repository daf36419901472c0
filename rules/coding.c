/* coding.c -- zlib, brotli and zstd, each asked for one stream. */
#include "rules/coding.h"

#include <limits.h>

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

/* zstd: nobody may ask for a larger window over HTTP (RFC 9659).  Brotli: what encoders take if they are not told
 * otherwise; its decoder fills a whole window before it looks how much of that is wanted. */
enum { ZSTD_WINDOW_LOG = 23, BROTLI_WINDOW_LOG = 22 };

/* ---- zlib ---- */

/* CMF and FLG of RFC 1950 section 2.2; deflate as it is begins like that by chance only. */
static bool has_zlib_head(struct slice in)
{
	unsigned cmf, flg;

	if (in.len < 2)
		return false;
	cmf = (unsigned char)in.at[0];
	flg = (unsigned char)in.at[1];
	return (cmf & 15) == 8 && cmf >> 4 <= 7 && (cmf << 8 | flg) % 31 == 0;
}

static enum coding_end zlib_end(const z_stream *z, int how)
{
	if (how == Z_STREAM_END)
		return z->avail_in ? CODING_BROKEN : CODING_DONE;
	if (how == Z_MEM_ERROR)
		return CODING_STARVED;
	return how != Z_DATA_ERROR && how != Z_NEED_DICT && !z->avail_out ? CODING_TOO_MUCH : CODING_BROKEN;
}

static enum coding_end undo_zlib(struct slice in, int window, char *out, size_t room, size_t *len)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)in.at, .avail_in = (uInt)in.len, .next_out = (Bytef *)out,
		      .avail_out = (uInt)room};
	enum coding_end end;

	if (inflateInit2(&z, window) != Z_OK)
		return CODING_STARVED;
	end = zlib_end(&z, inflate(&z, Z_FINISH));
	*len = room - z.avail_out;
	inflateEnd(&z);
	return end;
}

/* ---- Brotli ---- */

/* WBITS (RFC 7932 section 9.1). */
static unsigned brotli_window(struct slice in)
{
	unsigned first = (unsigned char)in.at[0], high = first >> 1 & 7, low = first >> 4 & 7;

	if (!(first & 1))
		return 16;
	return high ? 17 + high : low ? 8 + low : 17;
}

static enum coding_end brotli_end(BrotliDecoderResult how, size_t in_left, size_t room_left)
{
	if (how == BROTLI_DECODER_RESULT_SUCCESS)
		return in_left ? CODING_BROKEN : CODING_DONE;
	return how == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT && !room_left ? CODING_TOO_MUCH : CODING_BROKEN;
}

static enum coding_end undo_brotli(struct slice in, char *out, size_t room, size_t *len)
{
	BrotliDecoderState *state;
	const uint8_t *next_in = (const uint8_t *)in.at;
	uint8_t *next_out = (uint8_t *)out;
	size_t in_left = in.len, room_left = room;
	BrotliDecoderResult how;

	if (brotli_window(in) > BROTLI_WINDOW_LOG)
		return CODING_TOO_MUCH;
	state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
	if (!state)
		return CODING_STARVED;
	how = BrotliDecoderDecompressStream(state, &in_left, &next_in, &room_left, &next_out, NULL);
	BrotliDecoderDestroyInstance(state);
	*len = room - room_left;
	return brotli_end(how, in_left, room_left);
}

/* ---- zstd ---- */

static enum coding_end undo_zstd(struct slice in, char *out, size_t room, size_t *len)
{
	ZSTD_DCtx *context = ZSTD_createDCtx();
	ZSTD_inBuffer from = {in.at, in.len, 0};
	ZSTD_outBuffer to = {out, room, 0};
	size_t left = 1, before;

	if (!context)
		return CODING_STARVED;
	ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	do {
		before = from.pos + to.pos;
		left = ZSTD_decompressStream(context, &to, &from);
	} while (!ZSTD_isError(left) && left && from.pos + to.pos > before);
	ZSTD_freeDCtx(context);
	*len = to.pos;
	if (ZSTD_isError(left) || !left)
		return !left && from.pos == in.len ? CODING_DONE : CODING_BROKEN;
	return to.pos == room ? CODING_TOO_MUCH : CODING_BROKEN;
}

/* ---- Any ---- */

static enum coding_end undo(enum media_coding coding, struct slice in, char *out, size_t room, size_t *len)
{
	switch (coding) {
	case CODING_GZIP:
		return undo_zlib(in, 16 + MAX_WBITS, out, room, len);
	case CODING_DEFLATE:
		return undo_zlib(in, has_zlib_head(in) ? MAX_WBITS : -MAX_WBITS, out, room, len);
	case CODING_BROTLI:
		return undo_brotli(in, out, room, len);
	case CODING_ZSTD:
		return undo_zstd(in, out, room, len);
	case CODING_NONE:
	case CODING_OTHER:
		break;
	}
	return CODING_BROKEN;
}

enum coding_end coding_undo(enum media_coding coding, struct slice in, char *out, size_t room, size_t *len)
{
	enum coding_end end = CODING_BROKEN;

	*len = 0;
	/* With one byte more a stream that fits exactly comes to its end. */
	if (in.len && in.len < UINT_MAX && room < UINT_MAX)
		end = undo(coding, in, out, room + 1, len);
	return end == CODING_DONE && *len > room ? CODING_TOO_MUCH : end;
}
