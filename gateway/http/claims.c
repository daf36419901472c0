/* claims.c -- fields by which a request says who or where its client is, and what it asks for in truth.
 *
 * From a stranger they are claims; from a hop that the operator trusts, statements.  What the gateway states
 * itself (address, host, scheme, target, method, request id) is replaced whoever sent it.  What only a hop in
 * front can know, the user it has let in and the certificate it has seen, passes from there and from nobody
 * else. */
#include "gateway/http/message.h"
#include "gateway/http/name_table.h"

enum { FAMILY = NAME_FAMILY, HOPS = 2 /* a trusted hop's passes on */ };

static const struct name_row rows[] = {
	NAME_ROW("base-url", 0),
	NAME_ROW("cf-connecting-ip", FAMILY),
	NAME_ROW("cf-pseudo-ipv4", 0),
	NAME_ROW("cf-", FAMILY | HOPS),
	NAME_ROW("client-cert", FAMILY | HOPS), /* RFC 9440 */
	NAME_ROW("client-ip", 0),
	NAME_ROW("cloudfront-", FAMILY | HOPS),
	NAME_ROW("cluster-client-ip", 0),
	NAME_ROW("do-connecting-ip", 0),
	NAME_ROW("fastly-client-ip", 0),
	NAME_ROW("fastly-", FAMILY | HOPS),
	NAME_ROW("fly-client-ip", 0),
	NAME_ROW("forwarded", FAMILY),
	NAME_ROW("front-end-https", 0),
	NAME_ROW("incap-client-ip", 0),
	NAME_ROW("oidc-", FAMILY | HOPS),
	NAME_ROW("real-ip", 0),
	NAME_ROW("remote-addr", 0),
	NAME_ROW("remote-", FAMILY | HOPS),
	NAME_ROW("request-uri", 0),
	NAME_ROW("ssl-", FAMILY | HOPS),
	NAME_ROW("true-client-ip", 0),
	NAME_ROW("wl-proxy-client-ip", 0),
	NAME_ROW("wl-proxy-", FAMILY | HOPS),
	NAME_ROW("x-akamai-", FAMILY | HOPS),
	NAME_ROW("x-amzn-mtls-", FAMILY | HOPS),
	NAME_ROW("x-amzn-oidc-", FAMILY | HOPS),
	NAME_ROW("x-appengine-user-ip", 0),
	NAME_ROW("x-appengine-", FAMILY | HOPS),
	NAME_ROW("x-arr-", FAMILY | HOPS),
	NAME_ROW("x-auth-request-", FAMILY | HOPS),
	NAME_ROW("x-authenticated-", FAMILY | HOPS),
	NAME_ROW("x-authentik-", FAMILY | HOPS),
	NAME_ROW("x-azure-clientip", 0),
	NAME_ROW("x-azure-socketip", 0),
	NAME_ROW("x-azure-", FAMILY | HOPS),
	NAME_ROW("x-client-cert", FAMILY | HOPS),
	NAME_ROW("x-client-dn", FAMILY | HOPS),
	NAME_ROW("x-client-ip", 0),
	NAME_ROW("x-client-ssl", FAMILY | HOPS),
	NAME_ROW("x-client-verify", FAMILY | HOPS),
	NAME_ROW("x-cluster-client-ip", 0),
	NAME_ROW("x-consumer-", FAMILY | HOPS),
	NAME_ROW("x-custom-ip-authorization", 0),
	NAME_ROW("x-envoy-external-address", 0),
	NAME_ROW("x-envoy-original-", FAMILY),
	NAME_ROW("x-envoy-", FAMILY | HOPS),
	NAME_ROW("x-forward-for", 0),
	NAME_ROW("x-forwarded", 0),
	NAME_ROW("x-forwarded-", FAMILY),
	NAME_ROW("x-forwarder-for", 0),
	NAME_ROW("x-goog-authenticated-user-", FAMILY | HOPS),
	NAME_ROW("x-goog-iap-", FAMILY | HOPS),
	NAME_ROW("x-host", 0),
	NAME_ROW("x-http-destinationurl", 0),
	NAME_ROW("x-http-host-override", 0),
	NAME_ROW("x-http-method", FAMILY),
	NAME_ROW("x-method-override", 0),
	NAME_ROW("x-ms-client-principal", FAMILY | HOPS),
	NAME_ROW("x-mtls-", FAMILY | HOPS),
	NAME_ROW("x-nf-client-connection-ip", 0),
	NAME_ROW("x-original-", FAMILY),
	NAME_ROW("x-originating-ip", 0),
	NAME_ROW("x-override-url", 0),
	NAME_ROW("x-proxy-url", 0),
	NAME_ROW("x-proxyuser-ip", 0),
	NAME_ROW("x-real-", FAMILY),
	NAME_ROW("x-remote-addr", 0),
	NAME_ROW("x-remote-ip", 0),
	NAME_ROW("x-remote-", FAMILY | HOPS),
	NAME_ROW("x-request-id", 0),
	NAME_ROW("x-rewrite-", FAMILY),
	NAME_ROW("x-scheme", 0),
	NAME_ROW("x-ssl-", FAMILY | HOPS),
	NAME_ROW("x-sucuri-clientip", 0),
	NAME_ROW("x-sucuri-", FAMILY | HOPS),
	NAME_ROW("x-tls-", FAMILY | HOPS),
	NAME_ROW("x-url-scheme", 0),
	NAME_ROW("x-vercel-forwarded-for", 0),
	NAME_ROW("x-vercel-", FAMILY | HOPS),
	NAME_ROW("x-webauth-", FAMILY | HOPS),
};

static struct name_table claims = {.rows = rows, .n = sizeof rows / sizeof *rows};

__attribute__((constructor)) static void index_claims(void)
{
	name_table_index(&claims);
}

bool http_is_claim(struct slice name)
{
	return name_table_find(&claims, name) != NULL;
}

void http_hide_claims(struct fields *f, bool trusted)
{
	for (uint32_t i = 0; i < f->n; i++) {
		const struct name_row *c = name_table_find(&claims, f->at[i].name);

		if (c && !(trusted && c->how & HOPS))
			f->at[i].hidden = 1;
	}
}
