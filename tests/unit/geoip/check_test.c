/* check_test.c -- no file, however made, gets past the check and then hurts. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "geoip/db.h"

static bool check(int fd, char *why, size_t room)
{
	struct fail f = {0};
	bool good = geoip_check(fd, "the file", &f, (struct place){"p.yaml", 5, 1});

	assert_int_equal(f.errors, !good);
	if (why)
		snprintf(why, room, "%s", good ? "" : f.at[0].text);
	fail_done(&f);
	return good;
}

/* What passed the check must serve any question without harm. */
static void ask_everything(int fd)
{
	struct geoip *g = geoip_open(fd, fd);
	uint32_t x = 1;
	struct geoip_place place;
	struct addr a = {{0}};

	assert_non_null(g);
	for (unsigned i = 0; i < 3000; i++) {
		for (unsigned k = 0; k < 16; k++)
			a.b[k] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
		if (i % 2) {
			memset(a.b, 0, 10);
			memset(a.b + 10, 0xff, 2);
		} else {
			a.b[0] = 0x20 | (a.b[0] & 0xf);
		}
		geoip_lookup(g, &a, &place);
		assert_true(place.country_known != GEOIP_KNOWN || geoip_continent(place.country));
	}
	geoip_close(g);
}

static void a_made_database_is_good(void **state)
{
	struct buf b = small_database(0);
	int fd = memory_file(b.at, buf_len(&b));

	(void)state;
	assert_true(check(fd, NULL, 0));
	ask_everything(fd);
	close(fd);
	buf_done(&b);
}

