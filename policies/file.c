/* file.c -- the settings of a policy file: one table for reading, schema and reference.
 *
 * Expressions and small grammars are kept as nodes here, with their places; the
 * compiler reads them when names of sets, switches and labels are known. */
#include "gateway/base/text.h"
#include "policies/compile.h"

static bool keep_node(struct setting_reader *r, const struct yaml_node *node, void *out)
{
	(void)r;
	*(const struct yaml_node **)out = node;
	return true;
}

static bool keep_scalar(struct setting_reader *r, const struct yaml_node *node, void *out)
{
	if (node->kind != YAML_SCALAR)
		return fail_at(r->fail, node->place, "one text is expected here");
	return keep_node(r, node, out);
}

#define NODE(word, type, member, how, shape, says)                                                          \
	{.key = word, .kind = SETTING_CUSTOM, .at = offsetof(type, member), .parse = keep_node, .syntax = how, \
	 .pattern = shape, .doc = says}
#define SCALAR(word, type, member, how, shape, says)                                                          \
	{.key = word, .kind = SETTING_CUSTOM, .at = offsetof(type, member), .parse = keep_scalar, .syntax = how, \
	 .pattern = shape, .doc = says}
#define LATER(word, says) {.key = word, .kind = SETTING_LATER, .doc = says}

#define EXPRESSION "expression in single quotes"
#define MODE_PATTERN "^(enforce|detect|off)$"
#define DATE_PATTERN "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$"

/* What every entry may carry; `entry` is its first member. */
#define ENTRY(type, with_id)                                                                                   \
	{.key = "id", .kind = SETTING_NAME, .at = offsetof(type, entry.id), .required = with_id,               \
	 .doc = "names it in records; unique in the policy"},                                                  \
	SCALAR("when", type, entry.when, EXPRESSION, NULL, "when it applies; always, if absent"),              \
	SCALAR("starts", type, entry.starts_node, "date or UTC timestamp", DATE_PATTERN, "in force from then on"), \
	SCALAR("expires", type, entry.expires_node, "date or UTC timestamp", DATE_PATTERN, "in force until just before"), \
	{.key = "why", .kind = SETTING_TEXT, .at = offsetof(type, entry.why), .doc = "reason; required of whatever loosens"}, \
	{.key = "owner", .kind = SETTING_TEXT, .at = offsetof(type, entry.owner),                              \
	 .doc = "who answers for it; required of whatever loosens"},                                           \
	{.key = "ticket", .kind = SETTING_TEXT, .at = offsetof(type, entry.ticket), .doc = "where it was decided"}, \
	{.key = "locked", .kind = SETTING_BOOL, .at = offsetof(type, entry.locked), .doc = "nothing may exempt it"}

#define MODE(type) \
	NODE("mode", type, entry.mode, "enforce, detect or off", MODE_PATTERN, "detect: judged and recorded, not enforced")

/* ---- Sets ---- */

static const char *const set_types[] = {"ip", "asn", "country", "continent", "method", "text", "sha256", NULL};

const struct setting set_settings[] = {
	{.key = "type", .kind = SETTING_WORD, .at = offsetof(struct set_text, type), .words = set_types, .required = true,
	 .doc = "what its items are"},
	{.key = "file", .kind = SETTING_PATH, .at = offsetof(struct set_text, file), .required = true,
	 .doc = "one item a line, `#` begins a comment; relative to the policy"},
	{.key = "min", .kind = SETTING_INT, .at = offsetof(struct set_text, min), .fallback = "1", .least = 1, .most = 100000000,
	 .doc = "a file with fewer items is refused"},
	{.key = "max_age", .kind = SETTING_DURATION, .at = offsetof(struct set_text, max_age), .least = 1000, .most = INT64_MAX / 2,
	 .doc = "when the file is older than this, membership is unknown"},
	LATER("refresh", "re-read without a reload"),
	LATER("max_change", "refuse a file that differs more from the one before"),
	{.key = NULL},
};

/* ---- Rules ---- */

