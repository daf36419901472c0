/* tests_check.c -- `tests` of a policy: their shape.  The compiler does not run them.
 *
 * A test that names an entry, a switch or a country that does not exist would
 * never fail; so it fails here. */
#include "gateway/base/text.h"
#include "policies/compile.h"

static bool keep(struct setting_reader *r, const struct yaml_node *node, void *out)
{
	(void)r;
	*(const struct yaml_node **)out = node;
	return true;
}

static bool keep_scalar(struct setting_reader *r, const struct yaml_node *node, void *out)
{
	if (node->kind != YAML_SCALAR)
		return fail_at(r->fail, node->place, "one text is expected here");
	return keep(r, node, out);
}

#define NODE(word, member, how, says)                                                                            \
	{.key = word, .kind = SETTING_CUSTOM, .at = offsetof(struct test_text, member), .parse = keep, .syntax = how, \
	 .doc = says}
#define SCALAR(word, member, how, says)                                                                              \
	{.key = word, .kind = SETTING_CUSTOM, .at = offsetof(struct test_text, member), .parse = keep_scalar, .syntax = how, \
	 .doc = says}
#define RESPONSE(member) (offsetof(struct test_text, response.member) - offsetof(struct test_text, response))

static const struct setting response_settings[] = {
	{.key = "status", .kind = SETTING_INT, .at = RESPONSE(status), .fallback = "200", .least = 200, .most = 599,
	 .doc = "what the origin answers"},
	{.key = "headers", .kind = SETTING_CUSTOM, .at = RESPONSE(headers), .parse = keep, .syntax = "map",
	 .doc = "its header fields"},
	{.key = "body", .kind = SETTING_TEXT, .at = RESPONSE(body), .doc = "its content"},
	{.key = NULL},
};

static const struct setting a_step = {.key = "step", .kind = SETTING_STRUCT, .table = test_settings,
				      .size = sizeof(struct test_text)};

const struct setting test_settings[] = {
	SCALAR("send", send, "'METHOD /target'", "the request; not beside steps"),
	NODE("headers", headers, "map", "header fields beside a plain browser's"),
	NODE("form", form, "map", "fields of an urlencoded body"),
	{.key = "json", .kind = SETTING_TEXT, .at = offsetof(struct test_text, json), .doc = "a JSON body"},
	{.key = "body", .kind = SETTING_TEXT, .at = offsetof(struct test_text, body), .doc = "a body of another type"},
	SCALAR("client", client, "address", "the client; 192.0.2.1, if absent"),
	SCALAR("country", country, "country code", "its country; missing, if absent"),
	SCALAR("asn", asn, "AS number", "its network; missing, if absent"),
	{.key = "cert", .kind = SETTING_TEXT, .at = offsetof(struct test_text, cert),
	 .doc = "subject of a verified client certificate"},
	SCALAR("at", at, "UTC timestamp", "the time; now, if absent"),
	NODE("switch", switches, "list of switches", "those that are on"),
	{.key = "response", .kind = SETTING_STRUCT, .at = offsetof(struct test_text, response), .table = response_settings,
	 .size = sizeof(((struct test_text *)NULL)->response), .doc = "of the origin"},
	{.key = "repeat", .kind = SETTING_INT, .at = offsetof(struct test_text, repeat), .fallback = "1", .least = 1, .most = 10000,
	 .doc = "sent so often; expect is of the last one"},
	{.key = "after", .kind = SETTING_DURATION, .at = offsetof(struct test_text, after_ms), .doc = "wait first"},
	{.key = "steps", .kind = SETTING_LIST, .at = offsetof(struct test_text, steps), .each = &a_step, .least = 1, .most = 100,
	 .doc = "tests that share the limiter's state"},
	SCALAR("expect", expect, "pass, block [STATUS] or redirect [STATUS]", "what must happen; not beside steps"),
	{.key = "passed", .kind = SETTING_INT, .at = offsetof(struct test_text, passed), .least = 0, .most = 10000,
	 .doc = "of the repeated ones, so many pass"},
	SCALAR("by", by, "id of an entry, or a CRS rule", "what must have matched"),
	SCALAR("not_by", not_by, "id of an entry, or a CRS rule", "what must not have matched"),
	{.key = NULL},
};

static bool literal_ok(struct compile *c, const struct yaml_node *node, enum type t)
{
	const char *why, *near;
	struct value v;

	if (!node || literal_read(t, node->text, &v, &why, &near))
		return true;
	return fail_at(c->fail, node->place, "\"%.*s\": %s%s", SLICE_F(node->text), why, suggest(c, near));
}

