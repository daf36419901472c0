/* waf_test.c -- messages between worker and inspector: what goes in comes out, and nothing else does. */
#include "bed.h"
#include "rules/media.h"

static struct guard guard;
static struct arena arena;
static struct waf_job job, back;
static struct waf_answer answer, again;

static int open_bed(void **state)
{
	(void)state;
	guard_open(&guard, WAF_MESSAGE);
	arena_init(&arena, NULL, 4096);
	return 0;
}

static int close_bed(void **state)
{
	(void)state;
	guard_close(&guard);
	arena_done(&arena);
	return 0;
}

static void fill_job(void)
{
	bed_post(&job, &arena, "application/json", SLICE("{\"a\":1}"));
	job.slot = WAF_OUTSTANDING - 1;
	job.worker = WAF_WORKERS - 1;
	job.ruleset = 3;
	job.mode = WAF_DETECT;
	job.fields.at[1].hidden = 1;
	job.coding = CODING_BROTLI;
	job.plain_most = 100000;
	job.files = true;
	job.type_listed = true;
	job.exclusions[0] = (struct waf_exclusion){942100, SLICE_NONE, SLICE("ARGS:q")};
	job.exclusions[1] = (struct waf_exclusion){0, SLICE("attack-sqli"), SLICE_NONE};
	job.exclusions_n = 2;
}

/* About an answer: its head, and its content in the place of the request's. */
static void fill_answering(void)
{
	static const struct field fields[] = {{B("content-type"), B("text/html"), FIELD_CONTENT_TYPE, 0},
					      {B("connection"), B("close"), FIELD_CONNECTION, 1}};

	fill_job();
	job.answering = true;
	job.kept = 0x1234567890abcdef;
	job.status = 404;
	job.status_minor = 1;
	job.answer = (struct fields){(struct field *)(uintptr_t)fields, 2, 2};
}

static void fill_answer(void)
{
	memset(&answer, 0, sizeof answer);
	answer.token = 99;
	answer.result = WAF_DENY;
	answer.status = 403;
	answer.score = 15;
	answer.keeper = WAF_INSPECTORS;
	answer.again = true;
	answer.cpu_us = 1100;
	answer.wall_us = 1200;
	answer.hits_cut = 2;
	answer.hits_n = 2;
	answer.hits[0] = (struct waf_hit){941100, 2, 2, SLICE("XSS"), SLICE("found <script>"), SLICE("attack-xss")};
	answer.hits[1] = (struct waf_hit){949110, 2, 2, SLICE("score"), SLICE_NONE, SLICE("attack-generic")};
}

static void a_job_comes_out_as_it_went_in(void **state)
{
	struct buf out = {0};

	(void)state;
	fill_job();
	assert_true(waf_pack_job(&out, &job));
	assert_true(waf_unpack_job(guard_put(&guard, buf_slice(&out)), &arena, &back));
	assert_int_equal(back.token, job.token);
	assert_int_equal(back.slot, job.slot);
	assert_int_equal(back.worker, job.worker);
	assert_int_equal(back.queue_until_us, job.queue_until_us);
	assert_int_equal(back.run_ms, job.run_ms);
	assert_int_equal(back.ruleset, 3);
	assert_int_equal(back.mode, WAF_DETECT);
	assert_int_equal(back.threshold_request, 5);
	assert_int_equal(back.client_port, 4711);
	assert_int_equal(addr_compare(&back.client, &job.client), 0);
	assert_true(slice_eq(back.target, job.target) && slice_eq(back.method, job.method));
	assert_true(slice_eq(back.server_name, job.server_name) && slice_eq(back.id, job.id));
	assert_true(slice_eq(back.body, job.body) && back.with_body && back.body_len == 7);
	assert_int_equal(back.fields.n, job.fields.n);
	for (uint32_t i = 0; i < job.fields.n; i++) {
		assert_true(slice_eq(back.fields.at[i].name, job.fields.at[i].name));
		assert_true(slice_eq(back.fields.at[i].value, job.fields.at[i].value));
		assert_int_equal(back.fields.at[i].hidden, job.fields.at[i].hidden);
		assert_int_equal(back.fields.at[i].id, job.fields.at[i].id);
	}
	assert_int_equal(back.exclusions_n, 2);
	assert_int_equal(back.exclusions[0].rule, 942100);
	assert_true(slice_is(back.exclusions[0].target, "ARGS:q") && slice_is(back.exclusions[1].tag, "attack-sqli"));
	assert_true(back.coding == CODING_BROTLI && back.plain_most == 100000 && back.files && back.type_listed);
	buf_done(&out);
}

