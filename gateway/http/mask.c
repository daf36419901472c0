/* mask.c -- finding names of an origin's servers in values, and writing the public one. */
#include "gateway/http/mask.h"

#include "gateway/base/addr.h"
#include "gateway/base/text.h"
#include "gateway/http/bytes.h"

enum { NAME_MOST = 253 };

int mask_compare(struct slice a, struct slice b)
{
	int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool is_origins(const struct http_mask *m, struct slice name)
{
	unsigned low = 0, high = m->names_n;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		int order = mask_compare(name, m->names[middle]);

		if (!order)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

/* ---- Finding ---- */

/* What is to be replaced of a value. */
struct found {
	size_t begin, end; /* scheme, host and port, as far as they are there */
	bool schemed, websocket;
	bool encoded;      /* "%3A%2F%2F" and not "://" */
};

/* A percent-escape at `i`, which separates like the byte that it stands for. */
static bool is_escape(struct slice v, size_t i)
{
	return v.at[i] == '%' && v.len - i >= 3 && text_hex_digit(v.at[i + 1]) >= 0 && text_hex_digit(v.at[i + 2]) >= 0;
}

static bool is_letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool ends_as(struct slice v, size_t end, struct slice with)
{
	return end >= with.len && slice_ieq(slice_make(v.at + end - with.len, with.len), with);
}

/* "//" before `at`; then a scheme before that, unless it would begin before `from`. */
static bool is_behind_slashes(struct slice v, size_t from, size_t at, struct found *out)
{
	static const struct slice plain = {"//", 2}, escaped = {"%2F%2F", 6};
	static const struct {
		struct slice name;
		bool websocket;
	} schemes[] = {{{"https", 5}, false}, {{"http", 4}, false}, {{"wss", 3}, true}, {{"ws", 2}, true}};
	struct slice colon;

	out->encoded = ends_as(v, at, escaped);
	if (!out->encoded && !ends_as(v, at, plain))
		return false;
	at -= out->encoded ? escaped.len : plain.len;
	colon = out->encoded ? SLICE("%3A") : SLICE(":");
	if (!ends_as(v, at, colon))
		return true;
	at -= colon.len;
	for (unsigned i = 0; i < sizeof schemes / sizeof *schemes && !out->schemed; i++) {
		size_t begin = at - schemes[i].name.len;

		if (!ends_as(v, at, schemes[i].name) || begin < from || (begin && is_letter(v.at[begin - 1])))
			continue;
		out->schemed = true;
		out->websocket = schemes[i].websocket;
		out->begin = begin;
	}
	return true;
}

/* The port behind a host or port that ends at `at`: where it ends, and its number. */
static size_t read_port(struct slice v, size_t at, uint64_t *port)
{
	static const struct slice escaped = {"%3A", 3};
	size_t from = at, end;

	if (v.len - at > escaped.len && slice_ieq(slice_make(v.at + at, escaped.len), escaped))
		from += escaped.len;
	else if (at < v.len && v.at[at] == ':')
		from++;
	for (end = from; end < v.len && byte_is_digit(v.at[end]); end++)
		;
	if (from == at || end == from || (end < v.len && byte_is(v.at[end], BYTE_HOST)) ||
	    !text_uint(slice_make(v.at + from, end - from), port))
		return at;
	return end;
}

/* With whatever follows it: a second port would be left to the public name. */
static size_t port_behind(struct slice v, size_t at, uint64_t *port)
{
	size_t end = read_port(v, at, port), next;
	uint64_t other;

	while (end > at && (next = read_port(v, end, &other)) > end)
		end = next;
	return end;
}

static bool is_origins_port(const struct http_mask *m, uint64_t port)
{
	if (port == m->port)
		return false;
	for (unsigned i = 0; i < m->ports_n; i++)
		if (m->ports[i] == port)
			return true;
	return false;
}

/* What a value has at [begin, end). */
struct token {
	size_t begin, end;
	struct slice name; /* canonical */
};

/* Is it to be replaced?  What stands before `from` is done with. */
static bool is_told(struct slice v, size_t from, const struct token *t, const struct http_mask *m, struct found *out)
{
	bool slashes, alone = slice_find(t->name, '.') < t->name.len || slice_find(t->name, ':') < t->name.len;
	uint64_t port = 0;

	*out = (struct found){.begin = t->begin};
	slashes = is_behind_slashes(v, from, t->begin, out);
	out->end = port_behind(v, t->end, &port);
	if (is_origins(m, t->name))
		return slashes || alone;
	return slashes && slice_eq(t->name, m->host) && is_origins_port(m, port);
}

/* An IPv6 address in brackets at `i`; the end of it, or `i`. */
static size_t read_brackets(struct slice v, size_t i, char *name, size_t *len)
{
	size_t n = slice_find(slice_after(v, i), ']') + 1;
	struct addr a;

	if (n > v.len - i || n > ADDR_TEXT + 1 || !addr_parse(slice_make(v.at + i, n), &a))
		return i;
	*len = addr_text(&a, name);
	return i + n;
}

/* A run of what may stand in a name; the end of it.  A dot at its end is not the name's. */
static size_t read_run(struct slice v, size_t i, char *name, size_t *len)
{
	size_t end = i;

	while (end < v.len && byte_is(v.at[end], BYTE_HOST))
		end++;
	*len = end - i <= NAME_MOST ? end - i : 0;
	for (size_t k = 0; k < *len; k++)
		name[k] = ascii_lower(v.at[i + k]);
	while (*len && name[*len - 1] == '.')
		(*len)--;
	return end;
}

static bool find_next(struct slice v, size_t from, const struct http_mask *m, struct found *out)
{
	char name[NAME_MOST + 1];

	for (size_t i = from; i < v.len;) {
		size_t end = i, len = 0;
		struct token t;

		if (v.at[i] == '[')
			end = read_brackets(v, i, name, &len);
		else if (byte_is(v.at[i], BYTE_HOST))
			end = read_run(v, i, name, &len);
		t = (struct token){i, end, {name, len}};
		if (len && is_told(v, from, &t, m, out))
			return true;
		i = end > i ? end : i + (is_escape(v, i) ? 3 : 1);
	}
	return false;
}

/* ---- Writing ---- */

static char *put(char *at, struct slice s)
{
	if (s.len)
		memcpy(at, s.at, s.len);
	return at + s.len;
}

static char *put_authority(char *at, struct slice authority, bool encoded)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < authority.len; i++) {
		unsigned char c = (unsigned char)authority.at[i];

		if (!encoded || byte_is((char)c, BYTE_HOST)) {
			*at++ = (char)c;
			continue;
		}
		*at++ = '%';
		*at++ = digits[c >> 4];
		*at++ = digits[c & 15];
	}
	return at;
}

