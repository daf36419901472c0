/* yaml.c -- fuzz: a file that is read is written down in its plainest form and read as the same tree; every
 * node, and every byte of every scalar, has its place in the file, and so has every finding. */
#include "file_fuzz.h"
#include "gateway/base/yaml.h"

/* In brackets, every text in double quotes, every character that is not plain ASCII escaped. */
static void write_text(struct buf *out, struct slice s)
{
	MUST(buf_put(out, "\"", 1));
	for (size_t i = 0; i < s.len;) {
		unsigned char c = (unsigned char)s.at[i++];
		unsigned code = c < 0x80 ? c : c < 0xe0 ? c & 0x1fu : c < 0xf0 ? c & 0x0fu : c & 0x07u;

		for (; i < s.len && ((unsigned char)s.at[i] & 0xc0) == 0x80; i++)
			code = code << 6 | ((unsigned char)s.at[i] & 0x3fu);
		if (c == '"' || c == '\\')
			MUST(buf_print(out, "\\%c", c));
		else if (c >= 0x20 && c < 0x7f)
			MUST(buf_put(out, &c, 1));
		else
			MUST(buf_print(out, "\\U%08x", code));
	}
	MUST(buf_put(out, "\"", 1));
}

/* What libyaml takes for a key without a "?". */
enum { KEY_MOST = 1000 };

/* False: a key is longer than can be written. */
static bool write_node(struct buf *out, const struct yaml_node *node)
{
	bool fits = true;

	if (node->kind == YAML_SCALAR) {
		write_text(out, node->text);
		return true;
	}
	MUST(buf_print(out, "%c", node->kind == YAML_MAP ? '{' : '['));
	for (unsigned i = 0; i < node->n; i++) {
		if (i)
			MUST(buf_print(out, ", "));
		if (node->kind == YAML_MAP) {
			uint32_t before = buf_len(out);

			write_text(out, node->keys[i]->text);
			fits = fits && buf_len(out) - before < KEY_MOST;
			MUST(buf_print(out, ": "));
		}
		fits = write_node(out, node->items[i]) && fits;
	}
	MUST(buf_print(out, "%c", node->kind == YAML_MAP ? '}' : ']'));
	return fits;
}

static void check_same(const struct yaml_node *a, const struct yaml_node *b)
{
	MUST(a->kind == b->kind && a->n == b->n && slice_eq(a->text, b->text));
	for (unsigned i = 0; i < a->n; i++) {
		if (a->kind == YAML_MAP)
			check_same(a->keys[i], b->keys[i]);
		check_same(a->items[i], b->items[i]);
	}
}

static void check_places(const struct yaml_node *node, struct slice file)
{
	file_fuzz_place(file, node->place);
	for (size_t i = 0; node->kind == YAML_SCALAR && i <= node->text.len; i++)
		file_fuzz_place(file, yaml_place_in(node, i));
	for (unsigned i = 0; i < node->n; i++) {
		if (node->kind == YAML_MAP)
			check_places(node->keys[i], file);
		check_places(node->items[i], file);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct slice in = fuzz_in(bytes, n).rest;
	struct fail f = {0}, none = {0};
	struct yaml_node *top, *again;
	struct arena a;
	struct buf out;

	arena_init(&a, NULL, 4096);
	top = yaml_read(&a, "f.yaml", in, &f);
	MUST(top ? !f.errors && top->kind == YAML_MAP : f.errors);
	file_fuzz_findings(&f, "f.yaml", in);
	if (top) {
		check_places(top, in);
		buf_init(&out, NULL);
		if (write_node(&out, top)) {
			again = yaml_read(&a, "g.yaml", buf_slice(&out), &none);
			MUST(again && !none.n);
			check_same(top, again);
		}
		buf_done(&out);
	}
	fail_done(&f);
	fail_done(&none);
	arena_done(&a);
	return 0;
}
