/* name_table.c -- looking a field name up in a table of names and beginnings of names. */
#include "gateway/http/name_table.h"

#include "gateway/base/fail.h"

void name_table_index(struct name_table *table)
{
	unsigned row = 0;

	for (unsigned letter = 0; letter < 26; letter++) {
		table->begin[letter] = (uint8_t)row;
		while (row < table->n && table->rows[row].name.at[0] == (char)('a' + letter))
			row++;
	}
	table->begin[26] = (uint8_t)row;
	CHECK(row == table->n && row <= UINT8_MAX);
}

static bool fits(const struct name_row *row, struct slice name)
{
	return slice_starts(name, row->name) && (row->how & NAME_FAMILY || name.len == row->name.len);
}

const struct name_row *name_table_find(const struct name_table *table, struct slice name)
{
	unsigned letter = name.len < 3 ? 26 : (unsigned)(name.at[0] - 'a');

	if (letter >= 26)
		return NULL;
	/* Most names begin with "x-": the third byte tells them apart. */
	for (unsigned i = table->begin[letter]; i < table->begin[letter + 1]; i++)
		if (table->rows[i].name.at[2] == name.at[2] && fits(&table->rows[i], name))
			return &table->rows[i];
	return NULL;
}
