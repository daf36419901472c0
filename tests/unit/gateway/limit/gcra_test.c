/* One table of steps for the arithmetic in C, for the words, and for the script in a real Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "gateway/limit/gcra_script.h"
#include "gateway/limit/run_script.h"
#include "gateway/limit/words.h"

enum { NO = 0, YES = 1 };
#define S * (int64_t)1000000
#define DAY * (int64_t)86400000

/* A row with a number begins a counter of its own; the others go on with it. */
static const struct step {
	uint64_t number;
	int64_t period_ms;
	uint64_t burst;
	int64_t at_us;
	uint64_t cost;
	bool allowed;
	int64_t remaining, retry_us, reset_us;
	const char *says;
} steps[] = {
	{5, 60000, 5, 0, 1, YES, 4, 0, 12 S, "the first of five a minute"},
	{0, 0, 0, 0, 1, YES, 3, 0, 24 S, "the second at the same time"},
	{0, 0, 0, 0, 3, YES, 0, 0, 60 S, "a cost of three takes the rest"},
	{0, 0, 0, 0, 1, NO, 0, 12 S, 60 S, "the sixth is refused"},
	{0, 0, 0, 0, 1, NO, 0, 12 S, 60 S, "and being refused costs nothing"},
	{0, 0, 0, 12 S - 1, 1, NO, 0, 1, 48 S + 1, "a microsecond too early"},
	{0, 0, 0, 12 S, 1, YES, 0, 0, 60 S, "on time"},
	{0, 0, 0, 36 S, 2, YES, 0, 0, 60 S, "two have come back after 24 s"},
	{0, 0, 0, 48 S, 2, NO, 1, 12 S, 48 S, "one has: not enough for a cost of two"},
	{0, 0, 0, 48 S, 9, NO, 1, 48 S, 48 S, "a cost above the burst is held to the burst"},
	{0, 0, 0, 600 S, 5, YES, 0, 0, 60 S, "after a pause the burst at once"},
	{0, 0, 0, 0, 1, NO, 0, 12 S, 60 S, "a clock set back by ten minutes costs one burst, not ten minutes"},
	{0, 0, 0, 12 S, 0, NO, 0, 12 S, 60 S, "a cost of nothing counts as one (and the set-back was not kept)"},
	{1, 1000, 1, 5 S, 1, YES, 0, 0, 1 S, "one a second"},
	{0, 0, 0, 5 S + 999999, 1, NO, 0, 1, 1, "not before its second is over"},
	{0, 0, 0, 6 S, 1, YES, 0, 0, 1 S, "then again"},
	{1, 60000, 3, 0, 1, YES, 2, 0, 60 S, "a burst above the rate"},
	{0, 0, 0, 0, 2, YES, 0, 0, 180 S, "is there at once"},
	{0, 0, 0, 60 S, 1, YES, 0, 0, 180 S, "and comes back at the rate"},
	{0, 0, 0, 61 S, 1, NO, 0, 59 S, 179 S, "no faster"},
	{60, 60000, 2, 0, 2, YES, 0, 0, 2 S, "a burst below the rate"},
	{0, 0, 0, 0, 1, NO, 0, 1 S, 2 S, "spreads the rate over its period"},
	{100000, 1000, 10, 0, 10, YES, 0, 0, 100, "a hundred thousand a second"},
	{0, 0, 0, 5, 1, NO, 0, 5, 95, "are ten microseconds apart"},
	{0, 0, 0, 10, 1, YES, 0, 0, 100, "exactly"},
	{3, 1000, 3, 0, 3, YES, 0, 0, 1000001, "a third of a second is rounded up"},
	{0, 0, 0, 333333, 1, NO, 0, 1, 666668, "so three a second are never four"},
	{0, 0, 0, 333334, 1, YES, 0, 0, 1000000, "and not noticeably fewer"},
	{1000000000, 1, 1000000000, 0, 1000000000, YES, 0, 0, 125 S, "the highest rate counts as eight a microsecond"},
	{0, 0, 0, 0, 1, NO, 0, 1, 125 S, "its burst has an end"},
	{0, 0, 0, 1, 1, YES, 7, 0, 125 S, "and comes back"},
	{1, 365 DAY, 1000000000, 0, 1, YES, 16, 0, 365 DAY * 1000, "the lowest rate reaches 17 years ahead at most"},
	{0, 0, 0, 0, 1000000000, NO, 16, 4698046578688, 365 DAY * 1000, "whatever its burst"},
	{7, 1 DAY, 2, 0, 1, YES, 1, 0, 12342857143, "seven a day"},
	{0, 1, 1, 0, 1, NO, 0, 1000, 0, "a number of nothing lets nothing pass"},
	{0, 0, 0, 1, 1, NO, 0, 1000, 0, "at no time"},
};

enum { STEPS = sizeof steps / sizeof *steps };

/* Time 0 of the table, far from every clock's own zero. */
#define BASE_US (2000000000LL * 1000000)

static struct gcra limit_of(const struct step *s)
{
	return gcra_make(s->number, s->period_ms, s->burst);
}

static void compare(const char *who, const struct step *s, const struct gcra_answer *got)
{
	if (got->allowed != s->allowed || got->remaining != s->remaining || got->retry_after_us != s->retry_us ||
	    got->reset_us != s->reset_us)
		fail_msg("%s: %s: got %s, remaining %" PRId64 ", retry %" PRId64 ", reset %" PRId64, who, s->says,
			 got->allowed ? "yes" : "no", got->remaining, got->retry_after_us, got->reset_us);
}

