/* mmdb_write_test.c -- what was put is found again by the library that everybody reads with. */
#include "geoip/db.h"

static void every_record_size_reads_the_same(void **state)
{
	static const struct { const char *address, *country; } cases[] = {
		{"1.2.2.255", ""}, {"1.2.3.0", "DE"}, {"1.2.3.255", "DE"}, {"1.2.4.0", "DE"}, {"1.2.7.9", "DE"}, {"1.2.7.10", ""},
		{"7.255.255.255", ""}, {"8.0.0.0", "KP"}, {"15.255.255.255", "KP"}, {"16.0.0.0", ""}, {"::ffff:8.8.8.8", "KP"},
		{"23ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""}, {"2400::", "KP"}, {"2400:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "KP"},
		{"2401::", ""}, {"2a00::", ""}, {"2a00::1", "DE"}, {"2a00::2", ""},
	};
	static const unsigned bits[] = {0, 24, 28, 32};

	(void)state;
	for (size_t i = 0; i < COUNT(bits); i++) {
		struct buf b = small_database(bits[i]);
		int fd = memory_file(b.at + b.start, buf_len(&b));
		struct geoip *g;
		struct fail f = {0};

		assert_true(geoip_check(fd, "test", &f, (struct place){0}));
		g = geoip_open(fd, -1);
		close(fd);
		assert_non_null(g);
		assert_int_equal(geoip_built(g), 1782362039);
		for (size_t k = 0; k < COUNT(cases); k++)
			assert_string_equal(look(g, cases[k].address).country, cases[k].country);
		geoip_close(g);
		buf_done(&b);
	}
}

/* More than 2^24 in a record: big numbers survive the split of 28-bit records. */
static void large_trees_read_the_same(void **state)
{
	enum { NETS = 140000 };
	static const char codes[][3] = {"DE", "FR", "US"};
	static const char lands[][3] = {"EU", "EU", "NA"};
	struct mmdb_about about = {"Test-Country", "a test", 1, 28};
	struct mmdb *m = mmdb_new();
	uint32_t values[3];
	struct buf out;
	struct geoip *g;
	int fd;

	(void)state;
	for (int i = 0; i < 3; i++)
		values[i] = mmdb_value(m, codes[i], lands[i]);
	/* Host routes far from each other share little of their way. */
	for (unsigned i = 0; i < NETS; i++) {
		unsigned __int128 at = (unsigned __int128)(0x2a000000u + i) << 96 | ((unsigned __int128)i * 0x9e3779b97f4a7c15u);

		assert_int_equal(mmdb_put(m, at, at, values[i % 3]), MMDB_PUT_DONE);
	}
	buf_init(&out, NULL);
	assert_true(mmdb_write(m, &about, &out));
	assert_true(buf_len(&out) / 7 > 10000000);
	fd = memory_file(out.at + out.start, buf_len(&out));
	g = geoip_open(fd, -1);
	assert_non_null(g);
	for (unsigned i = 0; i < NETS; i += 7) {
		unsigned __int128 at = (unsigned __int128)(0x2a000000u + i) << 96 | ((unsigned __int128)i * 0x9e3779b97f4a7c15u);
		struct geoip_place place;
		struct addr a;

		for (unsigned k = 0; k < 16; k++)
			a.b[k] = (uint8_t)(at >> (120 - 8 * k));
		geoip_lookup(g, &a, &place);
		assert_string_equal(place.country, codes[i % 3]);
		a.b[15] ^= 1;
		geoip_lookup(g, &a, &place);
		assert_int_equal(place.country_known, GEOIP_MISSING);
	}
	geoip_close(g);
	close(fd);
	buf_done(&out);
	mmdb_free(m);
}

static void neighbours_are_joined(void **state)
{
	struct mmdb_about about = {"Test-Country", "a test", 1, 24};
	struct buf apart, whole;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct mmdb *m = mmdb_new();
		uint32_t de = mmdb_value(m, "DE", "EU");
		struct buf *out = i ? &whole : &apart;

		if (i)
			assert_int_equal(mmdb_put(m, number_of("10.0.0.0"), number_of("10.0.255.255"), de), MMDB_PUT_DONE);
		for (unsigned k = 0; !i && k < 65536; k++)
			assert_int_equal(mmdb_put(m, number_of("10.0.0.0") + (k ^ 0x5555), number_of("10.0.0.0") + (k ^ 0x5555), de),
					 MMDB_PUT_DONE);
		buf_init(out, NULL);
		assert_true(mmdb_write(m, &about, out));
		mmdb_free(m);
	}
	assert_int_equal(buf_len(&apart), buf_len(&whole));
	assert_memory_equal(apart.at, whole.at, buf_len(&whole));
	buf_done(&apart);
	buf_done(&whole);
}

static void overlaps_are_refused(void **state)
{
	static const struct { const char *first, *last; enum mmdb_put want; const char *says; } cases[] = {
		{"10.1.0.0", "10.1.0.255", MMDB_PUT_DONE, "the first"},
		{"10.1.0.0", "10.1.0.255", MMDB_PUT_OVERLAPS, "the same again"},
		{"10.1.0.7", "10.1.0.7", MMDB_PUT_OVERLAPS, "inside"},
		{"10.1.0.0", "10.1.255.255", MMDB_PUT_OVERLAPS, "around"},
		{"10.0.255.255", "10.1.0.0", MMDB_PUT_OVERLAPS, "across the beginning"},
		{"10.1.1.0", "10.1.1.0", MMDB_PUT_DONE, "behind"},
		{"0.0.0.0", "0.0.0.0", MMDB_PUT_DONE, "the first address"},
		{"255.255.255.255", "255.255.255.255", MMDB_PUT_DONE, "the last IPv4 address"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", MMDB_PUT_DONE, "the last of all"},
		{"8000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", MMDB_PUT_OVERLAPS, "half of the world"},
	};
	struct mmdb *m = mmdb_new();
	uint32_t de = mmdb_value(m, "DE", "EU");

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		print_message("%s\n", cases[i].says);
		assert_int_equal(mmdb_put(m, number_of(cases[i].first), number_of(cases[i].last), de), cases[i].want);
	}
	mmdb_free(m);
}

static void an_empty_heap_is_reported(void **state)
{
	bool good = false;

	(void)state;
	for (unsigned long n = 1; !good; n++) {
		struct mmdb_about about = {"Test-Country", "a test", 1, 0};
		struct buf out;
		struct mmdb *m;
		uint32_t de;

		assert_true(n < 100);
		buf_init(&out, NULL);
		mem_fail_at(n);
		m = mmdb_new();
		de = m ? mmdb_value(m, "DE", "EU") : 0;
		good = de;
		for (unsigned i = 0; good && i < 200; i++) {
			unsigned __int128 at = (unsigned __int128)(0x2a000000u + i) << 96;

			good = mmdb_put(m, at, at, de) == MMDB_PUT_DONE;
		}
		good = good && mmdb_write(m, &about, &out);
		assert_int_equal(good, !mem_failed());
		buf_done(&out);
		mmdb_free(m);
	}
	mem_fail_at(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_record_size_reads_the_same),
		cmocka_unit_test(large_trees_read_the_same),
		cmocka_unit_test(neighbours_are_joined),
		cmocka_unit_test(overlaps_are_refused),
		cmocka_unit_test(an_empty_heap_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
