/* h2_budget_test.c -- how many frames of each kind a connection may send. */
#include "bed.h"
#include "gateway/http/h2.h"

static const struct {
	struct h2_frame frame;
	unsigned most;
	enum h2_cost cost;
	const char *says;
} kinds[] = {
	{{.type = H2_RST_STREAM, .length = 4, .stream = 1}, 100, H2_COST_RESETS, "resets"},
	{{.type = H2_SETTINGS, .length = 6}, 14, H2_COST_SETTINGS, "SETTINGS"},
	{{.type = H2_PING, .length = 8}, 60, H2_COST_PINGS, "PING"},
	{{.type = H2_PRIORITY, .length = 5, .stream = 3, .parent = 1}, 120, H2_COST_PRIORITIES, "PRIORITY"},
	{{.type = H2_PRIORITY_UPDATE, .length = 7}, 120, H2_COST_PRIORITIES, "PRIORITY_UPDATE"},
	{{.type = H2_DATA, .stream = 1, .blank = true}, 10, H2_COST_EMPTY, "empty DATA"},
	{{.type = H2_DATA, .stream = 1, .length = 256, .flags = H2_PADDED, .blank = true}, 10, H2_COST_EMPTY, "padding only"},
	{{.type = 0xbe, .length = 1}, 60, H2_COST_UNKNOWN, "unknown types"},
	{{.type = H2_GOAWAY, .length = 8}, 60, H2_COST_UNKNOWN, "GOAWAY"},
	{{.type = H2_PING, .length = 8, .flags = H2_ACK}, 60, H2_COST_UNKNOWN, "answers that nobody asked for"},
	{{.type = H2_CONTINUATION, .stream = 1}, 8, H2_COST_CONTINUATIONS, "CONTINUATION"},
	{{.type = H2_WINDOW_UPDATE, .length = 4}, 100, H2_COST_WINDOWS, "WINDOW_UPDATE for nothing"},
};

static void so_many_and_no_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(kinds); i++) {
		struct h2_budget b = {0};

		for (unsigned n = 0; n < kinds[i].most; n++)
			if (h2_budget_frame(&b, &kinds[i].frame, 1000 + n) != H2_NO_COST)
				fail_msg("%s: number %u is refused", kinds[i].says, n + 1);
		assert_int_equal(h2_budget_frame(&b, &kinds[i].frame, 2000), kinds[i].cost);
		assert_non_null(h2_cost_word(kinds[i].cost));
		assert_true(strlen(h2_cost_text(kinds[i].cost)) > 10);
	}
}

static void as_many_again_a_minute_later(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(kinds); i++) {
		bool by_minute = kinds[i].cost != H2_COST_CONTINUATIONS && kinds[i].cost != H2_COST_WINDOWS;
		struct h2_budget b = {0};
		unsigned refused = 0;

		for (unsigned minute = 0; minute < 3; minute++)
			for (unsigned n = 0; n < kinds[i].most; n++)
				refused += h2_budget_frame(&b, &kinds[i].frame, minute * 60000 + n) != H2_NO_COST;
		assert_int_equal(refused > 0, !by_minute);
	}
}

static void what_is_work_of_its_own_costs_nothing(void **state)
{
	static const struct h2_frame free[] = {
		{.type = H2_HEADERS, .length = 20, .stream = 1, .flags = H2_END_HEADERS},
		{.type = H2_DATA, .length = 1, .stream = 1},
		{.type = H2_DATA, .length = 0, .stream = 1, .blank = true, .flags = H2_END_STREAM},
		{.type = H2_DATA, .length = 9, .stream = 1, .flags = H2_PADDED},
	};
	struct h2_budget b = {0};

	(void)state;
	for (unsigned n = 0; n < 100000; n++)
		assert_int_equal(h2_budget_frame(&b, &free[n % ROWS(free)], 5), H2_NO_COST);
}

static void eight_continuations_belong_to_one_block(void **state)
{
	static const struct h2_frame begin = {.type = H2_HEADERS, .stream = 1}, more = {.type = H2_CONTINUATION, .stream = 1};
	struct h2_budget b = {0};

	(void)state;
	for (unsigned block = 0; block < 50; block++) {
		assert_int_equal(h2_budget_frame(&b, &begin, 5), H2_NO_COST);
		for (unsigned n = 0; n < 8; n++)
			assert_int_equal(h2_budget_frame(&b, &more, 5), H2_NO_COST);
	}
	assert_int_equal(h2_budget_frame(&b, &more, 5), H2_COST_CONTINUATIONS);
}

static void what_is_sent_may_be_answered_with_windows(void **state)
{
	static const struct h2_frame window = {.type = H2_WINDOW_UPDATE, .length = 4, .stream = 1};
	struct h2_budget b = {0};

	(void)state;
	for (unsigned n = 0; n < 100; n++)
		assert_int_equal(h2_budget_frame(&b, &window, 5), H2_NO_COST);
	h2_budget_request(&b);
	for (unsigned n = 0; n < 4; n++)
		assert_int_equal(h2_budget_frame(&b, &window, 5), H2_NO_COST);
	for (unsigned frames = 0; frames < 1000; frames++) {
		h2_budget_data(&b);
		for (unsigned n = 0; n < 10; n++)
			assert_int_equal(h2_budget_frame(&b, &window, 5), H2_NO_COST);
	}
	assert_int_equal(h2_budget_frame(&b, &window, 5), H2_COST_WINDOWS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_and_no_more),
		cmocka_unit_test(as_many_again_a_minute_later),
		cmocka_unit_test(what_is_work_of_its_own_costs_nothing),
		cmocka_unit_test(eight_continuations_belong_to_one_block),
		cmocka_unit_test(what_is_sent_may_be_answered_with_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