/* A new counter begins with each row that names a period. */
static bool begins(const struct step *s)
{
	return s->period_ms != 0;
}

static void the_arithmetic_in_c(void **state)
{
	struct gcra g = {0};
	int64_t full_at = 0;

	(void)state;
	for (int i = 0; i < STEPS; i++) {
		const struct step *s = &steps[i];
		int64_t now = s->at_us * GCRA_TICKS_PER_US, at, charge;
		struct gcra_answer got;
		bool allowed;

		if (begins(s)) {
			g = limit_of(s);
			full_at = INT64_MIN;
		}
		charge = gcra_charge(&g, s->cost);
		at = gcra_now(&g, full_at, now);
		allowed = gcra_allows(&g, at, now, charge);
		if (allowed)
			full_at = at += charge;
		got = gcra_tell(&g, allowed, at - now, charge);
		compare("C", s, &got);
	}
}

static void the_words(void **state)
{
	size_t size = words_size(64);
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct words *w = words_at(memory, size);
	struct gcra g = {0};
	uint64_t tag = 0;

	(void)state;
	for (int i = 0; i < STEPS; i++) {
		const struct step *s = &steps[i];
		struct words_charge c;
		struct gcra_answer got;

		if (begins(s)) {
			g = limit_of(s);
			tag += 0x9e3779b97f4a7c15ULL;
		}
		c = (struct words_charge){.tag = tag, .limit = g, .charge = gcra_charge(&g, s->cost), .enforced = true};
		assert_int_equal(words_ask(w, &c, 1, (BASE_US + s->at_us) * GCRA_TICKS_PER_US), s->allowed);
		got = gcra_tell(&g, c.allowed, c.ahead, c.charge);
		compare("words", s, &got);
	}
	munmap(memory, size);
}

/* The same script with a clock that is given: its first call is replaced.  Redis's own goes on meanwhile, and a key of
 * a hundred microseconds would be gone, so each is kept for a minute more. */
static struct slice with_clock(char *out, size_t room)
{
	static const char call[] = "redis.call('TIME')", given[] = "{ARGV[#ARGV - 1], ARGV[#ARGV]}", lasts[] = "'PX', ";
	const char *at = strstr(gcra_script.at, call), *after, *kept;

	assert_non_null(at);
	after = at + strlen(call);
	kept = strstr(after, lasts);
	assert_non_null(kept);
	kept += strlen(lasts);
	snprintf(out, room, "%.*s%s%.*s60000 + %s", (int)(at - gcra_script.at), gcra_script.at, given, (int)(kept - after), after,
		 kept);
	return slice_of(out);
}

static void the_script_in_redis(void **state)
{
	struct redis_server server = {0};
	struct loop *l = loop_new();
	struct redis_plan plan;
	struct redis *r;
	struct gcra g = {0};
	char text[8192], name[16];
	struct slice script = with_clock(text, sizeof text);

	(void)state;
	if (!redis_server_start(&server))
		skip();
	plan = plan_for(server.port, 2000);
	r = redis_new(l, &plan);
	assert_true(turn_until_ready(l, r, true, 5000));
	for (int i = 0; i < STEPS; i++) {
		const struct step *s = &steps[i];
		int64_t clock[2] = {(BASE_US + s->at_us) / 1000000, (BASE_US + s->at_us) % 1000000};
		struct script_answer a;
		struct gcra_answer got;
		bool allowed;

		if (begins(s)) {
			g = limit_of(s);
			snprintf(name, sizeof name, "pc:%d", i);
		}
		a = run_script(l, r, script, &(struct script_key){name, g, s->cost, true}, 1, clock);
		if (a.kind != REDIS_ARRAY || a.n != 1)
			fail_msg("%s: %s", s->says, a.text);
		allowed = a.at[0] >= 0;
		got = gcra_tell(&g, allowed, allowed ? a.at[0] : -1 - a.at[0], gcra_charge(&g, s->cost));
		compare("script", s, &got);
	}
	redis_free(r);
	loop_free(l);
	redis_server_kill(&server);
}

/* What a policy may say, at its edges: sums stay in range and the promise holds. */
static void any_rate_keeps_its_promise(void **state)
{
	static const uint64_t numbers[] = {1, 2, 3, 7, 999, 65537, 1000000, 999999999, 1000000000, UINT64_MAX};
	static const int64_t periods[] = {INT64_MIN, 0, 1, 999, 1000, 60000, 365 DAY, INT64_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		for (size_t j = 0; j < sizeof periods / sizeof *periods; j++)
			for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
				struct gcra g = gcra_make(numbers[i], periods[j], numbers[k]);

				assert_in_range(g.interval, 1, GCRA_TOLERANCE_MOST);
				assert_in_range(g.tolerance, g.interval, GCRA_TOLERANCE_MOST);
				/* No more than the number in a period. */
				if (periods[j] > 0 && periods[j] <= 365 DAY && numbers[i] <= 1000000)
					assert_true((uint64_t)(periods[j] * 8000 / g.interval) <= numbers[i]);
				assert_in_range(gcra_charge(&g, UINT64_MAX), g.interval, g.tolerance);
				assert_in_range(gcra_charge(&g, 0), g.interval, g.tolerance);
				assert_int_equal(gcra_now(&g, INT64_MAX, 0), g.tolerance);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_arithmetic_in_c),
		cmocka_unit_test(the_words),
		cmocka_unit_test(the_script_in_redis),
		cmocka_unit_test(any_rate_keeps_its_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
