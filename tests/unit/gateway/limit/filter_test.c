/* The filter in a chain of its own: in memory, with a real Redis, and without it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "gateway/limit/limit.h"
#include "gateway/redis/redis_server.h"

enum { DEADLINE_MS = 20, SLACK_MS = 40, MOST = 4 };

#define ID(text) {SLICE(text), "shop.yaml", 7}

/* ---- What the policy says: a list set by each test ---- */

static struct policy_asks said;
static const char *said_note;

void policy_limits(struct policy_run *run, struct policy_asks *out, policy_note_fn *tell, void *context)
{
	(void)run;
	*out = said;
	if (said_note)
		tell(context, said_note, &said.at[0].limit->entry, SLICE_NONE);
}

static struct policy_limit make_limit(const char *id, uint64_t number, int64_t period_ms)
{
	return (struct policy_limit){.entry = {slice_of(id), "shop.yaml", 7}, .number = number, .period_ms = period_ms,
				     .burst = number, .advertise = true, .over_status = 429, .over_act = POLICY_BLOCK};
}

static void say(const struct policy_limit *limit, const char *key)
{
	said.at[said.n++] = (struct policy_ask){.limit = limit, .key = slice_of(key), .cost = 1};
}

/* ---- A request ---- */

static struct loop *loop;
static struct redis *store;
static struct redis_server server;

static struct bed {
	struct chain_run run;
	struct facts facts;
	struct request req;
	struct arena arena;
	struct budget budget;
	bool done, stop;
} bed;

static const struct filter *const filters[] = {&limit_filter, NULL};
static struct limit_config config;
static const void *const confs[] = {&config};

static void walked(struct chain_run *run, bool stop)
{
	(void)run;
	bed.done = true;
	bed.stop = stop;
}

static void request_begin(void)
{
	memset(&bed, 0, sizeof bed);
	arena_init(&bed.arena, &bed.budget, 4096);
	bed.facts.policy = (const struct policy *)&bed;
	bed.facts.policy_ran = true;
	assert_true(chain_init(&bed.run, loop, filters, confs, &bed.req, &bed.facts, &bed.arena, walked, NULL));
	chain_gate(&bed.run, GATE_REQUEST);
}

static void request_end(void)
{
	chain_done(&bed.run);
	arena_done(&bed.arena);
	assert_int_equal(bed.budget.used, 0);
}

/* True when it passes; the record and the fields stay until the next one. */
static bool request(void)
{
	if (bed.arena.budget)
		request_end();
	request_begin();
	for (int i = 0; !bed.done && i < 2000; i++)
		loop_turn(loop, 1);
	assert_true(bed.done);
	return !bed.stop;
}

static struct slice declared(const char *name)
{
	uint32_t i = 0;
	struct field *f = fields_next(&bed.facts.client_fields, slice_of(name), &i);

	return f ? f->value : SLICE("none");
}

#define ASSERT_SLICE(got, want)                                                                                 \
	do {                                                                                                    \
		struct slice got_ = (got);                                                                      \
		if (!slice_is(got_, want))                                                                      \
			fail_msg("got %.*s, want %s", SLICE_F(got_), want);                                     \
	} while (0)

static const struct record_note *noted(const char *key)
{
	for (unsigned i = 0; i < bed.run.record.notes_n; i++)
		if (strcmp(bed.run.record.notes[i].key, key) == 0)
			return &bed.run.record.notes[i];
	return NULL;
}

/* ---- Beds ---- */

static void configure(unsigned share)
{
	static void *memory;
	size_t size = words_size(1024);

	config = (struct limit_config){.redis = store, .deadline_ms = DEADLINE_MS, .local_share = share, .key_secret = {1, 2, 3}};

	if (memory)
		munmap(memory, size);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	config.words = words_at(memory, size);
	limit_prepare(&config, true);
}

static int in_memory(void **state)
{
	(void)state;
	said = (struct policy_asks){.n = 0};
	said_note = NULL;
	store = NULL;
	loop = loop_new();
	loop_virtual(loop, 1000000000);
	configure(1);
	return 0;
}

