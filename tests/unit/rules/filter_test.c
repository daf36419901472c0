/* filter_test.c -- the filter in a real chain, with a real policy and a far end that answers by hand. */
#include "bed.h"

#include <sys/socket.h>

#include "rules/rules.h"

static struct loop *loop;
static struct pool *pool;
static struct waf_shared *shared;
static struct budget budget;
static struct arena policies, arena;
static int near_end[WAF_LANES], far_end[WAF_LANES];
static struct waf_job seen;
static char message[WAF_MESSAGE];

static struct request req;
static struct response res;
static struct facts facts;
static struct chain_run run;
static bool done, stopped;

static const struct filter *const chain[] = {&rules_filter, NULL};
static const char *const rulesets[] = {"other", "crs", NULL};
static struct rules_config conf;
static const void *const confs[] = {&conf};

static void gate_done(struct chain_run *r, bool stop)
{
	(void)r;
	done = true;
	stopped = stop;
}

static void configure(bool detect_waits)
{
	conf = (struct rules_config){.pool = pool, .queue_ms = 1000, .run_ms = 250, .run_ms_per_kib = 1, .rulesets = rulesets,
				     .detect_waits = detect_waits, .body_max = 1 << 20};
}

static int open_bed(void **state)
{
	struct pool_plan plan = {.worker = 0, .waiting_max = 0, .budget = &budget};

	(void)state;
	arena_init(&policies, NULL, 4096);
	arena_init(&arena, NULL, 4096);
	shared = calloc(1, sizeof *shared);
	loop = loop_new();
	for (unsigned i = 0; i < WAF_LANES; i++) {
		int fd[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
		plan.lanes[i] = near_end[i] = fd[0];
		far_end[i] = fd[1];
	}
	plan.shared = shared;
	loop_virtual(loop, 5000000);
	pool = pool_new(loop, &plan);
	configure(false);
	return pool ? 0 : -1;
}

static int close_bed(void **state)
{
	(void)state;
	pool_free(pool);
	loop_free(loop);
	for (unsigned i = 0; i < WAF_LANES; i++) {
		close(near_end[i]);
		close(far_end[i]);
	}
	free(shared);
	arena_done(&arena);
	arena_done(&policies);
	assert_int_equal(budget.used, 0);
	return 0;
}

/* ---- A request ---- */

static void begin(const char *policy_text, const char *target, const char *type, enum http_body body, uint64_t length)
{
	struct policy_source from = {.path = "test.yaml", .bytes = slice_of(policy_text)};
	struct fail findings = {0};
	const struct policy *policy;
	struct slice path = slice_of(target), query = SLICE_NONE;
	size_t mark = slice_find(path, '?');

	if (mark < path.len) {
		query = slice_after(path, mark + 1);
		path = slice_first(path, mark);
	}
	policy = policy_compile(&policies, &from, &findings);
	if (!policy) {
		fail_print(&findings, stderr, true);
		fail_msg("the policy does not compile");
	}
	fail_done(&findings);
	assert_true(policy_wake(policy));
	req = (struct request){.method = SLICE("POST"), .host = SLICE("shop.example"), .authority = SLICE("shop.example"),
			       .path = path, .target = slice_of(target), .query = query, .has_query = query.at, .secure = true,
			       .body = body, .content_length = length, .port = 443, .minor = 1};
	fields_add(&req.fields, &arena, SLICE("host"), SLICE("SHOP.example.:443"));
	if (type)
		fields_add(&req.fields, &arena, SLICE("content-type"), slice_of(type));
	facts = (struct facts){.client = {{[10] = 0xff, 0xff, 192, 0, 2, 7}}, .id = SLICE("00112233445566778899aabbccddeeff"),
			       .site = SLICE("shop"), .policy = policy, .policy_ran = true, .body_max = 1 << 30};
	facts.policy_facts = (struct policy_facts){.method = req.method, .host = req.host, .path = path, .query = query,
						   .fields = &req.fields, .ip = facts.client, .arena = &arena};
	policy_run_init(&facts.policy_run, policy, &facts.policy_facts);
	done = stopped = false;
	assert_true(chain_init(&run, loop, chain, confs, &req, &facts, &arena, gate_done, NULL));
	chain_gate(&run, GATE_REQUEST);
}

static void body_gate(const struct held *held)
{
	done = stopped = false;
	run.visits[0].held = held;
	chain_gate(&run, GATE_REQUEST_BODY);
}

/* The origin has answered with this type (NULL: none) and framing. */
static void answer_gate(unsigned status, const char *type, enum http_body body, uint64_t length)
{
	res = (struct response){.status = (uint16_t)status, .minor = 1, .body = body, .content_length = length};
	if (type)
		fields_add(&res.fields, &arena, SLICE("content-type"), slice_of(type));
	done = stopped = false;
	run.visits[0].response = &res;
	chain_gate(&run, GATE_RESPONSE);
}

static void answer_body_gate(const struct held *held)
{
	done = stopped = false;
	run.visits[0].held = held;
	chain_gate(&run, GATE_RESPONSE_BODY);
}

static void end(void)
{
	const struct policy *policy = facts.policy;

	chain_done(&run);
	policy_sleep(policy);
	loop_turn(loop, 0);
}

static uint8_t keeper;

static bool take(unsigned lane)
{
	ssize_t n = recv(far_end[lane], message, sizeof message, MSG_DONTWAIT);

	return n > 0 && waf_unpack_job(slice_make(message, (size_t)n), &arena, &seen);
}

static void answer(unsigned lane, enum waf_result result, uint16_t status, uint32_t score, uint32_t rule)
{
	struct waf_answer *a = calloc(1, sizeof *a);
	struct buf out = {0};

	a->token = seen.token;
	a->result = result;
	a->status = status;
	a->score = score;
	a->cpu_us = 1234;
	a->keeper = keeper;
	if (rule)
		a->hits[a->hits_n++] = (struct waf_hit){rule, 2, 2, SLICE("bad thing"), SLICE("found \"x\""), SLICE("attack-xss")};
	assert_true(waf_pack_answer(&out, a));
	assert_true(send(far_end[lane], out.at, buf_len(&out), 0) > 0);
	buf_done(&out);
	free(a);
	loop_turn(loop, 0);
	loop_turn(loop, 0);
}

#define ENFORCE "policy: p\nwaf: {mode: enforce, paranoia: 2, threshold: {request: 7, response: 4}}\n"
#define DETECT "policy: p\nwaf: {mode: detect}\n"

/* ---- Tests ---- */

static void off_asks_nobody(void **state)
{
	(void)state;
	begin("policy: p\nwaf: {mode: off}\n", "/", "text/plain", HTTP_BODY_LENGTH, 10);
	assert_true(done && !stopped && !take(WAF_SMALL));
	assert_int_equal(chain_body(&run), BODY_UNSEEN);
	end();
}

static void a_head_is_asked_about_at_once(void **state)
{
	(void)state;
	begin(ENFORCE, "/a?b=c", NULL, HTTP_BODY_NONE, 0);
	assert_false(done);
	assert_true(take(WAF_SMALL));
	assert_true(slice_is(seen.target, "/a?b=c") && slice_is(seen.method, "POST") && slice_is(seen.server_name, "shop.example"));
	assert_int_equal(seen.ruleset, 1);
	assert_int_equal(seen.mode, WAF_ENFORCE);
	assert_int_equal(seen.paranoia, 2);
	assert_int_equal(seen.threshold_request, 7);
	assert_int_equal(seen.run_ms, 250);
	assert_false(seen.with_body);
	assert_true(slice_is(seen.fields.at[0].value, "shop.example")); /* the Host that goes upstream */
	answer(WAF_SMALL, WAF_ALLOW, 0, 0, 0);
	assert_true(done && !stopped);
	assert_int_equal(facts.waf_us, 1234);
	end();
}

static void a_denial_stops_the_request(void **state)
{
	(void)state;
	begin(ENFORCE, "/", NULL, HTTP_BODY_NONE, 0);
	assert_true(take(WAF_SMALL));
	answer(WAF_SMALL, WAF_DENY, 403, 15, 941100);
	assert_true(done && stopped);
	assert_int_equal(run.verdict.reason, REASON_WAF_SCORE);
	assert_int_equal(run.verdict.status, 403);
	assert_int_equal(facts.waf_score, 15);
	assert_int_equal(facts.waf_hits_n, 1);
	assert_true(slice_is(facts.waf_hits[0].data, "found \"x\""));
	assert_true(run.record.notes_n == 1 && slice_is(run.record.notes[0].text, "941100 bad thing"));
	end();
}

static void content_and_head_are_one_question(void **state)
{
	struct held held = {.memory = SLICE("q=1"), .fd = -1, .len = 3};

	(void)state;
	begin(ENFORCE, "/", "application/x-www-form-urlencoded", HTTP_BODY_LENGTH, 3);
	assert_true(done && !stopped && !take(WAF_SMALL));
	assert_int_equal(chain_body(&run), BODY_HELD);
	assert_int_equal(facts.body_max, 1 << 20);
	body_gate(&held);
	assert_false(done);
	assert_true(take(WAF_SMALL));
	assert_true(seen.with_body && slice_is(seen.body, "q=1"));
	answer(WAF_SMALL, WAF_ALLOW, 0, 0, 0);
	assert_true(done && !stopped);
	end();
}

static void long_content_travels_as_a_file(void **state)
{
	static char text[WAF_INLINE + 1];
	struct held held = {.memory = slice_make(text, sizeof text), .fd = -1, .len = sizeof text};

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		begin(ENFORCE, "/", "application/x-www-form-urlencoded", HTTP_BODY_CHUNKED, 0);
		if (round) {
			held.fd = bed_file(held.memory, true);
			held.memory = SLICE_NONE;
		}
		body_gate(&held);
		assert_true(take(WAF_BIG));
		assert_true(seen.body_outside && seen.body_len == sizeof text);
		assert_int_equal(seen.run_ms, 250 + 64);
		answer(WAF_BIG, WAF_DENY, 400, 0, 200002);
		assert_true(done && stopped);
		assert_int_equal(run.verdict.reason, REASON_BODY_INVALID);
		assert_int_equal(run.verdict.status, 400);
		end();
	}
	close(held.fd);
}