static const char *const keep_words[] = {"none", "path", "path_query", NULL};
static const struct setting a_text = {.key = "text", .kind = SETTING_TEXT};

static bool read_retry(struct setting_reader *r, const struct yaml_node *node, void *out)
{
	struct rule_text *t = (struct rule_text *)(void *)((char *)out - offsetof(struct rule_text, retry_node));

	t->retry_node = node;
	if (node->kind != YAML_SCALAR || !text_duration(node->text, &t->retry_after_ms) || t->retry_after_ms < 1000)
		return fail_at(r->fail, node->place, "retry_after is a duration of at least 1s, such as 30m");
	return true;
}

static const struct setting rule_settings[] = {
	ENTRY(struct rule_text, true),
	MODE(struct rule_text),
	SCALAR("on_failure", struct rule_text, entry.on_failure, "match or skip", "^(match|skip)$",
	       "what an unknown answer means; match, but skip where it describes"),
	{.key = "do", .kind = SETTING_CUSTOM, .at = offsetof(struct rule_text, does), .parse = keep_scalar, .required = true,
	 .syntax = "block [STATUS], redirect STATUS, exempt or label NAME",
	 .pattern = "^(block( [45][0-9][0-9])?|redirect (301|302|307|308)|exempt|label [a-z0-9-]{1,40})$",
	 .doc = "block and redirect decide, exempt and label describe"},
	{.key = "retry_after", .kind = SETTING_CUSTOM, .at = offsetof(struct rule_text, retry_node), .parse = read_retry,
	 .syntax = "duration", .doc = "of block: sent as Retry-After"},
	SCALAR("to", struct rule_text, to_node, "URL", NULL, "of redirect: where to, literally"),
	{.key = "keep", .kind = SETTING_WORD, .at = offsetof(struct rule_text, keep), .words = keep_words, .fallback = "none",
	 .doc = "of redirect: what of the request is appended"},
	NODE("from", struct rule_text, from, "list of ids, or waf", NULL, "of exempt: what is skipped for this request"),
	{.key = NULL},
};
static const struct setting a_rule = {.key = "rule", .kind = SETTING_STRUCT, .table = rule_settings,
				      .size = sizeof(struct rule_text)};

/* ---- Limits ---- */

static const char *const missing_words[] = {"ip", "share", "skip", "block", NULL};

static bool read_overshoot(struct setting_reader *r, const struct yaml_node *node, void *out)
{
	(void)out;
	if (node->kind == YAML_SCALAR && slice_is(node->text, "exact"))
		return true;
	return fail_at(r->fail, node->place, "overshoot other than exact is not in this version; remove it");
}

static const struct setting limit_settings[] = {
	ENTRY(struct limit_text, true),
	MODE(struct limit_text),
	NODE("on_failure", struct limit_text, entry.on_failure, "local, pass or block; or {when: match/skip, store: ...}", NULL,
	     "the counter store is lost (local), `when` is unknown (match)"),
	{.key = "rate", .kind = SETTING_CUSTOM, .at = offsetof(struct limit_text, rate), .parse = keep_scalar, .required = true,
	 .syntax = "NUMBER per DURATION", .pattern = "^[0-9]+ per [0-9]+(ms|s|m|h|d)$", .doc = "10 per 1m"},
	SCALAR("burst", struct limit_text, burst, "whole number", "^[0-9]+$", "at once after a pause; the rate's number, if absent"),
	NODE("key", struct limit_text, key, "list of up to 4 fields or functions", NULL,
	     "what is counted apart; [ip], if absent, where ip is the IPv4 address or the IPv6 /64"),
	{.key = "missing", .kind = SETTING_WORD, .at = offsetof(struct limit_text, missing), .words = missing_words, .fallback = "ip",
	 .doc = "a part of the key is missing or unknown: count by ip, share one bucket, skip the limit, or block with 400"},
	SCALAR("cost", struct limit_text, cost, "whole number", "^[0-9]+$", "of one request; 1, if absent"),
	NODE("over", struct limit_text, over, "block [STATUS]; or {do: ..., to: ..., retry_after: ...}", NULL,
	     "what a refused request gets; block 429, if absent"),
	{.key = "advertise", .kind = SETTING_BOOL, .at = offsetof(struct limit_text, advertise), .fallback = "true",
	 .doc = "send RateLimit and RateLimit-Policy"},
	{.key = "overshoot", .kind = SETTING_CUSTOM, .at = 0, .parse = read_overshoot, .syntax = "exact", .pattern = "^exact$",
	 .doc = "every request asks the store"},
	LATER("concurrent", "requests in progress instead of a rate"),
	LATER("hold", "how long a slot is held"),
	LATER("count", "which exchanges are charged"),
	LATER("ban", "refuse for so long after the first refusal"),
	LATER("ban_scope", "where a ban holds"),
	{.key = NULL},
};
static const struct setting a_limit = {.key = "limit", .kind = SETTING_STRUCT, .table = limit_settings,
				       .size = sizeof(struct limit_text)};

