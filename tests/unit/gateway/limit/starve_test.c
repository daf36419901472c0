/* starve_test.c -- naming counters for Redis takes a keyed hash, and the library that makes it takes memory: where there
 * is none, the store cannot be asked, and each limit's on_failure says what that means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/limit/asked.h"
#include "tests/unit/starve.h"

static struct limit_config config = {.deadline_ms = 20, .local_share = 1};
static struct policy_limit limit = {.mode = POLICY_ENFORCE, .number = 10, .period_ms = 1000, .burst = 10};

static void answered(struct redis_ask *q, enum redis_outcome how, const struct redis_value *value)
{
	(void)q, (void)how, (void)value;
	fail_msg("nothing was asked");
}

static void a_counter_without_a_name_is_not_asked_for(void **state)
{
	struct loop *loop = loop_new();
	struct redis_plan plan = {.port = 1, .deadline_ms = 20};
	struct asked at[3];
	unsigned long n;

	(void)state;
	log_level(LOG_ERROR + 1);
	assert_true(addr_parse(SLICE("192.0.2.1"), &plan.address));
	config.redis = redis_new(loop, &plan);
	assert_non_null(config.redis);
	assert_true(limit_prepare(&config, false));
	for (unsigned i = 0; i < 3; i++) {
		at[i] = (struct asked){.limit = &limit, .key = SLICE("p/login|203.0.113.9"), .cost = 1};
		asked_set(&at[i], 1);
	}
	for (n = 1;; n++) {
		struct redis_ask q = {.answered = answered};

		starve_at(n);
		/* No server is there either: false is the only answer. */
		assert_false(store_ask(&config, &q, at, 3, false));
		starve_at(0);
		if (!starved())
			break;
	}
	print_message("%lu allocations for three names\n", n - 1);
	redis_free(config.redis);
	loop_free(loop);
}

static void the_name_of_a_counter_is_always_the_same(void **state)
{
	struct asked a = {.limit = &limit, .key = SLICE("p/login|203.0.113.9")};
	uint64_t tag = store_tag(&config, &a);

	(void)state;
	for (unsigned long n = 1;; n++) {
		struct limit_config again = config;
		bool made;

		starve_at(n);
		made = limit_prepare(&again, false);
		starve_at(0);
		if (!starved())
			break;
		assert_true(!made || store_tag(&again, &a) == tag);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_counter_without_a_name_is_not_asked_for),
		cmocka_unit_test(the_name_of_a_counter_is_always_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
