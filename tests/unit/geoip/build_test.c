/* build_test.c -- the text files of Tor and the database made of them say the same. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "geoip/db.h"

static char dir[] = "/tmp/portcullis-build-XXXXXX";
static char v4[64], v6[64], out[64];

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(v4, sizeof v4, "%s/v4", dir);
	snprintf(v6, sizeof v6, "%s/v6", dir);
	snprintf(out, sizeof out, "%s/out", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(v4);
	unlink(v6);
	unlink(out);
	return rmdir(dir);
}

static void save(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static struct geoip *opened(const char *path)
{
	struct fail f = {0};
	int fd = geoip_seal(path, &f, (struct place){0});
	struct geoip *g;

	assert_true(fd >= 0);
	assert_true(geoip_check(fd, path, &f, (struct place){0}));
	g = geoip_open(fd, -1);
	close(fd);
	assert_non_null(g);
	fail_done(&f);
	return g;
}

static const char good_v4[] = "# Generated: Thu, 25 Jun 2026 04:33:59 GMT\n"
			      "16777216,16777471,AU\n16777472,16778239,CN\r\n\n134744064,134744079,??\n134744080,134744080,UK\n"
			      "4294967295,4294967295,ZZ\n";
static const char good_v6[] = "# Generated: Wed, 24 Jun 2026 00:00:00 GMT\n2a00::,2a00::ffff,DE\n2a01::,2a01::,EU\n";

static void lines_become_a_database(void **state)
{
	static const struct { const char *address; enum geoip_known known; const char *country, *continent, *says; } cases[] = {
		{"1.0.0.0", GEOIP_KNOWN, "AU", "OC", "the first address of a range"},
		{"1.0.0.255", GEOIP_KNOWN, "AU", "OC", "the last"},
		{"1.0.1.0", GEOIP_KNOWN, "CN", "AS", "the next range"},
		{"1.0.4.0", GEOIP_MISSING, "", "", "behind it"},
		{"8.8.8.8", GEOIP_MISSING, "", "", "?? is no country"},
		{"8.8.8.16", GEOIP_KNOWN, "GB", "EU", "UK means Great Britain"},
		{"2a00::7", GEOIP_KNOWN, "DE", "EU", "IPv6"},
		{"2a01::", GEOIP_MISSING, "", "", "the European Union is no country"},
	};
	struct fail f = {0};
	struct geoip *g;

	(void)state;
	save(v4, good_v4);
	save(v6, good_v6);
	assert_true(geoip_build(v4, v6, out, &f));
	assert_int_equal(f.n, 0);
	g = opened(out);
	assert_int_equal(geoip_built(g), 1782362039); /* of the younger file */
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct geoip_place p = look(g, cases[i].address);

		print_message("%s\n", cases[i].says);
		assert_int_equal(p.country_known, cases[i].known);
		assert_string_equal(p.country, cases[i].country);
		assert_string_equal(p.continent, cases[i].continent);
		assert_int_equal(p.asn_known, GEOIP_UNKNOWN);
	}
	geoip_close(g);
}

static size_t file_bytes(const char *path, char *at, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, at, room);

	close(fd);
	assert_true(n > 0 && (size_t)n < room);
	return (size_t)n;
}