static int with_redis(void **state)
{
	struct redis_plan plan;

	(void)state;
	said = (struct policy_asks){.n = 0};
	said_note = NULL;
	server = (struct redis_server){0};
	if (!redis_server_start(&server))
		return -1;
	loop = loop_new();
	plan = plan_for(server.port, DEADLINE_MS);
	store = redis_new(loop, &plan);
	configure(1);
	return turn_until_ready(loop, store, true, 3000) ? 0 : -1;
}

static int leave(void **state)
{
	(void)state;
	if (bed.arena.budget)
		request_end();
	memset(&bed, 0, sizeof bed);
	redis_free(store);
	loop_free(loop);
	redis_server_kill(&server);
	store = NULL;
	return 0;
}

/* ---- In memory ---- */

static void without_limits_nothing_is_said(void **state)
{
	(void)state;
	assert_true(request());
	assert_int_equal(bed.run.record.steps_n, 0);
	assert_int_equal(bed.facts.client_fields.n, 0);
}

static void before_the_policy_has_run_nothing_is_asked(void **state)
{
	struct policy_limit l = make_limit("login", 1, 60000);

	(void)state;
	say(&l, "k");
	for (int i = 0; i < 3; i++) {
		if (bed.arena.budget)
			request_end();
		memset(&bed, 0, sizeof bed);
		arena_init(&bed.arena, &bed.budget, 4096);
		bed.facts.policy = i == 1 ? (const struct policy *)&bed : NULL;
		bed.facts.policy_ran = i == 2;
		assert_true(chain_init(&bed.run, loop, filters, confs, &bed.req, &bed.facts, &bed.arena, walked, NULL));
		chain_gate(&bed.run, GATE_REQUEST);
		assert_true(bed.done && !bed.stop);
	}
}

static void five_pass_and_the_sixth_is_told_when_to_come_back(void **state)
{
	static const char *const want[] = {"\"login\";r=4;t=12", "\"login\";r=3;t=24", "\"login\";r=2;t=36",
					   "\"login\";r=1;t=48", "\"login\";r=0;t=60"};
	struct policy_limit l = make_limit("login", 5, 60000);

	(void)state;
	say(&l, "shop/login\n192.0.2.1");
	for (int i = 0; i < 5; i++) {
		assert_true(request());
		ASSERT_SLICE(declared("ratelimit-policy"), "\"login\";q=5;w=60");
		ASSERT_SLICE(declared("ratelimit"), want[i]);
		assert_int_equal(bed.run.record.steps_n, 0);
	}
	assert_false(request());
	assert_int_equal(bed.run.verdict.kind, VERDICT_DENY);
	assert_int_equal(bed.run.verdict.reason, REASON_RATE_LIMIT);
	assert_int_equal(bed.run.verdict.status, 429);
	assert_int_equal(bed.run.verdict.retry_after_s, 12);
	ASSERT_SLICE(bed.run.verdict.by.id, "login");
	ASSERT_SLICE(declared("ratelimit"), "\"login\";r=0;t=12");
	loop_virtual(loop, 1000000000 + 11999999);
	assert_false(request());
	assert_int_equal(bed.run.verdict.retry_after_s, 1);
	loop_virtual(loop, 1000000000 + 12000000);
	assert_true(request());
}

static void keys_are_counted_apart(void **state)
{
	struct policy_limit l = make_limit("login", 1, 60000);

	(void)state;
	say(&l, "shop/login\n192.0.2.1");
	assert_true(request());
	assert_false(request());
	said.n = 0;
	say(&l, "shop/login\n192.0.2.2");
	assert_true(request());
	assert_false(request());
}

