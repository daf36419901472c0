/* proxy_header_test.c -- the header by which a load balancer names the client: one form, or none. */
#include "gateway/http/proxy_header.h"

#include "bed.h"

#define MORE PROXY_HEADER_MORE
#define WHOLE PROXY_HEADER_WHOLE
#define BAD PROXY_HEADER_BAD

static struct guard guard;

/* The answer to the first `n` bytes, which end where reading ends. */
static enum proxy_header_found answer(struct slice in, struct proxy_header *out, uint32_t *len)
{
	const char *why = NULL;
	enum proxy_header_found found = proxy_header_read(guard_put(&guard, in), out, len, &why);

	assert_true((found == BAD) == (why != NULL));
	return found;
}

/* Any split of the bytes gives the same answer in the end. */
static enum proxy_header_found read_split(struct slice in, struct proxy_header *out, uint32_t *len)
{
	enum proxy_header_found whole = answer(in, out, len), part;
	struct proxy_header other;
	bool told = false;
	uint32_t n;

	for (size_t cut = 0; cut < in.len; cut++) {
		part = answer(slice_first(in, cut), &other, &n);
		if (part != whole && (part != MORE || told))
			fail_msg("at %zu of \"%.*s\"", cut, SLICE_F(in));
		told |= part == whole && whole != MORE;
		if (part != WHOLE)
			continue;
		assert_int_equal(n, *len);
		assert_memory_equal(&other.source, &out->source, sizeof other.source);
	}
	return whole;
}

/* "source:port target:port", or "-". */
static void tell(const struct proxy_header *h, char out[128])
{
	char source[ADDR_TEXT], target[ADDR_TEXT];

	addr_text(&h->source, source);
	addr_text(&h->target, target);
	snprintf(out, 128, h->named ? "%s:%u %s:%u" : "-", source, h->source_port, target, h->target_port);
}

/* ---- Version 1 ---- */

