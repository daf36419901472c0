/* config_names.c -- by what names a client could tell an origin: its servers' hosts, addresses and ports. */
#include <stdlib.h>

#include "gateway/base/text.h"
#include "gateway/config/config_parts.h"
#include "gateway/http/mask.h"

static int by_name(const void *a, const void *b)
{
	return mask_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* Lower case; of an address the one form that is compared. */
static struct slice canonical(struct config_reader *r, struct slice name)
{
	char text[256];
	struct addr a;

	if (addr_parse(name, &a))
		return arena_copy(r->arena, slice_make(text, addr_text(&a, text)));
	for (size_t i = 0; i < name.len && i < sizeof text; i++)
		text[i] = ascii_lower(name.at[i]);
	return arena_copy(r->arena, slice_make(text, name.len < sizeof text ? name.len : sizeof text));
}

static void add_name(struct config_reader *r, struct config_origin *o, struct slice name)
{
	/* What is served under that very name is no secret. */
	if (name.len && !config_is_host(r->config, name))
		((struct slice *)o->names.at)[o->names.n++] = name;
}

void config_names(struct config_reader *r, struct config_origin *o)
{
	const struct config_server *s = o->servers.at;

	o->names.at = ARENA_ARRAY(r->arena, struct slice, 2 * o->servers.n);
	o->ports.at = ARENA_ARRAY(r->arena, uint16_t, o->servers.n);
	if (!o->names.at || !o->ports.at) {
		fail_at(r->fail, o->head.place, "memory is used up while the file is read");
		return;
	}
	for (unsigned i = 0; i < o->servers.n; i++) {
		char text[ADDR_TEXT];

		add_name(r, o, canonical(r, s[i].name));
		add_name(r, o, arena_copy(r->arena, slice_make(text, addr_text(&s[i].address, text))));
		((uint16_t *)o->ports.at)[o->ports.n++] = s[i].port;
	}
	qsort(o->names.at, o->names.n, sizeof(struct slice), by_name);
}
