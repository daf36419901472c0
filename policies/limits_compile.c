/* limits_compile.c -- `limits` of a policy. */
#include "gateway/base/text.h"
#include "policies/compile.h"

enum { MOST = 1000000000 };

/* "10 per 1m" */
static bool rate_read(struct compile *c, const struct yaml_node *node, struct policy_limit *out)
{
	struct slice text = node->text;
	size_t cut = slice_find(text, ' ');

	if (!text_uint(slice_first(text, cut), &out->number) || !slice_starts(slice_after(text, cut), SLICE(" per ")) ||
	    !text_duration(slice_after(text, cut + 5), &out->period_ms))
		return fail_at(c->fail, node->place, "a rate is written `10 per 1m`, not \"%.*s\"", SLICE_F(text));
	if (!out->number || out->number > MOST || out->period_ms < 1000 || out->period_ms > 366 * 86400000LL)
		return fail_at(c->fail, node->place, "a rate is 1 to %d per 1s to 366d", MOST);
	if (out->number > (uint64_t)out->period_ms * 1000)
		return fail_at(c->fail, node->place, "a rate is at most 1000 per millisecond");
	return true;
}

static bool number_read(struct compile *c, const struct yaml_node *node, const char *what, uint64_t most, uint64_t *out)
{
	if (!node)
		return true;
	if (!text_uint(node->text, out) || !*out || *out > most)
		return fail_at(c->fail, node->place, "%s is a whole number from 1 to %llu", what, (unsigned long long)most);
	return true;
}

static bool cost_read(struct compile *c, const struct yaml_node *node, uint64_t burst, uint64_t *out)
{
	uint64_t n;

	*out = 1;
	if (node && !text_uint(node->text, &n))
		return fail_at(c->fail, node->place, "a cost that is an expression is not in this version; write a whole number");
	return number_read(c, node, "cost, at most the burst,", burst, out);
}

static bool over_read(struct compile *c, const struct yaml_node *node, struct policy_limit *out)
{
	struct over_text t = {.does = node};
	struct slice label;
	enum does does;

	out->over_act = POLICY_BLOCK;
	out->over_status = 429;
	if (!node)
		return true;
	if (node->kind == YAML_MAP && !setting_read(&c->reader, over_settings, node, &t))
		return false;
	if (!deed_read(c, t.does, &does, &out->over_status, &label))
		return false;
	if (does != DOES_BLOCK && does != DOES_REDIRECT)
		return fail_at(c->fail, t.does->place, "over is an action that decides: block or redirect");
	if (does == DOES_BLOCK && slice_is(t.does->text, "block"))
		out->over_status = 429;
	if (does == DOES_REDIRECT && !location_check(c, t.does->place, t.to, KEEP_NONE))
		return false;
	if (does == DOES_BLOCK && t.to.len)
		return fail_at(c->fail, t.does->place, "`to` belongs to redirect");
	out->over_act = does == DOES_BLOCK ? POLICY_BLOCK : POLICY_REDIRECT;
	out->over_to = t.to;
	out->over_retry_after_s = (t.retry_after_ms + 999) / 1000;
	return true;
}

static bool lost_read(struct compile *c, const struct yaml_node *node, enum policy_lost *out)
{
	static const char *const words[] = {"local", "pass", "block", NULL};

	for (int i = 0; node && node->kind == YAML_SCALAR && words[i]; i++)
		if (slice_is(node->text, words[i])) {
			*out = (enum policy_lost)i;
			return true;
		}
	return !node || fail_at(c->fail, node->place, "a lost counter store is answered with local, pass or block");
}

/* on_failure of a limit: a word for the store, or {when, store}. */
static bool failure_read(struct compile *c, const struct yaml_node *node, struct limit *out)
{
	const struct yaml_node *when = NULL, *store = node;
	bool ok = true;

	if (node && node->kind == YAML_MAP) {
		when = yaml_get(node, "when");
		store = yaml_get(node, "store");
		for (unsigned i = 0; i < node->n; i++)
			if (!slice_is(node->keys[i]->text, "when") && !slice_is(node->keys[i]->text, "store"))
				ok = fail_at(c->fail, node->keys[i]->place, "on_failure of a limit knows when and store");
	}
	out->entry.unknown = when && slice_is(when->text, "skip") ? UNKNOWN_SKIP : UNKNOWN_MATCH;
	if (when && !slice_is(when->text, "skip") && !slice_is(when->text, "match"))
		ok = fail_at(c->fail, when->place, "an unknown `when` is answered with match or skip");
	return lost_read(c, store, &out->out.lost) && ok;
}

/* ---- The key ---- */

static const struct term *default_key(struct compile *c)
{
	static const struct yaml_node ip = {.kind = YAML_SCALAR, .style = YAML_PLAIN, .text = {"ip", 2}};

	return term_compile(c, &ip);
}