static void too_much_of_something_is_413(void **state)
{
	struct held held = {.memory = SLICE("[1]"), .fd = -1, .len = 3};

	(void)state;
	begin(ENFORCE, "/", "application/json", HTTP_BODY_LENGTH, 3);
	body_gate(&held);
	assert_true(take(WAF_SMALL));
	answer(WAF_SMALL, WAF_DENY, 413, 0, WAF_RULE_BODY);
	assert_true(stopped);
	assert_int_equal(run.verdict.reason, REASON_BODY_TOO_LARGE);
	end();
}

static void content_that_cannot_be_inspected_is_refused_unread(void **state)
{
	(void)state;
	begin(ENFORCE, "/", "application/octet-stream", HTTP_BODY_LENGTH, 3);
	assert_true(done && stopped && !take(WAF_SMALL));
	assert_int_equal(run.verdict.status, 415);
	end();
	begin(ENFORCE, "/", "application/json", HTTP_BODY_LENGTH, (1 << 20) + 1);
	assert_true(done && stopped);
	assert_int_equal(run.verdict.status, 413);
	end();
}

static void a_helper_that_is_lost_decides_by_policy(void **state)
{
	static const struct {
		const char *policy;
		enum waf_result result;
		enum reason reason;
		bool stops;
	} rows[] = {
		{ENFORCE, WAF_LOST, REASON_WAF_LOST, true},
		{ENFORCE, WAF_SHED, REASON_WAF_BUSY, true},
		{"policy: p\nwaf: {mode: enforce, on_failure: pass}\n", WAF_LOST, REASON_WAF_LOST, false},
		{"policy: p\nwaf: {mode: enforce, on_failure: pass}\n", WAF_SHED, REASON_WAF_BUSY, false},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		begin(rows[i].policy, "/", NULL, HTTP_BODY_NONE, 0);
		assert_true(take(WAF_SMALL));
		answer(WAF_SMALL, rows[i].result, 0, 0, 0);
		assert_true(done);
		assert_int_equal(stopped, rows[i].stops);
		assert_int_equal(run.record.steps[0].reason, rows[i].reason);
		assert_int_equal(run.record.steps[0].status, 503);
		end();
	}
}