static void the_same_source_gives_the_same_bytes_and_keeps_its_name(void **state)
{
	static char one[20000], two[20000];
	struct fail f = {0};
	struct stat st;
	size_t n;

	(void)state;
	save(v4, good_v4);
	save(v6, good_v6);
	assert_true(geoip_build(v4, v6, out, &f));
	n = file_bytes(out, one, sizeof one);
	assert_true(geoip_build(v4, v6, out, &f));
	assert_int_equal(file_bytes(out, two, sizeof two), n);
	assert_memory_equal(one, two, n);
	assert_true(slice_contains(slice_make(one, n), SLICE("IPFire location database")));
	assert_true(slice_contains(slice_make(one, n), SLICE("CC BY-SA 4.0")));
	assert_int_equal(stat(out, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
}

static void a_damaged_source_leaves_the_old_database(void **state)
{
	static const struct { const char *v4, *v6; unsigned line; const char *says; } cases[] = {
		{"16777216,16777471\n", good_v6, 1, "two fields"},
		{"16777216,16777471,AU,x\n", good_v6, 1, "four fields"},
		{"16777216,16777471,AUS\n", good_v6, 1, "three letters"},
		{"\n16777216,16777471,\n", good_v6, 2, "no country"},
		{"16777216,4294967296,AU\n", good_v6, 1, "no IPv4 number"},
		{"-1,5,AU\n", good_v6, 1, "a sign"},
		{" 16777216,16777471,AU\n", good_v6, 1, "a space"},
		{"16777471,16777216,AU\n", good_v6, 1, "backwards"},
		{"16777216,16777471,AU\n16777471,16777472,CN\n", good_v6, 2, "an overlap"},
		{"# nothing\n", good_v6, 0, "an empty file"},
		{"1,2,??\n", good_v6, 0, "no country at all"},
		{good_v4, "16777216,16777471,AU\n", 1, "IPv4 in the place of IPv6"},
		{good_v4, "2a00::,2a00::g,DE\n", 1, "no address"},
		{good_v4, "2a00::,2a00::1%1,DE\n", 1, "an address with a zone"},
		{good_v4, "::1,::2,DE\n", 1, "IPv6 where the tree has IPv4"},
		{good_v4, "2a00:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000,2a00::,DE\n", 1, "an endless address"},
	};
	struct fail f = {0};
	struct geoip *g;

	(void)state;
	save(v4, good_v4);
	save(v6, good_v6);
	assert_true(geoip_build(v4, v6, out, &f));
	for (size_t i = 0; i < COUNT(cases); i++) {
		print_message("%s\n", cases[i].says);
		save(v4, cases[i].v4);
		save(v6, cases[i].v6);
		assert_false(geoip_build(v4, v6, out, &f));
		assert_int_equal(f.errors, 1);
		assert_int_equal(f.at[0].place.line, cases[i].line);
		fail_done(&f);
	}
	assert_false(geoip_build("/nonexistent/a", v6, out, &f));
	save(v4, good_v4);
	save(v6, good_v6);
	assert_false(geoip_build(v4, v6, "/nonexistent/a/b", &f));
	assert_false(geoip_build(dir, v6, out, &f));
	assert_int_equal(f.errors, 3);
	fail_done(&f);
	g = opened(out);
	assert_string_equal(look(g, "1.0.0.0").country, "AU");
	geoip_close(g);
}

static void an_empty_heap_is_a_finding(void **state)
{
	bool good = false;

	(void)state;
	save(v4, good_v4);
	save(v6, good_v6);
	for (unsigned long n = 1; !good; n++) {
		struct fail f = {0};

		assert_true(n < 100);
		mem_fail_at(n);
		good = geoip_build(v4, v6, out, &f);
		assert_int_equal(f.errors, !good);
		fail_done(&f);
	}
	mem_fail_at(0);
}

/* ---- The real files, against a reader that does nothing clever ---- */

struct range {
	unsigned __int128 first, last;
	char country[3];
};

static size_t read_ranges(const char *path, bool six, struct range *at, size_t room)
{
	FILE *f = fopen(path, "re");
	char line[128], a[50], b[50], c[3];
	size_t n = 0;

	while (fgets(line, sizeof line, f)) {
		if (sscanf(line, "%49[^,],%49[^,],%2s", a, b, c) != 3 || line[0] == '#')
			continue;
		assert_true(n < room);
		if (six)
			at[n] = (struct range){number_of(a), number_of(b), ""};
		else
			at[n] = (struct range){strtoul(a, NULL, 10), strtoul(b, NULL, 10), ""};
		memcpy(at[n].country, strcmp(c, "UK") == 0 ? "GB" : c, 3);
		if (!geoip_continent(at[n].country))
			at[n].country[0] = 0;
		assert_true(n == 0 || at[n - 1].last < at[n].first);
		n++;
	}
	fclose(f);
	return n;
}

static void compare(const struct geoip *g, const struct range *at, size_t n, unsigned __int128 number, bool six)
{
	struct geoip_place place;
	const char *want = "";
	size_t low = 0, high = n;
	struct addr a;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (at[mid].last < number)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < n && at[low].first <= number)
		want = at[low].country;
	for (unsigned k = 0; k < 16; k++)
		a.b[k] = (uint8_t)(number >> (120 - 8 * k));
	if (!six)
		memset(a.b + 10, 0xff, 2);
	if (addr_is_special(&a))
		want = "";
	geoip_lookup(g, &a, &place);
	if (strcmp(place.country, want) != 0) {
		char text[ADDR_TEXT];

		addr_text(&a, text);
		print_message("%s: %s, not %s\n", text, place.country, want);
	}
	assert_string_equal(place.country, want);
}

static void tors_files_read_the_same(void **state)
{
	static const char *const files[] = {"/usr/share/tor/geoip", "/usr/share/tor/geoip6"};
	enum { ROOM = 1000000, SAMPLES = 5000 };
	struct range *at = calloc(ROOM, sizeof *at);
	struct fail f = {0};
	struct geoip *g;

	(void)state;
	if (access(files[0], R_OK) != 0 || access(files[1], R_OK) != 0) {
		print_message("skipped: no %s\n", files[0]);
		free(at);
		skip();
	}
	assert_true(geoip_build(files[0], files[1], out, &f));
	assert_int_equal(f.n, 0);
	g = opened(out);
	assert_true(geoip_built(g) > 1500000000);
	srandom(2);
	for (int six = 0; six < 2; six++) {
		size_t n = read_ranges(files[six], six, at, ROOM);

		assert_true(n > 1000);
		for (unsigned i = 0; i < SAMPLES / 2; i++) {
			/* Edges of ranges, where mistakes live, and addresses from anywhere. */
			const struct range *r = &at[(size_t)random() % n];
			unsigned __int128 any = (unsigned __int128)(unsigned long)random() << 1;

			compare(g, at, n, r->first, six);
			compare(g, at, n, r->last, six);
			if (r->last != UINT32_MAX)
				compare(g, at, n, r->last + 1, six);
			compare(g, at, n, six ? r->first ^ any << 64 : (uint32_t)any, six);
		}
	}
	geoip_close(g);
	free(at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_become_a_database),
		cmocka_unit_test(the_same_source_gives_the_same_bytes_and_keeps_its_name),
		cmocka_unit_test(a_damaged_source_leaves_the_old_database),
		cmocka_unit_test(an_empty_heap_is_a_finding),
		cmocka_unit_test(tors_files_read_the_same),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
