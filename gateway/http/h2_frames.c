/* h2_frames.c -- frame heads, and what became of a client's newest streams. */
#include "gateway/http/h2.h"

/* ---- Frames ---- */

static uint32_t read_4(const char *at)
{
	const uint8_t *b = (const uint8_t *)at;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

uint32_t h2_peek(const char *at)
{
	uint32_t length = read_4(at) >> 8;

	if (at[3] == H2_PRIORITY && length == 5)
		return H2_FRAME_HEAD + 5;
	if (at[3] == H2_DATA && (at[4] & H2_PADDED) && length)
		return H2_FRAME_HEAD + 1;
	return H2_FRAME_HEAD;
}

void h2_frame_read(const char *at, struct h2_frame *out)
{
	const uint8_t *b = (const uint8_t *)at;

	*out = (struct h2_frame){.length = read_4(at) >> 8,
				 .stream = read_4(at + 5) & 0x7fffffff,
				 .type = b[3],
				 .flags = b[4]};
	if (out->type == H2_PRIORITY && out->length == 5)
		out->parent = read_4(at + H2_FRAME_HEAD) & 0x7fffffff;
	if (out->type != H2_DATA)
		return;
	/* The first byte says how much of the rest is padding. */
	out->blank = !out->length || ((out->flags & H2_PADDED) && out->length <= 1u + b[H2_FRAME_HEAD]);
}

/* ---- Fates ---- */

static void put(struct h2_fates *f, uint32_t stream, enum h2_fate fate)
{
	uint32_t slot = stream / 2 % H2_FATES;
	unsigned shift = slot % 4 * 2;

	f->two_bits[slot / 4] = (uint8_t)((f->two_bits[slot / 4] & ~(3u << shift)) | (unsigned)fate << shift);
}

enum h2_fate h2_fate_of(const struct h2_fates *f, uint32_t stream)
{
	uint32_t slot = stream / 2 % H2_FATES;

	if (stream > f->newest)
		return H2_UNUSED;
	if (f->newest - stream >= 2 * H2_FATES)
		return H2_OLD;
	return (enum h2_fate)(f->two_bits[slot / 4] >> (slot % 4 * 2) & 3);
}

void h2_fate_set(struct h2_fates *f, uint32_t stream, enum h2_fate fate)
{
	if (f->newest && f->newest >= stream && f->newest - stream >= 2 * H2_FATES)
		return;
	/* Those between the newest so far and this one are skipped for good (section 5.1.1). */
	if (stream > f->newest && stream - f->newest > 2 * H2_FATES)
		memset(f->two_bits, 0, sizeof f->two_bits);
	else
		for (uint32_t skipped = f->newest ? f->newest + 2 : 1; skipped < stream; skipped += 2)
			put(f, skipped, H2_UNUSED);
	if (stream > f->newest)
		f->newest = stream;
	put(f, stream, fate);
}