const struct setting over_settings[] = {
	{.key = "do", .kind = SETTING_CUSTOM, .at = offsetof(struct over_text, does), .parse = keep_scalar, .required = true,
	 .syntax = "block [STATUS] or redirect STATUS", .doc = "a deciding action"},
	{.key = "to", .kind = SETTING_TEXT, .at = offsetof(struct over_text, to), .doc = "of redirect: where to, literally"},
	{.key = "retry_after", .kind = SETTING_DURATION, .at = offsetof(struct over_text, retry_after_ms), .least = 1000,
	 .most = 31622400000, .doc = "instead of the limiter's own Retry-After"},
	{.key = NULL},
};

/* ---- Bodies ---- */

static const char *const inspect_words[] = {"full", "fields", "head", NULL};

static const struct setting body_settings[] = {
	ENTRY(struct body_text, true),
	NODE("mode", struct body_text, entry.mode, "enforce or off", "^(enforce|off)$", "off: as if it were not there"),
	SCALAR("on_failure", struct body_text, entry.on_failure, "match or skip", "^(match|skip)$", "what an unknown `when` means"),
	{.key = "max", .kind = SETTING_SIZE, .at = offsetof(struct body_text, max), .fallback = "1MiB", .least = 0,
	 .most = INT64_MAX / 2, .doc = "413 beyond"},
	{.key = "types", .kind = SETTING_LIST, .at = offsetof(struct body_text, types), .each = &a_text, .least = 1, .most = 64,
	 .doc = "media types allowed; any, if absent; 415 otherwise, also for a body without a type"},
	{.key = "inspect", .kind = SETTING_WORD, .at = offsetof(struct body_text, inspect), .words = inspect_words, .fallback = "full",
	 .doc = "what the WAF gets: all, all but file contents, or no body"},
	LATER("files", "what multipart files may be"),
	{.key = NULL},
};
static const struct setting a_body = {.key = "body", .kind = SETTING_STRUCT, .table = body_settings,
				      .size = sizeof(struct body_text)};

/* ---- The WAF ---- */

static const struct setting exclusion_settings[] = {
	ENTRY(struct exclusion_text, false),
	SCALAR("on_failure", struct exclusion_text, entry.on_failure, "skip", "^skip$", "an unknown `when` never excludes"),
	SCALAR("rule", struct exclusion_text, rule, "rule id", "^[0-9]+$", "one rule"),
	NODE("rules", struct exclusion_text, rules, "list of rule ids", NULL, "several rules"),
	SCALAR("tag", struct exclusion_text, tag, "tag", NULL, "all rules that carry exactly this tag"),
	SCALAR("target", struct exclusion_text, target,
	       "args.NAME, query.NAME, form.NAME, json.PATH, header.NAME, cookie.NAME or arg_names", NULL,
	       "what they no longer look at; the whole rule, if absent"),
	{.key = NULL},
};
static const struct setting an_exclusion = {.key = "exclusion", .kind = SETTING_STRUCT, .table = exclusion_settings,
					    .size = sizeof(struct exclusion_text)};

