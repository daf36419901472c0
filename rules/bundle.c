/* bundle.c -- a bundle, written and read. */
#include "rules/bundle.h"

#include "gateway/base/buf.h"

enum { NAME_MOST = 64 << 10 };

/* Before each item; written and read on one machine. */
struct head {
	uint32_t kind, name_len;
	uint64_t bytes_len;
};

bool bundle_put(struct buf *out, const struct bundle_item *item)
{
	struct head h = {(uint32_t)item->kind, (uint32_t)item->name.len, item->bytes.len};

	return item->name.len <= NAME_MOST && buf_put(out, &h, sizeof h) && buf_put_slice(out, item->name) &&
	       buf_put_slice(out, item->bytes);
}

static bool is_kind(uint32_t kind)
{
	return kind == BUNDLE_FILE || kind == BUNDLE_RULESET || kind == BUNDLE_UNICODE || kind == BUNDLE_SETUP ||
	       kind == BUNDLE_RULES;
}

int bundle_next(struct slice *rest, struct bundle_item *out)
{
	struct head h;

	if (!rest->len)
		return 0;
	if (rest->len < sizeof h)
		return -1;
	memcpy(&h, rest->at, sizeof h);
	*rest = slice_after(*rest, sizeof h);
	if (!is_kind(h.kind) || h.name_len > NAME_MOST || h.name_len > rest->len || h.bytes_len > rest->len - h.name_len)
		return -1;
	out->kind = (enum bundle_kind)h.kind;
	out->name = slice_first(*rest, h.name_len);
	out->bytes = slice_first(slice_after(*rest, h.name_len), h.bytes_len);
	*rest = slice_after(*rest, h.name_len + h.bytes_len);
	return 1;
}