static bool send_ok(struct compile *c, const struct yaml_node *node)
{
	size_t cut = slice_find(node->text, ' ');
	struct slice target = cut < node->text.len ? slice_after(node->text, cut + 1) : SLICE("");

	if (!cut || !target.len || (target.at[0] != '/' && !slice_is(target, "*")))
		return fail_at(c->fail, node->place, "send is written 'GET /path'");
	for (size_t i = 0; i < target.len; i++)
		if ((unsigned char)target.at[i] <= 0x20 || target.at[i] == 0x7f)
			return fail_at(c->fail, node->place, "a target has no spaces; write %%20 or +");
	return true;
}

static bool expect_ok(struct compile *c, const struct yaml_node *node)
{
	size_t cut = slice_find(node->text, ' ');
	struct slice word = slice_first(node->text, cut);
	uint64_t status = 0;
	bool bare = cut == node->text.len;

	if (slice_is(word, "pass") && bare)
		return true;
	if (!bare && !text_uint(slice_after(node->text, cut + 1), &status))
		status = 0;
	if (slice_is(word, "block") && (bare || (status >= 400 && status <= 599)))
		return true;
	if (slice_is(word, "redirect") && (bare || (status >= 300 && status <= 399)))
		return true;
	return fail_at(c->fail, node->place, "expect is pass, block [STATUS] or redirect [STATUS], not \"%.*s\"",
		       SLICE_F(node->text));
}

static bool by_ok(struct compile *c, const struct yaml_node *node)
{
	uint64_t rule;

	if (!node || text_uint(node->text, &rule) || names_find(&c->ids, node->text) >= 0)
		return true;
	return fail_at(c->fail, node->place, "no entry has the id \"%.*s\"%s", SLICE_F(node->text),
		       names_suggest(c, &c->ids, node->text));
}

static bool map_ok(struct compile *c, const struct yaml_node *node)
{
	if (!node)
		return true;
	if (node->kind != YAML_MAP)
		return fail_at(c->fail, node->place, "a mapping of names to texts is expected here");
	for (unsigned i = 0; i < node->n; i++)
		if (node->items[i]->kind != YAML_SCALAR)
			return fail_at(c->fail, node->items[i]->place, "one text is expected here");
	return true;
}

static bool switches_ok(struct compile *c, const struct yaml_node *node)
{
	if (!node)
		return true;
	if (node->kind != YAML_LIST)
		return fail_at(c->fail, node->place, "switch is a list of switches that are on");
	for (unsigned i = 0; i < node->n; i++)
		if (names_find(&c->switches, node->items[i]->text) < 0)
			return fail_at(c->fail, node->items[i]->place, "no switch named \"%.*s\"%s", SLICE_F(node->items[i]->text),
				       names_suggest(c, &c->switches, node->items[i]->text));
	return true;
}

static bool request_ok(struct compile *c, const struct test_text *t)
{
	bool ok = map_ok(c, t->headers);

	ok &= map_ok(c, t->form);
	ok &= map_ok(c, t->response.headers);
	ok &= switches_ok(c, t->switches);
	if ((t->form != NULL) + (t->json.len > 0) + (t->body.len > 0) > 1)
		ok = fail_at(c->fail, t->head.place, "a request has one body: form, json or body");
	if (t->client && slice_find(t->client->text, '/') < t->client->text.len)
		ok = fail_at(c->fail, t->client->place, "a client is one address");
	if (t->passed > t->repeat)
		ok = fail_at(c->fail, t->head.place, "more passed than are sent: set `repeat`");
	ok &= literal_ok(c, t->client, TYPE_IP);
	ok &= literal_ok(c, t->country, TYPE_COUNTRY);
	ok &= literal_ok(c, t->asn, TYPE_ASN);
	ok &= literal_ok(c, t->at, TYPE_TIME);
	ok &= by_ok(c, t->by);
	return by_ok(c, t->not_by) && ok;
}

static bool test_ok(struct compile *c, const struct test_text *t, bool inside)
{
	const struct test_text *steps = t->steps.at;
	bool ok = true;

	if (t->steps.n) {
		if (inside || t->send || t->expect)
			return fail_at(c->fail, t->head.place, "a test has steps, or send and expect; steps have no steps inside");
		for (unsigned i = 0; i < t->steps.n; i++)
			ok &= test_ok(c, &steps[i], true);
		return ok;
	}
	if (!t->send || !t->expect)
		return fail_at(c->fail, t->head.place, "a test says what to `send` and what to `expect`");
	ok = send_ok(c, t->send);
	ok &= expect_ok(c, t->expect);
	return request_ok(c, t) && ok;
}

bool tests_check(struct compile *c, const struct file_text *t)
{
	const struct test_text *tests = t->tests.at;
	bool ok = true;

	for (unsigned i = 0; i < t->tests.n; i++)
		ok &= test_ok(c, &tests[i], false);
	return ok;
}
