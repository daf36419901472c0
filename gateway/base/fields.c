/* fields.c -- the field list and the names it knows. */
#include "gateway/base/fields.h"

static const struct slice names[FIELD_NAMES] = {
	[FIELD_OTHER] = {"", 0},
#define FIELD_NAME(id, text) [FIELD_##id] = {text, sizeof(text) - 1},
#include "gateway/base/fields.def"
#undef FIELD_NAME
};

enum { SLOTS = 512 };

/* Length, first, middle and last byte tell the known names apart well enough;
 * what collides goes to the next slot.  Not seeded: the table holds our names
 * only, a client cannot add to it. */
static unsigned slot_of(struct slice name)
{
	unsigned a = (unsigned char)name.at[0], b = (unsigned char)name.at[name.len - 1];
	unsigned c = (unsigned char)name.at[name.len / 2];

	return (a * 31 + b * 7 + c * 131 + (unsigned)name.len * 61) % SLOTS;
}

static uint8_t slots[SLOTS];

__attribute__((constructor)) static void fill_slots(void)
{
	for (unsigned id = 1; id < FIELD_NAMES; id++) {
		unsigned slot = slot_of(names[id]);

		while (slots[slot])
			slot = (slot + 1) % SLOTS;
		slots[slot] = (uint8_t)id;
	}
}

enum field_name field_name_of(struct slice name)
{
	if (!name.len)
		return FIELD_OTHER;
	for (unsigned slot = slot_of(name); slots[slot]; slot = (slot + 1) % SLOTS)
		if (slice_eq(names[slots[slot]], name))
			return (enum field_name)slots[slot];
	return FIELD_OTHER;
}

struct slice field_name_text(enum field_name id)
{
	return names[id];
}

bool fields_add(struct fields *f, struct arena *a, struct slice name, struct slice value)
{
	if (f->n == f->cap) {
		uint32_t cap = f->cap ? f->cap * 2 : 24;
		struct field *grown = arena_take(a, cap * sizeof *grown);

		if (!grown)
			return false;
		if (f->n)
			memcpy(grown, f->at, f->n * sizeof *grown);
		f->at = grown;
		f->cap = cap;
	}
	f->at[f->n++] = (struct field){name, value, (uint16_t)field_name_of(name), 0};
	return true;
}

struct field *fields_next(const struct fields *f, struct slice name, uint32_t *i)
{
	for (; *i < f->n; (*i)++)
		if (slice_eq(f->at[*i].name, name))
			return &f->at[(*i)++];
	return NULL;
}

struct field *fields_find(const struct fields *f, enum field_name id)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (f->at[i].id == id)
			return &f->at[i];
	return NULL;
}

unsigned fields_count(const struct fields *f, enum field_name id)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < f->n; i++)
		n += f->at[i].id == id;
	return n;
}