static const struct {
	struct slice in;
	enum proxy_header_found want;
	const char *says, *why;
} lines[] = {
	{B("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"), WHOLE, "192.0.2.1:56324 192.0.2.2:443", "the ordinary one"},
	{B("PROXY TCP4 192.0.2.1 192.0.2.2 0 65535\r\nGET / HTTP/1.1\r\n"), WHOLE, "192.0.2.1:0 192.0.2.2:65535", "the extremes"},
	{B("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), WHOLE,
	 "255.255.255.255:65535 255.255.255.255:65535", "the longest of IPv4"},
	{B("PROXY TCP6 2001:db8::1 2001:DB8::2 1 2\r\n"), WHOLE, "2001:db8::1:1 2001:db8::2:2", "IPv6"},
	{B("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"), WHOLE,
	 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:65535 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:65535", "the longest of IPv6"},
	{B("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n"), WHOLE, "192.0.2.1:1 192.0.2.2:2", "IPv4 inside IPv6 is IPv4"},
	{B("PROXY UNKNOWN\r\n"), WHOLE, "-", "a hop that speaks for itself"},
	{B("PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n"), WHOLE, "-", "what follows UNKNOWN is not looked at"},
	{B("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535 and more that fits into the line of 107 bytes.\r\n"), WHOLE, "-",
	 "as much of it as fits"},
	{B(""), MORE, "", "nothing yet"},
	{B("P"), MORE, "", "it begins"},
	{B("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443"), MORE, "", "no end yet"},
	{B("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r"), MORE, "", "half an end"},

	{B("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), BAD, "", "a request without one"},
	{B("\x16\x03\x01\x02"), BAD, "", "a TLS handshake without one"},
	{B(" PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), BAD, "", "space in front"},
	{B("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), BAD, "", "lower case"},
	{B("PROXYTCP4 192.0.2.1 192.0.2.2 1 2\r\n"), BAD, "", "no space"},
	{B("PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), BAD, "", "two spaces"},
	{B("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n"), BAD, "", "two spaces further on"},
	{B("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n"), BAD, "", "space at the end"},
	{B("PROXY\tTCP4 192.0.2.1 192.0.2.2 1 2\r\n"), BAD, "", "a tab"},
	{B("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"), BAD, "", "a bare LF"},
	{B("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n\r\n"), BAD, "", "a bare LF, then an end"},
	{B("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n"), BAD, "", "a CR too much"},
	{B("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n"), BAD, "", "a NUL"},
	{B("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"), BAD, "", "a port is missing"},
	{B("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n"), BAD, "", "a port too many"},
	{B("PROXY TCP4\r\n"), BAD, "", "nothing behind the family"},
	{B("PROXY TCP4 \r\n"), BAD, "", "only a space behind it"},
	{B("PROXY \r\n"), BAD, "", "no family"},
	{B("PROXY\r\n"), BAD, "", "not even a space"},
	{B("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n"), BAD, "", "no such family"},
	{B("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n"), BAD, "", "datagrams"},
	{B("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n"), BAD, "", "a port out of bounds"},
	{B("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n"), BAD, "", "a leading zero"},
	{B("PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n"), BAD, "", "a sign"},
	{B("PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n"), BAD, "", "a minus"},
	{B("PROXY TCP4 192.0.2.1 192.0.2.2 0x1 2\r\n"), BAD, "", "hexadecimal"},
	{B("PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n"), BAD, "", "an octal-looking address"},
	{B("PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n"), BAD, "", "three parts"},
	{B("PROXY TCP4 3221225985 192.0.2.2 1 2\r\n"), BAD, "", "an address in one number"},
	{B("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"), BAD, "", "IPv6 called IPv4"},
	{B("PROXY TCP4 ::ffff:192.0.2.1 192.0.2.2 1 2\r\n"), BAD, "", "IPv4 inside IPv6 called IPv4"},
	{B("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"), BAD, "", "IPv4 called IPv6"},
	{B("PROXY TCP6 [2001:db8::1] [2001:db8::2] 1 2\r\n"), BAD, "", "brackets"},
	{B("PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n"), BAD, "", "a zone"},
	{B("PROXY TCP4 example.com 192.0.2.2 1 2\r\n"), BAD, "", "a name"},
	{B("PROXY UNKNOWNX\r\n"), BAD, "", "not that word"},
	{B("PROXY UNKNOWN \x01\r\n"), BAD, "", "a control character behind it"},
	{B("PROXY UNKNOWN \xe2\x80\xae\r\n"), BAD, "", "what is not ASCII behind it"},
	{B("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535 and more that does not fit the line of 107 bytes..\r\n"), BAD, "",
	 "one byte too long"},
};

static void test_a_line_is_exactly_so(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROWS(lines); i++) {
		struct proxy_header h;
		uint32_t len = 0;
		char text[128];

		if (read_split(lines[i].in, &h, &len) != lines[i].want)
			fail_msg("%s", lines[i].why);
		if (lines[i].want != WHOLE)
			continue;
		tell(&h, text);
		assert_string_equal(text, lines[i].says);
		assert_int_equal(len, slice_find(lines[i].in, '\n') + 1);
	}
}

/* ---- Version 2 ---- */

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define ENDS4 "\xc0\x00\x02\x01\xc0\x00\x02\x02\xdc\x04\x01\xbb"
#define ENDS6                                                                                            \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x00\x01\x00\x02"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x02\x00\x01\x00\x02"
#define NAMES4 "192.0.2.1:56324 192.0.2.2:443"

static const struct {
	struct slice in;
	enum proxy_header_found want;
	const char *says, *why;
} blocks[] = {
	{B(SIGNATURE "\x21\x11\x00\x0c" ENDS4), WHOLE, NAMES4, "IPv4"},
	{B(SIGNATURE "\x21\x11\x00\x0c" ENDS4 "GET / HTTP/1.1\r\n"), WHOLE, NAMES4, "what follows is not its business"},
	{B(SIGNATURE "\x21\x21\x00\x24" ENDS6), WHOLE, "2001:db8::1:1 2001:db8::2:2", "IPv6"},
	{B(SIGNATURE "\x21\x21\x00\x24" MAPPED), WHOLE, "192.0.2.1:1 192.0.2.2:2", "IPv4 inside IPv6 is IPv4"},
	{B(SIGNATURE "\x20\x11\x00\x0c" ENDS4), WHOLE, "-", "LOCAL: the addresses do not count"},
	{B(SIGNATURE "\x20\x00\x00\x00"), WHOLE, "-", "LOCAL without any"},
	{B(SIGNATURE "\x20\xff\x00\x03xyz"), WHOLE, "-", "LOCAL: the family does not count either"},
	{B(SIGNATURE "\x21\x00\x00\x00"), WHOLE, "-", "unspecified"},
	{B(SIGNATURE "\x21\x00\x00\x05hello"), WHOLE, "-", "unspecified: nobody knows where additions would begin"},
	{B(SIGNATURE "\x21\x11\x00\x0f" ENDS4 "\x04\x00\x00"), WHOLE, NAMES4, "an empty addition"},
	{B(SIGNATURE "\x21\x11\x00\x14" ENDS4 "\x01\x00\x05hello"), WHOLE, NAMES4, "an addition"},
	{B(SIGNATURE "\x21\x11\x00\x17" ENDS4 "\x01\x00\x05hello\xea\x00\x00"), WHOLE, NAMES4, "two"},
	{B(SIGNATURE "\x21\x11\x00\x13" ENDS4 "\x03\x00\x04\xd6\xc8\xc7\x5f"), WHOLE, NAMES4, "a checksum"},

	{B("\r"), MORE, "", "it begins"},
	{B(SIGNATURE), MORE, "", "the signature alone"},
	{B(SIGNATURE "\x21\x11\x00"), MORE, "", "half a length"},
	{B(SIGNATURE "\x21\x11\x00\x0c\xc0\x00\x02\x01"), MORE, "", "half the addresses"},
	{B(SIGNATURE "\x21\x11\x0f\xf0" ENDS4), MORE, "", "the longest that is waited for"},

	{B("\r\nGET / HTTP/1.1\r\n"), BAD, "", "a request behind an empty line"},
	{B("\r\n\r\n\0\r\nQUIX\n\x21\x11\x00\x0c" ENDS4), BAD, "", "another signature"},
	{B(SIGNATURE "\x11\x11\x00\x0c" ENDS4), BAD, "", "version 1 in a block"},
	{B(SIGNATURE "\x31\x11\x00\x0c" ENDS4), BAD, "", "version 3"},
	{B(SIGNATURE "\x22\x11\x00\x0c" ENDS4), BAD, "", "no such command"},
	{B(SIGNATURE "\x21\x12\x00\x0c" ENDS4), BAD, "", "datagrams"},
	{B(SIGNATURE "\x21\x31\x00\xd8" ENDS4 ENDS6 ENDS6 ENDS6 ENDS6 ENDS6 "aaaaaaaaaaaaaaaaaaaaaaaa"), BAD, "", "a Unix socket"},
	{B(SIGNATURE "\x21\x10\x00\x0c" ENDS4), BAD, "", "half a family"},
	{B(SIGNATURE "\x21\x01\x00\x0c" ENDS4), BAD, "", "the other half"},
	{B(SIGNATURE "\x21\x11\x00\x00" ENDS4), BAD, "", "a length that says there are no addresses"},
	{B(SIGNATURE "\x21\x11\x00\x0b" ENDS4), BAD, "", "a length of one byte too few"},
	{B(SIGNATURE "\x21\x21\x00\x0c" ENDS4), BAD, "", "IPv4 called IPv6"},
	{B(SIGNATURE "\x21\x21\x00\x23" ENDS6), BAD, "", "IPv6, one byte too few"},
	{B(SIGNATURE "\x21\x11\x0f\xf1" ENDS4), BAD, "", "one byte longer than is read"},
	{B(SIGNATURE "\x21\x11\xff\xff" ENDS4), BAD, "", "64 KiB of additions"},
	{B(SIGNATURE "\x20\x00\xff\xff"), BAD, "", "64 KiB behind LOCAL"},
	{B(SIGNATURE "\x21\x11\x00\x0d" ENDS4 "\x04"), BAD, "", "an addition of one byte"},
	{B(SIGNATURE "\x21\x11\x00\x0e" ENDS4 "\x04\x00"), BAD, "", "an addition of two"},
	{B(SIGNATURE "\x21\x11\x00\x0f" ENDS4 "\x04\x00\x01"), BAD, "", "an addition that is longer than its room"},
	{B(SIGNATURE "\x21\x11\x00\x13" ENDS4 "\x01\x00\x05hell"), BAD, "", "the same, by one byte"},
	{B(SIGNATURE "\x21\x11\x00\x10" ENDS4 "\x04\x00\x00x"), BAD, "", "a byte behind the last addition"},
	{B(SIGNATURE "\x21\x11\x00\x13" ENDS4 "\x03\x00\x04\x00\x00\x00\x00"), BAD, "", "a wrong checksum"},
	{B(SIGNATURE "\x21\x11\x00\x1a" ENDS4 "\x03\x00\x04\xd6\xc8\xc7\x5f\x03\x00\x04\xd6\xc8\xc7\x5f"), BAD, "", "two checksums"},
	{B(SIGNATURE "\x21\x11\x00\x12" ENDS4 "\x03\x00\x03\x00\x00\x00"), BAD, "", "half a checksum"},
};

static void test_a_block_is_exactly_so(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROWS(blocks); i++) {
		struct proxy_header h;
		uint32_t len = 0;
		char text[128];

		if (read_split(blocks[i].in, &h, &len) != blocks[i].want)
			fail_msg("%s", blocks[i].why);
		if (blocks[i].want != WHOLE)
			continue;
		tell(&h, text);
		assert_string_equal(text, blocks[i].says);
		assert_int_equal(len, 16 + (unsigned char)blocks[i].in.at[15]);
	}
}

/* As many additions as fit, and the longest one. */
static void test_the_bound_of_a_block(void **state)
{
	static char in[PROXY_HEADER_MOST] = SIGNATURE "\x21\x11\x0f\xf0" ENDS4;
	struct proxy_header h;
	uint32_t len = 0;

	(void)state;
	for (size_t i = 28; i + 3 <= sizeof in; i += 3)
		memcpy(in + i, "\x04\x00\x00", 3);
	assert_int_equal(answer(slice_make(in, sizeof in), &h, &len), WHOLE); /* 1,356 empty ones */
	in[sizeof in - 1] = 1;
	assert_int_equal(answer(slice_make(in, sizeof in), &h, &len), BAD);
	in[28] = 4;
	in[29] = (4068 - 3) >> 8;
	in[30] = (char)((4068 - 3) & 255);
	assert_int_equal(read_split(slice_make(in, sizeof in), &h, &len), WHOLE);
	assert_int_equal(len, sizeof in);
}

/* Whatever byte is changed: it is refused, or the same connection with other ends. */
static void test_any_changed_byte(void **state)
{
	static const struct slice good[] = {B("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"),
					    B(SIGNATURE "\x21\x11\x00\x14" ENDS4 "\x01\x00\x05hello")};

	(void)state;
	for (unsigned k = 0; k < ROWS(good); k++)
		for (size_t i = 0; i < good[k].len; i++)
			for (unsigned c = 0; c < 256; c++) {
				char in[64];
				struct proxy_header h;
				uint32_t len = 0;

				memcpy(in, good[k].at, good[k].len);
				in[i] = (char)c;
				if (read_split(slice_make(in, good[k].len), &h, &len) == WHOLE)
					assert_in_range(len, 8, good[k].len);
			}
}

static int open_guard(void **state)
{
	(void)state;
	guard_open(&guard, 8192);
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
		cmocka_unit_test(test_a_line_is_exactly_so),
		cmocka_unit_test(test_a_block_is_exactly_so),
		cmocka_unit_test(test_the_bound_of_a_block),
		cmocka_unit_test(test_any_changed_byte),
	};

	return cmocka_run_group_tests(tests, open_guard, close_guard);
}
