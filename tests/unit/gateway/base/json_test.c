/* json_test.c -- a record is one line of valid JSON, whatever goes in and however little room there is. */
#include "gateway/base/json.h"

#include "bed.h"
#include "gateway/base/text.h"

static void test_a_record(void **state)
{
	char room[512];
	struct json j;

	(void)state;
	json_begin(&j, room, sizeof room);
	json_text(&j, "a", SLICE("b"));
	json_object(&j, "o");
	json_end(&j);
	json_list(&j, "l");
	json_int(&j, NULL, -5);
	json_object(&j, NULL);
	json_bool(&j, "t", true);
	json_end(&j);
	json_bool(&j, NULL, false);
	json_end(&j);
	json_milli(&j, "ms", 1234);
	json_milli(&j, "less", 7);
	json_milli(&j, "never", -3);
	json_int(&j, "least", INT64_MIN);
	assert_slice(json_finish(&j),
		     SLICE("{\"a\":\"b\",\"o\":{},\"l\":[-5,{\"t\":true},false],\"ms\":1.234,\"less\":0.007,\"never\":0.000,"
			   "\"least\":-9223372036854775808}"));
}

static void test_what_is_escaped(void **state)
{
	static const struct {
		struct slice in;
		const char *out;
		const char *says;
	} rows[] = {
		{B("\"\\"), "\\\"\\\\", "quote and backslash"},
		{B("a\nb\rc\td"), "a\\nb\\u000dc\\td", "line ends do not end the line"},
		{B("\0\x1b[2J\x7f"), "\\u0000\\u001b[2J\\u007f", "controls of terminals"},
		{B("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "text stays"},
		{B("\xc2\x85\xc2\x9b"), "\\u0085\\u009b", "C1 controls"},
		{B("\xe2\x80\xa8\xe2\x80\xa9"), "\\u2028\\u2029", "line ends of Unicode"},
		{B("\xe2\x80\xae\xe2\x81\xa6\xd8\x9c"), "\\u202e\\u2066\\u061c", "what turns the reading direction"},
		{B("\xe2\x80\x8b\xef\xbb\xbf"), "\\u200b\\ufeff", "what cannot be seen"},
		{B("\xff" "a\xc3"), "\\\\xffa\\\\xc3", "bytes that are no text can be told from text"},
		{B("\\xff"), "\\\\x5cxff", "since text that looks like one does not stay so"},
		{B("\\x\\\\xy\\"), "\\\\x5cx\\\\\\\\x5cxy\\\\", "each backslash before an x, and no other"},
		{B("\xe2\x81\xa0\xc2\xad\xe3\x85\xa4"), "\\u2060\\u00ad\\u3164", "fillers and joiners"},
		{B("\xf3\xa0\x81\x81"), "\\udb40\\udc41", "tags, in two parts"},
		{B("\xed\xa0\x80"), "\\\\xed\\\\xa0\\\\x80", "surrogates are no text"},
		{B("\xf0\x9f\x98"), "\\\\xf0\\\\x9f\\\\x98", "cut characters"},
		{B("</script>${jndi:x}"), "</script>${jndi:x}", "other people's syntax is not ours to judge"},
	};
	struct guard guard;

	(void)state;
	guard_open(&guard, 512);
	for (size_t i = 0; i < ROWS(rows); i++) {
		char room[512], want[512];
		struct json j;

		json_begin(&j, room, sizeof room);
		json_text(&j, "k", guard_put(&guard, rows[i].in));
		snprintf(want, sizeof want, "{\"k\":\"%s\"}", rows[i].out);
		if (!slice_eq(json_finish(&j), slice_of(want)))
			fail_msg("%s: %.*s", rows[i].says, (int)j.len, room);
	}
	guard_close(&guard);
}

/* Brackets pair, quotes close, commas stand only between: enough to be sure that a cut line is JSON. */
static bool is_json(struct slice s)
{
	char open[32], before = 0;
	unsigned depth = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];

		if (c == '"') {
			for (i++; i < s.len && s.at[i] != '"'; i++)
				i += s.at[i] == '\\';
			if (i >= s.len)
				return false;
		}
		if (c == '{' || c == '[')
			open[depth++] = c == '{' ? '}' : ']';
		if ((c == '}' || c == ']') && (before == ',' || before == ':' || !depth || open[--depth] != c))
			return false;
		if (c == ',' && (before == ',' || before == '{' || before == '[' || before == ':'))
			return false;
		if (!depth && i + 1 < s.len)
			return false;
		before = c;
	}
	return s.len && !depth && text_is_utf8(s);
}

static void test_any_room_gives_valid_json(void **state)
{
	struct guard guard;
	unsigned cut = 0;

	(void)state;
	guard_open(&guard, 4096);
	for (size_t size = 40; size < 600; size++) {
		struct slice room = guard_put(&guard, slice_make(guard.map, size)), line;
		struct json j;

		json_begin(&j, (char *)(uintptr_t)room.at, size);
		json_text(&j, "first", SLICE("\x01\x02\xff\xc3\xa4 text \xe2\x80\xa8"));
		json_object(&j, "object");
		json_list(&j, "list");
		for (unsigned i = 0; i < 5; i++) {
			json_object(&j, NULL);
			json_int(&j, "n", 123456789);
			json_text(&j, "a long key that may not fit", SLICE("\"\"\"\""));
			json_end(&j);
		}
		json_end(&j);
		json_milli(&j, "ms", 99);
		line = json_finish(&j);
		if (!is_json(line) || line.len > size)
			fail_msg("in %zu bytes: %.*s", size, SLICE_F(line));
		cut += slice_ends(line, SLICE("\"cut\":true}"));
	}
	/* Some lines were cut, and some had room enough. */
	assert_in_range(cut, 200, 500);
	guard_close(&guard);
}

static void test_deep_brackets_close_in_the_room_kept(void **state)
{
	char room[64];
	struct json j;

	(void)state;
	json_begin(&j, room, sizeof room);
	for (unsigned i = 1; i < sizeof j.close; i++)
		json_list(&j, i == 1 ? "l" : NULL);
	assert_true(is_json(json_finish(&j)));
	assert_true(j.len <= sizeof room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_record),
		cmocka_unit_test(test_what_is_escaped),
		cmocka_unit_test(test_any_room_gives_valid_json),
		cmocka_unit_test(test_deep_brackets_close_in_the_room_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
