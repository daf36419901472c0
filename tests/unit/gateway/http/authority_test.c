/* authority_test.c -- one name for one host, and no name that is read differently elsewhere. */
#include "bed.h"

static const struct {
	const char *in, *host, *authority;
	unsigned port;
	bool secure;
	const char *says;
} good[] = {
	{"a", "a", "a", 80, false, "a name"},
	{"a", "a", "a", 443, true, "the scheme's own port"},
	{"a:80", "a", "a", 80, false, "said aloud, it is left out"},
	{"a:443", "a", "a", 443, true, "in https as well"},
	{"a:443", "a", "a:443", 443, false, "another scheme's port is kept"},
	{"a:80", "a", "a:80", 80, true, "and the other way round"},
	{"a:1", "a", "a:1", 1, false, "the smallest port"},
	{"a:65535", "a", "a:65535", 65535, false, "the largest port"},
	{"WWW.Example.COM", "www.example.com", "www.example.com", 80, false, "A23: upper case"},
	{"a.", "a", "a", 80, false, "A23: a trailing dot"},
	{"A.Example.:8443", "a.example", "a.example:8443", 8443, true, "before a port"},
	{"a-b_c.d-1", "a-b_c.d-1", "a-b_c.d-1", 80, false, "every byte of a name"},
	{"xn--bcher-kva.example", "xn--bcher-kva.example", "xn--bcher-kva.example", 80, false, "an international name"},
	{"1a.b2", "1a.b2", "1a.b2", 80, false, "digits in front"},
	{"123.example", "123.example", "123.example", 80, false, "a number that is not last"},
	{"192.0.2.1", "192.0.2.1", "192.0.2.1", 80, false, "A23: an IPv4 address"},
	{"192.0.2.1:8080", "192.0.2.1", "192.0.2.1:8080", 8080, false, "with a port"},
	{"[::1]", "[::1]", "[::1]", 80, false, "an IPv6 address"},
	{"[::1]:8080", "[::1]", "[::1]:8080", 8080, false, "with a port"},
	{"[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]", "[2001:db8::1]", 80, false, "in its shortest form"},
	{"[2001:0db8::0001]:80", "[2001:db8::1]", "[2001:db8::1]", 80, false, "leading zeros as well"},
};

static void test_one_name(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(good); i++) {
		struct slice in = guard_put(&b.guard, slice_of(good[i].in));
		struct request r = {0}, again = {0};

		if (!h1_authority(&b.a, in, good[i].secure, &r, &b.why))
			fail_msg("%s: %s (%s)", good[i].in, good[i].says, b.why);
		assert_slice(r.host, good[i].host);
		assert_slice(r.authority, good[i].authority);
		assert_int_equal(r.port, good[i].port);
		assert_true(h1_authority(&b.a, r.authority, good[i].secure, &again, &b.why));
		assert_true(slice_eq(r.authority, again.authority) && slice_eq(r.host, again.host) && r.port == again.port);
	}
	bed_close(&b);
}

