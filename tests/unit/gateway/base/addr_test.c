/* addr_test.c -- one form for every address, so that no client has two names. */
#include "gateway/base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "bed.h"

static struct guard guard;

static void test_addresses(void **state)
{
	static const struct {
		struct slice in;
		const char *out; /* NULL: refused */
	} rows[] = {
		{B("192.0.2.1"), "192.0.2.1"},
		{B("::ffff:192.0.2.1"), "192.0.2.1"},
		{B("::FFFF:c000:201"), "192.0.2.1"},
		{B("64:ff9b::192.0.2.1"), "192.0.2.1"},
		{B("[2001:DB8::1]"), "2001:db8::1"},
		{B("2001:db8:0:0:0:0:0:1"), "2001:db8::1"},
		{B("::"), "::"},
		{B("::192.0.2.1"), "::192.0.2.1"},
		{B("[192.0.2.1]"), NULL},
		{B("192.0.2"), NULL},
		{B("192.0.2.256"), NULL},
		{B("192.0.2.01"), NULL},
		{B("0xc0.0.2.1"), NULL},
		{B("3221225985"), NULL},
		{B("192.0.2.1 "), NULL},
		{B("192.0.2.1\0"), NULL},
		{B("fe80::1%eth0"), NULL},
		{B("1:2:3:4:5:6:7:8:9"), NULL},
		{B("1::2::3"), NULL},
		{B(":::"), NULL},
		{B("[::1"), NULL},
		{B("[]"), NULL},
		{B(""), NULL},
		{B("0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"), NULL},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char text[ADDR_TEXT];
		unsigned len;
		struct addr a;

		if (addr_parse(guard_put(&guard, rows[i].in), &a) != (rows[i].out != NULL))
			fail_msg("\"%.*s\"", SLICE_F(rows[i].in));
		if (!rows[i].out)
			continue;
		len = addr_text(&a, text);
		assert_int_equal(len, strlen(text));
		assert_string_equal(text, rows[i].out);
	}
}