static char *put_public(char *at, const struct found *f, const struct http_mask *m)
{
	if (f->schemed) {
		at = put(at, f->websocket ? SLICE("ws") : SLICE("http"));
		at = m->secure ? put(at, SLICE("s")) : at;
		at = put(at, f->encoded ? SLICE("%3A%2F%2F") : SLICE("://"));
	}
	return put_authority(at, m->authority, f->encoded);
}

/* Nothing was found: the value itself.  at NULL: memory is used up. */
static struct slice mask_value(struct arena *a, struct slice v, const struct http_mask *m)
{
	size_t done = 0, times = 0;
	char *begin, *at;
	struct found f;

	for (; find_next(v, done, m, &f); done = f.end)
		times++;
	if (!times)
		return v;
	at = begin = arena_take(a, v.len + times * (sizeof "https%3A%2F%2F" + 3 * m->authority.len));
	if (!at)
		return SLICE_NONE;
	for (done = 0; find_next(v, done, m, &f); done = f.end) {
		at = put(at, slice_make(v.at + done, f.begin - done));
		at = put_public(at, &f, m);
	}
	at = put(at, slice_after(v, done));
	return slice_make(begin, (size_t)(at - begin));
}

/* ---- Cookies ---- */

/* RFC 6265 section 5.1.3. */
static bool is_within(struct slice host, struct slice domain)
{
	if (host.len <= domain.len)
		return slice_ieq(host, domain);
	return host.at[host.len - domain.len - 1] == '.' && slice_ieq(slice_after(host, host.len - domain.len), domain);
}

static bool is_foreign(struct slice attribute, struct slice host)
{
	size_t equals = slice_find(attribute, '=');
	struct slice domain;

	if (equals == attribute.len || !slice_ieq(slice_trim(slice_first(attribute, equals)), SLICE("domain")))
		return false;
	domain = slice_trim(slice_after(attribute, equals + 1));
	if (domain.len && domain.at[0] == '.')
		domain = slice_after(domain, 1);
	return domain.len && !is_within(host, domain);
}

static struct slice mask_cookie(struct arena *a, struct slice v, struct slice host)
{
	char *begin = arena_take(a, v.len + 1), *at = begin;
	struct slice rest = v, part;

	if (!at)
		return SLICE_NONE;
	/* The first part is the cookie itself. */
	if (slice_cut(&rest, ';', &part))
		at = put(at, part);
	while (slice_cut(&rest, ';', &part)) {
		if (is_foreign(part, host))
			continue;
		*at++ = ';';
		at = put(at, part);
	}
	return slice_make(begin, (size_t)(at - begin));
}

/* ---- All of it ---- */

/* No name can stand in it: most values end here. */
static bool is_plain(struct slice v)
{
	for (size_t i = 0; i < v.len; i++)
		if (v.at[i] == '.' || v.at[i] == '/' || v.at[i] == '%' || v.at[i] == '[')
			return false;
	return true;
}

bool http_mask(struct arena *a, struct fields *f, const struct http_mask *m)
{
	for (uint32_t i = 0; i < f->n; i++) {
		struct field *one = &f->at[i];
		bool cookie = one->id == FIELD_SET_COOKIE;

		if (one->hidden || !one->value.len || (!cookie && is_plain(one->value)))
			continue;
		one->value = cookie ? mask_cookie(a, one->value, m->host) : mask_value(a, one->value, m);
		if (!one->value.at)
			return false;
	}
	return true;
}
