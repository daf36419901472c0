/* config_check.c -- what the entries mean together: listeners and hosts. */
#include <stdlib.h>

#include "gateway/config/config_parts.h"

/* *:443 and *:80, when the file says nothing. */
static bool listen_by_default(struct config_reader *r)
{
	static const struct {
		const char *text;
		uint16_t port;
		int serve;
	} two[] = {{"*:443", 443, CONFIG_HTTPS}, {"*:80", 80, CONFIG_REDIRECT}};
	struct config_listener *l = ARENA_ARRAY(r->arena, struct config_listener, 2);

	if (!l)
		return fail_at(r->fail, r->root->place, "memory is used up while the file is read");
	for (unsigned i = 0; i < 2; i++) {
		l[i].head.place = r->root->place;
		l[i].address_text = arena_copy(r->arena, slice_of(two[i].text));
		l[i].port = two[i].port;
		l[i].serve = two[i].serve;
	}
	r->config->listeners = (struct setting_list){l, 2};
	return true;
}

void config_listeners(struct config_reader *r, bool given)
{
	struct config *c = r->config;
	bool https = false, redirect = false;
	const struct config_listener *l;

	if (!given && !listen_by_default(r))
		return;
	l = c->listeners.at;
	for (unsigned i = 0; i < c->listeners.n; i++) {
		for (unsigned k = 0; k < i; k++)
			if (l[k].port == l[i].port && addr_compare(&l[k].address, &l[i].address) == 0)
				fail_at(r->fail, l[i].head.place, "%.*s is listened on twice, first at line %u; keep one",
					SLICE_F(l[i].address_text), l[k].head.place.line);
		https |= l[i].serve == CONFIG_HTTPS;
		redirect |= l[i].serve == CONFIG_REDIRECT;
		if (l[i].serve == CONFIG_HTTPS && !c->certificates.n)
			fail_at(r->fail, l[i].head.place,
				"%.*s serves https, but there is no certificate; add certificates: "
				"[{certificate: FILE, key: FILE}]%s",
				SLICE_F(l[i].address_text), given ? "" : ", or listeners");
	}
	if (redirect && !https)
		fail_warn(r->fail, l[0].head.place, "a listener redirects to https, but none serves it");
}

struct named {
	struct slice host;
	const struct config_site *site;
	struct place place;
};

static int by_host(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	size_t n = x->host.len < y->host.len ? x->host.len : y->host.len;
	int order = memcmp(x->host.at, y->host.at, n);

	if (order)
		return order;
	if (x->host.len != y->host.len)
		return x->host.len < y->host.len ? -1 : 1;
	return x->place.line < y->place.line ? -1 : x->place.line > y->place.line;
}

static struct place place_of_host(const struct config_reader *r, const struct config_site *site, unsigned i)
{
	const struct yaml_node *all = yaml_get(r->root, "sites"), *hosts = NULL;

	for (unsigned k = 0; all && k < all->n; k++)
		if (slice_eq(all->keys[k]->text, site->head.key))
			hosts = yaml_get(all->items[k], "hosts");
	if (!hosts)
		return site->head.place;
	return hosts->kind == YAML_LIST && i < hosts->n ? hosts->items[i]->place : hosts->place;
}

void config_sites(struct config_reader *r)
{
	const struct config_site *site = r->config->sites.at;
	struct named *all;
	unsigned n = 0;

	for (unsigned i = 0; i < r->config->sites.n; i++)
		n += site[i].hosts.n;
	all = ARENA_ARRAY(&r->temp, struct named, n);
	if (!all) {
		fail_at(r->fail, r->root->place, "memory is used up while the file is read");
		return;
	}
	n = 0;
	for (unsigned i = 0; i < r->config->sites.n; i++)
		for (unsigned k = 0; k < site[i].hosts.n; k++)
			all[n++] = (struct named){((const struct slice *)site[i].hosts.at)[k], &site[i],
						  place_of_host(r, &site[i], k)};
	qsort(all, n, sizeof *all, by_host);
	for (unsigned i = 1; i < n; i++)
		if (slice_eq(all[i].host, all[i - 1].host))
			fail_at(r->fail, all[i].place, "host \"%.*s\" is served twice, first by site \"%.*s\" at line %u; keep one",
				SLICE_F(all[i].host), SLICE_F(all[i - 1].site->head.key), all[i - 1].place.line);
}

/* ---- Finding ---- */

/* How well a pattern fits: 0 not at all, more than its length for an exact name. */
static size_t fits(struct slice pattern, struct slice host)
{
	if (slice_eq(pattern, host))
		return pattern.len + 1000;
	if (slice_is(pattern, "*"))
		return 1;
	if (pattern.len > 2 && pattern.at[0] == '*' && host.len > pattern.len - 1 &&
	    slice_ends(host, slice_after(pattern, 1)))
		return pattern.len;
	return 0;
}

const struct config_site *config_site_of(const struct config *c, struct slice host)
{
	const struct config_site *site = c->sites.at, *best = NULL;
	size_t best_fit = 0;

	for (unsigned i = 0; i < c->sites.n; i++) {
		const struct slice *pattern = site[i].hosts.at;

		for (unsigned k = 0; k < site[i].hosts.n; k++) {
			size_t fit = fits(pattern[k], host);

			if (fit > best_fit) {
				best_fit = fit;
				best = &site[i];
			}
		}
	}
	return best;
}
