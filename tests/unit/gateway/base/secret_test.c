/* secret_test.c -- what a name says of its value, and what is left of a text without the values. */
#include "gateway/base/secret.h"

#include "bed.h"

static struct guard guard;

static void test_names(void **state)
{
	static const char *const secret[] = {
		"password", "PASSWORD", "passwd", "user[password]", "newPass", "pwd", "client_secret", "token", "access_token", "id_token",
		"X-CSRF-Token", "apikey", "api_key", "X-Api-Key", "api-key", "auth", "Authorization", "Proxy-Authorization", "sessionid",
		"PHPSESSIONID", "sid", "X-Amz-Signature", "X-Amz-Credential", "otp", "code", "jwt", "SAMLResponse", "client_assertion",
		"bearer", "private", "cookie", "Set-Cookie", "ticket", "key", "KEY", "pin", "sig", "access_key", "access-key", "accesskey",
		"p%61ssword", "%74oken", "user%5Bpassword%5D", "csrfmiddlewaretoken", "cvv2",
		"a-name-that-is-so-long-that-nobody-will-ever-look-at-it-and-so-it-is-one", "author",
	};
	static const char *const open[] = {
		"q", "page", "user", "username", "email", "keyword", "monkey", "spinach", "signal", "name", "id", "lang", "utm_source",
		"", "%", "%7", "p%zzss", "machine", "Accept", "User-Agent",
	};

	(void)state;
	for (size_t i = 0; i < ROWS(secret); i++)
		if (!secret_is_name(guard_put(&guard, slice_of(secret[i]))))
			fail_msg("%s", secret[i]);
	for (size_t i = 0; i < ROWS(open); i++)
		if (secret_is_name(guard_put(&guard, slice_of(open[i]))))
			fail_msg("%s", open[i]);
}

struct text {
	const char *in, *out; /* NULL: unchanged */
};

static void check(const struct text *rows, size_t n, const char *ends, bool loose)
{
	for (size_t i = 0; i < n; i++) {
		char out[512];
		size_t len = secret_hide(guard_put(&guard, slice_of(rows[i].in)), ends, loose, out, sizeof out);

		assert_slice(slice_make(out, len), slice_of(rows[i].out ? rows[i].out : rows[i].in));
	}
}

static void test_queries(void **state)
{
	static const struct text rows[] = {
		{"", NULL}, {"a=b", NULL}, {"a=b&c=d", NULL}, {"token", NULL}, {"=", NULL}, {"&&", NULL}, {"q=%3Cscript%3E", NULL},
		{"token=hunter2", "token=***"},
		{"a=b&token=hunter2&c=d", "a=b&token=***&c=d"},
		{"token=hunter2&password=hunter2", "token=***&password=***"},
		{"token=", "token=***"},
		{"token=a=b=c&d=e", "token=***&d=e"},
		{"a=b;token=hunter2;c=d", "a=b;token=***;c=d"},
		{"p%61ssword=hunter2&a=b", "p%61ssword=***&a=b"},
		{"user[password]=hunter2", "user[password]=***"},
		{"user%5Bpassword%5D=hunter2", "user%5Bpassword%5D=***"},
		{"password=hunter%262&a=b", "password=***&a=b"},
		{"token=\"hunter2\"&a=b", "token=***&a=b"},
		{"token=hun ter2&a=b", "token=***&a=b"},
		{"next=/login?token=hunter2&a=b", "next=/login?token=***&a=b"},
		{"next=%2Flogin%3Ftoken%3Dhunter2%26a%3Db&c=d", "next=%2Flogin%3Ftoken%3D***%26a%3Db&c=d"},
		{"next=%2Flogin%3Ftoken%3Dhunter2&c=d", "next=%2Flogin%3Ftoken%3D***&c=d"},
		{"a=b&token%3Dhunter2", "a=b&token%3D***"},
		{"sig=abc&se=1", "sig=***&se=1"},
		{"q=password", NULL},
		{"q=password:x", NULL},
	};

	(void)state;
	check(rows, ROWS(rows), "&;", false);
}

static void test_any_text(void **state)
{
	static const struct text rows[] = {
		{"Matched Data: <script> found within ARGS:q: <script>alert(1)</script>", NULL},
		{"/login?user=ada&password=hunter2 HTTP/1.1", "/login?user=ada&password=*** HTTP/1.1"},
		{"password=\"a\"hunter2&b=c", "password=***&b=c"},
		{"token=\"secret\":\"hunter2\"&b=c", "token=***&b=c"},
		{"sid:\"secret\":\"hunter2\"\r\nb=c", "sid:***\r\nb=c"},
		{"{\"password\": \"a\"hunter2, \"b\": 1}", "{\"password\": ***, \"b\": 1}"},
		{"{\"user\": \"ada\", \"password\": \"hunter2\", \"a\": 1}", "{\"user\": \"ada\", \"password\": ***, \"a\": 1}"},
		{"{\"password\":\"hun\\\"ter2\"}", "{\"password\":***}"},
		{"{\"pin\":1234}", "{\"pin\":***}"},
		{"{\"token\":\"hunter2", "{\"token\":***"},
		{"Authorization: Bearer hunter2", "Authorization: ***"},
		{"Cookie: a=hunter2; b=hunter2\r\nAccept: x", "Cookie: ***\r\nAccept: x"},
		{"got Bearer hunter2 and basic aHVudGVyMg==, then", "got Bearer *** and basic ***, then"},
		{"token='hunter2' x", "token=*** x"},
		{"password", NULL}, {"password:", NULL}, {"password: ", NULL}, {"\"password\"", NULL}, {"\"", NULL}, {":", NULL},
	};

	(void)state;
	check(rows, ROWS(rows), "&; ,\r\n<>", true);
}

static void test_a_small_room_is_not_overrun(void **state)
{
	static const struct slice in = B("a=b&token=hunter2&c=d");
	char whole[64], out[64];
	size_t n = secret_hide(in, "&;", false, whole, sizeof whole);

	(void)state;
	for (size_t room = 0; room <= n; room++) {
		memset(out, 'x', sizeof out);
		assert_true(secret_hide(in, "&;", false, out, room) <= room);
		assert_memory_equal(out, whole, room);
		assert_int_equal(out[room], 'x');
	}
}

static int open_guard(void **state)
{
	(void)state;
	guard_open(&guard, 4096);
	return 0;
}

static int close_guard(void **state)
{
	(void)state;
	guard_close(&guard);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_queries),
		cmocka_unit_test(test_any_text),
		cmocka_unit_test(test_a_small_room_is_not_overrun),
	};

	return cmocka_run_group_tests(tests, open_guard, close_guard);
}