static void a_job_about_an_answer_comes_out_as_it_went_in(void **state)
{
	struct buf out = {0};

	(void)state;
	fill_job();
	job.keep = true;
	assert_true(waf_pack_job(&out, &job));
	assert_true(waf_unpack_job(guard_put(&guard, buf_slice(&out)), &arena, &back));
	assert_true(back.keep && !back.answering);
	buf_done(&out);
	fill_answering();
	assert_true(waf_pack_job(&out, &job));
	assert_true(waf_unpack_job(guard_put(&guard, buf_slice(&out)), &arena, &back));
	assert_true(back.answering && back.kept == job.kept && back.status == 404 && back.status_minor == 1);
	assert_int_equal(back.fields.n, job.fields.n);
	assert_int_equal(back.answer.n, 2);
	assert_true(slice_is(back.answer.at[0].value, "text/html") && back.answer.at[1].hidden == 1);
	assert_true(slice_eq(back.body, job.body) && back.exclusions_n == 2);
	for (size_t n = 0; n < buf_len(&out); n++)
		if (waf_unpack_job(guard_put(&guard, slice_first(buf_slice(&out), n)), &arena, &back))
			fail_msg("%zu bytes of %u are taken for a job", n, buf_len(&out));
	buf_done(&out);
}

static void a_slot_can_be_set_when_it_is_known(void **state)
{
	struct buf out = {0};

	(void)state;
	fill_job();
	assert_true(waf_pack_job(&out, &job));
	waf_set_slot(out.at + out.start, 5);
	assert_true(waf_unpack_job(buf_slice(&out), &arena, &back));
	assert_int_equal(back.slot, 5);
	assert_int_equal(back.token, job.token);
	waf_set_slot(out.at + out.start, WAF_OUTSTANDING);
	assert_false(waf_unpack_job(buf_slice(&out), &arena, &back));
	buf_done(&out);
}

static void what_cannot_be_sent_is_not_packed(void **state)
{
	static char big[WAF_MESSAGE];
	struct buf out = {0};

	(void)state;
	fill_job();
	job.body = slice_make(big, WAF_INLINE + 1);
	assert_false(waf_pack_job(&out, &job));
	fill_job();
	job.exclusions_n = WAF_EXCLUSIONS + 1;
	assert_false(waf_pack_job(&out, &job));
	fill_job();
	job.target = slice_make(big, WAF_MESSAGE - 64);
	assert_false(waf_pack_job(&out, &job));
	buf_done(&out);
}

static void refuse_job(const char *says)
{
	struct buf out = {0};

	assert_true(waf_pack_job(&out, &job));
	if (waf_unpack_job(buf_slice(&out), &arena, &back))
		fail_msg("%s", says);
	buf_done(&out);
}

static void jobs_that_contradict_themselves_are_refused(void **state)
{
	(void)state;
	fill_job();
	job.token = 0;
	refuse_job("no token");
	fill_job();
	job.worker = WAF_WORKERS;
	refuse_job("no such worker");
	fill_job();
	job.mode = (enum waf_mode)2;
	refuse_job("no such mode");
	fill_job();
	job.body_outside = true;
	refuse_job("a body inside and outside");
	fill_job();
	job.body_len++;
	refuse_job("a body shorter than it says");
	fill_job();
	job.with_body = false;
	refuse_job("a body that is not there");
	fill_job();
	job.target = (struct slice)B("/a\0b");
	refuse_job("NUL in the target, where C strings end");
	fill_job();
	job.method = (struct slice)B("G\0T");
	refuse_job("NUL in the method");
	fill_job();
	job.coding = CODING_OTHER;
	refuse_job("a coding that nobody undoes");
	fill_job();
	job.plain_most = WAF_PLAIN_MOST + 1;
	refuse_job("room for more than content may become");
	fill_answering();
	job.answering = false;
	refuse_job("fields of an answer in a job about a request");
	fill_answering();
	job.keep = true;
	refuse_job("an answer to be kept for its answer");
	fill_answering();
	job.status = 100;
	refuse_job("an answer that is none yet");
	fill_answering();
	job.status = 600;
	refuse_job("no such status");
}

