/* identity.c -- client address, request id, and the fields that tell origins of them. */
#include "gateway/proxy/identity.h"

#include "geoip/geoip.h"

/* Last element of all X-Forwarded-For values before `*end` (counted from the back). */
static bool hop_before(const struct fields *fields, uint32_t *index, struct slice *rest, struct slice *hop)
{
	while (!rest->at || !rest->len) {
		if (*index == 0)
			return false;
		(*index)--;
		if (fields->at[*index].id == FIELD_X_FORWARDED_FOR)
			*rest = fields->at[*index].value;
	}
	for (size_t i = rest->len; i > 0; i--)
		if (rest->at[i - 1] == ',') {
			*hop = slice_trim(slice_after(*rest, i));
			*rest = slice_first(*rest, i - 1);
			return true;
		}
	*hop = slice_trim(*rest);
	*rest = SLICE_NONE;
	return true;
}

/* An address, to which some hops add the port. */
static bool read_hop(struct slice hop, struct addr *out)
{
	uint16_t port;

	return addr_parse(hop, out) || (hop.len && hop.at[0] != '*' && addr_parse_port(hop, out, &port));
}

/* Walk from the nearest hop outwards while hops are trusted.  Garbage ends the walk: the last
 * address that was understood is the client. */
static void find_client(struct exchange *x)
{
	const struct config *c = x->generation->config;
	uint32_t index = x->req.fields.n, hops = 0;
	struct slice rest = SLICE_NONE, hop;
	struct addr a;

	x->facts.client = x->peer;
	x->peer_trusted = config_lists(&c->trusted, &x->peer);
	if (!x->peer_trusted)
		return;
	while (hops++ < 32 && hop_before(&x->req.fields, &index, &rest, &hop)) {
		if (!read_hop(hop, &a))
			return;
		x->facts.client = a;
		if (!config_lists(&c->trusted, &a))
			return;
	}
}

bool identity_id(struct exchange *x)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t random[16];
	char *text;

	if (x->facts.id.len)
		return true;
	text = arena_take(&x->arena, 32);
	if (!text)
		return false;
	proxy_random(x->proxy, random, sizeof random);
	for (unsigned i = 0; i < 16; i++) {
		text[2 * i] = digits[random[i] >> 4];
		text[2 * i + 1] = digits[random[i] & 15];
	}
	x->facts.id = slice_make(text, 32);
	return true;
}

static void fill_place(struct exchange *x)
{
	static const enum policy_known known[] = {
		[GEOIP_MISSING] = POLICY_MISSING, [GEOIP_KNOWN] = POLICY_KNOWN, [GEOIP_UNKNOWN] = POLICY_UNKNOWN};
	struct policy_facts *to = &x->facts.policy_facts;
	struct geoip_place *place = &x->facts.place;

	geoip_lookup(x->generation->plan.geoip, &x->facts.client, place);
	to->country_known = known[place->country_known];
	to->asn_known = known[place->asn_known];
	memcpy(to->country, place->country, sizeof to->country);
	memcpy(to->continent, place->continent, sizeof to->continent);
	to->asn = place->asn;
}

bool identity_fill(struct exchange *x)
{
	struct policy_facts *to = &x->facts.policy_facts;

	if (!identity_id(x))
		return false;
	find_client(x);
	if (!x->peer_trusted)
		http_hide_claims(&x->req.fields, false);
	x->trace = http_check_trace(&x->req.fields);
	x->began_wall_us = loop_wall_us(x->proxy->loop);
	x->facts.site = x->site->head.key;
	x->facts.policy = x->site->policy;
	x->facts.body_max = (uint64_t)x->generation->config->client.body;
	x->facts.secure = x->req.secure;
	to->method = x->req.method;
	to->host = x->req.host;
	to->path = x->req.path;
	to->query = x->req.query;
	to->fields = &x->req.fields;
	to->secure = x->req.secure;
	to->websocket = x->req.upgrade == HTTP_UPGRADE_WEBSOCKET;
	to->ip = x->facts.client;
	to->site = x->facts.site;
	to->now = x->began_wall_us / 1000000;
	to->arena = &x->arena;
	fill_place(x);
	return true;
}

/* ---- Towards the origin ---- */

/* What a trusted hop said of the scheme; only the two words there are.  A hop that adds to what its client sent
 * adds behind it, so the last field is its own. */
struct slice identity_scheme(const struct exchange *x)
{
	const struct field *said = NULL;

	for (uint32_t i = x->peer_trusted ? x->req.fields.n : 0; i > 0 && !said; i--)
		if (x->req.fields.at[i - 1].id == FIELD_X_FORWARDED_PROTO)
			said = &x->req.fields.at[i - 1];
	if (said && (slice_is(said->value, "https") || slice_is(said->value, "http")))
		return said->value;
	return x->req.secure ? SLICE("https") : SLICE("http");
}

/* The hops of a trusted chain, and the one we see; from others only the client itself. */
static struct slice forwarded_for(struct exchange *x)
{
	const struct field *said = x->peer_trusted ? fields_find(&x->req.fields, FIELD_X_FORWARDED_FOR) : NULL;
	char client[ADDR_TEXT], peer[ADDR_TEXT];
	unsigned n = addr_text(&x->facts.client, client), m;

	if (!said || addr_compare(&x->facts.client, &x->peer) == 0)
		return arena_copy(&x->arena, slice_make(client, n));
	m = addr_text(&x->peer, peer);
	return arena_print(&x->arena, "%.*s, %.*s", (int)n, client, (int)m, peer);
}

/* What is to be read must come as it is. */
static bool ask_plain(struct exchange *x, struct fields *extra)
{
	for (uint32_t i = 0; i < x->req.fields.n; i++)
		if (x->req.fields.at[i].id == FIELD_ACCEPT_ENCODING)
			x->req.fields.at[i].hidden = 1;
	return fields_add(extra, &x->arena, field_name_text(FIELD_ACCEPT_ENCODING), SLICE("identity"));
}

bool identity_upstream(struct exchange *x, struct fields *extra)
{
	char client[ADDR_TEXT];
	struct slice list = forwarded_for(x), real;
	bool fits;

	real = arena_copy(&x->arena, slice_make(client, addr_text(&x->facts.client, client)));
	if (!list.at || !real.at)
		return false;
	fits = fields_add(extra, &x->arena, field_name_text(FIELD_X_FORWARDED_FOR), list) &&
	       fields_add(extra, &x->arena, field_name_text(FIELD_X_FORWARDED_PROTO), identity_scheme(x)) &&
	       fields_add(extra, &x->arena, field_name_text(FIELD_X_FORWARDED_HOST), x->req.authority) &&
	       fields_add(extra, &x->arena, field_name_text(FIELD_X_REAL_IP), real) &&
	       fields_add(extra, &x->arena, field_name_text(FIELD_X_REQUEST_ID), x->facts.id);
	if (x->facts.answer_plain)
		fits = fits && ask_plain(x, extra);
	/* A trusted hop's own statements have been read by now; where there is one of ours, only that goes on. */
	http_hide_claims(&x->req.fields, x->peer_trusted);
	return fits;
}
