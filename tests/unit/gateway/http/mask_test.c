/* mask_test.c -- the public name in place of the origin's: links, return addresses, cookies, bare mentions. */
#include "gateway/http/mask.h"

#include "bed.h"

/* As config makes them: sorted. */
static const struct slice names[] = {B("10.0.0.5"), B("2001:db8::5"), B("app"), B("app1.int.local"), B("localhost")};
static const uint16_t ports[] = {80, 443, 8080};

static const struct http_mask tls = {names, ROWS(names), ports, ROWS(ports), B("shop.example.com"), B("shop.example.com"), 443, true};
static const struct http_mask plain = {names, ROWS(names), ports, ROWS(ports), B("shop.example.com"), B("shop.example.com:8000"), 8000, false};

static const struct {
	const char *in, *out; /* NULL: unchanged */
	const char *says;
} rows[] = {
	{"http://10.0.0.5:8080/x", "https://shop.example.com/x", "the ordinary one"},
	{"http://10.0.0.5/x?y=z#f", "https://shop.example.com/x?y=z#f", "without a port"},
	{"https://10.0.0.5:9999/x", "https://shop.example.com/x", "whatever the port"},
	{"http://10.0.0.5", "https://shop.example.com", "nothing behind it"},
	{"HTTP://APP1.INT.LOCAL:8080/X", "https://shop.example.com/X", "whatever the case"},
	{"http://app1.int.local./x", "https://shop.example.com/x", "a dot behind the name"},
	{"http://app:8080/x", "https://shop.example.com/x", "a name without a dot, behind slashes"},
	{"http://localhost:3000/", "https://shop.example.com/", "the name a development server has"},
	{"http://[2001:db8::5]:8080/x", "https://shop.example.com/x", "IPv6"},
	{"http://[2001:DB8:0:0::5]/x", "https://shop.example.com/x", "IPv6 in another form"},
	{"ws://10.0.0.5:8080/s", "wss://shop.example.com/s", "a websocket"},
	{"wss://10.0.0.5:8080/s", "wss://shop.example.com/s", "under TLS"},
	{"//10.0.0.5:8080/x", "//shop.example.com/x", "without a scheme"},
	{"//app:8080:80/x", "//shop.example.com/x", "a second port does not become the public name's"},
	{"//app:8080%3A80/x", "//shop.example.com/x", "nor one behind an escape"},
	{"//app:8080:x", "//shop.example.com:x", "what is no port stays"},
	{"ftp://10.0.0.5/x", "ftp://shop.example.com/x", "another scheme stays"},
	{"xhttp://10.0.0.5/x", "xhttp://shop.example.com/x", "also one that ends like it"},
	{"http://user:pw@10.0.0.5:8080/x", "http://user:pw@shop.example.com/x", "behind a user"},
	{"http://shop.example.com:8080/x", "https://shop.example.com/x", "the public name with the origin's port"},
	{"//shop.example.com:8080", "//shop.example.com", "the same without a scheme"},

	{"5; url=http://10.0.0.5:8080/x", "5; url=https://shop.example.com/x", "Refresh"},
	{"0;URL='http://app:8080/x'", "0;URL='https://shop.example.com/x'", "Refresh in quotes"},
	{"<http://10.0.0.5:8080/a.css>; rel=preload, <//app/b.js>; rel=next", "<https://shop.example.com/a.css>; rel=preload, <//shop.example.com/b.js>; rel=next", "Link"},
	{"default-src 'self' http://10.0.0.5:8080 ws://app:8080; img-src app1.int.local", "default-src 'self' https://shop.example.com wss://shop.example.com; img-src shop.example.com", "a policy of content"},
	{"Basic realm=\"app1.int.local\"", "Basic realm=\"shop.example.com\"", "alone, in quotes"},
	{"served by 10.0.0.5:8080, 12 ms", "served by shop.example.com, 12 ms", "an address alone, and its port"},
	{"10.0.0.5", "shop.example.com", "an address and nothing else"},
	{"[2001:db8::5]:8080", "shop.example.com", "IPv6 alone"},
	{"10.0.0.5, 10.0.0.5 10.0.0.5", "shop.example.com, shop.example.com shop.example.com", "several"},
	{"https://login.example/?return=http%3A%2F%2F10.0.0.5%3A8080%2Fx&a=b", "https://login.example/?return=https%3A%2F%2Fshop.example.com%2Fx&a=b", "a return address"},
	{"https://login.example/?return=http%3a%2f%2fapp%2fx", "https://login.example/?return=https%3A%2F%2Fshop.example.com%2fx", "in lower case"},
	{"/login?next=%2F%2Fapp%3A8080%2Fx", "/login?next=%2F%2Fshop.example.com%2Fx", "without a scheme"},
	{"/login?host=10.0.0.5%3A8080", "/login?host=shop.example.com", "a bare one with an encoded port"},

	{"/x", NULL, "a path"},
	{"", NULL, "nothing"},
	{"https://shop.example.com/x", NULL, "it is public already"},
	{"https://shop.example.com:8443/x", NULL, "another port of the public name"},
	{"shop.example.com:8080", NULL, "the public name alone"},
	{"https://other.example/x", NULL, "somebody else's"},
	{"http://10.0.0.50:8080/x", NULL, "a longer address"},
	{"http://110.0.0.5:8080/x", NULL, "a longer one in front"},
	{"http://10.0.0.5.example/x", NULL, "a name that begins so"},
	{"http://x.app1.int.local/x", NULL, "a name that ends so"},
	{"http://app1.int.locals/x", NULL, "a longer name"},
	{"app", NULL, "a name without a dot is a word"},
	{"/app/localhost", NULL, "in a path as well"},
	{"app:8080", NULL, "with a port, too"},
	{"x//y", NULL, "slashes before something else"},
	{"//", NULL, "slashes alone"},
	{"http://", NULL, "a scheme alone"},
	{"http://[::1", NULL, "an open bracket"},
	{"[", NULL, "a bracket alone"},
	{"%", NULL, "a percent sign"},
	{"%2F%2", NULL, "half an escape"},
	{"%2F%2F", NULL, "slashes in escapes"},
	{"text/html; charset=utf-8", NULL, "a media type"},
	{"\"1.0-10.0.0.5\"", NULL, "part of another word"},
};

