/* capture.c -- reading rule files and what they name. */
#include "rules/capture.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/yaml.h"
#include "rules/bundle.h"
#include "rules/seclang.h"

/* Something that was read: as it was then, to see whether it has changed since. */
struct seen {
	struct slice name;
	struct place by;
	struct stat as;
	struct slice bytes;
	bool looked_at;     /* a SecLang text: what it names is captured */
	bool open;          /* it includes what is being looked at */
};

struct capture {
	struct arena arena;
	struct fail *fail;
	struct buf bundle;
	struct seen *seen;
	unsigned seen_n;
	size_t bytes;
	bool failed;
};

struct capture *capture_new(struct fail *f)
{
	struct capture *c = mem_take_zeroed(NULL, sizeof *c);

	if (!c)
		return NULL;
	c->fail = f;
	arena_init(&c->arena, NULL, 64 << 10);
	buf_init(&c->bundle, NULL);
	c->seen = mem_take(NULL, CAPTURE_FILES * sizeof *c->seen);
	if (c->seen)
		return c;
	capture_free(c);
	return NULL;
}

void capture_free(struct capture *c)
{
	if (!c)
		return;
	mem_give(NULL, c->seen, CAPTURE_FILES * sizeof *c->seen);
	buf_done(&c->bundle);
	arena_done(&c->arena);
	mem_give(NULL, c, sizeof *c);
}

/* ---- One file ---- */

static bool out_of_memory(struct capture *c, struct place by)
{
	return fail_at(c->fail, by, "memory is used up while rules are read");
}

static struct seen *find(struct capture *c, struct slice name)
{
	for (unsigned i = 0; i < c->seen_n; i++)
		if (slice_eq(c->seen[i].name, name))
			return &c->seen[i];
	return NULL;
}

/* NULL after a finding. */
static struct seen *note(struct capture *c, struct slice name, struct place by)
{
	struct seen *s = &c->seen[c->seen_n];

	if (c->seen_n == CAPTURE_FILES) {
		fail_at(c->fail, by, "%.*s: rule sets of more than %d files in all; leave out what no rule needs", SLICE_F(name),
			CAPTURE_FILES);
		return NULL;
	}
	*s = (struct seen){.name = arena_copy(&c->arena, name), .by = by};
	if (!s->name.at) {
		out_of_memory(c, by);
		return NULL;
	}
	/* Where it is not there, whoever opens it says so. */
	if (stat(s->name.at, &s->as) < 0)
		memset(&s->as, 0, sizeof s->as);
	c->seen_n++;
	return s;
}

static struct seen *take_file(struct capture *c, struct slice name, struct place by)
{
	struct seen *s = find(c, name);
	struct bundle_item item;

	if (s)
		return s;
	s = note(c, name, by);
	if (!s)
		return NULL;
	if (S_ISREG(s->as.st_mode) && (uint64_t)s->as.st_size > CAPTURE_BYTES - c->bytes) {
		fail_at(c->fail, by, "%s: rule sets of more than %d MiB in all; leave out what no rule needs", s->name.at,
			CAPTURE_BYTES >> 20);
		return NULL;
	}
	if (!yaml_load(&c->arena, s->name.at, CAPTURE_BYTES - c->bytes, &s->bytes, c->fail, by))
		return NULL;
	c->bytes += s->bytes.len;
	item = (struct bundle_item){BUNDLE_FILE, s->name, s->bytes};
	if (bundle_put(&c->bundle, &item))
		return s;
	out_of_memory(c, by);
	return NULL;
}

/* ---- What a text names ---- */

struct looking {
	struct capture *capture;
	struct slice in;
	unsigned depth;
};

static bool take_text(struct capture *c, struct slice name, struct place by, unsigned depth);

/* As the engine makes it. */
static struct slice beside(struct capture *c, struct slice file, struct slice name)
{
	size_t n = file.len;

