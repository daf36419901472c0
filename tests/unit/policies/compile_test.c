/* compile_test.c -- broken policies: where the finding points, and what it says. */
#include "tests/unit/policies/policy_help.h"

#define HEAD "policy: t\nwaf: {mode: off}\n"
#define WHEN(expression) HEAD "rules:\n  - {id: r, do: block, when: '" expression "'}\n"
/* Where the quoted text of WHEN begins: line 4, behind the quote at column 30. */
#define AT 31

struct row {
	const char *text;
	unsigned line, column;
	const char *says;
};

static const struct finding *first(const struct fail *f, enum fail_level level)
{
	for (unsigned i = 0; i < f->n; i++)
		if (f->at[i].level == level)
			return &f->at[i];
	return NULL;
}

/* All rows are told, not the first wrong one alone. */
static bool points_at(const struct row *row, const struct finding *found)
{
	static const struct finding nothing = {.text = "nothing"};

	found = found ? found : &nothing;
	if (strstr(found->text, row->says) && found->place.line == row->line && found->place.column == row->column)
		return true;
	print_error("%u:%u: %s\n  wanted %u:%u: %s\nin:\n%s", found->place.line, found->place.column, found->text, row->line,
		    row->column, row->says, row->text);
	return false;
}

static void refuse(const struct row *rows, size_t n)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < n; i++) {
		struct help h;

		help_compile(&h, rows[i].text);
		wrong += !points_at(&rows[i], first(&h.fail, FAIL_ERROR)) || h.policy;
		help_done(&h);
	}
	assert_int_equal(wrong, 0);
}

#define REFUSE(rows) refuse(rows, sizeof(rows) / sizeof *(rows))

