/* capture_test.c -- which files a rule set consists of, and what is wrong with them. */
#include "bed.h"
#include "folder.h"
#include "rules/bundle.h"
#include "rules/capture.h"

static struct fail findings;
static struct capture *capture;
static struct slice bundle;

static int make(void **state)
{
	(void)state;
	folder_make();
	mkdir(folder_path("inc"), 0755);
	memset(&findings, 0, sizeof findings);
	capture = capture_new(&findings);
	return capture ? 0 : -1;
}

static int unmake(void **state)
{
	(void)state;
	capture_free(capture);
	fail_done(&findings);
	folder_remove();
	return 0;
}

static struct capture_ruleset set_of_folder(void)
{
	return (struct capture_ruleset){.name = SLICE("own"), .path = slice_of(folder), .by_path = {"portcullis.yaml", 7, 3}};
}

static bool read_it(void)
{
	struct capture_ruleset set = set_of_folder();

	return capture_ruleset(capture, &set) && capture_end(capture, &bundle);
}

/* The n-th item of that kind, without the folder's name. */
static struct slice nth(enum bundle_kind kind, unsigned n, struct slice *bytes)
{
	struct slice rest = bundle;
	struct bundle_item item;

	while (bundle_next(&rest, &item) > 0)
		if (item.kind == kind && n-- == 0) {
			if (bytes)
				*bytes = item.bytes;
			return slice_starts(item.name, slice_of(folder)) ? slice_after(item.name, strlen(folder)) : item.name;
		}
	return SLICE_NONE;
}

static unsigned has_file(const char *name, const char *bytes)
{
	struct slice at, have;
	unsigned found = 0;

	for (unsigned i = 0; (at = nth(BUNDLE_FILE, i, &have)).len; i++)
		found += slice_is(at, name) && slice_is(have, bytes);
	return found;
}

static void all_is_captured_once_and_in_order(void **state)
{
	struct capture_ruleset set = set_of_folder();
	struct slice before[2];
	char text[256];

	(void)state;
	folder_write("setup.conf", "# setup\n");
	folder_write("REQUEST-900-EXCLUSION-RULES-BEFORE-CRS.conf", "# 900\n");
	folder_write("RESPONSE-999-EXCLUSION-RULES-AFTER-CRS.conf", "# 999\n");
	folder_write("own.conf", "Include inc/*.conf\n");
	folder_write("more.conf", "# more\n");
	folder_write("inc/b.conf", "SecRule ARGS \"@pmFromFile b.txt\" \"id:1\"\n");
	folder_write("inc/a.conf", "SecRule ARGS \"@pmFromFile b.txt\" \"id:2\"\n");
	folder_write("inc/b.txt", "b\n");
	folder_write("rules/2.conf", "SecRule ARGS \"@ipMatchFromFile ../nets\" \"id:3\"\n");
	folder_write("rules/1.conf", "");
	folder_write("rules/.hidden.conf", "nonsense");
	folder_write("rules/readme", "nonsense");
	folder_write("rules/unnamed.data", "u\n");
	folder_write("nets", "192.0.2.0/24\n");
	folder_write("unicode.mapping", "map\n");
	snprintf(text, sizeof text, "SecRule ARGS \"@pmf %s/far\" \"id:4\"\n", folder);
	folder_write("rules/3.conf", text);
	folder_write("far", "f\n");
	before[0] = slice_of(folder_path("own.conf"));
	before[1] = slice_of(folder_path("more.conf"));
	set.before = before;
	set.before_n = 2;
	set.setup = slice_of(folder_path("setup.conf"));
	assert_true(capture_ruleset(capture, &set) && capture_end(capture, &bundle));
	assert_int_equal(findings.n, 0);

	assert_true(slice_is(nth(BUNDLE_RULESET, 0, NULL), "own"));
	assert_true(slice_is(nth(BUNDLE_SETUP, 0, NULL), "/setup.conf"));
	assert_true(slice_is(nth(BUNDLE_UNICODE, 0, NULL), "/unicode.mapping"));
	static const char *const order[] = {"/REQUEST-900-EXCLUSION-RULES-BEFORE-CRS.conf", "/own.conf", "/more.conf",
					    "/rules/1.conf", "/rules/2.conf", "/rules/3.conf",
					    "/RESPONSE-999-EXCLUSION-RULES-AFTER-CRS.conf"};
	for (unsigned i = 0; i < ROWS(order); i++)
		assert_true(slice_is(nth(BUNDLE_RULES, i, NULL), order[i]));
	assert_int_equal(nth(BUNDLE_RULES, ROWS(order), NULL).len, 0);
	assert_int_equal(has_file("/inc/b.txt", "b\n"), 1);
	assert_int_equal(has_file("/inc/a.conf", "SecRule ARGS \"@pmFromFile b.txt\" \"id:2\"\n"), 1);
	assert_int_equal(has_file("/rules/unnamed.data", "u\n"), 1);
	assert_int_equal(has_file("/rules/../nets", "192.0.2.0/24\n"), 1);
	assert_int_equal(has_file("/far", "f\n"), 1);
	assert_int_equal(has_file("/rules/.hidden.conf", "nonsense") + has_file("/rules/readme", "nonsense"), 0);
}

