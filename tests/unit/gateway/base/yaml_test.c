/* yaml_test.c -- what the strict skeleton reads, what it refuses, and where it says so. */
#include "gateway/base/yaml.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bed.h"

static struct guard guard;

/* The first finding of a file, and how many there are; `*f` is the caller's to free. */
static struct yaml_node *read_one(struct arena *a, struct slice bytes, struct fail *f)
{
	memset(f, 0, sizeof *f);
	arena_init(a, NULL, 4096);
	return yaml_read(a, "t.yaml", guard_put(&guard, bytes), f);
}

struct row {
	struct slice in;
	uint32_t line, column;
	const char *part; /* of the reason */
};

static void expect_refusals(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct fail f;
		struct arena a;

		if (read_one(&a, rows[i].in, &f))
			fail_msg("read: %.*s", SLICE_F(rows[i].in));
		if (!f.n)
			fail_msg("refused without a word: %.*s", SLICE_F(rows[i].in));
		if (f.at[0].place.line != rows[i].line || f.at[0].place.column != rows[i].column ||
		    !strstr(f.at[0].text, rows[i].part))
			fail_msg("%.*s: %u:%u %s", SLICE_F(rows[i].in), f.at[0].place.line, f.at[0].place.column, f.at[0].text);
		assert_string_equal(f.at[0].place.file, "t.yaml");
		fail_done(&f);
		arena_done(&a);
	}
}

static void test_natural_text_is_shown_in_quotes(void **state)
{
	static const struct row rows[] = {
		{B("a: [2001:db8::]\n"), 1, 5, "quotes: '2001:db8::'"},
		{B("a: [x, 2001:db8::, y]\n"), 1, 8, "quotes: '2001:db8::'"},
		{B("a: [::1]\n"), 1, 5, "quotes: '::1'"},
		{B("a: [x, ::1]\n"), 1, 8, "quotes: '::1'"},
		{B("a: {b: ::1}\n"), 1, 8, "quotes: '::1'"},
		{B("a:\n  - 2001:db8::\n"), 2, 5, "quotes: '2001:db8::'"},
		{B("a: [b: c]\n"), 1, 5, "quotes: 'b: c'"},
		{B("a: *.example.com\n"), 1, 4, "quotes: '*.example.com'"},
		{B("a: [*.example.com, b]\n"), 1, 5, "quotes: '*.example.com'"},
		{B("a: *\n"), 1, 4, "quotes: '*'"},
		{B("a: [*]\n"), 1, 5, "quotes: '*'"},
		{B("a: *:443\n"), 1, 4, "quotes: '*:443'"},
		{B("a: [net(ip, 24, 48)]\n"), 1, 5, "quotes: 'net(ip, 24, 48)'"},
		{B("a: {b: net(ip, 24, 48), c: d}\n"), 1, 8, "quotes: 'net(ip, 24, 48)'"},
		{B("a: {why: slow, but safe}\n"), 1, 16, "quotes: 'slow, but safe'"},
		{B("a: {why: slow, but safe, really, do: block}\n"), 1, 16, "quotes: 'slow, but safe, really'"},
		{B("a: {b: c, why: one, two}\n"), 1, 21, "quotes: 'one, two'"},
		{B("why: see #45\n"), 1, 6, "quotes: 'see #45'"},
		{B("a: {why: see #45, b: c}\n"), 1, 10, "quotes: 'see #45'"},
		{B("a: #fff\n"), 1, 4, "quotes: '#fff'"},
		{B("a: b: c\n"), 1, 4, "quotes: 'b: c'"},
		{B("a: @foo\n"), 1, 4, "quotes: '@foo'"},
		{B("a: %foo\n"), 1, 4, "quotes: '%foo'"},
		{B("a: `foo`\n"), 1, 4, "quotes: '`foo`'"},
		{B("a: \xc3\xa4it's: so\n"), 1, 4, "quotes: '\xc3\xa4it''s: so'"},
		{B("a: \xc3\xa4\xc3\xa4 #1\n"), 1, 4, "quotes: '\xc3\xa4\xc3\xa4 #1'"},
	};

	(void)state;
	expect_refusals(rows, ROWS(rows));
}