static void every_truncation_of_a_job_is_refused(void **state)
{
	struct buf out = {0};

	(void)state;
	fill_job();
	assert_true(waf_pack_job(&out, &job));
	for (size_t n = 0; n < buf_len(&out); n++)
		if (waf_unpack_job(guard_put(&guard, slice_first(buf_slice(&out), n)), &arena, &back))
			fail_msg("%zu bytes of %u are taken for a job", n, buf_len(&out));
	assert_true(buf_put(&out, "x", 1));
	assert_false(waf_unpack_job(guard_put(&guard, buf_slice(&out)), &arena, &back));
	buf_done(&out);
}

static void flipped_bits_of_a_job_do_no_harm(void **state)
{
	struct buf out = {0};

	(void)state;
	fill_job();
	assert_true(waf_pack_job(&out, &job));
	for (size_t bit = 0; bit < (size_t)buf_len(&out) * 8; bit++) {
		struct slice in = guard_put(&guard, buf_slice(&out));

		((char *)(uintptr_t)in.at)[bit / 8] ^= (char)(1 << bit % 8);
		if (!waf_unpack_job(in, &arena, &back))
			continue;
		assert_true(back.slot < WAF_OUTSTANDING && back.worker < WAF_WORKERS && back.exclusions_n <= WAF_EXCLUSIONS);
		assert_true(back.mode <= WAF_DETECT && back.body.len <= WAF_INLINE);
		assert_null(memchr(back.target.at, 0, back.target.len));
	}
	buf_done(&out);
}

static void an_answer_comes_out_as_it_went_in(void **state)
{
	struct buf out = {0};

	(void)state;
	fill_answer();
	assert_true(waf_pack_answer(&out, &answer));
	assert_true(waf_unpack_answer(guard_put(&guard, buf_slice(&out)), &again));
	assert_int_equal(again.token, 99);
	assert_int_equal(again.result, WAF_DENY);
	assert_int_equal(again.status, 403);
	assert_int_equal(again.score, 15);
	assert_int_equal(again.keeper, WAF_INSPECTORS);
	assert_true(again.again);
	assert_int_equal(again.cpu_us, 1100);
	assert_int_equal(again.wall_us, 1200);
	assert_int_equal(again.hits_cut, 2);
	assert_int_equal(again.hits_n, 2);
	assert_int_equal(again.hits[0].rule, 941100);
	assert_int_equal(again.hits[0].severity, 2);
	assert_true(slice_is(again.hits[0].data, "found <script>") && slice_is(again.hits[1].tag, "attack-generic"));
	buf_eat(&out, buf_len(&out));
	answer.result = WAF_ALLOW;
	answer.status = 0;
	answer.plain = true;
	answer.plain_len = 12345;
	assert_true(waf_pack_answer(&out, &answer));
	assert_true(waf_unpack_answer(guard_put(&guard, buf_slice(&out)), &again));
	assert_true(again.plain && again.plain_len == 12345);
	buf_eat(&out, buf_len(&out));
	answer.plain_len = WAF_PLAIN_MOST + 1;
	assert_true(waf_pack_answer(&out, &answer));
	assert_false(waf_unpack_answer(guard_put(&guard, buf_slice(&out)), &again));
	buf_eat(&out, buf_len(&out));
	answer.plain = false;
	answer.plain_len = 1;
	assert_true(waf_pack_answer(&out, &answer));
	assert_false(waf_unpack_answer(guard_put(&guard, buf_slice(&out)), &again));
	buf_done(&out);
}

