/* expr_fuzz.h -- expressions compiled without a file around them, and requests to ask them about. */
#ifndef PORTCULLIS_TESTS_EXPR_FUZZ_H
#define PORTCULLIS_TESTS_EXPR_FUZZ_H

#include "fuzz.h"
#include "policies/compile.h"

enum { EXPR_NOW = 1793534400 }; /* 2026-11-01T12:00:00Z, a Sunday */

struct expr_bed {
	struct arena arena;
	struct fail fail;
	struct policy policy;
	struct policy_source from;
	struct compile c;
};

/* Label 0 may be set, by a rule that asks for nothing; switches s0 and s1; sets of three types. */
static inline void expr_begin(struct expr_bed *b)
{
	static const char *const texts[] = {"/a", "b", "ab"};
	struct set_builder words = {.type = TYPE_TEXT}, nets = {.type = TYPE_IP};
	struct value v = {.bits = 120};

	memset(b, 0, sizeof *b);
	arena_init(&b->arena, NULL, 16384);
	b->from = (struct policy_source){.path = "p.yaml", .now = EXPR_NOW};
	b->c = (struct compile){.arena = &b->arena, .fail = &b->fail, .policy = &b->policy, .from = &b->from, .file = "p.yaml", .now = EXPR_NOW};
	MUST(!names_add(&b->c, &b->c.labels, SLICE("l"), 64) && !names_add(&b->c, &b->c.switches, SLICE("s0"), 8) &&
	     names_add(&b->c, &b->c.switches, SLICE("s1"), 8) == 1);
	b->c.label_facts[0] = (struct label_facts){.declared = true, .set = true};
	for (unsigned i = 0; i < FUZZ_COUNT(texts); i++) {
		v.text = slice_of(texts[i]);
		MUST(set_add(&words, &v));
	}
	MUST(addr_parse(SLICE("198.51.100.0"), &v.ip) && set_add(&nets, &v));
	MUST(!names_add(&b->c, &b->c.sets_names, SLICE("words"), 8) && names_add(&b->c, &b->c.sets_names, SLICE("nets"), 8) == 1);
	b->c.sets[b->c.sets_n++] = set_built(&b->arena, &words);
	b->c.sets[b->c.sets_n++] = set_built(&b->arena, &nets);
	MUST(b->c.sets[0] && b->c.sets[1]);
	b->c.sets[0]->name = SLICE("words");
	b->c.sets[1]->name = SLICE("nets");
}

static inline const struct expr *expr_read(struct expr_bed *b, struct slice text)
{
	struct yaml_node node = {.kind = YAML_SCALAR, .style = YAML_SINGLE, .place = {"p.yaml", 1, 1}, .text = text};

	return expr_compile(&b->c, &node, FOR_PLAIN);
}

/* When all are read: what asking needs. */
static inline void expr_wake(struct expr_bed *b)
{
	struct policy *p = &b->policy;

	p->query_names = b->c.query_names.at;
	p->query_names_n = b->c.query_names.n;
	p->cookie_names = b->c.cookie_names.at;
	p->cookie_names_n = b->c.cookie_names.n;
	p->regexes = b->c.regexes.at;
	p->regexes_n = b->c.regexes.n;
	MUST(policy_wake(p));
}

static inline void expr_end(struct expr_bed *b)
{
	policy_sleep(&b->policy);
	fail_done(&b->fail);
	arena_done(&b->arena);
}

/* ---- Requests, from few values, so that tests meet them ---- */

struct expr_facts {
	struct policy_facts facts;
	struct fields fields;
	struct slice sans[2];
	struct arena arena;
	uint64_t labels, labels_unknown;
};