static void test_what_acts_at_a_distance_is_refused(void **state)
{
	static const struct row rows[] = {
		{B("a: &x 1\n"), 1, 4, "anchors (&x)"},
		{B("a: &x [1]\n"), 1, 4, "anchors (&x)"},
		{B("a: &x {b: 1}\n"), 1, 4, "anchors (&x)"},
		{B("&x a: 1\n"), 1, 1, "anchors (&x)"},
		{B("a: 1\nb: *x\n"), 2, 4, "aliases (*x)"},
		{B("a: [*x]\n"), 1, 5, "aliases (*x)"},
		{B("*x : 1\n"), 1, 1, "aliases (*x)"},
		{B("a: !x 1\n"), 1, 4, "tags (!x)"},
		{B("a: !!str 1\n"), 1, 4, "tags ("},
		{B("a: ! 1\n"), 1, 4, "tags (!)"},
		{B("a: !!set {b: c}\n"), 1, 4, "tags ("},
		{B("!!map\na: 1\n"), 1, 1, "tags ("},
		{B("<<: {a: 1}\n"), 1, 1, "merge keys"},
		{B("a: {<<: {b: 1}}\n"), 1, 5, "merge keys"},
		{B("%YAML 1.1\n---\na: 1\n"), 1, 1, "directives"},
		{B("%TAG ! tag:x,2000:\n---\na: 1\n"), 1, 1, "directives"},
		{B("a: 1\n---\nb: 1\n"), 2, 1, "a second document"},
		{B("a: 1\n...\nb: 1\n"), 3, 1, "end of the mapping"},
	};

	(void)state;
	expect_refusals(rows, ROWS(rows));
}

static void test_structure(void **state)
{
	static const struct row rows[] = {
		{B(""), 1, 1, "empty"},
		{B("\n\n# nothing\n"), 1, 1, "empty"},
		{B("---\n"), 2, 1, "a single text"},
		{B("- a\n"), 1, 1, "this is a list"},
		{B("[a]\n"), 1, 1, "this is a list"},
		{B("hello\n"), 1, 1, "this is a single text"},
		{B("a: 1\nb: 2\na: 3\n"), 3, 1, "\"a\" is given twice, first at line 1 column 1"},
		{B("x: {b: 1, c: 2, b: 3}\n"), 1, 17, "\"b\" is given twice, first at line 1 column 5"},
		{B("'a': 1\n\"a\": 2\n"), 2, 1, "\"a\" is given twice"},
		{B("\"\\u0061\": 1\na: 2\n"), 2, 1, "\"a\" is given twice"},
		{B("[a]: 1\n"), 1, 1, "a key must be a word"},
		{B("{a: b}: 1\n"), 1, 1, "a key must be a word"},
		{B("? a\n: b\n"), 1, 3, "explicit keys"},
		{B("? |\n  a\n: b\n"), 1, 3, "explicit keys"},
		{B("a: {b}\n"), 1, 5, "\"b\" has no value"},
		{B("a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n"), 1, 35, "nested more than 32"},
		{B("a: 'x\nb: 1\n"), 1, 4, "the quote that begins here is not closed"},
		{B("a: \"x\n"), 1, 4, "the quote that begins here is not closed"},
		{B("a: \"\\q\"\n"), 1, 5, "an escape that is none"},
		{B("a: \"x\\0y\"\n"), 1, 4, "a NUL byte"},
		{B("a: [1, 2\nb: 3\n"), 2, 2, "a list in brackets is not closed"},
		{B("a: {b: 1\nc: 3\n"), 2, 2, "a mapping in braces is not closed"},
		{B("a: \"x\" == b\n"), 1, 8, "behind a closing quote"},
		{B("a:\n  - 1\n b: 2\n"), 3, 2, "check the indentation"},
		{B("a:\n  - 1\n  b: 2\n"), 3, 3, "check the indentation"},
		{B("a: 1\n b: 2\n"), 2, 3, "check the indentation"},
		{B("a: | foo\n  x\n"), 1, 6, "behind |"},
		{B("a: x\n]\n"), 2, 1, "check the indentation"},
		{B("foo\nbar: 1\n"), 1, 1, "a single text"},
		{B("a: 1\nfoo\n"), 2, 1, "without \":\""},
	};

	(void)state;
	expect_refusals(rows, ROWS(rows));
}

