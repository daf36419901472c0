/* mmdb.c -- fuzz: a database with bytes changed is refused by the check, or every lookup in it has an answer.
 *
 * The check runs in a child of the loader, because the library may crash on what it finds; what passes it
 * must not. */
#include <sys/mman.h>

#include "geoip/check.c"
#include "geoip/mmdb_write.h"
#include "fuzz.h"

/* Of a list that it cannot finish libmaxminddb frees nothing.  Only the child that checks comes to that, and ends. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libmaxminddb";
}

static struct buf good;

static void make_database(void)
{
	struct mmdb_about about = {"Test-Country", "a test", 1782362039, 24};
	struct mmdb *m = mmdb_new();
	uint32_t de, kp;

	MUST(m);
	de = mmdb_value(m, "DE", "EU");
	kp = mmdb_value(m, "KP", "AS");
	MUST(mmdb_put(m, 0x01020300, 0x010203ff, de) == MMDB_PUT_DONE && mmdb_put(m, 0x08000000, 0x0fffffff, kp) == MMDB_PUT_DONE);
	MUST(mmdb_put(m, (unsigned __int128)0x2400 << 112, ((unsigned __int128)0x2401 << 112) - 1, kp) == MMDB_PUT_DONE);
	buf_init(&good, NULL);
	MUST(mmdb_write(m, &about, &good));
	mmdb_free(m);
}

static int file_of(struct slice bytes)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("database", MFD_CLOEXEC);
	MUST(fd >= 0 && !ftruncate(fd, 0));
	MUST(pwrite(fd, bytes.at, bytes.len, 0) == (ssize_t)bytes.len);
	return fd;
}

static const char *check(int fd)
{
	uint64_t records = 0;
	const char *why = NULL;
	MMDB_s db;

	if (geoip_db_open(&db, fd) != MMDB_SUCCESS)
		return "not opened";
	why = check_metadata(&db);
	if (!why)
		why = geoip_db_walk(&db, &records);
	MMDB_close(&db);
	return why ? why : records ? NULL : "names nothing";
}

static void look(const struct geoip *g, const struct addr *a)
{
	struct geoip_place place;

	geoip_lookup(g, a, &place);
	MUST(place.country_known != GEOIP_UNKNOWN && place.asn_known != GEOIP_UNKNOWN);
	if (place.country_known == GEOIP_KNOWN)
		MUST(geoip_continent(place.country) && place.continent[0] && !place.country[2]);
	else
		MUST(!place.country[0]);
	MUST((place.asn_known == GEOIP_KNOWN) == (place.asn != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	struct slice lookups = fuzz_run(&in, 64);
	struct geoip *g;
	struct addr a;
	struct buf bad;
	int fd;

	if (!good.at)
		make_database();
	buf_init(&bad, NULL);
	MUST(buf_put_slice(&bad, buf_slice(&good)));
	if (fuzz_byte(&in) & 1)
		bad.end -= fuzz_below(&in, bad.end);
	while (in.rest.len && buf_len(&bad)) {
		uint32_t at = fuzz_below(&in, buf_len(&bad));

		bad.at[at] = (char)fuzz_byte(&in);
	}
	fd = file_of(buf_slice(&bad));
	if (!check(fd)) {
		g = geoip_open(fd, fd);
		MUST(g);
		for (struct fuzz_in l = {lookups}; l.rest.len;) {
			fuzz_bytes(&l, a.b, sizeof a.b);
			look(g, &a);
			memset(a.b, 0, 10);
			memset(a.b + 10, 0xff, 2);
			look(g, &a);
		}
		geoip_close(g);
	}
	buf_done(&bad);
	return 0;
}
