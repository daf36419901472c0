/* config_policies.c -- the policies that sites name, each compiled once. */
#include <dirent.h>
#include <unistd.h>

#include "gateway/base/text.h"
#include "gateway/config/config_parts.h"

static const struct place no_place;

/* Large lists: what the policies' own reader allows, and more. */
enum { LIST_MOST = 256 << 20 };

/* The list files of `sets`.  What is wrong with one is told when the policy is compiled. */
static void hash_lists(struct config_reader *r, const char *path, struct slice bytes)
{
	size_t folder = (size_t)(strrchr(path, '/') - path);
	const struct yaml_node *sets;
	struct fail untold = {0};

	sets = yaml_get(yaml_read(&r->temp, path, bytes, &untold), "sets");
	for (unsigned i = 0; sets && sets->kind == YAML_MAP && i < sets->n; i++) {
		const struct yaml_node *file = yaml_get(sets->items[i], "file");
		struct slice list, at;

		if (!file || file->kind != YAML_SCALAR || !file->text.len)
			continue;
		at = file->text.at[0] == '/' ? file->text :
					       arena_print(&r->temp, "%.*s/%.*s", (int)folder, path, SLICE_F(file->text));
		if (at.at && yaml_load(&r->temp, at.at, LIST_MOST, &list, &untold, no_place))
			config_hash_file(r->hash, at.at, list);
	}
	fail_done(&untold);
}

/* What to do about a policy that is not there: the nearest name of its folder, or write it. */
static const char *instead(struct config_reader *r, struct slice name)
{
	DIR *folder = opendir(r->config->policies.at);
	const char *names[257], *near;
	struct dirent *entry;
	struct slice text;
	unsigned n = 0;

	if (!folder)
		return "make its folder, for one with a copy of the shipped policies, or name another under policies";
	while (n < 256 && (entry = readdir(folder))) {
		struct slice file = slice_of(entry->d_name);

		if (slice_ends(file, SLICE(".yaml")) && (text = arena_copy(&r->temp, slice_first(file, file.len - 5))).at)
			names[n++] = text.at;
	}
	closedir(folder);
	names[n] = NULL;
	near = text_nearest(name, names);
	text = near ? arena_print(&r->temp, "did you mean \"%s\"?", near) : SLICE_NONE;
	return text.at ? text.at : "write it, or name another policy";
}

/* The file of a policy, hashed.  `wanted` is where its name was written. */
static bool load(struct config_reader *r, struct slice name, struct place wanted, const char *whose, const char **path,
		 struct slice *bytes)
{
	struct slice at = arena_print(r->arena, "%s/%.*s.yaml", r->config->policies.at, SLICE_F(name));

	if (!at.at)
		return fail_at(r->fail, wanted, "memory is used up while the file is read");
	if (access(at.at, F_OK) < 0)
		return fail_at(r->fail, wanted, "%s \"%.*s\": there is no file %s; %s", whose, SLICE_F(name), at.at,
			       instead(r, name));
	if (!yaml_load(&r->temp, at.at, YAML_BYTES, bytes, r->fail, no_place))
		return false;
	config_hash_file(r->hash, at.at, *bytes);
	hash_lists(r, at.at, *bytes);
	*path = at.at;
	return true;
}

static void describe(struct config_reader *r, struct policy_source *source);

static bool parent(void *context, struct slice name, struct policy_source *out)
{
	struct config_reader *r = context;

	if (!load(r, name, no_place, "parent policy", &out->path, &out->bytes))
		return false;
	describe(r, out);
	return true;
}

static const char *const *ruleset_names(struct config_reader *r)
{
	const struct config_ruleset *set = r->config->rulesets.at;
	unsigned n = r->config->rulesets.n;
	const char **names = ARENA_ARRAY(&r->temp, const char *, n + 2);

	if (!names)
		return NULL;
	for (unsigned i = 0; i < n; i++)
		names[i] = set[i].head.key.at; /* arena_copy put a NUL behind it */
	if (!n)
		names[0] = "crs";
	return names;
}

static void describe(struct config_reader *r, struct policy_source *source)
{
	const struct config_geoip *geoip = &r->config->geoip;

	source->parent = parent;
	source->context = r;
	source->geoip_optional = geoip->missing == CONFIG_GEOIP_DEGRADE || !geoip->country.len;
	source->rulesets = ruleset_names(r);
	source->rulesets_known = source->rulesets != NULL;
}

static const struct policy *compile(struct config_reader *r, const struct config_site *site, int i)
{
	struct place place = config_place(r, "sites", i, "policy");
	struct policy_source source = {0};
	const struct policy *p;

	if (!load(r, site->policy_name, place, "policy", &source.path, &source.bytes))
		return NULL;
	describe(r, &source);
	p = policy_compile(r->arena, &source, r->fail);
	if (p && !slice_eq(policy_name(p), site->policy_name))
		fail_at(r->fail, place, "%s calls itself \"%.*s\"; give file and policy one name", source.path,
			SLICE_F(policy_name(p)));
	return p;
}

void config_policies(struct config_reader *r)
{
	struct config_site *site = r->config->sites.at;

	for (unsigned i = 0; i < r->config->sites.n; i++) {
		unsigned first = 0;

		if (!site[i].policy_name.len)
			continue;
		while (first < i && !slice_eq(site[first].policy_name, site[i].policy_name))
			first++;
		site[i].policy = first < i ? site[first].policy : compile(r, &site[i], (int)i);
		r->config->waf_used |= site[i].policy && policy_inspects(site[i].policy);
	}
}
