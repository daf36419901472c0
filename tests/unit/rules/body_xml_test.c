/* body_xml_test.c -- XML to the letter, and what of it the rules are shown. */
#include "bed.h"
#include "rules/body.h"

static struct guard guard;
static struct arena arena;
static struct extras told;

static int open_bed(void **state)
{
	(void)state;
	guard_open(&guard, 65536);
	arena_init(&arena, NULL, 4096);
	return 0;
}

static int close_bed(void **state)
{
	(void)state;
	guard_close(&guard);
	arena_done(&arena);
	return 0;
}

static struct body_fault check(struct slice body)
{
	static const struct body_limits limits = {5, 4, 2};

	arena_done(&arena);
	told = (struct extras){.arena = &arena, .most = limits.arguments};
	return body_xml(guard_put(&guard, body), &limits, &told);
}

static void documents(void **state)
{
	static const struct {
		struct slice in;
		bool fine;
		const char *says;
	} rows[] = {
		{B("<a>x</a>"), true, "an element"},
		{B("<a/>"), true, "an empty element"},
		{B("<a ></a >"), true, "space in tags"},
		{B("\n<a/>\n"), true, "white space around it"},
		{B("<?xml version=\"1.0\" encoding=\"UTF-8\"?><a/>"), true, "a declaration"},
		{B("<?xml version='1.0' encoding='utf-8'?><a/>"), true, "a declaration in single quotes"},
		{B("<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"yes\"?>\n<a/>"), true, "a standalone one"},
		{B("\xef\xbb\xbf<?xml version=\"1.0\"?><a/>"), true, "a byte order mark of UTF-8"},
		{B("<a><![CDATA[ <!DOCTYPE x> ]]></a>"), true, "CDATA is text"},
		{B("<a><!-- <!DOCTYPE x> --></a>"), true, "a comment is a comment"},
		{B("<s:a xmlns:s='urn:x'><s:b s:c=\"d\" e='f'/></s:a>"), true, "namespaces"},
		{B("<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x41;</a>"), true, "the entities there are"},
		{B("<a><b><c><d/></c></b></a>"), true, "as deep as allowed"},
		{B("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>"), false, "an entity"},
		{B("<!doctype a><a/>"), false, "whatever begins with <!"},
		{B("<a/><!ENTITY x 'y'>"), false, "an entity outside"},
		{B("<a>&x;</a>"), false, "an entity of nowhere"},
		{B("<a>&nbsp;</a>"), false, "an entity of HTML"},
		{B("<a>& </a>"), false, "a bare ampersand"},
		{B("<a>&#0;</a>"), false, "a reference to NUL"},
		{B("<a>&#xd800;</a>"), false, "a reference to half a letter"},
		{B("<a>&#x110000;</a>"), false, "a reference beyond Unicode"},
		{B("<a>&#12345678901234567890123;</a>"), false, "a reference that overflows"},
		{B("<a>&#X41;</a>"), false, "a reference with a capital X"},
		{B("<a><![CDATA[ x </a>"), false, "CDATA that does not end"},
		{B("<![CDATA[x]]><a/>"), false, "CDATA outside"},
		{B("<a>]]></a>"), false, "the end of CDATA that did not begin"},
		{B("<a><!-- x </a>"), false, "a comment that does not end"},
		{B("<a><!-- x -- y --></a>"), false, "two dashes in a comment"},
		{B("<a><!-- x ---></a>"), false, "three dashes at its end"},
		{B("<?xml version=\"1.0\" "), false, "a declaration that does not end"},
		{B(" <?xml version=\"1.0\"?><a/>"), false, "a declaration that is not first"},
		{B("<?xml version=\"1.1\"?><a/>"), false, "another version"},
		{B("<?xml version=\"1.0\" encoding=\"utf-7\"?><a/>"), false, "another encoding"},
		{B("<?xml version=\"1.0\" encoding=\"utf-8x\"?><a/>"), false, "an encoding that only begins well"},
		{B("<?xml version=\"1.0\" encoding = \"ibm037\"?><a/>"), false, "another encoding, with spaces"},
		{B("<?xml version = '1.0'\n encoding='UTF-8' standalone='no' ?><a/>"), true, "white space where it may be"},
		{B("<?xml junk version=\"1.0\"?><a/>"), false, "a declaration that begins with another word"},
		{B("<?xml version=\"1.0\" junk?><a/>"), false, "a declaration that ends with another word"},
		{B("<?xml encoding=\"utf-8\" version=\"1.0\"?><a/>"), false, "a declaration in another order"},
		{B("<?xml version=\"1.0\" standalone=\"maybe\"?><a/>"), false, "neither standalone nor not"},
		{B("<?xml version=\"1.0\" x='encoding=\"utf-8\"' encoding=\"utf-7\"?><a/>"), false, "two encodings"},
		{B("<?xml version=\"1.0\"encoding=\"utf-8\"?><a/>"), false, "no space between version and encoding"},
		{B("<?xml version=\"1.0\" encoding=?><a/>"), false, "an encoding without a name"},
		{B("<?xml version=\"1.0\" encoding?><a/>"), false, "an encoding without anything"},
		{B("<?xml version=\"1.0'?><a b=\"c\"/>"), false, "a version that ends with another quote"},
		{B("<?xml-stylesheet href='a'?><a/>"), false, "an instruction where the declaration would be"},
		{B("\xff\xfe<\0a\0/\0>\0"), false, "UTF-16"},
		{B("<a>\0</a>"), false, "NUL"},
		{B("<a>\x01</a>"), false, "a control character"},
		{B("<a>\xc0\xbc</a>"), false, "no UTF-8"},
		{B("<a>"), false, "an element that does not end"},
		{B("<a></b>"), false, "another ends"},
		{B("</a>"), false, "an end without a beginning"},
		{B("<a/><b/>"), false, "two roots"},
		{B("<a/>x"), false, "text behind it"},
		{B("x<a/>"), false, "text before it"},
		{B(""), false, "nothing"},
		{B("<a b/>"), false, "an attribute without a value"},
		{B("<a b=c/>"), false, "an attribute without quotes"},
		{B("<a b='c/>"), false, "a quote that does not end"},
		{B("<a b='<'/>"), false, "a tag in an attribute"},
		{B("<a b='c'd='e'/>"), false, "no space between attributes"},
		{B("<a b='c' b='d'/>"), false, "an attribute twice"},
		{B("<1/>"), false, "a name that begins with a digit"},
		{B("< a/>"), false, "a space before the name"},
		{B("<a><b><c><d><e/></d></c></b></a>"), false, "too deep"},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct body_fault f = check(rows[i].in);

		if (!f.why != rows[i].fine)
			fail_msg("%s: %s", rows[i].says, f.why ? f.why : "taken");
	}
}

