/* name_table.h -- tables of field names, by first letter; for the files of this folder. */
#ifndef PORTCULLIS_HTTP_NAME_TABLE_H
#define PORTCULLIS_HTTP_NAME_TABLE_H

#include "gateway/base/slice.h"
#include "gateway/http/bytes.h"

enum { NAME_FAMILY = 1 }; /* a row's name is a beginning; further bits are the table's own */

struct name_row {
	struct slice name; /* lower case, at least three bytes */
	uint8_t how;
};

/* Rows of one letter stand together, letters in order; of those that fit a name the first one counts. */
struct name_table {
	const struct name_row *rows;
	unsigned n;
	uint8_t begin[27]; /* where the rows of a letter begin; name_table_index fills it */
};

#define NAME_ROW(text, how) {{text, sizeof(text) - 1}, how}

/* Once, before it is looked at. */
void name_table_index(struct name_table *table);
/* The row of `name` (lower case), or NULL. */
const struct name_row *name_table_find(const struct name_table *table, struct slice name);

#endif
