/* coding_test.c -- content codings undone: what comes of them, where they end, and how much they may become. */
#include "bed.h"

#include <zlib.h>
#include <zstd.h>

#include "rules/coding.h"

#define HELLO "hello, hello, hello"

static struct guard guard;
static char coded[1 << 20], plain[(1 << 20) + 1];

static int open_bed(void **state)
{
	(void)state;
	guard_open(&guard, 1 << 20);
	return 0;
}

static int close_bed(void **state)
{
	(void)state;
	guard_close(&guard);
	return 0;
}

/* ---- Senders ---- */

/* window: 15 zlib, -15 as it is, 31 gzip. */
static struct slice zlib_of(struct slice in, int window)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)in.at, .avail_in = (uInt)in.len, .next_out = (Bytef *)coded, .avail_out = sizeof coded};

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return slice_make(coded, z.total_out);
}

static struct slice zstd_of(struct slice in, int window)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	size_t n;

	if (window)
		ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window);
	ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, !window);
	if (window) {
		ZSTD_inBuffer from = {in.at, in.len, 0};
		ZSTD_outBuffer to = {coded, sizeof coded, 0};

		while (ZSTD_compressStream2(c, &to, &from, ZSTD_e_continue) && from.pos < from.size)
			;
		assert_int_equal(ZSTD_compressStream2(c, &to, &from, ZSTD_e_end), 0);
		n = to.pos;
	} else {
		n = ZSTD_compress2(c, coded, sizeof coded, in.at, in.len);
		assert_false(ZSTD_isError(n));
	}
	ZSTD_freeCCtx(c);
	return slice_make(coded, n);
}

static const struct slice brotli_hello = B("\x1b\x12\x00\x00\xa4\x40\x58\x6a\x90\x68\x2a\xf1\x9c\x2e");
/* Two MiB of NUL. */
static const struct slice brotli_bomb = B("\x9b\xff\xff\x1f\x00\x24\x00\xe2\xb1\x40\x72\xef\x3f\x00");
/* A thousand letters, in a window of 16 MiB. */
static const struct slice brotli_wide = B("\x1f\xe7\x03\x00\x24\xc2\xa2\xb1\x40\x42\x03");

static struct slice sent(enum media_coding coding, bool bare, struct slice in)
{
	switch (coding) {
	case CODING_GZIP:
		return zlib_of(in, 31);
	case CODING_DEFLATE:
		return zlib_of(in, bare ? -15 : 15);
	case CODING_ZSTD:
		return zstd_of(in, 0);
	default:
		memcpy(coded, brotli_hello.at, brotli_hello.len);
		return slice_make(coded, brotli_hello.len);
	}
}

static enum coding_end undo(enum media_coding coding, struct slice in, size_t room, size_t *len)
{
	return coding_undo(coding, guard_put(&guard, in), plain, room, len);
}

static const struct {
	enum media_coding coding;
	bool bare;
	const char *says;
} senders[] = {{CODING_GZIP, false, "gzip"}, {CODING_DEFLATE, false, "zlib"}, {CODING_DEFLATE, true, "deflate as it is"},
	       {CODING_BROTLI, false, "brotli"}, {CODING_ZSTD, false, "zstd"}};

static void each_is_undone(void **state)
{
	size_t len;

	(void)state;
	for (size_t i = 0; i < ROWS(senders); i++) {
		struct slice in = sent(senders[i].coding, senders[i].bare, SLICE(HELLO));

		if (undo(senders[i].coding, in, sizeof HELLO - 1, &len) != CODING_DONE || !slice_is(slice_make(plain, len), HELLO))
			fail_msg("%s", senders[i].says);
		if (undo(senders[i].coding, in, sizeof HELLO - 2, &len) != CODING_TOO_MUCH)
			fail_msg("%s, into one byte less", senders[i].says);
	}
}

static void a_stream_is_whole_and_alone(void **state)
{
	size_t len;

	(void)state;
	for (size_t i = 0; i < ROWS(senders); i++) {
		struct slice in = sent(senders[i].coding, senders[i].bare, SLICE(HELLO));

		for (size_t n = 0; n < in.len; n++)
			if (undo(senders[i].coding, slice_first(in, n), sizeof plain - 1, &len) != CODING_BROKEN)
				fail_msg("%s, cut to %zu of %zu", senders[i].says, n, in.len);
		coded[in.len] = 'x';
		if (undo(senders[i].coding, slice_make(in.at, in.len + 1), sizeof plain - 1, &len) != CODING_BROKEN)
			fail_msg("%s, and a byte behind it", senders[i].says);
		memcpy(coded + in.len, coded, in.len);
		if (undo(senders[i].coding, slice_make(in.at, 2 * in.len), sizeof plain - 1, &len) != CODING_BROKEN)
			fail_msg("%s, twice", senders[i].says);
		if (undo(senders[i].coding, SLICE("{\"not\": \"coded at all\"}"), sizeof plain - 1, &len) != CODING_BROKEN)
			fail_msg("%s that is none", senders[i].says);
	}
	assert_int_equal(undo(CODING_NONE, SLICE(HELLO), 100, &len), CODING_BROKEN);
	assert_int_equal(undo(CODING_OTHER, SLICE(HELLO), 100, &len), CODING_BROKEN);
}

static void what_becomes_too_much_is_stopped(void **state)
{
	char *zeros = calloc(1, 64 << 20);
	struct slice vast = {zeros, 64 << 20};
	size_t len;

	(void)state;
	assert_int_equal(undo(CODING_GZIP, zlib_of(vast, 31), 65536, &len), CODING_TOO_MUCH);
	assert_int_equal(undo(CODING_DEFLATE, zlib_of(vast, -15), 65536, &len), CODING_TOO_MUCH);
	assert_int_equal(undo(CODING_ZSTD, zstd_of(vast, 0), 65536, &len), CODING_TOO_MUCH);
	assert_int_equal(undo(CODING_BROTLI, brotli_bomb, 65536, &len), CODING_TOO_MUCH);
	/* Windows that would have to be filled before anything comes. */
	assert_int_equal(undo(CODING_BROTLI, brotli_wide, 65536, &len), CODING_TOO_MUCH);
	assert_int_equal(undo(CODING_ZSTD, zstd_of(vast, 27), 65536, &len), CODING_BROKEN);
	free(zeros);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_undone),
		cmocka_unit_test(a_stream_is_whole_and_alone),
		cmocka_unit_test(what_becomes_too_much_is_stopped),
	};

	return cmocka_run_group_tests(tests, open_bed, close_bed);
}
