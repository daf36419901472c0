/* geoip.h -- from an address to a place.
 *
 * Databases are MaxMind DB files (version 2.0 of that format), read through
 * libmaxminddb from a private, sealed copy: the operator may overwrite or
 * truncate the file at any time.  Every database is checked before use. */
#ifndef PORTCULLIS_GEOIP_GEOIP_H
#define PORTCULLIS_GEOIP_GEOIP_H

#include "gateway/base/addr.h"
#include "gateway/base/fail.h"

enum geoip_known { GEOIP_MISSING, GEOIP_KNOWN, GEOIP_UNKNOWN };

struct geoip_place {
	enum geoip_known country_known, asn_known; /* MISSING: the address has none; UNKNOWN: no database */
	char country[3], continent[3]; /* "DE", "EU"; upper case, NUL-terminated */
	uint32_t asn;
};

struct geoip; /* zero, one or two databases */

/* Copy `path` into a sealed memory file.  The descriptor, or -1 after a finding.  Regular files of at
 * most 1 GiB only. */
int geoip_seal(const char *path, struct fail *f, struct place by);
/* Check a sealed database whole: metadata, tree, 10,000 probe lookups.  False after a finding. */
bool geoip_check(int fd, const char *path, struct fail *f, struct place by);
/* Open sealed databases for lookups; -1 where there is none.  NULL when one cannot be opened.
 * Keeps no descriptor. */
struct geoip *geoip_open(int country_fd, int asn_fd);
void geoip_close(struct geoip *g);
/* `g` may be NULL: everything is unknown. */
void geoip_lookup(const struct geoip *g, const struct addr *a, struct geoip_place *out);
/* Build time of the databases, seconds since 1970; 0 when absent. */
int64_t geoip_built(const struct geoip *g);

/* Build a country database from Tor's geoip and geoip6 text files (CC BY-SA 4.0, IPFire location
 * database; the attribution goes into the database's description).  False after a finding. */
bool geoip_build(const char *v4_path, const char *v6_path, const char *out_path, struct fail *f);
/* Continent of a country code, two letters, or NULL. */
const char *geoip_continent(const char country[3]);

#endif
