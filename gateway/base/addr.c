/* addr.c -- addresses and networks as 16 bytes. */
#include "gateway/base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "gateway/base/fail.h"
#include "gateway/base/text.h"

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b};

bool addr_is_v4(const struct addr *a)
{
	return memcmp(a->b, mapped, sizeof mapped) == 0;
}

static void fold(struct addr *a)
{
	if (memcmp(a->b, nat64, sizeof nat64) == 0)
		memcpy(a->b, mapped, sizeof mapped);
}

bool addr_parse(struct slice text, struct addr *out)
{
	bool brackets = text.len >= 2 && text.at[0] == '[' && text.at[text.len - 1] == ']';
	char z[ADDR_TEXT];

	if (brackets)
		text = slice_make(text.at + 1, text.len - 2);
	if (!text.len || text.len >= sizeof z || memchr(text.at, 0, text.len))
		return false;
	memcpy(z, text.at, text.len);
	z[text.len] = 0;
	if (!brackets && inet_pton(AF_INET, z, out->b + 12) == 1) {
		memcpy(out->b, mapped, sizeof mapped);
		return true;
	}
	if (inet_pton(AF_INET6, z, out->b) != 1)
		return false;
	fold(out);
	return true;
}

unsigned addr_text(const struct addr *a, char out[ADDR_TEXT])
{
	if (addr_is_v4(a))
		inet_ntop(AF_INET, a->b + 12, out, ADDR_TEXT);
	else
		inet_ntop(AF_INET6, a->b, out, ADDR_TEXT);
	return (unsigned)strlen(out);
}

int addr_compare(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, sizeof a->b);
}

static void keep_bits(struct addr *a, unsigned bits)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned left = bits > i * 8 ? bits - i * 8 : 0;

		if (left < 8)
			a->b[i] = (uint8_t)(a->b[i] & (0xff00u >> left));
	}
}

struct addr addr_net(const struct addr *a, unsigned v4_bits, unsigned v6_bits)
{
	struct addr net = *a;

	keep_bits(&net, addr_is_v4(a) ? 96 + v4_bits : v6_bits);
	return net;
}

bool cidr_parse(struct slice text, struct cidr *out, const char **why)
{
	size_t cut = slice_find(text, '/');
	uint64_t bits = 0, most;
	struct addr whole;

	if (!addr_parse(slice_first(text, cut), &whole)) {
		*why = "not an address or network";
		return false;
	}
	most = slice_find(slice_first(text, cut), ':') < cut ? 128 : 32;
	if (cut == text.len)
		bits = most;
	else if (!text_uint(slice_after(text, cut + 1), &bits) || bits > most) {
		*why = most == 32 ? "the prefix length must be 0 to 32" : "the prefix length must be 0 to 128";
		return false;
	}
	/* ::ffff:0:0/96 and 64:ff9b::/96 would be all of IPv4 under another name. */
	if (most == 128 && addr_is_v4(&whole) && bits <= 96) {
		*why = "this holds IPv4 inside IPv6; write the IPv4 network";
		return false;
	}
	out->bits = (uint8_t)(most == 32 ? bits + 96 : bits);
	out->base = whole;
	keep_bits(&out->base, out->bits);
	if (addr_compare(&out->base, &whole) != 0) {
		*why = "bits behind the prefix are set; write the network's first address";
		return false;
	}
	return true;
}

bool cidr_has(const struct cidr *net, const struct addr *a)
{
	struct addr masked = *a;

	/* An IPv6 network that covers ::ffff:0:0 (::/0 does) has no IPv4 client in it. */
	if (net->bits < 96 && addr_is_v4(a))
		return false;
	keep_bits(&masked, net->bits);
	return addr_compare(&masked, &net->base) == 0;
}

/* IANA special-purpose registries (RFC 6890 and its updates). */
static const char *const special[] = {
	"0.0.0.0/8",     "10.0.0.0/8",      "100.64.0.0/10",  "127.0.0.0/8",  "169.254.0.0/16",
	"172.16.0.0/12", "192.0.0.0/24",    "192.0.2.0/24",   "192.168.0.0/16", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",   "240.0.0.0/4",  "::/128",
	"::1/128",       "fc00::/7",        "fe80::/10",      "ff00::/8",     "2001:db8::/32",
	"100::/64",      "3fff::/20",
};

bool addr_is_special(const struct addr *a)
{
	static struct cidr nets[sizeof special / sizeof *special];
	static bool ready;

	if (!ready) {
		const char *why;

		for (size_t i = 0; i < sizeof special / sizeof *special; i++)
			cidr_parse(slice_of(special[i]), &nets[i], &why);
		ready = true;
	}
	for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
		if (cidr_has(&nets[i], a))
			return true;
	return false;
}

void addr_from_bytes(const uint8_t *at, unsigned n, struct addr *out)
{
	CHECK(n == 4 || n == 16);
	memcpy(out->b, mapped, sizeof mapped);
	memcpy(out->b + 16 - n, at, n);
	fold(out);
}

bool addr_from_sockaddr(const struct sockaddr_storage *from, struct addr *out, uint16_t *port)
{
	if (from->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;

		addr_from_bytes((const uint8_t *)&in->sin_addr, 4, out);
		*port = ntohs(in->sin_port);
		return true;
	}
	if (from->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)from;

		addr_from_bytes((const uint8_t *)&in6->sin6_addr, 16, out);
		*port = ntohs(in6->sin6_port);
		return true;
	}
	return false;
}

socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof *out);
	if (addr_is_v4(a)) {
		struct sockaddr_in *in = (struct sockaddr_in *)(void *)out;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, a->b + 12, 4);
		return sizeof *in;
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)out;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, a->b, 16);
		return sizeof *in6;
	}
}

bool addr_parse_port(struct slice text, struct addr *out, uint16_t *port)
{
	size_t colon = text.len;
	uint64_t n;

	while (colon && text.at[colon - 1] != ':')
		colon--;
	if (!colon || !text_uint(slice_after(text, colon), &n) || n < 1 || n > 65535)
		return false;
	*port = (uint16_t)n;
	text = slice_first(text, colon - 1);
	if (slice_is(text, "*")) {
		memset(out, 0, sizeof *out);
		return true;
	}
	if (slice_find(text, ':') < text.len && text.at[0] != '[')
		return false;
	return addr_parse(text, out);
}
