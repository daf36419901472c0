/* config_origin.c -- where requests go: urls, names become addresses, and no way back to ourselves. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>

#include "gateway/base/hash.h"
#include "gateway/base/text.h"
#include "gateway/config/config_parts.h"

static bool bad_url(struct fail *f, struct place place, struct slice text, const char *why)
{
	return fail_at(f, place, "origin \"%.*s\" %s", (int)(text.len < 120 ? text.len : 120), text.at, why);
}

/* Host and port behind the scheme. */
static bool read_authority(struct fail *f, struct place place, struct slice text, struct slice rest,
			   struct config_server *server)
{
	size_t host = rest.len && rest.at[0] == '[' ? slice_find(rest, ']') + 1 : slice_find(rest, ':');
	uint64_t port;

	if (host > rest.len)
		return bad_url(f, place, text, "has a \"[\" without \"]\"");
	server->name = slice_first(rest, host);
	if (host && rest.at[0] == '[')
		server->name = slice_make(rest.at + 1, host - 2);
	rest = slice_after(rest, host);
	if (!server->name.len)
		return bad_url(f, place, text, "has no host");
	for (size_t i = 0; i < server->name.len; i++) {
		unsigned char c = (unsigned char)server->name.at[i];

		if (c <= ' ' || c >= 0x7f || strchr("\"'<>\\^`{|}%,;", c))
			return bad_url(f, place, text, "has a host with a character that no host has");
	}
	if (!rest.len)
		return true;
	if (rest.at[0] != ':' || !text_uint(slice_after(rest, 1), &port) || port < 1 || port > 65535)
		return bad_url(f, place, text, "must end with a port of 1 to 65535, or without one");
	server->port = (uint16_t)port;
	return true;
}

bool config_read_url(struct fail *f, struct place place, struct slice text, struct config_server *server)
{
	size_t cut = slice_find(text, ':');
	struct slice rest;

	if (slice_starts(text, SLICE("https://")))
		server->tls = true;
	else if (!slice_starts(text, SLICE("http://")))
		return fail_at(f, place, "origin \"%.*s\" must begin with http:// or https://; did you mean \"http://%.*s\"?",
			       SLICE_F(text), SLICE_F(slice_after(text, slice_starts(slice_after(text, cut), SLICE("://")) ?
										cut + 3 : 0)));
	server->port = server->tls ? 443 : 80;
	rest = slice_after(text, cut + 3);
	if (slice_find(rest, '@') < rest.len)
		return bad_url(f, place, text, "carries a user or password; that is not passed on, remove it");
	if (slice_find(rest, '/') < rest.len || slice_find(rest, '?') < rest.len || slice_find(rest, '#') < rest.len)
		return bad_url(f, place, text, "has a path; write scheme, host and port only (paths pass as they come)");
	return read_authority(f, place, text, rest, server);
}

/* IPv4 first: a server that is written by name most often listens there, localhost above all. */
static bool resolved(const struct addrinfo *first, struct addr *out, unsigned *n)
{
	bool v4 = false;
	uint16_t port;

	*n = 0;
	for (const struct addrinfo *i = first; i; i = i->ai_next) {
		struct sockaddr_storage at = {0};
		struct addr one;

		if (i->ai_addrlen > sizeof at)
			continue;
		memcpy(&at, i->ai_addr, i->ai_addrlen);
		if (!addr_from_sockaddr(&at, &one, &port))
			continue;
		if ((*n)++ == 0 || (!v4 && addr_is_v4(&one)))
			*out = one;
		v4 |= addr_is_v4(&one);
	}
	return *n > 0;
}

/* Link-local, multicast and unspecified addresses are nobody's origin; a name that answers with one
 * is wrong or hostile (169.254.169.254 hands out a cloud's credentials). */
static bool nobodys(const struct addr *a)
{
	static const char *const nets[] = {"0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "::/128", "fe80::/10", "ff00::/8"};

	for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
		struct cidr net;
		const char *why;

		if (cidr_parse(slice_of(nets[i]), &net, &why) && cidr_has(&net, a))
			return true;
	}
	return false;
}

