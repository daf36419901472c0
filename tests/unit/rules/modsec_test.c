/* modsec_test.c -- one payload in many disguises, judged by the real engine and the Core Rule Set as in the plain. */
#include "bed.h"

#include <zlib.h>

#include "load_bed.h"
#include "rules/media.h"

#define SQLI "1' or 1=1 union select password from users-- -"
#define FORM "application/x-www-form-urlencoded"

static struct engine engine;
static struct arena arena;
static struct waf_job job;
static struct waf_answer answer;
static struct slice plain;

static int open_bed(void **state)
{
	static const struct plan_ruleset bounds = {.arguments = 1000, .json_depth = 64, .parts = 128, .body_max = 1 << 20};
	char why[512];

	(void)state;
	engine.plan.rulesets[0] = bounds;
	if (!load_bed(&engine, &LOAD_CRS, why, sizeof why)) {
		printf("%s\n", why);
		return -1;
	}
	hash_seed_random(&engine.seed);
	arena_init(&arena, NULL, 16384);
	return 0;
}

static int close_bed(void **state)
{
	(void)state;
	arena_done(&arena);
	modsec_free(engine.modsec);
	return 0;
}

static int drop_arena(void **state)
{
	(void)state;
	arena_done(&arena);
	return 0;
}

static void judge(void)
{
	memset(&answer, 0, sizeof answer);
	job.files = true;
	assert_true(inspector_judge(&engine, &job, job.body, &arena, &answer, NULL, &plain));
}

static bool hit(uint32_t from, uint32_t to)
{
	for (uint32_t i = 0; i < answer.hits_n; i++)
		if (answer.hits[i].rule >= from && answer.hits[i].rule <= to)
			return true;
	return false;
}

static void a_payload_is_found_wherever_it_stands(void **state)
{
	static const struct {
		const char *type;
		struct slice body;
		const char *says;
	} rows[] = {
		{"text/xml", B("<a b=\"1&#39; or 1=1 union select password from users-- -\"/>"), "an attribute"},
		{"text/xml", B("<a><!-- " "1' or 1=1 union select password from users" " --></a>"), "a comment"},
		{"text/xml", B("<a><?b " SQLI "?></a>"), "an instruction"},
		{"text/xml", B("<a xmlns:b=\"" SQLI "\"/>"), "a namespace"},
		{"text/xml", B("<a>x<b>1&#39; or 1=1 un<!-- -->ion select<![CDATA[ password from users-- -]]></b></a>"), "text in pieces"},
		{"text/plain", B("q=1%27+or+1=1+union+select+password+from+users--+-"), "a form that says it is text"},
		{"text/plain", B("{\"q\":\"1\\u0027 or 1=1 union select password from users-- -\"}"), "JSON that says so"},
		{"text/plain", B("{\"q\":\"1\\u0027 or 1=1 union select password from users-- -\",}"), "nearly JSON that says so"},
		{"application/x-ndjson", B("{\"a\":1}\n{\"q\":\"1\\u0027 or 1=1 union select password from users-- -\"}\n"), "lines of JSON"},
		{FORM, B("{\"q\":\"1\\u0027 or 1=1 union select password from users-- -\"}"), "JSON that says it is a form"},
		{FORM, B("d=%7B%22q%22:%221%5Cu0027+or+1=1+union+select+password+from+users--+-%22%7D"), "JSON in a field of a form"},
		{"multipart/form-data; boundary=X",
		 B("--X\r\nContent-Disposition: form-data; name=\"j\"; filename=\"blob\"\r\nContent-Type: application/json\r\n\r\n"
		   "{\"q\":\"1\\u0027 or 1=1 union select password from users-- -\"}\r\n--X--\r\n"), "JSON in a part"},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		bed_post(&job, &arena, rows[i].type, rows[i].body);
		judge();
		if (answer.result != WAF_DENY || !hit(942100, 942999))
			fail_msg("%s: result %d, first rule %u", rows[i].says, answer.result, answer.hits[0].rule);
	}
}