static void check(const struct http_mask *m, const char *name, const char *in, const char *out, const char *says)
{
	struct bed b;
	struct fields f = {0};

	bed_open(&b);
	assert_true(fields_add(&f, &b.a, slice_of(name), guard_put(&b.guard, slice_of(in))));
	assert_true(http_mask(&b.a, &f, m));
	if (!slice_is(f.at[0].value, out ? out : in))
		fail_msg("%s: %s: %.*s", says, in, SLICE_F(f.at[0].value));
	/* What is public stays so. */
	assert_true(http_mask(&b.a, &f, m));
	assert_slice(f.at[0].value, out ? out : in);
	bed_close(&b);
}

static void test_the_public_name_stands_in_its_place(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROWS(rows); i++)
		check(&tls, "location", rows[i].in, rows[i].out, rows[i].says);
}

static void test_in_clear_and_on_another_port(void **state)
{
	(void)state;
	check(&plain, "location", "https://10.0.0.5:8080/x", "http://shop.example.com:8000/x", "the client came in clear");
	check(&plain, "location", "wss://app/s", "ws://shop.example.com:8000/s", "so it does for a websocket");
	check(&plain, "link", "/?u=http%3A%2F%2Fapp%2F", "/?u=http%3A%2F%2Fshop.example.com%3A8000%2F", "the port is encoded, too");
	check(&plain, "location", "http://shop.example.com:8000/x", NULL, "the public port stays");
}

static const struct {
	const char *in, *out, *says;
} cookies[] = {
	{"a=b", NULL, "nothing but itself"},
	{"a=b; Path=/; Secure; HttpOnly; SameSite=Lax", NULL, "no domain"},
	{"a=b; Domain=shop.example.com", NULL, "its own host"},
	{"a=b; Domain=example.com; Path=/", NULL, "the domain above"},
	{"a=b; domain=.EXAMPLE.com", NULL, "with a dot, in other case"},
	{"a=b; Domain=", NULL, "an empty one means nothing"},
	{"a=b; Domain=int.local; Path=/", "a=b; Path=/", "G5: the origin's"},
	{"a=b; Path=/; Domain=int.local", "a=b; Path=/", "at the end"},
	{"a=b;domain=app;secure", "a=b;secure", "a name without a dot"},
	{"a=b; DOMAIN = 10.0.0.5 ; Path=/", "a=b; Path=/", "an address, and spaces"},
	{"a=b; Domain=int.local; Domain=.int.local", "a=b", "twice"},
	{"a=b; Domain=ample.com", "a=b", "part of a label is not above"},
	{"a=b; Domain=evil.shop.example.com", "a=b", "below is not above"},
	{"Domain=int.local", NULL, "a cookie of that name"},
	{"; Domain=int.local", "", "no cookie at all"},
	{"a=http://10.0.0.5:8080/x; Path=/", NULL, "its value is the site's own business"},
	{"BIGipServerpool=83886090.36895.0000; path=/", NULL, "also this one"},
	{"a=b; Path=/;", NULL, "a semicolon behind"},
};

static void test_of_a_cookie_a_foreign_domain_goes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROWS(cookies); i++)
		check(&tls, "set-cookie", cookies[i].in, cookies[i].out, cookies[i].says);
}

static void test_hidden_fields_are_left_alone(void **state)
{
	struct bed b;
	struct fields f = {0};

	(void)state;
	bed_open(&b);
	assert_true(fields_add(&f, &b.a, SLICE("location"), SLICE("http://10.0.0.5/")));
	f.at[0].hidden = 1;
	assert_true(http_mask(&b.a, &f, &tls));
	assert_slice(f.at[0].value, "http://10.0.0.5/");
	bed_close(&b);
}