bool config_resolve(struct config_reader *r, struct slice name, struct addr *out, struct place place)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	char host[256], shown[ADDR_TEXT];
	unsigned n;
	int error;

	if (addr_parse(name, out)) {
		if (!nobodys(out))
			return true;
		return fail_at(r->fail, place, "%.*s is unspecified, link-local or multicast: no server has it", SLICE_F(name));
	}
	if (name.len >= sizeof host)
		return fail_at(r->fail, place, "the host name is longer than 255 bytes");
	memcpy(host, name.at, name.len);
	host[name.len] = 0;
	error = getaddrinfo(host, NULL, &hints, &found);
	if (error)
		return fail_at(r->fail, place, "host \"%s\" cannot be resolved: %s; check the name, or write its address", host,
			       gai_strerror(error));
	if (!resolved(found, out, &n)) {
		freeaddrinfo(found);
		return fail_at(r->fail, place, "host \"%s\" has no IPv4 or IPv6 address", host);
	}
	freeaddrinfo(found);
	addr_text(out, shown);
	if (nobodys(out))
		return fail_at(r->fail, place, "host \"%s\" resolves to %s, which no server has; write its address", host, shown);
	if (n > 1)
		fail_note(r->fail, place, "host \"%s\" has %u addresses; %s is used until the next reload", host, n, shown);
	return true;
}

/* ---- Loops ---- */

static bool is_loopback(const struct addr *a)
{
	static const struct addr one = {.b = {[15] = 1}};

	return addr_is_v4(a) ? a->b[12] == 127 : addr_compare(a, &one) == 0;
}

