/* waf_compile.c -- `waf` of a policy: settings, and exclusions in the engine's names. */
#include <stdio.h>

#include "gateway/base/text.h"
#include "policies/compile.h"

/* ---- Targets: the language's names to the engine's ---- */

/* The engine's own syntax has no way to write these in a name. */
static bool name_fits(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.at[i] <= 0x20 || name.at[i] == 0x7f || strchr(",;\"'|\\", name.at[i]))
			return false;
	return name.len > 0;
}

/* [0] and ["a.b"] of a path, from the bracket on; *i moves behind it. */
static const char *json_bracket(struct slice path, size_t *i, char *name, size_t *n)
{
	struct slice inside = slice_after(path, *i + 1);
	size_t end = slice_find(inside, ']');
	uint64_t index;

	if (end == inside.len)
		return "a bracket is not closed";
	*i += end + 2;
	inside = slice_first(inside, end);
	if (slice_is(inside, "*"))
		return "[*] is not in this version; name an index such as [0]";
	if (inside.len > 2 && inside.at[0] == '"' && inside.at[inside.len - 1] == '"') {
		name[(*n)++] = '.';
		memcpy(name + *n, inside.at + 1, inside.len - 2);
		*n += inside.len - 2;
		return NULL;
	}
	if (!text_uint(inside, &index) || index > 999999)
		return "a bracket holds an index such as [0], or a name in double quotes";
	*n += (size_t)snprintf(name + *n, 16, ".array_%u", (unsigned)index);
	return NULL;
}

/* JSON leaves as the engine names them: user.name is json.user.name, items[0].note is
 * json.items.array_0.note. */
static const char *json_path(struct compile *c, struct slice path, struct slice *out)
{
	/* "[1]" grows to ".array_1". */
	char *name = arena_take(c->arena, path.len * 8 + 16);
	size_t n = 4, i = 0;
	const char *why;

	if (!name)
		return "memory is used up";
	memcpy(name, "json", 4);
	while (i < path.len) {
		size_t end = i + 1;

		if (path.at[i] == '[') {
			why = json_bracket(path, &i, name, &n);
			if (why)
				return why;
			continue;
		}
		while (end < path.len && path.at[end] != '.' && path.at[end] != '[')
			end++;
		if (path.at[i] != '.' || end == i + 1)
			return "a name is missing behind a dot";
		memcpy(name + n, path.at + i, end - i);
		n += end - i;
		i = end;
	}
	*out = slice_make(name, n);
	return name_fits(*out) ? NULL : "a target has no spaces, quotes, commas or bars";
}

/* The name behind args., query. ...: as it is, or in ["..."]. */
static bool target_name(struct slice rest, struct slice *name)
{
	if (rest.len > 1 && rest.at[0] == '.')
		*name = slice_after(rest, 1);
	else if (rest.len > 4 && slice_starts(rest, SLICE("[\"")) && slice_ends(rest, SLICE("\"]")))
		*name = slice_make(rest.at + 2, rest.len - 4);
	else
		return false;
	return name_fits(*name);
}

static bool name_target(struct compile *c, struct slice *at, const char *collection, struct slice name)
{
	const char *between = strchr(collection, ':') ? "" : ":";

	*at = arena_print(c->arena, "%s%s%.*s", collection, between, SLICE_F(name));
	return at->at || compile_memory(c);
}

static struct slice lowered(struct compile *c, struct slice name)
{
	struct slice copy = arena_copy(c->arena, name);

	for (size_t i = 0; copy.at && i < copy.len; i++)
		((char *)copy.at)[i] = ascii_lower(copy.at[i]);
	return copy;
}

enum target { TARGET_ARGS, TARGET_QUERY, TARGET_FORM, TARGET_JSON, TARGET_HEADER, TARGET_COOKIE };

/* Fill targets; of query and form values the last one counts only where ARGS can hold nothing else. */
static bool named_target(struct compile *c, enum target kind, struct slice name, struct exclusion *out,
			 struct slice targets[3], unsigned *n)
{
	static const char *const collections[] = {[TARGET_ARGS] = "ARGS", [TARGET_QUERY] = "ARGS_GET", [TARGET_FORM] = "ARGS_POST",
						  [TARGET_JSON] = "ARGS", [TARGET_HEADER] = "REQUEST_HEADERS",
						  [TARGET_COOKIE] = "REQUEST_COOKIES"};

	out->name = kind == TARGET_HEADER ? lowered(c, name) : arena_copy(c->arena, name);
	out->also = kind == TARGET_QUERY ? ALSO_NO_FORM : kind == TARGET_FORM ? ALSO_NO_QUERY : ALSO_NEVER;
	if (!out->name.at)
		return compile_memory(c);
	if (!name_target(c, &targets[(*n)++], collections[kind], out->name))
		return false;
	if (kind == TARGET_ARGS)
		return name_target(c, &targets[(*n)++], "ARGS:json.", out->name);
	return out->also == ALSO_NEVER || name_target(c, &targets[(*n)++], "ARGS", out->name);
}

