/* bundle.c -- fuzz: a bundle of rule files is read as it was written; of hostile bytes every item lies inside them, and
 * writing the items again gives the bytes that were read. */
#include "fuzz.h"
#include "rules/bundle.h"
#include "rules/seclang.h"

static struct slice text;
static unsigned names_n;

/* The name stands where the finding says. */
static void named(void *context, const struct seclang_name *found)
{
	struct slice rest = text, line = SLICE("");
	uint32_t at = 0;

	(void)context;
	names_n++;
	MUST(found->name.len && found->line && found->column && found->kind <= SECLANG_REMOTE);
	MUST(found->name.at >= text.at && found->name.at + found->name.len <= text.at + text.len);
	while (at < found->line && slice_cut(&rest, '\n', &line))
		at++;
	MUST(at == found->line && found->name.at >= line.at && found->name.at <= line.at + line.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct slice in = fuzz_in(bytes, n).rest, rest = in;
	struct bundle_item item;
	struct buf out;
	int more;

	buf_init(&out, NULL);
	MUST(buf_room(&out, 1));
	while ((more = bundle_next(&rest, &item)) == 1) {
		MUST(item.name.at >= in.at && item.bytes.at + item.bytes.len <= in.at + in.len);
		MUST(bundle_put(&out, &item));
	}
	MUST(slice_starts(in, buf_slice(&out)) && (more < 0 || buf_len(&out) == in.len));
	buf_done(&out);
	/* The same bytes as rules. */
	text = in;
	names_n = 0;
	seclang_names(in, named, NULL);
	MUST(names_n <= in.len);
	return 0;
}