static void a_broken_expression_is_shown_at_its_byte(void **state)
{
	static const struct row rows[] = {
		{WHEN("path"), 4, AT + 4, "an operator is expected here, not the end"},
		{WHEN("path = \"/a\""), 4, AT + 5, "write == to compare"},
		{WHEN("path == /a"), 4, AT + 8, "text stands in double quotes"},
		{WHEN("path == \"/a"), 4, AT + 8, "no closing double quote"},
		{WHEN("path == \"/\\d\""), 4, AT + 10, "text knows"},
		{WHEN("path == \"a\""), 4, AT + 8, "a path begins with"},
		{WHEN("path starts \"\""), 4, AT + 12, "every text has the empty text in it"},
		{WHEN("path under \"/a/\""), 4, AT + 11, "without the slash at its end"},
		{WHEN("path under \"/a/../b\""), 4, AT + 11, "dots are resolved"},
		{WHEN("path contains [\"a\", 5]"), 4, AT + 20, "text stands in double quotes"},
		{WHEN("path contains [\"a\" \"b\"]"), 4, AT + 19, "a comma or ]"},
		{WHEN("path < \"/a\""), 4, AT + 5, "< and > compare int and time only"},
		{WHEN("pth == \"/a\""), 4, AT, "did you mean \"path\"?"},
		{WHEN("\"/a\" == path"), 4, AT, "a test begins with a field"},
		{WHEN("path is empty"), 4, AT + 8, "present or missing"},
		{WHEN("path is missing"), 4, AT + 15 - 7, "never missing"},
		{WHEN("header is present"), 4, AT, "no such field"},
		{WHEN("header.x! == \"a\""), 4, AT + 8, "write `not`"},
		{WHEN("header.x.y == \"a\""), 4, AT, "header[\"a.b\"]"},
		{WHEN("header[x] == \"a\""), 4, AT, "header[\"a.b\"]"},
		{WHEN("header.x under \"/a\""), 4, AT + 9, "`under` works on path"},
		{WHEN("host == \"Shop.example\""), 4, AT + 8, "lower case"},
		{WHEN("host == \"shop.example:443\""), 4, AT + 8, "without its port"},
		{WHEN("host under \".example.com\""), 4, AT + 11, "under \"example.com\""},
		{WHEN("lower(header.x) == \"Abc\""), 4, AT + 19, "no upper case"},
		{WHEN("method == post"), 4, AT + 10, "did you mean \"POST\"?"},
		{WHEN("method == \"POST\""), 4, AT + 10, "without quotes"},
		{WHEN("method starts \"P\""), 4, AT + 7, "works on text"},
		{WHEN("scheme == ftp"), 4, AT + 10, "not one of the known words"},
		{WHEN("ip == 10.0.0.0/8"), 4, AT + 6, "in [10.0.0.0/8]"},
		{WHEN("ip in 10.0.0.0/8"), 4, AT + 6, "write [10.0.0.0/8]"},
		{WHEN("ip in [10.0.0.1/8]"), 4, AT + 7, "bits behind the prefix"},
		{WHEN("ip in [0.0.0.0/0]"), 4, AT + 7, "everybody"},
		{WHEN("ip in [::/0]"), 4, AT + 7, "everybody"},
		{WHEN("ip in [::/8]"), 4, AT + 7, "every IPv4 address"},
		{WHEN("ip in [0.0.0.0]"), 4, AT + 7, "unspecified"},
		{WHEN("ip in @nobody"), 4, AT + 6, "no set named \"nobody\""},
		{WHEN("ip in [DE]"), 4, AT + 7, "not an address"},
		{WHEN("ip.country == UK"), 4, AT + 14, "did you mean \"GB\"?"},
		{WHEN("ip.country == EU"), 4, AT + 14, "ip.continent == EU"},
		{WHEN("ip.country in [de]"), 4, AT + 15, "upper case"},
		{WHEN("ip.country == XX"), 4, AT + 14, "ISO 3166"},
		{WHEN("ip.continent == DE"), 4, AT + 16, "not a continent"},
		{WHEN("ip.asn == 64500"), 4, AT + 10, "write AS64500"},
		{WHEN("ip.asn == AS4294967296"), 4, AT + 10, "from AS1"},
		{WHEN("tls.version == 1.1"), 4, AT + 15, "not one of"},
		{WHEN("int(header.x) > 5"), 4, AT + 12, "a comma"},
		{WHEN("int(header.x, 0) == \"5\""), 4, AT + 20, "text cannot be compared with int"},
		{WHEN("int(header.x, 0) in 9..5"), 4, AT + 20, "range is empty"},
		{WHEN("int(header.x, 0) in 5"), 4, AT + 20, "write [5]"},
		{WHEN("int(header.x, 99999999999999999999) > 5"), 4, AT + 14, "neither an integer"},
		{WHEN("len(ip) > 5"), 4, AT + 4, "len takes text, not ip"},
		{WHEN("count(path) > 5"), 4, AT + 6, "several values"},
		{WHEN("size(path) > 5"), 4, AT, "no function size"},
		{WHEN("lower(lower(lower(lower(lower(path))))) == \"/a\""), 4, AT, "inside each other"},
		{WHEN("net(ip, 33, 64) in [10.0.0.0/8]"), 4, AT + 8, "1 to 32"},
		{WHEN("clock(now) in 1:00..2:00"), 4, AT + 9, "a time zone"},
		{WHEN("clock(now, \"Europe/Berln\") in 01:00..02:00"), 4, AT + 11, "not a zone"},
		{WHEN("clock(now, \"../../etc/passwd\") in 01:00..02:00"), 4, AT + 11, "not a zone"},
		{WHEN("clock(now, \"UTC\") in 1:00..02:00"), 4, AT + 21, "not a time of day"},
		{WHEN("clock(now, \"UTC\") in 24:00..02:00"), 4, AT + 21, "not a time of day"},
		{WHEN("weekday(now, \"UTC\") == Sunday"), 4, AT + 23, "not one of the known words"},
		{WHEN("now > 2027-13-01"), 4, AT + 6, "not a date"},
		{WHEN("path matches \"^/a\""), 4, AT + 13, "r\"...\""},
		{WHEN("path matches r\"^/(a\""), 4, AT + 15, "not valid"},
		{WHEN("path matches r\"^/a\\8\""), 4, AT + 18, "not valid"},
		{WHEN("path matches r\"^(a)\\1\""), 4, AT + 19, "not valid"},
		{WHEN("path matches r\"^/((a{100}){100}){100}\""), 4, AT + 20, "not valid"},
		{WHEN("path == \"/a\" and"), 4, AT + 16, "a field is expected here, not the end"},
		{WHEN("path == \"/a\" and path == \"/b\" or true"), 4, AT + 30, "mixed; put brackets"},
		{WHEN("(path == \"/a\""), 4, AT + 13, "not closed"},
		{WHEN("path == \"/a\")"), 4, AT + 12, "too much here"},
		{WHEN("path == \"/a\" path"), 4, AT + 13, "too much here"},
		{WHEN("path == \"/a\" && true"), 4, AT + 13, "write `and`"},
		{WHEN("! path == \"/a\""), 4, AT, "write `not`"},
		{WHEN("path == \"/a\" # why"), 4, AT + 13, "no comments"},
		{WHEN("false"), 4, AT, "mode: off"},
		{WHEN("label.x"), 4, AT, "no label named \"x\""},
		{WHEN("switch.x"), 4, AT, "no switch named \"x\""},
		{WHEN("tls.client.verified == true"), 4, AT + 23, "stands alone"},
		{WHEN("tls.client.verified is present"), 4, AT + 23, "never missing"},
		{WHEN("body.name == \"x\""), 4, AT, "not in this version"},
		{WHEN("args.q == \"x\""), 4, AT, "not in this version"},
		{WHEN("args contains \"x\""), 4, AT, "not in this version"},
		{WHEN("json.items[*].note == \"x\""), 4, AT, "not in this version"},
		{WHEN("response.status == 401"), 4, AT, "not in this version"},
		{WHEN("waf.score > 5"), 4, AT, "not in this version"},
		{WHEN("jwt.sub == \"x\""), 4, AT, "not in this version"},
		{WHEN("sha256(header.x) == \"abc\""), 4, AT + 20, "64 hexadecimal digits"},
		{WHEN("((((((((((((((((((((((((((((((((true))))))))))))))))))))))))))))))))"), 4, AT + 32, "deeper than 32"},
		{WHEN("method == GET and method == POST"), 4, AT - 1, "contradict"},
		{WHEN("header.x == \"a\" and not header.x == \"a\""), 4, AT - 1, "contradict"},
		{HEAD "rules:\n  - {id: r, do: block, when: path == \"/a\"}\n", 4, 30, "single quotes"},
		{HEAD "rules:\n  - {id: r, do: block, when: \"method == GET\"}\n", 4, 30, "single quotes"},
		{HEAD "rules:\n  - id: r\n    do: block\n    when: |\n      method == GET\n      and pth == \"/\"\n", 8, 11, "did you mean \"path\""},
		{HEAD "rules:\n  - {id: r, do: block, when: ''}\n", 4, 30, "empty"},
	};

	(void)state;
	REFUSE(rows);
}

