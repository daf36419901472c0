/* yaml.c -- libyaml's events become a tree.  The only file that includes libyaml.
 *
 * Reads on after a mistake that leaves the structure readable, so that one
 * check finds them all; stops where libyaml stops. */
#include "gateway/base/yaml.h"

#include <stdlib.h>
#include <yaml.h>

#include "gateway/base/yaml_parts.h"

enum { DEPTH = 32, NODES = 200000 };

/* libyaml counts characters, we need bytes. */
struct cursor {
	size_t index, byte;
};

struct reader {
	yaml_parser_t parser;
	struct arena *arena;
	const char *file;
	struct slice bytes;
	struct fail *fail;
	unsigned nodes;
	struct cursor now, from; /* the last place looked up, and where the last node began */
	size_t told;
};

struct items {
	struct yaml_node **at;
	unsigned n, cap;
};

static struct yaml_node *read_node(struct reader *r, const yaml_event_t *event, unsigned depth, bool in_flow);

static struct place place_of(const struct reader *r, const yaml_mark_t *mark)
{
	return (struct place){r->file, (uint32_t)mark->line + 1, (uint32_t)mark->column + 1};
}

/* Marks rise, but for a node that is asked for twice: the whole file is walked about once. */
static size_t byte_of(struct reader *r, const yaml_mark_t *mark)
{
	static const struct cursor first;
	struct cursor *at = &r->now;

	if (mark->index < at->index)
		*at = mark->index >= r->from.index ? r->from : first;
	while (at->index < mark->index && at->byte < r->bytes.len) {
		do
			at->byte++;
		while (at->byte < r->bytes.len && ((unsigned char)r->bytes.at[at->byte] & 0xc0) == 0x80);
		at->index++;
	}
	return at->byte;
}

static bool no_memory(struct reader *r)
{
	return fail_at(r->fail, (struct place){r->file, 0, 0}, "memory is used up while the file is read");
}

static bool next_event(struct reader *r, yaml_event_t *event)
{
	const yaml_parser_t *p = &r->parser;
	bool at_context;
	const yaml_mark_t *mark;

	if (yaml_parser_parse(&r->parser, event))
		return true;
	if (p->error == YAML_MEMORY_ERROR)
		return no_memory(r);
	/* Most likely the tail of a mistake that was told. */
	if (r->told)
		return false;
	/* What is never closed, or cannot begin so, is shown where it begins. */
	at_context = p->context && (strstr(p->context, "scanning a quoted") || strstr(p->context, "scanning an a") ||
				    strstr(p->context, "scanning a simple key") || strstr(p->context, "a plain scalar"));
	mark = at_context ? &p->context_mark : &p->problem_mark;
	yaml_mistake_syntax(r->bytes, byte_of(r, mark), place_of(r, mark), p->context ? p->context : "",
			    p->problem ? p->problem : "it cannot be read", place_of(r, &p->context_mark), r->fail);
	return false;
}

static struct yaml_node *node_new(struct reader *r, const yaml_event_t *event, enum yaml_kind kind)
{
	struct yaml_node *node;

	if (++r->nodes > NODES) {
		fail_at(r->fail, place_of(r, &event->start_mark),
			"more than %d keys and values in one file; move long lists into list files", NODES);
		return NULL;
	}
	node = ARENA_NEW(r->arena, struct yaml_node);
	if (!node) {
		no_memory(r);
		return NULL;
	}
	node->kind = kind;
	node->place = place_of(r, &event->start_mark);
	return node;
}

static bool push(struct reader *r, struct items *items, struct yaml_node *node)
{
	if (items->n == items->cap) {
		unsigned cap = items->cap ? items->cap * 2 : 8;
		struct yaml_node **grown = ARENA_ARRAY(r->arena, struct yaml_node *, cap);

		if (!grown)
			return no_memory(r);
		if (items->n)
			memcpy(grown, items->at, items->n * sizeof *grown);
		items->at = grown;
		items->cap = cap;
	}
	items->at[items->n++] = node;
	return true;
}

/* Anchors and tags change what a file means far from where they stand. */
static void refuse_properties(struct reader *r, const yaml_event_t *event, const yaml_char_t *anchor,
			      const yaml_char_t *tag)
{
	struct place place = place_of(r, &event->start_mark);

	if (anchor)
		fail_at(r->fail, place, "anchors (&%s) are not used here; write the value out, or put text in quotes",
			(const char *)anchor);
	if (tag)
		fail_at(r->fail, place, "tags (%s) are not used here; remove it, or put text in quotes",
			(const char *)tag);
}

static struct yaml_near near_of(struct reader *r, const yaml_event_t *event, bool in_flow)
{
	size_t start = byte_of(r, &event->start_mark);

	r->from = r->now;
	return (struct yaml_near){r->bytes, start, byte_of(r, &event->end_mark), in_flow, &r->told, r->fail};
}