static const struct {
	struct policy_limit limit;
	enum verdict_kind kind;
	unsigned status;
	int64_t retry_after_s;
	const char *location, *policy, *says;
} ways[] = {
	{{.entry = ID("a"), .number = 1, .period_ms = 60000, .burst = 1, .advertise = true, .over_act = POLICY_BLOCK,
	  .over_status = 503},
	 VERDICT_DENY, 503, 60, "", "\"a\";q=1;w=60", "another status"},
	{{.entry = ID("a"), .number = 1, .period_ms = 60000, .burst = 1, .advertise = true, .over_act = POLICY_BLOCK,
	  .over_status = 429, .over_retry_after_s = 1800},
	 VERDICT_DENY, 429, 1800, "", "\"a\";q=1;w=60", "a retry_after of the policy's own"},
	{{.entry = ID("a"), .number = 1, .period_ms = 60000, .burst = 1, .advertise = true, .over_act = POLICY_REDIRECT,
	  .over_status = 302, .over_to = {"/wait", 5}},
	 VERDICT_REDIRECT, 302, 60, "/wait", "\"a\";q=1;w=60", "a redirect"},
	{{.entry = ID("a"), .number = 1, .period_ms = 60000, .burst = 1, .over_act = POLICY_BLOCK, .over_status = 429},
	 VERDICT_DENY, 429, 60, "", "none", "not advertised: Retry-After all the same"},
	{{.entry = ID("a"), .number = 1, .period_ms = 1500, .burst = 1, .advertise = true, .over_act = POLICY_BLOCK,
	  .over_status = 429},
	 VERDICT_DENY, 429, 2, "", "\"a\";q=1", "a window that is no whole number of seconds is not said"},
};

static void a_limit_refuses_as_its_policy_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		char key[8];

		snprintf(key, sizeof key, "k%zu", i);
		said.n = 0;
		say(&ways[i].limit, key);
		assert_true(request());
		if (request() || bed.run.verdict.kind != ways[i].kind || bed.run.verdict.status != ways[i].status ||
		    bed.run.verdict.retry_after_s != ways[i].retry_after_s)
			fail_msg("%s", ways[i].says);
		ASSERT_SLICE(bed.run.verdict.location, ways[i].location);
		ASSERT_SLICE(declared("ratelimit-policy"), ways[i].policy);
	}
}

static void a_limit_in_detect_only_records(void **state)
{
	struct policy_limit l = make_limit("login", 1, 60000), other = make_limit("all", 5, 60000);

	(void)state;
	l.mode = POLICY_DETECT;
	say(&l, "k");
	say(&other, "o");
	assert_true(request());
	assert_true(request());
	assert_int_equal(bed.run.record.steps_n, 1);
	assert_true(bed.run.record.steps[0].would);
	assert_int_equal(bed.run.record.steps[0].status, 429);
	ASSERT_SLICE(bed.run.record.steps[0].by.id, "login");
	ASSERT_SLICE(noted("would-be-over")->text, "login");
	/* A client is not told of a limit that does not hold it. */
	ASSERT_SLICE(declared("ratelimit"), "\"all\";r=3;t=24");
}

static void several_limits_are_charged_all_or_none(void **state)
{
	struct policy_limit narrow = make_limit("narrow", 1, 60000), wide = make_limit("wide", 5, 60000);

	(void)state;
	say(&wide, "w");
	say(&narrow, "n");
	assert_true(request());
	ASSERT_SLICE(declared("ratelimit-policy"), "\"wide\";q=5;w=60, \"narrow\";q=1;w=60");
	ASSERT_SLICE(declared("ratelimit"), "\"wide\";r=4;t=12, \"narrow\";r=0;t=60");
	for (int i = 0; i < 10; i++) {
		assert_false(request());
		ASSERT_SLICE(bed.run.verdict.by.id, "narrow");
		ASSERT_SLICE(declared("ratelimit"), "\"wide\";r=4;t=12, \"narrow\";r=0;t=60");
	}
}

static void who_is_over_two_limits_waits_for_the_longer(void **state)
{
	struct policy_limit soon = make_limit("soon", 1, 10000), late = make_limit("late", 1, 60000);

	(void)state;
	say(&soon, "s");
	say(&late, "l");
	assert_true(request());
	assert_false(request());
	ASSERT_SLICE(bed.run.verdict.by.id, "soon");
	assert_int_equal(bed.run.verdict.retry_after_s, 60);
}

static void of_several_keys_of_one_limit_the_worst_is_told(void **state)
{
	struct policy_limit l = make_limit("login", 5, 60000);

	(void)state;
	say(&l, "one");
	assert_true(request());
	said.n = 0;
	say(&l, "two");
	say(&l, "one");
	assert_true(request());
	ASSERT_SLICE(declared("ratelimit-policy"), "\"login\";q=5;w=60");
	ASSERT_SLICE(declared("ratelimit"), "\"login\";r=3;t=24");
}