static void a_broken_file_is_shown_at_its_place(void **state)
{
	static const struct row rows[] = {
		{"waf: {mode: off}\n", 1, 1, "\"policy\" is missing"},
		{"policy: Shop\n", 1, 9, "not a name"},
		{HEAD "language: 2\n", 3, 11, "out of bounds"},
		{HEAD "extends: base\n", 3, 1, "not in this version"},
		{HEAD "headers: []\n", 3, 1, "not in this version"},
		{HEAD "jwt: {}\n", 3, 1, "not in this version"},
		{HEAD "rulez: []\n", 3, 1, "did you mean \"rules\"?"},
		{HEAD "rules:\n  - {do: block}\n", 4, 5, "\"id\" is missing"},
		{HEAD "rules:\n  - {id: r}\n", 4, 5, "\"do\" is missing"},
		{HEAD "rules:\n  - {id: r, do: block, dooo: 1}\n", 4, 24, "no key \"dooo\""},
		{HEAD "rules:\n  - {id: r, do: blok}\n", 4, 17, "did you mean \"block\"?"},
		{HEAD "rules:\n  - {id: r, do: block 200}\n", 4, 17, "from 400 to 599"},
		{HEAD "rules:\n  - {id: r, do: redirect 303, to: /x}\n", 4, 17, "301, 302, 307 or 308"},
		{HEAD "rules:\n  - {id: r, do: redirect 301}\n", 4, 5, "needs `to`"},
		{HEAD "rules:\n  - {id: r, do: redirect 301, to: //evil.example}\n", 4, 35, "begins with https://"},
		{HEAD "rules:\n  - {id: r, do: redirect 301, to: /, keep: path}\n", 4, 35, "to itself"},
		{HEAD "rules:\n  - {id: r, do: redirect 301, to: 'https://u@h.example'}\n", 4, 35, "no host, or a user"},
		{HEAD "rules:\n  - {id: r, do: redirect 301, to: 'https://h/?a=', keep: path}\n", 4, 35, "cannot have a query"},
		{HEAD "rules:\n  - {id: r, do: block, to: /x}\n", 4, 28, "belongs to redirect"},
		{HEAD "rules:\n  - {id: r, do: block, from: [x]}\n", 4, 30, "belongs to exempt"},
		{HEAD "rules:\n  - {id: r, do: redirect 301, to: /x, retry_after: 5m}\n", 4, 52, "belongs to block"},
		{HEAD "rules:\n  - {id: r, do: block, retry_after: 5}\n", 4, 37, "duration"},
		{HEAD "rules:\n  - {id: r, do: challenge}\n", 4, 17, "not in this version"},
		{HEAD "rules:\n  - {id: r, do: label Gold!}\n", 4, 17, "a label is named"},
		{HEAD "rules:\n  - {id: waf, do: block}\n", 4, 5, "cannot be named waf"},
		{HEAD "rules:\n  - {id: r, do: block, mode: {enforce: 10%}}\n", 4, 30, "not in this version"},
		{HEAD "rules:\n  - {id: r, do: block, mode: dry}\n", 4, 30, "enforce, detect or off"},
		{HEAD "rules:\n  - {id: r, do: block, on_failure: pass}\n", 4, 36, "match or skip"},
		{HEAD "rules:\n  - {id: r, do: label x, on_failure: match}\n", 4, 38, "on_failure is skip"},
		{HEAD "rules:\n  - {id: r, do: block, expires: tomorrow}\n", 4, 33, "not a date"},
		{HEAD "rules:\n  - {id: r, do: block, starts: 2027-02-01, expires: 2027-01-01}\n", 4, 53, "not after `starts`"},
		{HEAD "rules:\n  - {id: r, do: block}\n  - {id: r, do: label x}\n", 4, 5, "used twice"},
		{HEAD "rules:\n  - {id: a, do: block, when: 'path under \"/a\"'}\n  - {id: b, do: block, when: 'path under \"/a/b\" and method == GET'}\n", 5, 5, "never decides"},
		{HEAD "rules:\n  - {id: a, do: block 404, when: 'method == GET'}\n  - {id: b, do: block, when: 'method == GET'}\n", 5, 5, "never decides"},
		{HEAD "rules:\n  - {id: a, do: block 404}\n  - {id: b, do: block, when: 'method == GET'}\n", 5, 5, "never decides"},
		{HEAD "rules:\n  - {id: a, do: label x, when: 'label.y'}\n  - {id: b, do: label y}\n", 4, 33, "no rule further up sets label y"},
		{HEAD "rules:\n  - {id: a, do: label x, when: 'label.x'}\n", 4, 33, "no rule further up sets label x"},
		{HEAD "switches: [a]\n", 3, 11, "a mapping"},
		{HEAD "switches: {a: long}\n", 3, 15, "for how long"},
		{HEAD "switches: {a: 1h, b: 1h, c: 1h, d: 1h, e: 1h, f: 1h, g: 1h, h: 1h, i: 1h}\n", 3, 68, "at most 8 switches"},
		{HEAD "rules:\n  - {id: r, do: block}\nrules: []\n", 5, 1, "rules"},
	};

	(void)state;
	REFUSE(rows);
}

