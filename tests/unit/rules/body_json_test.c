/* body_json_test.c -- JSON to the letter: what lenient readers take is refused. */
#include "bed.h"
#include "rules/body.h"

static struct guard guard;
static struct hash_seed seed;

static int open_bed(void **state)
{
	(void)state;
	guard_open(&guard, 1 << 20);
	hash_seed_random(&seed);
	return 0;
}

static int close_bed(void **state)
{
	(void)state;
	guard_close(&guard);
	return 0;
}

static struct body_fault check(struct slice in)
{
	static const struct body_limits limits = {100, 8, 1};

	return body_json(guard_put(&guard, in), &limits, &seed);
}

static void grammar(void **state)
{
	static const struct {
		struct slice in;
		bool fine;
		const char *says;
	} rows[] = {
		{B("{\"a\":[1,2.5,-0,1e9,2E-3,true,false,null,\"x\",{}]}"), true, "all kinds"},
		{B(" \t\r\n[ ]\n"), true, "white space around"},
		{B("\"alone\""), true, "a lone string"},
		{B("0"), true, "a lone number"},
		{B("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\""), true, "every escape"},
		{B("\"\xc3\xa9\""), true, "UTF-8"},
		{B(" "), false, "nothing"},
		{B("{"), false, "an object that does not end"},
		{B("["), false, "an array that does not end"},
		{B("[1,]"), false, "a trailing comma"},
		{B("{\"a\":1,}"), false, "a trailing comma in an object"},
		{B("[,1]"), false, "a leading comma"},
		{B("[1 2]"), false, "no comma"},
		{B("{\"a\" 1}"), false, "no colon"},
		{B("{a:1}"), false, "a bare name"},
		{B("{'a':1}"), false, "single quotes"},
		{B("{1:1}"), false, "a number for a name"},
		{B("[1]]"), false, "one bracket too many"},
		{B("[1}"), false, "the wrong bracket"},
		{B("{\"a\":1]"), false, "the other wrong bracket"},
		{B("{} {}"), false, "two values"},
		{B("[1]//x"), false, "a comment"},
		{B("/**/[1]"), false, "a comment in front"},
		{B("NaN"), false, "NaN"},
		{B("[Infinity]"), false, "Infinity"},
		{B("[-]"), false, "a lone minus"},
		{B("[+1]"), false, "a plus"},
		{B("[01]"), false, "a leading zero"},
		{B("[1.]"), false, "no digits behind the point"},
		{B("[.5]"), false, "no digits before the point"},
		{B("[1e]"), false, "no exponent"},
		{B("[0x1f]"), false, "hexadecimal"},
		{B("[1e400]"), false, "more than a double holds"},
		{B("[1.8e308]"), false, "a little more than that"},
		{B("[1.7976931348623157e308]"), true, "the most it holds"},
		{B("[-1E+309]"), false, "below the least"},
		{B("[0.00001e314]"), false, "behind zeros"},
		{B("[10e307]"), true, "written another way"},
		{B("[0e999999999999]"), true, "zero is zero"},
		{B("[1e-400]"), true, "what is too small is nothing"},
		{B("[1e-99999999999]"), true, "however small"},
		{B("[1e99999999999]"), false, "however large"},
		{B("[True]"), false, "another language's word"},
		{B("[tru"), false, "a word cut off"},
		{B("\xef\xbb\xbf[1]"), false, "a byte order mark"},
		{B("\"\\x41\""), false, "an escape of another language"},
		{B("\"\\u12g4\""), false, "a bad escape"},
		{B("\"\\u12"), false, "an escape cut off"},
		{B("\"\\ud83d\""), false, "half of a pair"},
		{B("\"\\ude00\""), false, "the other half"},
		{B("\"\\ud83d\\u0041\""), false, "half of a pair and a letter"},
		{B("\"a\nb\""), false, "a bare line end"},
		{B("\"a\0b\""), false, "a bare NUL"},
		{B("\"\xc3\""), false, "half of a letter"},
		{B("\"\xed\xa0\xbd\""), false, "a surrogate in UTF-8"},
		{B("[\0\0\0""1]"), false, "UTF-32"},
		{B("\"a"), false, "a string that does not end"},
		{B("\"a\\"), false, "an escape that does not come"},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		if (!check(rows[i].in).why != rows[i].fine)
			fail_msg("%s: %.*s (%s)", rows[i].says, SLICE_F(rows[i].in), check(rows[i].in).why);
}

static void names_are_unique_in_their_object(void **state)
{
	static const struct {
		const char *in;
		bool fine;
	} rows[] = {
		{"{\"a\":1,\"b\":2}", true},
		{"{\"a\":1,\"a\":2}", false},
		{"{\"a\":1,\"\\u0061\":2}", false},
		{"{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", false},
		{"{\"a\\/b\":1,\"a/b\":2}", false},
		{"{\"a\":{\"a\":{\"a\":1}}}", true},
		{"[{\"a\":1},{\"a\":1}]", true},
		{"{\"x\":{\"a\":1},\"y\":{\"a\":1},\"x\":2}", false},
		{"{\"a\":1,\"A\":2}", true},
		{"{\"\":1,\"\":2}", false},
		{"{\"\":1,\"a\":2}", true},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		if (!check(slice_of(rows[i].in)).why != rows[i].fine)
			fail_msg("%s", rows[i].in);
}

static void repeated(char *into, const char *what, unsigned times)
{
	size_t n = strlen(what);

	for (unsigned i = 0; i < times; i++)
		memcpy(into + n * i, what, n);
	into[n * times] = '\0';
}

static void depth_and_leaves_are_bounded(void **state)
{
	static char text[1 << 19];

	(void)state;
	assert_null(check(SLICE("[[[[[[[[1]]]]]]]]")).why);
	assert_true(check(SLICE("[[[[[[[[[1]]]]]]]]]")).too_much);
	assert_true(check(SLICE("{\"a\":[{\"a\":[{\"a\":[{\"a\":[{\"a\":1}]}]}]}]}")).too_much);
	text[0] = '[';
	repeated(text + 1, "1,", 99);
	strncat(text, "1]", 3);
	assert_null(check(slice_of(text)).why);
	repeated(text + 1, "1,", 100);
	strncat(text, "1]", 3);
	assert_true(check(slice_of(text)).too_much);
	repeated(text + 1, "{},", 100);
	strncat(text, "{}]", 4);
	assert_true(check(slice_of(text)).too_much);
	/* Whatever depth is asked for, our own stack holds. */
	repeated(text, "[", 5000);
	assert_true(body_json(slice_of(text), &(struct body_limits){100, 1000000, 1}, &seed).too_much);
}

static void every_cut_of_a_document_is_refused(void **state)
{
	static const struct slice whole = B("{\"a\":[1,-2.5e+3,true,null,\"x\\u00e9\\n\"],\"b\":{\"c\":{}}}");

	(void)state;
	assert_null(check(whole).why);
	for (size_t n = 1; n < whole.len; n++)
		if (!check(slice_first(whole, n)).why)
			fail_msg("%.*s", (int)n, whole.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grammar),
		cmocka_unit_test(names_are_unique_in_their_object),
		cmocka_unit_test(depth_and_leaves_are_bounded),
		cmocka_unit_test(every_cut_of_a_document_is_refused),
	};

	return cmocka_run_group_tests(tests, open_bed, close_bed);
}
