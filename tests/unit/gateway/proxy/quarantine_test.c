/* quarantine_test.c -- who is on the list, for how long, and who makes room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/proxy/quarantine.h"

enum { START_US = 5000000, TERM_S = 600 };

static struct proxy_quarantine list;
static struct proxy proxy;

static int make(void **state)
{
	(void)state;
	memset(&list, 0, sizeof list);
	proxy = (struct proxy){.loop = loop_new(), .plan = {.quarantine = &list}};
	loop_virtual(proxy.loop, START_US);
	return proxy.loop ? 0 : -1;
}

static int unmake(void **state)
{
	(void)state;
	loop_free(proxy.loop);
	return 0;
}

static void a_request_is_known_by_every_byte_of_its_head(void **state)
{
	static const char *const heads[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: b\r\n\r\n",
					    "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", ""};

	(void)state;
	quarantine_add(&list, quarantine_print(&proxy, slice_of(heads[0])), START_US);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t print = quarantine_print(&proxy, slice_of(heads[i]));

		assert_true(print != 0);
		assert_int_equal(quarantine_has(&proxy, print), i == 0);
	}
}

static void it_ends_after_ten_minutes(void **state)
{
	(void)state;
	assert_false(quarantine_has(&proxy, 7));
	quarantine_add(&list, 7, START_US);
	loop_virtual(proxy.loop, START_US + INT64_C(1000000) * TERM_S - 1);
	assert_true(quarantine_has(&proxy, 7));
	loop_virtual(proxy.loop, START_US + INT64_C(1000000) * TERM_S);
	assert_false(quarantine_has(&proxy, 7));
}

static void the_oldest_makes_room(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= PROXY_QUARANTINED + 1; i++)
		quarantine_add(&list, i, START_US + i);
	assert_false(quarantine_has(&proxy, 1));
	for (unsigned i = 2; i <= PROXY_QUARANTINED + 1; i++)
		assert_true(quarantine_has(&proxy, i));
}

static void what_is_at_work_is_seen_from_outside(void **state)
{
	_Atomic uint64_t handling = 0;

	(void)state;
	quarantine_mark(&proxy, 3); /* nobody looks */
	proxy.plan.handling = &handling;
	quarantine_mark(&proxy, 4);
	assert_int_equal(handling, 4);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_request_is_known_by_every_byte_of_its_head),
		CASE(it_ends_after_ten_minutes),
		CASE(the_oldest_makes_room),
		CASE(what_is_at_work_is_seen_from_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
