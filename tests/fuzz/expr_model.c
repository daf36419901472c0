/* expr_model.c -- fuzz: a made-up expression says of made-up requests what a slow reading of the language says.
 *
 * The expression is made as a tree of this file's own and written as text; the product compiles the text, here
 * the tree is gone through: all values of a field are gathered first, and every item is compared with every
 * value.  No code of policies/ decides anything on this side. */
#include "expr_fuzz.h"

enum subject { HOST, PATH, QUERY, QUERY_Q, HEADER_X, COOKIE_C, SNI, SUBJECT, SAN, TEXTS, /* from here on no texts */
	     ADDRESS = TEXTS, COUNTRY, ASN, TLS_VERSION, LABEL, SWITCH, VERIFIED, FIELDS };
enum wrap { PLAIN, LOWER, LEN, COUNT, INT };
enum kind { AND, OR, NOT, IN, UNDER, STARTS, ENDS, CONTAINS, PRESENT, RANGE, BOOLEAN };

static const struct {
	const char *word;
	bool many, sparse;
} fields[] = {{"host", 0, 0},      {"path", 0, 0},       {"query", 0, 1},       {"query.q", 1, 1},    {"header.x", 1, 1},
	      {"cookie.c", 1, 1},  {"tls.sni", 0, 1},    {"tls.client.subject", 0, 1}, {"tls.client.san", 1, 1}, {"ip", 0, 0},
	      {"ip.country", 0, 1}, {"ip.asn", 0, 1},    {"tls.version", 0, 1}, {"label.l", 0, 0},    {"switch.s1", 0, 0},
	      {"tls.client.verified", 0, 0}};

enum { ITEMS = 12, VALUES = 8, NODES = 64 };

struct node {
	enum kind kind;
	bool negative;
	enum subject field;
	enum wrap wrap;
	unsigned n; /* kids, or items */
	const struct node *kids[3];
	struct slice items[ITEMS]; /* as text; of an address the network */
	int64_t least, most, otherwise;
};

static struct node nodes[NODES];
static unsigned nodes_n;

/* ---- Making ---- */

static void make_items(struct fuzz_in *in, struct node *x)
{
	static const char *const paths[] = {"/a", "/", "/a/b", "/ab", "/z"}, *const hosts[] = {"a", "b.a", "x.b.a", "ab"};
	static const char *const nets[] = {"198.51.100.0/24", "2001:db8::/32", "203.0.113.9", "::1", "0.0.0.0/1"};
	static const char *const versions[] = {"1.2", "1.3"}, *const numbers[] = {"AS64496", "AS64497", "AS1"};
	static const char filler[ITEMS][4] = {"/c", "/d", "/e", "/f", "/g", "/h", "/i", "/j", "/k", "/l", "/m", "/n"};

	x->n = 1 + (x->kind == IN || x->field < TEXTS ? fuzz_below(in, ITEMS) : 0);
	for (unsigned i = 0; i < x->n; i++) {
		/* Long lists are searched in another way; most of their items are of no interest. */
		if (i > 2 && x->field < TEXTS)
			x->items[i] = x->field == PATH ? slice_make(filler[i], 2) : slice_make(filler[i] + 1, 1);
		else
			x->items[i] = x->field == PATH	     ? EXPR_PICK(in, paths)
				      : x->field == HOST || x->field == SNI ? EXPR_PICK(in, hosts)
				      : x->field == ADDRESS  ? EXPR_PICK(in, nets)
				      : x->field == COUNTRY  ? EXPR_PICK(in, expr_countries)
				      : x->field == TLS_VERSION ? EXPR_PICK(in, versions)
				      : x->field == ASN	     ? EXPR_PICK(in, numbers)
							     : EXPR_PICK(in, expr_texts);
	}
}

static const struct node *make(struct fuzz_in *in, unsigned depth)
{
	struct node *x = &nodes[nodes_n++];
	unsigned what = fuzz_below(in, 8);

	*x = (struct node){.kind = what < 2 && depth < 4 && nodes_n < NODES - 8 ? (what ? AND : OR) : what == 2 && depth < 4 ? NOT : IN};
	if (x->kind <= NOT) {
		x->n = x->kind == NOT ? 1 : 2 + fuzz_below(in, 2);
		for (unsigned i = 0; i < x->n; i++)
			x->kids[i] = make(in, depth + 1);
		return x;
	}
	x->field = (enum subject)fuzz_below(in, FIELDS);
	x->negative = fuzz_byte(in) & 1;
	if (x->field >= LABEL) {
		x->kind = BOOLEAN;
	} else if (x->field < TEXTS && fuzz_byte(in) % 3 == 0) {
		x->kind = RANGE;
		x->wrap = fields[x->field].many && fuzz_byte(in) & 1 ? COUNT : fuzz_byte(in) & 1 ? LEN : INT;
		x->least = (int64_t)fuzz_below(in, 7) - 3;
		x->most = x->least + fuzz_below(in, 5);
		x->otherwise = fuzz_below(in, 6);
	} else if (fields[x->field].sparse && fuzz_byte(in) % 4 == 0) {
		x->kind = PRESENT;
	} else {
		x->kind = x->field >= TEXTS ? IN : (enum kind)(IN + fuzz_below(in, 5));
		if (x->kind == UNDER && x->field != PATH && x->field != HOST && x->field != SNI)
			x->kind = STARTS;
		x->wrap = x->field < TEXTS && fuzz_byte(in) % 4 == 0 ? LOWER : PLAIN;
		make_items(in, x);
	}
	return x;
}