static void silence_ends_with_the_deadline(void **state)
{
	(void)state;
	begin(ENFORCE, "/", NULL, HTTP_BODY_NONE, 0);
	loop_virtual(loop, 5000000 + 2090 * 1000);
	loop_turn(loop, 0);
	loop_turn(loop, 0);
	assert_false(done);
	loop_virtual(loop, 5000000 + 2110 * 1000); /* queue 1000 + 4 x 250 + 100 */
	loop_turn(loop, 0);
	loop_turn(loop, 0);
	assert_true(done && stopped);
	assert_int_equal(run.verdict.reason, REASON_WAF_LOST);
	assert_int_equal(pool_outstanding(pool), 0);
	assert_true(take(WAF_SMALL));
	end();
}

static void a_client_that_leaves_takes_its_question_along(void **state)
{
	(void)state;
	begin(ENFORCE, "/", NULL, HTTP_BODY_NONE, 0);
	assert_int_equal(pool_outstanding(pool), 1);
	end();
	assert_int_equal(pool_outstanding(pool), 0);
	assert_false(done);
	assert_true(take(WAF_SMALL));
	answer(WAF_SMALL, WAF_DENY, 403, 9, 941100);
}

static void a_full_queue_is_busy(void **state)
{
	static struct pool_ask filler[WAF_OUTSTANDING];

	(void)state;
	for (unsigned i = 0; i < WAF_OUTSTANDING; i++) {
		bed_job(&seen, &arena, "/");
		assert_true(pool_ask(pool, &filler[i], &seen, -1, 1000));
	}
	begin(ENFORCE, "/", NULL, HTTP_BODY_NONE, 0);
	assert_true(done && stopped);
	assert_int_equal(run.verdict.reason, REASON_WAF_BUSY);
	end();
	for (unsigned i = 0; i < WAF_OUTSTANDING; i++)
		pool_cancel(pool, &filler[i]);
	while (take(WAF_SMALL))
		;
}

