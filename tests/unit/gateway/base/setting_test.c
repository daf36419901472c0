/* setting_test.c -- one table: what it reads, what it says, and what it prints. */
#include "gateway/base/setting.h"

#include <stdlib.h>

#include "bed.h"
#include "gateway/base/text.h"

struct server {
	struct setting_head head;
	struct slice url;
	int64_t weight;
};

struct inner {
	int64_t depth;
	bool deep;
};

struct top {
	struct slice text, name, path;
	int64_t number, negative, duration, size;
	bool truth;
	int word;
	struct inner inner;
	struct setting_list texts, servers, sites, numbers;
	int64_t even;
};

static bool parse_even(struct setting_reader *r, const struct yaml_node *node, void *out)
{
	int64_t n;

	if (node->kind != YAML_SCALAR || !text_int(node->text, &n) || n % 2)
		return fail_at(r->fail, node->place, "not even");
	*(int64_t *)out = n;
	return true;
}

static const char *const words[] = {"red", "green", "blue", NULL};

static const struct setting server_table[] = {
	{.key = "url", .kind = SETTING_TEXT, .at = offsetof(struct server, url), .required = true, .doc = "Where."},
	{.key = "weight", .kind = SETTING_INT, .at = offsetof(struct server, weight), .fallback = "1", .least = 1, .most = 100},
	{.key = "health", .kind = SETTING_LATER},
	{0},
};
static const struct setting inner_table[] = {
	{.key = "depth", .kind = SETTING_INT, .at = offsetof(struct inner, depth), .fallback = "3"},
	{.key = "deep", .kind = SETTING_BOOL, .at = offsetof(struct inner, deep), .fallback = "true"},
	{0},
};
static const struct setting each_text = {.kind = SETTING_TEXT};
static const struct setting each_number = {.kind = SETTING_INT, .least = 0, .most = 9};
static const struct setting each_server = {.kind = SETTING_STRUCT, .table = server_table, .size = sizeof(struct server)};

#define AT(m) .at = offsetof(struct top, m)

static const struct setting table[] = {
	{.key = "text", .kind = SETTING_TEXT, AT(text), .fallback = "none", .doc = "Any text with a | bar and a \"quote\"."},
	{.key = "name", .kind = SETTING_NAME, AT(name)},
	{.key = "path", .kind = SETTING_PATH, AT(path), .fallback = "here"},
	{.key = "number", .kind = SETTING_INT, AT(number), .fallback = "5", .least = 1, .most = 10},
	{.key = "negative", .kind = SETTING_INT, AT(negative), .fallback = "-5"},
	{.key = "duration", .kind = SETTING_DURATION, AT(duration), .fallback = "30s", .least = 10, .most = 3600000},
	{.key = "size", .kind = SETTING_SIZE, AT(size), .fallback = "64KiB", .least = 512, .most = 1 << 20},
	{.key = "truth", .kind = SETTING_BOOL, AT(truth)},
	{.key = "word", .kind = SETTING_WORD, AT(word), .fallback = "green", .words = words},
	{.key = "inner", .kind = SETTING_STRUCT, AT(inner), .table = inner_table, .doc = "More."},
	{.key = "texts", .kind = SETTING_LIST, AT(texts), .each = &each_text, .lone = true, .fallback = "one"},
	{.key = "numbers", .kind = SETTING_LIST, AT(numbers), .each = &each_number, .least = 2, .most = 3},
	{.key = "servers", .kind = SETTING_LIST, AT(servers), .each = &each_server},
	{.key = "sites", .kind = SETTING_MAP, AT(sites), .each = &each_server},
	{.key = "even", .kind = SETTING_CUSTOM, AT(even), .parse = parse_even, .syntax = "an even number",
	 .pattern = "^[0-9]*[02468]$"},
	{.key = "admin", .kind = SETTING_LATER},
	{0},
};

/* One reading, with everything it needs. */
struct bed {
	struct arena arena;
	struct fail fail;
	struct setting_reader reader;
	struct top top;
	bool fine;
};