static void nothing_hides_behind_nul(void **state)
{
	static const char *const before[] = {"&#0;", "&#x00", "\\0", "\\x00", "\\u0000", "%00", "%u0000", "\\000000 ", "x&#0;y&#0;z"};

	(void)state;
	for (size_t i = 0; i < ROWS(before); i++) {
		struct slice body = arena_print(&arena, "q=%s<script>alert(1)</script>", before[i]);
		char *escaped = arena_take(&arena, 3 * body.len + 8);
		size_t n = 2;

		memcpy(escaped, "q=", 2);
		for (size_t k = 2; k < body.len; k++)
			n += (size_t)snprintf(escaped + n, 4, "%%%02X", (unsigned char)body.at[k]);
		bed_post(&job, &arena, FORM, slice_make(escaped, n));
		judge();
		if (answer.result != WAF_DENY || !hit(941100, 941999))
			fail_msg("\"%s\": result %d, first rule %u", before[i], answer.result, answer.hits[0].rule);
	}
	/* As it is: another rule is about that, and may be excluded. */
	bed_post(&job, &arena, FORM, SLICE("q=%00%3Cscript%3Ealert(1)%3C/script%3E"));
	job.exclusions[0] = (struct waf_exclusion){920270, SLICE_NONE, SLICE_NONE};
	job.exclusions_n = 1;
	judge();
	assert_true(answer.result == WAF_DENY && hit(941100, 941999));
}

static void queries_are_read_as_other_origins_do(void **state)
{
	static const char *const rows[] = {
		"/?x=1;id=1%27%20or%201=1%20union%20select%20password%20from%20users--%20-",
		"/?id=1%20UNION/*&x=1&id=*/SELECT%20password%20FROM%20users",
		"/?d=%7B%22q%22:%221%5Cu0027%20or%201=1%20union%20select%20password%20from%20users--%20-%22%7D",
	};
	static const char *const clean[] = {"/?tag=red&tag=green&tag=blue", "/?a=1;b=2", "/?size=10&size=20", "/?f=%7B%22price%22:%5B1,20%5D%7D",
					    "/?line=10+Downing+St&line=London&ids[]=5&ids[]=7&ids[]=9"};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		bed_job(&job, &arena, rows[i]);
		judge();
		if (answer.result != WAF_DENY || !hit(942100, 942999))
			fail_msg("%s: %d", rows[i], answer.result);
	}
	for (size_t i = 0; i < ROWS(clean); i++) {
		bed_job(&job, &arena, clean[i]);
		judge();
		if (answer.hits_n)
			fail_msg("%s: rule %u", clean[i], answer.hits[0].rule);
	}
}

static void a_file_has_no_secret_name(void **state)
{
	static const struct {
		struct slice parameters;
		bool denied;
	} rows[] = {
		{B("filename=\"chair.png\""), false},
		{B("filename=\"shell.php\""), true},
		{B("filename=chair.png; filename*=utf-8''chair.png"), false},
		{B("filename=chair.png; filename*=utf-8''shell%2ephp"), true},
		{B("filename=\"=?utf-8?B?c2hlbGwucGhw?=\""), true},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct slice body = arena_print(&arena, "--X\r\nContent-Disposition: form-data; name=\"f\"; %.*s\r\n\r\nx\r\n--X--\r\n",
						SLICE_F(rows[i].parameters));

		bed_post(&job, &arena, "multipart/form-data; boundary=X", body);
		judge();
		if ((answer.result == WAF_DENY) != rows[i].denied)
			fail_msg("%.*s: %d, rule %u", SLICE_F(rows[i].parameters), answer.result, answer.hits[0].rule);
	}
}

static void cookies_are_read_as_old_origins_do(void **state)
{
	static const char *const rows[] = {"a=\"1\\047 or 1=1 union select password from users-- -\"", "=1' or 1=1 union select password from users-- -",
					   "a=\"1' or 1=1; union select password from users-- -\""};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		bed_job(&job, &arena, "/");
		bed_field(&job, &arena, "cookie", slice_of(rows[i]));
		judge();
		if (answer.result != WAF_DENY || !hit(942100, 942999))
			fail_msg("%s", rows[i]);
	}
	bed_job(&job, &arena, "/");
	bed_field(&job, &arena, "cookie", SLICE("a=\"W1tcIl9f\\054x\"; b=\"c d\"; =; e"));
	judge();
	assert_int_equal(answer.hits_n, 0);
}

static void the_field_that_names_a_method_is_a_method(void **state)
{
	static const struct {
		const char *method, *target, *type;
		struct slice body;
		bool denied;
	} rows[] = {
		{"POST", "/", FORM, B("_method=DELETE&a=b"), true},
		{"POST", "/", FORM, B("_method=put"), true},
		{"POST", "/?_method=PATCH", FORM, B("a=b"), true},
		{"POST", "/", "application/json", B("{\"_method\":\"delete\"}"), true},
		{"POST", "/", FORM, B("_method=post"), false},
		{"POST", "/", FORM, B("_method=card&method=PUT"), false},
		{"GET", "/?_method=DELETE", NULL, B(""), false},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		bed_post(&job, &arena, rows[i].type, rows[i].body);
		job.method = slice_of(rows[i].method);
		job.target = slice_of(rows[i].target);
		judge();
		if ((answer.result == WAF_DENY) != rows[i].denied || hit(200011, 200011) != rows[i].denied || (rows[i].denied && answer.status != 403))
			fail_msg("row %zu: %d, rule %u", i, answer.result, answer.hits[0].rule);
	}
}

