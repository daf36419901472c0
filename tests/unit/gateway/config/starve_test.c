/* starve_test.c -- portcullis.yaml with all it names, read again and again, each time with the next allocation missing,
 * also those of libyaml, OpenSSL and the C library.
 *
 * Either nothing is read and there is a finding, or what was read is the very same to the last byte: no rule is
 * ever left out because there was no memory for it. */
#include "bed.h"

#include <dirent.h>
#include <time.h>

#include "gateway/base/log.h"
#include "tests/unit/starve.h"

static const char text[] = LISTEN
	"certificates: [{certificate: one.pem, key: one.key}]\n"
	"cluster_secret_file: secret\n"
	"trusted: [10.0.0.0/8]\n"
	"redis: {address: '127.0.0.1:6379', password_file: password}\n"
	"rulesets: {crs: {path: crs}}\n"
	"origins:\n  o: {servers: ['http://10.0.0.1:80', {url: 'http://10.0.0.2', weight: 2}]}\n"
	"sites:\n"
	"  a: {hosts: [a.example, '*.b.example'], origin: o, policy: rich}\n"
	"  b: {hosts: c.example, origin: 'http://10.0.0.3', policy: waf}\n";

static const char policy[] =
	"policy: rich\n"
	"sets: {office: [198.51.100.0/24, '2001:db8::/48'], words: [alpha, beta]}\n"
	"switches: {panic: 1h}\n"
	"rules:\n"
	"  - {id: l, when: 'header.x in @words or count(query.q) > 3', do: label odd}\n"
	"  - {id: a, when: 'path under \"/admin\" and ip not in @office', do: block 404}\n"
	"  - {id: c, when: 'label.odd and switch.panic and clock(now, \"UTC\") in 22:00..06:00', do: block 403}\n"
	"  - {id: d, when: 'host == \"c.example\"', do: redirect 302, to: 'https://a.example', keep: path}\n"
	"limits:\n  - {id: s, when: 'path under \"/login\"', key: ['net(ip, 24, 56)', cookie.sid], rate: 5 per 10m}\n"
	"bodies:\n  - {id: up, when: 'path under \"/up\"', max: 2MiB, types: [image/png], inspect: head, why: w, owner: o, expires: %s}\n"
	"waf:\n  paranoia: 2\n  exclude: [{id: x, rule: 942100, target: query.q, why: w, owner: o, expires: %s}]\n"
	"tests:\n  - {send: 'GET /admin/x', expect: block 404, by: a}\n";

/* What loosens ends within 400 days. */
static void put_policy(void)
{
	time_t soon = time(NULL) + 100 * 86400;
	char day[16], whole[4096];
	struct tm tm;

	gmtime_r(&soon, &tm);
	strftime(day, sizeof day, "%Y-%m-%d", &tm);
	assert_true((size_t)snprintf(whole, sizeof whole, policy, day, day) < sizeof whole);
	put_file("policies/rich.yaml", whole, 0644);
}

static char *at;
static char *kept;
static size_t kept_len;

/* Always at one address, so that pointers can be compared as bytes. */
static struct config *read_at(struct fail *f, size_t *used)
{
	struct config_secrets *secrets;
	struct arena image, secret;
	struct config *c;

	memset(at, 0, kept ? kept_len : IMAGE);
	arena_init_fixed(&image, at, IMAGE);
	arena_init(&secret, NULL, 4096);
	c = config_read(in_folder("portcullis.yaml"), &image, &secret, &secrets, NULL, f);
	*used = (size_t)(image.next - at);
	arena_done(&secret);
	return c;
}

static unsigned open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	closedir(d);
	return n;
}

static void every_allocation_may_fail_once(void **state)
{
	unsigned long read = 0, refused = 0, step = 1;
	struct fail f = {0};
	unsigned files;
	size_t used;

	(void)state;
	log_level(LOG_ERROR + 1);
	put_policy();
	put_file("portcullis.yaml", text, 0644);
	at = mmap(NULL, IMAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	if (!read_at(&f, &kept_len))
		fail_print(&f, stderr, true);
	assert_int_equal(f.errors, 0);
	fail_done(&f);
	kept = malloc(kept_len);
	memcpy(kept, at, kept_len);
	files = open_files();
	for (unsigned long n = 1;; n += step) {
		const struct config *c;

		starve_at(n);
		c = read_at(&f, &used);
		starve_at(0);
		if (!starved())
			break;
		if (c && (used != kept_len || memcmp(kept, at, kept_len)))
			fail_msg("allocation %lu: another configuration was read", n);
		if (!c && !f.errors)
			fail_msg("allocation %lu: nothing was read, and nobody says why", n);
		*(c ? &read : &refused) += 1;
		assert_int_equal(open_files(), files);
		fail_done(&f);
		/* The first thousand in a row, then a sample: most are OpenSSL's, for the one key. */
		step = n < 1000 ? 1 : 13;
	}
	fail_done(&f);
	print_message("%lu times refused, %lu times read all the same\n", refused, read);
	assert_true(refused > 50);
	free(kept);
	munmap(at, IMAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail_once),
	};

	return cmocka_run_group_tests(tests, bed_make, bed_remove);
}
