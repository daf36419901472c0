/* entries.c -- what every entry carries: id, when, mode, on_failure, dates, and who answers for it. */
#include "gateway/base/text.h"
#include "policies/compile.h"

enum { DAY = 86400, LOOSE_DAYS = 400, SOON_DAYS = 14 };

struct place entry_place(const struct entry_text *t)
{
	return t->head.place;
}

bool mode_read(struct compile *c, const struct yaml_node *node, enum policy_mode *out)
{
	static const char *const words[] = {"enforce", "detect", "off", NULL};

	*out = POLICY_ENFORCE;
	if (!node)
		return true;
	if (node->kind != YAML_SCALAR)
		return fail_at(c->fail, node->place, "a mode as a share is not in this version; write enforce, detect or off");
	for (int i = 0; words[i]; i++)
		if (slice_is(node->text, words[i])) {
			*out = (enum policy_mode)i;
			return true;
		}
	return fail_at(c->fail, node->place, "mode is enforce, detect or off, not \"%.*s\"%s", SLICE_F(node->text),
		       suggest(c, text_nearest(node->text, words)));
}

static bool unknown_read(struct compile *c, const struct yaml_node *node, bool strict, enum unknown *out)
{
	*out = strict ? UNKNOWN_MATCH : UNKNOWN_SKIP;
	if (!node)
		return true;
	if (node->kind == YAML_SCALAR && slice_is(node->text, "skip")) {
		*out = UNKNOWN_SKIP;
		return true;
	}
	if (strict && node->kind == YAML_SCALAR && slice_is(node->text, "match"))
		return true;
	if (strict)
		return fail_at(c->fail, node->place, "on_failure is match or skip here");
	return fail_at(c->fail, node->place, "on_failure is skip here: what describes never follows from the unknown");
}

static bool date(struct compile *c, const struct yaml_node *node, int64_t *out)
{
	return !node || text_time(node->text, out) ||
	       fail_at(c->fail, node->place, "\"%.*s\" is not a date; write 2027-02-01 or 2027-02-01T02:00:00Z",
		       SLICE_F(node->text));
}

static bool dates_read(struct compile *c, const struct entry_text *t, struct entry *out)
{
	out->starts = INT64_MIN;
	out->expires = INT64_MAX;
	if (!date(c, t->starts_node, &out->starts) || !date(c, t->expires_node, &out->expires))
		return false;
	if (out->starts >= out->expires)
		return fail_at(c->fail, t->expires_node->place, "this is not after `starts`; the entry would never be in force");
	if (out->expires <= c->now)
		fail_warn(c->fail, t->expires_node->place, "expired: this entry does nothing any more; remove it or renew it");
	else if (out->expires - c->now <= SOON_DAYS * DAY)
		fail_warn(c->fail, t->expires_node->place, "expires within %d days", SOON_DAYS);
	return true;
}

static bool id_read(struct compile *c, const struct entry_text *t, struct entry *out)
{
	struct slice id = t->id;

	out->by = (struct policy_entry){id, c->file, t->head.place.line};
	out->column = t->head.place.column;
	if (!id.len)
		return true;
	if (slice_is(id, "waf"))
		return fail_at(c->fail, t->head.place, "an entry cannot be named waf: `from: [waf]` means the rule set");
	if (names_find(&c->ids, id) >= 0)
		return fail_at(c->fail, t->head.place, "the id \"%.*s\" is used twice; give each entry its own", SLICE_F(id));
	if (names_add(c, &c->ids, id, POLICY_ENTRIES) < 0)
		return fail_at(c->fail, t->head.place, "more than %d entries in one policy", POLICY_ENTRIES);
	out->number = (uint16_t)(c->ids.n - 1);
	return true;
}

/* Where the operator may run without a database, whoever asks for the place says what then. */
static bool place_allowed(struct compile *c, const struct entry_text *t, const struct entry *e, bool strict)
{
	if (!c->from->geoip_optional || !strict || t->on_failure || !expr_on_place(c, e->when))
		return true;
	return fail_at(c->fail, t->when->place,
		       "this asks for the place, whose database may be absent; name one under geoip (missing: refuse) in "
		       "portcullis.yaml, or say on_failure: skip, or match to refuse everyone then");
}

bool entry_compile(struct compile *c, const struct entry_text *t, enum purpose purpose, bool strict,
		   struct entry *out)
{
	bool ok = id_read(c, t, out);

	out->locked = t->locked;
	ok &= mode_read(c, t->mode, &out->mode);
	ok &= unknown_read(c, t->on_failure, strict, &out->unknown);
	ok &= dates_read(c, t, out);
	if (t->when) {
		out->when = expr_compile(c, t->when, purpose);
		if (!out->when)
			return false;
		if (expr_never(out->when))
			ok = fail_at(c->fail, t->when->place, "this never matches: two of its tests contradict each other");
		ok &= place_allowed(c, t, out, strict);
	}
	return ok;
}

bool entry_loosens(struct compile *c, const struct entry_text *t, const struct entry *e, bool forever)
{
	bool ok = true;

	if (!t->why.len)
		ok = fail_at(c->fail, entry_place(t), "this loosens and says no reason; add `why`");
	if (!t->owner.len)
		ok = fail_at(c->fail, entry_place(t), "this loosens and nobody answers for it; add `owner`");
	if (!t->expires_node && !forever)
		ok = fail_at(c->fail, entry_place(t), "this loosens for ever; add `expires`, at most %d days from now", LOOSE_DAYS);
	if (t->expires_node && e->expires != INT64_MAX && e->expires - c->now > LOOSE_DAYS * (int64_t)DAY)
		ok = fail_at(c->fail, t->expires_node->place, "this loosens for more than %d days; choose a nearer date", LOOSE_DAYS);
	if (e->when && e->when->op != OP_TRUE && !(expr_guard(c, e->when) & GUARD_VERIFIED))
		ok = fail_at(c->fail, t->when->place,
			     "what a client merely claims opens nothing: every branch of `or` needs a field such as ip, path or "
			     "tls.client.verified");
	return ok;
}