#define LOOSE ", why: x, owner: y, expires: 2027-02-01"
#define TWO HEAD "rules:\n  - {id: b, do: block, when: 'ip.country == KP'}\n"

static void what_loosens_says_why_who_and_until_when(void **state)
{
	static const struct row rows[] = {
		{TWO "  - {id: e, do: exempt, from: [b], when: 'method == GET', owner: y}\n", 5, 5, "add `why`"},
		{TWO "  - {id: e, do: exempt, from: [b], when: 'method == GET', why: x}\n", 5, 5, "add `owner`"},
		{TWO "  - {id: e, do: exempt, from: [waf], when: 'method == GET', why: x, owner: y}\n", 5, 5, "add `expires`"},
		{TWO "  - {id: e, do: exempt, from: [b], when: 'method == GET', why: x, owner: y, expires: 2028-01-01}\n", 5, 86, "more than 400 days"},
		{TWO "  - {id: e, do: exempt, from: [b], why: x, owner: y}\n", 5, 5, "exempt without `when`"},
		{TWO "  - {id: e, do: exempt, from: [b], when: 'true', why: x, owner: y}\n", 5, 5, "exempt without `when`"},
		{TWO "  - {id: e, do: exempt, from: [b], when: 'header.user-agent contains \"bot\"'" LOOSE "}\n", 5, 42, "merely claims"},
		{TWO "  - {id: e, do: exempt, from: [b], when: 'ip in [10.0.0.0/8] or header.x is present'" LOOSE "}\n", 5, 42, "merely claims"},
		{TWO "  - {id: e, do: exempt, from: [b], when: 'not (ip in [10.0.0.0/8] and header.x is present)'" LOOSE "}\n", 5, 42, "merely claims"},
		{TWO "  - {id: l, do: label bot, when: 'header.x is present'}\n  - {id: e, do: exempt, from: [b], when: 'label.bot'" LOOSE "}\n", 6, 42, "merely claims"},
		{TWO "  - {id: e, do: exempt, from: [c], when: 'method == GET'" LOOSE "}\n", 5, 32, "no entry has the id \"c\""},
		{TWO "  - {id: e, do: exempt, from: [e], when: 'method == GET'" LOOSE "}\n", 5, 32, "cannot be lifted"},
		{TWO "  - {id: e, do: exempt, when: 'method == GET'" LOOSE "}\n", 5, 5, "exempt needs `from`"},
		{TWO "  - {id: e, do: exempt, from: b, when: 'method == GET'" LOOSE "}\n", 5, 31, "a list of ids"},
		{HEAD "rules:\n  - {id: b, do: block, locked: true, when: 'ip.country == KP'}\n  - {id: e, do: exempt, from: [b], when: 'method == GET'" LOOSE "}\n", 5, 32, "locked"},
		{"policy: t\nwaf: {locked: true}\nrules:\n  - {id: e, do: exempt, from: [waf], when: 'method == GET'" LOOSE "}\n", 4, 32, "locked"},
		{HEAD "bodies:\n  - {id: up, inspect: head, when: 'path under \"/up\"'}\n", 4, 5, "add `why`"},
		{HEAD "bodies:\n  - {id: up, inspect: head, when: 'header.x is present'" LOOSE "}\n", 4, 35, "merely claims"},
		{"policy: t\nwaf:\n  exclude:\n    - {rule: 942100}\n", 4, 7, "add `why`"},
		{"policy: t\nwaf:\n  exclude:\n    - {rule: 942100, when: 'header.x is present'" LOOSE "}\n", 4, 28, "merely claims"},
	};

	(void)state;
	REFUSE(rows);
}

static void limits_and_bodies_are_checked(void **state)
{
	static const struct row rows[] = {
		{HEAD "limits:\n  - {id: l}\n", 4, 5, "\"rate\" is missing"},
		{HEAD "limits:\n  - {id: l, rate: 10/1m}\n", 4, 19, "10 per 1m"},
		{HEAD "limits:\n  - {id: l, rate: 0 per 1m}\n", 4, 19, "a rate is 1 to"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1ms}\n", 4, 19, "per 1s"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, burst: 0}\n", 4, 37, "burst is a whole number"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, cost: 11}\n", 4, 36, "at most the burst"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, cost: 'int(query.n, 1)'}\n", 4, 36, "not in this version"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, count: 'response.status == 401'}\n", 4, 30, "not in this version"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, ban: 10m}\n", 4, 30, "not in this version"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, ban_scope: site}\n", 4, 30, "not in this version"},
		{HEAD "limits:\n  - {id: l, concurrent: 5}\n", 4, 13, "not in this version"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, overshoot: 1%}\n", 4, 41, "not in this version"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, over: exempt}\n", 4, 36, "block or redirect"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, over: redirect 302}\n", 4, 36, "needs `to`"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, key: ip}\n", 4, 35, "key is a list"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, key: []}\n", 4, 35, "key is a list"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, key: [ipp]}\n", 4, 36, "did you mean \"ip\"?"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, key: ['ip == 10.0.0.1']}\n", 4, 40, "one field or function"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, key: [body.user]}\n", 4, 36, "not in this version"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, key: [ip, path, host, site, method]}\n", 4, 35, "1 to 4"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, key: [header.x]}\n", 4, 5, "only by what the client claims"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, key: [header.x]}\n  - {id: m, rate: 10 per 1m, when: 'method == GET'}\n", 4, 5, "only by what the client claims"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, key: [header.x]}\n  - {id: m, rate: 10 per 1m, mode: detect}\n", 4, 5, "only by what the client claims"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, on_failure: match}\n", 4, 42, "local, pass or block"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, on_failure: {when: pass}}\n", 4, 49, "match or skip"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, on_failure: {stor: pass}}\n", 4, 43, "knows when and store"},
		{HEAD "limits:\n  - {id: l, rate: 10 per 1m, missing: pass}\n", 4, 39, "missing"},
		{HEAD "bodies:\n  - {id: b, max: 1MB}\n", 4, 18, "max"},
		{HEAD "bodies:\n  - {id: b, types: [JSON]}\n", 4, 5, "not a media type"},
		{HEAD "bodies:\n  - {id: b, mode: detect}\n", 4, 19, "not in this version"},
		{HEAD "bodies:\n  - {id: b, files: {max: 1MiB}}\n", 4, 13, "not in this version"},
		{HEAD "bodies:\n  - {id: b}\n  - {id: c, when: 'method == POST'}\n", 5, 5, "never applies"},
	};

	(void)state;
	REFUSE(rows);
}

