/* sets_test.c -- what is in a set, inline and from a file. */
#include "tests/unit/policies/policy_help.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "policies/policy_parts.h"

static char directory[64];

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* A policy in the scratch directory with these sets. */
static void compile(struct help *h, const char *sets, const char *rules)
{
	static char path[128], text[4096];
	struct policy_source from = {.path = path, .now = TEST_NOW};

	snprintf(path, sizeof path, "%s/p.yaml", directory);
	snprintf(text, sizeof text, "policy: t\nwaf: {mode: off}\nsets:\n%srules:\n%s", sets, rules);
	memset(h, 0, sizeof *h);
	from.bytes = slice_of(text);
	arena_init(&h->arena, NULL, 65536);
	arena_init(&h->request, NULL, 4096);
	h->policy = policy_compile(&h->arena, &from, &h->fail);
}

static const struct set *only(const struct help *h)
{
	if (!h->policy)
		fail_print(&h->fail, stderr, false);
	assert_non_null(h->policy);
	assert_int_equal(h->policy->sets_n, 1);
	return h->policy->sets[0];
}

static bool has_ip(const struct set *s, const char *ip)
{
	struct value v = {0};

	assert_true(addr_parse(slice_of(ip), &v.ip));
	return set_has(s, &v);
}

static void networks_are_merged_and_found(void **state)
{
	static const struct {
		const char *ip;
		bool in;
	} rows[] = {
		{"10.0.0.0", true}, {"10.255.255.255", true}, {"9.255.255.255", false}, {"11.0.0.0", true}, {"11.0.0.255", true},
		{"11.0.1.0", false}, {"192.0.2.1", true}, {"192.0.2.0", false}, {"192.0.2.2", true}, {"192.0.2.3", false},
		{"255.255.255.255", true}, {"::ffff:10.1.2.3", true}, {"2001:db8::", true}, {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true},
		{"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", false}, {"2001:db9::", false}, {"::1", false}, {"fe80::1", true},
		{"fe80::2", true}, {"64:ff9b::a00:1", true}, {"8000::", true}, {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true},
		{"7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false},
	};
	struct help h;
	const struct set *s;

	(void)state;
	compile(&h, "  s: [10.1.0.0/16, 10.0.0.0/8, 11.0.0.0/24, 192.0.2.1, 192.0.2.1, 192.0.2.2, 255.255.255.255, '2001:db8::/32',"
		    " 'fe80::1', '8000::/1']\n", "  []\n");
	s = only(&h);
	assert_int_equal(s->type, TYPE_IP);
	/* 10/8 and 11.0.0/24 touch, and so do 192.0.2.1 and .2; 8000::/1 swallows fe80::1. */
	assert_int_equal(s->n, 5);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (has_ip(s, rows[i].ip) != rows[i].in)
			fail_msg("%s", rows[i].ip);
	}
	help_done(&h);
}

static void items_say_the_type(void **state)
{
	static const struct {
		const char *list;
		enum type type;
		uint32_t n;
	} rows[] = {
		{"[198.51.100.0/24, '2001:db8:10::/48']", TYPE_IP, 2}, {"[AS64500, AS64501, AS64500]", TYPE_ASN, 2},
		{"[KP, SY, NO]", TYPE_COUNTRY, 3}, {"[AF]", TYPE_COUNTRY, 1}, {"[AF, AS, DE]", TYPE_COUNTRY, 3},
		{"[AF, EU]", TYPE_CONTINENT, 2}, {"[EU]", TYPE_CONTINENT, 1}, {"[GET, POST]", TYPE_METHOD, 2},
		{"[alpha, beta, alpha]", TYPE_TEXT, 2}, {"[get]", TYPE_TEXT, 1}, {"['']", TYPE_TEXT, 1},
		{"[2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824]", TYPE_SHA256, 1},
	};
	char text[200];
	struct help h;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		snprintf(text, sizeof text, "  s: %s\n", rows[i].list);
		compile(&h, text, "  []\n");
		if (!h.policy || h.policy->sets[0]->type != rows[i].type || h.policy->sets[0]->n != rows[i].n)
			fail_msg("%s", rows[i].list);
		help_done(&h);
	}
}