/* Counting is per subscriber: an IPv6 one owns at least a /64. */
static const struct term *per_subscriber(struct compile *c, const struct term *t)
{
	struct term *net;

	if (t->source != SOURCE_IP || t->maps_n)
		return t;
	net = ARENA_NEW(c->arena, struct term);
	if (!net)
		return NULL;
	*net = *t;
	net->maps_n = 1;
	net->maps[0].map = MAP_NET;
	net->maps[0].a = 32;
	net->maps[0].b = 64;
	return net;
}

static bool key_read(struct compile *c, const struct yaml_node *node, struct limit *out)
{
	struct slice written = SLICE("ip");
	unsigned n = node ? node->n : 1;

	if (node && (node->kind != YAML_LIST || !n || n > POLICY_ELEMENTS))
		return fail_at(c->fail, node->place, "key is a list of 1 to %d fields or functions, such as [ip]", POLICY_ELEMENTS);
	for (unsigned i = 0; i < n; i++) {
		const struct term *t = node ? term_compile(c, node->items[i]) : default_key(c);

		if (!t)
			return false;
		out->key[i] = per_subscriber(c, t);
		if (!out->key[i])
			return compile_memory(c);
		if (node)
			written = i ? arena_print(c->arena, "%.*s,%.*s", SLICE_F(written), SLICE_F(node->items[i]->text))
				    : node->items[i]->text;
	}
	out->key_n = n;
	/* How the key is written is part of its counters' names: changing it begins anew. */
	out->prefix = arena_print(c->arena, "%.*s/%.*s/%.*s", SLICE_F(c->policy->name), SLICE_F(out->entry.by.id), SLICE_F(written));
	return out->prefix.at || compile_memory(c);
}

static bool claimed_only(const struct limit *l)
{
	for (unsigned i = 0; i < l->key_n; i++)
		if (l->key[i]->trust != TRUST_CLAIMED)
			return false;
	return l->key_n > 0;
}

static bool verified(const struct limit *l)
{
	for (unsigned i = 0; i < l->key_n; i++)
		if (l->key[i]->trust == TRUST_CLAIMED)
			return false;
	return l->entry.mode == POLICY_ENFORCE;
}

/* Who may choose his key has as many buckets as he likes. */
static bool anchored(struct compile *c, const struct limit *all, unsigned n, unsigned i)
{
	struct place at = {c->file, all[i].entry.by.line, all[i].entry.column};

	if (!claimed_only(&all[i]) || all[i].entry.mode == POLICY_OFF || expr_guard(c, all[i].entry.when) & GUARD_PROVEN)
		return true;
	for (unsigned j = 0; j < n; j++)
		if (j != i && verified(&all[j]) && expr_covers(all[j].entry.when, all[i].entry.when))
			return true;
	return fail_at(c->fail, at,
		       "limit \"%.*s\" counts only by what the client claims, who can claim something new each time; add a limit "
		       "with the same `when` and key [ip], or require sha256(...) in @set",
		       SLICE_F(all[i].entry.by.id));
}

static bool compile_one(struct compile *c, const struct limit_text *t, struct limit *out)
{
	struct entry_text entry = t->entry;
	const struct yaml_node *failure = entry.on_failure;
	enum unknown when;
	bool ok;

	/* `when` has its own word inside on_failure: place rules look for that one. */
	entry.on_failure = failure && failure->kind == YAML_MAP ? yaml_get(failure, "when") : NULL;
	ok = failure_read(c, failure, out);
	when = out->entry.unknown;
	if (!ok)
		entry.on_failure = NULL;
	ok &= entry_compile(c, &entry, FOR_DECIDING, true, &out->entry);
	out->entry.unknown = when;
	ok &= rate_read(c, t->rate, &out->out);
	out->out.burst = out->out.number;
	ok = ok && number_read(c, t->burst, "burst", MOST, &out->out.burst);
	ok = ok && cost_read(c, t->cost, out->out.burst, &out->cost);
	ok = over_read(c, t->over, &out->out) && ok;
	ok &= key_read(c, t->key, out);
	out->missing = (enum policy_missing)t->missing;
	out->out.advertise = t->advertise;
	out->out.mode = out->entry.mode;
	out->out.entry = out->entry.by;
	if (ok)
		fail_note(c->fail, entry_place(&t->entry), "limit %.*s: %llu at once, at most %llu in any %llds", SLICE_F(t->entry.id),
			  (unsigned long long)out->out.burst, (unsigned long long)(out->out.burst + out->out.number),
			  (long long)out->out.period_ms / 1000);
	return ok;
}

bool limits_compile(struct compile *c, const struct file_text *t)
{
	const struct limit_text *texts = t->limits.at;
	unsigned n = t->limits.n;
	struct limit *limits = ARENA_ARRAY(c->arena, struct limit, n + 1);
	bool ok = true;

	if (!limits)
		return compile_memory(c);
	for (unsigned i = 0; i < n; i++)
		ok &= compile_one(c, &texts[i], &limits[i]);
	for (unsigned i = 0; ok && i < n; i++)
		ok = anchored(c, limits, n, i);
	c->policy->limits = limits;
	c->policy->limits_n = n;
	return ok;
}