static void detect_lets_go_on_and_records(void **state)
{
	(void)state;
	begin(DETECT, "/", NULL, HTTP_BODY_NONE, 0);
	assert_true(done && !stopped);
	assert_true(take(WAF_SMALL));
	assert_int_equal(seen.mode, WAF_DETECT);
	answer(WAF_SMALL, WAF_ALLOW, 0, 15, 941100);
	assert_int_equal(facts.waf_hits_n, 1);
	assert_int_equal(facts.waf_score, 15);
	end();
}

static bool record_closed;

static void close_record(struct chain_run *r)
{
	assert_ptr_equal(r, &run);
	record_closed = true;
}

static void detect_keeps_the_record_open_until_the_answer(void **state)
{
	(void)state;
	record_closed = false;
	begin(DETECT, "/", NULL, HTTP_BODY_NONE, 0);
	assert_true(done && !stopped);
	assert_true(take(WAF_SMALL));
	assert_int_equal(run.background, 1);
	run.settled = close_record;
	answer(WAF_SMALL, WAF_ALLOW, 0, 15, 941100);
	assert_true(record_closed);
	assert_int_equal(run.background, 0);
	assert_int_equal(facts.waf_hits_n, 1);
	assert_string_equal(run.record.notes[0].key, "rule");
	assert_string_equal(run.record.notes[1].key, "would-block");
	end();
}

static void detect_that_is_cut_off_hears_nothing(void **state)
{
	(void)state;
	record_closed = false;
	begin(DETECT, "/", NULL, HTTP_BODY_NONE, 0);
	run.settled = close_record;
	assert_true(take(WAF_SMALL));
	end();
	answer(WAF_SMALL, WAF_ALLOW, 0, 15, 941100);
	assert_false(record_closed);
}

static void detect_that_waits_says_what_it_would_have_done(void **state)
{
	(void)state;
	configure(true);
	begin(DETECT, "/", NULL, HTTP_BODY_NONE, 0);
	assert_false(done);
	assert_true(take(WAF_SMALL));
	answer(WAF_SMALL, WAF_ALLOW, 0, 15, 941100);
	assert_true(done && !stopped);
	assert_true(run.record.steps[0].would && run.record.steps[0].reason == REASON_WAF_SCORE);
	end();
	begin(DETECT, "/", NULL, HTTP_BODY_NONE, 0);
	assert_true(take(WAF_SMALL));
	answer(WAF_SMALL, WAF_LOST, 0, 0, 0);
	assert_true(done && !stopped);
	end();
}

static void exclusions_travel_with_the_question(void **state)
{
	static const char text[] = "policy: p\n"
				   "waf:\n"
				   "  mode: enforce\n"
				   "  exclude:\n"
				   "    - {rules: [942100, 942190], target: query.q, why: search, owner: appsec, expires: 2027-02-01}\n"
				   "    - {tag: attack-xss, why: wiki, owner: appsec, expires: 2027-02-01, when: 'path == \"/wiki\"'}\n";

	(void)state;
	begin(text, "/", NULL, HTTP_BODY_NONE, 0);
	assert_true(take(WAF_SMALL));
	assert_true(seen.exclusions_n >= 2);
	assert_int_equal(seen.exclusions[0].rule, 942100);
	for (uint32_t i = 0; i < seen.exclusions_n; i++)
		assert_true(seen.exclusions[i].rule && seen.exclusions[i].target.len && !seen.exclusions[i].tag.len);
	end();
	begin(text, "/wiki", NULL, HTTP_BODY_NONE, 0);
	assert_true(take(WAF_SMALL));
	assert_true(slice_is(seen.exclusions[seen.exclusions_n - 1].tag, "attack-xss"));
	assert_int_equal(seen.exclusions[seen.exclusions_n - 1].target.len, 0);
	end();
}

#define ANSWERS(how) "policy: p\nwaf: {mode: enforce, responses: {" how "}}\n"

