/* sets_read.c -- the `sets` of a policy: inline lists, and lists in files. */
#include <stdio.h>
#include <sys/stat.h>

#include "gateway/base/text.h"
#include "policies/compile.h"

enum { SET_FILE_MAX = 256 << 20, SET_FILE_MISTAKES = 10 };

static struct set *built(struct compile *c, struct set_builder *b)
{
	struct set *s = set_built(c->arena, b);

	if (!s)
		compile_memory(c);
	return s;
}

/* ---- Inline lists: the items say the type ---- */

static enum type guess(struct slice item)
{
	struct value v;
	struct addr ip;
	const char *why, *near;
	uint64_t digits;

	if (addr_parse(slice_first(item, slice_find(item, '/')), &ip))
		return TYPE_IP;
	if (slice_starts(item, SLICE("AS")) && item.len > 2 && text_uint(slice_after(item, 2), &digits))
		return TYPE_ASN;
	if (country_known(item))
		return TYPE_COUNTRY;
	if (continent_known(item))
		return TYPE_CONTINENT;
	if (method_known(item))
		return TYPE_METHOD;
	if (literal_read(TYPE_SHA256, item, &v, &why, &near))
		return TYPE_SHA256;
	return TYPE_TEXT;
}

/* AF, AS, NA and SA are a country and a continent: the other items decide. */
static enum type type_of_list(const struct yaml_node *list)
{
	enum type t = guess(list->items[0]->text);

	for (unsigned i = 0; t == TYPE_COUNTRY && i < list->n; i++)
		if (!continent_known(list->items[i]->text))
			return t;
		else if (!country_known(list->items[i]->text))
			return TYPE_CONTINENT;
	return t;
}

static struct set *read_list(struct compile *c, const struct yaml_node *list)
{
	struct set_builder b = {.type = TYPE_TEXT};
	bool ok = list->n > 0;

	if (!list->n)
		fail_at(c->fail, list->place, "an empty set; an empty list of friends locks out, an empty block list opens");
	for (unsigned i = 0; i < list->n; i++) {
		const struct yaml_node *item = list->items[i];
		const char *why, *near;
		struct value v;

		if (item->kind != YAML_SCALAR) {
			ok = fail_at(c->fail, item->place, "an item of a set is one word; a set has no lists inside");
			break;
		}
		if (i == 0)
			b.type = type_of_list(list);
		if (b.type != TYPE_CONTINENT && b.type != guess(item->text)) {
			ok = fail_at(c->fail, item->place, "\"%.*s\" is %s in a set of type %s; a set has one type",
				     SLICE_F(item->text), type_word(guess(item->text)), type_word(b.type));
		} else if (!literal_read(b.type, item->text, &v, &why, &near)) {
			ok = fail_at(c->fail, item->place, "\"%.*s\": %s%s", SLICE_F(item->text), why, suggest(c, near));
		} else if (!set_add(&b, &v)) {
			ok = compile_memory(c);
		}
	}
	if (!ok) {
		mem_give(NULL, b.at, b.cap * sizeof *b.at);
		return NULL;
	}
	return built(c, &b);
}

/* ---- Lists in files: one item a line, `#` begins a comment ---- */

static bool read_lines(struct compile *c, const char *path, struct slice bytes, struct set_builder *b)
{
	struct place at = {path, 0, 1};
	unsigned mistakes = 0;
	struct slice line;

	while (slice_cut(&bytes, '\n', &line) && mistakes < SET_FILE_MISTAKES) {
		const char *why, *near;
		struct value v;

		at.line++;
		line = slice_first(line, slice_find(line, '#'));
		if (line.len && line.at[line.len - 1] == '\r')
			line.len--;
		line = slice_trim(line);
		if (!line.len)
			continue;
		if (!literal_read(b->type, line, &v, &why, &near)) {
			fail_at(c->fail, at, "\"%.*s\": %s%s", (int)(line.len > 80 ? 80 : line.len), line.at, why,
				suggest(c, near));
			mistakes++;
		} else if (!set_add(b, &v)) {
			return compile_memory(c);
		}
	}
	return mistakes == 0;
}

/* Membership is known for max_age after the file was written. */
static void set_age(struct compile *c, struct set *s, const struct set_text *t, struct slice name)
{
	struct stat st;

	if (!t->max_age)
		return;
	s->stale_at = stat(t->file.at, &st) == 0 ? st.st_mtim.tv_sec + t->max_age / 1000 : 0;
	s->stale_why = arena_print(c->arena, "set %.*s is older than its max_age", SLICE_F(name)).at;
}

static struct set *read_file(struct compile *c, const struct yaml_node *node, struct slice name)
{
	static const enum type types[] = {TYPE_IP, TYPE_ASN, TYPE_COUNTRY, TYPE_CONTINENT, TYPE_METHOD, TYPE_TEXT, TYPE_SHA256};
	struct set_text t = {0};
	struct set_builder b = {0};
	struct set *s = NULL;
	struct slice bytes, path;
	struct arena scratch;

	if (!setting_read(&c->reader, set_settings, node, &t))
		return NULL;
	b.type = types[t.type];
	path = arena_copy(c->arena, t.file);
	arena_init(&scratch, NULL, 65536);
	if (path.at && yaml_load(&scratch, path.at, SET_FILE_MAX, &bytes, c->fail, node->place) &&
	    read_lines(c, path.at, bytes, &b)) {
		if (b.n < (size_t)t.min)
			fail_at(c->fail, node->place, "%s has %zu items, fewer than the %lld of `min`", path.at, b.n,
				(long long)t.min);
		else
			s = built(c, &b);
	}
	mem_give(NULL, b.at, b.cap * sizeof *b.at);
	arena_done(&scratch);
	if (s)
		set_age(c, s, &t, name);
	return s;
}

static bool name_ok(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		char ch = name.at[i];

		if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-' || ch == '_'))
			return false;
	}
	return name.len && name.len <= 40;
}

bool sets_read(struct compile *c, const struct yaml_node *map)
{
	bool ok = true;

	if (!map)
		return true;
	if (map->kind != YAML_MAP)
		return fail_at(c->fail, map->place, "sets is a mapping; write `name: [items]`");
	for (unsigned i = 0; i < map->n; i++) {
		struct slice name = map->keys[i]->text;
		const struct yaml_node *node = map->items[i];
		struct set *s = NULL;

		if (!name_ok(name))
			fail_at(c->fail, map->keys[i]->place, "the name of a set holds a-z, 0-9, - and _, at most 40");
		else if (c->sets_n == sizeof c->sets / sizeof *c->sets)
			fail_at(c->fail, map->keys[i]->place, "more than 256 sets");
		else if (node->kind == YAML_LIST)
			s = read_list(c, node);
		else if (node->kind == YAML_MAP)
			s = read_file(c, node, name);
		else
			fail_at(c->fail, node->place, "a set is a list, or a mapping with type and file");
		ok = ok && s;
		/* The name is known: one finding about it is enough. */
		if (!s && (s = ARENA_NEW(c->arena, struct set)))
			s->type = TYPES;
		if (!s || names_add(c, &c->sets_names, name, 256) < 0)
			return compile_memory(c);
		s->name = name;
		if (c->sets_n < sizeof c->sets / sizeof *c->sets)
			c->sets[c->sets_n++] = s;
	}
	return ok;
}
