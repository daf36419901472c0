/* redact_test.c -- what of a rule's text may be written down. */
#include "rules/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard.h"

#define ROWS(table) (sizeof(table) / sizeof *(table))

static const struct {
	const char *data, *variable, *out; /* NULL: unchanged */
	const char *says;
} rows[] = {
	{"Matched Data: <script> found within ARGS:q: <script>alert(1)</script>", "ARGS:q", NULL, "no secret"},
	{"Matched Data: x found within REQUEST_HEADERS:User-Agent: x", "REQUEST_HEADERS:User-Agent", NULL, "nor here"},
	{"Matched Data: password found within ARGS_NAMES:password: password", "ARGS_NAMES:password",
	 "Matched Data: password found within ARGS_NAMES:password: ***", "a name is no value, but looks like one"},
	{"", "ARGS:password", NULL, "a rule that says nothing"},
	{"Matched Data: hunter2 found within ARGS:password: hunter2' or 1=1", "ARGS:password", "*** found within ARGS:password: ***", "an argument"},
	{"Matched Data: hunter2 found within ARGS:json.user.password: hunter2", "", "*** found within ARGS:json.user.password: ***", "the text alone says so"},
	{"hunter2' or 1=1", "ARGS_POST:pass%77ord", "*** found within ARGS_POST:pass%77ord: ***", "the engine alone does"},
	{"Matched Data: hunter2 found within REQUEST_COOKIES:a: hunter2", "REQUEST_COOKIES:a", "*** found within REQUEST_COOKIES:a: ***", "any cookie"},
	{"Matched Data: hunter2 found within REQUEST_HEADERS:Authorization: Basic hunter2", "", "*** found within REQUEST_HEADERS:Authorization: ***", "a credential"},
	{"Matched Data: hunter2 found within REQUEST_HEADERS:Cookie: a=hunter2", "", "*** found within REQUEST_HEADERS:Cookie: ***", "the field of cookies"},
	{"Matched Data: hunter2 found within RESPONSE_HEADERS:Set-Cookie: a=hunter2", "RESPONSE_HEADERS:Set-Cookie", "*** found within RESPONSE_HEADERS:Set-Cookie: ***", "of an answer"},
	{"Matched Data: hunter2 found within ARGS:q: x found within ARGS:token: hunter2", "ARGS:q", "*** found within ARGS:token: ***", "one of two"},
	{"found within ARGS:token: hunter2 found within ARGS:q: x", "ARGS:q", "*** found within ARGS:token: ***", "whoever wrote the first"},
	{"Matched Data: ' or 1 found within REQUEST_URI: /x?token=hunter2&q=' or 1", "REQUEST_URI", "Matched Data: ' or 1 found within REQUEST_URI: /x?token=***&q=' or 1", "a whole target"},
	{"Matched Data: x found within REQUEST_BODY: {\"password\":\"hunter2\",\"q\":\"x\"}", "REQUEST_BODY", "Matched Data: x found within REQUEST_BODY: {\"password\":***,\"q\":\"x\"}", "a whole body"},
	{"Matched Data: x found within REQUEST_HEADERS:Referer: https://a/?session=hunter2", "REQUEST_HEADERS:Referer", "Matched Data: x found within REQUEST_HEADERS:Referer: https://a/?session=***", "a link in a field"},
	{"Matched Data: hunter2 found within MATCHED_VAR: hunter2", "MATCHED_VAR", "*** found within MATCHED_VAR: ***", "what a chain carried over"},
	{"Matched Data: ' or 1 found within ARGS:next: /login?token=hunter2' or \"1\"; x&a=b", "ARGS:next",
	 "Matched Data: ' or 1 found within ARGS:next: /login?token=***&a=b", "a target in an argument, decoded"},
	{"ARGS:password=hunter2", "", "ARGS:password=***", "name and value in another form"},
	{"Matched Data: basic found within ARGS:q: basic training", "ARGS:q", "Matched Data: basic found within ARGS:q: basic ***", "a word that is dear"},
	{"x", "ARGS:{\"password\":\"hunter2\"}", "*** found within ARGS:: ***", "a text that was sent as a name"},
	{"x", "ARGS:user[password]=hunter2", "*** found within ARGS:user[password]: ***", "name and value in a name"},
	{"x", "ARGS:password:hunter2", "*** found within ARGS:password: ***", "or with a colon"},
	{"x", "ARGS:password%3dhunter2", "*** found within ARGS:password: ***", "or with an escape"},
	{"x", "ARGS:mot-de-passe\xc3\xa9", "*** found within ARGS:mot-de-passe\xc3\xa9: ***", "a name that is not ASCII"},
	{"found within x:y&password=hunter2", "REQUEST_BODY", "*** found within x:y: ***", "a client that writes our words"},
	{"found within ", "", NULL, "nothing behind the words"},
	{"found within X", "", NULL, "a name without an end"},
	{"found within ARGS:", "", NULL, "a name that is empty"},
	{"found within ARGS:password:", "", "*** found within ARGS:password: ***", "a value that is empty"},
};

static void test_secrets_are_left_out(void **state)
{
	struct guard guard;
	struct arena a;

	(void)state;
	guard_open(&guard, 4096);
	arena_init(&a, NULL, 4096);
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct slice out = redact(&a, guard_put(&guard, slice_of(rows[i].data)), slice_of(rows[i].variable), 512);

		if (!slice_is(out, rows[i].out ? rows[i].out : rows[i].data))
			fail_msg("%s: %.*s", rows[i].says, SLICE_F(out));
	}
	arena_done(&a);
	guard_close(&guard);
}

static void test_no_more_than_is_wanted(void **state)
{
	struct arena a;
	char long_one[2000];

	(void)state;
	arena_init(&a, NULL, 4096);
	memset(long_one, 'x', sizeof long_one);
	assert_int_equal(redact(&a, slice_make(long_one, sizeof long_one), SLICE("ARGS:q"), 512).len, 512);
	memcpy(long_one, "ARGS:token", 10);
	assert_true(redact(&a, SLICE("x"), slice_make(long_one, sizeof long_one), 512).len < 200);
	arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secrets_are_left_out),
		cmocka_unit_test(test_no_more_than_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