static void bed_read(struct bed *b, const char *text)
{
	struct yaml_node *node;

	memset(b, 0, sizeof *b);
	arena_init(&b->arena, NULL, 4096);
	b->reader = (struct setting_reader){.arena = &b->arena, .fail = &b->fail, .directory = "/etc/p"};
	node = yaml_read(&b->arena, "t.yaml", slice_of(text), &b->fail);
	if (!node)
		fail_msg("%s: %s", text, b->fail.at[0].text);
	b->fine = setting_read(&b->reader, table, node, &b->top);
}

static void bed_done(struct bed *b)
{
	fail_done(&b->fail);
	arena_done(&b->arena);
}

static void expect_defaults(const struct top *t)
{
	assert_slice(t->text, SLICE("none"));
	assert_null(t->name.at);
	assert_slice(t->path, SLICE("/etc/p/here"));
	assert_int_equal(t->number, 5);
	assert_int_equal(t->negative, -5);
	assert_int_equal(t->duration, 30000);
	assert_int_equal(t->size, 65536);
	assert_false(t->truth);
	assert_int_equal(t->word, 1);
	assert_int_equal(t->inner.depth, 3);
	assert_true(t->inner.deep);
	assert_int_equal(t->texts.n, 1);
	assert_slice(((struct slice *)t->texts.at)[0], SLICE("one"));
	assert_int_equal(t->servers.n, 0);
}

static void test_defaults(void **state)
{
	struct bed b;

	(void)state;
	bed_read(&b, "{}");
	assert_true(b.fine);
	expect_defaults(&b.top);
	memset(&b.top, 0, sizeof b.top);
	assert_true(setting_defaults(&b.reader, table, &b.top));
	expect_defaults(&b.top);
	bed_done(&b);
}

static void test_values(void **state)
{
	const struct server *s;
	struct bed b;

	(void)state;
	bed_read(&b, "text: NO\nname: a-1\npath: /x/y\nnumber: 10\nnegative: -7\nduration: 1h\nsize: 1MiB\ntruth: true\n"
		     "word: blue\ninner: {depth: 9}\ntexts: [a, 'b']\nnumbers: [1, 2]\nservers:\n  - url: u\n  - {url: v, weight: 7}\n"
		     "sites:\n  shop: {url: w}\neven: 4\n");
	assert_true(b.fine);
	assert_int_equal(b.fail.n, 0);
	assert_slice(b.top.text, SLICE("NO"));
	assert_slice(b.top.name, SLICE("a-1"));
	assert_slice(b.top.path, SLICE("/x/y"));
	assert_int_equal(b.top.number, 10);
	assert_int_equal(b.top.negative, -7);
	assert_int_equal(b.top.duration, 3600000);
	assert_int_equal(b.top.size, 1048576);
	assert_true(b.top.truth);
	assert_int_equal(b.top.word, 2);
	assert_int_equal(b.top.inner.depth, 9);
	assert_true(b.top.inner.deep);
	assert_int_equal(b.top.texts.n, 2);
	assert_slice(((struct slice *)b.top.texts.at)[1], SLICE("b"));
	assert_int_equal(((int64_t *)b.top.numbers.at)[1], 2);
	assert_int_equal(b.top.servers.n, 2);
	s = b.top.servers.at;
	assert_null(s[0].head.key.at);
	assert_int_equal(s[0].head.place.line, 14);
	assert_int_equal(s[0].weight, 1);
	assert_slice(s[1].url, SLICE("v"));
	assert_int_equal(s[1].weight, 7);
	s = b.top.sites.at;
	assert_slice(s->head.key, SLICE("shop"));
	assert_int_equal(s->head.place.line, 17);
	assert_int_equal(s->head.place.column, 3);
	assert_int_equal(b.top.even, 4);
	bed_done(&b);
}