static void clean_forms_pass_however_they_are_written(void **state)
{
	static const char *const types[] = {
		"multipart/form-data; boundary=X", "multipart/form-data; boundary=\"X\"", "Multipart/Form-Data; charset=UTF-8; boundary=\"X\"",
		"multipart/form-data; boundary=\"X\"; charset=utf8"};
	static const struct slice body = B("--X\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=a\r\n\r\nchair\r\n--X\r\n"
					   "Content-Disposition: form-data; name=f; filename=a.txt; filename*=utf-8''a.txt\r\n\r\nx\r\n--X--\r\n");

	(void)state;
	for (size_t i = 0; i < ROWS(types); i++) {
		bed_post(&job, &arena, types[i], body);
		judge();
		if (answer.hits_n)
			fail_msg("%s: rule %u %.*s", types[i], answer.hits[0].rule, SLICE_F(answer.hits[0].data));
	}
}

static void the_rule_sets_list_of_types_is_not_the_last_word(void **state)
{
	static const struct {
		const char *type;
		bool listed, denied;
	} rows[] = {
		{"application/vnd.api+json", false, false},
		{"application/json; charset=utf8", false, false},
		{"application/json; charset='UTF-8'", false, false},
		{"text/plain", false, true},
		{"text/plain", true, false},
		{"Text/Plain; charset=utf-8", true, false},
		{"application/graphql", true, false},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		bed_post(&job, &arena, rows[i].type, SLICE("{\"a\":\"chair\"}"));
		job.type_listed = rows[i].listed;
		judge();
		if ((answer.result == WAF_DENY) != rows[i].denied || hit(920420, 920420) != rows[i].denied)
			fail_msg("%s: rule %u", rows[i].type, answer.hits[0].rule);
	}
}

static struct slice zipped(struct slice in)
{
	static char out[4096];
	z_stream z = {.next_in = (Bytef *)(uintptr_t)in.at, .avail_in = (uInt)in.len, .next_out = (Bytef *)out, .avail_out = sizeof out};

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return slice_make(out, z.total_out);
}

static void content_is_judged_decoded(void **state)
{
	static const struct {
		struct slice body;
		bool in_coding;
		uint64_t most;
		uint16_t status;
	} rows[] = {
		{B("{\"a\":\"chair\"}"), true, 1000, 0},
		{B("{\"a\":\"" SQLI "\"}"), true, 1000, 403},
		{B("{\"a\":\"chair\"}"), true, 12, 413},
		{B("{\"a\":\"chair\"}"), false, 1000, 400},
		{B("{\"a\":\"chair\",}"), true, 1000, 400},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		bed_post(&job, &arena, "application/json", rows[i].in_coding ? zipped(rows[i].body) : rows[i].body);
		bed_field(&job, &arena, "content-encoding", SLICE("gzip"));
		job.coding = CODING_GZIP;
		job.plain_most = rows[i].most;
		judge();
		if (answer.status != rows[i].status || answer.plain != !rows[i].status || hit(920450, 920450))
			fail_msg("row %zu: status %u, rule %u", i, answer.status, answer.hits[0].rule);
		if (answer.plain)
			assert_true(slice_eq(plain, rows[i].body) && answer.plain_len == plain.len && !answer.hits_n);
		/* Where nothing is stopped nothing is sent otherwise than it came. */
		job.mode = WAF_DETECT;
		judge();
		assert_true(answer.result == WAF_ALLOW && !answer.plain && !answer.hits_n == !rows[i].status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_payload_is_found_wherever_it_stands, drop_arena),
		cmocka_unit_test_teardown(nothing_hides_behind_nul, drop_arena),
		cmocka_unit_test_teardown(queries_are_read_as_other_origins_do, drop_arena),
		cmocka_unit_test_teardown(a_file_has_no_secret_name, drop_arena),
		cmocka_unit_test_teardown(cookies_are_read_as_old_origins_do, drop_arena),
		cmocka_unit_test_teardown(the_field_that_names_a_method_is_a_method, drop_arena),
		cmocka_unit_test_teardown(clean_forms_pass_however_they_are_written, drop_arena),
		cmocka_unit_test_teardown(the_rule_sets_list_of_types_is_not_the_last_word, drop_arena),
		cmocka_unit_test_teardown(content_is_judged_decoded, drop_arena),
	};

	if (access("/usr/share/modsecurity-crs/rules", R_OK) != 0)
		return 77;
	return cmocka_run_group_tests(tests, open_bed, close_bed);
}
