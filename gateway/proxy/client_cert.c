/* client_cert.c -- from a site's demand to the fields its origin gets. */
#include "gateway/proxy/client_cert.h"

#include <stdlib.h>

/* ---- What TLS is to ask ---- */

static bool asks(const struct config_site *site)
{
	return site->client_cert != CONFIG_CERT_NONE;
}

static bool same_demand(const struct tls_demand *d, const struct config_site *site)
{
	return d->required == (site->client_cert == CONFIG_CERT_REQUIRED) &&
	       memcmp(d->id, site->client_ca_id, sizeof d->id) == 0 && memcmp(d->crl_id, site->client_crl_id, sizeof d->crl_id) == 0;
}

/* Each demand once, however many sites make it. */
static int find_demand(struct tls_demand *all, unsigned *n, const struct config_site *site, struct slice ca, struct slice crl)
{
	struct tls_demand *d = all;

	if (!asks(site))
		return -1;
	while (d < all + *n && !same_demand(d, site))
		d++;
	if (d == all + *n) {
		*d = (struct tls_demand){.ca_pem = ca, .crl_pem = crl, .required = site->client_cert == CONFIG_CERT_REQUIRED,
					 .place = site->head.place};
		memcpy(d->id, site->client_ca_id, sizeof d->id);
		memcpy(d->crl_id, site->client_crl_id, sizeof d->crl_id);
		++*n;
	}
	return (int)(d - all);
}

bool client_cert_plan(const struct config *c, const struct config_secrets *secrets, struct tls_server_plan *plan)
{
	const struct config_site *sites = c->sites.at;
	const struct config_host *from = c->hosts.at;
	struct tls_demand_host *hosts;
	struct tls_demand *demands;

	demands = calloc(c->sites.n + 1, sizeof *demands);
	hosts = calloc(c->hosts.n + 1, sizeof *hosts);
	plan->demands = demands;
	plan->hosts = hosts;
	plan->demands_n = 0;
	if (!demands || !hosts) {
		client_cert_plan_done(plan);
		return false;
	}
	for (unsigned i = 0; i < c->hosts.n; i++) {
		long site = from[i].site - sites;

		hosts[i] = (struct tls_demand_host){from[i].name, find_demand(demands, &plan->demands_n, from[i].site,
									      secrets->client_ca[site], secrets->client_crl[site])};
	}
	plan->hosts_n = plan->demands_n ? c->hosts.n : 0;
	return true;
}

void client_cert_plan_done(struct tls_server_plan *plan)
{
	free((void *)(uintptr_t)plan->demands);
	free((void *)(uintptr_t)plan->hosts);
	plan->demands = NULL;
	plan->hosts = NULL;
}

/* ---- Which connection may carry a request ---- */

/* The name leads to another site than the host, where it leads to one at all. */
static bool named_another(const struct exchange *x, struct slice sni)
{
	const struct config_site *named = sni.at ? config_site_of(x->generation->config, sni) : NULL;

	return named && named != x->site;
}

const char *client_cert_misfit(const struct exchange *x, enum reason *reason)
{
	struct slice sni = x->tls ? tls_sni(x->tls) : SLICE_NONE;
	const uint8_t *asked = x->tls ? tls_demanded(x->tls) : NULL;
	bool required = x->site->client_cert == CONFIG_CERT_REQUIRED;

	*reason = REASON_MISDIRECTED;
	if (named_another(x, sni))
		return "the connection was made for another site's name";
	*reason = REASON_CLIENT_CERT;
	if (!asks(x->site))
		return NULL;
	/* Who sent no name, or came without TLS, could not be asked: nobody, as far as the site may be nobody's. */
	if (!asked && !sni.at)
		return required ? "the site demands a certificate, and on this connection none was asked for" : NULL;
	if (!asked || memcmp(asked, x->site->client_ca_id, CONFIG_CA_ID) != 0)
		return "what the site asks of its clients was not asked on this connection";
	if (!tls_peer(x->tls))
		return required ? "the site demands a certificate, and the client has shown none" : NULL;
	return tls_still_holds(x->tls, x->generation->tls) ? NULL : "the client's certificate is revoked, or would be refused today";
}

/* ---- Who it is ---- */

void client_cert_fill(struct exchange *x)
{
	struct policy_facts *to = &x->facts.policy_facts;
	const struct tls_peer *peer = x->tls && asks(x->site) && tls_demanded(x->tls) ? tls_peer(x->tls) : NULL;

	if (!peer)
		return;
	/* The record may be written when the connection is gone. */
	x->certificate = tls_peer_hold(peer);
	to->client_verified = true;
	to->client_subject = peer->subject.len ? peer->subject : SLICE_NONE;
	to->client_sha256 = peer->sha256;
	to->client_sans = peer->names;
	to->client_sans_n = peer->names_n;
}

static struct slice join(struct arena *a, const struct tls_peer *peer)
{
	size_t n = 0;
	char *at;

	for (unsigned i = 0; i < peer->names_n; i++)
		n += peer->names[i].len + 2;
	at = arena_take(a, n + 1);
	if (!at)
		return SLICE_NONE;
	n = 0;
	for (unsigned i = 0; i < peer->names_n; i++) {
		if (i) {
			memcpy(at + n, ", ", 2);
			n += 2;
		}
		memcpy(at + n, peer->names[i].at, peer->names[i].len);
		n += peer->names[i].len;
	}
	return slice_make(at, n);
}

/* What there is nothing of is left out.  At NULL: memory is used up. */
static bool tell(struct exchange *x, struct fields *extra, enum field_name name, struct slice value)
{
	return value.at && (!value.len || fields_add(extra, &x->arena, field_name_text(name), value));
}

bool client_cert_upstream(struct exchange *x, struct fields *extra)
{
	const struct tls_peer *peer = x->certificate;
	struct slice whole;

	if (asks(x->site))
		http_hide_certificates(&x->req.fields);
	if (!peer)
		return true;
	/* RFC 9440 section 2.2: a byte sequence of RFC 8941. */
	whole = peer->base64.len ? arena_print(&x->arena, ":%.*s:", SLICE_F(peer->base64)) : SLICE("");
	return tell(x, extra, FIELD_X_CLIENT_CERT_SUBJECT, peer->subject.len ? peer->subject : SLICE("")) &&
	       tell(x, extra, FIELD_X_CLIENT_CERT_SAN, join(&x->arena, peer)) &&
	       tell(x, extra, FIELD_X_CLIENT_CERT_FINGERPRINT, peer->sha256) && tell(x, extra, FIELD_CLIENT_CERT, whole);
}