static const struct {
	struct slice in;
	const char *says;
} bad[] = {
	{B(""), "A23: empty"},
	{B("."), "a dot alone"},
	{B(".."), "dots alone"},
	{B("a.."), "two trailing dots"},
	{B(".a"), "a dot in front"},
	{B("a..b"), "an empty label"},
	{B(":80"), "a port alone"},
	{B("a:"), "a colon alone behind"},
	{B("a:0"), "port zero"},
	{B("a:080"), "a leading zero"},
	{B("a:65536"), "beyond all ports"},
	{B("a:99999"), "A23: far beyond"},
	{B("a:18446744073709551696"), "2^64 + 80"},
	{B("a:+80"), "a sign"},
	{B("a:-1"), "a minus sign"},
	{B("a:8 0"), "a space in the port"},
	{B("a:80a"), "a letter in the port"},
	{B("a:80:80"), "two ports"},
	{B("a:80/"), "a path behind"},
	{B("a:0x50"), "a hexadecimal port"},
	{B("a, b"), "A23: two hosts"},
	{B("a,b"), "A23: without space"},
	{B("a@b"), "A23: a user"},
	{B("u:p@b"), "a user and a password"},
	{B("a b"), "A23: a space"},
	{B(" a"), "a space in front"},
	{B("a/b"), "a slash"},
	{B("a\\b"), "a backslash"},
	{B("a?b"), "a question mark"},
	{B("a#b"), "a number sign"},
	{B("a;b"), "a semicolon"},
	{B("a%2eb"), "an escape"},
	{B("localhost%00"), "an escaped NUL"},
	{B("a\0b"), "a NUL"},
	{B("a\r\nX: y"), "G6: CRLF"},
	{B("a\xc3\xa9"), "bytes above 0x7f"},
	{B("a\xe3\x80\x82" "b"), "a full stop of another script"},
	{B("\"a\""), "quoted"},
	{B("<a>"), "brackets of another kind"},
	{B("*.a"), "a pattern"},
	{B("[::1"), "A23: an open bracket"},
	{B("::1"), "no brackets"},
	{B("[::1]a"), "something behind the bracket"},
	{B("[::1]."), "a dot behind the bracket"},
	{B("a[::1]"), "something before it"},
	{B("[]"), "empty brackets"},
	{B("[a]"), "a name in brackets"},
	{B("[1.2.3.4]"), "IPv4 in brackets"},
	{B("[::ffff:1.2.3.4]"), "J5: IPv4 in IPv6"},
	{B("[::ffff:102:304]"), "J5: the same in hexadecimal"},
	{B("[64:ff9b::1.2.3.4]"), "J5: the same for translators"},
	{B("[fe80::1%25eth0]"), "a zone"},
	{B("[fe80::1%eth0]"), "a zone, not escaped"},
	{B("[v1.x]"), "an address of the future"},
	{B("[[::1]]"), "two brackets"},
	{B("[1:2:3:4:5:6:7:8:9]"), "too many groups"},
	{B("127.1"), "A21: an address with a part missing"},
	{B("2130706433"), "A21: one number"},
	{B("0x7f000001"), "A21: one hexadecimal number"},
	{B("0x7f.1"), "A21: two parts"},
	{B("a.0X1"), "a name that ends in a hexadecimal number"},
	{B("017700000001"), "A21: one octal number"},
	{B("010.0.0.1"), "A21: a leading zero"},
	{B("1.2.3.4.5"), "five parts"},
	{B("1.2.3.256"), "a part too large"},
	{B("192.0.2.1.:80."), "a dot behind the port"},
	{B("a.123"), "a name that ends in a number"},
	{B("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "a label of 64 bytes"},
};

static void test_other_names_are_refused(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(bad); i++) {
		struct request r = {0};

		b.why = NULL;
		if (h1_authority(&b.a, guard_put(&b.guard, bad[i].in), false, &r, &b.why))
			fail_msg("%.*s: %s", SLICE_F(bad[i].in), bad[i].says);
		assert_non_null(b.why);
	}
	bed_close(&b);
}

static void test_length_is_bounded(void **state)
{
	char name[300];
	struct request r = {0};
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < sizeof name; i++)
		name[i] = i % 50 == 49 ? '.' : 'a';
	assert_true(h1_authority(&b.a, slice_make(name, 253), false, &r, &b.why));
	assert_false(h1_authority(&b.a, slice_make(name, 254), false, &r, &b.why));
	mem_fail_at(1);
	arena_done(&b.a);
	assert_false(h1_authority(&b.a, SLICE("a"), false, &r, &b.why));
	assert_ptr_equal(b.why, h1_no_memory);
	mem_fail_at(0);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_name),
		cmocka_unit_test(test_other_names_are_refused),
		cmocka_unit_test(test_length_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
