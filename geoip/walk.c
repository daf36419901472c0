/* walk.c -- all of a database, once: what lookups will touch later is touched here first.
 *
 * Runs in the child of check.c, because the library it drives may crash on what
 * it finds.  The tree is a graph (parts of it are shared), so every node is done
 * once and remembers how deep it goes. */
#include <stdlib.h>

#include "geoip/inner.h"

enum { BUSY = 255, DEEPEST = 128 };

struct frame {
	MMDB_search_node_s node;
	uint32_t number;
	unsigned side, height;
};

struct walk {
	MMDB_s *db;
	uint8_t *height; /* of each node: 0 not seen, BUSY being walked */
	uint8_t *read;   /* one bit for each byte of the data section: a record begins there and was read */
	uint64_t records;
	unsigned depth, deepest;
	struct frame frames[DEEPEST];
};

static const char *check_record(struct walk *w, uint64_t record, MMDB_entry_s entry)
{
	uint64_t offset = record - w->db->metadata.node_count - 16;
	struct geoip_place place;

	if (record < (uint64_t)w->db->metadata.node_count + 16 || offset >= w->db->data_section_size)
		return "a record points outside the data";
	if (w->read[offset / 8] >> offset % 8 & 1)
		return NULL;
	w->read[offset / 8] = (uint8_t)(w->read[offset / 8] | 1u << offset % 8);
	if (!geoip_db_read(&entry, &place))
		return "a record is damaged";
	w->records += place.country_known == GEOIP_KNOWN || place.asn_known == GEOIP_KNOWN;
	return NULL;
}

static const char *enter(struct walk *w, uint64_t number)
{
	struct frame *top = &w->frames[w->depth];

	if (w->depth == w->deepest)
		return "the tree is deeper than an address is long";
	if (number >= w->db->metadata.node_count || MMDB_read_node(w->db, (uint32_t)number, &top->node) != MMDB_SUCCESS)
		return "the tree is damaged";
	top->number = (uint32_t)number;
	top->side = 0;
	top->height = 1;
	w->height[number] = BUSY;
	w->depth++;
	return NULL;
}

/* A child that was done before, or one to go into. */
static const char *below(struct walk *w, struct frame *top, uint64_t number)
{
	unsigned height;

	if (number >= w->db->metadata.node_count)
		return "the tree is damaged";
	height = w->height[number];
	if (height == BUSY)
		return "the tree runs in a circle";
	if (!height)
		return enter(w, number);
	if (w->depth + height > w->deepest)
		return "the tree is deeper than an address is long";
	if (height + 1 > top->height)
		top->height = height + 1;
	return NULL;
}

static void leave(struct walk *w)
{
	struct frame *top = &w->frames[--w->depth];

	w->height[top->number] = (uint8_t)top->height;
	if (w->depth && top->height + 1 > top[-1].height)
		top[-1].height = top->height + 1;
}

static const char *step(struct walk *w)
{
	struct frame *top = &w->frames[w->depth - 1];
	bool right = top->side == 1;
	uint64_t record = right ? top->node.right_record : top->node.left_record;

	if (top->side == 2) {
		leave(w);
		return NULL;
	}
	top->side++;
	switch (right ? top->node.right_record_type : top->node.left_record_type) {
	case MMDB_RECORD_TYPE_SEARCH_NODE:
		return below(w, top, record);
	case MMDB_RECORD_TYPE_EMPTY:
		return NULL;
	case MMDB_RECORD_TYPE_DATA:
		return check_record(w, record, right ? top->node.right_record_entry : top->node.left_record_entry);
	}
	return "the tree is damaged";
}

const char *geoip_db_walk(MMDB_s *db, uint64_t *records)
{
	static struct walk w;
	const char *why;

	w = (struct walk){.db = db, .deepest = db->metadata.ip_version == 4 ? 32 : DEEPEST};
	w.height = calloc(db->metadata.node_count + (size_t)1, 1);
	w.read = calloc(db->data_section_size / 8 + (size_t)1, 1);
	why = w.height && w.read ? enter(&w, 0) : "there is not enough memory to check it";
	while (!why && w.depth)
		why = step(&w);
	free(w.height);
	free(w.read);
	*records = w.records;
	return why;
}