static struct yaml_node *read_scalar(struct reader *r, const yaml_event_t *event, struct yaml_near *near)
{
	static const enum yaml_style styles[] = {
		[YAML_PLAIN_SCALAR_STYLE] = YAML_PLAIN,
		[YAML_SINGLE_QUOTED_SCALAR_STYLE] = YAML_SINGLE,
		[YAML_DOUBLE_QUOTED_SCALAR_STYLE] = YAML_DOUBLE,
		[YAML_LITERAL_SCALAR_STYLE] = YAML_BLOCK,
		[YAML_FOLDED_SCALAR_STYLE] = YAML_BLOCK,
	};
	struct yaml_node *node = node_new(r, event, YAML_SCALAR);

	if (!node)
		return NULL;
	refuse_properties(r, event, event->data.scalar.anchor, event->data.scalar.tag);
	if (memchr(event->data.scalar.value, 0, event->data.scalar.length))
		fail_at(r->fail, node->place, "a NUL byte, made by an escape; remove it");
	node->style = styles[event->data.scalar.style];
	node->text = arena_copy(r->arena, slice_make((const char *)event->data.scalar.value, event->data.scalar.length));
	node->source = arena_copy(r->arena, slice_make(r->bytes.at + near->start, near->end - near->start));
	if (!node->text.at || !node->source.at) {
		no_memory(r);
		return NULL;
	}
	return node;
}

static struct yaml_node *read_list(struct reader *r, const yaml_event_t *first, unsigned depth)
{
	struct yaml_node *node = node_new(r, first, YAML_LIST);
	struct items items = {0};
	yaml_event_t event;

	if (!node)
		return NULL;
	refuse_properties(r, first, first->data.sequence_start.anchor, first->data.sequence_start.tag);
	node->flow = first->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
	for (;;) {
		struct yaml_node *item;
		bool fine;

		if (!next_event(r, &event))
			return NULL;
		if (event.type == YAML_SEQUENCE_END_EVENT)
			break;
		if (node->flow && event.type == YAML_MAPPING_START_EVENT) {
			struct yaml_near near = near_of(r, &event, true);

			yaml_mistake_pair(&near, place_of(r, &event.start_mark));
		}
		item = read_node(r, &event, depth, node->flow);
		fine = item && push(r, &items, item);
		yaml_event_delete(&event);
		if (!fine)
			return NULL;
	}
	yaml_event_delete(&event);
	node->items = items.at;
	node->n = items.n;
	return node;
}

static int by_text(const void *a, const void *b)
{
	const struct yaml_node *x = *(struct yaml_node *const *)a, *y = *(struct yaml_node *const *)b;
	size_t n = x->text.len < y->text.len ? x->text.len : y->text.len;
	int order = n ? memcmp(x->text.at, y->text.at, n) : 0;

	if (order)
		return order;
	if (x->text.len != y->text.len)
		return x->text.len < y->text.len ? -1 : 1;
	if (x->place.line != y->place.line)
		return x->place.line < y->place.line ? -1 : 1;
	return x->place.column < y->place.column ? -1 : 1;
}

static bool refuse_twins(struct reader *r, struct yaml_node *const *keys, unsigned n)
{
	struct yaml_node **sorted = ARENA_ARRAY(r->arena, struct yaml_node *, n + 1);

	if (!sorted)
		return no_memory(r);
	if (n)
		memcpy(sorted, keys, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, by_text);
	for (unsigned i = 1, first = 0; i < n; i++) {
		if (!slice_eq(sorted[first]->text, sorted[i]->text)) {
			first = i;
			continue;
		}
		fail_at(r->fail, sorted[i]->place, "\"%.*s\" is given twice, first at line %u column %u; keep one",
			SLICE_F(sorted[i]->text), sorted[first]->place.line, sorted[first]->place.column);
	}
	return true;
}

/* A key: scalars only, and none of YAML's own words. */
static struct yaml_node *read_key(struct reader *r, const yaml_event_t *event, unsigned depth, bool flow)
{
	struct yaml_near near;

	if (event->type == YAML_MAPPING_START_EVENT || event->type == YAML_SEQUENCE_START_EVENT) {
		fail_at(r->fail, place_of(r, &event->start_mark),
			"a key must be a word, not a list or mapping; put text that begins with a bracket in quotes");
		return NULL;
	}
	if (event->type != YAML_SCALAR_EVENT)
		return read_node(r, event, depth, flow);
	near = near_of(r, event, flow);
	if (near.start >= 2 && memcmp(r->bytes.at + near.start - 2, "? ", 2) == 0)
		fail_at(r->fail, place_of(r, &event->start_mark), "explicit keys (?) are not used here; write KEY: VALUE");
	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && event->data.scalar.length == 2 &&
	    memcmp(event->data.scalar.value, "<<", 2) == 0)
		fail_at(r->fail, place_of(r, &event->start_mark), "merge keys (<<) are not used here; write the keys out");
	return read_scalar(r, event, &near);
}

static struct yaml_node *read_map(struct reader *r, const yaml_event_t *first, unsigned depth)
{
	struct yaml_node *node = node_new(r, first, YAML_MAP);
	struct items keys = {0}, values = {0};
	struct yaml_near before = {0};
	yaml_event_t event;

