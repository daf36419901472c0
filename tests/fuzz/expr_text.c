/* expr_text.c -- fuzz: an expression that is accepted is written down from its tree and read as the same tree,
 * with the same answers.
 *
 * Also: what the checker says about two expressions holds of every request that is tried: one that never
 * matches does not, and a wide one matches whatever the narrow one does. */
#include <time.h>

#include "expr_fuzz.h"
#include "policies/zone.h"

static const struct names *patterns;

/* ---- Writing ---- */

static void write_text(struct buf *out, struct slice s)
{
	MUST(buf_print(out, "\""));
	for (size_t i = 0; i < s.len; i++)
		MUST(buf_print(out, "\\x%02x", (unsigned char)s.at[i]));
	MUST(buf_print(out, "\""));
}

static void write_number(struct buf *out, enum type t, int64_t n)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	time_t seconds = (time_t)n;
	char text[40];
	struct tm tm;

	switch (t) {
	case TYPE_TIME:
		gmtime_r(&seconds, &tm);
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
		MUST(buf_print(out, "%s", text));
		return;
	case TYPE_CLOCK:
		MUST(buf_print(out, "%02d:%02d", (int)(n / 60), (int)(n % 60)));
		return;
	case TYPE_WEEKDAY:
		MUST(buf_print(out, "%s", days[n]));
		return;
	case TYPE_COUNTRY:
	case TYPE_CONTINENT:
		MUST(buf_print(out, "%c%c", (int)(n >> 8), (int)(n & 0xff)));
		return;
	case TYPE_SCHEME:
		MUST(buf_print(out, n ? "https" : "http"));
		return;
	case TYPE_UPGRADE:
		MUST(buf_print(out, n ? "websocket" : "none"));
		return;
	case TYPE_TLS_VERSION:
		MUST(buf_print(out, n == 0x0304 ? "1.3" : "1.2"));
		return;
	default:
		MUST(buf_print(out, "%s%lld", t == TYPE_ASN ? "AS" : "", (long long)n));
	}
}

static unsigned __int128 whole(const uint64_t half[2])
{
	return (unsigned __int128)half[0] << 64 | half[1];
}

/* The networks that make up a range; none of them holds all of IPv4, which is no literal. */
static void write_range(struct buf *out, const struct range *r)
{
	const unsigned __int128 one = 1, v4 = (unsigned __int128)0xffff << 32;
	unsigned __int128 at = whole(r->first), last = whole(r->last);

	for (;;) {
		unsigned free_bits = 0;
		char text[ADDR_TEXT];
		struct addr a;

		while (free_bits < 127 && !(at >> free_bits & 1) && (one << (free_bits + 1)) - 1 <= last - at &&
		       (free_bits < 31 || v4 < at || v4 > at + (one << (free_bits + 1)) - 1))
			free_bits++;
		for (unsigned i = 0; i < 16; i++)
			a.b[i] = (uint8_t)(at >> (120 - 8 * i));
		addr_text(&a, text);
		MUST(buf_print(out, "%s/%u", text, (addr_is_v4(&a) ? 32 : 128) - free_bits));
		at += (one << free_bits) - 1;
		if (at == last)
			return;
		at++;
		MUST(buf_print(out, ", "));
	}
}

static void write_set(struct buf *out, const struct set *s)
{
	if (s->name.len) {
		MUST(buf_print(out, "@%.*s", SLICE_F(s->name)));
		return;
	}
	MUST(buf_print(out, "["));
	for (uint32_t i = 0; i < s->n; i++) {
		MUST(buf_print(out, i ? ", " : ""));
		if (s->type == TYPE_METHOD)
			MUST(buf_put_slice(out, s->texts[i]));
		else if (type_form(s->type) == FORM_TEXT)
			write_text(out, s->texts[i]);
		else if (type_form(s->type) == FORM_IP)
			write_range(out, &s->ranges[i]);
		else
			write_number(out, s->type, s->numbers[i]);
	}
	MUST(buf_print(out, "]"));
}

static void write_term(struct buf *out, const struct term *t, unsigned maps)
{
	static const char *const words[] = {[MAP_LOWER] = "lower", [MAP_LEN] = "len", [MAP_COUNT] = "count", [MAP_INT] = "int",
					    [MAP_NET] = "net", [MAP_SHA256] = "sha256", [MAP_CLOCK] = "clock", [MAP_WEEKDAY] = "weekday"};
	const struct field_word *f = field_words;

	if (maps) {
		unsigned i = maps - 1;

		MUST(buf_print(out, "%s(", words[t->maps[i].map]));
		write_term(out, t, i);
		if (t->maps[i].map == MAP_INT)
			MUST(buf_print(out, ", %lld", (long long)t->maps[i].a));
		if (t->maps[i].map == MAP_NET)
			MUST(buf_print(out, ", %lld, %lld", (long long)t->maps[i].a, (long long)t->maps[i].b));
		if (t->maps[i].map == MAP_CLOCK || t->maps[i].map == MAP_WEEKDAY)
			MUST(buf_print(out, ", \"%.*s\"", SLICE_F(t->maps[i].zone->name)));
		MUST(buf_print(out, ")"));
		return;
	}
	while (f->source != t->source || f->named != (t->name.at != NULL))
		f++;
	MUST(f->word && buf_print(out, "%s", f->word));
	for (size_t i = 0; t->name.at && i <= t->name.len; i++) {
		bool marked = i < t->name.len && strchr("\"\\", t->name.at[i]);

		MUST(buf_print(out, !i ? "[\"" : "") && buf_print(out, marked ? "\\" : "") &&
		     (i < t->name.len ? buf_put(out, &t->name.at[i], 1) : buf_print(out, "\"]")));
	}
}