static const char *const expr_paths[] = {"/", "/a", "/a/b", "/ab", "*", "/a/"};
static const char *const expr_hosts[] = {"a", "b.a", "ab", "x.b.a", "[::1]"};
static const char *const expr_texts[] = {"", "a", "b", "ab", "/a", "AB", "5", "-3", "b.a"};
static const char *const expr_addresses[] = {"198.51.100.7", "203.0.113.9", "2001:db8::1", "::1"};
static const char *const expr_countries[] = {"DE", "AF", "AS"};

#define EXPR_PICK(in, list) slice_of((list)[fuzz_below(in, FUZZ_COUNT(list))])

static inline enum policy_known expr_known(struct fuzz_in *in)
{
	return (enum policy_known[]){POLICY_KNOWN, POLICY_KNOWN, POLICY_MISSING, POLICY_UNKNOWN}[fuzz_below(in, 4)];
}

static inline void expr_facts_make(struct expr_facts *f, struct fuzz_in *in)
{
	static const char *const queries[] = {"", "q=a&q=ab", "q=b&n=5&q=", "n=x&%71=%61", "q"}, *const cookies[] = {"c=a", "c=b; d; c=ab", "d=5"};
	static const char *const names[] = {"x", "y"}, *const methods[] = {"GET", "POST", "BREW"};
	struct policy_facts *p = &f->facts;

	memset(f, 0, sizeof *f);
	arena_init(&f->arena, NULL, 4096);
	*p = (struct policy_facts){.method = EXPR_PICK(in, methods), .host = EXPR_PICK(in, expr_hosts), .path = EXPR_PICK(in, expr_paths),
				   .fields = &f->fields, .secure = fuzz_byte(in) & 1, .site = SLICE("ab"), .now = EXPR_NOW, .arena = &f->arena};
	if (fuzz_byte(in) & 3)
		p->query = EXPR_PICK(in, queries);
	MUST(addr_parse(EXPR_PICK(in, expr_addresses), &p->ip));
	p->websocket = fuzz_byte(in) & 1;
	p->country_known = expr_known(in);
	if (p->country_known == POLICY_KNOWN) {
		memcpy(p->country, EXPR_PICK(in, expr_countries).at, 3);
		memcpy(p->continent, fuzz_byte(in) & 1 ? "EU" : "AS", 3);
	}
	p->asn_known = expr_known(in);
	p->asn = p->asn_known == POLICY_KNOWN ? 64496 + fuzz_below(in, 2) : 0;
	p->tls_version = (uint16_t[]){0, 0x0303, 0x0304}[fuzz_below(in, 3)];
	if (p->tls_version)
		p->tls_sni = EXPR_PICK(in, expr_hosts);
	p->client_verified = fuzz_byte(in) & 1;
	p->client_subject = EXPR_PICK(in, expr_texts);
	for (; p->client_sans_n < fuzz_below(in, 3) && p->client_sans_n < 2; p->client_sans_n++)
		f->sans[p->client_sans_n] = EXPR_PICK(in, expr_hosts);
	p->client_sans = f->sans;
	p->switches = fuzz_below(in, 4);
	p->now += (int64_t)fuzz_below(in, 4000) * 3600;
	f->labels = fuzz_byte(in) & 1;
	f->labels_unknown = fuzz_byte(in) & 1;
	for (unsigned i = fuzz_below(in, 4); i; i--)
		MUST(fields_add(&f->fields, &f->arena, EXPR_PICK(in, names), EXPR_PICK(in, expr_texts)));
	if (fuzz_byte(in) & 1)
		MUST(fields_add(&f->fields, &f->arena, SLICE("cookie"), EXPR_PICK(in, cookies)));
}

static inline enum tri expr_of(struct expr_bed *b, struct expr_facts *f, const struct expr *x)
{
	struct policy_run run;
	enum tri t;

	policy_run_init(&run, &b->policy, &f->facts);
	run.labels = f->labels;
	run.labels_unknown = f->labels_unknown;
	t = expr_ask(&run, x);
	MUST(!run.starved && (t != TRI_UNKNOWN || run.unknown_why));
	return t;
}

#endif