	if (!node)
		return NULL;
	refuse_properties(r, first, first->data.mapping_start.anchor, first->data.mapping_start.tag);
	node->flow = first->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
	for (;;) {
		struct yaml_near near_key, near;
		struct yaml_node *key, *value;
		bool fine;

		if (!next_event(r, &event))
			return NULL;
		if (event.type == YAML_MAPPING_END_EVENT)
			break;
		near_key = near_of(r, &event, node->flow);
		key = read_key(r, &event, depth, node->flow);
		yaml_event_delete(&event);
		if (!key || !next_event(r, &event))
			return NULL;
		near = near_of(r, &event, node->flow);
		value = read_node(r, &event, depth, node->flow);
		fine = value && push(r, &keys, key) && push(r, &values, value);
		yaml_event_delete(&event);
		if (!fine)
			return NULL;
		yaml_mistake_key(&near_key, key, value, &before);
		before = near;
	}
	yaml_event_delete(&event);
	node->keys = keys.at;
	node->items = values.at;
	node->n = keys.n;
	return refuse_twins(r, keys.at, keys.n) ? node : NULL;
}

static struct yaml_node *read_node(struct reader *r, const yaml_event_t *event, unsigned depth, bool in_flow)
{
	struct yaml_node *node;
	struct yaml_near near;

	if (depth == DEPTH) {
		fail_at(r->fail, place_of(r, &event->start_mark), "nested more than %d deep; flatten it", DEPTH);
		return NULL;
	}
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		near = near_of(r, event, in_flow);
		node = read_scalar(r, event, &near);
		if (node && node->style == YAML_PLAIN)
			yaml_mistake_plain(&near, node);
		return node;
	case YAML_SEQUENCE_START_EVENT:
		return read_list(r, event, depth + 1);
	case YAML_MAPPING_START_EVENT:
		return read_map(r, event, depth + 1);
	default:
		fail_at(r->fail, place_of(r, &event->start_mark),
			"aliases (*%s) are not used here; write the value out, or put text in quotes: '*%s'",
			(const char *)event->data.alias.anchor, (const char *)event->data.alias.anchor);
		return node_new(r, event, YAML_SCALAR);
	}
}

/* Stream start, document start, one node, document end, stream end. */
static struct yaml_node *read_document(struct reader *r)
{
	struct yaml_node *top = NULL;
	yaml_event_t event;

	for (;;) {
		yaml_event_type_t type;

		if (!next_event(r, &event))
			return NULL;
		type = event.type;
		if (type == YAML_DOCUMENT_START_EVENT && top)
			fail_at(r->fail, place_of(r, &event.start_mark), "a second document begins; keep one in a file");
		else if (type == YAML_DOCUMENT_START_EVENT &&
			 (event.data.document_start.version_directive ||
			  event.data.document_start.tag_directives.start != event.data.document_start.tag_directives.end))
			fail_at(r->fail, place_of(r, &event.start_mark), "directives (%%) are not used here; remove the line");
		else if (type == YAML_SCALAR_EVENT || type == YAML_ALIAS_EVENT || type == YAML_SEQUENCE_START_EVENT)
			fail_at(r->fail, place_of(r, &event.start_mark),
				"the file must be a mapping (key: value lines); this is %s",
				type == YAML_SEQUENCE_START_EVENT ? "a list" : "a single text");
		else if (type == YAML_MAPPING_START_EVENT && !(top = read_node(r, &event, 0, false)))
			type = YAML_NO_EVENT;
		yaml_event_delete(&event);
		if (type == YAML_NO_EVENT || r->fail->errors)
			return NULL;
		if (type == YAML_STREAM_END_EVENT)
			return top;
	}
}

struct yaml_node *yaml_read(struct arena *a, const char *file, struct slice bytes, struct fail *f)
{
	struct reader r = {.arena = a, .file = file, .bytes = bytes};
	struct fail own = {0};
	struct yaml_node *top;

	if (!yaml_check_bytes(file, bytes, f))
		return NULL;
	/* Findings of this file alone decide whether it was read. */
	r.fail = &own;
	if (!yaml_parser_initialize(&r.parser)) {
		no_memory(&r);
		top = NULL;
	} else {
		yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
		yaml_parser_set_input_string(&r.parser, (const unsigned char *)bytes.at, bytes.len);
		top = read_document(&r);
		yaml_parser_delete(&r.parser);
		if (!top && !own.errors)
			fail_at(&own, (struct place){file, 1, 1}, "the file is empty; it must be a mapping (key: value lines)");
	}
	for (unsigned i = 0; i < own.n; i++)
		fail_at(f, own.at[i].place, "%s", own.at[i].text);
	fail_done(&own);
	return top;
}

struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	if (!map || map->kind != YAML_MAP)
		return NULL;
	for (unsigned i = 0; i < map->n; i++)
		if (slice_is(map->keys[i]->text, key))
			return map->items[i];
	return NULL;
}