static const struct {
	const char *text; /* of rules/a.conf */
	const char *file; /* without the folder's name; NULL: portcullis.yaml */
	uint32_t line, column;
	const char *says;
} mistakes[] = {
	{"# fine\nSecRule ARGS \"@pmFromFile none.data\" \"id:1\"\n", "/rules/a.conf", 2, 27, "/rules/none.data cannot be opened"},
	{"Include ../inc\n", "/rules/a.conf", 1, 9, "is not a regular file"},
	{"Include ../inc/*.conf\n", "/rules/a.conf", 1, 9, "names no file"},
	{"Include ../loop.conf\n", "/loop.conf", 1, 9, "is included by itself"},
	{"Include ../deep.conf\n", "/deep.conf", 1, 9, "deeper.conf cannot be opened"},
	{"SecRule ARGS \"@pmFromFile https://x.example/a\" \"id:1\"\n", "/rules/a.conf", 1, 27, "rules come from files alone"},
	{"SecRemoteRules k https://x.example/a\n", "/rules/a.conf", 1, 18, "SecRemoteRules names https://x.example/a"},
	{"SecRuleScript a.lua\n", "/rules/a.conf", 1, 15, "write the whole path"},
	{"SecAction \"id:1,exec:/none.lua\"\n", "/rules/a.conf", 1, 22, "/none.lua cannot be opened"},
};

static void mistakes_have_the_place_of_the_name(void **state)
{
	(void)state;
	folder_write("loop.conf", "Include loop.conf\n");
	folder_write("rules/../deep.conf", "Include deeper.conf\n");
	for (size_t i = 0; i < ROWS(mistakes); i++) {
		char file[256] = "portcullis.yaml";

		folder_write("rules/a.conf", mistakes[i].text);
		capture_free(capture);
		fail_done(&findings);
		capture = capture_new(&findings);
		assert_false(read_it());
		if (mistakes[i].file)
			snprintf(file, sizeof file, "%s", mistakes[i].file);
		if (!strstr(findings.at[0].place.file, file) || findings.at[0].place.line != mistakes[i].line ||
		    findings.at[0].place.column != mistakes[i].column || !strstr(findings.at[0].text, mistakes[i].says))
			fail_msg("%s: %s:%u:%u: %s", mistakes[i].text, findings.at[0].place.file, findings.at[0].place.line,
				 findings.at[0].place.column, findings.at[0].text);
	}
}