/* Nobody's names: nothing changes, and nothing is read beyond the value. */
static void test_no_names(void **state)
{
	static const struct http_mask none = {.host = B("shop.example.com"), .authority = B("shop.example.com"), .port = 443, .secure = true};

	(void)state;
	for (unsigned i = 0; i < ROWS(rows); i++)
		if (!strstr(rows[i].in, "shop"))
			check(&none, "location", rows[i].in, NULL, rows[i].says);
}

static void test_memory_runs_out(void **state)
{
	struct budget budget = {.limit = 300};
	struct fields f = {0};
	struct arena small;
	struct bed b;

	(void)state;
	bed_open(&b);
	arena_init(&small, &budget, 64);
	assert_true(fields_add(&f, &b.a, SLICE("link"), SLICE("<//app/1>, <//app/2>, <//app/3>, <//app/4>, <//app/5>, <//app/6>")));
	assert_false(http_mask(&small, &f, &tls));
	arena_done(&small);
	bed_close(&b);
}

/* ---- What else tells of an origin ---- */

static const char *const telling[] = {
	"server", "via", "x-powered-by", "x-powered-cms", "x-aspnet-version", "x-aspnetmvc-version", "x-aspnetcore-version", "x-generator",
	"x-runtime", "x-backend", "x-backend-server", "x-backend-host", "alt-svc", "x-server", "x-server-name", "x-served-by", "x-upstream",
	"x-upstream-addr", "x-varnish", "x-varnish-backend", "x-cache", "x-cache-lookup", "x-php-version", "x-drupal-cache", "x-host",
	"x-hostname", "x-node", "x-node-id", "x-pod", "x-pod-name", "x-debug-token-link", "x-envoy-upstream-service-time", "x-feserver",
	"x-sourcefiles", "x-redirect-by", "liferay-portal", "powered-by", "x-kong-proxy-latency", "x-instance-id",
};

static const char *const innocent[] = {
	"content-type", "set-cookie", "location", "date", "etag", "cache-control", "x-frame-options", "x-request-id", "server-timing",
	"content-encoding", "sec-websocket-protocol", "x-content-type-options", "x-xss-protection", "x-robots-tag", "x-ua-compatible",
	"x-amz-request-id", "x-wp-total", "x-ratelimit-limit", "x-podcast", "x-nodes", "x-dns-prefetch-control", "vary", "age",
	"strict-transport-security", "x-generated-at", "x-total-count", "servers", "x", "x-", "www-authenticate",
};

static void test_telltales(void **state)
{
	static const struct slice show[] = {B("server"), B("x-cache*")}, hide[] = {B("etag"), B("x-secret-*")};
	static const struct {
		const char *name;
		bool hidden;
	} by_list[] = {{"server", false}, {"x-cache", false}, {"x-cache-lookup", false}, {"via", true}, {"etag", true}, {"etags", false},
		       {"x-secret-", true}, {"x-secret-one", true}, {"x-secret", false}, {"date", false}};
	const struct http_names shown = {show, ROWS(show)}, hidden = {hide, ROWS(hide)}, none = {NULL, 0};
	struct fields f = {0};
	struct bed b;

	(void)state;
	bed_open(&b);
	for (unsigned i = 0; i < ROWS(telling); i++)
		assert_true(fields_add(&f, &b.a, slice_of(telling[i]), SLICE("x")));
	for (unsigned i = 0; i < ROWS(innocent); i++)
		assert_true(fields_add(&f, &b.a, slice_of(innocent[i]), SLICE("x")));
	http_hide_telltales(&f, &none, &none);
	for (unsigned i = 0; i < f.n; i++) {
		if (f.at[i].hidden != (i < ROWS(telling)))
			fail_msg("%.*s", SLICE_F(f.at[i].name));
		assert_int_equal(http_is_telltale(f.at[i].name), i < ROWS(telling));
	}
	f.n = 0;
	for (unsigned i = 0; i < ROWS(by_list); i++)
		assert_true(fields_add(&f, &b.a, slice_of(by_list[i].name), SLICE("x")));
	http_hide_telltales(&f, &shown, &hidden);
	for (unsigned i = 0; i < ROWS(by_list); i++)
		if (f.at[i].hidden != by_list[i].hidden)
			fail_msg("%s", by_list[i].name);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_public_name_stands_in_its_place),
		cmocka_unit_test(test_in_clear_and_on_another_port),
		cmocka_unit_test(test_of_a_cookie_a_foreign_domain_goes),
		cmocka_unit_test(test_hidden_fields_are_left_alone),
		cmocka_unit_test(test_no_names),
		cmocka_unit_test(test_memory_runs_out),
		cmocka_unit_test(test_telltales),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
