/* coding.c -- fuzz: what zlib and zstd have coded is decoded to the same, into room that is just enough and into no
 * less; hostile bytes are refused, or decoded within the room. */
#include <zlib.h>
#include <zstd.h>

#include "fuzz.h"
#include "rules/coding.h"

enum { ROOM = 1 << 16 };

static char out[ROOM + 1], coded[2 * ROOM];

static void check_hostile(enum media_coding coding, struct slice in, size_t room)
{
	size_t len = 0;
	char *tight = malloc(room + 1);
	enum coding_end end;

	MUST(tight);
	end = coding_undo(coding, in, tight, room, &len);
	MUST(end != CODING_STARVED && (end != CODING_DONE || len <= room) && len <= room + 1);
	free(tight);
}

static void check_same(enum media_coding coding, struct slice text, size_t coded_len)
{
	struct slice in = slice_make(coded, coded_len);
	size_t len;

	MUST(coding_undo(coding, in, out, text.len, &len) == CODING_DONE);
	MUST(slice_eq(slice_make(out, len), text));
	if (text.len)
		MUST(coding_undo(coding, in, out, text.len - 1, &len) == CODING_TOO_MUCH);
	/* Not a byte may follow or be missing. */
	coded[coded_len] = 'x';
	MUST(coding_undo(coding, slice_make(coded, coded_len + 1), out, text.len, &len) != CODING_DONE);
	MUST(coding_undo(coding, slice_make(coded, coded_len - 1), out, text.len, &len) != CODING_DONE);
}

static size_t deflated(struct slice text, int window)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)text.at, .avail_in = (uInt)text.len, .next_out = (Bytef *)coded,
		      .avail_out = sizeof coded - 1};
	size_t len;

	MUST(deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) == Z_OK && deflate(&z, Z_FINISH) == Z_STREAM_END);
	len = sizeof coded - 1 - z.avail_out;
	deflateEnd(&z);
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	unsigned what = fuzz_below(&in, 8);

	if (in.rest.len > ROOM / 2)
		return 0;
	switch (what) {
	case 0:
		check_same(CODING_GZIP, in.rest, deflated(in.rest, 16 + MAX_WBITS));
		break;
	case 1:
		check_same(CODING_DEFLATE, in.rest, deflated(in.rest, MAX_WBITS));
		break;
	case 2:
		check_same(CODING_ZSTD, in.rest, ZSTD_compress(coded, sizeof coded - 1, in.rest.at, in.rest.len, 1));
		break;
	default:
		check_hostile((enum media_coding)(CODING_GZIP + what % 4), in.rest, fuzz_below(&in, 2048));
	}
	return 0;
}
