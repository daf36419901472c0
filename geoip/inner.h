/* inner.h -- what the files of this folder share; the third-party reader appears only behind it. */
#ifndef PORTCULLIS_GEOIP_INNER_H
#define PORTCULLIS_GEOIP_INNER_H

#include <maxminddb.h>

#include "geoip/geoip.h"

/* lookup.c: open a sealed descriptor; an MMDB_ error, or MMDB_SUCCESS. */
int geoip_db_open(MMDB_s *db, int fd);
/* by_fd.c: a name by which our open() knows an open descriptor. */
enum { GEOIP_NAME = 32 };
void geoip_name_fd(char out[GEOIP_NAME], int fd);
/* What one data record says; false when it is damaged.  Fields it does not have are MISSING. */
bool geoip_db_read(MMDB_entry_s *entry, struct geoip_place *out);

/* walk.c: every node, every record, every value a lookup can reach.  The reason to refuse, or NULL.
 * *records counts those that name a country or an AS number. */
const char *geoip_db_walk(MMDB_s *db, uint64_t *records);

#endif