static void fields_stay_short(void **state)
{
	struct policy_limit l[POLICY_ASKS];
	char ids[POLICY_ASKS][41];

	(void)state;
	for (int i = 0; i < POLICY_ASKS; i++) {
		snprintf(ids[i], sizeof ids[i], "%040d", i);
		l[i] = make_limit(ids[i], 1000000000, 86400000);
		say(&l[i], ids[i]);
	}
	assert_true(request());
	assert_in_range(declared("ratelimit").len, 900, 1024);
	assert_in_range(declared("ratelimit-policy").len, 900, 1024);
	assert_memory_equal(declared("ratelimit").at + declared("ratelimit").len - 2, "=1", 2);
}

static void a_key_the_policy_refuses_is_refused(void **state)
{
	static const struct {
		uint16_t status;
		enum reason reason;
	} cases[] = {{400, REASON_LIMIT_KEY}, {503, REASON_POLICY_MEMORY}};

	(void)state;
	for (int i = 0; i < 2; i++) {
		said.refuse = true;
		said.refuse_status = cases[i].status;
		said.refuse_by = (struct policy_entry)ID("key");
		assert_false(request());
		assert_int_equal(bed.run.verdict.reason, cases[i].reason);
		assert_int_equal(bed.run.verdict.status, cases[i].status);
		ASSERT_SLICE(bed.run.verdict.by.id, "key");
	}
}

static void without_memory_the_request_is_refused(void **state)
{
	struct policy_limit l = make_limit("login", 1000, 60000);
	bool once = false;

	(void)state;
	said_note = "unknown";
	for (unsigned long at = 1;; at++) {
		said.n = 0;
		say(&l, "k");
		if (bed.arena.budget)
			request_end();
		memset(&bed, 0, sizeof bed);
		arena_init(&bed.arena, &bed.budget, 64);
		bed.facts.policy = (const struct policy *)&bed;
		bed.facts.policy_ran = true;
		assert_true(chain_init(&bed.run, loop, filters, confs, &bed.req, &bed.facts, &bed.arena, walked, NULL));
		mem_fail_at(at);
		chain_gate(&bed.run, GATE_REQUEST);
		if (!mem_failed())
			break;
		assert_true(bed.done);
		once |= bed.stop;
		assert_true(!bed.stop || bed.run.verdict.reason == REASON_POLICY_MEMORY);
	}
	mem_fail_at(0);
	assert_true(once);
}

/* ---- With Redis ---- */

static void redis_counts_as_memory_does(void **state)
{
	struct policy_limit l = make_limit("login", 5, 3600000), detect = make_limit("all", 1, 3600000);

	(void)state;
	detect.mode = POLICY_DETECT;
	say(&l, "shop/login\n192.0.2.1");
	say(&detect, "shop/all\n192.0.2.1");
	for (int i = 0; i < 5; i++) {
		char want[64];

		assert_true(request());
		snprintf(want, sizeof want, "\"login\";r=%d;t=%d", 4 - i, 720 * (i + 1));
		ASSERT_SLICE(declared("ratelimit"), want);
		assert_int_equal(bed.run.record.steps[0].would, i > 0);
	}
	assert_false(request());
	assert_int_equal(bed.run.verdict.status, 429);
	assert_in_range(bed.run.verdict.retry_after_s, 718, 720);
	assert_null(noted("store"));
}

static void what_redis_keeps_is_short_hashed_and_leaves(void **state)
{
	struct policy_limit l = make_limit("login", 5, 60000);
	struct asked keys, ttl;
	char line[160];

	(void)state;
	say(&l, "shop/login\n192.0.2.1 \r\nDEL {x} and 64 KiB of what a client sent");
	assert_true(request());
	assert_true(ask(store, &keys, "RANDOMKEY"));
	assert_true(turn_until_told(loop, &keys, 1000));
	assert_int_equal(strlen(keys.text), 35);
	assert_int_equal(strspn(keys.text + 3, "0123456789abcdef"), 32);
	assert_memory_equal(keys.text, "pc:", 3);
	snprintf(line, sizeof line, "PTTL %s", keys.text);
	assert_true(ask(store, &ttl, line));
	assert_true(turn_until_told(loop, &ttl, 1000));
	assert_in_range(ttl.integer, 11000, 12000);
}

