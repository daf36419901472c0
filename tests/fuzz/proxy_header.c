/* proxy_header.c -- fuzz: any split of a PROXY header gives the same answer, and what is accepted, written down
 * anew in both versions, names the same ends. */
#include "fuzz.h"
#include "gateway/http/proxy_header.h"

static bool same(const struct proxy_header *a, const struct proxy_header *b)
{
	return a->named == b->named && addr_compare(&a->source, &b->source) == 0 && addr_compare(&a->target, &b->target) == 0 &&
	       a->source_port == b->source_port && a->target_port == b->target_port;
}

static enum proxy_header_found read_it(struct slice in, struct proxy_header *out, uint32_t *len)
{
	const char *why = NULL;
	enum proxy_header_found found = proxy_header_read(in, out, len, &why);

	MUST((found == PROXY_HEADER_BAD) == (why != NULL));
	MUST(found != PROXY_HEADER_MORE || in.len < PROXY_HEADER_MOST);
	MUST(found != PROXY_HEADER_WHOLE || (*len <= in.len && *len <= PROXY_HEADER_MOST));
	return found;
}

/* MORE up to some byte, from there on the same for ever. */
static void check_splits(struct slice in, enum proxy_header_found whole, const struct proxy_header *want, uint32_t len)
{
	bool told = false;

	for (size_t cut = 0; cut < in.len && cut < 600; cut++) {
		struct proxy_header h;
		uint32_t n = 0;
		enum proxy_header_found found = read_it(slice_first(in, cut), &h, &n);

		MUST(found == whole || (found == PROXY_HEADER_MORE && !told));
		told |= found != PROXY_HEADER_MORE;
		MUST(found != PROXY_HEADER_WHOLE || (n == len && same(&h, want)));
	}
}

/* As a line of version 1.  Both ends in one family, or it cannot be said there. */
static void check_line(const struct proxy_header *h)
{
	bool v4 = addr_is_v4(&h->source);
	char source[ADDR_TEXT], target[ADDR_TEXT], text[128];
	struct proxy_header again;
	uint32_t len = 0;
	int n;

	if (v4 != addr_is_v4(&h->target))
		return;
	addr_text(&h->source, source);
	addr_text(&h->target, target);
	n = snprintf(text, sizeof text, "PROXY TCP%c %s %s %u %u\r\n", v4 ? '4' : '6', source, target, h->source_port,
		     h->target_port);
	MUST(n > 0 && n <= PROXY_HEADER_LINE);
	MUST(read_it(slice_make(text, (size_t)n), &again, &len) == PROXY_HEADER_WHOLE);
	MUST(len == (uint32_t)n && same(&again, h));
}

/* As a block of version 2, over IPv6, which holds both. */
static void check_block(const struct proxy_header *h)
{
	uint8_t block[52] = "\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24";
	struct proxy_header again;
	uint32_t len = 0;

	memcpy(block + 16, h->source.b, 16);
	memcpy(block + 32, h->target.b, 16);
	block[48] = (uint8_t)(h->source_port >> 8);
	block[49] = (uint8_t)h->source_port;
	block[50] = (uint8_t)(h->target_port >> 8);
	block[51] = (uint8_t)h->target_port;
	MUST(read_it(slice_make((const char *)block, sizeof block), &again, &len) == PROXY_HEADER_WHOLE);
	MUST(len == sizeof block && same(&again, h));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct slice in = slice_make((const char *)bytes, n);
	struct proxy_header h;
	uint32_t len = 0;
	enum proxy_header_found found;

	found = read_it(in, &h, &len);
	check_splits(in, found, &h, len);
	if (found == PROXY_HEADER_WHOLE && h.named) {
		check_line(&h);
		check_block(&h);
	}
	return 0;
}