	if (name.at[0] == '/')
		return arena_copy(&c->arena, name);
	while (n && file.at[n - 1] != '/')
		n--;
	return arena_print(&c->arena, "%.*s%.*s", (int)n, file.at, SLICE_F(name));
}

/* A pattern stands for all that fit it, in the order of their names. */
static void take_included(struct looking *l, struct slice name, struct place by)
{
	glob_t found;

	if (slice_find(name, '*') == name.len) {
		take_text(l->capture, name, by, l->depth + 1);
		return;
	}
	if (glob(name.at, GLOB_ERR, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			take_text(l->capture, slice_of(found.gl_pathv[i]), by, l->depth + 1);
		globfree(&found);
	} else {
		fail_at(l->capture->fail, by, "%s names no file that can be read", name.at);
	}
}

static void named(void *context, const struct seclang_name *n)
{
	struct looking *l = context;
	struct capture *c = l->capture;
	struct place by = {l->in.at, n->line, n->column};
	struct slice name;

	if (n->kind == SECLANG_REMOTE || slice_starts(n->name, SLICE("https://"))) {
		fail_at(c->fail, by, "%.*s names %.*s: rules come from files alone; download it and name the file",
			SLICE_F(n->by), SLICE_F(n->name));
		return;
	}
	if (n->kind == SECLANG_SCRIPT && n->name.at[0] != '/') {
		fail_at(c->fail, by, "%.*s names %.*s, which is not absolute; write the whole path", SLICE_F(n->by),
			SLICE_F(n->name));
		return;
	}
	name = beside(c, l->in, n->name);
	if (!name.at)
		out_of_memory(c, by);
	else if (n->kind == SECLANG_INCLUDE)
		take_included(l, name, by);
	else
		take_file(c, name, by);
}

/* The engine would see the text end there. */
static bool is_text(struct capture *c, const struct seen *s)
{
	struct place at = {s->name.at, 1, 1};

	for (size_t i = 0; i < s->bytes.len; i++, at.column++) {
		if (s->bytes.at[i] == 0)
			return fail_at(c->fail, at, "a NUL byte; rules are text, and what stands behind it would be left out");
		if (s->bytes.at[i] == '\n') {
			at.line++;
			at.column = 0;
		}
	}
	return true;
}

static bool take_text(struct capture *c, struct slice name, struct place by, unsigned depth)
{
	struct seen *s = take_file(c, name, by);
	struct looking l = {.capture = c, .depth = depth};
	unsigned errors = c->fail->errors;

	if (!s)
		return false;
	if (s->open)
		return fail_at(c->fail, by, "%s is included by itself", s->name.at);
	if (depth > CAPTURE_DEPTH)
		return fail_at(c->fail, by, "%s: files that include each other more than %d levels deep", s->name.at,
			       CAPTURE_DEPTH);
	if (s->looked_at)
		return true;
	s->looked_at = s->open = true;
	l.in = s->name;
	if (is_text(c, s))
		seclang_names(s->bytes, named, &l);
	s->open = false;
	return c->fail->errors == errors;
}

/* ---- A rule set ---- */

static bool put(struct capture *c, enum bundle_kind kind, struct slice name, struct place by)
{
	const struct bundle_item item = {kind, name, SLICE_NONE};

	return bundle_put(&c->bundle, &item) || out_of_memory(c, by);
}

static bool take_rules(struct capture *c, enum bundle_kind kind, struct slice name, struct place by)
{
	return take_text(c, name, by, 0) && put(c, kind, name, by);
}

static bool readable(struct slice name)
{
	return name.at && access(name.at, R_OK) == 0;
}

/* Best-fit letters of code page 20127 for %uXXXX; without the file only the low byte counts. */
static bool take_unicode_map(struct capture *c, const struct capture_ruleset *set)
{
	static const char *const places[] = {"/etc/modsecurity/unicode.mapping", "/usr/share/modsecurity/unicode.mapping",
					     "/etc/nginx/unicode.mapping"};
	struct slice name = arena_print(&c->arena, "%s/unicode.mapping", set->path.at);

	for (unsigned i = 0; !readable(name) && i < sizeof places / sizeof *places; i++)
		name = slice_of(places[i]);
	return !readable(name) || (take_file(c, name, set->by_path) && put(c, BUNDLE_UNICODE, name, set->by_path));
}

/* Where Debian's package puts what an administrator adds. */
static bool take_beside_setup(struct capture *c, const struct capture_ruleset *set, const char *file)
{
	struct slice name = set->setup.len ? beside(c, set->setup, slice_of(file)) : SLICE_NONE;

	return !readable(name) || take_rules(c, BUNDLE_RULES, name, set->by_setup);
}

static int is_rule_file(const struct dirent *entry)
{
	struct slice name = slice_of(entry->d_name);

	return name.at[0] != '.' && (slice_ends(name, SLICE(".conf")) || slice_ends(name, SLICE(".data")));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool take_entry(struct capture *c, const struct capture_ruleset *set, const char *entry, unsigned *rules)
{
	struct slice name = arena_print(&c->arena, "%s/rules/%s", set->path.at, entry);

	if (!name.at)
		return out_of_memory(c, set->by_path);
	if (slice_ends(name, SLICE(".data")))
		return take_file(c, name, set->by_path);
	++*rules;
	return slice_eq(name, set->setup) || take_rules(c, BUNDLE_RULES, name, set->by_path);
}

static bool take_directory(struct capture *c, const struct capture_ruleset *set)
{
	struct slice folder = arena_print(&c->arena, "%s/rules", set->path.at);
	struct dirent **entries = NULL;
	unsigned rules = 0;
	bool fine = true;
	int n;

	if (!folder.at || !note(c, folder, set->by_path))
		return folder.at ? false : out_of_memory(c, set->by_path);
	n = scandir(folder.at, &entries, is_rule_file, by_name);
	for (int i = 0; i < n; i++) {
		fine = fine && take_entry(c, set, entries[i]->d_name, &rules);
		free(entries[i]);
	}
	free(entries);
	if (!rules)
		fail_at(c->fail, set->by_path,
			"ruleset \"%.*s\": no rules in %s; install Debian's package modsecurity-crs, or name a directory with "
			"rules/*.conf under rulesets",
			SLICE_F(set->name), folder.at);
	return fine && rules;
}

static bool take_before(struct capture *c, const struct capture_ruleset *set)
{
	for (unsigned i = 0; i < set->before_n; i++)
		if (!take_rules(c, BUNDLE_RULES, set->before[i], set->by_before))
			return false;
	return true;
}

bool capture_ruleset(struct capture *c, const struct capture_ruleset *set)
{
	bool fine = put(c, BUNDLE_RULESET, set->name, set->by_path) && take_unicode_map(c, set) &&
		    (!set->setup.len || take_rules(c, BUNDLE_SETUP, set->setup, set->by_setup)) &&
		    take_beside_setup(c, set, "REQUEST-900-EXCLUSION-RULES-BEFORE-CRS.conf") && take_before(c, set) &&
		    take_directory(c, set) && take_beside_setup(c, set, "RESPONSE-999-EXCLUSION-RULES-AFTER-CRS.conf");

	c->failed |= !fine;
	return fine;
}

/* ---- The end ---- */

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Half of an edit or of a package's upgrade is no rule set. */
static bool unchanged(struct capture *c)
{
	for (unsigned i = 0; i < c->seen_n; i++) {
		struct stat st = {0};

		if (stat(c->seen[i].name.at, &st) < 0 || !same(&st, &c->seen[i].as))
			return fail_at(c->fail, c->seen[i].by,
				       "%s changed while rules were read; try again when the change is complete",
				       c->seen[i].name.at);
	}
	return true;
}

bool capture_end(struct capture *c, struct slice *bundle)
{
	*bundle = buf_slice(&c->bundle);
	return !c->failed && unchanged(c);
}