static void test_findings(void **state)
{
	static const struct {
		const char *in;
		uint32_t line, column;
		const char *part;
	} rows[] = {
		{"txet: a\n", 1, 1, "no key \"txet\" here; did you mean \"text\"?"},
		{"zzzzzzzzzz: a\n", 1, 1, "there are text, name, path"},
		{"number: 1\nadmin: {a: b}\n", 2, 1, "\"admin\" is not in this version"},
		{"servers: [{url: u, health: x}]\n", 1, 20, "\"health\" is not in this version"},
		{"number: 11\n", 1, 9, "number: 11 is out of bounds; write 1 to 10"},
		{"number: 0\n", 1, 9, "write 1 to 10"},
		{"number: 1.5\n", 1, 9, "\"1.5\" is not a whole number"},
		{"number: 0x5\n", 1, 9, "not a whole number"},
		{"number: 99999999999999999999\n", 1, 9, "not a whole number"},
		{"number: [1]\n", 1, 9, "number must be a whole number, 1 to 10, not a list"},
		{"number:\n", 1, 8, "number has no value; write a whole number"},
		{"duration: 30\n", 1, 11, "30 has no unit; did you mean \"30s\"?"},
		{"duration: soon\n", 1, 11, "\"soon\" is not a duration"},
		{"duration: 2h\n", 1, 11, "2h is out of bounds; write 10ms to 1h"},
		{"size: 10MB\n", 1, 7, "did you mean \"10MiB\"?"},
		{"size: 10k\n", 1, 7, "did you mean \"10KiB\"?"},
		{"size: big\n", 1, 7, "write 512B, 64KiB, 10MiB or 1GiB"},
		{"size: 1GiB\n", 1, 7, "write 512B to 1MiB"},
		{"truth: yes\n", 1, 8, "did you mean \"true\"?"},
		{"truth: off\n", 1, 8, "did you mean \"false\"?"},
		{"truth: True\n", 1, 8, "did you mean \"true\"?"},
		{"word: gren\n", 1, 7, "did you mean \"green\"?"},
		{"word: mauve\n", 1, 7, "write red, green or blue"},
		{"word: Green\n", 1, 7, "did you mean \"green\"?"},
		{"name: A\n", 1, 7, "use 1 to 40 of a-z, 0-9 and -"},
		{"name: a_b\n", 1, 7, "is not a name"},
		{"name: ''\n", 1, 7, "is not a name"},
		{"name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", 1, 7, "is not a name"},
		{"path: ''\n", 1, 7, "the path is empty"},
		{"inner: 5\n", 1, 8, "inner must be a mapping, not text"},
		{"inner:\n", 1, 7, "inner has no value"},
		{"inner: {dept: 5}\n", 1, 9, "did you mean \"depth\"?"},
		{"inner: [a]\n", 1, 8, "inner must be a mapping, not a list"},
		{"numbers: [1]\n", 1, 10, "numbers has 1 entries; at least 2 needed"},
		{"numbers: [1, 2, 3, 4]\n", 1, 10, "at most 3 allowed"},
		{"numbers: [1, 12]\n", 1, 14, "numbers: 12 is out of bounds"},
		{"numbers: 1\n", 1, 10, "numbers must be a list of whole number"},
		{"texts: {a: b}\n", 1, 8, "texts must be text, not a mapping"},
		{"texts:\n", 1, 7, "texts has no value"},
		{"servers: [{weight: 5}]\n", 1, 11, "\"url\" is missing; add url: text"},
		{"servers: [u]\n", 1, 11, "servers must be a mapping, not text"},
		{"servers: {url: u}\n", 1, 10, "servers must be a list"},
		{"sites: [a]\n", 1, 8, "sites must be a mapping of names"},
		{"sites: {Shop: {url: u}}\n", 1, 9, "\"Shop\" is not a name"},
		{"sites: {shop: u}\n", 1, 15, "shop must be a mapping"},
		{"even: 3\n", 1, 7, "not even"},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct bed b;

		bed_read(&b, rows[i].in);
		if (b.fine || b.fail.n != 1)
			fail_msg("%s: %u findings", rows[i].in, b.fail.n);
		if (b.fail.at[0].place.line != rows[i].line || b.fail.at[0].place.column != rows[i].column ||
		    !strstr(b.fail.at[0].text, rows[i].part))
			fail_msg("%s%u:%u: %s", rows[i].in, b.fail.at[0].place.line, b.fail.at[0].place.column, b.fail.at[0].text);
		bed_done(&b);
	}
}

