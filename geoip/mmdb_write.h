/* mmdb_write.h -- writing a database in MaxMind DB format 2.0: networks to small values.
 *
 * Built in memory, then written in one go.  IPv4 lies under ::/96, where readers
 * look for it.  Equal neighbours are joined; the same input gives the same bytes. */
#ifndef PORTCULLIS_GEOIP_MMDB_WRITE_H
#define PORTCULLIS_GEOIP_MMDB_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"

struct mmdb;

struct mmdb_about {
	const char *type, *description; /* in English */
	uint64_t built;                 /* seconds since 1970 */
	unsigned record_bits;           /* 24, 28 or 32 at least; 0: as small as fits */
};

enum mmdb_put { MMDB_PUT_DONE, MMDB_PUT_OVERLAPS, MMDB_PUT_NO_MEMORY };

/* NULL when memory is used up. */
struct mmdb *mmdb_new(void);
void mmdb_free(struct mmdb *m);
/* The value {"country": {"iso_code": C}, "continent": {"code": K}} for mmdb_put; both are two letters.
 * Ask once for each country.  0 when memory is used up. */
uint32_t mmdb_value(struct mmdb *m, const char *country, const char *continent);
/* Give all addresses from `first` to `last` that value. */
enum mmdb_put mmdb_put(struct mmdb *m, unsigned __int128 first, unsigned __int128 last, uint32_t value);
/* The whole file behind what is in `out`.  Nothing may be put afterwards.  False when memory is used up or the tree is too
 * big for its records. */
bool mmdb_write(struct mmdb *m, const struct mmdb_about *about, struct buf *out);

#endif