static void a_script_that_redis_forgot_is_sent_again(void **state)
{
	struct policy_limit l = make_limit("login", 2, 3600000);
	struct asked a;

	(void)state;
	say(&l, "k");
	assert_true(request());
	assert_true(ask(store, &a, "SCRIPT FLUSH"));
	assert_true(turn_until_told(loop, &a, 1000));
	assert_true(request());
	assert_null(noted("store"));
	assert_false(request());
}

/* ---- Without it ---- */

enum loss { NEVER_THERE, STOPPED, KILLED, OUT_OF_MEMORY };

static void lose(enum loss how)
{
	struct asked a;

	switch (how) {
	case NEVER_THERE:
		redis_server_kill(&server);
		assert_true(turn_until_ready(loop, store, false, 1000));
		break;
	case STOPPED:
		kill(server.pid, SIGSTOP);
		loop_turn(loop, 0);
		break;
	case KILLED:
		redis_server_kill(&server);
		break;
	case OUT_OF_MEMORY:
		assert_true(ask(store, &a, "CONFIG SET maxmemory 1"));
		assert_true(turn_until_told(loop, &a, 1000));
		break;
	}
}

static void find_again(enum loss how)
{
	struct asked a;

	if (how == OUT_OF_MEMORY) {
		assert_true(ask(store, &a, "CONFIG SET maxmemory 0"));
		assert_true(turn_until_told(loop, &a, 1000));
		return;
	}
	if (how == STOPPED)
		kill(server.pid, SIGCONT);
	else
		assert_true(redis_server_start(&server));
	assert_true(turn_until_ready(loop, store, true, 2500));
}

static const struct {
	enum policy_lost lost;
	enum policy_mode mode;
	unsigned share, passes; /* of ten requests */
	unsigned status;        /* of the others */
	const char *says;
} losses[] = {
	{POLICY_LOST_LOCAL, POLICY_ENFORCE, 1, 6, 429, "the only node grants the whole limit"},
	{POLICY_LOST_LOCAL, POLICY_ENFORCE, 3, 2, 429, "one of three nodes grants a third"},
	{POLICY_LOST_LOCAL, POLICY_ENFORCE, 100, 1, 429, "but at least one"},
	{POLICY_LOST_PASS, POLICY_ENFORCE, 1, 10, 0, "pass"},
	{POLICY_LOST_BLOCK, POLICY_ENFORCE, 1, 0, 503, "block"},
	{POLICY_LOST_BLOCK, POLICY_DETECT, 1, 10, 0, "block, in detect"},
	{POLICY_LOST_LOCAL, POLICY_DETECT, 1, 10, 0, "a share, in detect"},
};

static void on_failure_decides_without_a_wait(enum loss how)
{
	for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
		struct policy_limit l = make_limit("login", 6, 3600000);
		unsigned passes = 0;

		l.lost = losses[i].lost;
		l.mode = losses[i].mode;
		said.n = 0;
		say(&l, "k");
		configure(losses[i].share);
		lose(how);
		for (int k = 0; k < 10; k++) {
			int64_t began = loop_clock_us(), took;
			bool passed = request();

			took = loop_clock_us() - began;
			passes += passed;
			if (took > (DEADLINE_MS + SLACK_MS) * 1000 || (k && how == STOPPED && took > 15000))
				fail_msg("%s: request %d waited %d us", losses[i].says, k, (int)took);
			if (!passed && bed.run.verdict.status != losses[i].status)
				fail_msg("%s: status %u", losses[i].says, bed.run.verdict.status);
			assert_non_null(noted("store"));
		}
		if (passes != losses[i].passes)
			fail_msg("%s: %u passed", losses[i].says, passes);
		if (losses[i].lost != POLICY_LOST_LOCAL) {
			assert_int_equal(bed.run.record.steps[0].kind, VERDICT_UNSURE);
			assert_int_equal(bed.run.record.steps[0].reason, REASON_LIMIT_STORE);
			ASSERT_SLICE(bed.run.record.steps[0].by.id, "login");
			ASSERT_SLICE(declared("ratelimit"), "none");
		}
		find_again(how);
	}
}

