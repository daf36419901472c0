/* setting.c -- a mapping is read by its table.
 *
 * Everything that is wrong in a mapping is told at once; what was read stays
 * in the struct, but a reader that answered false must not use it. */
#include "gateway/base/setting.h"

#include <stdio.h>

#include "gateway/base/setting_parts.h"
#include "gateway/base/text.h"

static bool read_value(struct setting_reader *r, const struct setting *s, struct slice name,
		       const struct yaml_node *node, void *out);

size_t setting_element_size(const struct setting *each)
{
	switch (each->kind) {
	case SETTING_TEXT:
	case SETTING_NAME:
	case SETTING_PATH:
		return sizeof(struct slice);
	case SETTING_INT:
	case SETTING_DURATION:
	case SETTING_SIZE:
		return sizeof(int64_t);
	case SETTING_BOOL:
		return sizeof(bool);
	case SETTING_WORD:
		return sizeof(int);
	case SETTING_LIST:
	case SETTING_MAP:
		return sizeof(struct setting_list);
	default:
		return each->size;
	}
}

static bool no_memory(struct setting_reader *r, struct place place)
{
	return fail_at(r->fail, place, "memory is used up while the file is read");
}

static bool counted(struct setting_reader *r, const struct setting *s, struct slice name,
		    const struct yaml_node *node, unsigned n)
{
	if ((!s->least && !s->most) || ((int64_t)n >= s->least && (int64_t)n <= s->most))
		return true;
	if ((int64_t)n < s->least)
		return fail_at(r->fail, node->place, "%.*s has %u entries; at least %lld needed", SLICE_F(name), n,
			       (long long)s->least);
	return fail_at(r->fail, node->place, "%.*s has %u entries; at most %lld allowed", SLICE_F(name), n,
		       (long long)s->most);
}

static bool wrong_kind(struct setting_reader *r, const struct setting *s, struct slice name,
		       const struct yaml_node *node)
{
	static const char *const kinds[] = {"text", "a list", "a mapping"};
	char syntax[SETTING_SYNTAX];

	if (node->kind == YAML_SCALAR && node->style == YAML_PLAIN && !node->text.len)
		return fail_at(r->fail, node->place, "%.*s has no value; it must be %.*s (check the indentation below)",
			       SLICE_F(name), SLICE_F(setting_syntax(s, syntax)));
	return fail_at(r->fail, node->place, "%.*s must be %.*s, not %s", SLICE_F(name),
		       SLICE_F(setting_syntax(s, syntax)), kinds[node->kind]);
}

static bool make_list(struct setting_reader *r, const struct setting *s, const struct yaml_node *node, unsigned n,
		      struct setting_list *out)
{
	*out = (struct setting_list){NULL, n};
	if (n)
		out->at = arena_take_zeroed(r->arena, n * setting_element_size(s->each));
	return !n || out->at || no_memory(r, node->place);
}

/* Where the element was written; of a list or map of structs. */
static void set_head(void *element, const struct setting *each, bool map, struct slice key, struct place place)
{
	if (each->kind == SETTING_STRUCT || map)
		*(struct setting_head *)element = (struct setting_head){key, place};
}

static bool read_list(struct setting_reader *r, const struct setting *s, struct slice name,
		      const struct yaml_node *node, struct setting_list *out)
{
	bool one = node->kind != YAML_LIST, fine = true;
	size_t size = setting_element_size(s->each);
	unsigned n = one ? 1 : node->n;

	if (one && (!s->lone || (node->kind == YAML_SCALAR && node->style == YAML_PLAIN && !node->text.len)))
		return wrong_kind(r, s, name, node);
	if (!counted(r, s, name, node, n) || !make_list(r, s, node, n, out))
		return false;
	for (unsigned i = 0; i < n; i++) {
		const struct yaml_node *item = one ? node : node->items[i];
		char *element = (char *)out->at + i * size;

		set_head(element, s->each, false, SLICE_NONE, item->place);
		fine &= read_value(r, s->each, name, item, element);
	}
	return fine;
}

