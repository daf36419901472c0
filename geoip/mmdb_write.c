/* mmdb_write.c -- the tree, the values and the metadata of a MaxMind DB file. */
#include "geoip/mmdb_write.h"

#include <string.h>

#include "gateway/base/mem.h"

/* A record while the tree is made: nothing, a value (its offset in the data, plus VALUE), or a node. */
enum { EMPTY = 0, SEPARATOR = 16 };

#define VALUE 0x80000000u

struct node {
	uint32_t record[2]; /* node numbers are 1 and up: the root is nobody's child */
};

struct mmdb {
	struct node *nodes;
	uint32_t nodes_n, nodes_cap;
	struct buf data;
};

enum type { TYPE_STRING = 2, TYPE_UINT16 = 5, TYPE_UINT32 = 6, TYPE_MAP = 7, TYPE_UINT64 = 9, TYPE_ARRAY = 11 };

/* ---- Values ---- */

/* The control byte: type in three bits, size in five; later types take a second byte. */
static bool put_control(struct buf *out, enum type type, size_t size)
{
	uint8_t b[3], n = 0;

	b[n++] = (uint8_t)((type < 8 ? type : 0) << 5 | (size < 29 ? size : 29));
	if (type >= 8)
		b[n++] = (uint8_t)(type - 7);
	if (size >= 29)
		b[n++] = (uint8_t)(size - 29);
	return size < 29 + 256 && buf_put(out, b, n);
}

static bool put_string(struct buf *out, const char *text)
{
	return put_control(out, TYPE_STRING, strlen(text)) && buf_put(out, text, strlen(text));
}

/* Big-endian, without leading zero bytes. */
static bool put_number(struct buf *out, enum type type, uint64_t n)
{
	uint8_t b[8];
	unsigned size = 0;

	for (unsigned i = 8; i-- > 0;)
		if (size || n >> 8 * i)
			b[size++] = (uint8_t)(n >> 8 * i);
	return put_control(out, type, size) && buf_put(out, b, size);
}

static bool put_code(struct buf *out, const char *what, const char *key, const char *code)
{
	return put_string(out, what) && put_control(out, TYPE_MAP, 1) && put_string(out, key) && put_string(out, code);
}

uint32_t mmdb_value(struct mmdb *m, const char *country, const char *continent)
{
	uint32_t at = buf_len(&m->data);

	if (!put_control(&m->data, TYPE_MAP, 2) || !put_code(&m->data, "continent", "code", continent) ||
	    !put_code(&m->data, "country", "iso_code", country))
		return 0;
	return at | VALUE;
}

/* ---- The tree ---- */

struct mmdb *mmdb_new(void)
{
	struct mmdb *m = mem_take_zeroed(NULL, sizeof *m);

	if (!m)
		return NULL;
	buf_init(&m->data, NULL);
	m->nodes_cap = 1 << 12;
	m->nodes = mem_take_zeroed(NULL, m->nodes_cap * sizeof *m->nodes);
	m->nodes_n = 1;
	if (m->nodes)
		return m;
	mmdb_free(m);
	return NULL;
}

void mmdb_free(struct mmdb *m)
{
	if (!m)
		return;
	mem_give(NULL, m->nodes, m->nodes_cap * sizeof *m->nodes);
	buf_done(&m->data);
	mem_give(NULL, m, sizeof *m);
}

/* The number of a new node whose records are both `record`; 0 when memory is used up. */
static uint32_t node_new(struct mmdb *m, uint32_t record)
{
	if (m->nodes_n == m->nodes_cap) {
		struct node *grown = m->nodes_cap < VALUE / 2 ? mem_take(NULL, 2 * m->nodes_cap * sizeof *grown) : NULL;

		if (!grown)
			return 0;
		memcpy(grown, m->nodes, m->nodes_n * sizeof *grown);
		mem_give(NULL, m->nodes, m->nodes_cap * sizeof *m->nodes);
		m->nodes = grown;
		m->nodes_cap *= 2;
	}
	m->nodes[m->nodes_n] = (struct node){{record, record}};
	return m->nodes_n++;
}

static enum mmdb_put put_net(struct mmdb *m, unsigned __int128 base, unsigned bits, uint32_t value)
{
	uint32_t at = 0;

	for (unsigned depth = 0;; depth++) {
		unsigned side = (unsigned)(base >> (127 - depth)) & 1;
		uint32_t next = m->nodes[at].record[side];

		if (depth + 1 == bits) {
			if (next != EMPTY)
				return MMDB_PUT_OVERLAPS;
			m->nodes[at].record[side] = value;
			return MMDB_PUT_DONE;
		}
		if (next & VALUE)
			return MMDB_PUT_OVERLAPS;
		if (next == EMPTY) {
			next = node_new(m, EMPTY);
			if (!next)
				return MMDB_PUT_NO_MEMORY;
			m->nodes[at].record[side] = next;
		}
		at = next;
	}
}