#define WAF(text) "policy: t\nwaf:\n  exclude:\n    - {" text LOOSE "}\n"

/* The entry begins in line 4, column 7. */
#define WAF_AT(text) "policy: t\nwaf:\n  at:\n    - " text "\n  paranoia: 2\n  responses: {mode: enforce, body: true}\n"

static void the_waf_is_checked(void **state)
{
	static const struct row rows[] = {
		{"policy: t\nwaf: off\n", 2, 6, "waf"},
		{"policy: t\nwaf: {mode: on}\n", 2, 13, "enforce, detect or off"},
		{"policy: t\nwaf: {mode: {enforce: 10%}}\n", 2, 13, "not in this version"},
		{"policy: t\nwaf: {paranoia: 5}\n", 2, 17, "out of bounds"},
		{"policy: t\nwaf: {paranoia: 3, detection_paranoia: 2}\n", 2, 6, "below paranoia"},
		{"policy: t\nwaf: {threshold: {request: 0}}\n", 2, 28, "out of bounds"},
		{"policy: t\nwaf: {on_failure: match}\n", 2, 19, "block or pass"},
		{"policy: t\nwaf: {candidate: {ruleset: x}}\n", 2, 7, "not in this version"},
		{"policy: t\nwaf: {responses: {mode: on}}\n", 2, 25, "enforce, detect or off"},
		{"policy: t\nwaf: {mode: off, responses: {mode: detect}}\n", 2, 36, "only where requests are"},
		{"policy: t\nwaf: {responses: {mode: enforce, max: 17MiB}}\n", 2, 39, "out of bounds"},
		{"policy: t\nwaf: {responses: {mode: enforce, beyond: cut}}\n", 2, 42, "pass"},
		{"policy: t\nwaf: {responses: {mode: enforce, body: true, types: [html]}}\n", 2, 25, "not a media type"},
		{"policy: t\nwaf: {responses: {mode: enforce, body: true, types: [text/event-stream]}}\n", 2, 25, "no end"},
		{"policy: t\nwaf: {responses: {mode: enforce, types: [text/html]}}\n", 2, 25, "body: true"},
		{WAF_AT("{mode: on}"), 4, 14, "enforce, detect or off"},
		{WAF_AT("{paranoia: 0}"), 4, 18, "out of bounds"},
		{WAF_AT("{detection_paranoia: 1, paranoia: 3}"), 4, 7, "below paranoia"},
		{WAF_AT("{on_failure: match, paranoia: 3}"), 4, 20, "skip"},
		{WAF_AT("{responses: {mode: detect}, mode: off" LOOSE "}"), 4, 26, "only where requests are"},
		{WAF_AT("{responses: {mod: detect}}"), 4, 20, "did you mean"},
		{WAF_AT("{mode: detect}"), 4, 7, "add `why`"},
		{WAF_AT("{mode: detect, when: 'header.x is present'" LOOSE "}"), 4, 28, "merely claims"},
		{WAF_AT("{paranoia: 1, when: 'path under \"/a\"'}"), 4, 7, "add `why`"},
		{WAF_AT("{threshold: {request: 6}, when: 'path under \"/a\"'}"), 4, 7, "add `why`"},
		{WAF_AT("{responses: {mode: detect, body: true}, when: 'path under \"/a\"'}"), 4, 7, "add `why`"},
		{WAF_AT("{responses: {mode: enforce}, when: 'path under \"/a\"'}"), 4, 7, "add `why`"},
		{WAF_AT("{responses: {mode: enforce, body: true, max: 1KiB}}"), 4, 7, "add `why`"},
		{WAF_AT("{responses: {mode: enforce, body: true, types: [text/csv]}}"), 4, 7, "add `why`"},
		{WAF_AT("{paranoia: 3, when: 'path under \"/a\"'}\n    - {paranoia: 4, when: 'path under \"/a/b\"'}"), 5, 7, "never applies"},
		{"policy: t\nwaf:\n  locked: true\n  at:\n    - {mode: detect" LOOSE "}\n", 5, 7, "locked"},
		{WAF("id: x"), 4, 7, "one of rule, rules and tag"},
		{WAF("rule: 1, tag: attack-sqli"), 4, 7, "one of rule, rules and tag"},
		{WAF("rule: sqli"), 4, 14, "named by its number"},
		{WAF("rule: 949110"), 4, 14, "sums up the score"},
		{WAF("rules: [942100, 901100]"), 4, 24, "sums up the score"},
		{WAF("rules: 942100"), 4, 15, "a list of"},
		{WAF("tag: attack-generic"), 4, 13, "carry the tag"},
		{WAF("rule: 942100, mode: detect"), 4, 22, "no key \"mode\""},
		{WAF("rule: 942100, on_failure: match"), 4, 34, "skip"},
		{WAF("rule: 942100, target: body.q"), 4, 30, "no target"},
		{WAF("rule: 942100, target: args"), 4, 30, "names one value"},
		{WAF("rule: 942100, target: args."), 4, 30, "names one value"},
		{WAF("rule: 942100, target: 'args.a|b'"), 4, 30, "names one value"},
		{WAF("rule: 942100, target: 'args.q,ctl:ruleEngine=Off'"), 4, 30, "names one value"},
		{WAF("rule: 942100, target: json"), 4, 30, "a path is missing"},
		{WAF("rule: 942100, target: json..a"), 4, 30, "a name is missing"},
		{WAF("rule: 942100, target: 'json.items[*].note'"), 4, 30, "not in this version"},
		{WAF("rule: 942100, target: 'json.items[x]'"), 4, 30, "an index"},
		{WAF("rule: 942100, target: 'json.items[1'"), 4, 30, "not closed"},
	};

	(void)state;
	REFUSE(rows);
}