static void every_cut_is_refused(void **state)
{
	static const struct slice whole = B("<?xml version='1.0'?><a b='c&amp;'>d<!-- e --><![CDATA[f]]><?g h?></a>");

	(void)state;
	assert_null(check(whole).why);
	for (size_t n = 0; n < whole.len; n++)
		assert_non_null(check(slice_first(whole, n)).why);
}

static void values_are_told(void **state)
{
	static const struct {
		const char *in, *name, *value; /* the last that is told; NULL: nothing */
		unsigned n;
	} rows[] = {
		{"<a b=\"1&#39; or\"/>", "xml.attribute", "1' or", 1},
		{"<a><b>1 &lt; 2</b></a>", "xml.text", "1 < 2", 1},
		{"<a>un<!-- x y --><![CDATA[io]]>n sel</a>", "xml.text", "union sel", 2},
		{"<a><!-- x y --></a>", "xml.comment", "x y", 1},
		{"<a><?php echo 1; ?></a>", "xml.instruction", "echo 1;", 1},
		{"<a xmlns='http://www.example.org/a-1/b#c'/>", NULL, NULL, 0},
		{"<a xmlns:b='urn:example:a'/>", NULL, NULL, 0},
		{"<a xmlns:b='http://x/?q=1'/>", "xml.attribute", "http://x/?q=1", 1},
		{"<a xmlns:b='http://x/../y'/>", "xml.attribute", "http://x/../y", 1},
		{"<a href='http://x/'/>", "xml.attribute", "http://x/", 1},
		{"<a id='12' at='2026-11-02T12:00:00Z'>17.5</a>", NULL, NULL, 0},
		{"<a>information_schema</a>", NULL, NULL, 0},
		{"<a>Gartenstuhl</a>", NULL, NULL, 0},
		{"<a b='document.cookie'/>", "xml.attribute", "document.cookie", 1},
		{"<a> \n </a>", NULL, NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct body_fault f = check(slice_of(rows[i].in));
		const struct extra *last = told.n ? &told.at[told.n - 1] : NULL;

		if (f.why || told.n != rows[i].n || (last && (!slice_is(last->name, rows[i].name) || !slice_is(last->value, rows[i].value))))
			fail_msg("%s: %s, %u told, %.*s", rows[i].in, f.why, told.n, SLICE_F(last ? last->value : SLICE_NONE));
	}
}

/* So many elements in one. */
static struct slice repeated(unsigned n)
{
	static char body[2048];
	size_t len = 3;

	memcpy(body, "<a>", 3);
	for (unsigned i = 0; i < n; i++, len += 4)
		memcpy(body + len, "<b/>", 4);
	memcpy(body + len, "</a>", 4);
	return slice_make(body, len + 4);
}

static void bounds_hold(void **state)
{
	char body[8192] = "<a";
	size_t n = 2;

	(void)state;
	assert_null(check(SLICE("<a><b>x y</b><b>x y</b><b>x y</b><b>x y</b><b>x y</b></a>")).why);
	assert_true(check(SLICE("<a><b>x y</b><b>x y</b><b>x y</b><b>x y</b><b>x y</b><b>x y</b></a>")).too_much);
	assert_null(check(repeated(79)).why);
	assert_true(check(repeated(80)).too_much);
	for (unsigned i = 0; i < 100; i++)
		n += (size_t)snprintf(body + n, sizeof body - n, " b%u='1'", i);
	n += (size_t)snprintf(body + n, sizeof body - n, "/>");
	assert_true(check(slice_make(body, n)).too_much);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(values_are_told),
		cmocka_unit_test(bounds_hold),
	};

	return cmocka_run_group_tests(tests, open_bed, close_bed);
}