static bool target_read(struct compile *c, const struct yaml_node *node, struct exclusion *out, struct slice targets[3],
			unsigned *n)
{
	static const char *const words[] = {"args", "query", "form", "json", "header", "cookie"};
	struct slice text = node->text, name = SLICE_NONE;
	size_t cut = 0;

	if (slice_is(text, "arg_names")) {
		targets[(*n)++] = arena_copy(c->arena, SLICE("ARGS_NAMES"));
		return targets[0].at || compile_memory(c);
	}
	while (cut < text.len && text.at[cut] != '.' && text.at[cut] != '[')
		cut++;
	for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
		const char *why = NULL;

		if (!slice_is(slice_first(text, cut), words[i]))
			continue;
		if (i == TARGET_JSON)
			why = cut == text.len ? "a path is missing" : json_path(c, slice_after(text, cut), &name);
		else if (!target_name(slice_after(text, cut), &name))
			why = "a target names one value, without spaces, quotes, commas or bars";
		return why ? fail_at(c->fail, node->place, "%.*s: %s", SLICE_F(text), why)
			   : named_target(c, (enum target)i, name, out, targets, n);
	}
	return fail_at(c->fail, node->place,
		       "no target \"%.*s\"; there are args.NAME, query.NAME, form.NAME, json.PATH, header.NAME, cookie.NAME and arg_names",
		       SLICE_F(text));
}

/* ---- Rules and tags ---- */

static bool rule_read(struct compile *c, const struct yaml_node *node, uint32_t *out)
{
	uint64_t n;

	if (node->kind != YAML_SCALAR || !text_uint(node->text, &n) || !n || n > UINT32_MAX)
		return fail_at(c->fail, node->place, "a rule is named by its number, such as 942100");
	if (n / 1000 == 901 || n / 1000 == 949 || n / 1000 == 959 || n / 1000 == 980)
		return fail_at(c->fail, node->place, "rule %llu initialises or sums up the score; without it nothing would be blocked",
			       (unsigned long long)n);
	*out = (uint32_t)n;
	return true;
}

static bool tag_read(struct compile *c, const struct yaml_node *node, struct slice *out)
{
	static const char *const scoring[] = {"OWASP_CRS", "application-multi", "language-multi", "platform-multi", "attack-generic",
					      "event-correlation", "anomaly-evaluation", "reporting", "attack-reputation-ip",
					      "paranoia-level/1", NULL};

	if (!node->text.len || slice_find(node->text, '\'') < node->text.len || slice_find(node->text, '"') < node->text.len)
		return fail_at(c->fail, node->place, "a tag is written as the rules carry it, such as attack-sqli");
	for (unsigned i = 0; scoring[i]; i++)
		if (slice_is(node->text, scoring[i]))
			return fail_at(c->fail, node->place, "rules that sum up the score carry the tag %s; name the rules", scoring[i]);
	fail_warn(c->fail, node->place, "this excludes every rule with the tag %.*s; `rules` names them one by one",
		  SLICE_F(node->text));
	*out = arena_copy(c->arena, node->text);
	return out->at || compile_memory(c);
}

static bool rules_read(struct compile *c, const struct exclusion_text *t, struct policy_exclusion *out)
{
	unsigned named = (t->rule ? 1u : 0) + (t->rules ? 1u : 0) + (t->tag ? 1u : 0);
	unsigned n = t->rules ? t->rules->n : 1;
	uint32_t *rules;
	bool ok = true;

	if (named != 1)
		return fail_at(c->fail, entry_place(&t->entry), "an exclusion names one of rule, rules and tag");
	if (t->tag)
		return tag_read(c, t->tag, &out->tag);
	if (t->rules && (t->rules->kind != YAML_LIST || !n || n > 64))
		return fail_at(c->fail, t->rules->place, "rules is a list of 1 to 64 rule numbers");
	rules = ARENA_ARRAY(c->arena, uint32_t, n);
	if (!rules)
		return compile_memory(c);
	for (unsigned i = 0; i < n; i++)
		ok &= rule_read(c, t->rules ? t->rules->items[i] : t->rule, &rules[i]);
	out->rules = rules;
	out->rules_n = n;
	return ok;
}