/* A request that is let through by inspector `who` - 1. */
static void begin_kept(const char *policy, uint8_t who)
{
	begin(policy, "/a?b=c", NULL, HTTP_BODY_NONE, 0);
	assert_true(take(WAF_SMALL));
	keeper = who;
	answer(WAF_SMALL, WAF_ALLOW, 0, 0, 0);
	keeper = 0;
	assert_true(done && !stopped);
}

static void nothing_is_kept_where_answers_are_not_looked_at(void **state)
{
	(void)state;
	begin(ENFORCE, "/", NULL, HTTP_BODY_NONE, 0);
	assert_true(take(WAF_SMALL) && !seen.keep);
	answer(WAF_SMALL, WAF_ALLOW, 0, 0, 0);
	assert_false(facts.answer_judged || facts.answer_plain);
	answer_gate(200, "text/html", HTTP_BODY_LENGTH, 10);
	assert_true(done && !stopped && !take(WAF_SMALL));
	assert_int_equal(chain_answer(&run), BODY_UNSEEN);
	end();
}

static void the_head_of_an_answer_is_asked_about_alone(void **state)
{
	static const struct {
		const char *policy;
		unsigned status;
		const char *type;
		enum http_body body;
	} rows[] = {
		{ANSWERS("mode: enforce"), 200, "text/html", HTTP_BODY_CHUNKED},
		{ANSWERS("mode: enforce, body: true"), 304, "text/html", HTTP_BODY_NONE},
		{ANSWERS("mode: enforce, body: true"), 200, "image/png", HTTP_BODY_CHUNKED},
		{ANSWERS("mode: enforce, body: true, types: [text/csv]"), 200, "text/html", HTTP_BODY_CHUNKED},
		{ANSWERS("mode: enforce, body: true"), 200, "text/html; charset=UTF-16LE", HTTP_BODY_CHUNKED},
		{ANSWERS("mode: enforce, body: true"), 200, "text/event-stream", HTTP_BODY_CHUNKED},
		{ANSWERS("mode: enforce, body: true, beyond: block"), 200, "text/event-stream", HTTP_BODY_CHUNKED},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		begin_kept(rows[i].policy, 1);
		assert_true(seen.keep && facts.answer_judged);
		answer_gate(rows[i].status, rows[i].type, rows[i].body, 0);
		assert_false(done);
		assert_int_equal(chain_answer(&run), BODY_UNSEEN);
		assert_true(take(WAF_SMALL));
		assert_true(seen.answering && seen.status == rows[i].status && !seen.with_body && seen.answer.n == 1);
		assert_true(seen.kept && slice_is(seen.target, "/a?b=c"));
		answer(WAF_SMALL, WAF_ALLOW, 0, 0, 0);
		assert_true(done && !stopped);
		end();
	}
}

static void an_answers_content_is_held_and_asked_about_with_its_head(void **state)
{
	static const char *const types[] = {"text/html", "TEXT/HTML; charset=utf-8", "application/json", NULL, "text", "text/html,"};
	struct held held = {.memory = SLICE("<p>a page</p>"), .fd = -1, .len = 13};

	(void)state;
	for (size_t i = 0; i < ROWS(types); i++) {
		begin_kept(ANSWERS("mode: enforce, body: true, max: 1MiB"), 1);
		assert_true(facts.answer_plain);
		answer_gate(200, types[i], HTTP_BODY_CHUNKED, 0);
		if (!done || stopped || take(WAF_SMALL))
			fail_msg("%s", types[i] ? types[i] : "no type");
		assert_int_equal(chain_answer(&run), BODY_HELD);
		assert_int_equal(facts.answer_max, 1 << 20);
		answer_body_gate(&held);
		assert_false(done);
		assert_true(take(WAF_SMALL) && seen.answering && slice_is(seen.body, "<p>a page</p>"));
		answer(WAF_SMALL, WAF_DENY, 403, 5, 951100);
		assert_true(done && stopped);
		assert_int_equal(run.verdict.reason, REASON_WAF_ANSWER);
		assert_int_equal(run.verdict.status, 403);
		assert_int_equal(facts.waf_answer_score, 5);
		assert_int_equal(facts.waf_score, 0);
		assert_int_equal(facts.waf_hits_n, 1);
		end();
	}
}

