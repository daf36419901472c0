/* load.c -- from a bundle to the rule engine: nothing is opened by name on the way. */
#include "rules/engine.h"

#include <stdio.h>
#include <stdlib.h>

#include "rules/bundle.h"
#include "rules/by_name.h"

struct loading {
	struct arena arena;
	struct slice bundle;
	struct by_name_file *files;
	unsigned files_n;
	struct modsec_ruleset sets[PLAN_RULESETS];
	unsigned sets_n;
};

static int by_its_name(const void *a, const void *b)
{
	return strcmp(((const struct by_name_file *)a)->name, ((const struct by_name_file *)b)->name);
}

static const struct by_name_file *find(const struct loading *l, const char *name)
{
	const struct by_name_file key = {.name = name};

	return l->files_n ? bsearch(&key, l->files, l->files_n, sizeof key, by_its_name) : NULL;
}

/* All files first: a rule set's items are their names.  NULL, or what is wrong. */
static const char *take_files(struct loading *l)
{
	struct slice rest = l->bundle;
	struct bundle_item item;
	unsigned n = 0;
	int more;

	while ((more = bundle_next(&rest, &item)) > 0)
		n += item.kind == BUNDLE_FILE;
	if (more < 0)
		return "the rule files are not in the form of this version";
	l->files = ARENA_ARRAY(&l->arena, struct by_name_file, n + 1);
	for (rest = l->bundle; l->files && bundle_next(&rest, &item) > 0;) {
		if (item.kind != BUNDLE_FILE)
			continue;
		l->files[l->files_n] = (struct by_name_file){arena_copy(&l->arena, item.name).at,
							     arena_copy(&l->arena, item.bytes)};
		if (!l->files[l->files_n].name || !l->files[l->files_n].bytes.at)
			return "memory is used up";
		l->files_n++;
	}
	if (!l->files)
		return "memory is used up";
	qsort(l->files, l->files_n, sizeof *l->files, by_its_name);
	return NULL;
}

static unsigned count_texts(struct slice rest)
{
	struct bundle_item item;
	unsigned n = 0;

	while (bundle_next(&rest, &item) > 0 && item.kind != BUNDLE_RULESET)
		n += item.kind == BUNDLE_SETUP || item.kind == BUNDLE_RULES;
	return n;
}

static const char *begin_set(struct loading *l, const struct plan *plan, const struct bundle_item *item,
			     struct slice rest)
{
	const struct plan_ruleset *bounds = &plan->rulesets[l->sets_n];
	struct modsec_ruleset *set = &l->sets[l->sets_n];

	if (l->sets_n == plan->rulesets_n || !slice_eq(item->name, bounds->name))
		return "the rule files are not those of the plan";
	*set = (struct modsec_ruleset){.name = arena_copy(&l->arena, item->name).at,
				       .texts = ARENA_ARRAY(&l->arena, struct modsec_text, count_texts(rest) + 1),
				       .arguments = bounds->arguments,
				       .json_depth = bounds->json_depth,
				       .body_max = bounds->body_max};
	l->sets_n++;
	return set->name && set->texts ? NULL : "memory is used up";
}

static const char *take_item(struct loading *l, const struct bundle_item *item)
{
	struct modsec_ruleset *set = l->sets_n ? &l->sets[l->sets_n - 1] : NULL;
	struct slice name = arena_copy(&l->arena, item->name);
	const struct by_name_file *file = name.at ? find(l, name.at) : NULL;

	if (!set || !file)
		return "the rule files are not in the form of this version";
	if (item->kind == BUNDLE_UNICODE)
		set->unicode_map = file->name;
	else
		set->texts[set->texts_n++] =
			(struct modsec_text){file->name, file->bytes.at, item->kind == BUNDLE_SETUP};
	return NULL;
}

static const char *take_sets(struct loading *l, const struct plan *plan)
{
	struct slice rest = l->bundle;
	struct bundle_item item;
	const char *wrong = NULL;

	while (!wrong && bundle_next(&rest, &item) > 0)
		if (item.kind != BUNDLE_FILE)
			wrong = item.kind == BUNDLE_RULESET ? begin_set(l, plan, &item, rest) : take_item(l, &item);
	if (!wrong && l->sets_n != plan->rulesets_n)
		wrong = "the rule files are not those of the plan";
	return wrong;
}

bool engine_load(struct engine *e, struct slice bundle, char *why, size_t room)
{
	struct loading l = {.bundle = bundle};
	const char *wrong;

	arena_init(&l.arena, NULL, 64 << 10);
	wrong = take_files(&l);
	if (!wrong)
		wrong = take_sets(&l, &e->plan);
	if (wrong) {
		snprintf(why, room, "%s", wrong);
	} else {
		by_name_offer(l.files, l.files_n);
		e->modsec = modsec_load(l.sets, l.sets_n, why, room);
		by_name_withdraw();
	}
	arena_done(&l.arena);
	return !wrong && e->modsec;
}
