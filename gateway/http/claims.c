/* claims.c -- fields by which a request says who or where its client is, and what it asks for in truth.
 *
 * From a stranger they are claims; from a hop that the operator trusts, statements.  What the gateway states
 * itself (address, host, scheme, target, method, request id) is replaced whoever sent it.  What only a hop in
 * front can know, the user it has let in and the certificate it has seen, passes from there and from nobody
 * else. */
#include "gateway/http/message.h"

enum { FAMILY = 1, HOPS = 2 }; /* the name is a beginning; a trusted hop's passes on */

/* By first letter. */
static const struct claim {
	struct slice name;
	uint8_t how;
} claims[] = {
#define ROW(text, how) {{text, sizeof(text) - 1}, how}
	ROW("base-url", 0),
	ROW("cf-connecting-ip", FAMILY),
	ROW("cf-pseudo-ipv4", 0),
	ROW("cf-", FAMILY | HOPS),
	ROW("client-cert", FAMILY | HOPS), /* RFC 9440 */
	ROW("client-ip", 0),
	ROW("cloudfront-", FAMILY | HOPS),
	ROW("cluster-client-ip", 0),
	ROW("do-connecting-ip", 0),
	ROW("fastly-client-ip", 0),
	ROW("fastly-", FAMILY | HOPS),
	ROW("fly-client-ip", 0),
	ROW("forwarded", FAMILY),
	ROW("front-end-https", 0),
	ROW("incap-client-ip", 0),
	ROW("oidc-", FAMILY | HOPS),
	ROW("real-ip", 0),
	ROW("remote-addr", 0),
	ROW("remote-", FAMILY | HOPS),
	ROW("request-uri", 0),
	ROW("ssl-", FAMILY | HOPS),
	ROW("true-client-ip", 0),
	ROW("wl-proxy-client-ip", 0),
	ROW("wl-proxy-", FAMILY | HOPS),
	ROW("x-akamai-", FAMILY | HOPS),
	ROW("x-amzn-mtls-", FAMILY | HOPS),
	ROW("x-amzn-oidc-", FAMILY | HOPS),
	ROW("x-appengine-user-ip", 0),
	ROW("x-appengine-", FAMILY | HOPS),
	ROW("x-arr-", FAMILY | HOPS),
	ROW("x-auth-request-", FAMILY | HOPS),
	ROW("x-authenticated-", FAMILY | HOPS),
	ROW("x-authentik-", FAMILY | HOPS),
	ROW("x-azure-clientip", 0),
	ROW("x-azure-socketip", 0),
	ROW("x-azure-", FAMILY | HOPS),
	ROW("x-client-cert", FAMILY | HOPS),
	ROW("x-client-dn", FAMILY | HOPS),
	ROW("x-client-ip", 0),
	ROW("x-client-ssl", FAMILY | HOPS),
	ROW("x-client-verify", FAMILY | HOPS),
	ROW("x-cluster-client-ip", 0),
	ROW("x-consumer-", FAMILY | HOPS),
	ROW("x-custom-ip-authorization", 0),
	ROW("x-envoy-external-address", 0),
	ROW("x-envoy-original-", FAMILY),
	ROW("x-envoy-", FAMILY | HOPS),
	ROW("x-forward-for", 0),
	ROW("x-forwarded", 0),
	ROW("x-forwarded-", FAMILY),
	ROW("x-forwarder-for", 0),
	ROW("x-goog-authenticated-user-", FAMILY | HOPS),
	ROW("x-goog-iap-", FAMILY | HOPS),
	ROW("x-host", 0),
	ROW("x-http-destinationurl", 0),
	ROW("x-http-host-override", 0),
	ROW("x-http-method", FAMILY),
	ROW("x-method-override", 0),
	ROW("x-ms-client-principal", FAMILY | HOPS),
	ROW("x-mtls-", FAMILY | HOPS),
	ROW("x-nf-client-connection-ip", 0),
	ROW("x-original-", FAMILY),
	ROW("x-originating-ip", 0),
	ROW("x-override-url", 0),
	ROW("x-proxy-url", 0),
	ROW("x-proxyuser-ip", 0),
	ROW("x-real-", FAMILY),
	ROW("x-remote-addr", 0),
	ROW("x-remote-ip", 0),
	ROW("x-remote-", FAMILY | HOPS),
	ROW("x-request-id", 0),
	ROW("x-rewrite-", FAMILY),
	ROW("x-scheme", 0),
	ROW("x-ssl-", FAMILY | HOPS),
	ROW("x-sucuri-clientip", 0),
	ROW("x-sucuri-", FAMILY | HOPS),
	ROW("x-tls-", FAMILY | HOPS),
	ROW("x-url-scheme", 0),
	ROW("x-vercel-forwarded-for", 0),
	ROW("x-vercel-", FAMILY | HOPS),
	ROW("x-webauth-", FAMILY | HOPS),
#undef ROW
};

enum { ROWS = sizeof claims / sizeof *claims };

/* Where the rows of a letter begin; those of the next one behind it. */
static uint8_t begin[27];

__attribute__((constructor)) static void find_letters(void)
{
	unsigned row = 0;

	for (unsigned letter = 0; letter < 26; letter++) {
		begin[letter] = (uint8_t)row;
		while (row < ROWS && claims[row].name.at[0] == (char)('a' + letter))
			row++;
	}
	begin[26] = (uint8_t)row;
}

static bool fits(const struct claim *c, struct slice name)
{
	return slice_starts(name, c->name) && (c->how & FAMILY || name.len == c->name.len);
}

/* The first row that fits decides: what is said of one name stands above its family. */
static const struct claim *claim_of(struct slice name)
{
	unsigned letter = (unsigned)(name.at[0] - 'a');

	if (letter >= 26)
		return NULL;
	for (unsigned i = begin[letter]; i < begin[letter + 1]; i++)
		if (claims[i].name.at[2] == name.at[name.len > 2 ? 2 : 0] && fits(&claims[i], name))
			return &claims[i];
	return NULL;
}

bool http_is_claim(struct slice name)
{
	return name.len && claim_of(name);
}

void http_hide_claims(struct fields *f, bool trusted)
{
	for (uint32_t i = 0; i < f->n; i++) {
		const struct claim *c = f->at[i].name.len ? claim_of(f->at[i].name) : NULL;

		if (c && !(trusted && c->how & HOPS))
			f->at[i].hidden = 1;
	}
}
