/* addr.h -- network addresses: always 16 bytes, IPv4 as ::ffff:a.b.c.d.
 *
 * One form means that a mapped IPv4 address can never be a second name of an
 * IPv4 client.  NAT64 (64:ff9b::/96) is folded to the IPv4 address inside. */
#ifndef PORTCULLIS_BASE_ADDR_H
#define PORTCULLIS_BASE_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "gateway/base/slice.h"

struct addr {
	uint8_t b[16];
};

struct cidr {
	struct addr base; /* host bits zero */
	uint8_t bits;     /* 0-128, counted over the 16 bytes: an IPv4 /24 is 120 */
};

enum { ADDR_TEXT = 46 }; /* room for any address as text, NUL included */

bool addr_is_v4(const struct addr *a);
/* "192.0.2.1", "2001:db8::1", "[2001:db8::1]"; no zone, no port. */
bool addr_parse(struct slice text, struct addr *out);
/* Shortest form (RFC 5952); IPv4 in dots.  Returns the length. */
unsigned addr_text(const struct addr *a, char out[ADDR_TEXT]);
int addr_compare(const struct addr *a, const struct addr *b);
/* `a` with all but the first bits cleared: v4_bits of an IPv4 address (0-32), v6_bits of another. */
struct addr addr_net(const struct addr *a, unsigned v4_bits, unsigned v6_bits);
/* Private, loopback, link-local, unspecified, documentation and kin: has no place on the map. */
bool addr_is_special(const struct addr *a);

/* "192.0.2.0/24" or a plain address.  False also when host bits are set, *why then says so. */
bool cidr_parse(struct slice text, struct cidr *out, const char **why);
/* An IPv6 network, however wide, has no IPv4 address in it. */
bool cidr_has(const struct cidr *net, const struct addr *a);

/* 4 or 16 bytes in network order. */
void addr_from_bytes(const uint8_t *at, unsigned n, struct addr *out);
/* From and to the kernel's form; port in host order. */
bool addr_from_sockaddr(const struct sockaddr_storage *from, struct addr *out, uint16_t *port);
/* IPv4 as AF_INET.  Returns the length to give to the kernel. */
socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *out);
/* "HOST:PORT" with a literal address, "[::1]:80", "*:80" (all, IPv6 and IPv4). */
bool addr_parse_port(struct slice text, struct addr *out, uint16_t *port);

#endif