static bool exclusion_compile(struct compile *c, const struct exclusion_text *t, struct exclusion *out)
{
	struct slice *targets = ARENA_ARRAY(c->arena, struct slice, 3);
	unsigned n = 0;
	bool ok;

	if (!targets)
		return compile_memory(c);
	ok = entry_compile(c, &t->entry, FOR_LOOSENING, false, &out->entry);
	if (ok && out->entry.mode != POLICY_ENFORCE)
		ok = fail_at(c->fail, entry_place(&t->entry), "an exclusion has no mode; remove it instead");
	ok &= entry_loosens(c, &t->entry, &out->entry, false);
	ok &= rules_read(c, t, &out->out);
	if (t->target)
		ok &= target_read(c, t->target, out, targets, &n);
	out->out.entry = out->entry.by;
	out->out.targets = targets;
	out->out.targets_n = n;
	/* The last target is the conditional one. */
	out->wide = out->out;
	if (out->also != ALSO_NEVER && n)
		out->out.targets_n = n - 1;
	return ok;
}

/* ---- The mapping ---- */

static bool ruleset_read(struct compile *c, const struct yaml_node *node, struct slice *out)
{
	*out = arena_copy(c->arena, node ? node->text : SLICE("crs"));
	if (!out->at)
		return compile_memory(c);
	for (unsigned i = 0; c->from->rulesets_known && c->from->rulesets[i]; i++)
		if (slice_is(*out, c->from->rulesets[i]))
			return true;
	return !c->from->rulesets_known || !node ||
	       fail_at(c->fail, node->place, "no rule set \"%.*s\" under `rulesets`%s", SLICE_F(*out),
		       suggest(c, text_nearest(*out, c->from->rulesets)));
}

static bool failure_read(struct compile *c, const struct yaml_node *node, bool *pass)
{
	*pass = node && slice_is(node->text, "pass");
	return !node || *pass || slice_is(node->text, "block") ||
	       fail_at(c->fail, node->place, "a lost inspection is answered with block or pass");
}

/* What browsers show and programs read as text.  A stream of events is in no list: it has no end to wait for. */
#define RESPONSE_TYPES "text/html,text/plain,text/xml,application/json,application/xml,application/xhtml+xml"

bool responses_compile(struct compile *c, const struct responses_text *r, struct place at, enum policy_mode requests,
		       struct policy_responses *out)
{
	const struct slice *types = r->types.at;
	bool ok = true;

	if (r->mode) {
		ok = mode_read(c, r->mode, &out->mode);
		at = r->mode->place;
	} else {
		out->mode = POLICY_OFF;
	}
	if (ok && out->mode != POLICY_OFF && requests == POLICY_OFF)
		ok = fail_at(c->fail, at, "answers are inspected only where requests are; the mode is off here");
	for (unsigned i = 0; i < r->types.n; i++)
		if (slice_is(types[i], "text/event-stream"))
			ok = fail_at(c->fail, at, "text/event-stream has no end that could be waited for; leave it out");
	if (r->types.n && !r->body)
		ok = fail_at(c->fail, at, "`types` says nothing while the content is not inspected; write body: true");
	out->body = r->body;
	out->max = (uint64_t)r->max;
	out->beyond_block = r->beyond != 0;
	if (r->types.n)
		return media_types_read(c, &r->types, at, &out->types) && ok;
	out->types = arena_copy(c->arena, SLICE(RESPONSE_TYPES));
	return out->types.at ? ok : compile_memory(c);
}

bool waf_compile(struct compile *c, const struct file_text *t)
{
	const struct exclusion_text *texts = t->waf.exclude.at;
	unsigned n = t->waf.exclude.n;
	struct exclusion *exclusions = ARENA_ARRAY(c->arena, struct exclusion, n + 1);
	struct waf *w = &c->policy->waf;
	bool ok;

	if (!exclusions)
		return compile_memory(c);
	if (!t->waf_node) {
		w->level.mode = w->level.responses.mode = POLICY_OFF;
		fail_warn(c->fail, (struct place){c->file, 1, 1},
			  "no `waf`: nothing is inspected; write waf: {mode: enforce}, or off to say so");
		return ruleset_read(c, NULL, &w->ruleset);
	}
	ok = mode_read(c, t->waf.mode, &w->level.mode);
	ok &= ruleset_read(c, t->waf.ruleset, &w->ruleset);
	ok &= failure_read(c, t->waf.on_failure, &w->lost_pass);
	ok &= responses_compile(c, &t->waf.responses, t->waf_node->place, w->level.mode, &w->level.responses);
	w->level.paranoia = (unsigned)t->waf.paranoia;
	w->level.detection_paranoia = t->waf.detection_paranoia ? (unsigned)t->waf.detection_paranoia : w->level.paranoia;
	w->level.threshold_request = (unsigned)t->waf.threshold.request;
	w->level.threshold_response = (unsigned)t->waf.threshold.response;
	if (w->level.detection_paranoia < w->level.paranoia)
		ok = fail_at(c->fail, t->waf_node->place, "detection_paranoia is below paranoia; rules that block are also recorded");
	ok &= waf_at_compile(c, t);
	for (unsigned i = 0; i < n; i++)
		ok &= exclusion_compile(c, &texts[i], &exclusions[i]);
	w->exclusions = exclusions;
	w->exclusions_n = n;
	return ok;
}