static void test_bytes_that_hide(void **state)
{
	static const struct row rows[] = {
		{B("a:\t1\n"), 1, 3, "a tab"},
		{B("a: 1\n\tb: 2\n"), 2, 1, "a tab"},
		{B("a: 1 #\tx\n"), 1, 7, "a tab"},
		{B("a: 'x\0y'\n"), 1, 6, "a NUL byte"},
		{B("a: x\ry: 1\n"), 1, 5, "a carriage return"},
		{B("a: x\r"), 1, 5, "a carriage return"},
		{B("a: \x1b[2J\n"), 1, 4, "a control character"},
		{B("a: \x7f\n"), 1, 4, "a control character"},
		{B("a: \xc2\x9b\n"), 1, 4, "a control character"},
		{B("a: x\xc2\x85" "b: 1\n"), 1, 5, "a line break"},
		{B("a: \xc3\xa4\xe2\x80\xa8" "b: 1\n"), 1, 5, "a line break"},
		{B("a: x\xe2\x80\xa9" "b: 1\n"), 1, 5, "a line break"},
		{B("\xef\xbb\xbf" "a: 1\n"), 1, 1, "a byte order mark"},
		{B("\xff\xfe" "a\0:\0"), 1, 1, "not UTF-8"},
		{B("a: \xc3\n"), 1, 4, "not UTF-8"},
		{B("a: \xe2\x82"), 1, 4, "not UTF-8"},
		{B("a: \xed\xa0\x80\n"), 1, 4, "not UTF-8"},
		{B("a: \xc0\x80\n"), 1, 4, "not UTF-8"},
		{B("a: \xef\xbf\xbf\n"), 1, 4, "a character that is none"},
	};

	(void)state;
	expect_refusals(rows, ROWS(rows));
}

static void test_every_mistake_is_told_once(void **state)
{
	struct fail f;
	struct arena a;

	(void)state;
	assert_null(read_one(&a, SLICE("a: &x 1\nb: !y 2\nc: {d: net(ip, 24, 48)}\nd: see #1\na: 2\n"), &f));
	assert_int_equal(f.n, 5);
	assert_int_equal(f.errors, 5);
	assert_int_equal(f.at[2].place.line, 3);
	assert_int_equal(f.at[4].place.line, 5);
	fail_done(&f);
	arena_done(&a);
}

static void test_scalars_stay_text(void **state)
{
	static const struct {
		struct slice in, text;
		enum yaml_style style;
	} rows[] = {
		{B("a: NO\n"), B("NO"), YAML_PLAIN},
		{B("a: 0x1F\n"), B("0x1F"), YAML_PLAIN},
		{B("a: ~\n"), B("~"), YAML_PLAIN},
		{B("a: 2001:db8::/32\n"), B("2001:db8::/32"), YAML_PLAIN},
		{B("a: ::1\n"), B("::1"), YAML_PLAIN},
		{B("a: http://x:80\n"), B("http://x:80"), YAML_PLAIN},
		{B("a: b#c\n"), B("b#c"), YAML_PLAIN},
		{B("a: b # a comment\n"), B("b"), YAML_PLAIN},
		{B("a: b #\n"), B("b"), YAML_PLAIN},
		{B("a: b ## c\n"), B("b"), YAML_PLAIN},
		{B("a: slow, but safe\n"), B("slow, but safe"), YAML_PLAIN},
		{B("a: net(ip, 24, 48)\n"), B("net(ip, 24, 48)"), YAML_PLAIN},
		{B("a:\n"), B(""), YAML_PLAIN},
		{B("a: ''\n"), B(""), YAML_SINGLE},
		{B("a: 'it''s \\n'\n"), B("it's \\n"), YAML_SINGLE},
		{B("a: \"\\t\\x41\"\n"), B("\tA"), YAML_DOUBLE},
		{B("a: |\n  x\n   y\n"), B("x\n y\n"), YAML_BLOCK},
		{B("a: |-\n  x\n"), B("x"), YAML_BLOCK},
		{B("a: >\n  x\n  y\n"), B("x y\n"), YAML_BLOCK},
		{B("a: b\r\n"), B("b"), YAML_PLAIN},
		{B("a: b"), B("b"), YAML_PLAIN},
		{B("---\na: b\n...\n"), B("b"), YAML_PLAIN},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct yaml_node *top, *node;
		struct fail f;
		struct arena a;

		top = read_one(&a, rows[i].in, &f);
		node = yaml_get(top, "a");
		if (!node)
			fail_msg("%.*s: %s", SLICE_F(rows[i].in), f.n ? f.at[0].text : "");
		assert_slice(node->text, rows[i].text);
		assert_int_equal(node->style, rows[i].style);
		fail_done(&f);
		arena_done(&a);
	}
}