/* One end of a range; where it lies beyond the type's literals, from its other side. */
static void write_bound(struct buf *out, const struct expr *x)
{
	enum type t = x->term->type;
	bool upper = x->least == INT64_MIN, beyond;
	int64_t n = upper ? x->most : x->least;

	if (upper)
		beyond = n == INT64_MIN || (t != TYPE_INT && n < 0);
	else
		beyond = (t == TYPE_CLOCK && n >= 1440) || (t == TYPE_TIME && n >= INT64_C(253402300800));
	MUST(buf_print(out, upper ? " <%s " : " >%s ", beyond ? "" : "="));
	write_number(out, t, !beyond ? n : upper ? n + 1 : n - 1);
}

static void write_expr(struct buf *out, const struct expr *x)
{
	static const char *const words[] = {[OP_IN] = "in", [OP_UNDER] = "under", [OP_STARTS] = "starts", [OP_ENDS] = "ends",
					    [OP_CONTAINS] = "contains"};
	bool group;

	if (x->op == OP_TRUE) {
		MUST(buf_print(out, "true"));
		return;
	}
	if (x->op == OP_NOT)
		MUST(buf_print(out, "not "));
	for (unsigned i = 0; i < x->n; i++) {
		group = x->kids[i]->op == OP_AND || x->kids[i]->op == OP_OR;
		MUST(buf_print(out, "%s%s", !i ? "" : x->op == OP_AND ? " and " : " or ", group ? "(" : ""));
		write_expr(out, x->kids[i]);
		MUST(buf_print(out, group ? ")" : ""));
	}
	if (x->n)
		return;
	write_term(out, x->term, x->term->maps_n);
	if (x->op == OP_PRESENT)
		MUST(buf_print(out, " is present"));
	if (x->op == OP_MATCHES)
		MUST(buf_print(out, " matches r\"") && buf_put_slice(out, patterns->at[x->regex]) && buf_print(out, "\""));
	if (x->op == OP_SAME) {
		MUST(buf_print(out, " == "));
		write_term(out, x->other, x->other->maps_n);
	}
	if (x->set) {
		MUST(buf_print(out, " %s ", words[x->op]));
		write_set(out, x->set);
	}
	if (x->op == OP_RANGE && x->least != INT64_MIN && x->most != INT64_MAX) {
		MUST(buf_print(out, " in "));
		write_number(out, x->term->type, x->least);
		MUST(buf_print(out, ".."));
		write_number(out, x->term->type, x->most);
	} else if (x->op == OP_RANGE) {
		write_bound(out, x);
	}
}

/* ---- Both ways ---- */

/* Nesting counts differently where `!=` is written as `not ... in`; and what was short may be long now. */
static bool may_fail(const struct fail *f)
{
	return strstr(f->at[f->n - 1].text, "deeper than") || strstr(f->at[f->n - 1].text, "has at most");
}

static const struct expr *write_and_read(struct expr_bed *b, const struct expr *x)
{
	const struct expr *again;
	struct buf out;

	buf_init(&out, NULL);
	patterns = &b->c.regexes;
	write_expr(&out, x);
	again = expr_read(b, buf_slice(&out));
	MUST(again ? expr_same(x, again) && expr_covers(x, again) && expr_covers(again, x) : may_fail(&b->fail));
	buf_done(&out);
	return again;
}

static void check_asked(struct expr_bed *b, struct fuzz_in *in, const struct expr *x[3])
{
	struct expr_facts f;
	enum tri t[3];

	expr_facts_make(&f, in);
	for (unsigned i = 0; i < 3; i++)
		t[i] = x[i] ? expr_of(b, &f, x[i]) : TRI_UNKNOWN;
	MUST(!x[1] || t[1] == t[0]);
	MUST(!expr_never(x[0]) || t[0] != TRI_YES);
	if (x[2] && expr_covers(x[0], x[2]) && t[2] == TRI_YES)
		MUST(t[0] == TRI_YES);
	if (x[2] && expr_covers(x[2], x[0]) && t[0] == TRI_YES)
		MUST(t[2] == TRI_YES);
	arena_done(&f.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	struct slice one = fuzz_line(&in), two = fuzz_line(&in);
	const struct expr *x[3]; /* the first, itself as it was written down, and the second */
	struct expr_bed b;

	/* No file brings a NUL so far. */
	if (memchr(one.at, 0, one.len) || memchr(two.at, 0, two.len))
		return 0;
	expr_begin(&b);
	x[0] = expr_read(&b, one);
	MUST(x[0] || b.fail.errors);
	if (x[0]) {
		x[1] = write_and_read(&b, x[0]);
		x[2] = expr_read(&b, two);
		expr_wake(&b);
		for (unsigned i = 0; i < 4; i++)
			check_asked(&b, &in, x);
	}
	expr_end(&b);
	return 0;
}