static void write_node(struct buf *out, const struct node *x)
{
	static const char *const wraps[] = {"%s", "lower(%s)", "len(%s)", "count(%s)", "int(%s, %lld)"};
	static const char *const words[] = {[IN] = "in", [UNDER] = "under", [STARTS] = "starts", [ENDS] = "ends", [CONTAINS] = "contains"};

	if (x->kind <= NOT) {
		MUST(buf_print(out, x->kind == NOT ? "not (" : "("));
		for (unsigned i = 0; i < x->n; i++) {
			MUST(buf_print(out, i ? (x->kind == AND ? " and " : " or ") : ""));
			write_node(out, x->kids[i]);
		}
		MUST(buf_print(out, ")"));
		return;
	}
	if (x->kind == BOOLEAN || x->kind == RANGE)
		MUST(buf_print(out, x->negative ? "not " : ""));
	MUST(buf_print(out, wraps[x->wrap], fields[x->field].word, (long long)x->otherwise));
	if (x->kind == PRESENT)
		MUST(buf_print(out, x->negative ? " is missing" : " is present"));
	if (x->kind == RANGE)
		MUST(buf_print(out, " in %lld..%lld", (long long)x->least, (long long)x->most));
	if (x->kind < IN || x->kind > CONTAINS)
		return;
	MUST(buf_print(out, " %s%s [", x->negative ? "not " : "", words[x->kind]));
	for (unsigned i = 0; i < x->n; i++)
		MUST(buf_print(out, x->field < TEXTS ? "%s\"%.*s\"" : "%s%.*s", i ? ", " : "", SLICE_F(x->items[i])));
	MUST(buf_print(out, "]"));
}

/* ---- Reading slowly ---- */

struct values {
	struct slice at[VALUES];
	unsigned n;
	bool unknown;
};

static void add(struct values *v, struct slice s)
{
	MUST(v->n < VALUES);
	v->at[v->n++] = s;
}

/* All of the field's values, as texts; numbers as they are written in an expression. */
static void gather(const struct expr_facts *f, enum subject field, struct values *v)
{
	const struct policy_facts *p = &f->facts;
	struct slice rest, pair;
	uint32_t i = 0;
	const struct field *one;

	*v = (struct values){.n = 0};
	switch (field) {
	case HOST: add(v, p->host); break;
	case PATH: add(v, p->path); break;
	case QUERY: if (p->query.at) add(v, p->query); break;
	case SNI: if (p->tls_sni.at) add(v, p->tls_sni); break;
	case SUBJECT: if (p->client_verified) add(v, p->client_subject); break;
	case QUERY_Q: /* the requests' only escape is that of q and a */
		for (rest = p->query; rest.at && slice_cut(&rest, '&', &pair);)
			if (slice_is(pair, "%71=%61"))
				add(v, SLICE("a"));
			else if (slice_is(pair, "q") || slice_starts(pair, SLICE("q=")))
				add(v, pair.len > 1 ? slice_after(pair, 2) : SLICE(""));
		break;
	case HEADER_X:
		while ((one = fields_next(&f->fields, SLICE("x"), &i)))
			add(v, one->value);
		break;
	case COOKIE_C:
		for (one = fields_next(&f->fields, SLICE("cookie"), &i), rest = one ? one->value : SLICE_NONE; slice_cut(&rest, ';', &pair);)
			if (slice_starts(slice_trim(pair), SLICE("c=")))
				add(v, slice_after(slice_trim(pair), 2));
		break;
	case SAN:
		for (; i < p->client_sans_n && p->client_verified; i++)
			add(v, p->client_sans[i]);
		break;
	case COUNTRY:
		v->unknown = p->country_known == POLICY_UNKNOWN;
		if (p->country_known == POLICY_KNOWN) add(v, slice_of(p->country));
		break;
	case ASN:
		v->unknown = p->asn_known == POLICY_UNKNOWN;
		if (p->asn_known == POLICY_KNOWN) add(v, p->asn == 64496 ? SLICE("AS64496") : SLICE("AS64497"));
		break;
	case TLS_VERSION: if (p->tls_version) add(v, p->tls_version == 0x0304 ? SLICE("1.3") : SLICE("1.2")); break;
	case LABEL:
		v->unknown = f->labels_unknown && !f->labels;
		if (f->labels) add(v, SLICE("yes"));
		break;
	case SWITCH: if (p->switches & 2) add(v, SLICE("yes")); break;
	case VERIFIED: if (p->client_verified) add(v, SLICE("yes")); break;
	default: break; /* addresses are compared as such */
	}
}