/* Offsets into small_database(24): a node is six bytes. */
static void damage_is_named(void **state)
{
	struct buf b = small_database(24);
	char *at = b.at, why[300];
	size_t n = buf_len(&b), data, meta;
	int fd;

	(void)state;
	meta = (size_t)((char *)memmem(at, n, "\xab\xcd\xefMaxMind.com", 14) - at);
	data = (size_t)((char *)memmem(at, n, "\xe2\x49" "continent", 11) - at);
	assert_true(data < meta);
	const struct { size_t offset; const char *bytes; size_t n; const char *want, *says; } cases[] = {
		{0, "\0\0\0", 3, "the tree is damaged", "a record that names the root"},
		{6, "\0\0\1", 3, "the tree runs in a circle", "a node that names itself"},
		{6, "\xff\xff\xff", 3, "the tree is damaged", "a record behind the file"},
		{data, "\xff", 1, "a record is damaged", "a type that does not exist"},
		{data, "\xe2\x5d\xff", 3, "a record is damaged", "a name that runs into the next"},
		{data, "\x20\x00", 2, "a record is damaged", "a pointer to itself"},
		{meta, "x", 1, "invalid metadata", "no metadata"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *copy = malloc(n);

		memcpy(copy, at, n);
		memcpy(copy + cases[i].offset, cases[i].bytes, cases[i].n);
		fd = memory_file(copy, n);
		print_message("%s\n", cases[i].says);
		assert_false(check(fd, why, sizeof why));
		assert_true(slice_contains(slice_of(why), slice_of(cases[i].want)));
		close(fd);
		free(copy);
	}
	buf_done(&b);
}

static void every_shortening_is_survived(void **state)
{
	struct buf b = small_database(0);
	size_t n = buf_len(&b);

	(void)state;
	for (size_t keep = 1; keep < n; keep += n / 60) {
		int fd = memory_file(b.at, keep);

		assert_false(check(fd, NULL, 0));
		close(fd);
	}
	buf_done(&b);
}

static void flip_bits(const char *at, size_t n, unsigned flips, uint32_t x)
{
	char *copy = malloc(n);
	unsigned accepted = 0;

	for (unsigned i = 0; i < flips; i++) {
		size_t byte = (x = x * 1664525u + 1013904223u) >> 3;
		unsigned bit = (x = x * 1664525u + 1013904223u) >> 29;
		int fd;

		memcpy(copy, at, n);
		copy[byte % n] = (char)(copy[byte % n] ^ 1 << bit);
		fd = memory_file(copy, n);
		if (check(fd, NULL, 0)) {
			accepted++;
			ask_everything(fd);
		}
		close(fd);
	}
	print_message("%u of %u accepted\n", accepted, flips);
	assert_true(accepted < flips);
	free(copy);
}

static void every_flipped_bit_is_survived(void **state)
{
	struct buf b = small_database(0);

	(void)state;
	flip_bits(b.at, buf_len(&b), 1000, 7);
	buf_done(&b);
}

static char *load(const char *path, size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *at;

	assert_int_equal(fstat(fd, &st), 0);
	*n = (size_t)st.st_size;
	at = malloc(*n + 1);
	assert_int_equal(read(fd, at, *n), *n);
	close(fd);
	return at;
}

static void every_flipped_bit_of_a_public_one_is_survived(void **state)
{
	const char *path = data_file("maxmind-db/test-data/GeoLite2-ASN-Test.mmdb");
	size_t n;
	char *at;

	(void)state;
	if (!path)
		skip();
	at = load(path, &n);
	flip_bits(at, n, 1000, 99);
	free(at);
}

static void public_databases_are_good(void **state)
{
	static const struct { const char *name; bool good; } cases[] = {
		{"GeoIP2-Country-Test", true}, {"GeoLite2-Country-Test", true}, {"GeoIP2-City-Test", true}, {"GeoLite2-City-Test", true},
		{"GeoLite2-ASN-Test", true}, {"GeoIP2-ISP-Test", true}, {"GeoIP2-Enterprise-Test", true},
		{"GeoIP2-Domain-Test", false}, {"GeoIP2-Connection-Type-Test", false}, {"MaxMind-DB-test-ipv4-24", false},
		{"GeoIP2-City-Test-Invalid-Node-Count", false}, {"MaxMind-DB-test-broken-pointers-24", false},
		{"MaxMind-DB-test-broken-search-tree-24", false},
	};

	(void)state;
	if (!data_file("maxmind-db/test-data/GeoLite2-ASN-Test.mmdb"))
		skip();
	for (size_t i = 0; i < COUNT(cases); i++) {
		char name[100], why[300];
		int fd;

		snprintf(name, sizeof name, "maxmind-db/test-data/%s.mmdb", cases[i].name);
		fd = open(data_file(name), O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(check(fd, why, sizeof why), cases[i].good);
		print_message("%s: %s\n", cases[i].name, cases[i].good ? "good" : why);
		if (cases[i].good)
			ask_everything(fd);
		close(fd);
	}
}

/* Files other readers have crashed on. */
static void public_bad_files_are_survived(void **state)
{
	static const char *const dirs[] = {"maxminddb-golang", "maxminddb-python", "libmaxminddb"};
	unsigned n = 0;

	(void)state;
	if (!data_file("maxmind-db/bad-data"))
		skip();
	for (size_t i = 0; i < COUNT(dirs); i++) {
		char path[300], name[600], why[300];
		struct dirent *e;
		DIR *d;

		snprintf(path, sizeof path, "maxmind-db/bad-data/%s", dirs[i]);
		snprintf(name, sizeof name, "%s", data_file(path));
		d = opendir(name);
		assert_non_null(d);
		while ((e = readdir(d))) {
			int fd;

			if (e->d_name[0] == '.')
				continue;
			fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC);
			if (check(fd, why, sizeof why))
				ask_everything(fd);
			print_message("%s: %s\n", e->d_name, why);
			close(fd);
			n++;
		}
		closedir(d);
	}
	assert_true(n > 15);
}

static void what_is_no_database_is_refused(void **state)
{
	static const char *const texts[] = {"", "x", "not a database", "\xab\xcd\xefMaxMind.com"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		int fd = memory_file(texts[i], strlen(texts[i]));

		assert_false(check(fd, NULL, 0));
		close(fd);
	}
	assert_false(check(-1, NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_made_database_is_good),
		cmocka_unit_test(damage_is_named),
		cmocka_unit_test(every_shortening_is_survived),
		cmocka_unit_test(every_flipped_bit_is_survived),
		cmocka_unit_test(every_flipped_bit_of_a_public_one_is_survived),
		cmocka_unit_test(public_databases_are_good),
		cmocka_unit_test(public_bad_files_are_survived),
		cmocka_unit_test(what_is_no_database_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
