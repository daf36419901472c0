/* message_test.c -- reasons and methods. */
#include "bed.h"

static void test_reasons(void **state)
{
	(void)state;
	assert_string_equal(http_reason(404), "Not Found");
	assert_string_equal(http_reason(100), "Continue");
	assert_string_equal(http_reason(511), "Network Authentication Required");
	for (unsigned status = 0; status < 1000; status += status == 99 ? 500 : 1)
		if (status < 100 || status > 511)
			assert_string_equal(http_reason(status), "Status");
	assert_string_equal(http_reason(299), "Status");
	assert_string_equal(http_reason(UINT32_MAX), "Status");
}

static void test_only_idempotent_methods_are_sent_twice(void **state)
{
	static const char *const yes[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
	static const char *const no[] = {"POST", "PATCH", "CONNECT", "get", "GETX", "", "PROPFIND", "LOCK"};

	(void)state;
	for (unsigned i = 0; i < ROWS(yes); i++)
		assert_true(http_method_idempotent(slice_of(yes[i])));
	for (unsigned i = 0; i < ROWS(no); i++)
		assert_false(http_method_idempotent(slice_of(no[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_only_idempotent_methods_are_sent_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