/* F17: what goes through a tunnel is said to be unseen, both ways where answers are looked at, and only once it is open. */
static void what_follows_an_upgrade_is_unseen(void **state)
{
	static const struct {
		const char *policy;
		unsigned status;
		bool asked, up, down;
	} rows[] = {
		{ANSWERS("mode: enforce"), 101, true, true, true},
		{ANSWERS("mode: enforce, body: true, beyond: block"), 101, true, true, true},
		{"policy: p\nwaf: {mode: enforce}\n", 101, false, true, false},
		{ANSWERS("mode: enforce"), 403, true, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		begin(rows[i].policy, "/", NULL, HTTP_BODY_NONE, 0);
		assert_true(take(WAF_SMALL));
		answer(WAF_SMALL, WAF_ALLOW, 0, 0, 0);
		answer_gate(rows[i].status, NULL, HTTP_BODY_NONE, 0);
		if (take(WAF_SMALL) != rows[i].asked)
			fail_msg("row %zu", i);
		if (rows[i].asked)
			answer(WAF_SMALL, WAF_ALLOW, 0, 0, 0);
		assert_true(done && !stopped);
		assert_int_equal(facts.uninspected, rows[i].up);
		assert_int_equal(facts.answer_uninspected, rows[i].down);
		assert_int_equal(run.record.notes_n, rows[i].up);
		end();
	}
}

static void hits_of_request_and_answer_stand_in_one_list(void **state)
{
	(void)state;
	begin(ANSWERS("mode: enforce"), "/", NULL, HTTP_BODY_NONE, 0);
	assert_true(take(WAF_SMALL));
	answer(WAF_SMALL, WAF_ALLOW, 0, 3, 920300);
	answer_gate(200, NULL, HTTP_BODY_NONE, 0);
	assert_true(take(WAF_SMALL));
	answer(WAF_SMALL, WAF_ALLOW, 0, 2, 950100);
	assert_true(done && !stopped);
	assert_int_equal(facts.waf_hits_n, 2);
	assert_true(facts.waf_hits[0].rule == 920300 && facts.waf_hits[1].rule == 950100);
	assert_true(facts.waf_score == 3 && facts.waf_answer_score == 2);
	assert_int_equal(facts.waf_us, 2 * 1234);
	assert_int_equal(run.record.notes_n, 2);
	assert_true(slice_is(run.record.notes[1].text, "950100 bad thing"));
	end();
}

static void what_cannot_be_read_goes_the_way_policy_says(void **state)
{
	static const struct {
		unsigned status;
		const char *type, *coding;
		uint64_t length;
	} rows[] = {
		{200, "text/html", "gzip", 10},
		{200, "text/html; charset=utf-16", NULL, 10},
		{206, "text/html", NULL, 10},
		{200, "text/html", NULL, (512 << 10) + 1},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows) * 2; i++) {
		size_t row = i / 2;
		bool block = i % 2;

		begin_kept(block ? ANSWERS("mode: enforce, body: true, beyond: block") : ANSWERS("mode: enforce, body: true"), 1);
		res = (struct response){0};
		answer_gate(rows[row].status, rows[row].type, HTTP_BODY_LENGTH, rows[row].length);
		if (rows[row].coding) {
			end();
			begin_kept(block ? ANSWERS("mode: enforce, body: true, beyond: block") : ANSWERS("mode: enforce, body: true"), 1);
			res = (struct response){.status = 200, .body = HTTP_BODY_LENGTH, .content_length = 10};
			fields_add(&res.fields, &arena, SLICE("content-type"), SLICE("text/html"));
			fields_add(&res.fields, &arena, SLICE("content-encoding"), slice_of(rows[row].coding));
			done = stopped = false;
			run.visits[0].response = &res;
			chain_gate(&run, GATE_RESPONSE);
		}
		if (block && (!done || !stopped || run.verdict.reason != REASON_ANSWER_UNSEEN || run.verdict.status != 502))
			fail_msg("row %zu is not refused", row);
		if (!block && stopped)
			fail_msg("row %zu is refused", row);
		end();
		while (take(WAF_SMALL))
			;
	}
}

static void what_turns_out_longer_is_judged_as_far_as_it_is_held(void **state)
{
	struct held held = {.memory = SLICE("the beginning"), .fd = -1, .len = 13, .cut = true};

	(void)state;
	begin_kept(ANSWERS("mode: enforce, body: true"), 1);
	answer_gate(200, "text/html", HTTP_BODY_CHUNKED, 0);
	answer_body_gate(&held);
	assert_true(take(WAF_SMALL) && slice_is(seen.body, "the beginning"));
	answer(WAF_SMALL, WAF_ALLOW, 0, 0, 0);
	assert_true(done && !stopped && run.record.notes_n == 1);
	assert_string_equal(run.record.notes[0].key, "uninspected");
	end();
	begin_kept(ANSWERS("mode: enforce, body: true, beyond: block"), 1);
	answer_gate(200, "text/html", HTTP_BODY_CHUNKED, 0);
	answer_body_gate(&held);
	assert_true(done && stopped && !take(WAF_SMALL));
	assert_int_equal(run.verdict.status, 502);
	end();
}

