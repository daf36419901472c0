/* pick_test.c -- which server is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/proxy/pick.h"

static struct config_server configs[3];
static struct proxy_server servers[3];
static const struct config_origin origin_config = {.eject_failures = 2, .eject_ms = 1000};
static struct proxy_origin origin;

static int make(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		configs[i] = (struct config_server){.url = SLICE("http://o"), .weight = 1};
		servers[i] = (struct proxy_server){.config = &configs[i]};
	}
	origin = (struct proxy_origin){.config = &origin_config, .servers = servers, .n = 3};
	return 0;
}

static void weights_are_shares_and_turns_are_spread(void **state)
{
	unsigned asked[3] = {0}, longest = 0, run = 0;
	struct proxy_server *before = NULL;

	(void)state;
	configs[0].weight = 3;
	for (int i = 0; i < 500; i++) {
		struct proxy_server *s = pick_server(&origin, NULL, 0);

		asked[s - servers]++;
		run = s == before ? run + 1 : 1;
		longest = run > longest ? run : longest;
		before = s;
	}
	assert_int_equal(asked[0], 300);
	assert_int_equal(asked[1], 100);
	assert_int_equal(asked[2], 100);
	assert_true(longest <= 2);
}

static void a_second_try_goes_elsewhere_if_there_is_an_elsewhere(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		assert_ptr_not_equal(pick_server(&origin, &servers[1], 0), &servers[1]);
	origin.n = 1;
	assert_ptr_equal(pick_server(&origin, &servers[0], 0), &servers[0]);
	origin.n = 0;
	assert_null(pick_server(&origin, NULL, 0));
}

static void failures_in_a_row_eject_for_a_while(void **state)
{
	(void)state;
	pick_bad(&origin, &servers[0], 100);
	pick_good(&servers[0]);
	pick_bad(&origin, &servers[0], 100);
	assert_int_equal(servers[0].ejected_until_ms, 0);
	pick_bad(&origin, &servers[0], 100);
	assert_int_equal(servers[0].ejected_until_ms, 1100);
	for (int i = 0; i < 20; i++)
		assert_ptr_not_equal(pick_server(&origin, NULL, 500), &servers[0]);
	origin.n = 1;
	assert_ptr_equal(pick_server(&origin, NULL, 500), &servers[0]);
	origin.n = 3;
	unsigned back = 0;
	for (int i = 0; i < 30; i++)
		back += pick_server(&origin, NULL, 1100) == &servers[0];
	assert_true(back > 0);
}

#define CASE(name) cmocka_unit_test_setup(name, make)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(weights_are_shares_and_turns_are_spread),
		CASE(a_second_try_goes_elsewhere_if_there_is_an_elsewhere),
		CASE(failures_in_a_row_eject_for_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