static void texts_of_a_hit_are_cut(void **state)
{
	static char text[WAF_TEXT * 2];
	struct buf out = {0};

	(void)state;
	memset(text, 'x', sizeof text);
	fill_answer();
	answer.hits_n = WAF_HITS;
	for (unsigned i = 0; i < WAF_HITS; i++)
		answer.hits[i].message = answer.hits[i].data = answer.hits[i].tag = slice_make(text, sizeof text);
	assert_true(waf_pack_answer(&out, &answer));
	assert_true(waf_unpack_answer(buf_slice(&out), &again));
	assert_int_equal(again.hits_n, WAF_HITS);
	assert_int_equal(again.hits[WAF_HITS - 1].data.len, WAF_TEXT);
	buf_done(&out);
}

static void every_truncation_of_an_answer_is_refused(void **state)
{
	struct buf out = {0};

	(void)state;
	fill_answer();
	assert_true(waf_pack_answer(&out, &answer));
	for (size_t n = 0; n < buf_len(&out); n++)
		if (waf_unpack_answer(guard_put(&guard, slice_first(buf_slice(&out), n)), &again))
			fail_msg("%zu bytes of %u are taken for an answer", n, buf_len(&out));
	assert_true(buf_put(&out, "x", 1));
	assert_false(waf_unpack_answer(guard_put(&guard, buf_slice(&out)), &again));
	buf_done(&out);
}

static void an_answer_of_a_captured_inspector_stays_in_bounds(void **state)
{
	struct buf out = {0};

	(void)state;
	fill_answer();
	assert_true(waf_pack_answer(&out, &answer));
	for (size_t bit = 0; bit < (size_t)buf_len(&out) * 8; bit++) {
		struct slice in = guard_put(&guard, buf_slice(&out));

		((char *)(uintptr_t)in.at)[bit / 8] ^= (char)(1 << bit % 8);
		if (!waf_unpack_answer(in, &again))
			continue;
		assert_true(again.hits_n <= WAF_HITS && again.result <= WAF_SHED && again.token);
		assert_true(again.keeper <= WAF_INSPECTORS);
		assert_true(again.result == WAF_DENY ? again.status >= 300 && again.status <= 599 : again.status == 0);
		for (uint32_t i = 0; i < again.hits_n; i++)
			assert_true(again.hits[i].severity <= 7 && again.hits[i].phase <= 5 &&
				    again.hits[i].message.len <= WAF_TEXT);
	}
	buf_done(&out);
}

static void a_denial_needs_a_status_that_denies(void **state)
{
	static const struct {
		enum waf_result result;
		uint16_t status;
		bool fine;
	} rows[] = {
		{WAF_DENY, 403, true},  {WAF_DENY, 302, true},   {WAF_DENY, 200, false}, {WAF_DENY, 0, false},
		{WAF_DENY, 600, false}, {WAF_ALLOW, 403, false}, {WAF_LOST, 0, true},    {WAF_SHED, 0, true},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct buf out = {0};

		fill_answer();
		answer.result = rows[i].result;
		answer.status = rows[i].status;
		assert_true(waf_pack_answer(&out, &answer));
		assert_int_equal(waf_unpack_answer(buf_slice(&out), &again), rows[i].fine);
		buf_done(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_comes_out_as_it_went_in),
		cmocka_unit_test(a_job_about_an_answer_comes_out_as_it_went_in),
		cmocka_unit_test(a_slot_can_be_set_when_it_is_known),
		cmocka_unit_test(what_cannot_be_sent_is_not_packed),
		cmocka_unit_test(jobs_that_contradict_themselves_are_refused),
		cmocka_unit_test(every_truncation_of_a_job_is_refused),
		cmocka_unit_test(flipped_bits_of_a_job_do_no_harm),
		cmocka_unit_test(an_answer_comes_out_as_it_went_in),
		cmocka_unit_test(texts_of_a_hit_are_cut),
		cmocka_unit_test(every_truncation_of_an_answer_is_refused),
		cmocka_unit_test(an_answer_of_a_captured_inspector_stays_in_bounds),
		cmocka_unit_test(a_denial_needs_a_status_that_denies),
	};

	return cmocka_run_group_tests(tests, open_bed, close_bed);
}
