/* config_check.c -- what the entries mean together: listeners and hosts. */
#include <stdlib.h>

#include "gateway/base/hosts.h"
#include "gateway/config/config_parts.h"
#include "gateway/http/message.h"

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

static int by_name(const void *a, const void *b)
{
	const struct config_host *x = a, *y = b;
	int order = hosts_compare(x->name, y->name);

	if (order)
		return order;
	if (x->place.line != y->place.line)
		return x->place.line < y->place.line ? -1 : 1;
	return (x->place.column > y->place.column) - (x->place.column < y->place.column);
}

static struct place place_of_host(const struct config_reader *r, unsigned site, unsigned i)
{
	const struct yaml_node *hosts = yaml_get(yaml_get(r->root, "sites")->items[site], "hosts");

	return hosts->kind == YAML_LIST ? hosts->items[i]->place : hosts->place;
}

static bool list_hosts(struct config_reader *r)
{
	const struct config_site *site = r->config->sites.at;
	struct config_host *all;
	unsigned n = 0;

	for (unsigned i = 0; i < r->config->sites.n; i++)
		n += site[i].hosts.n;
	all = ARENA_ARRAY(r->arena, struct config_host, n);
	if (!all)
		return fail_at(r->fail, r->root->place, "memory is used up while the file is read");
	r->config->hosts = (struct setting_list){all, n};
	n = 0;
	for (unsigned i = 0; i < r->config->sites.n; i++) {
		const struct slice *host = site[i].hosts.at;

		for (unsigned k = 0; k < site[i].hosts.n; k++)
			all[n++] = (struct config_host){slice_starts(host[k], SLICE("*.")) ? slice_after(host[k], 1) : host[k],
							&site[i], place_of_host(r, i, k)};
	}
	qsort(all, n, sizeof *all, by_name);
	return true;
}

/* ---- Fields of answers ---- */

/* Both lists name it: which one is meant? */
static void refuse_both(struct config_reader *r, const struct config_site *site, unsigned number)
{
	const struct slice *hide = site->hide_fields.at, *show = site->show_fields.at;

	for (unsigned i = 0; i < site->hide_fields.n; i++)
		for (unsigned k = 0; k < site->show_fields.n; k++)
			if (slice_eq(hide[i], show[k]))
				fail_at(r->fail, config_place(r, "sites", (int)number, "show_fields"),
					"site \"%.*s\" hides and shows \"%.*s\"; keep one", SLICE_F(site->head.key), SLICE_F(show[k]));
}

static void check_fields(struct config_reader *r, const struct config_site *site, unsigned number)
{
	const struct slice *show = site->show_fields.at;

	refuse_both(r, site, number);
	for (unsigned k = 0; k < site->show_fields.n; k++)
		if (!slice_ends(show[k], SLICE("*")) && !http_is_telltale(show[k]))
			fail_warn(r->fail, config_place(r, "sites", (int)number, "show_fields"),
				  "site \"%.*s\": \"%.*s\" is not hidden for what it tells, so there is nothing to show; remove it",
				  SLICE_F(site->head.key), SLICE_F(show[k]));
}

static void check_websocket(struct config_reader *r, const struct config_site *site, unsigned number)
{
	r->config->websocket_used |= site->websocket;
	if (site->websocket_origins.n && !site->websocket)
		fail_at(r->fail, config_place(r, "sites", (int)number, "websocket_origins"),
			"site \"%.*s\" passes no WebSocket on; write websocket: true, or remove websocket_origins",
			SLICE_F(site->head.key));
}

void config_sites(struct config_reader *r)
{
	const struct config_site *site = r->config->sites.at;
	const struct config_host *host;

	for (unsigned i = 0; i < r->config->sites.n; i++) {
		check_fields(r, &site[i], i);
		check_websocket(r, &site[i], i);
	}
	if (!list_hosts(r))
		return;
	host = r->config->hosts.at;
	for (unsigned i = 1; i < r->config->hosts.n; i++)
		if (slice_eq(host[i].name, host[i - 1].name))
			fail_at(r->fail, host[i].place, "host \"%s%.*s\" is served twice, first by site \"%.*s\" at line %u; keep one",
				host[i].name.at[0] == '.' ? "*" : "", SLICE_F(host[i].name),
				SLICE_F(host[i - 1].site->head.key), host[i - 1].place.line);
}

/* ---- Finding ---- */

bool config_lists(const struct setting_list *networks, const struct addr *a)
{
	const struct cidr *nets = networks->at;

	for (unsigned i = 0; i < networks->n; i++)
		if (cidr_has(&nets[i], a))
			return true;
	return false;
}

bool config_is_host(const struct config *c, struct slice host)
{
	const struct config_host *hosts = c->hosts.at;

	return host.len && host.at[0] != '.' && hosts_find_entry(hosts, c->hosts.n, sizeof *hosts, host) < c->hosts.n;
}

const struct config_site *config_site_of(const struct config *c, struct slice host)
{
	const struct config_host *hosts = c->hosts.at;
	unsigned i = hosts_find(hosts, c->hosts.n, sizeof *hosts, host);

	return i < c->hosts.n ? hosts[i].site : NULL;
}

bool config_offers_h2(const struct config_listener *l)
{
	return l->http2 == CONFIG_HTTP2_ON || (l->http2 == CONFIG_HTTP2_AUTO && l->serve == CONFIG_HTTPS);
}