static void tests_are_checked_but_not_run(void **state)
{
	static const struct row rows[] = {
		{HEAD "tests:\n  - {send: 'GET /'}\n", 4, 5, "what to `expect`"},
		{HEAD "tests:\n  - {expect: pass}\n", 4, 5, "what to `send`"},
		{HEAD "tests:\n  - {send: GET, expect: pass}\n", 4, 12, "'GET /path'"},
		{HEAD "tests:\n  - {send: 'GET /a b', expect: pass}\n", 4, 12, "no spaces"},
		{HEAD "tests:\n  - {send: 'GET /', expect: deny}\n", 4, 29, "expect is pass"},
		{HEAD "tests:\n  - {send: 'GET /', expect: block 200}\n", 4, 29, "expect is pass"},
		{HEAD "tests:\n  - {send: 'GET /', expect: pass, by: r}\n", 4, 39, "no entry has the id \"r\""},
		{HEAD "tests:\n  - {send: 'GET /', expect: pass, country: UK}\n", 4, 44, "GB"},
		{HEAD "tests:\n  - {send: 'GET /', expect: pass, asn: 5}\n", 4, 40, "AS64500"},
		{HEAD "tests:\n  - {send: 'GET /', expect: pass, client: 10.0.0.0/8}\n", 4, 43, "one address"},
		{HEAD "tests:\n  - {send: 'GET /', expect: pass, at: noon}\n", 4, 39, "not a date"},
		{HEAD "tests:\n  - {send: 'GET /', expect: pass, switch: [x]}\n", 4, 44, "no switch named"},
		{HEAD "tests:\n  - {send: 'GET /', expect: pass, headers: [x]}\n", 4, 44, "a mapping"},
		{HEAD "tests:\n  - {send: 'POST /', expect: pass, json: '{}', body: x}\n", 4, 5, "one body"},
		{HEAD "tests:\n  - {send: 'GET /', expect: pass, repeat: 0}\n", 4, 43, "out of bounds"},
		{HEAD "tests:\n  - {send: 'GET /', expect: pass, passed: 2}\n", 4, 5, "more passed than are sent"},
		{HEAD "tests:\n  - {send: 'GET /', expect: pass, response: {status: 100}}\n", 4, 54, "out of bounds"},
		{HEAD "tests:\n  - {send: 'GET /', steps: [{send: 'GET /', expect: pass}]}\n", 4, 5, "steps, or send"},
		{HEAD "tests:\n  - {steps: [{send: 'GET /', expect: pas}]}\n", 4, 38, "expect is pass"},
	};
	struct help h;

	(void)state;
	REFUSE(rows);
	help_begin(&h, HEAD "switches: {panic: 1h}\nrules:\n  - {id: r, do: block}\ntests:\n"
			    "  - {send: 'POST /x?y=1', headers: {x-a: b}, form: {a: b}, client: '2001:db8::1', country: KP, asn: AS5, cert: CN=x,"
			    " at: 2027-01-01T00:00:00Z, switch: [panic], response: {status: 401}, repeat: 6, after: 5s, expect: block 429,"
			    " by: r, not_by: 942100, passed: 5}\n"
			    "  - {steps: [{send: 'GET /', expect: pass}, {send: 'OPTIONS *', after: 1m, expect: redirect 301}]}\n");
	help_done(&h);
}

