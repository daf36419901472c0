/* rules.c -- the rules of one request: describing ones first, then the first that decides. */
#include "policies/policy_parts.h"

void policy_run_init(struct policy_run *run, const struct policy *p, const struct policy_facts *facts)
{
	*run = (struct policy_run){.policy = p, .facts = facts, .regexes = p->regexes_n ? wake_find(p) : NULL};
}

static void tell(policy_note_fn *note, void *context, const char *what, const struct entry *e,
		 struct slice text)
{
	if (note)
		note(context, what, &e->by, text);
}

/* ---- Rules that describe ---- */

static void set_label(struct policy_run *run, const struct rule *r, policy_note_fn *note, void *context)
{
	bool would = r->entry.mode == POLICY_DETECT;

	if (!would)
		run->labels |= (uint64_t)1 << r->label;
	tell(note, context, would ? "would-label" : "label", &r->entry, run->policy->labels[r->label]);
}

static void exempt(struct policy_run *run, const struct rule *r, policy_note_fn *note, void *context)
{
	bool would = r->entry.mode == POLICY_DETECT;
	const char *what = would ? "would-exempt" : "exempted";

	for (unsigned i = 0; i < r->exempt_n; i++) {
		if (!would)
			bits_set(&run->exempt, r->exempt[i]);
		tell(note, context, what, &r->entry, run->policy->ids[r->exempt[i]]);
	}
	if (!r->exempt_waf)
		return;
	if (!would && !run->exempt_waf) {
		run->exempt_waf = true;
		run->exempt_waf_by = r->entry.by;
	}
	tell(note, context, what, &r->entry, SLICE("waf"));
}

/* An exempt that cannot be known lifts nothing; a label that cannot be known is unknown itself. */
static void describe(struct policy_run *run, const struct rule *r, policy_note_fn *note, void *context)
{
	enum tri t = entry_ask(run, &r->entry);

	if (t == TRI_UNKNOWN) {
		if (r->does == DOES_LABEL && r->entry.mode == POLICY_ENFORCE)
			run->labels_unknown |= (uint64_t)1 << r->label;
		tell(note, context, "unknown", &r->entry, slice_of(run->unknown_why));
	}
	if (t != TRI_YES)
		return;
	if (r->does == DOES_LABEL)
		set_label(run, r, note, context);
	else
		exempt(run, r, note, context);
}

/* ---- Rules that decide ---- */

/* Bytes of a decoded path that stand as they are in a URL (RFC 3986 section 3.3, without `%`). */
static bool path_byte(unsigned char c)
{
	unsigned char l = c | 0x20;

	return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-._~!$&'()*+,;=:@/", c));
}

static bool query_byte(unsigned char c)
{
	return path_byte(c) || c == '?' || c == '%' || c == '[' || c == ']';
}

static size_t escape(char *out, struct slice in, bool (*plain)(unsigned char))
{
	static const char digits[] = "0123456789ABCDEF";
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.at[i];

		if (plain(c)) {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '%';
		out[n++] = digits[c >> 4];
		out[n++] = digits[c & 15];
	}
	return n;
}

static struct slice location(struct policy_run *run, const struct rule *r)
{
	const struct policy_facts *f = run->facts;
	size_t n = r->to.len;
	char *out;

	if (r->keep == KEEP_NONE || !f->path.len || f->path.at[0] != '/')
		return r->to.len ? r->to : SLICE("/");
	out = arena_take(f->arena, r->to.len + 3 * (f->path.len + f->query.len) + 1);
	if (!out)
		return SLICE_NONE;
	if (n)
		memcpy(out, r->to.at, n);
	n += escape(out + n, f->path, path_byte);
	if (r->keep == KEEP_PATH_QUERY && f->query.len) {
		out[n++] = '?';
		n += escape(out + n, f->query, query_byte);
	}
	return slice_make(out, n);
}

static struct policy_verdict starved(void)
{
	return (struct policy_verdict){.act = POLICY_BLOCK, .status = 503, .unknown = true, .starved = true,
				       .unknown_why = "memory for this request is used up"};
}

static struct policy_verdict decide(struct policy_run *run, const struct rule *r, bool unknown)
{
	struct policy_verdict v = {.act = r->does == DOES_BLOCK ? POLICY_BLOCK : POLICY_REDIRECT, .status = r->status,
				   .retry_after_s = r->retry_after_s, .by = r->entry.by, .unknown = unknown,
				   .unknown_why = unknown ? run->unknown_why : NULL};

	if (v.act == POLICY_REDIRECT) {
		v.location = location(run, r);
		if (!v.location.at) {
			run->starved = true;
			return starved();
		}
	}
	return v;
}

struct policy_verdict policy_rules(struct policy_run *run, policy_note_fn *note, void *context)
{
	const struct policy *p = run->policy;

	for (uint32_t i = 0; i < p->describing_n; i++)
		describe(run, p->describing[i], note, context);
	for (uint32_t i = 0; i < p->deciding_n && !run->starved; i++) {
		const struct rule *r = p->deciding[i];
		enum tri t;

		if (bits_have(&run->exempt, r->entry.number))
			continue;
		t = entry_ask(run, &r->entry);
		if (t == TRI_NO || run->starved)
			continue;
		if (t == TRI_UNKNOWN)
			tell(note, context, "unknown", &r->entry, slice_of(run->unknown_why));
		if (t == TRI_UNKNOWN && r->entry.unknown == UNKNOWN_SKIP)
			continue;
		if (r->entry.mode == POLICY_ENFORCE)
			return decide(run, r, t == TRI_UNKNOWN);
		tell(note, context, r->does == DOES_BLOCK ? "would-block" : "would-redirect", &r->entry, SLICE(""));
	}
	return run->starved ? starved() : (struct policy_verdict){.act = POLICY_PASS};
}
