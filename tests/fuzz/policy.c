/* policy.c -- fuzz: a policy file compiles or has findings, twice the same, each with its place in the file; and
 * a policy that compiled answers any request, twice the same. */
#include "file_fuzz.h"
#include "gateway/base/text.h"
#include "policies/policy.h"

enum { NOW = 1793534400 };

static const struct slice sans[] = {{"one.example", 11}, {"two.example", 11}};

static const struct {
	struct slice method, host, path, query;
	const char *address, *country;
	bool verified;
} requests[] = {
	{SLICE("GET"), SLICE("shop.example.com"), SLICE("/"), SLICE(""), "203.0.113.9", "DE", false},
	{SLICE("POST"), SLICE("a"), SLICE("/admin/x.html"), SLICE("q=a%20b&q=&n=5&%71=x"), "2001:db8::1", NULL, true},
	{SLICE("OPTIONS"), SLICE("[::1]"), SLICE("*"), SLICE_NONE, "198.51.100.77", "AF", true},
};

struct asked {
	struct policy_verdict verdict;
	struct policy_asks limits;
	struct policy_waf waf;
	bool planned;
	unsigned notes;
};

static void note(void *context, const char *what, const struct policy_entry *by, struct slice text)
{
	unsigned *n = context;

	MUST(what && by->id.len && (!text.len || text.at));
	++*n;
}

static void ask(const struct policy *p, unsigned i, struct arena *a, struct asked *out)
{
	const char *country = requests[i].country;
	struct fields fields = {0};
	struct policy_facts facts = {
		.method = requests[i].method, .host = requests[i].host, .path = requests[i].path, .query = requests[i].query,
		.fields = &fields, .secure = i & 1, .country_known = country ? POLICY_KNOWN : i & 1 ? POLICY_UNKNOWN : POLICY_MISSING,
		.asn_known = country ? POLICY_KNOWN : POLICY_UNKNOWN, .asn = 64496, .tls_version = i & 1 ? 0x0304 : 0,
		.client_verified = requests[i].verified, .client_subject = SLICE("CN=a"), .client_sans = sans, .client_sans_n = 2,
		.client_sha256 = SLICE("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"), .site = SLICE("shop"),
		.now = NOW + (int64_t)i * 86400, .switches = i, .arena = a};
	struct policy_run run;

	memcpy(facts.country, country ? country : "", country ? 3 : 1);
	memcpy(facts.continent, "EU", 3);
	MUST(addr_parse(slice_of(requests[i].address), &facts.ip));
	MUST(fields_add(&fields, a, SLICE("cookie"), SLICE("a=b; sid=12; sid=x")));
	MUST(fields_add(&fields, a, SLICE("user-agent"), SLICE("curl/8")) && fields_add(&fields, a, SLICE("x"), SLICE("")));
	memset(out, 0, sizeof *out);
	policy_run_init(&run, p, &facts);
	out->verdict = policy_rules(&run, note, &out->notes);
	policy_limits(&run, &out->limits, note, &out->notes);
	out->planned = policy_waf_plan(&run, 1 << 20, &out->waf);
	MUST(!run.starved && out->planned);
}

static void check_asked(const struct asked *a)
{
	MUST(a->verdict.act == POLICY_PASS || a->verdict.by.id.len);
	MUST(a->verdict.act != POLICY_BLOCK || (a->verdict.status >= 400 && a->verdict.status <= 599));
	MUST(a->verdict.act != POLICY_REDIRECT || (a->verdict.location.len && a->verdict.status >= 300 && a->verdict.status < 400));
	MUST(a->limits.n <= POLICY_ASKS);
	for (unsigned i = 0; i < a->limits.n; i++)
		MUST(a->limits.at[i].key.len && a->limits.at[i].limit->number && a->limits.at[i].limit->period_ms > 0);
	MUST(a->waf.paranoia <= 4 && a->waf.body_max);
	for (size_t i = 0; i < a->verdict.location.len; i++)
		MUST((unsigned char)a->verdict.location.at[i] > 0x20);
}

static void check_same(const struct asked *a, const struct asked *b)
{
	MUST(a->verdict.act == b->verdict.act && a->verdict.status == b->verdict.status && a->verdict.unknown == b->verdict.unknown &&
	     slice_eq(a->verdict.by.id, b->verdict.by.id) && slice_eq(a->verdict.location, b->verdict.location) && a->notes == b->notes);
	MUST(a->limits.n == b->limits.n && a->limits.refuse == b->limits.refuse && a->waf.mode == b->waf.mode &&
	     a->waf.exclusions_n == b->waf.exclusions_n && a->waf.inspect == b->waf.inspect && a->waf.body_max == b->waf.body_max);
	for (unsigned i = 0; i < a->limits.n; i++)
		MUST(slice_eq(a->limits.at[i].key, b->limits.at[i].key));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct policy_source from = {.path = "p.yaml", .bytes = fuzz_in(bytes, n).rest, .now = NOW};
	const struct policy *one, *two;
	struct fail f = {0}, g = {0};
	struct asked first, second;
	struct arena a;

	arena_init(&a, NULL, 65536);
	one = policy_compile(&a, &from, &f);
	two = policy_compile(&a, &from, &g);
	MUST(one ? two && !f.errors : !two && f.errors);
	file_fuzz_same(&f, &g);
	file_fuzz_findings(&f, "p.yaml", from.bytes);
	if (one) {
		MUST(policy_wake(one) && policy_wake(two));
		for (unsigned i = 0; i < FUZZ_COUNT(requests); i++) {
			ask(one, i, &a, &first);
			ask(two, i, &a, &second);
			check_asked(&first);
			check_same(&first, &second);
		}
		policy_sleep(two);
		policy_sleep(one);
	}
	fail_done(&f);
	fail_done(&g);
	arena_done(&a);
	return 0;
}
