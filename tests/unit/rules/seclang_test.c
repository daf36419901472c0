/* seclang_test.c -- names of files in SecLang, as the engine's scanner would come to them. */
#include "bed.h"
#include "rules/seclang.h"

static struct buf told;
static struct guard guard;

static void tell(void *context, const struct seclang_name *n)
{
	static const char letters[] = {[SECLANG_INCLUDE] = 'I', [SECLANG_DATA] = 'D', [SECLANG_SCRIPT] = 'S', [SECLANG_REMOTE] = 'R'};

	(void)context;
	assert_true(buf_print(&told, "%c %.*s %.*s %u:%u\n", letters[n->kind], SLICE_F(n->by), SLICE_F(n->name), n->line, n->column));
}

static const struct {
	const char *in, *want, *says;
} rows[] = {
	{"", "", "nothing"},
	{"SecRule ARGS \"@pmFromFile a.data\" \"id:1\"\n", "D @pmFromFile a.data 1:27\n", "an operator"},
	{"SecRule ARGS \"! @PMF  a.data \" \"id:1\"", "D @PMF a.data 1:23\n", "negated, its other name, blanks"},
	{"SecRule ARGS @pmFromFile a.data id:1", "D @pmFromFile a.data 1:26\n", "without quotes"},
	{"SecRule ARGS|!ARGS:x \\\n  \"@ipMatchFromFile /n/a.txt\" \\\n  \"id:1\"\n", "D @ipMatchFromFile /n/a.txt 2:21\n", "over lines"},
	{"SecRule ARGS \\\r\n  \"@ipMatchF a\" \\\r\n  \"id:1\"\r\n", "D @ipMatchF a 2:14\n", "over lines that end in CRLF"},
	{"SecRule ARGS:'/^a \\' b/' \"@pmf a\" \"id:1\"", "D @pmf a 1:32\n", "a blank in what chooses names"},
	{"SecRule \"ARGS:/a b/\" \"@pmf a\" \"id:1\"", "D @pmf a 1:28\n", "and in quotes"},
	{"SecRule ARGS\"@pmf a\" \"id:1\"", "D @pmf a 1:19\n", "no blank before the operator"},
	{"SecRule ARGS \"@fuzzyHash a b.txt 70\" \"id:1\"", "D @fuzzyHash a b.txt 1:26\n", "the threshold is no name"},
	{"SecRule ARGS \"@inspectFile /a.lua\" \"id:1\"\nSecRule XML \"@validateSchema a.xsd\" \"id:2\"\nSecRule XML \"@validateDTD a.dtd\" \"id:3\"",
	 "D @inspectFile /a.lua 1:28\nD @validateSchema a.xsd 2:30\nD @validateDTD a.dtd 3:27\n", "all operators that open"},
	{"SecRule ARGS \"@pm @pmFromFile a.data\" \"id:1,msg:'@pmFromFile b'\"", "", "words that are looked for"},
	{"SecRule ARGS \"@rx \\\"@pmf a\" \"id:1\"", "", "an escaped quote does not end"},
	{"SecRule ARGS \"@rx \\\\\" \"id:1\"\nInclude a.conf", "I Include a.conf 2:9\n", "an escaped backslash does"},
	{"SecRule ARGS \"@rx a\" \"id:1,exec:/a.lua,pass\"", "S exec /a.lua 1:33\n", "an action"},
	{"SecAction \"id:1, exec:'/a b.lua'\"\nSecAction \"id:2,\\\n  exec:/b.lua\"",
	 "S exec /a 1:24\nS exec /b.lua 3:8\n", "and others"},
	{"SecRule ARGS \"@rx exec:/a.lua\" \"id:1,msg:'x,exec:/b.lua',logdata:'it\\',exec:/c.lua'\"", "", "what only looks like one"},
	{"SecRule ARGS \"@rx a\"\n   \"id:1,exec:/a.lua\"", "S exec /a.lua 2:15\n", "actions on a line of their own"},
	{"SecRuleScript /a.lua \"id:1,exec:/b.lua\"\nSecRuleScript \"/c.lua\"",
	 "S SecRuleScript /a.lua 1:15\nS exec /b.lua 1:33\nS SecRuleScript /c.lua 2:16\n", "a script as a rule"},
	{"include  a.conf\n\tInclude\t\"/etc/b/*.conf\"\n", "I include a.conf 1:10\nI Include /etc/b/*.conf 2:11\n", "Include, as it may be written"},
	{"SecUnicodeMapFile unicode.mapping 20127\nSecGeoLookupDb /g.mmdb", "D SecUnicodeMapFile unicode.mapping 1:19\nD SecGeoLookupDb /g.mmdb 2:16\n",
	 "directives that read"},
	{"SecRemoteRules key https://rules.example/a", "R SecRemoteRules https://rules.example/a 1:20\n", "from the network"},
	{"SecAuditLog /a\nSecDataDir /b\nSecMarker \"Include c\"\nSecComponentSignature \"a Include b\"\n", "", "directives that do not"},
	{"# Include a.conf\n #Include b.conf\n#\nInclude c.conf # Include d\n", "I Include c.conf 4:9\n", "comments"},
	{"# SecRule ARGS \\\n  \"@pmf a\" \\\n  \"id:1\"\nInclude a.conf", "I Include a.conf 4:9\n", "a rule that is commented out, over lines"},
	{"# other \\\nInclude a.conf", "I Include a.conf 2:9\n", "another comment ends with its line"},
	{"SecRule ARGS \"@pmf \" \"id:1\"\nSecRule ARGS \"@pmf\" \"id:2\"\nInclude\nInclude \"\"\nSecRuleScript", "", "no name"},
	{"SecRule ARGS \"@pmf a", "D @pmf a 1:20\n", "a quote that is not closed"},
	{"SecRule", "", "a rule cut short"},
	{"SecRule ARGS \"@rx a\\", "", "cut in an escape"},
	{"SecRule ARGS:'", "", "cut in an expression"},
	{"\\", "", "a backslash alone"},
};

static void names_are_found_with_their_places(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		seclang_names(guard_put(&guard, slice_of(rows[i].in)), tell, NULL);
		if (!slice_is(buf_slice(&told), rows[i].want))
			fail_msg("%s: have %.*s, want %s", rows[i].says, SLICE_F(buf_slice(&told)), rows[i].want);
		buf_done(&told);
	}
}

static void cut_anywhere_nothing_is_read_past_the_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		for (size_t n = 0; n < strlen(rows[i].in); n++) {
			seclang_names(guard_put(&guard, slice_make(rows[i].in, n)), tell, NULL);
			buf_done(&told);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_found_with_their_places),
		cmocka_unit_test(cut_anywhere_nothing_is_read_past_the_end),
	};

	guard_open(&guard, 4096);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
