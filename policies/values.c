/* values.c -- the values of a field, one after the other, and functions of them.
 *
 * Query and cookie values are found and decoded once per request, for the names
 * that the policy asks about; `lower` writes into memory that is used again, so
 * that a hundred rules on one long header cost one copy's worth of it. */
#include "gateway/base/text.h"
#include "policies/policy_parts.h"
#include "policies/sha256.h"
#include "policies/zone.h"

static enum got starve(struct policy_run *run)
{
	run->starved = true;
	run->unknown_why = "memory for this request is used up";
	return GOT_UNKNOWN;
}

/* ---- Query and cookie values ---- */

bool form_name_is(struct slice raw, struct slice name)
{
	size_t n = 0;

	for (size_t i = 0; i < raw.len; i++, n++) {
		int high = raw.at[i] == '%' && raw.len - i > 2 ? text_hex_digit(raw.at[i + 1]) : -1;
		int low = high >= 0 ? text_hex_digit(raw.at[i + 2]) : -1;
		char c = raw.at[i] == '+' ? ' ' : raw.at[i];

		if (low >= 0) {
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (n >= name.len || name.at[n] != c)
			return false;
	}
	return n == name.len;
}

static bool append(struct policy_run *run, const struct policy_value **list, struct slice text)
{
	struct policy_value *v = ARENA_NEW(run->facts->arena, struct policy_value);
	struct policy_value *last;

	if (!v || !text.at)
		return false;
	v->text = text;
	/* A ring while it grows: list points at the last, the last at the first. */
	last = (struct policy_value *)*list;
	v->next = last ? last->next : v;
	if (last)
		last->next = v;
	*list = v;
	return true;
}

static void open_rings(const struct policy_value **lists, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (lists[i]) {
			struct policy_value *last = (struct policy_value *)lists[i];

			lists[i] = last->next;
			last->next = NULL;
		}
}

static bool keep_query(struct policy_run *run, struct slice pair)
{
	const struct policy *p = run->policy;
	size_t cut = slice_find(pair, '=');
	struct slice value = cut < pair.len ? slice_after(pair, cut + 1) : SLICE("");

	for (uint32_t i = 0; i < p->query_names_n; i++)
		if (form_name_is(slice_first(pair, cut), p->query_names[i]))
			return append(run, &run->query_values[i], text_unescape(run->facts->arena, value, true));
	return true;
}

static bool find_query_values(struct policy_run *run)
{
	uint32_t n = run->policy->query_names_n;
	struct slice rest = run->facts->query, pair;
	bool ok;

	run->query_values = (const struct policy_value **)arena_take_zeroed(run->facts->arena, n * sizeof(void *));
	ok = run->query_values != NULL;
	while (ok && slice_cut(&rest, '&', &pair))
		ok = !pair.len || keep_query(run, pair);
	if (run->query_values)
		open_rings(run->query_values, n);
	return ok;
}

static bool keep_cookie(struct policy_run *run, struct slice pair)
{
	const struct policy *p = run->policy;
	size_t cut = slice_find(pair, '=');
	struct slice value = cut < pair.len ? slice_trim(slice_after(pair, cut + 1)) : SLICE("");

	for (uint32_t i = 0; i < p->cookie_names_n; i++)
		if (slice_eq(slice_trim(slice_first(pair, cut)), p->cookie_names[i]))
			return append(run, &run->cookie_values[i], value);
	return true;
}

static bool find_cookie_values(struct policy_run *run)
{
	uint32_t n = run->policy->cookie_names_n, i = 0;
	const struct field *f;
	bool ok;

	run->cookie_values = (const struct policy_value **)arena_take_zeroed(run->facts->arena, n * sizeof(void *));
	ok = run->cookie_values != NULL;
	while (ok && run->facts->fields && (f = fields_next(run->facts->fields, SLICE("cookie"), &i))) {
		struct slice rest = f->value, pair;

		while (ok && slice_cut(&rest, ';', &pair)) {
			pair = slice_trim(pair);
			ok = !pair.len || keep_cookie(run, pair);
		}
	}
	if (run->cookie_values)
		open_rings(run->cookie_values, n);
	return ok;
}

static enum got listed(struct cursor *c, const struct policy_value *first, struct value *out)
{
	c->next = c->begun ? c->next : first;
	if (!c->next)
		return GOT_END;
	out->text = c->next->text;
	c->next = c->next->next;
	return GOT_VALUE;
}

/* ---- Fields ---- */

static enum got one_text(struct slice text, struct value *out)
{
	out->text = text;
	return text.at ? GOT_VALUE : GOT_END;
}

static enum got one_number(int64_t number, struct value *out)
{
	out->number = number;
	return GOT_VALUE;
}

static enum got place(struct policy_run *run, enum policy_known known, int64_t number, const char *why,
		      struct value *out)
{
	if (known == POLICY_UNKNOWN) {
		run->unknown_why = why;
		return GOT_UNKNOWN;
	}
	return known == POLICY_KNOWN ? one_number(number, out) : GOT_END;
}

static enum got label(struct policy_run *run, unsigned i, struct value *out)
{
	if (!(run->labels >> i & 1) && run->labels_unknown >> i & 1) {
		run->unknown_why = "a label depends on what cannot be known";
		return GOT_UNKNOWN;
	}
	return one_number((int64_t)(run->labels >> i & 1), out);
}

/* The single value of a field that has no more than one. */
static enum got single(struct policy_run *run, const struct term *t, struct value *out)
{
	const struct policy_facts *f = run->facts;

	switch (t->source) {
	case SOURCE_METHOD:
		return one_text(f->method, out);
	case SOURCE_SCHEME:
		return one_number(f->secure, out);
	case SOURCE_HOST:
		return one_text(f->host, out);
	case SOURCE_PATH:
		return one_text(f->path, out);
	case SOURCE_QUERY:
		return one_text(f->query, out);
	case SOURCE_UPGRADE:
		return one_number(f->websocket, out);
	case SOURCE_IP:
		out->ip = f->ip;
		return GOT_VALUE;
	case SOURCE_COUNTRY:
		return place(run, f->country_known, place_number(f->country), "the country is not known", out);
	case SOURCE_CONTINENT:
		return place(run, f->country_known, place_number(f->continent), "the continent is not known", out);
	case SOURCE_ASN:
		return place(run, f->asn_known, f->asn, "the network number is not known", out);
	case SOURCE_TLS_VERSION:
		return f->tls_version ? one_number(f->tls_version, out) : GOT_END;
	case SOURCE_TLS_SNI:
		return one_text(f->tls_sni, out);
	case SOURCE_CLIENT_VERIFIED:
		return one_number(f->client_verified, out);
	case SOURCE_CLIENT_SUBJECT:
		return one_text(f->client_verified ? f->client_subject : SLICE_NONE, out);
	case SOURCE_CLIENT_SHA256:
		return one_text(f->client_verified ? f->client_sha256 : SLICE_NONE, out);
	case SOURCE_NOW:
		return one_number(f->now, out);
	case SOURCE_SITE:
		return one_text(f->site, out);
	case SOURCE_LABEL:
		return label(run, t->index, out);
	case SOURCE_SWITCH:
		return one_number((int64_t)(f->switches >> t->index & 1), out);
	default:
		return GOT_END;
	}
}

/* The next value of the field itself. */
static enum got source_next(struct policy_run *run, const struct term *t, struct cursor *c, struct value *out)
{
	const struct policy_facts *f = run->facts;
	const struct field *field;

	switch (t->source) {
	case SOURCE_QUERY_NAME:
		if (!run->query_values && !find_query_values(run))
			return starve(run);
		return listed(c, run->query_values[t->index], out);
	case SOURCE_COOKIE:
		if (!run->cookie_values && !find_cookie_values(run))
			return starve(run);
		return listed(c, run->cookie_values[t->index], out);
	case SOURCE_HEADER:
		field = f->fields ? fields_next(f->fields, t->name, &c->i) : NULL;
		return field ? one_text(field->value.at ? field->value : SLICE(""), out) : GOT_END;
	case SOURCE_CLIENT_SAN:
		if (!f->client_verified || c->i >= f->client_sans_n)
			return GOT_END;
		out->text = f->client_sans[c->i++];
		return GOT_VALUE;
	default:
		return c->begun ? GOT_END : single(run, t, out);
	}
}

/* ---- Functions ---- */

static bool lower(struct policy_run *run, struct slice *scratch, struct slice *text)
{
	size_t i = 0;
	char *out;

	while (i < text->len && text->at[i] == ascii_lower(text->at[i]))
		i++;
	if (i == text->len)
		return true;
	if (scratch->len < text->len) {
		size_t room = text->len < 512 ? 512 : text->len * 2;

		out = arena_take(run->facts->arena, room);
		if (!out)
			return false;
		*scratch = slice_make(out, room);
	}
	out = (char *)scratch->at;
	for (i = 0; i < text->len; i++)
		out[i] = ascii_lower(text->at[i]);
	*text = slice_make(out, text->len);
	return true;
}

static bool apply(struct policy_run *run, const struct term *t, unsigned i, struct cursor *c, struct value *v)
{
	int64_t n;

	switch (t->maps[i].map) {
	case MAP_LOWER:
		return lower(run, &run->scratch[c->side], &v->text);
	case MAP_LEN:
		v->number = (int64_t)v->text.len;
		return true;
	case MAP_INT:
		v->number = text_int(v->text, &n) ? n : t->maps[i].a;
		return true;
	case MAP_NET:
		v->ip = addr_net(&v->ip, (unsigned)t->maps[i].a, (unsigned)t->maps[i].b);
		return true;
	case MAP_SHA256:
		sha256_hex(v->text, c->hex);
		v->text = slice_make(c->hex, sizeof c->hex);
		return true;
	case MAP_CLOCK:
		v->number = zone_clock(t->maps[i].zone, v->number);
		return true;
	case MAP_WEEKDAY:
		v->number = zone_weekday(t->maps[i].zone, v->number);
		return true;
	default:
		return true;
	}
}

/* count(x): how many values there are, whatever they are. */
static enum got count(struct policy_run *run, const struct term *t, struct cursor *c, struct value *out)
{
	enum got got;
	int64_t n = 0;

	if (c->begun)
		return GOT_END;
	while ((got = source_next(run, t, c, out)) == GOT_VALUE) {
		c->begun = true;
		n++;
	}
	c->begun = true;
	return got == GOT_UNKNOWN ? got : one_number(n, out);
}

enum got term_next(struct policy_run *run, const struct term *t, struct cursor *c, struct value *out)
{
	bool first = !c->begun;
	enum got got;

	if (t->maps_n && t->maps[t->maps_n - 1].map == MAP_COUNT)
		return count(run, t, c, out);
	got = source_next(run, t, c, out);
	c->begun = true;
	/* int(x, DEFAULT) has a value even where x has none. */
	if (got == GOT_END && first && t->maps_n && t->maps[t->maps_n - 1].map == MAP_INT)
		return one_number(t->maps[t->maps_n - 1].a, out);
	for (unsigned i = 0; got == GOT_VALUE && i < t->maps_n; i++)
		if (!apply(run, t, i, c, out))
			return starve(run);
	return got;
}