static bool read_map(struct setting_reader *r, const struct setting *s, struct slice name,
		     const struct yaml_node *node, struct setting_list *out)
{
	static const struct setting key_of_map = {.kind = SETTING_NAME};
	size_t size = setting_element_size(s->each);
	bool fine = true;

	if (node->kind != YAML_MAP)
		return wrong_kind(r, s, name, node);
	if (!counted(r, s, name, node, node->n) || !make_list(r, s, node, node->n, out))
		return false;
	for (unsigned i = 0; i < node->n; i++) {
		char *element = (char *)out->at + i * size;
		struct slice key;

		if (!setting_read_scalar(r, &key_of_map, name, node->keys[i], &key)) {
			fine = false;
			continue;
		}
		set_head(element, s->each, true, key, node->keys[i]->place);
		fine &= read_value(r, s->each, key, node->items[i], element);
	}
	return fine;
}

static bool read_value(struct setting_reader *r, const struct setting *s, struct slice name,
		       const struct yaml_node *node, void *out)
{
	switch (s->kind) {
	case SETTING_STRUCT:
		if (node->kind != YAML_MAP)
			return wrong_kind(r, s, name, node);
		return setting_read(r, s->table, node, out);
	case SETTING_LIST:
		return read_list(r, s, name, node, out);
	case SETTING_MAP:
		return read_map(r, s, name, node, out);
	case SETTING_CUSTOM:
		return s->parse(r, node, out);
	case SETTING_LATER:
		return fail_at(r->fail, node->place, "\"%.*s\" is not in this version; remove it", SLICE_F(name));
	default:
		return setting_read_scalar(r, s, name, node, out);
	}
}

bool setting_defaults(struct setting_reader *r, const struct setting *table, void *out)
{
	bool fine = true;

	for (const struct setting *s = table; s->key; s++) {
		char *at = (char *)out + s->at;

		if (s->fallback) {
			struct slice text = slice_of(s->fallback);
			struct yaml_node node = {.kind = YAML_SCALAR, .style = YAML_SINGLE, .text = text, .n = 0};

			fine &= read_value(r, s, slice_of(s->key), &node, at);
		} else if (s->kind == SETTING_STRUCT) {
			fine &= setting_defaults(r, s->table, at);
		}
	}
	return fine;
}

static const struct setting *find(const struct setting *table, struct slice key)
{
	for (; table->key; table++)
		if (slice_is(key, table->key))
			return table;
	return NULL;
}

/* The near key, or all of them when nothing is near and they are few. */
static bool unknown_key(struct setting_reader *r, const struct setting *table, const struct yaml_node *key)
{
	const char *names[128], *near;
	char all[400] = "";
	size_t len = 0;
	unsigned n = 0;

	for (; table->key && n < 127; table++) {
		if (table->kind == SETTING_LATER)
			continue;
		names[n++] = table->key;
		if (len < sizeof all)
			len += (size_t)snprintf(all + len, sizeof all - len, "%s%s", n > 1 ? ", " : "", table->key);
	}
	names[n] = NULL;
	near = text_nearest(key->text, names);
	if (near)
		return fail_at(r->fail, key->place, "no key \"%.*s\" here; did you mean \"%s\"?",
			       (int)(key->text.len < 60 ? key->text.len : 60), key->text.at, near);
	return fail_at(r->fail, key->place, "no key \"%.*s\" here; there are %s%s",
		       (int)(key->text.len < 60 ? key->text.len : 60), key->text.at, all,
		       len >= sizeof all ? " ..." : "");
}

static bool nothing_missing(struct setting_reader *r, const struct setting *table, const struct yaml_node *map)
{
	char syntax[SETTING_SYNTAX];
	bool fine = true;

	for (const struct setting *s = table; s->key; s++)
		if (s->required && !yaml_get(map, s->key))
			fine = fail_at(r->fail, map->place, "\"%s\" is missing; add %s: %.*s", s->key, s->key,
				       SLICE_F(setting_syntax(s, syntax)));
	return fine;
}

bool setting_read(struct setting_reader *r, const struct setting *table, const struct yaml_node *map, void *out)
{
	bool fine = setting_defaults(r, table, out);

	if (map->kind != YAML_MAP)
		return fail_at(r->fail, map->place, "this must be a mapping (key: value)");
	for (unsigned i = 0; i < map->n; i++) {
		const struct setting *s = find(table, map->keys[i]->text);

		if (!s)
			fine = unknown_key(r, table, map->keys[i]);
		else if (s->kind == SETTING_LATER)
			fine = fail_at(r->fail, map->keys[i]->place, "\"%s\" is not in this version; remove it", s->key);
		else
			fine &= read_value(r, s, slice_of(s->key), map->items[i], (char *)out + s->at);
	}
	return nothing_missing(r, table, map) && fine;
}
