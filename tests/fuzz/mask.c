/* mask.c -- fuzz: what names the origin is gone from a value, what is masked stays as it is, and no byte comes in
 * that neither the value nor the public name had.
 *
 * The first byte chooses the field and the client's way. */
#include "fuzz.h"
#include "gateway/http/mask.h"

static const struct slice names[] = {{"10.0.0.5", 8}, {"2001:db8::5", 11}, {"app", 3}, {"app1.int.local", 14}};
static const uint16_t ports[] = {80, 8080};

static bool is_host_byte(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '.' || c == '_';
}

static bool is_in_escape(struct slice v, size_t i)
{
	return v.at[i - 1] == '%' || (i >= 2 && v.at[i - 2] == '%') || (i >= 3 && v.at[i - 3] == '%');
}

/* `name` as a whole word; a dot behind it is the end of a sentence. */
static bool has_word(struct slice v, struct slice name)
{
	for (size_t i = 0; i + name.len <= v.len; i++) {
		size_t end = i + name.len;

		if (!slice_ieq(slice_make(v.at + i, name.len), name) || (i && is_host_byte(v.at[i - 1])))
			continue;
		/* "%310.0.0.5" and "[::10.0.0.5]" name other addresses. */
		if (i && (v.at[i - 1] == ':' || is_in_escape(v, i)))
			continue;
		if (end == v.len || !is_host_byte(v.at[end]))
			return true;
	}
	return false;
}

static void check_bytes(struct slice in, struct slice out)
{
	bool seen[256] = {false};

	for (size_t i = 0; i < in.len; i++)
		seen[(unsigned char)in.at[i]] = true;
	for (size_t i = 0; i < out.len; i++)
		MUST(seen[(unsigned char)out.at[i]] || is_host_byte(out.at[i]) || strchr(":/%", out.at[i]));
}

/* A cookie keeps its value and, in order, every attribute but a Domain. */
static void check_cookie(struct slice in, struct slice out)
{
	struct slice part, one = SLICE_NONE;

	MUST(slice_starts(out, slice_first(in, slice_find(in, ';'))));
	while (slice_cut(&out, ';', &part)) {
		while (slice_cut(&in, ';', &one) && !slice_eq(one, part))
			MUST(slice_ieq(slice_first(slice_trim(one), 6), SLICE("domain")));
		MUST(slice_eq(one, part));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct http_mask m = {names, 4, ports, 2, {"shop.example", 12}, {"shop.example", 12}, 443, true};
	struct fields f = {0};
	struct slice in, once;
	struct arena a;

	if (!n)
		return 0;
	if (bytes[0] & 2) {
		m.authority = SLICE("shop.example:8443");
		m.port = 8443;
		m.secure = false;
	}
	in = slice_make((const char *)bytes + 1, n - 1);
	arena_init(&a, NULL, 4096);
	MUST(fields_add(&f, &a, bytes[0] & 1 ? SLICE("set-cookie") : SLICE("link"), in));
	MUST(http_mask(&a, &f, &m));
	once = f.at[0].value;
	check_bytes(in, once);
	if (bytes[0] & 1)
		check_cookie(in, once);
	else
		MUST(!has_word(once, names[0]) && !has_word(once, names[3]));
	MUST(http_mask(&a, &f, &m));
	MUST(slice_eq(f.at[0].value, once));
	arena_done(&a);
	return 0;
}