static void a_lost_verdict_over_an_answer_decides_by_policy(void **state)
{
	(void)state;
	for (unsigned pass = 0; pass < 2; pass++) {
		begin_kept(pass ? "policy: p\nwaf: {on_failure: pass, responses: {mode: enforce}}\n" : ANSWERS("mode: enforce"), 1);
		answer_gate(200, NULL, HTTP_BODY_NONE, 0);
		assert_true(take(WAF_SMALL));
		answer(WAF_SMALL, WAF_LOST, 0, 0, 0);
		assert_true(done && stopped == !pass);
		end();
	}
}

static void answers_in_detect_mode_go_on_and_are_recorded(void **state)
{
	struct held held = {.memory = SLICE("<p>a page</p>"), .fd = -1, .len = 13};

	(void)state;
	record_closed = false;
	begin_kept(ANSWERS("mode: detect, body: true, beyond: block"), 1);
	answer_gate(200, "text/html", HTTP_BODY_CHUNKED, 0);
	assert_true(done && !stopped && !take(WAF_SMALL));
	assert_int_equal(chain_answer(&run), BODY_STREAMED);
	answer_body_gate(&held);
	assert_true(done && !stopped);
	assert_int_equal(run.background, 1);
	run.settled = close_record;
	assert_true(take(WAF_SMALL) && seen.mode == WAF_DETECT);
	answer(WAF_SMALL, WAF_ALLOW, 0, 5, 951100);
	assert_true(record_closed);
	assert_string_equal(run.record.notes[0].key, "rule");
	assert_string_equal(run.record.notes[1].key, "would-block");
	end();
}

static void an_answer_that_comes_before_its_requests_verdict_is_asked_about_after_it(void **state)
{
	struct held held = {.memory = SLICE("<p>a page</p>"), .fd = -1, .len = 13};
	uint64_t token;

	(void)state;
	for (unsigned lost = 0; lost < 2; lost++) {
		record_closed = false;
		begin("policy: p\nwaf: {mode: detect, responses: {mode: detect, body: true}}\n", "/", NULL, HTTP_BODY_NONE, 0);
		assert_true(done && take(WAF_SMALL));
		token = seen.token;
		answer_gate(200, "text/html", HTTP_BODY_CHUNKED, 0);
		answer_body_gate(&held);
		assert_true(done && !stopped);
		assert_int_equal(run.background, 2);
		run.settled = close_record;
		keeper = 1;
		answer(WAF_SMALL, lost ? WAF_LOST : WAF_ALLOW, 0, 0, 0);
		keeper = 0;
		assert_false(record_closed);
		assert_true(take(WAF_SMALL) && seen.answering && slice_is(seen.body, "<p>a page</p>"));
		assert_true(seen.kept == (lost ? 0 : token));
		answer(WAF_SMALL, WAF_ALLOW, 0, 5, 951100);
		assert_true(record_closed && facts.waf_answer_score == 5);
		end();
	}
	/* Cut off in between. */
	begin("policy: p\nwaf: {mode: detect, responses: {mode: detect}}\n", "/", NULL, HTTP_BODY_NONE, 0);
	assert_true(take(WAF_SMALL));
	answer_gate(200, "text/html", HTTP_BODY_CHUNKED, 0);
	end();
	answer(WAF_SMALL, WAF_ALLOW, 0, 0, 0);
	assert_false(take(WAF_SMALL));
}

static void detect_that_waits_holds_answers_too(void **state)
{
	struct held held = {.memory = SLICE("<p>a page</p>"), .fd = -1, .len = 13};

	(void)state;
	configure(true);
	begin_kept(ANSWERS("mode: detect, body: true"), 1);
	answer_gate(200, "text/html", HTTP_BODY_CHUNKED, 0);
	assert_int_equal(chain_answer(&run), BODY_HELD);
	answer_body_gate(&held);
	assert_false(done);
	assert_true(take(WAF_SMALL));
	answer(WAF_SMALL, WAF_ALLOW, 0, 5, 951100);
	assert_true(done && !stopped);
	assert_true(run.record.steps[run.record.steps_n - 1].would);
	end();
}

static void every_failing_allocation_is_a_refusal(void **state)
{
	(void)state;
	for (unsigned long n = 1; n < 40; n++) {
		struct held held = {.memory = SLICE("q=1"), .fd = -1, .len = 3};

		begin(ENFORCE, "/", "application/x-www-form-urlencoded", HTTP_BODY_LENGTH, 3);
		assert_true(done && !stopped);
		mem_fail_at(n);
		body_gate(&held);
		mem_fail_at(0);
		if (mem_failed())
			assert_true(!done || stopped);
		end();
		while (take(WAF_SMALL))
			;
	}
}

