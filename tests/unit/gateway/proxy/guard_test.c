/* guard_test.c -- who may come in, and whose place is taken for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/proxy/front_h1.h"
#include "gateway/proxy/guard.h"

enum { WORKERS = 2, LOW_FD = 10 };

static struct proxy_guard guards[WORKERS];
static struct config config;
static struct proxy_listener listener = {.serve = CONFIG_HTTP};
static struct proxy *proxy;
static int peers[64]; /* the clients' ends */
static unsigned peers_n;

static int make(void **state)
{
	(void)state;
	memset(guards, 0, sizeof guards);
	config = (struct config){.client = {.per_address = 4, .per_network = 6, .memory = 1 << 20, .head_ms = 1000, .head_bytes = 32768}};
	proxy = proxy_new(&(struct proxy_plan){.loop = loop_new(), .workers = WORKERS, .guards = guards, .guard_seed = {1, 2}});
	assert_non_null(proxy);
	proxy->config = &config;
	proxy->fronts_max = 20;
	peers_n = 0;
	return 0;
}

static int unmake(void **state)
{
	struct loop *loop = proxy->loop;

	(void)state;
	proxy_cut(proxy);
	loop_turn(loop, 0);
	for (unsigned i = 0; i < WORKERS; i++) {
		for (unsigned k = 0; k < PROXY_ADDRESS_CELLS; k++)
			assert_int_equal(guards[i].address[k], 0);
		for (unsigned k = 0; k < PROXY_NETWORK_CELLS; k++)
			assert_int_equal(guards[i].network[k], 0);
	}
	assert_int_equal(proxy->memory.used, 0);
	while (peers_n)
		close(peers[--peers_n]);
	proxy_free(proxy);
	loop_free(loop);
	return 0;
}

static struct addr address(const char *text)
{
	struct addr a;

	assert_true(addr_parse(slice_of(text), &a));
	return a;
}

static enum metric asked(const char *text)
{
	struct addr a = address(text);

	enum metric cause = guard_refuses(proxy, &a);

	return cause == METRICS ? guard_is_full(proxy, LOW_FD) : cause;
}

static void come(const char *text)
{
	struct addr a = address(text);
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	assert_true(front_open(proxy, &listener, false, ends[1], &a, 1));
	peers[peers_n++] = ends[0];
}

/* The client's end says whether it was closed. */
static bool is_open(unsigned n)
{
	char byte;

	return recv(peers[n], &byte, 1, MSG_DONTWAIT) < 0;
}

/* ---- By address and network ---- */

static void an_address_has_its_bound_over_all_workers(void **state)
{
	struct addr a = address("192.0.2.1");
	struct guard_place other;

	(void)state;
	come("192.0.2.1");
	come("192.0.2.1");
	proxy->plan.worker = 1;
	other = guard_came(proxy, &a);
	proxy->plan.worker = 0;
	assert_int_equal(asked("192.0.2.1"), METRICS);
	come("192.0.2.1");
	assert_int_equal(asked("192.0.2.1"), METRIC_REFUSED_ADDRESS);
	assert_int_equal(asked("::ffff:192.0.2.1"), METRIC_REFUSED_ADDRESS);
	assert_int_equal(asked("192.0.2.2"), METRICS);
	proxy->plan.worker = 1;
	guard_left(proxy, other);
	proxy->plan.worker = 0;
	assert_int_equal(asked("192.0.2.1"), METRICS);
}

static void a_48_has_a_bound_of_its_own(void **state)
{
	char text[32];

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		snprintf(text, sizeof text, "2001:db8:7:%x::1", i);
		assert_int_equal(asked(text), METRICS);
		come(text);
	}
	assert_int_equal(asked("2001:db8:7:ffff::1"), METRIC_REFUSED_NETWORK);
	assert_int_equal(asked("2001:db8:8::1"), METRICS);
	assert_int_equal(asked("192.0.2.1"), METRICS);
}

static void neighbours_of_a_64_share_its_bound(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		come(i % 2 ? "2001:db8:7:1::1" : "2001:db8:7:1::2");
	assert_int_equal(asked("2001:db8:7:1::3"), METRIC_REFUSED_ADDRESS);
	assert_int_equal(asked("2001:db8:7:2::3"), METRICS);
}

/* ---- What all share ---- */

static void near_the_end_the_longest_idle_goes_first(void **state)
{
	char text[32];

	(void)state;
	for (unsigned i = 0; i < 18; i++) {
		snprintf(text, sizeof text, "192.0.2.%u", i);
		assert_int_equal(asked(text), METRICS);
		come(text);
	}
	/* Nine tenths: from here on one goes for each that comes. */
	assert_true(is_open(0));
	assert_int_equal(asked("198.51.100.1"), METRICS);
	come("198.51.100.1");
	assert_false(is_open(0));
	assert_true(is_open(1) && is_open(17));
	assert_int_equal(proxy->fronts_n, 18);
}

static void who_is_in_the_middle_of_a_head_goes_after_the_idle(void **state)
{
	(void)state;
	proxy->fronts_max = 3;
	for (unsigned i = 0; i < 3; i++)
		come("192.0.2.1");
	assert_int_equal(send(peers[0], "GET", 3, 0), 3);
	loop_turn(proxy->loop, 10);
	assert_int_equal(asked("198.51.100.1"), METRICS);
	assert_true(is_open(0));
	assert_false(is_open(1));
	proxy->fronts_max = 2;
	assert_int_equal(asked("198.51.100.1"), METRICS);
	assert_true(is_open(0));
	assert_false(is_open(2));
}

static void where_nobody_is_idle_the_bound_holds(void **state)
{
	(void)state;
	proxy->fronts_max = 2;
	come("192.0.2.1");
	come("192.0.2.2");
	while (!list_empty(&proxy->idle))
		list_remove(proxy->idle.next);
	assert_int_equal(asked("198.51.100.1"), METRIC_REFUSED_FULL);
}

static void a_reserve_of_descriptors_and_memory_is_not_for_clients(void **state)
{
	(void)state;
	assert_true(proxy->descriptors == guard_descriptors() && proxy->descriptors > LOW_FD);
	assert_int_equal(guard_is_full(proxy, proxy->descriptors - 1), METRICS);
	assert_int_equal(guard_is_full(proxy, proxy->descriptors), METRIC_REFUSED_DESCRIPTORS);
	proxy->memory.limit = 100000;
	proxy->memory.reserve = 10000;
	proxy->memory.used = 90000;
	assert_int_equal(asked("192.0.2.1"), METRICS);
	proxy->memory.used = 90001;
	assert_int_equal(asked("192.0.2.1"), METRIC_REFUSED_MEMORY);
	proxy->memory = (struct budget){0};
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_address_has_its_bound_over_all_workers, make, unmake),
		cmocka_unit_test_setup_teardown(a_48_has_a_bound_of_its_own, make, unmake),
		cmocka_unit_test_setup_teardown(neighbours_of_a_64_share_its_bound, make, unmake),
		cmocka_unit_test_setup_teardown(near_the_end_the_longest_idle_goes_first, make, unmake),
		cmocka_unit_test_setup_teardown(who_is_in_the_middle_of_a_head_goes_after_the_idle, make, unmake),
		cmocka_unit_test_setup_teardown(where_nobody_is_idle_the_bound_holds, make, unmake),
		cmocka_unit_test_setup_teardown(a_reserve_of_descriptors_and_memory_is_not_for_clients, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