static void a_nul_byte_is_no_rule(void **state)
{
	FILE *f = fopen(folder_path("rules/a.conf"), "w");

	(void)state;
	assert_int_equal(fwrite("# one\n# t\0wo\n", 1, 13, f), 13);
	fclose(f);
	assert_false(read_it());
	assert_int_equal(findings.at[0].place.line, 2);
	assert_int_equal(findings.at[0].place.column, 4);
	assert_non_null(strstr(findings.at[0].text, "NUL"));
}

static void data_may_hold_any_byte(void **state)
{
	FILE *f = fopen(folder_path("rules/a.data"), "w");

	(void)state;
	assert_int_equal(fwrite("t\0wo", 1, 4, f), 4);
	fclose(f);
	folder_write("rules/a.conf", "# none\n");
	assert_true(read_it());
}

static void includes_are_bounded_in_depth(void **state)
{
	char name[64], text[64];

	(void)state;
	folder_write("rules/a.conf", "Include ../inc/0.conf\n");
	for (unsigned i = 0; i <= CAPTURE_DEPTH; i++) {
		snprintf(name, sizeof name, "inc/%u.conf", i);
		snprintf(text, sizeof text, "Include %u.conf\n", i + 1);
		folder_write(name, i < CAPTURE_DEPTH ? text : "# the last\n");
	}
	assert_false(read_it());
	assert_non_null(strstr(findings.at[0].text, "levels deep"));
	snprintf(name, sizeof name, "inc/%d.conf", CAPTURE_DEPTH - 1);
	folder_write(name, "# the last\n");
	capture_free(capture);
	capture = capture_new(&findings);
	assert_true(read_it());
}

static void size_and_number_are_bounded(void **state)
{
	char name[64];

	(void)state;
	folder_write("rules/a.conf", "# none\n");
	folder_write("rules/big.data", "");
	assert_int_equal(truncate(folder_path("rules/big.data"), CAPTURE_BYTES - 6), 0);
	assert_false(read_it());
	assert_non_null(strstr(findings.at[0].text, "big.data: rule sets of more than 64 MiB in all"));
	assert_string_equal(findings.at[0].place.file, "portcullis.yaml");
	fail_done(&findings);
	capture_free(capture);
	capture = capture_new(&findings);
	unlink(folder_path("rules/big.data"));
	for (unsigned i = 0; i < CAPTURE_FILES; i++) {
		snprintf(name, sizeof name, "rules/%u.data", i);
		folder_write(name, "");
	}
	assert_false(read_it());
	assert_non_null(strstr(findings.at[0].text, "more than 4096 files"));
}

static void what_changes_meanwhile_is_refused(void **state)
{
	struct capture_ruleset set = set_of_folder();

	(void)state;
	folder_write("rules/a.conf", "SecRule ARGS \"@pmFromFile a.data\" \"id:1\"\n");
	folder_write("rules/a.data", "one\n");
	for (unsigned how = 0; how < 4; how++) {
		fail_done(&findings);
		capture_free(capture);
		capture = capture_new(&findings);
		assert_true(capture_ruleset(capture, &set));
		if (how == 0)
			folder_write("rules/a.data", "one, two\n");
		if (how == 1)
			rename(folder_path("rules/a.data"), folder_path("rules/b.data"));
		if (how == 2)
			folder_write("rules/late.conf", "# an upgrade that is not through\n");
		assert_int_equal(capture_end(capture, &bundle), how == 3);
		assert_int_equal(findings.errors, how == 3 ? 0 : 1);
		assert_true(how == 3 || strstr(findings.at[0].text, "changed while rules were read"));
		folder_write("rules/a.data", "one\n");
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_is_captured_once_and_in_order),
		TEST(mistakes_have_the_place_of_the_name),
		TEST(a_nul_byte_is_no_rule),
		TEST(data_may_hold_any_byte),
		TEST(includes_are_bounded_in_depth),
		TEST(size_and_number_are_bounded),
		TEST(what_changes_meanwhile_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