static void test_the_tree(void **state)
{
	const struct yaml_node *top, *b;
	struct fail f;
	struct arena a;

	(void)state;
	top = read_one(&a, SLICE("# first\na: [x, 'y', {z: 1}]\n\"b\":\n  - c: d\n    e: f\n  - []\n"), &f);
	assert_non_null(top);
	assert_int_equal(top->n, 2);
	assert_false(top->flow);
	assert_int_equal(yaml_get(top, "a")->n, 3);
	assert_true(yaml_get(top, "a")->flow);
	assert_int_equal(yaml_get(top, "a")->items[2]->place.column, 13);
	assert_slice(yaml_get(yaml_get(top, "a")->items[2], "z")->text, SLICE("1"));
	b = yaml_get(top, "b");
	assert_int_equal(b->kind, YAML_LIST);
	assert_slice(yaml_get(b->items[0], "e")->text, SLICE("f"));
	assert_int_equal(yaml_get(b->items[0], "e")->place.line, 5);
	assert_int_equal(yaml_get(b->items[0], "e")->place.column, 8);
	assert_int_equal(b->items[1]->n, 0);
	assert_int_equal(top->keys[1]->place.line, 3);
	assert_int_equal(top->keys[1]->style, YAML_DOUBLE);
	assert_null(yaml_get(top, "c"));
	assert_null(yaml_get(b, "c"));
	assert_null(yaml_get(NULL, "c"));
	arena_done(&a);
}

static void test_places_inside_a_scalar(void **state)
{
	/* Where the letter X of the text stands in the file. */
	static const struct {
		struct slice in;
		uint32_t line, column;
		const char *says;
	} rows[] = {
		{B("a: X\n"), 1, 4, "plain"},
		{B("a: one X\n"), 1, 8, "plain, inside"},
		{B("a: \xc3\xa4\xe2\x82\xac X\n"), 1, 7, "columns are characters, not bytes"},
		{B("\xc3\xa4: {b: 'X'}\n"), 1, 9, "also before the scalar"},
		{B("a: one\n  two\n   X\n"), 3, 4, "plain over lines"},
		{B("a: one\n\n\n  X\n"), 4, 3, "plain over empty lines"},
		{B("a: one  \n  X\n"), 2, 3, "plain, blanks before the break"},
		{B("a: one\r\n  X\r\n"), 2, 3, "plain, CRLF"},
		{B("a: 'X'\n"), 1, 5, "quoted"},
		{B("a: 'it''s ''X'''\n"), 1, 13, "doubled quotes count as one"},
		{B("a: 'one\n\n   X'\n"), 3, 4, "quoted over lines"},
		{B("a: \"one X\"\n"), 1, 9, "double quotes without escapes"},
		{B("a: \"\\u0061 X\"\n"), 1, 4, "double quotes with escapes: the scalar itself"},
		{B("a: |\n  X\n"), 2, 3, "block"},
		{B("a: |\n  path == \"/\"\n    and X\n"), 3, 9, "block, deeper line"},
		{B("a: |\n\n  one\n\n  X\n"), 5, 3, "block, empty lines"},
		{B("a: |2\n    one\n  X\n"), 3, 3, "block whose indentation is told"},
		{B("a: |  # why\n   one\n   X\n"), 3, 4, "block with a comment behind |"},
		{B("a: |\r\n  one\r\n  X\r\n"), 3, 3, "block, CRLF"},
		{B("b:\n  - a: |-\n      one\n      X\n"), 4, 7, "block in a list"},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct yaml_node *node;
		struct place place;
		struct fail f;
		struct arena a;

		node = read_one(&a, rows[i].in, &f);
		assert_non_null(node);
		while (node->kind != YAML_SCALAR)
			node = node->items[0];
		place = yaml_place_in(node, slice_find(node->text, 'X'));
		if (place.line != rows[i].line || place.column != rows[i].column)
			fail_msg("%s: %u:%u", rows[i].says, place.line, place.column);
		/* Behind the end is the end, and never a crash. */
		place = yaml_place_in(node, node->text.len);
		assert_int_equal(place.line, yaml_place_in(node, SIZE_MAX).line);
		assert_int_equal(place.column, yaml_place_in(node, SIZE_MAX).column);
		arena_done(&a);
	}
}

static void test_a_node_made_by_hand_has_places_too(void **state)
{
	struct yaml_node node = {.kind = YAML_SCALAR, .style = YAML_SINGLE, .place = {"x", 3, 7}, .text = SLICE("abc")};

	(void)state;
	assert_int_equal(yaml_place_in(&node, 2).column, 9);
	assert_int_equal(yaml_place_in(&node, 2).line, 3);
}

