/* addr.c -- fuzz: an address has one text and a network holds what its bits say.
 *
 * The second opinion is inet_pton and arithmetic bit by bit. */
#include <arpa/inet.h>

#include "fuzz.h"
#include "gateway/base/addr.h"

static bool bit(const struct addr *a, unsigned i)
{
	return a->b[i / 8] >> (7 - i % 8) & 1;
}

static void check_text(struct slice in, const struct addr *a)
{
	char text[ADDR_TEXT], z[64];
	unsigned n = addr_text(a, text);
	struct in6_addr six;
	struct addr again;
	bool brackets = in.at[0] == '[';

	MUST(addr_parse(slice_make(text, n), &again) && addr_compare(a, &again) == 0);
	memcpy(z, in.at + brackets, in.len - 2 * brackets);
	z[in.len - 2 * brackets] = 0;
	MUST(addr_is_v4(a) == (strchr(text, ':') == NULL));
	if (inet_pton(AF_INET6, z, &six) == 1 && memcmp(&six, "\0\x64\xff\x9b\0\0\0\0\0\0\0\0", 12))
		MUST(memcmp(&six, a->b, 16) == 0);
	else
		MUST(addr_is_v4(a));
}

static void check_network(struct slice in, struct fuzz_in *more)
{
	struct cidr net, again;
	const char *why = NULL;
	struct addr a;
	char text[ADDR_TEXT + 8];
	bool inside = true;
	int n;

	if (!cidr_parse(in, &net, &why)) {
		MUST(why);
		return;
	}
	MUST(net.bits <= 128);
	for (unsigned i = net.bits; i < 128; i++)
		MUST(!bit(&net.base, i));
	n = (int)addr_text(&net.base, text);
	n += sprintf(text + n, "/%u", addr_is_v4(&net.base) ? net.bits - 96u : net.bits);
	MUST(cidr_parse(slice_make(text, (size_t)n), &again, &why) && again.bits == net.bits && !addr_compare(&again.base, &net.base));
	fuzz_bytes(more, a.b, sizeof a.b);
	/* Half of the bytes are the network's own, or hardly any address would be in it. */
	if (fuzz_byte(more) & 1)
		for (unsigned i = 0; i < net.bits / 8; i++)
			a.b[i] = net.base.b[i];
	for (unsigned i = 0; i < net.bits; i++)
		inside = inside && bit(&a, i) == bit(&net.base, i);
	MUST(cidr_has(&net, &a) == (inside && (addr_is_v4(&a) ? net.bits >= 96 : true)));
	MUST(cidr_has(&net, &net.base) || (net.bits < 96 && addr_is_v4(&net.base)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	struct slice text = fuzz_line(&in);
	struct sockaddr_storage kernel;
	struct addr a, back;
	uint16_t port, port_back;

	if (addr_parse(text, &a)) {
		check_text(text, &a);
		addr_to_sockaddr(&a, 77, &kernel);
		MUST(addr_from_sockaddr(&kernel, &back, &port) && port == 77 && addr_compare(&a, &back) == 0);
		MUST(addr_is_special(&a) == addr_is_special(&back));
	}
	if (addr_parse_port(text, &a, &port)) {
		char whole[ADDR_TEXT + 10], only[ADDR_TEXT];

		addr_text(&a, only);
		n = (size_t)snprintf(whole, sizeof whole, addr_is_v4(&a) ? "%s:%u" : "[%s]:%u", only, port);
		MUST(addr_parse_port(slice_make(whole, n), &back, &port_back) && port == port_back && !addr_compare(&a, &back));
	}
	check_network(text, &in);
	return 0;
}