static void broken_sets_are_shown_at_their_item(void **state)
{
	static const struct {
		const char *sets;
		unsigned line, column;
		const char *says;
	} rows[] = {
		{"  s: []\n", 4, 6, "an empty set"},
		{"  s: text\n", 4, 6, "a set is a list"},
		{"  S: [DE]\n", 4, 3, "the name of a set"},
		{"  s: [DE, 10.0.0.0/8]\n", 4, 11, "a set has one type"},
		{"  s: [DE, Norway]\n", 4, 11, "a set has one type"},
		{"  s: [DE, [FR]]\n", 4, 11, "no lists inside"},
		{"  s: [10.0.0.1/8]\n", 4, 7, "bits behind the prefix"},
		{"  s: [10.0.0.0/33]\n", 4, 7, "0 to 32"},
		{"  s: [0.0.0.0/0]\n", 4, 7, "everybody"},
		{"  s: ['::/0']\n", 4, 7, "everybody"},
		{"  s: ['::/3']\n", 4, 7, "every IPv4"},
		{"  s: ['::']\n", 4, 7, "unspecified"},
		{"  s: [AS0]\n", 4, 7, "AS1"},
		{"  s: {type: ip}\n", 4, 6, "\"file\" is missing"},
		{"  s: {file: x}\n", 4, 6, "\"type\" is missing"},
		{"  s: {type: ips, file: x}\n", 4, 13, "type"},
		{"  s: {type: ip, file: none.txt}\n", 4, 6, "none.txt"},
		{"  s: {type: ip, file: good.txt, refresh: 1h}\n", 4, 33, "not in this version"},
		{"  s: {type: ip, file: good.txt, max_change: 30%}\n", 4, 33, "not in this version"},
		{"  s: {type: ip, file: good.txt, min: 4}\n", 4, 6, "has 3 items, fewer than the 4"},
		{"  s: {type: ip, file: good.txt, min: 0}\n", 4, 38, "out of bounds"},
		{"  s: {type: ip, file: empty.txt}\n", 4, 6, "has 0 items"},
	};
	struct help h;

	(void)state;
	write_file("good.txt", "10.0.0.0/8\n192.0.2.1\n2001:db8::/32\n");
	write_file("empty.txt", "# nothing\n\n");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		compile(&h, rows[i].sets, "  []\n");
		if (h.policy || !h.fail.n)
			fail_msg("compiled: %s", rows[i].sets);
		if (!strstr(h.fail.at[0].text, rows[i].says) || h.fail.at[0].place.line != rows[i].line ||
		    h.fail.at[0].place.column != rows[i].column)
			fail_msg("%s: %u:%u: %s", rows[i].sets, h.fail.at[0].place.line, h.fail.at[0].place.column, h.fail.at[0].text);
		help_done(&h);
	}
}

static void a_set_is_compared_with_its_own_type(void **state)
{
	static const struct {
		const char *when, *says;
	} rows[] = {
		{"ip in @lands", "set lands holds country, and the left side is ip"},
		{"ip.country in @nets", "set nets holds ip"},
		{"path in @nets", "set nets holds ip"},
		{"ip.asn in @lands", "set lands holds country"},
		{"header.x in @hashes", "set hashes holds sha256"},
		{"method in @words", "set words holds text"},
		{"host under @lands", "set lands holds country"},
		{"ip in @net", "did you mean \"nets\"?"},
	};
	struct help h;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		help_expression(&h, rows[i].when);
		assert_null(h.policy);
		if (!strstr(h.fail.at[0].text, rows[i].says))
			fail_msg("%s: %s", rows[i].when, h.fail.at[0].text);
		help_done(&h);
	}
}

