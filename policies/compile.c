/* compile.c -- from the bytes of a policy file to a policy, or to findings.
 *
 * Order matters: names first (sets, switches, labels), then the entries that read
 * them, then what can only be said about all of them together. */
#include <time.h>

#include "gateway/base/text.h"
#include "policies/compile.h"

/* ---- Names ---- */

bool compile_memory(struct compile *c)
{
	return fail_at(c->fail, (struct place){c->file, 0, 0}, "memory is used up while the policy is compiled");
}

int names_find(const struct names *names, struct slice name)
{
	for (uint32_t i = 0; i < names->n; i++)
		if (slice_eq(names->at[i], name))
			return (int)i;
	return -1;
}

int names_add(struct compile *c, struct names *names, struct slice name, uint32_t most)
{
	int at = names_find(names, name);

	if (at >= 0)
		return at;
	if (names->n == most)
		return -1;
	if (names->n == names->cap) {
		uint32_t cap = names->cap ? names->cap * 2 : 16;
		struct slice *grown = ARENA_ARRAY(c->arena, struct slice, cap);

		if (!grown)
			return -1;
		if (names->n)
			memcpy(grown, names->at, names->n * sizeof *grown);
		names->at = grown;
		names->cap = cap;
	}
	names->at[names->n] = arena_copy(c->arena, name);
	return names->at[names->n].at ? (int)names->n++ : -1;
}

const char *suggest(struct compile *c, const char *near)
{
	struct slice text = near ? arena_print(c->arena, "; did you mean \"%s\"?", near) : SLICE("");

	return text.at ? text.at : "";
}

const char *names_suggest(struct compile *c, const struct names *names, struct slice word)
{
	const char *list[257];
	uint32_t n = 0;

	for (; n < names->n && n < 256; n++)
		list[n] = names->at[n].at;
	list[n] = NULL;
	return suggest(c, text_nearest(word, list));
}

/* ---- The file ---- */

static bool switches_read(struct compile *c, const struct yaml_node *map)
{
	int64_t ms;

	if (!map)
		return true;
	if (map->kind != YAML_MAP)
		return fail_at(c->fail, map->place, "switches is a mapping; write {under-attack: 4h}");
	for (unsigned i = 0; i < map->n; i++) {
		struct slice name = map->keys[i]->text;

		for (size_t j = 0; j < name.len; j++)
			if (!((name.at[j] >= 'a' && name.at[j] <= 'z') || (name.at[j] >= '0' && name.at[j] <= '9') || name.at[j] == '-'))
				return fail_at(c->fail, map->keys[i]->place, "a switch is named with a-z, 0-9 and -");
		if (map->items[i]->kind != YAML_SCALAR || !text_duration(map->items[i]->text, &ms) || ms < 1000)
			return fail_at(c->fail, map->items[i]->place, "a switch says for how long it may be on, such as 4h");
		if (!name.len || name.len > 40 || names_add(c, &c->switches, name, POLICY_SWITCHES) < 0)
			return fail_at(c->fail, map->keys[i]->place, "at most %d switches, named with 1 to 40 characters", POLICY_SWITCHES);
	}
	return true;
}

static const char *directory_of(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');

	return arena_copy(a, slash ? slice_make(path, slash == path ? 1 : (size_t)(slash - path)) : SLICE(".")).at;
}

static void keep_names(struct compile *c)
{
	struct policy *p = c->policy;

	p->sets = (const struct set *const *)arena_take(c->arena, sizeof(void *) * (c->sets_n + 1));
	if (p->sets)
		memcpy((void *)p->sets, c->sets, sizeof(void *) * c->sets_n);
	p->sets_n = c->sets_n;
	p->labels = c->labels.at;
	p->labels_n = c->labels.n;
	p->switches = c->switches.at;
	p->switches_n = c->switches.n;
	p->query_names = c->query_names.at;
	p->query_names_n = c->query_names.n;
	p->cookie_names = c->cookie_names.at;
	p->cookie_names_n = c->cookie_names.n;
	p->regexes = c->regexes.at;
	p->regexes_n = c->regexes.n;
	p->ids = c->ids.at;
	p->entries_n = c->ids.n;
}

static bool compile_all(struct compile *c, const struct file_text *t)
{
	bool ok = sets_read(c, t->sets);

	ok &= switches_read(c, t->switches);
	/* Labels first: every later entry may read them. */
	ok &= rules_compile(c, t);
	ok &= limits_compile(c, t);
	ok &= bodies_compile(c, t);
	ok &= waf_compile(c, t);
	if (!ok)
		return false;
	ok = rules_resolve(c, t);
	ok = ok && rules_reachable(c);
	ok &= tests_check(c, t);
	keep_names(c);
	return ok && (c->policy->sets || compile_memory(c));
}

static bool begin(struct compile *c, struct arena *a, const struct policy_source *from, struct fail *f)
{
	*c = (struct compile){.arena = a, .fail = f, .from = from, .now = from->now ? from->now : (int64_t)time(NULL)};
	c->file = arena_copy(a, slice_of(from->path)).at;
	c->policy = ARENA_NEW(a, struct policy);
	if (!c->file || !c->policy)
		return compile_memory(c);
	c->reader = (struct setting_reader){.arena = a, .fail = f, .directory = directory_of(a, from->path), .context = c};
	return c->reader.directory || compile_memory(c);
}

struct policy *policy_compile(struct arena *a, const struct policy_source *from, struct fail *f)
{
	unsigned errors = f->errors;
	const struct yaml_node *root;
	struct file_text t = {0};
	struct compile c;

	if (!begin(&c, a, from, f))
		return NULL;
	root = yaml_read(a, c.file, from->bytes, f);
	if (!root || !setting_read(&c.reader, file_settings, root, &t))
		return NULL;
	t.waf_node = yaml_get(root, "waf");
	c.policy->name = t.policy;
	if (!compile_all(&c, &t) || f->errors != errors)
		return NULL;
	return c.policy;
}

struct slice policy_name(const struct policy *p)
{
	return p->name;
}

bool policy_inspects(const struct policy *p)
{
	bool inspects = p->waf.level.mode != POLICY_OFF;

	for (uint32_t i = 0; i < p->waf.at_n; i++)
		inspects |= p->waf.at[i].level.mode != POLICY_OFF;
	return inspects;
}