static void test_networks(void **state)
{
	static const struct {
		struct slice net;
		const char *in, *out; /* an address inside, one outside; both NULL: refused */
	} rows[] = {
		{B("192.0.2.0/24"), "192.0.2.255", "192.0.3.0"},
		{B("192.0.2.7"), "192.0.2.7", "192.0.2.6"},
		{B("192.0.2.128/25"), "::ffff:192.0.2.128", "192.0.2.127"},
		{B("0.0.0.0/0"), "255.255.255.255", "2001:db8::1"},
		{B("2001:db8::/33"), "2001:db8:7fff::", "2001:db8:8000::"},
		{B("::1/128"), "::1", "::2"},
		{B("::/0"), "2001:db8::", "192.0.2.1"},
		{B("::/64"), "::1", "192.0.2.1"},
		{B("::ffff:192.0.2.0/120"), "192.0.2.1", "192.0.3.1"},
		{B("::ffff:0:0/96"), NULL, NULL},
		{B("64:ff9b::/96"), NULL, NULL},
		{B("64:ff9b::/64"), NULL, NULL},
		{B("192.0.2.1/24"), NULL, NULL},
		{B("2001:db8::1/64"), NULL, NULL},
		{B("192.0.2.0/33"), NULL, NULL},
		{B("::/129"), NULL, NULL},
		{B("192.0.2.0/"), NULL, NULL},
		{B("192.0.2.0/-1"), NULL, NULL},
		{B("192.0.2.0/24/24"), NULL, NULL},
		{B("192.0.2/24"), NULL, NULL},
		{B("/24"), NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const char *why = NULL;
		struct cidr net;
		struct addr a;

		if (cidr_parse(guard_put(&guard, rows[i].net), &net, &why) != (rows[i].in != NULL))
			fail_msg("\"%.*s\"", SLICE_F(rows[i].net));
		if (!rows[i].in) {
			assert_non_null(why);
			continue;
		}
		assert_true(addr_parse(slice_of(rows[i].in), &a));
		if (!cidr_has(&net, &a))
			fail_msg("%.*s lacks %s", SLICE_F(rows[i].net), rows[i].in);
		assert_true(addr_parse(slice_of(rows[i].out), &a));
		if (cidr_has(&net, &a))
			fail_msg("%.*s has %s", SLICE_F(rows[i].net), rows[i].out);
	}
}

static void test_special_addresses_have_no_place(void **state)
{
	static const char *const special[] = {"10.1.2.3", "127.0.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1",
					      "169.254.169.254", "224.0.0.1", "255.255.255.255", "0.0.0.0", "::", "::1",
					      "fd00::1", "fe80::1", "ff02::1", "2001:db8::1", "::ffff:10.0.0.1"};
	static const char *const common[] = {"8.8.8.8", "172.32.0.1", "100.128.0.1", "2a00::1", "2001:4860::1", "192.0.1.1"};
	struct addr a;

	(void)state;
	for (size_t i = 0; i < ROWS(special); i++)
		if (!addr_parse(slice_of(special[i]), &a) || !addr_is_special(&a))
			fail_msg("%s", special[i]);
	for (size_t i = 0; i < ROWS(common); i++)
		if (!addr_parse(slice_of(common[i]), &a) || addr_is_special(&a))
			fail_msg("%s", common[i]);
}

static void test_net_of_an_address(void **state)
{
	static const struct {
		const char *in;
		unsigned v4, v6;
		const char *out;
	} rows[] = {
		{"192.0.2.77", 32, 64, "192.0.2.77"},  {"192.0.2.77", 24, 64, "192.0.2.0"},
		{"192.0.2.77", 0, 64, "0.0.0.0"},      {"192.0.2.77", 31, 64, "192.0.2.76"},
		{"2001:db8:1:2:3::", 32, 64, "2001:db8:1:2::"}, {"2001:db8:1:2:3::", 32, 48, "2001:db8:1::"},
		{"2001:db8:1:2:3::", 32, 128, "2001:db8:1:2:3::"}, {"2001:db8::", 32, 0, "::"},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char text[ADDR_TEXT];
		struct addr a;

		assert_true(addr_parse(slice_of(rows[i].in), &a));
		a = addr_net(&a, rows[i].v4, rows[i].v6);
		addr_text(&a, text);
		assert_string_equal(text, rows[i].out);
	}
}

static void test_address_and_port(void **state)
{
	static const struct {
		struct slice in;
		const char *out;
		unsigned port; /* 0: refused */
	} rows[] = {
		{B("127.0.0.1:8443"), "127.0.0.1", 8443}, {B("[::1]:80"), "::1", 80}, {B("*:443"), "::", 443},
		{B("0.0.0.0:1"), "0.0.0.0", 1},	  {B("127.0.0.1:65535"), "127.0.0.1", 65535},
		{B("127.0.0.1:65536"), "", 0},	  {B("127.0.0.1:0"), "", 0},	{B("127.0.0.1"), "", 0},
		{B("::1:80"), "", 0},		  {B(":80"), "", 0},		{B("[::1]"), "", 0},
		{B("[::1]x:80"), "", 0},	  {B("localhost:80"), "", 0},	{B("127.0.0.1:80x"), "", 0},
		{B("127.0.0.1:+80"), "", 0},	  {B("**:80"), "", 0},		{B(""), "", 0},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char text[ADDR_TEXT];
		uint16_t port = 0;
		struct addr a;

		if (addr_parse_port(guard_put(&guard, rows[i].in), &a, &port) != (rows[i].port != 0))
			fail_msg("\"%.*s\"", SLICE_F(rows[i].in));
		if (!rows[i].port)
			continue;
		addr_text(&a, text);
		assert_string_equal(text, rows[i].out);
		assert_int_equal(port, rows[i].port);
	}
}

static void test_the_kernels_form_and_back(void **state)
{
	static const char *const rows[] = {"192.0.2.1", "2001:db8::1", "::1", "0.0.0.0"};
	struct sockaddr_storage at;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct addr a, back;
		uint16_t port;

		assert_true(addr_parse(slice_of(rows[i]), &a));
		assert_int_equal(addr_to_sockaddr(&a, 8080, &at),
				 addr_is_v4(&a) ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		assert_true(addr_from_sockaddr(&at, &back, &port));
		assert_int_equal(addr_compare(&a, &back), 0);
		assert_int_equal(port, 8080);
	}
	/* A client that reaches an IPv6 socket over IPv4 is an IPv4 client. */
	memset(&at, 0, sizeof at);
	at.ss_family = AF_INET6;
	inet_pton(AF_INET6, "::ffff:192.0.2.9", &((struct sockaddr_in6 *)(void *)&at)->sin6_addr);
	{
		struct addr a;
		uint16_t port;

		assert_true(addr_from_sockaddr(&at, &a, &port));
		assert_true(addr_is_v4(&a));
		at.ss_family = AF_UNIX;
		assert_false(addr_from_sockaddr(&at, &a, &port));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_special_addresses_have_no_place),
		cmocka_unit_test(test_net_of_an_address),
		cmocka_unit_test(test_address_and_port),
		cmocka_unit_test(test_the_kernels_form_and_back),
	};

	guard_open(&guard, 4096);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