/* The fewest networks that make up the range; none is the whole space, which has no record. */
enum mmdb_put mmdb_put(struct mmdb *m, unsigned __int128 first, unsigned __int128 last, uint32_t value)
{
	for (;;) {
		unsigned bits = 128;
		unsigned __int128 size = 1;
		enum mmdb_put how;

		while (bits > 1 && !(first & size) && first + (size * 2 - 1) <= last) {
			size *= 2;
			bits--;
		}
		how = put_net(m, first, bits, value);
		if (how != MMDB_PUT_DONE || last - first < size)
			return how;
		first += size;
	}
}

/* ---- The file ---- */

/* Join halves of one value, and number what is left in the order it is written.  Returns what the
 * parent's record becomes. */
static uint32_t settle(struct mmdb *m, uint32_t at, uint32_t *numbers, uint32_t *n)
{
	uint32_t kept = *n;

	numbers[at] = (*n)++;
	for (unsigned side = 0; side < 2; side++) {
		uint32_t below = m->nodes[at].record[side];

		if (below != EMPTY && !(below & VALUE))
			m->nodes[at].record[side] = settle(m, below, numbers, n);
	}
	if (at == 0 || m->nodes[at].record[0] != m->nodes[at].record[1])
		return at;
	/* Two equal records can only be values: nodes have one parent each. */
	*n = kept;
	return m->nodes[at].record[0];
}

struct layout {
	const uint32_t *numbers;
	uint32_t nodes_n;
	unsigned bits;
};

static uint32_t encode(const struct layout *l, uint32_t record)
{
	if (record == EMPTY)
		return l->nodes_n;
	if (record & VALUE)
		return l->nodes_n + SEPARATOR + (record & ~VALUE);
	return l->numbers[record];
}

static bool put_node(struct buf *out, const struct layout *l, uint32_t left, uint32_t right)
{
	uint8_t b[8], n = 0;
	unsigned top = l->bits == 32 ? 24 : 16;

	for (unsigned shift = top + 8; shift; shift -= 8)
		b[n++] = (uint8_t)(left >> (shift - 8));
	if (l->bits == 28)
		b[n++] = (uint8_t)((left >> 20 & 0xf0) | right >> 24);
	for (unsigned shift = top + 8; shift; shift -= 8)
		b[n++] = (uint8_t)(right >> (shift - 8));
	return buf_put(out, b, n);
}

/* In the order of the numbers; a joined node is never reached. */
static bool put_tree(struct buf *out, const struct mmdb *m, const struct layout *l, uint32_t at)
{
	const uint32_t *record = m->nodes[at].record;

	if (!put_node(out, l, encode(l, record[0]), encode(l, record[1])))
		return false;
	for (unsigned side = 0; side < 2; side++)
		if (record[side] != EMPTY && !(record[side] & VALUE) && !put_tree(out, m, l, record[side]))
			return false;
	return true;
}

static bool put_metadata(struct buf *out, const struct mmdb_about *about, const struct layout *l)
{
	return buf_put(out, "\xab\xcd\xefMaxMind.com", 14) && put_control(out, TYPE_MAP, 9) &&
	       put_string(out, "binary_format_major_version") && put_number(out, TYPE_UINT16, 2) &&
	       put_string(out, "binary_format_minor_version") && put_number(out, TYPE_UINT16, 0) &&
	       put_string(out, "build_epoch") && put_number(out, TYPE_UINT64, about->built) &&
	       put_string(out, "database_type") && put_string(out, about->type) && put_string(out, "description") &&
	       put_control(out, TYPE_MAP, 1) && put_string(out, "en") && put_string(out, about->description) &&
	       put_string(out, "ip_version") && put_number(out, TYPE_UINT16, 6) && put_string(out, "languages") &&
	       put_control(out, TYPE_ARRAY, 1) && put_string(out, "en") && put_string(out, "node_count") &&
	       put_number(out, TYPE_UINT32, l->nodes_n) && put_string(out, "record_size") &&
	       put_number(out, TYPE_UINT16, l->bits);
}

static unsigned record_bits(uint64_t largest, unsigned least)
{
	unsigned bits = largest < 1u << 24 ? 24 : largest < 1u << 28 ? 28 : largest <= UINT32_MAX ? 32 : 0;

	return bits && bits < least ? least : bits;
}

bool mmdb_write(struct mmdb *m, const struct mmdb_about *about, struct buf *out)
{
	static const char separator[SEPARATOR];
	size_t room = m->nodes_n * sizeof(uint32_t);
	uint32_t *numbers = mem_take(NULL, room);
	struct layout l = {.numbers = numbers};
	bool good;

	if (!numbers)
		return false;
	settle(m, 0, numbers, &l.nodes_n);
	l.bits = record_bits((uint64_t)l.nodes_n + SEPARATOR + buf_len(&m->data), about->record_bits);
	good = l.bits && put_tree(out, m, &l, 0) && buf_put(out, separator, sizeof separator) &&
	       buf_put_slice(out, buf_slice(&m->data)) && put_metadata(out, about, &l);
	mem_give(NULL, numbers, room);
	return good;
}