#define THRESHOLDS(of_request, of_response)                                                                    \
	{.key = "request", .kind = SETTING_INT, .at = offsetof(struct threshold_text, request), .fallback = of_request, \
	 .least = 1, .most = 10000, .doc = "anomaly score that blocks a request"},                             \
	{.key = "response", .kind = SETTING_INT, .at = offsetof(struct threshold_text, response), .fallback = of_response, \
	 .least = 1, .most = 10000, .doc = "anomaly score that blocks a response"}

static const struct setting threshold_settings[] = {THRESHOLDS("5", "4"), {.key = NULL}};
static const struct setting at_threshold_settings[] = {THRESHOLDS(NULL, NULL), {.key = NULL}};

static const char *const beyond_words[] = {"pass", "block", NULL};

static const struct setting responses_settings[] = {
	NODE("mode", struct responses_text, mode, "enforce, detect or off", MODE_PATTERN,
	     "enforce: an answer waits for its verdict; detect: it goes on and is recorded"),
	{.key = "body", .kind = SETTING_BOOL, .at = offsetof(struct responses_text, body), .fallback = "false",
	 .doc = "the content of answers too, not only their status and fields"},
	{.key = "types", .kind = SETTING_LIST, .at = offsetof(struct responses_text, types), .each = &a_text, .least = 1, .most = 64,
	 .doc = "media types whose content is inspected, as is content without a type; HTML, XHTML, plain text, XML and JSON, if absent"},
	{.key = "max", .kind = SETTING_SIZE, .at = offsetof(struct responses_text, max), .fallback = "512KiB", .least = 1 << 10,
	 .most = 16 << 20, .doc = "of content: inspected, and held where it is enforced"},
	{.key = "beyond", .kind = SETTING_WORD, .at = offsetof(struct responses_text, beyond), .words = beyond_words, .fallback = "pass",
	 .doc = "content that is longer, in a coding, or a range: pass it and record it as uninspected, or block it with 502"},
	{.key = NULL},
};

/* Whether an entry says something about answers at all makes a difference. */
static bool read_at_responses(struct setting_reader *r, const struct yaml_node *node, void *out)
{
	((struct responses_text *)out)->given = node;
	return setting_read(r, responses_settings, node, out);
}

static const struct setting at_settings[] = {
	ENTRY(struct at_text, false),
	SCALAR("on_failure", struct at_text, entry.on_failure, "skip", "^skip$", "an unknown `when` changes nothing"),
	NODE("mode", struct at_text, mode, "enforce, detect or off", MODE_PATTERN, "as waf.mode, if absent"),
	{.key = "paranoia", .kind = SETTING_INT, .at = offsetof(struct at_text, paranoia), .least = 1, .most = 4,
	 .doc = "as waf.paranoia, if absent"},
	{.key = "detection_paranoia", .kind = SETTING_INT, .at = offsetof(struct at_text, detection_paranoia), .least = 1, .most = 4,
	 .doc = "the higher of waf.detection_paranoia and `paranoia`, if absent"},
	{.key = "threshold", .kind = SETTING_STRUCT, .at = offsetof(struct at_text, threshold), .table = at_threshold_settings,
	 .size = sizeof(struct threshold_text), .doc = "what of it is absent is as in waf.threshold"},
	{.key = "responses", .kind = SETTING_CUSTOM, .at = offsetof(struct at_text, responses), .parse = read_at_responses,
	 .table = responses_settings, .size = sizeof(struct responses_text), .syntax = "mapping",
	 .doc = "instead of waf.responses, all of it; as there, if absent"},
	{.key = NULL},
};
static const struct setting an_at = {.key = "at", .kind = SETTING_STRUCT, .table = at_settings, .size = sizeof(struct at_text)};