/* Whole input of every length: nothing reads behind its end, and each answer is yes or a finding. */
static void test_every_beginning_of_a_file(void **state)
{
	static const struct slice file =
		B("a: [x, 'y''z', {z: \"1\\n\"}]\nwhy: {b: slow, c: |\n}\nb:\n  - c: >\n     d\n\n  - *e\n  - net(ip, 2) #4\n? x\n: &y !z\n");

	(void)state;
	for (size_t n = 0; n <= file.len; n++) {
		struct fail f;
		struct arena a;
		const struct yaml_node *top = read_one(&a, slice_first(file, n), &f);

		assert_int_equal(top == NULL, f.errors > 0);
		fail_done(&f);
		arena_done(&a);
	}
}

static void test_bounds(void **state)
{
	char *big = malloc(YAML_BYTES + 1);
	struct fail f = {0};
	struct arena a;
	size_t n = 0;

	(void)state;
	arena_init(&a, NULL, 1 << 20);
	memset(big, '#', YAML_BYTES + 1);
	assert_null(yaml_read(&a, "t", slice_make(big, YAML_BYTES + 1), &f));
	assert_non_null(strstr(f.at[0].text, "more than 1 MiB"));
	fail_done(&f);
	/* 200,000 nodes and one. */
	memcpy(big, "a: [x", n = 5);
	for (unsigned i = 0; i < 200000; i++)
		memcpy(big + n, ",x", 2), n += 2;
	memcpy(big + n, "]\n", 2);
	assert_null(yaml_read(&a, "t", slice_make(big, n + 2), &f));
	assert_non_null(strstr(f.at[0].text, "more than 200000"));
	fail_done(&f);
	arena_done(&a);
	free(big);
}

static void test_every_allocation_may_fail(void **state)
{
	static const struct slice file = B("a: [x, 'y', {z: 1}]\nb: |\n  text\n");
	unsigned long n = 0;

	(void)state;
	for (;;) {
		struct fail f = {0};
		struct arena a;
		const struct yaml_node *top;
		bool failed;

		arena_init(&a, NULL, 64);
		mem_fail_at(++n);
		top = yaml_read(&a, "t", guard_put(&guard, file), &f);
		failed = mem_failed();
		mem_fail_at(0);
		assert_int_equal(top == NULL, failed);
		assert_int_equal(f.errors > 0, failed);
		fail_done(&f);
		arena_done(&a);
		if (!failed)
			break;
	}
	assert_true(n > 10);
}

/* ---- Files ---- */

static void test_files(void **state)
{
	char path[] = "/tmp/yaml_test.XXXXXX", pipe_path[64];
	struct fail f = {0};
	struct arena a;
	struct slice s;
	int fd = mkstemp(path);

	(void)state;
	arena_init(&a, NULL, 4096);
	assert_int_equal(write(fd, "a\0b", 3), 3);
	close(fd);
	assert_true(yaml_load(&a, path, 3, &s, &f, (struct place){0}));
	assert_slice(s, SLICE("a\0b"));
	assert_int_equal(s.at[3], 0);
	assert_false(yaml_load(&a, path, 2, &s, &f, (struct place){"by", 4, 5}));
	assert_int_equal(f.at[0].place.line, 4);
	assert_string_equal(f.at[0].place.file, "by");
	assert_false(yaml_load(&a, "/nowhere/at all", 10, &s, &f, (struct place){0}));
	assert_string_equal(f.at[1].place.file, "/nowhere/at all");
	assert_false(yaml_load(&a, "/tmp", 1 << 20, &s, &f, (struct place){0}));
	assert_non_null(strstr(f.at[2].text, "not a regular file"));
	/* A pipe without a writer holds nobody. */
	snprintf(pipe_path, sizeof pipe_path, "%s.pipe", path);
	assert_int_equal(mkfifo(pipe_path, 0600), 0);
	assert_false(yaml_load(&a, pipe_path, 10, &s, &f, (struct place){0}));
	assert_non_null(strstr(f.at[3].text, "not a regular file"));
	unlink(pipe_path);
	unlink(path);
	fail_done(&f);
	arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_natural_text_is_shown_in_quotes),
		cmocka_unit_test(test_what_acts_at_a_distance_is_refused),
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_bytes_that_hide),
		cmocka_unit_test(test_every_mistake_is_told_once),
		cmocka_unit_test(test_scalars_stay_text),
		cmocka_unit_test(test_the_tree),
		cmocka_unit_test(test_places_inside_a_scalar),
		cmocka_unit_test(test_a_node_made_by_hand_has_places_too),
		cmocka_unit_test(test_every_beginning_of_a_file),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_every_allocation_may_fail),
		cmocka_unit_test(test_files),
	};

	guard_open(&guard, 4096);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