static void a_store_that_is_not_there(void **state)
{
	(void)state;
	on_failure_decides_without_a_wait(NEVER_THERE);
}

static void a_store_that_is_stopped(void **state)
{
	(void)state;
	on_failure_decides_without_a_wait(STOPPED);
}

static void a_store_that_dies_between_requests(void **state)
{
	(void)state;
	on_failure_decides_without_a_wait(KILLED);
}

static void a_store_that_is_out_of_memory(void **state)
{
	(void)state;
	on_failure_decides_without_a_wait(OUT_OF_MEMORY);
}

static void each_limit_fails_in_its_own_way(void **state)
{
	struct policy_limit pass = make_limit("pass", 1, 3600000), local = make_limit("local", 2, 3600000);

	(void)state;
	pass.lost = POLICY_LOST_PASS;
	local.lost = POLICY_LOST_LOCAL;
	say(&pass, "p");
	say(&local, "l");
	lose(NEVER_THERE);
	assert_true(request());
	assert_true(request());
	ASSERT_SLICE(declared("ratelimit"), "\"local\";r=0;t=3600");
	assert_false(request());
	ASSERT_SLICE(bed.run.verdict.by.id, "local");
}

static void a_client_that_leaves_is_forgotten(void **state)
{
	struct policy_limit l = make_limit("login", 5, 60000);

	(void)state;
	say(&l, "k");
	request_begin();
	assert_false(bed.done);
	chain_done(&bed.run);
	arena_done(&bed.arena);
	memset(&bed, 0, sizeof bed);
	for (int i = 0; i < 50; i++)
		loop_turn(loop, 1);
	assert_false(bed.done);
	assert_true(redis_ready(store));
}

#define IN_MEMORY(test) cmocka_unit_test_setup_teardown(test, in_memory, leave)
#define WITH_REDIS(test) cmocka_unit_test_setup_teardown(test, with_redis, leave)

int main(void)
{
	const struct CMUnitTest memory[] = {
		IN_MEMORY(without_limits_nothing_is_said),
		IN_MEMORY(before_the_policy_has_run_nothing_is_asked),
		IN_MEMORY(five_pass_and_the_sixth_is_told_when_to_come_back),
		IN_MEMORY(keys_are_counted_apart),
		IN_MEMORY(a_limit_refuses_as_its_policy_says),
		IN_MEMORY(a_limit_in_detect_only_records),
		IN_MEMORY(several_limits_are_charged_all_or_none),
		IN_MEMORY(who_is_over_two_limits_waits_for_the_longer),
		IN_MEMORY(of_several_keys_of_one_limit_the_worst_is_told),
		IN_MEMORY(fields_stay_short),
		IN_MEMORY(a_key_the_policy_refuses_is_refused),
		IN_MEMORY(without_memory_the_request_is_refused),
	};
	const struct CMUnitTest redis[] = {
		WITH_REDIS(redis_counts_as_memory_does),
		WITH_REDIS(what_redis_keeps_is_short_hashed_and_leaves),
		WITH_REDIS(a_script_that_redis_forgot_is_sent_again),
		WITH_REDIS(a_store_that_is_not_there),
		WITH_REDIS(a_store_that_is_stopped),
		WITH_REDIS(a_store_that_dies_between_requests),
		WITH_REDIS(a_store_that_is_out_of_memory),
		WITH_REDIS(each_limit_fails_in_its_own_way),
		WITH_REDIS(a_client_that_leaves_is_forgotten),
	};
	int failed = cmocka_run_group_tests(memory, NULL, NULL);

	if (access("/usr/bin/redis-server", X_OK) != 0)
		return failed ? failed : TEST_SKIPPED;
	return failed + cmocka_run_group_tests(redis, NULL, NULL);
}