const struct setting waf_settings[] = {
	SCALAR("ruleset", struct waf_text, ruleset, "name of `rulesets`", "^[a-z0-9-]{1,40}$", "crs, if absent"),
	NODE("mode", struct waf_text, mode, "enforce, detect or off", MODE_PATTERN, "detect: judged and recorded, not enforced"),
	{.key = "paranoia", .kind = SETTING_INT, .at = offsetof(struct waf_text, paranoia), .fallback = "1", .least = 1, .most = 4,
	 .doc = "level of the rules that block"},
	{.key = "detection_paranoia", .kind = SETTING_INT, .at = offsetof(struct waf_text, detection_paranoia), .least = 1,
	 .most = 4, .doc = "level up to which rules are recorded; as paranoia, if absent"},
	{.key = "threshold", .kind = SETTING_STRUCT, .at = offsetof(struct waf_text, threshold), .table = threshold_settings,
	 .size = sizeof(struct threshold_text), .doc = "anomaly scores that block"},
	SCALAR("on_failure", struct waf_text, on_failure, "block or pass", "^(block|pass)$", "the inspector is late or lost; block, if absent"),
	{.key = "responses", .kind = SETTING_STRUCT, .at = offsetof(struct waf_text, responses), .table = responses_settings,
	 .size = sizeof(struct responses_text), .doc = "inspection of answers; off, if absent"},
	{.key = "at", .kind = SETTING_LIST, .at = offsetof(struct waf_text, at), .each = &an_at, .most = 256,
	 .doc = "other settings for some requests; the first that matches applies"},
	{.key = "exclude", .kind = SETTING_LIST, .at = offsetof(struct waf_text, exclude), .each = &an_exclusion, .most = 256,
	 .doc = "rules, or targets of rules, that are not asked"},
	{.key = "locked", .kind = SETTING_BOOL, .at = offsetof(struct waf_text, locked), .doc = "nothing may be exempt from it"},
	LATER("candidate", "another rule set beside this one"),
	{.key = NULL},
};

/* ---- The file ---- */

static const struct setting a_test = {.key = "test", .kind = SETTING_STRUCT, .table = test_settings,
				      .size = sizeof(struct test_text)};

const struct setting file_settings[] = {
	{.key = "policy", .kind = SETTING_NAME, .at = offsetof(struct file_text, policy), .required = true,
	 .doc = "its name; names counters and records"},
	{.key = "language", .kind = SETTING_INT, .at = offsetof(struct file_text, language), .fallback = "1", .least = 1, .most = 1,
	 .doc = "version of the language"},
	{.key = "sets", .kind = SETTING_CUSTOM, .at = offsetof(struct file_text, sets), .parse = keep_node,
	 .syntax = "map of names: list, or {type, file, min, max_age}", .doc = "lists that expressions name as @name"},
	{.key = "switches", .kind = SETTING_CUSTOM, .at = offsetof(struct file_text, switches), .parse = keep_node,
	 .syntax = "map of names: longest duration", .doc = "runtime switches, at most 8, read as switch.NAME"},
	{.key = "rules", .kind = SETTING_LIST, .at = offsetof(struct file_text, rules), .each = &a_rule, .most = POLICY_ENTRIES,
	 .doc = "who is refused, exempt, labelled"},
	{.key = "limits", .kind = SETTING_LIST, .at = offsetof(struct file_text, limits), .each = &a_limit, .most = POLICY_ASKS,
	 .doc = "how often; every one that matches is asked"},
	{.key = "bodies", .kind = SETTING_LIST, .at = offsetof(struct file_text, bodies), .each = &a_body, .most = 256,
	 .doc = "what content may be sent; the first that matches applies"},
	{.key = "waf", .kind = SETTING_STRUCT, .at = offsetof(struct file_text, waf), .table = waf_settings,
	 .size = sizeof(struct waf_text), .doc = "the rule set; off, if absent"},
	{.key = "tests", .kind = SETTING_LIST, .at = offsetof(struct file_text, tests), .each = &a_test, .most = 1000,
	 .doc = "requests and what they must get"},
	LATER("extends", "a parent policy"),
	LATER("headers", "header fields set towards client or origin"),
	LATER("jwt", "verified tokens"),
	{.key = NULL},
};

void policy_schema(FILE *out)
{
	setting_schema(file_settings, "Portcullis policy", out);
}

void policy_reference(FILE *out)
{
	setting_reference(file_settings, out);
	fprintf(out, "\n### sets.NAME\n\n");
	setting_reference(set_settings, out);
}
