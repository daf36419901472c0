/* load_test.c -- the engine loads what was captured, whatever the disk says meanwhile. */
#include "bed.h"
#include "folder.h"
#include "gateway/base/buf.h"
#include "load_bed.h"
#include "rules/bundle.h"

static struct engine engine;
static struct fail findings;
static struct capture *capture;
static struct slice bundle;
static struct arena arena;
static char why[1024];

static int make(void **state)
{
	(void)state;
	folder_make();
	mkdir(folder_path("inc"), 0755);
	engine = (struct engine){.plan.rulesets_n = 1};
	engine.plan.rulesets[0] = (struct plan_ruleset){
		.name = SLICE("own"), .arguments = 100, .json_depth = 8, .parts = 8, .body_max = 4096};
	capture = capture_new(&findings);
	arena_init(&arena, NULL, 4096);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	modsec_free(engine.modsec);
	arena_done(&arena);
	capture_free(capture);
	fail_done(&findings);
	folder_remove();
	return 0;
}

static void take(void)
{
	const struct capture_ruleset set = {.name = SLICE("own"), .path = slice_of(folder)};

	if (!capture_ruleset(capture, &set) || !capture_end(capture, &bundle))
		fail_msg("%s", findings.at[0].text);
}

static unsigned status_of(const char *target)
{
	struct waf_answer answer = {0};
	struct slice plain;
	struct waf_job job;

	bed_job(&job, &arena, target);
	assert_true(inspector_judge(&engine, &job, SLICE_NONE, &arena, &answer, NULL, &plain));
	return answer.result == WAF_DENY ? answer.status : 200;
}

/* Every way in which rules name a file, relative and absolute. */
static void put_rules(void)
{
	char text[1024];

	snprintf(text, sizeof text,
		 "Include ../inc/*.conf\nInclude %s/one.conf\n"
		 "SecRule ARGS:pm \"@pmFromFile words.data\" \"id:1,phase:1,deny,status:421,log\"\n"
		 "SecRule ARGS:pm \"@pmf %s/far.words\" \"id:2,phase:1,deny,status:422,log\"\n"
		 "SecRule REMOTE_ADDR \"@ipMatchFromFile ../nets\" \"id:3,phase:1,deny,status:423,log,chain\"\n"
		 "  SecRule ARGS:net \"@streq 1\" \"t:none\"\n"
		 "SecRuleScript %s/rule.lua \"id:4,phase:1,deny,status:424,log\"\n",
		 folder, folder, folder);
	folder_write("rules/a.conf", text);
	folder_write("rules/words.data", "beside\n");
	folder_write("far.words", "far\n");
	folder_write("nets", "192.0.2.0/24\n");
	folder_write("one.conf", "SecRule ARGS:q \"@streq one\" \"id:11,phase:1,deny,status:411,log\"\n");
	folder_write("inc/a.conf", "SecRule ARGS:q \"@streq two\" \"id:12,phase:1,deny,status:412,log\"\nInclude deeper.inc\n");
	folder_write("inc/deeper.inc", "SecRule ARGS:pm \"@pmFromFile deep.data\" \"id:13,phase:1,deny,status:413,log\"\n");
	folder_write("inc/deep.data", "deep\n");
	folder_write("rule.lua", "function main() return m.getvar(\"ARGS.lua\") end\n");
	folder_write("unicode.mapping", "20127\n00bb:22\n");
}

static void everything_loads_when_the_disk_has_nothing_any_more(void **state)
{
	static const struct {
		const char *target;
		unsigned status;
	} rows[] = {{"/", 200},	     {"/?q=one", 411},	 {"/?q=two", 412},   {"/?pm=beside", 421},
		    {"/?pm=far", 422}, {"/?pm=deep", 413}, {"/?net=1", 423}, {"/?lua=1", 424}};

	(void)state;
	put_rules();
	take();
	folder_remove();
	if (!engine_load(&engine, bundle, why, sizeof why))
		fail_msg("%s", why);
	for (size_t i = 0; i < ROWS(rows); i++)
		if (status_of(rows[i].target) != rows[i].status)
			fail_msg("%s: %u", rows[i].target, status_of(rows[i].target));
	folder_make();
}

static void what_stands_in_the_working_directory_is_not_looked_at(void **state)
{
	char here[256];

	(void)state;
	assert_non_null(getcwd(here, sizeof here));
	folder_write("rules/a.conf", "SecRule ARGS:pm \"@pmFromFile words.data\" \"id:1,phase:1,deny,status:421,log\"\n");
	folder_write("rules/words.data", "right\n");
	folder_write("words.data", "wrong\n");
	take();
	assert_int_equal(chdir(folder), 0);
	assert_true(engine_load(&engine, bundle, why, sizeof why));
	assert_int_equal(chdir(here), 0);
	assert_int_equal(status_of("/?pm=right"), 421);
	assert_int_equal(status_of("/?pm=wrong"), 200);
}

/* As the file would be, were the scanner blind for the way it is named. */
static void what_was_not_captured_cannot_be_loaded(void **state)
{
	const struct bundle_item items[] = {
		{BUNDLE_FILE, slice_of(folder_path("rules/a.conf")),
		 SLICE("# one\nSecRule ARGS \"@pmFromFile words.data\" \"id:1,phase:1,deny\"\n")},
		{BUNDLE_RULESET, SLICE("own"), SLICE_NONE},
		{BUNDLE_RULES, slice_of(folder_path("rules/a.conf")), SLICE_NONE}};
	struct buf out = {0};
	char place[256];

	(void)state;
	folder_write("rules/words.data", "there\n");
	for (size_t i = 0; i < ROWS(items); i++)
		assert_true(bundle_put(&out, &items[i]));
	assert_false(engine_load(&engine, buf_slice(&out), why, sizeof why));
	snprintf(place, sizeof place, "%s:2: ", folder_path("rules/a.conf"));
	if (!strstr(why, place) || !strstr(why, "words.data"))
		fail_msg("%s", why);
	buf_done(&out);
}

static void what_is_no_bundle_of_the_plan_is_refused(void **state)
{
	static const struct bundle_item other[] = {{BUNDLE_FILE, SLICE("/a"), SLICE("#")},    {BUNDLE_RULESET, SLICE("other"), SLICE_NONE},
						   {BUNDLE_RULES, SLICE("/a"), SLICE_NONE}, {BUNDLE_RULES, SLICE("/b"), SLICE_NONE}};
	struct buf out = {0};

	(void)state;
	assert_false(engine_load(&engine, SLICE_NONE, why, sizeof why));
	assert_false(engine_load(&engine, SLICE("nonsense"), why, sizeof why));
	for (size_t i = 0; i < 3; i++)
		bundle_put(&out, &other[i]);
	assert_false(engine_load(&engine, buf_slice(&out), why, sizeof why));
	assert_non_null(strstr(why, "not those of the plan"));
	engine.plan.rulesets[0].name = SLICE("other");
	assert_true(engine_load(&engine, buf_slice(&out), why, sizeof why));
	modsec_free(engine.modsec);
	engine.modsec = NULL;
	bundle_put(&out, &other[3]);
	assert_false(engine_load(&engine, buf_slice(&out), why, sizeof why));
	assert_non_null(strstr(why, "form of this version"));
	buf_done(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything_loads_when_the_disk_has_nothing_any_more),
		TEST(what_stands_in_the_working_directory_is_not_looked_at),
		TEST(what_was_not_captured_cannot_be_loaded),
		TEST(what_is_no_bundle_of_the_plan_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
