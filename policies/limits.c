/* limits.c -- which counters one request is asked against.
 *
 * A key is bytes without ambiguity: the limit's prefix, then each element with its
 * kind and length, so that no value a client sends can look like another's.  What
 * is longer than a hash is replaced by its hash. */
#include "policies/policy_parts.h"
#include "policies/sha256.h"

enum { VALUES = 4, VALUE_BYTES = 64 };

/* What an element's bytes are; part of the key. */
enum { KIND_TEXT = 't', KIND_HASH = 'h', KIND_NUMBER = 'n', KIND_IP = 'a', KIND_BY_IP = 'i', KIND_SHARED = 's' };

struct element {
	unsigned n;
	struct {
		char kind;
		uint8_t len;
		char bytes[VALUE_BYTES];
	} at[VALUES];
};

static void put(struct element *e, char kind, const void *bytes, size_t len)
{
	for (unsigned i = 0; i < e->n; i++)
		if (e->at[i].kind == kind && e->at[i].len == len && (!len || memcmp(e->at[i].bytes, bytes, len) == 0))
			return;
	e->at[e->n].kind = kind;
	e->at[e->n].len = (uint8_t)len;
	if (len)
		memcpy(e->at[e->n].bytes, bytes, len);
	e->n++;
}

static void put_value(struct element *e, enum type t, const struct value *v)
{
	uint8_t hash[32];

	if (type_form(t) == FORM_IP) {
		put(e, KIND_IP, v->ip.b, sizeof v->ip.b);
	} else if (type_form(t) != FORM_TEXT) {
		put(e, KIND_NUMBER, &v->number, sizeof v->number);
	} else if (v->text.len <= VALUE_BYTES) {
		put(e, KIND_TEXT, v->text.at, v->text.len);
	} else {
		sha256(v->text, hash);
		put(e, KIND_HASH, hash, sizeof hash);
	}
}

enum keyed { KEYED, KEYED_SKIP, KEYED_REFUSE };

/* A missing or unknown element: what the limit says about it. */
static enum keyed put_missing(struct policy_run *run, const struct limit *l, struct element *e)
{
	struct addr net = addr_net(&run->facts->ip, 32, 64);

	e->n = 0;
	switch (l->missing) {
	case POLICY_MISSING_IP:
		put(e, KIND_BY_IP, net.b, sizeof net.b);
		return KEYED;
	case POLICY_MISSING_SHARE:
		put(e, KIND_SHARED, NULL, 0);
		return KEYED;
	case POLICY_MISSING_SKIP:
		return KEYED_SKIP;
	default:
		return KEYED_REFUSE;
	}
}

static enum keyed element(struct policy_run *run, const struct limit *l, const struct term *t, struct element *e)
{
	struct cursor c = {.side = 0};
	unsigned seen = 0;
	struct value v;
	enum got got;

	e->n = 0;
	while ((got = term_next(run, t, &c, &v)) == GOT_VALUE) {
		if (++seen > VALUES)
			return KEYED_REFUSE;
		put_value(e, t->type, &v);
	}
	return got == GOT_UNKNOWN || !seen ? put_missing(run, l, e) : KEYED;
}

/* The key of one choice of values; `pick` counts through all of them. */
static struct slice key_of(struct policy_run *run, const struct limit *l, const struct element *elements, unsigned pick)
{
	char *out = arena_take(run->facts->arena, l->prefix.len + l->key_n * (VALUE_BYTES + 2));
	size_t n = l->prefix.len;

	if (!out)
		return SLICE_NONE;
	memcpy(out, l->prefix.at, n);
	for (unsigned i = 0; i < l->key_n; i++) {
		unsigned v = pick % elements[i].n;

		pick /= elements[i].n;
		out[n++] = elements[i].at[v].kind;
		out[n++] = (char)elements[i].at[v].len;
		memcpy(out + n, elements[i].at[v].bytes, elements[i].at[v].len);
		n += elements[i].at[v].len;
	}
	return slice_make(out, n);
}

static bool refuse(struct policy_asks *out, uint16_t status, const struct limit *l)
{
	out->refuse = true;
	out->refuse_status = status;
	out->refuse_by = l->entry.by;
	return false;
}

/* False: the request is refused. */
static bool ask(struct policy_run *run, const struct limit *l, struct policy_asks *out)
{
	struct element elements[POLICY_ELEMENTS];
	unsigned choices = 1;

	for (unsigned i = 0; i < l->key_n; i++) {
		enum keyed k = element(run, l, l->key[i], &elements[i]);

		if (run->starved)
			return refuse(out, 503, l);
		if (k == KEYED_SKIP)
			return true;
		/* A limit that only watches refuses nobody. */
		if (k == KEYED_REFUSE)
			return l->entry.mode != POLICY_ENFORCE || refuse(out, 400, l);
		choices *= elements[i].n;
	}
	/* Only a client that repeats names in several elements comes here. */
	if (out->n + choices > POLICY_ASKS)
		return refuse(out, 400, l);
	for (unsigned pick = 0; pick < choices; pick++) {
		struct slice key = key_of(run, l, elements, pick);

		if (!key.at)
			return refuse(out, 503, l);
		out->at[out->n++] = (struct policy_ask){&l->out, key, l->cost};
	}
	return true;
}

void policy_limits(struct policy_run *run, struct policy_asks *out, policy_note_fn *note, void *context)
{
	const struct policy *p = run->policy;

	out->n = 0;
	out->refuse = false;
	for (uint32_t i = 0; i < p->limits_n; i++) {
		const struct limit *l = &p->limits[i];
		enum tri t;

		if (bits_have(&run->exempt, l->entry.number))
			continue;
		t = entry_ask(run, &l->entry);
		if (run->starved) {
			refuse(out, 503, l);
			return;
		}
		if (t == TRI_UNKNOWN && note)
			note(context, "unknown", &l->entry.by, slice_of(run->unknown_why));
		if (t == TRI_NO || (t == TRI_UNKNOWN && l->entry.unknown == UNKNOWN_SKIP))
			continue;
		if (!ask(run, l, out))
			return;
	}
}