static void what_is_allowed_but_unwise_is_a_warning(void **state)
{
	static const struct row rows[] = {
		{"policy: t\n", 1, 1, "no `waf`"},
		{WHEN("path matches r\"admin\""), 4, AT + 15, "anywhere in the path"},
		{WHEN("host matches r\"^shop\""), 4, AT + 15, "parts of other hosts"},
		{WHEN("header.x matches r\"^www.example\""), 4, AT + 23, "any character"},
		{WHEN("host ends \".example.com\""), 4, AT + 10, "under \"example.com\""},
		{WHEN("path under \"/\""), 4, AT + 11, "every path"},
		{WHEN("path == \"/login\""), 4, AT + 8, "\"/login/\" passes"},
		{WHEN("path starts \"/a%20b\""), 4, AT + 12, "path is decoded"},
		{WHEN("path starts \"/a?x=\""), 4, AT + 12, "the query is not part of path"},
		{HEAD "rules:\n  - {id: r, do: block, expires: 2026-11-10}\n", 4, 33, "within 14 days"},
		{HEAD "rules:\n  - {id: r, do: block, expires: 2026-10-10}\n", 4, 33, "expired"},
		{TWO "  - {id: e, do: exempt, from: [b], when: 'method == GET and header.x != \"a\"'" LOOSE "}\n", 5, 61, "also true where the value is missing"},
		{TWO "  - {id: e, do: exempt, from: [b], when: 'not (method == GET and header.x == \"a\") and host == \"a\"'" LOOSE "}\n", 5, 66, "also true where the value is missing"},
		{WAF("tag: attack-sqli"), 4, 13, "every rule with the tag"},
	};

	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct help h;

		help_begin(&h, rows[i].text);
		wrong += !points_at(&rows[i], first(&h.fail, FAIL_WARNING));
		help_done(&h);
	}
	assert_int_equal(wrong, 0);
}

