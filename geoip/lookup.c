/* lookup.c -- from an address to what the databases say about it.
 *
 * A country is one of the codes of continent.c; anything else a database may
 * hold there ("EU", "A1", "??") is no country, so the address has none. */
#include <string.h>

#include "gateway/base/mem.h"
#include "geoip/inner.h"

struct geoip {
	bool has_country, has_asn;
	MMDB_s country, asn;
};

int geoip_db_open(MMDB_s *db, int fd)
{
	char path[GEOIP_NAME];

	/* The library maps the file and closes its own descriptor. */
	geoip_name_fd(path, fd);
	return MMDB_open(path, MMDB_MODE_MMAP, db);
}

struct geoip *geoip_open(int country_fd, int asn_fd)
{
	struct geoip *g = mem_take_zeroed(NULL, sizeof *g);

	if (!g)
		return NULL;
	g->has_country = country_fd >= 0 && geoip_db_open(&g->country, country_fd) == MMDB_SUCCESS;
	g->has_asn = asn_fd >= 0 && geoip_db_open(&g->asn, asn_fd) == MMDB_SUCCESS;
	if ((country_fd < 0 || g->has_country) && (asn_fd < 0 || g->has_asn))
		return g;
	geoip_close(g);
	return NULL;
}

void geoip_close(struct geoip *g)
{
	if (!g)
		return;
	if (g->has_country)
		MMDB_close(&g->country);
	if (g->has_asn)
		MMDB_close(&g->asn);
	mem_give(NULL, g, sizeof *g);
}

int64_t geoip_built(const struct geoip *g)
{
	uint64_t country = g && g->has_country ? g->country.metadata.build_epoch : 0;
	uint64_t asn = g && g->has_asn ? g->asn.metadata.build_epoch : 0;
	uint64_t older = country && (!asn || country < asn) ? country : asn;

	return older > INT64_MAX ? 0 : (int64_t)older;
}

/* ---- One record ---- */

/* 1: a value, 0: none there, -1: damaged. */
static int value(MMDB_entry_s *entry, MMDB_entry_data_s *data, const char *first, const char *second)
{
	const char *path[] = {first, second, NULL};
	int error = MMDB_aget_value(entry, data, path);

	if (error == MMDB_LOOKUP_PATH_DOES_NOT_MATCH_DATA_ERROR || error == MMDB_INVALID_LOOKUP_PATH_ERROR)
		return 0;
	if (error != MMDB_SUCCESS)
		return -1;
	return data->has_data;
}

static int code(MMDB_entry_s *entry, const char *first, const char *second, char out[3])
{
	MMDB_entry_data_s data;
	int there = value(entry, &data, first, second);

	if (there <= 0)
		return there;
	if (data.type != MMDB_DATA_TYPE_UTF8_STRING || data.data_size != 2)
		return 0;
	for (int i = 0; i < 2; i++)
		if (data.utf8_string[i] < 'A' || data.utf8_string[i] > 'Z')
			return 0;
	memcpy(out, data.utf8_string, 2);
	out[2] = 0;
	return 1;
}

static int country(MMDB_entry_s *entry, struct geoip_place *out)
{
	static const char *const where[] = {"country", "registered_country"};
	char found[3];

	for (int i = 0; i < 2; i++) {
		int there = code(entry, where[i], "iso_code", found);

		if (there < 0)
			return there;
		if (there && geoip_continent(found)) {
			memcpy(out->country, found, sizeof found);
			out->country_known = GEOIP_KNOWN;
			return 1;
		}
	}
	return 0;
}

static int continent(MMDB_entry_s *entry, struct geoip_place *out)
{
	static const char *const all[] = {"AF", "AN", "AS", "EU", "NA", "OC", "SA"};
	const char *ours = out->country[0] ? geoip_continent(out->country) : NULL;
	char found[3];
	int there = code(entry, "continent", "code", found);

	if (there < 0)
		return there;
	for (size_t i = 0; there && i < sizeof all / sizeof *all; i++)
		if (memcmp(found, all[i], 2) == 0)
			ours = all[i];
	if (ours)
		memcpy(out->continent, ours, 3);
	return 1;
}

static int asn(MMDB_entry_s *entry, struct geoip_place *out)
{
	MMDB_entry_data_s data;
	int there = value(entry, &data, "autonomous_system_number", NULL);
	uint64_t n;

	if (there <= 0)
		return there;
	switch (data.type) {
	case MMDB_DATA_TYPE_UINT16:
		n = data.uint16;
		break;
	case MMDB_DATA_TYPE_UINT32:
		n = data.uint32;
		break;
	case MMDB_DATA_TYPE_UINT64:
		n = data.uint64;
		break;
	default:
		return 0;
	}
	if (n == 0 || n > UINT32_MAX)
		return 0;
	out->asn = (uint32_t)n;
	out->asn_known = GEOIP_KNOWN;
	return 1;
}

bool geoip_db_read(MMDB_entry_s *entry, struct geoip_place *out)
{
	memset(out, 0, sizeof *out);
	return country(entry, out) >= 0 && continent(entry, out) >= 0 && asn(entry, out) >= 0;
}

/* ---- One address ---- */

/* UNKNOWN: the database cannot answer; MISSING: it has nothing; KNOWN: `out` is filled in. */
static enum geoip_known find(const MMDB_s *db, const struct addr *a, struct geoip_place *out)
{
	struct sockaddr_storage to;
	MMDB_lookup_result_s result;
	int error;

	addr_to_sockaddr(a, 0, &to);
	result = MMDB_lookup_sockaddr(db, (const struct sockaddr *)&to, &error);
	if (error != MMDB_SUCCESS)
		return GEOIP_UNKNOWN;
	if (!result.found_entry)
		return GEOIP_MISSING;
	return geoip_db_read(&result.entry, out) ? GEOIP_KNOWN : GEOIP_UNKNOWN;
}

void geoip_lookup(const struct geoip *g, const struct addr *a, struct geoip_place *out)
{
	struct geoip_place found;
	enum geoip_known how;
	bool special = g && addr_is_special(a);

	*out = (struct geoip_place){.country_known = GEOIP_UNKNOWN, .asn_known = GEOIP_UNKNOWN};
	if (g && g->has_country) {
		how = special ? GEOIP_MISSING : find(&g->country, a, &found);
		out->country_known = how == GEOIP_KNOWN ? found.country_known : how;
		if (how == GEOIP_KNOWN) {
			memcpy(out->country, found.country, sizeof found.country);
			memcpy(out->continent, found.continent, sizeof found.continent);
		}
	}
	if (g && g->has_asn) {
		how = special ? GEOIP_MISSING : find(&g->asn, a, &found);
		out->asn_known = how == GEOIP_KNOWN ? found.asn_known : how;
		if (how == GEOIP_KNOWN)
			out->asn = found.asn;
	}
}
