/* authority.c -- the host a request is for, in the one form that names are compared in.
 *
 * Stricter than RFC 3986: no user, no escapes, no names that some resolver
 * reads as an address ("127.1", "0x7f.1", "2130706433"). */
#include "gateway/base/addr.h"
#include "gateway/base/text.h"
#include "gateway/http/bytes.h"
#include "gateway/http/parts.h"

static bool bad(const char **why, const char *text)
{
	*why = text;
	return false;
}

/* Host and port apart; *port stays as it is when none is given. */
static bool split(struct slice text, struct slice *host, uint16_t *port, const char **why)
{
	size_t cut = 0;
	uint64_t n;

	if (text.len && text.at[0] == '[')
		cut = slice_find(text, ']') + 1;
	if (cut > text.len)
		return bad(why, "an unclosed bracket in the host");
	cut += slice_find(slice_after(text, cut), ':');
	*host = slice_first(text, cut);
	if (cut == text.len)
		return true;
	text = slice_after(text, cut + 1);
	if (!text.len || text.at[0] == '0' || !text_uint(text, &n) || n > UINT16_MAX)
		return bad(why, "the port of the host is not 1 to 65535");
	*port = (uint16_t)n;
	return true;
}

/* Letters, digits, "-", "_" between single dots. */
static bool is_name(struct slice host)
{
	struct slice rest = host, label;

	if (!host.len || host.len > 253)
		return false;
	while (slice_cut(&rest, '.', &label)) {
		if (!label.len || label.len > 63)
			return false;
		for (size_t i = 0; i < label.len; i++)
			if (!byte_is(label.at[i], BYTE_HOST))
				return false;
	}
	return true;
}

/* A name whose last label is a number is an address to somebody (WHATWG URL, section 3.5). */
static bool ends_in_number(struct slice host)
{
	struct slice rest = host, label = host;
	size_t i = 0;

	while (slice_cut(&rest, '.', &label))
		;
	if (label.len >= 2 && label.at[0] == '0' && ascii_lower(label.at[1]) == 'x')
		return true;
	while (i < label.len && byte_is_digit(label.at[i]))
		i++;
	return i == label.len;
}

/* Writes the canonical host to `out`, which has room for ADDR_TEXT + 2 and for the host itself. */
static bool write_host(struct slice host, char *out, size_t *len, const char **why)
{
	struct addr a;

	if (host.len && host.at[0] == '[') {
		if (host.at[host.len - 1] != ']' || slice_find(host, ':') == host.len || !addr_parse(host, &a))
			return bad(why, "the host is not an IPv6 address in brackets");
		if (addr_is_v4(&a))
			return bad(why, "the host is an IPv4 address in disguise");
		out[0] = '[';
		*len = addr_text(&a, out + 1) + 1;
		out[(*len)++] = ']';
		return true;
	}
	if (host.len > 1 && host.at[host.len - 1] == '.')
		host.len--;
	if (!is_name(host))
		return bad(why, "the host is not a name");
	if (ends_in_number(host) && !addr_parse(host, &a))
		return bad(why, "the host is a number, but not an IPv4 address");
	for (size_t i = 0; i < host.len; i++)
		out[i] = ascii_lower(host.at[i]);
	*len = host.len;
	return true;
}

static size_t write_port(char *out, uint16_t port)
{
	char digits[5];
	size_t n = 0, len = 0;

	do
		digits[n++] = (char)('0' + port % 10);
	while (port /= 10);
	out[len++] = ':';
	while (n)
		out[len++] = digits[--n];
	return len;
}

bool h1_authority(struct arena *a, struct slice text, bool secure, struct request *out, const char **why)
{
	uint16_t own = secure ? 443 : 80, port = own;
	struct slice host;
	size_t len, end;
	char *at;

	if (!split(text, &host, &port, why))
		return false;
	at = arena_take(a, host.len + ADDR_TEXT + 8);
	if (!at)
		return bad(why, h1_no_memory);
	if (!write_host(host, at, &len, why))
		return false;
	end = len;
	if (port != own)
		end += write_port(at + len, port);
	out->host = slice_make(at, len);
	out->authority = slice_make(at, end);
	out->port = port;
	return true;
}
