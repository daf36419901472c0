/* lookup_test.c -- what an address is said to be, and the difference between none and unknown. */
#include <fcntl.h>

#include "geoip/db.h"

/* small_database, with the first record of its data (that of 1.2.3.0/24) written over. */
static struct geoip *opened_with(const char *record, size_t n, bool as_asn)
{
	struct buf b = small_database(24);
	char *data = memmem(b.at, buf_len(&b), "\xe2\x49" "continent", 11);
	struct geoip *g;
	int fd;

	if (n)
		memcpy(data, record, n);
	fd = memory_file(b.at, buf_len(&b));
	g = as_asn ? geoip_open(-1, fd) : geoip_open(fd, -1);
	close(fd);
	buf_done(&b);
	return g;
}

#define ISO(code) "\xe1\x48" "iso_code\x42" code
#define CONTINENT(code) "\x49" "continent\xe1\x44" "code\x42" code
#define COUNTRY(code) "\x47" "country" ISO(code)
#define REGISTERED(code) "\x52" "registered_country" ISO(code)
#define ASN "\x58" "autonomous_system_number"

static void a_record_is_read_strictly(void **state)
{
#define ROW(bytes) bytes, sizeof bytes - 1
	static const struct {
		const char *record;
		size_t n;
		enum geoip_known known;
		const char *country, *continent, *says;
	} cases[] = {
		{ROW("\xe2" CONTINENT("EU") COUNTRY("FR")), GEOIP_KNOWN, "FR", "EU", "both"},
		{ROW("\xe1" COUNTRY("FR")), GEOIP_KNOWN, "FR", "EU", "the continent follows from the country"},
		{ROW("\xe2" CONTINENT("NA") COUNTRY("FR")), GEOIP_KNOWN, "FR", "NA", "but the database knows better"},
		{ROW("\xe2" CONTINENT("XX") COUNTRY("FR")), GEOIP_KNOWN, "FR", "EU", "if it names a continent"},
		{ROW("\xe1" CONTINENT("EU")), GEOIP_MISSING, "", "EU", "a continent alone"},
		{ROW("\xe1" REGISTERED("SE")), GEOIP_KNOWN, "SE", "EU", "where it is registered, when nothing else is known"},
		{ROW("\xe2" COUNTRY("NO") REGISTERED("SE")), GEOIP_KNOWN, "NO", "EU", "where it is goes before where it is registered"},
		{ROW("\xe2" COUNTRY("A1") REGISTERED("SE")), GEOIP_KNOWN, "SE", "EU", "A1 is no country"},
		{ROW("\xe1" COUNTRY("A1")), GEOIP_MISSING, "", "", "and nothing else is there"},
		{ROW("\xe1" COUNTRY("EU")), GEOIP_MISSING, "", "", "nor is EU"},
		{ROW("\xe1" COUNTRY("??")), GEOIP_MISSING, "", "", "nor ??"},
		{ROW("\xe1" COUNTRY("fr")), GEOIP_MISSING, "", "", "codes are upper case"},
		{ROW("\xe1\x47" "country\xe1\x48" "iso_code\x43" "FRA"), GEOIP_MISSING, "", "", "of two letters"},
		{ROW("\xe1\x47" "country\xe1\x48" "iso_code\xa2" "FR"), GEOIP_MISSING, "", "", "and no number"},
		{ROW("\xe1\x47" "country\x42" "FR"), GEOIP_MISSING, "", "", "a country that is no map"},
		{ROW("\x42" "FR"), GEOIP_MISSING, "", "", "a record that is no map"},
		{ROW("\xe0"), GEOIP_MISSING, "", "", "an empty record"},
		{ROW("\xff\xff\xff\xff\xff"), GEOIP_UNKNOWN, "", "", "a damaged record says nothing"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct geoip *g = opened_with(cases[i].record, cases[i].n, false);
		struct geoip_place p;

		print_message("%s\n", cases[i].says);
		assert_non_null(g);
		p = look(g, "1.2.3.4");
		assert_int_equal(p.country_known, cases[i].known);
		assert_string_equal(p.country, cases[i].country);
		assert_string_equal(p.continent, cases[i].continent);
		assert_int_equal(p.asn_known, GEOIP_UNKNOWN);
		geoip_close(g);
	}
}

static void an_as_number_is_a_number(void **state)
{
	static const struct { const char *record; size_t n; enum geoip_known known; uint32_t asn; const char *says; } cases[] = {
		{ROW("\xe1" ASN "\xc2\xfd\xe8"), GEOIP_KNOWN, 65000, "a short number"},
		{ROW("\xe1" ASN "\xc4\xff\xff\xff\xff"), GEOIP_KNOWN, 4294967295u, "the largest"},
		{ROW("\xe1" ASN "\xa2\xfd\xe8"), GEOIP_KNOWN, 65000, "of 16 bits"},
		{ROW("\xe1" ASN "\x02\x02\xfd\xe8"), GEOIP_KNOWN, 65000, "of 64 bits"},
		{ROW("\xe1" ASN "\x05\x02\1\0\0\0\1"), GEOIP_MISSING, 0, "too large to be one"},
		{ROW("\xe1" ASN "\xc0"), GEOIP_MISSING, 0, "zero is reserved"},
		{ROW("\xe1" ASN "\x43" "650"), GEOIP_MISSING, 0, "text"},
		{ROW("\xe1" COUNTRY("FR")), GEOIP_MISSING, 0, "a record without one"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct geoip *g = opened_with(cases[i].record, cases[i].n, true);
		struct geoip_place p;

		print_message("%s\n", cases[i].says);
		p = look(g, "1.2.3.4");
		assert_int_equal(p.asn_known, cases[i].known);
		assert_int_equal(p.asn, cases[i].asn);
		assert_int_equal(p.country_known, GEOIP_UNKNOWN);
		assert_string_equal(p.country, "");
		geoip_close(g);
	}
}

static void none_and_unknown_differ(void **state)
{
	static const char *const special[] = {"127.0.0.1", "10.1.1.1", "192.168.1.1", "100.64.0.1", "::1", "fe80::1", "fd00::1", "2001:db8::1", "::"};
	struct geoip *g = opened_with("", 0, false), *none = geoip_open(-1, -1);

	(void)state;
	assert_int_equal(look(g, "9.9.9.9").country_known, GEOIP_KNOWN);
	assert_int_equal(look(g, "9.9.9.9").asn_known, GEOIP_UNKNOWN); /* no database */
	assert_int_equal(look(g, "77.9.9.9").country_known, GEOIP_MISSING);
	for (size_t i = 0; i < COUNT(special); i++) {
		assert_int_equal(look(g, special[i]).country_known, GEOIP_MISSING);
		assert_int_equal(look(none, special[i]).country_known, GEOIP_UNKNOWN);
		assert_int_equal(look(NULL, special[i]).country_known, GEOIP_UNKNOWN);
	}
	assert_int_equal(look(NULL, "9.9.9.9").country_known, GEOIP_UNKNOWN);
	assert_int_equal(geoip_built(g), 1782362039);
	assert_int_equal(geoip_built(none), 0);
	assert_int_equal(geoip_built(NULL), 0);
	geoip_close(g);
	geoip_close(none);
	geoip_close(NULL);
}

/* Private addresses stay off the map even where a database has an opinion. */
static void special_addresses_are_not_looked_up(void **state)
{
	struct mmdb_about about = {"Test-Country", "a test", 1, 0};
	struct mmdb *m = mmdb_new();
	uint32_t de = mmdb_value(m, "DE", "EU");
	struct geoip *g;
	struct buf b;
	int fd;

	(void)state;
	mmdb_put(m, number_of("0.0.0.0"), number_of("255.255.255.255"), de);
	buf_init(&b, NULL);
	assert_true(mmdb_write(m, &about, &b));
	fd = memory_file(b.at, buf_len(&b));
	g = geoip_open(fd, -1);
	close(fd);
	assert_string_equal(look(g, "11.0.0.1").country, "DE");
	assert_string_equal(look(g, "10.0.0.1").country, "");
	assert_int_equal(look(g, "10.0.0.1").country_known, GEOIP_MISSING);
	geoip_close(g);
	buf_done(&b);
	mmdb_free(m);
}

static void an_ipv4_database_does_not_know_ipv6(void **state)
{
	const char *path = data_file("maxmind-db/test-data/MaxMind-DB-test-ipv4-24.mmdb");
	struct geoip *g;
	int fd;

	(void)state;
	if (!path)
		skip();
	fd = open(path, O_RDONLY | O_CLOEXEC);
	g = geoip_open(fd, -1);
	close(fd);
	assert_int_equal(look(g, "2a00::1").country_known, GEOIP_UNKNOWN);
	assert_int_equal(look(g, "1.1.1.1").country_known, GEOIP_MISSING);
	geoip_close(g);
}

static void public_databases_answer_as_published(void **state)
{
	static const struct { const char *address, *country, *continent; uint32_t asn; } cases[] = {
		{"81.2.69.160", "GB", "EU", 0}, {"89.160.20.112", "SE", "EU", 29518}, {"216.160.83.56", "US", "NA", 209},
		{"175.16.199.0", "CN", "AS", 0}, {"2001:218::", "JP", "AS", 0}, {"12.81.92.0", "", "", 7018},
		{"2600:6000::", "", "", 237}, {"1.128.0.0", "", "", 1221},
	};
	struct fail f = {0};
	struct geoip *g;
	int fds[2];

	(void)state;
	if (!data_file("maxmind-db/test-data"))
		skip();
	fds[0] = geoip_seal(data_file("maxmind-db/test-data/GeoIP2-Country-Test.mmdb"), &f, (struct place){0});
	fds[1] = geoip_seal(data_file("maxmind-db/test-data/GeoLite2-ASN-Test.mmdb"), &f, (struct place){0});
	g = geoip_open(fds[0], fds[1]);
	close(fds[0]);
	close(fds[1]);
	assert_non_null(g);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct geoip_place p = look(g, cases[i].address);

		print_message("%s: %s %s AS%u\n", cases[i].address, p.country, p.continent, p.asn);
		assert_string_equal(p.country, cases[i].country);
		assert_string_equal(p.continent, cases[i].continent);
		assert_int_equal(p.asn, cases[i].asn);
	}
	geoip_close(g);
}

static void what_cannot_be_opened_is_null(void **state)
{
	int fd = memory_file("junk", 4);

	(void)state;
	assert_null(geoip_open(fd, -1));
	assert_null(geoip_open(-1, fd));
	close(fd);
	mem_fail_at(1);
	assert_null(geoip_open(-1, -1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_is_read_strictly),
		cmocka_unit_test(an_as_number_is_a_number),
		cmocka_unit_test(none_and_unknown_differ),
		cmocka_unit_test(special_addresses_are_not_looked_up),
		cmocka_unit_test(an_ipv4_database_does_not_know_ipv6),
		cmocka_unit_test(public_databases_answer_as_published),
		cmocka_unit_test(what_cannot_be_opened_is_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