static void what_is_sound_has_no_findings(void **state)
{
	static const char *const texts[] = {
		HEAD,
		WHEN("path == \"/robots.txt\" or path in [\"/\", \"*\"]"),
		WHEN("path matches r\"(?i)^/a\\.b\" and host matches r\"^(www\\.)?a\\.test$\""),
		TWO "  - {id: e, do: exempt, from: [b], when: 'header.x is present and ip in [10.0.0.0/8]'" LOOSE "}\n",
		TWO "  - {id: e, do: exempt, from: [b], when: 'ip in [10.0.0.0/8]', why: x, owner: y}\n",
		TWO "  - {id: c, do: block, when: 'ip.country == IR'}\n",
		/* An earlier rule that can be lifted, expires, only watches or skips the unknown leaves room. */
		TWO "  - {id: e, do: exempt, from: [b], when: 'ip in [10.0.0.0/8]', why: x, owner: y}\n"
		    "  - {id: c, do: block 404, when: 'ip.country == KP'}\n",
		HEAD "rules:\n  - {id: b, do: block, mode: detect}\n  - {id: c, do: block}\n",
		HEAD "rules:\n  - {id: b, do: block, on_failure: skip, when: 'ip.country == KP'}\n  - {id: c, do: block, when: 'ip.country == KP'}\n",
		HEAD "rules:\n  - {id: l, do: label gold, when: 'sha256(header.k) in @g'}\n"
		     "limits:\n  - {id: l2, rate: 5 per 1m, key: [header.k], when: 'label.gold and path under \"/a\"'}\n"
		     "sets: {g: [2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824]}\n",
		HEAD "limits:\n  - {id: l, rate: 5 per 1m, key: [header.k], when: 'path under \"/a/b\"'}\n"
		     "  - {id: m, rate: 5 per 1m, when: 'path under \"/a\"', overshoot: exact}\n",
		WAF("rule: 920300, target: header.Accept"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct help h;

		help_begin(&h, texts[i]);
		if (h.fail.warnings)
			fail_msg("%s\n%s", first(&h.fail, FAIL_WARNING)->text, texts[i]);
		help_done(&h);
	}
}

static void a_database_that_may_be_absent_needs_a_decision(void **state)
{
	static const struct {
		const char *text;
		bool fine;
	} rows[] = {
		{HEAD "rules:\n  - {id: r, do: block, when: 'ip.country == KP'}\n", false},
		{HEAD "rules:\n  - {id: r, do: block, on_failure: skip, when: 'ip.country == KP'}\n", true},
		{HEAD "rules:\n  - {id: r, do: block, on_failure: match, when: 'ip.asn == AS5'}\n", true},
		{HEAD "rules:\n  - {id: l, do: label x, when: 'ip.country == KP'}\n", true},
		{HEAD "rules:\n  - {id: l, do: label x, when: 'ip.country == KP'}\n  - {id: r, do: block, when: 'label.x'}\n", false},
		{HEAD "limits:\n  - {id: l, rate: 5 per 1m, when: 'ip.country == KP'}\n", false},
		{HEAD "limits:\n  - {id: l, rate: 5 per 1m, on_failure: block, when: 'ip.country == KP'}\n", false},
		{HEAD "limits:\n  - {id: l, rate: 5 per 1m, on_failure: {when: skip, store: local}, when: 'ip.country == KP'}\n", true},
		{HEAD "rules:\n  - {id: r, do: block, when: 'method == GET'}\n", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct policy_source from = {.path = "p.yaml", .bytes = slice_of(rows[i].text), .now = TEST_NOW, .geoip_optional = true};
		struct fail f = {0};
		struct arena a;

		arena_init(&a, NULL, 65536);
		if ((policy_compile(&a, &from, &f) != NULL) != rows[i].fine)
			fail_msg("%s", rows[i].text);
		fail_done(&f);
		arena_done(&a);
	}
}

static void a_rule_set_must_be_known(void **state)
{
	static const char *const known[] = {"crs", "crs-next", NULL};
	struct policy_source from = {.path = "p.yaml", .now = TEST_NOW, .rulesets_known = true, .rulesets = known};
	struct fail f = {0};
	struct arena a;

	(void)state;
	arena_init(&a, NULL, 65536);
	from.bytes = SLICE("policy: t\nwaf: {ruleset: crs-next}\n");
	assert_non_null(policy_compile(&a, &from, &f));
	from.bytes = SLICE("policy: t\nwaf: {ruleset: crs-nxt}\n");
	assert_null(policy_compile(&a, &from, &f));
	assert_non_null(strstr(f.at[0].text, "did you mean \"crs-next\""));
	fail_done(&f);
	arena_done(&a);
}

/* Every allocation fails once: a finding or nothing, never a crash or a half policy. */
static void memory_may_end_anywhere(void **state)
{
	static const char text[] =
		"policy: t\nwaf: {exclude: [{rule: 5, target: args.q, why: x, owner: y, expires: 2027-02-01}]}\nsets: {s: [DE, FR], n: [10.0.0.0/8]}\n"
		"rules:\n  - {id: l, do: label x, when: 'ip.country in @s or header.a in [\"b\", \"c\"]'}\n"
		"  - {id: b, do: block, when: 'label.x and path matches r\"^/a\" and clock(now, \"Europe/Berlin\") in 01:00..02:00'}\n"
		"limits:\n  - {id: m, rate: 5 per 1m, key: [ip, 'lower(query.q)']}\nbodies:\n  - {id: u, types: [a/b, c/d]}\n";
	bool failed = true, compiled;

	(void)state;
	for (size_t room = 256; failed; room += 96) {
		static char memory[1 << 20];
		struct policy_source from = {.path = "p.yaml", .bytes = slice_of(text), .now = TEST_NOW};
		struct fail f = {0};
		struct arena a;

		assert_true(room < sizeof memory);
		arena_init_fixed(&a, memory, room);
		failed = policy_compile(&a, &from, &f) == NULL;
		assert_int_equal(failed, f.errors > 0);
		fail_done(&f);
	}
	failed = true;
	for (unsigned long n = 1; failed; n++) {
		struct policy_source from = {.path = "p.yaml", .bytes = slice_of(text), .now = TEST_NOW};
		struct fail f = {0};
		struct arena a;

		arena_init(&a, NULL, 1 << 20);
		mem_fail_at(n);
		compiled = policy_compile(&a, &from, &f) != NULL;
		assert_int_equal(compiled, f.errors == 0);
		failed = mem_failed();
		mem_fail_at(0);
		fail_done(&f);
		arena_done(&a);
	}
}

/* Bytes of a good policy changed at random: whatever comes of it, findings or a policy that can be asked. */
static void no_bytes_break_the_compiler(void **state)
{
	static const char good[] =
		"policy: t\nwaf: {exclude: [{rule: 5, target: 'json.a[0]', why: x, owner: y, expires: 2027-02-01}]}\nsets: {s: [DE, FR], n: [10.0.0.0/8]}\n"
		"rules:\n  - {id: l, do: label x, when: 'ip.country in @s or header[\"a\"] in [\"b\", \"\\x41\"]'}\n"
		"  - {id: b, do: block, when: 'label.x and path matches r\"^/a\" and clock(now, \"UTC\") in 01:00..02:00'}\n"
		"  - {id: c, do: redirect 301, to: /x, keep: path, when: 'not (int(query.n, 5) > 3 or net(ip, 24, 48) in @n)'}\n"
		"limits:\n  - {id: m, rate: 5 per 1m, key: [ip, 'lower(query.q)']}\n";
	static const char alphabet[] = "\"'[](){}@.,:<>=!& \n\\#*|-_0129azAZ\x80\xff/";
	uint64_t seed = 12345;
	unsigned compiled = 0;
	struct help sound;

	(void)state;
	help_begin(&sound, good);
	help_done(&sound);
	for (unsigned i = 0; i < 4000; i++) {
		char text[sizeof good];
		struct help h;

		memcpy(text, good, sizeof good);
		for (unsigned k = 0; k <= i % 3; k++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			text[(seed >> 33) % (sizeof good - 1)] = alphabet[(seed >> 20) % (sizeof alphabet - 1)];
		}
		help_compile(&h, text);
		assert_int_equal(h.policy == NULL, h.fail.errors > 0);
		if (h.policy) {
			compiled++;
			help_request(&h);
			h.facts.query = SLICE("n=7&q=%41");
			help_ask(&h);
		}
		help_done(&h);
	}
	print_message("%u of 4000 compiled\n", compiled);
	assert_in_range(compiled, 20, 3900);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_broken_expression_is_shown_at_its_byte),
		cmocka_unit_test(a_broken_file_is_shown_at_its_place),
		cmocka_unit_test(what_loosens_says_why_who_and_until_when),
		cmocka_unit_test(limits_and_bodies_are_checked),
		cmocka_unit_test(the_waf_is_checked),
		cmocka_unit_test(tests_are_checked_but_not_run),
		cmocka_unit_test(what_is_allowed_but_unwise_is_a_warning),
		cmocka_unit_test(what_is_sound_has_no_findings),
		cmocka_unit_test(a_database_that_may_be_absent_needs_a_decision),
		cmocka_unit_test(a_rule_set_must_be_known),
		cmocka_unit_test(memory_may_end_anywhere),
		cmocka_unit_test(no_bytes_break_the_compiler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