static bool in_network(const struct addr *a, struct slice text)
{
	size_t cut = slice_find(text, '/');
	struct addr base;
	unsigned bits;

	MUST(addr_parse(slice_first(text, cut), &base));
	bits = cut < text.len ? (unsigned)strtoul(text.at + cut + 1, NULL, 10) + (addr_is_v4(&base) ? 96 : 0) : 128;
	if (addr_is_v4(a) != addr_is_v4(&base))
		return false;
	for (unsigned i = 0; i < bits; i++)
		if ((a->b[i / 8] ^ base.b[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

static bool text_passes(const struct node *x, struct slice text, struct slice item)
{
	char joined[64];
	int n;

	switch (x->kind) {
	case IN:
		return slice_eq(text, item);
	case STARTS:
		return slice_starts(text, item);
	case ENDS:
		return slice_ends(text, item);
	case CONTAINS:
		return slice_contains(text, item);
	default: /* UNDER */
		if (slice_eq(text, item) || (x->field == PATH && slice_is(item, "/")))
			return text.at[0] == '/' || x->field != PATH;
		n = snprintf(joined, sizeof joined, x->field == PATH ? "%.*s/" : ".%.*s", SLICE_F(item));
		return x->field == PATH ? slice_starts(text, slice_make(joined, (size_t)n)) : slice_ends(text, slice_make(joined, (size_t)n));
	}
}

static int64_t number(const struct node *x, struct slice text)
{
	char z[16] = "", *end;
	int64_t n;

	if (x->wrap == LEN)
		return (int64_t)text.len;
	memcpy(z, text.at, text.len < sizeof z ? text.len : 0);
	n = strtoll(z, &end, 10);
	return z[0] && !*end ? n : x->otherwise;
}

static bool passes(const struct node *x, const struct expr_facts *f, struct slice text)
{
	char low[64];
	int64_t n;

	if (x->kind == BOOLEAN || x->kind == PRESENT)
		return true;
	if (x->kind == RANGE) {
		n = number(x, text);
		return n >= x->least && n <= x->most;
	}
	for (size_t i = 0; x->wrap == LOWER && i < text.len; i++)
		low[i] = ascii_lower(text.at[i]);
	if (x->wrap == LOWER)
		text = slice_make(low, text.len);
	for (unsigned i = 0; i < x->n; i++)
		if (x->field == ADDRESS ? in_network(&f->facts.ip, x->items[i]) : text_passes(x, text, x->items[i]))
			return true;
	return false;
}

static enum tri negate(enum tri t)
{
	return t == TRI_UNKNOWN ? t : t == TRI_YES ? TRI_NO : TRI_YES;
}

static enum tri test(const struct node *x, const struct expr_facts *f)
{
	enum tri t = TRI_NO;
	struct values v;

	gather(f, x->field, &v);
	if (x->field == ADDRESS || (x->wrap == INT && !v.n && !v.unknown))
		add(&v, SLICE("")); /* which is no number */
	if (x->wrap == COUNT)
		return (int64_t)v.n >= x->least && (int64_t)v.n <= x->most ? TRI_YES : TRI_NO;
	for (unsigned i = 0; i < v.n; i++)
		if (passes(x, f, v.at[i]))
			t = TRI_YES;
	return v.unknown ? TRI_UNKNOWN : t;
}

static enum tri judge(const struct node *x, const struct expr_facts *f)
{
	unsigned count[3] = {0};
	enum tri t;

	if (x->kind > NOT) {
		t = test(x, f);
		return x->negative ? negate(t) : t;
	}
	for (unsigned i = 0; i < x->n; i++)
		count[judge(x->kids[i], f)]++;
	if (x->kind == AND)
		return count[TRI_NO] ? TRI_NO : count[TRI_UNKNOWN] ? TRI_UNKNOWN : TRI_YES;
	t = count[TRI_YES] ? TRI_YES : count[TRI_UNKNOWN] ? TRI_UNKNOWN : TRI_NO;
	return x->kind == NOT ? negate(t) : t;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	const struct node *model;
	const struct expr *x;
	struct expr_facts f;
	struct expr_bed b;
	struct buf text;

	nodes_n = 0;
	model = make(&in, 0);
	expr_begin(&b);
	buf_init(&text, NULL);
	write_node(&text, model);
	x = expr_read(&b, buf_slice(&text));
	/* Refused is what can never match, and texts that are too long in all. */
	if (x) {
		expr_wake(&b);
		for (unsigned i = 0; i < 4; i++) {
			expr_facts_make(&f, &in);
			if (expr_of(&b, &f, x) != judge(model, &f))
				fprintf(stderr, "%.*s: %d on path %s\n", SLICE_F(buf_slice(&text)), expr_of(&b, &f, x), f.facts.path.at);
			MUST(expr_of(&b, &f, x) == judge(model, &f));
			arena_done(&f.arena);
		}
	}
	buf_done(&text);
	expr_end(&b);
	return 0;
}