static void files_are_read_line_by_line(void **state)
{
	struct help h;
	const struct set *s;

	(void)state;
	write_file("list.txt", "# who we know\n10.0.0.0/8   # office\n\n  192.0.2.1\t\r\n2001:db8::/32");
	compile(&h, "  s: {type: ip, file: list.txt, min: 3}\n", "  []\n");
	s = only(&h);
	assert_int_equal(s->n, 3);
	assert_true(has_ip(s, "10.9.9.9") && has_ip(s, "192.0.2.1") && has_ip(s, "2001:db8::5"));
	help_done(&h);
	write_file("list.txt", "10.0.0.0/8\nnonsense\n0.0.0.0/0\n");
	compile(&h, "  s: {type: ip, file: list.txt}\n", "  []\n");
	assert_null(h.policy);
	assert_int_equal(h.fail.errors, 2);
	assert_int_equal(h.fail.at[0].place.line, 2);
	assert_non_null(strstr(h.fail.at[0].place.file, "list.txt"));
	assert_int_equal(h.fail.at[1].place.line, 3);
	help_done(&h);
	write_file("list.txt", "AF\nDE\n");
	compile(&h, "  s: {type: continent, file: list.txt}\n", "  []\n");
	assert_null(h.policy);
	help_done(&h);
	write_file("list.txt", "a b\nGET\nDE\n");
	compile(&h, "  s: {type: text, file: list.txt}\n", "  - {id: r, do: block, when: 'header.x in @s'}\n");
	assert_int_equal(only(&h)->n, 3);
	help_request(&h);
	help_header(&h, "x", "a b");
	assert_int_equal(help_truth(&h), YES);
	help_done(&h);
}

static void an_old_file_makes_membership_unknown(void **state)
{
	char path[128];
	struct timespec times[2] = {{TEST_NOW - 3600, 0}, {TEST_NOW - 3600, 0}};
	struct help h;

	(void)state;
	write_file("list.txt", "203.0.113.9\n");
	snprintf(path, sizeof path, "%s/list.txt", directory);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	compile(&h, "  s: {type: ip, file: list.txt, max_age: 2h}\n", "  - {id: r, do: block, when: 'ip in @s'}\n");
	only(&h);
	help_request(&h);
	assert_int_equal(help_truth(&h), YES);
	h.facts.now = TEST_NOW + 3599;
	assert_int_equal(help_truth(&h), YES);
	h.facts.now = TEST_NOW + 3600;
	assert_int_equal(help_truth(&h), UNKNOWN);
	assert_string_equal(help_ask(&h).unknown_why, "set s is older than its max_age");
	help_done(&h);
}

static void a_hundred_thousand_networks_are_fast(void **state)
{
	static char text[2 << 20];
	struct timespec a, b, c;
	size_t n = 0;
	struct help h;
	const struct set *s;
	unsigned found = 0;

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%u.%u.%u.0/25\n", 1 + i * 7919u % 100000 / 1000,
				      i * 7919u % 100000 / 4 % 250, i * 7919u % 100000 % 4);
	write_file("big.txt", text);
	clock_gettime(CLOCK_MONOTONIC, &a);
	compile(&h, "  s: {type: ip, file: big.txt, min: 50000}\n", "  []\n");
	clock_gettime(CLOCK_MONOTONIC, &b);
	s = only(&h);
	assert_true(s->n > 20000);
	for (uint32_t i = 0; i < 1000000; i++) {
		struct value v = {.ip = {{[10] = 0xff, [11] = 0xff, [12] = (uint8_t)(i * 31 % 110), [13] = (uint8_t)(i / 7),
					  [14] = (uint8_t)(i % 4), [15] = (uint8_t)i}}};

		found += set_has(s, &v);
	}
	clock_gettime(CLOCK_MONOTONIC, &c);
	assert_true(found > 1000 && found < 999000);
	print_message("%u ranges: compiled in %lld ms, %lld ns a question\n", s->n,
		      (long long)((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000),
		      (long long)(((c.tv_sec - b.tv_sec) * 1000000000 + (c.tv_nsec - b.tv_nsec)) / 1000000));
	help_done(&h);
}

static int make_directory(void **state)
{
	(void)state;
	snprintf(directory, sizeof directory, "/tmp/policies-sets-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	static const char *const names[] = {"good.txt", "empty.txt", "list.txt", "big.txt"};
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", directory, names[i]);
		unlink(path);
	}
	return rmdir(directory);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks_are_merged_and_found),
		cmocka_unit_test(items_say_the_type),
		cmocka_unit_test(broken_sets_are_shown_at_their_item),
		cmocka_unit_test(a_set_is_compared_with_its_own_type),
		cmocka_unit_test(files_are_read_line_by_line),
		cmocka_unit_test(an_old_file_makes_membership_unknown),
		cmocka_unit_test(a_hundred_thousand_networks_are_fast),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