/* ---- The client's share ---- */

static void who_had_his_share_is_not_asked_about(void **state)
{
	static const struct {
		const char *policy, *type;
		bool stops;
	} rows[] = {
		{ENFORCE, NULL, true},
		{ENFORCE, "application/json", true},
		{DETECT, NULL, false},
	};
	size_t size = words_size(64);
	void *table = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct addr client = {{[10] = 0xff, 0xff, 192, 0, 2, 7}};
	struct bill bill, other;

	(void)state;
	conf.spending = (struct spending){.words = words_at(table, size), .cpu_ms = 1000, .window_ms = 10000};
	bill_open(&other, &conf.spending, &client, 100000, loop_us(loop));
	bill_open(&bill, &conf.spending, &client, 1000000, loop_us(loop));
	for (unsigned i = 0; i < ROWS(rows); i++) {
		begin(rows[i].policy, "/", rows[i].type, rows[i].type ? HTTP_BODY_LENGTH : HTTP_BODY_NONE, rows[i].type ? 3 : 0);
		assert_true(done && stopped == rows[i].stops && !take(WAF_SMALL));
		assert_int_equal(facts.uninspected, !rows[i].stops);
		assert_int_equal(run.record.steps[0].reason, REASON_WAF_BUDGET);
		if (rows[i].stops) {
			assert_int_equal(run.verdict.status, 429);
			assert_int_equal(run.verdict.retry_after_s, 2);
		}
		end();
	}
	bill_settle(&bill, 800000, loop_us(loop));
	begin(ENFORCE, "/", NULL, HTTP_BODY_NONE, 0);
	assert_true(!done && take(WAF_SMALL));
	answer(WAF_SMALL, WAF_ALLOW, 0, 0, 0);
	end();
	conf.spending = (struct spending){0};
	munmap(table, size);
}

static void between_head_and_content_the_share_may_be_used_up(void **state)
{
	struct held held = {.memory = SLICE("[1]"), .fd = -1, .len = 3};
	size_t size = words_size(64);
	void *table = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct bill bill;

	(void)state;
	conf.spending = (struct spending){.words = words_at(table, size), .cpu_ms = 1000, .window_ms = 10000};
	begin(ENFORCE, "/", "application/json", HTTP_BODY_LENGTH, 3);
	assert_true(done && !stopped);
	bill_open(&bill, &conf.spending, &facts.client, 1100000, loop_us(loop));
	body_gate(&held);
	assert_true(done && stopped && run.verdict.reason == REASON_WAF_BUDGET && !take(WAF_SMALL));
	end();
	conf.spending = (struct spending){0};
	munmap(table, size);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bed, close_bed)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(off_asks_nobody),
		TEST(a_head_is_asked_about_at_once),
		TEST(a_denial_stops_the_request),
		TEST(content_and_head_are_one_question),
		TEST(long_content_travels_as_a_file),
		TEST(too_much_of_something_is_413),
		TEST(content_that_cannot_be_inspected_is_refused_unread),
		TEST(a_helper_that_is_lost_decides_by_policy),
		TEST(silence_ends_with_the_deadline),
		TEST(a_client_that_leaves_takes_its_question_along),
		TEST(a_full_queue_is_busy),
		TEST(detect_lets_go_on_and_records),
		TEST(detect_keeps_the_record_open_until_the_answer),
		TEST(detect_that_is_cut_off_hears_nothing),
		TEST(detect_that_waits_says_what_it_would_have_done),
		TEST(exclusions_travel_with_the_question),
		TEST(nothing_is_kept_where_answers_are_not_looked_at),
		TEST(the_head_of_an_answer_is_asked_about_alone),
		TEST(an_answers_content_is_held_and_asked_about_with_its_head),
		TEST(what_follows_an_upgrade_is_unseen), TEST(hits_of_request_and_answer_stand_in_one_list),
		TEST(what_cannot_be_read_goes_the_way_policy_says),
		TEST(what_turns_out_longer_is_judged_as_far_as_it_is_held),
		TEST(a_lost_verdict_over_an_answer_decides_by_policy),
		TEST(answers_in_detect_mode_go_on_and_are_recorded),
		TEST(an_answer_that_comes_before_its_requests_verdict_is_asked_about_after_it),
		TEST(detect_that_waits_holds_answers_too),
		TEST(who_had_his_share_is_not_asked_about),
		TEST(between_head_and_content_the_share_may_be_used_up),
		TEST(every_failing_allocation_is_a_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