static bool is_ours(const struct addr *a)
{
	struct ifaddrs *all = NULL;
	bool hit = is_loopback(a);

	if (hit || getifaddrs(&all) < 0)
		return hit;
	for (struct ifaddrs *i = all; i && !hit; i = i->ifa_next) {
		struct sockaddr_storage at = {0};
		struct addr one;
		uint16_t port;

		if (!i->ifa_addr || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		memcpy(&at, i->ifa_addr,
		       i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		hit = addr_from_sockaddr(&at, &one, &port) && addr_compare(&one, a) == 0;
	}
	freeifaddrs(all);
	return hit;
}

/* A request that came back to us would be judged and sent again, for ever. */
static void refuse_loop(struct config_reader *r, const struct config_server *server, struct place place)
{
	static const struct addr any;
	const struct config_listener *l = r->config->listeners.at;

	for (unsigned i = 0; i < r->config->listeners.n; i++, l++) {
		bool everywhere = addr_compare(&l->address, &any) == 0 ||
				  (addr_is_v4(&l->address) && !memcmp(l->address.b + 12, any.b, 4));

		if (l->port != server->port)
			continue;
		if (addr_compare(&l->address, &server->address) == 0 || (everywhere && is_ours(&server->address))) {
			fail_at(r->fail, place, "origin \"%.*s\" is this gateway's own listener %.*s (line %u); name the server behind it",
				SLICE_F(server->url), SLICE_F(l->address_text), l->head.place.line);
			return;
		}
	}
}

/* ---- Origins of sites ---- */

static void find_server(struct config_reader *r, struct config_server *server, struct place place)
{
	if (config_resolve(r, server->name, &server->address, place))
		refuse_loop(r, server, place);
}

static bool origin_of_url(struct config_reader *r, const struct config_site *site, struct place place,
			  struct config_origin *origin)
{
	struct config_server *server = ARENA_NEW(r->arena, struct config_server);
	struct setting_reader reader = {.arena = r->arena, .fail = r->fail, .directory = r->directory};
	const struct setting *table = NULL;

	for (const struct setting *s = config_table; s->key; s++)
		if (strcmp(s->key, "origins") == 0)
			table = s->each->table;
	if (!server || !setting_defaults(&reader, table, origin))
		return fail_at(r->fail, place, "memory is used up while the file is read");
	origin->head = (struct setting_head){site->origin_text, place};
	origin->servers = (struct setting_list){server, 1};
	server->head.place = place;
	server->weight = 1;
	server->url = site->origin_text;
	return config_read_url(r->fail, place, server->url, server);
}

/* Origins by name, while sites look for theirs. */
struct names {
	struct config_origin **slot;
	size_t mask;
	struct hash_seed seed;
};

/* Where the origin of that name is, or would be. */
static struct config_origin **find_origin(const struct names *n, struct slice name)
{
	size_t i = hash_bytes(&n->seed, name.at, name.len) & n->mask;

	while (n->slot[i] && !slice_eq(n->slot[i]->head.key, name))
		i = (i + 1) & n->mask;
	return &n->slot[i];
}

static void unknown_origin(struct config_reader *r, const struct config_site *site, struct place place,
			   unsigned declared)
{
	const struct config_origin *o = r->config->origins.at;
	const char **names = ARENA_ARRAY(&r->temp, const char *, declared + 1);
	struct slice text = site->origin_text;
	const char *near = NULL;

	if (names) {
		for (unsigned i = 0; i < declared; i++)
			names[i] = o[i].head.key.at; /* arena_copy put a NUL behind it */
		near = text_nearest(text, names);
	}
	if (near)
		fail_at(r->fail, place, "site \"%.*s\": no origin \"%.*s\"; did you mean \"%s\"?",
			SLICE_F(site->head.key), SLICE_F(text), near);
	else if (slice_find(text, ':') < text.len || slice_find(text, '.') < text.len)
		fail_at(r->fail, place, "site \"%.*s\": no origin \"%.*s\"; did you mean \"http://%.*s\"?",
			SLICE_F(site->head.key), SLICE_F(text), SLICE_F(text));
	else
		fail_at(r->fail, place, "site \"%.*s\": no origin \"%.*s\"; add it under origins, or write a url",
			SLICE_F(site->head.key), SLICE_F(text));
}

/* Every site may bring an origin of its own. */
static bool make_room(struct config_reader *r, struct names *names)
{
	struct config *c = r->config;
	unsigned most = c->origins.n + c->sites.n;
	struct config_origin *all = ARENA_ARRAY(r->arena, struct config_origin, most);
	size_t slots = 16;

	while (slots < 2 * (size_t)most)
		slots *= 2;
	names->slot = ARENA_ARRAY(&r->temp, struct config_origin *, slots);
	names->mask = slots - 1;
	hash_seed_random(&names->seed);
	if (!all || !names->slot)
		return fail_at(r->fail, r->root->place, "memory is used up while the file is read");
	if (c->origins.n)
		memcpy(all, c->origins.at, c->origins.n * sizeof *all);
	c->origins.at = all;
	for (unsigned i = 0; i < c->origins.n; i++)
		*find_origin(names, all[i].head.key) = &all[i];
	return true;
}

static void number(struct config *c)
{
	struct config_origin *o = c->origins.at;

	for (unsigned i = 0; i < c->origins.n; i++) {
		struct config_server *s = o[i].servers.at;

		o[i].number = i;
		for (unsigned k = 0; k < o[i].servers.n; k++)
			s[k].number = c->servers_n++;
	}
}

static void find_origins(struct config_reader *r)
{
	struct config *c = r->config;
	struct config_site *site = c->sites.at;
	unsigned declared = c->origins.n;
	struct config_origin *next;
	struct names names;

	if (!make_room(r, &names))
		return;
	next = (struct config_origin *)c->origins.at + declared;
	for (unsigned i = 0; i < c->sites.n; i++, site++) {
		struct config_origin **found = find_origin(&names, site->origin_text);
		struct place place = config_place(r, "sites", (int)i, "origin");

		if (!*found && !slice_contains(site->origin_text, SLICE("://"))) {
			unknown_origin(r, site, place, declared);
			continue;
		}
		if (!*found && origin_of_url(r, site, place, next)) {
			*found = next++;
			c->origins.n++;
		}
		site->origin = *found;
	}
}

/* A site that was given a url instead leaves its origin behind. */
static void warn_of_unused(struct config_reader *r, unsigned declared)
{
	const struct config_origin *o = r->config->origins.at;
	const struct config_site *site = r->config->sites.at;
	bool *used = ARENA_ARRAY(&r->temp, bool, r->config->origins.n + 1);

	for (unsigned i = 0; used && i < r->config->sites.n; i++)
		if (site[i].origin)
			used[site[i].origin - o] = true;
	for (unsigned i = 0; used && i < declared; i++)
		if (!used[i])
			fail_warn(r->fail, o[i].head.place, "no site has origin \"%.*s\"; remove it, or give it to a site",
				  SLICE_F(o[i].head.key));
}

/* HTTP/1.1 cannot answer while it is asked, and its servers do not know gRPC. */
static void check_calls(struct config_reader *r)
{
	const struct config_site *site = r->config->sites.at;

	for (unsigned i = 0; i < r->config->sites.n; i++)
		if (site[i].grpc && site[i].origin && site[i].origin->http == CONFIG_HTTP_1)
			fail_at(r->fail, config_place(r, "sites", (int)i, "grpc"),
				"site \"%.*s\" takes gRPC, and its origin is asked by HTTP/1.1; declare it under origins with http: 2",
				SLICE_F(site[i].head.key));
}

void config_origins(struct config_reader *r)
{
	struct config *c = r->config;
	unsigned declared = c->origins.n;
	struct config_origin *o;

	find_origins(r);
	/* A misspelt name is told already. */
	if (!r->fail->errors)
		warn_of_unused(r, declared);
	o = c->origins.at;
	for (unsigned i = 0; i < c->origins.n; i++) {
		struct config_server *s = o[i].servers.at;

		for (unsigned k = 0; k < o[i].servers.n; k++)
			find_server(r, &s[k], s[k].head.place);
		config_names(r, &o[i]);
	}
	check_calls(r);
	number(c);
}
