/* The script is the file, and does what no table of single steps shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/limit/gcra_script.h"
#include "gateway/limit/run_script.h"

static struct redis_server server;
static struct loop *loop;
static struct redis *client;

static int start(void **state)
{
	struct redis_plan plan;

	(void)state;
	if (!redis_server_start(&server))
		return 0;
	loop = loop_new();
	plan = plan_for(server.port, 2000);
	client = redis_new(loop, &plan);
	return turn_until_ready(loop, client, true, 5000) ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	redis_free(client);
	loop_free(loop);
	redis_server_kill(&server);
	return 0;
}

static void need_server(void)
{
	if (!client)
		skip();
	run_words(loop, client, "FLUSHALL");
}

static void the_text_is_that_of_the_file(void **state)
{
	FILE *f = fopen("gateway/limit/gcra.lua", "r");
	char text[16384];
	size_t n;

	(void)state;
	assert_non_null(f);
	n = fread(text, 1, sizeof text, f);
	fclose(f);
	assert_int_equal(n, gcra_script.len);
	assert_memory_equal(text, gcra_script.at, n);
}

/* How many keys of a limit of 10 have been charged. */
static int64_t charged(const char *name, struct gcra limit)
{
	struct script_key keys[2] = {{name, limit, 1, false}, {"refuses", {.interval = 1}, 1, true}};
	struct script_answer a = run_script(loop, client, gcra_script, keys, 2, NULL);
	int64_t ahead = a.at[0] >= 0 ? a.at[0] : -1 - a.at[0];

	assert_int_equal(a.n, 2);
	assert_true(a.at[1] < 0);
	return (ahead + limit.interval - 1) / limit.interval;
}

static const struct {
	struct {
		const char *name;
		uint64_t burst;
		bool enforced;
	} limits[3];
	unsigned n;
	bool passes[3];
	int64_t charged[3];
	const char *says;
} groups[] = {
	{{{"a", 5, true}, {"b", 2, true}}, 2, {true, true, false}, {2, 2}, "the narrower refuses the third, the wider keeps it"},
	{{{"a", 2, true}, {"b", 5, true}}, 2, {true, true, false}, {2, 2}, "in either order"},
	{{{"a", 5, true}, {"b", 1, false}}, 2, {true, true, true}, {3, 1}, "one in detect refuses nobody and is full"},
	{{{"a", 2, true}, {"b", 5, false}}, 2, {true, true, false}, {2, 2}, "one in detect is not charged for what is refused"},
	{{{"a", 3, true}, {"a", 3, true}}, 2, {true, false, false}, {2, 2}, "the same counter twice is charged twice"},
	{{{"a", 9, true}, {"b", 9, true}, {"c", 1, true}}, 3, {true, false, false}, {1, 1, 1}, "three"},
};

static void limits_of_one_request_are_charged_all_or_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
		struct script_key keys[3];

		need_server();
		for (unsigned k = 0; k < groups[i].n; k++)
			keys[k] = (struct script_key){groups[i].limits[k].name,
						      gcra_make(1, 1000000, groups[i].limits[k].burst), 1,
						      groups[i].limits[k].enforced};
		for (int request = 0; request < 3; request++) {
			struct script_answer a = run_script(loop, client, gcra_script, keys, groups[i].n, NULL);
			bool passes = true;

			assert_int_equal(a.n, groups[i].n);
			for (unsigned k = 0; k < groups[i].n; k++)
				passes &= a.at[k] >= 0 || !keys[k].enforced;
			if (passes != groups[i].passes[request])
				fail_msg("%s: request %d", groups[i].says, request + 1);
		}
		for (unsigned k = 0; k < groups[i].n; k++)
			if (charged(keys[k].name, keys[k].limit) != groups[i].charged[k])
				fail_msg("%s: limit %u", groups[i].says, k);
	}
}