static void test_all_findings_at_once(void **state)
{
	struct bed b;

	(void)state;
	bed_read(&b, "number: 11\nnmae: x\nservers: [{weight: 0}, {url: [u]}]\nsites: {A: {url: x}, b: {}}\nadmin: 1\n");
	assert_false(b.fine);
	assert_int_equal(b.fail.errors, 8);
	bed_done(&b);
}

static void test_a_lone_value_stands_for_a_list(void **state)
{
	struct bed b;

	(void)state;
	bed_read(&b, "texts: 'only'\n");
	assert_true(b.fine);
	assert_int_equal(b.top.texts.n, 1);
	assert_slice(*(struct slice *)b.top.texts.at, SLICE("only"));
	bed_done(&b);
	bed_read(&b, "texts: []\n");
	assert_true(b.fine);
	assert_int_equal(b.top.texts.n, 0);
	bed_done(&b);
}

static char *printed(void (*print)(const struct setting *, FILE *))
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	print(table, out);
	fclose(out);
	return text;
}

static void print_schema(const struct setting *t, FILE *out)
{
	setting_schema(t, "a \"title\"", out);
}

static void test_schema(void **state)
{
	static const char *const parts[] = {
		"\"title\": \"a \\\"title\\\"\"",
		"\"additionalProperties\": false",
		"\"text\": {\"type\": [\"string\", \"number\", \"boolean\"], \"default\": \"none\"",
		"\"number\": {\"type\": \"integer\", \"minimum\": 1, \"maximum\": 10, \"default\": 5}",
		"\"enum\": [\"red\", \"green\", \"blue\"], \"default\": \"green\"",
		"\"required\": [\"url\"]",
		"\"admin\": {\"not\": {}, \"description\": \"not in this version\"}",
		"\"pattern\": \"^[0-9]*[02468]$\"",
		"\"minItems\": 2, \"maxItems\": 3",
	};
	char *text = printed(print_schema);

	(void)state;
	for (size_t i = 0; i < ROWS(parts); i++)
		if (!strstr(text, parts[i]))
			fail_msg("no %s in %s", parts[i], text);
	free(text);
}

static void test_reference(void **state)
{
	static const char *const parts[] = {
		"| `text` | text | `none` | Any text with a \\| bar and a \"quote\". |\n",
		"| `number` | whole number, 1 to 10 | `5` |  |\n",
		"| `duration` | duration, 10ms to 1h | `30s` |  |\n",
		"| `word` | red, green or blue | `green` |  |\n",
		"### `inner`\n",
		"### `servers[]`\n",
		"### `sites.NAME`\n",
		"| `url` | text | required | Where. |\n",
		"Reserved, not in this version: `admin`.\n",
		"| `even` | an even number | |  |\n",
	};
	char *text = printed(setting_reference);

	(void)state;
	for (size_t i = 0; i < ROWS(parts); i++)
		if (!strstr(text, parts[i]))
			fail_msg("no %s in %s", parts[i], text);
	free(text);
}

static void test_every_allocation_may_fail(void **state)
{
	static const char file[] = "text: a\ntexts: [a, b]\nservers: [{url: u}]\nsites: {a: {url: b}}\n";
	struct arena nodes;
	struct fail f = {0};
	const struct yaml_node *node;
	unsigned long n = 0;
	bool failed;

	(void)state;
	arena_init(&nodes, NULL, 4096);
	node = yaml_read(&nodes, "t", slice_of(file), &f);
	do {
		struct top top = {0};
		struct arena a;
		struct setting_reader r = {.arena = &a, .fail = &f, .directory = "/"};
		bool fine;

		arena_init(&a, NULL, 64);
		mem_fail_at(++n);
		fine = setting_read(&r, table, node, &top);
		failed = mem_failed();
		mem_fail_at(0);
		assert_int_equal(fine, !failed);
		assert_int_equal(f.errors > 0, failed);
		arena_done(&a);
		fail_done(&f);
	} while (failed);
	assert_true(n > 5);
	arena_done(&nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_findings),
		cmocka_unit_test(test_all_findings_at_once),
		cmocka_unit_test(test_a_lone_value_stands_for_a_list),
		cmocka_unit_test(test_schema),
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