static const struct {
	const char *write, *says;
	bool allowed;
} kept[] = {
	{"SET k abc", "a word", true},
	{"SET k nan", "no number", true},
	{"SET k -inf", "before all time", true},
	{"SET k -1e308", "a very negative number", true},
	{"SET k 0", "a time long ago", true},
	{"SET k 1e9999", "infinity counts as one burst", false},
	{"SET k 9007199254740993", "a number above 2^53", false},
	{"LPUSH k x", "a list", true},
	{"HSET k f v", "a hash", true},
};

static void what_stands_in_a_key_breaks_nothing(void **state)
{
	struct gcra limit = gcra_make(1, 3600000, 1);

	(void)state;
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
		struct script_key key = {"k", limit, 1, true};
		struct script_answer a;

		need_server();
		assert_int_not_equal(run_words(loop, client, kept[i].write).kind, REDIS_ERROR);
		a = run_script(loop, client, gcra_script, &key, 1, NULL);
		if (a.kind != REDIS_ARRAY || (a.at[0] >= 0) != kept[i].allowed)
			fail_msg("%s: %s", kept[i].says, a.text);
		assert_in_range(a.at[0] >= 0 ? a.at[0] : -1 - a.at[0], 0, limit.tolerance);
		/* Counting goes on from there, held to one burst. */
		a = run_script(loop, client, gcra_script, &key, 1, NULL);
		assert_true(a.at[0] < 0);
		assert_in_range(-1 - a.at[0], 0, limit.tolerance);
	}
}

static void every_key_leaves_when_its_allowance_is_full(void **state)
{
	static const struct {
		uint64_t number;
		int64_t period_ms;
	} rates[] = {{1000000000, 1}, {1000, 1000}, {5, 60000}, {1, 365LL * 86400000}};

	(void)state;
	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
		struct gcra limit = gcra_make(rates[i].number, rates[i].period_ms, 3);
		struct script_key key = {"k", limit, 1, true};
		int64_t ttl, most = limit.interval / 8000 + 1;

		need_server();
		assert_true(run_script(loop, client, gcra_script, &key, 1, NULL).at[0] >= 0);
		ttl = run_words(loop, client, "PTTL k").at[0];
		/* -2: gone already. */
		assert_true(ttl == -2 ? most <= 2 : ttl >= 0 && ttl <= most);
	}
	need_server();
	charged("k", gcra_make(1, 1000, 1));
	assert_int_equal(run_words(loop, client, "DBSIZE").at[0], 0);
}

static void as_many_limits_as_a_policy_can_ask(void **state)
{
	struct script_key keys[SCRIPT_KEYS];
	struct script_answer a;
	char names[SCRIPT_KEYS][8];

	(void)state;
	need_server();
	for (int i = 0; i < SCRIPT_KEYS; i++) {
		snprintf(names[i], sizeof names[i], "k%d", i);
		keys[i] = (struct script_key){names[i], gcra_make(1, 60000, 2), 1, true};
	}
	for (int request = 0; request < 3; request++) {
		a = run_script(loop, client, gcra_script, keys, SCRIPT_KEYS, NULL);
		assert_int_equal(a.n, SCRIPT_KEYS);
		for (int i = 0; i < SCRIPT_KEYS; i++)
			assert_int_equal(a.at[i] >= 0, request < 2);
	}
}

static void the_clock_of_redis_gives_the_allowance_back(void **state)
{
	struct script_key key = {"k", gcra_make(20, 1000, 1), 1, true};
	int64_t end, admitted = 0;

	(void)state;
	need_server();
	end = loop_clock_us() + 1000000;
	while (loop_clock_us() < end)
		admitted += run_script(loop, client, gcra_script, &key, 1, NULL).at[0] >= 0;
	assert_in_range(admitted, 19, 21);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_is_that_of_the_file),
		cmocka_unit_test(limits_of_one_request_are_charged_all_or_none),
		cmocka_unit_test(what_stands_in_a_key_breaks_nothing),
		cmocka_unit_test(every_key_leaves_when_its_allowance_is_full),
		cmocka_unit_test(as_many_limits_as_a_policy_can_ask),
		cmocka_unit_test(the_clock_of_redis_gives_the_allowance_back),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
