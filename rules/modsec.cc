/* modsec.cc -- libmodsecurity behind modsec.h; the only file that includes it.
 *
 * The engine's own settings are text below, in our words but with the rule ids
 * that ModSecurity's recommended configuration made known.  What policy decides
 * per request (mode, paranoia, thresholds, exclusions) is laid over a transaction
 * before its first phase; the Core Rule Set keeps values that are already there. */
#include "rules/modsec.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include <modsecurity/modsecurity.h>
#include <modsecurity/rule_message.h>
#include <modsecurity/rule_with_actions.h>
#include <modsecurity/rules_set.h>
#include <modsecurity/transaction.h>

namespace {

using modsecurity::RuleMessage;
using modsecurity::RulesSet;
using modsecurity::RulesSetProperties;
using modsecurity::Transaction;

std::string text(struct slice s)
{
	return s.len ? std::string(s.at, s.len) : std::string();
}

struct slice slice_from(const std::string &s)
{
	return slice_make(s.data(), s.size());
}

/* ---- Loading ---- */

std::string settings(const modsec_ruleset &set)
{
	std::string s;
	const std::string body = std::to_string(set.body_max), arguments = std::to_string(set.arguments);

	s += "SecRuleEngine On\nSecRequestBodyAccess On\nSecResponseBodyAccess On\nSecAuditEngine Off\n";
	s += "SecUploadKeepFiles Off\nSecTmpSaveUploadedFiles Off\n";
	/* The worker refuses larger bodies with 413; these are the second barrier. */
	s += "SecRequestBodyLimit " + body + "\nSecRequestBodyNoFilesLimit " + body + "\nSecRequestBodyLimitAction Reject\n";
	s += "SecRequestBodyJsonDepthLimit " + std::to_string(set.json_depth) + "\n";
	/* One more than allowed is kept, so that 200007 sees it. */
	s += "SecArgumentsLimit " + std::to_string(set.arguments + 1) + "\n";
	if (set.unicode_map)
		s += std::string("SecUnicodeMapFile ") + set.unicode_map + " 20127\n";
	s += R"(SecRule REQUEST_HEADERS:Content-Type "@rx ^(?:application/(?:[^/+;\s]+\+)?|text/)xml" "id:200000,phase:1,pass,nolog,t:none,t:lowercase,ctl:requestBodyProcessor=XML")"
	     "\n";
	s += R"(SecRule REQUEST_HEADERS:Content-Type "@rx ^application/json" "id:200001,phase:1,pass,nolog,t:none,t:lowercase,ctl:requestBodyProcessor=JSON")"
	     "\n";
	s += R"(SecRule REQUEST_HEADERS:Content-Type "@rx ^application/[^/+;\s]+\+json" "id:200006,phase:1,pass,nolog,t:none,t:lowercase,ctl:requestBodyProcessor=JSON")"
	     "\n";
	s += R"(SecRule &ARGS "@gt )" + arguments +
	     R"(" "id:200007,phase:2,deny,status:400,log,t:none,severity:2,msg:'More arguments than allowed'")"
	     "\n";
	s += R"(SecRule REQBODY_ERROR "!@eq 0" "id:200002,phase:2,deny,status:400,log,t:none,severity:2,msg:'The content cannot be parsed',logdata:'%{reqbody_error_msg}'")"
	     "\n";
	s += R"(SecRule MULTIPART_STRICT_ERROR "!@eq 0" "id:200003,phase:2,deny,status:400,log,t:none,severity:2,msg:'The multipart content is not in strict form'")"
	     "\n";
	s += R"(SecRule MULTIPART_UNMATCHED_BOUNDARY "@eq 1" "id:200004,phase:2,deny,status:400,log,t:none,severity:2,msg:'A multipart boundary may be unmatched'")"
	     "\n";
	/* Frameworks take this field of a POST for the method: held to the list that methods are held to. */
	s += R"(SecRule REQUEST_METHOD "@streq POST" "id:200011,phase:2,deny,status:403,log,t:none,severity:2,msg:'A method that is not allowed, in a form field',tag:'attack-protocol',chain"
SecRule &TX:allowed_methods "@eq 1" "t:none,chain"
SecRule ARGS:_method|ARGS:json._method "@rx ^(?:PUT|DELETE|PATCH|TRACE|CONNECT|COPY|MOVE|MKCOL|PROPFIND|PROPPATCH|LOCK|UNLOCK|PURGE|LINK|UNLINK)$" "t:none,t:trim,t:uppercase,capture,chain"
SecRule TX:0 "!@within %{tx.allowed_methods}" "t:none,t:trim,t:uppercase")"
	     "\n";
	s += R"(SecRule REQBODY_PROCESSOR "@streq XML" "id:200008,phase:2,pass,log,t:none,msg:'XML'")"
	     "\n";
#if MODSECURITY_VERSION_NUM >= 30110100
	/* An expression that ran out of steps proves nothing: refuse.  Older libraries have no limit
	 * to set; there the process's own clock stops it. */
	s += "SecPcreMatchLimit 100000\nSecPcreMatchLimitRecursion 100000\n";
	s += R"(SecRule MSC_PCRE_LIMITS_EXCEEDED "@eq 1" "id:200005,phase:2,deny,status:403,log,t:none,severity:2,msg:'A regular expression took too many steps'")"
	     "\n";
#endif
	return s;
}

/* Behind the rule set's own defaults: its list of media types guards an engine that is blind to others.  What policy
 * lists, or is read here to the letter, is on it. */
const char type_accepted[] =
	R"(SecRule &TX:portcullis_type "@eq 1" "id:200012,phase:1,pass,nolog,t:none,setvar:'tx.allowed_request_content_type=%{tx.allowed_request_content_type} |%{tx.portcullis_type}|'")"
	"\n";

/* Behind the rules: 922150 keeps a part's media type for 922110, with the line end that the engine leaves behind it, and
 * so every charset of a part was refused, the allowed ones, too. */
const char part_types[] = "SecRuleUpdateActionById 922150 \"t:trim\"\n";

/* "Rules error. File: F. Line: N. Column: C. reason" becomes "F:N: reason"; so does
 * "reason. File: (an address) at line: N". */
std::string place(const std::string &error, const std::string &file)
{
	static const std::string head = "File: ", line = ". Line: ", column = ". Column: ", at = " at line: ";
	const size_t f = error.find(head), l = error.find(line), c = error.find(column), a = error.find(at);
	std::string out = file + ": " + error;

	if (f != std::string::npos && l != std::string::npos && c != std::string::npos && f < l && l < c) {
		const size_t reason = error.find(". ", c + column.size());

		out = error.substr(f + head.size(), l - f - head.size()) + ":" +
		      error.substr(l + line.size(), c - l - line.size()) + ": " +
		      (reason == std::string::npos ? "" : error.substr(reason + 2));
	} else if (f != std::string::npos && a != std::string::npos && f < a) {
		out = file + ":" + std::to_string(std::atol(error.c_str() + a + at.size())) + ": " + error.substr(0, f);
	}
	for (char &ch : out)
		if (static_cast<unsigned char>(ch) < 0x20)
			ch = ' ';
	while (!out.empty() && out.back() == ' ')
		out.pop_back();
	return out;
}

class Loader {
public:
	Loader(const modsec_ruleset &set) : set_(set), rules_(new RulesSet()) {}

	bool load()
	{
		if (!add(settings(set_), "(engine settings)"))
			return false;
		bool crs = false;

		for (unsigned i = 0; i < set_.texts_n; i++) {
			if (!add_text(set_.texts[i]))
				return false;
			if (!is_initialization(set_.texts[i]))
				continue;
			crs = true;
			if (!add(type_accepted, "(engine settings)"))
				return false;
		}
		if (crs && !add(part_types, "(engine settings)"))
			return false;
		give_answers_whole();
		return true;
	}

	std::unique_ptr<RulesSet> take() { return std::move(rules_); }
	const std::string &why() const { return why_; }
	unsigned loaded() const { return loaded_; }

private:
	static bool is_initialization(const modsec_text &t)
	{
		return std::strstr(t.name, "/REQUEST-901-");
	}

	/* Which answers are inspected, and how much of them, is policy's: what it hands over is looked at. */
	void give_answers_whole()
	{
		rules_->m_secResponseBodyAccess = RulesSetProperties::TrueConfigBoolean;
		rules_->m_responseBodyTypeToBeInspected.m_value.clear();
		rules_->m_responseBodyLimit.m_value = 0;
	}

	/* Paranoia and thresholds are policy's: the example entries that set them, if somebody woke
	 * them in the setup, must not overrule it. */
	bool add_text(const modsec_text &t)
	{
		return add(t.text, t.name) &&
		       (!t.setup || add("SecRuleRemoveById 900000 900001 900110\n", "(engine settings)"));
	}

	bool add(const std::string &rules, const std::string &name)
	{
		const int n = rules_->load(rules.c_str(), name);

		if (n < 0) {
			why_ = place(rules_->getParserError(), name);
			return false;
		}
		loaded_ += static_cast<unsigned>(n);
		return true;
	}

	const modsec_ruleset &set_;
	std::unique_ptr<RulesSet> rules_;
	std::string why_;
	unsigned loaded_ = 0;
};

/* Newer libraries keep a reference to the rule where older ones copied its numbers. */
template <class M> auto rule_id(const M &m, int) -> decltype(static_cast<long>(m.m_ruleId))
{
	return static_cast<long>(m.m_ruleId);
}
template <class M> long rule_id(const M &m, long)
{
	return static_cast<long>(m.m_rule.m_ruleId);
}
template <class M> auto rule_phase(const M &m, int) -> decltype(static_cast<long>(m.m_phase))
{
	return static_cast<long>(m.m_phase);
}
template <class M> long rule_phase(const M &m, long)
{
	return static_cast<long>(m.getPhase());
}

constexpr long rule_xml = 200008;

struct Hook {
	Transaction *transaction;
};

/* Called within a phase for each rule that matched; hits are read from the transaction at its end.
 * The first rule of phase 2 is ours and matches XML: the Core Rule Set is written for an engine
 * whose REQUEST_BODY is empty then (it looks at the parsed XML instead), this one fills it. */
void on_match(void *data, const void *message)
{
	const Hook *hook = static_cast<const Hook *>(data);

	if (hook && message && rule_id(*static_cast<const RuleMessage *>(message), 0) == rule_xml)
		hook->transaction->m_variableRequestBody.unset();
}

/* ---- One request ---- */

int engine_mode(bool detect)
{
	return detect ? RulesSetProperties::DetectionOnlyRuleEngine : RulesSetProperties::EnabledRuleEngine;
}

void set_tx(Transaction &t, const char *name, unsigned value)
{
	t.m_collections.m_tx_collection->storeOrUpdateFirst(name, std::to_string(value));
}

/* Both generations' names: 3.3 knows paranoia_level and executing_paranoia_level, 4.x the others. */
void lay_over(Transaction &t, const modsec_request &req)
{
	const unsigned detection = std::max(req.paranoia, req.detection_paranoia);

	t.m_secRuleEngine = engine_mode(req.detect);
	set_tx(t, "paranoia_level", req.paranoia);
	set_tx(t, "blocking_paranoia_level", req.paranoia);
	set_tx(t, "executing_paranoia_level", detection);
	set_tx(t, "detection_paranoia_level", detection);
	set_tx(t, "inbound_anomaly_score_threshold", req.threshold_request);
	set_tx(t, "outbound_anomaly_score_threshold", req.threshold_response);
	if (req.type_accepted)
		t.m_collections.m_tx_collection->storeOrUpdateFirst("portcullis_type", req.type_accepted);
	for (unsigned i = 0; i < req.exclusions_n; i++) {
		const modsec_exclusion &x = req.exclusions[i];

		if (x.rule && x.target.len)
			t.m_ruleRemoveTargetById.emplace_back(static_cast<int>(x.rule), text(x.target));
		else if (x.rule)
			t.m_ruleRemoveById.push_back(static_cast<int>(x.rule));
		else if (x.target.len)
			t.m_ruleRemoveTargetByTag.emplace_back(text(x.tag), text(x.target));
		else
			t.m_ruleRemoveByTag.push_back(text(x.tag));
	}
}

#if MODSECURITY_VERSION_NUM < 30120100
int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

std::string decode(const std::string &in)
{
	std::string out;

	for (size_t i = 0; i < in.size(); i++) {
		const bool escape = in[i] == '%' && i + 2 < in.size() && hex(in[i + 1]) >= 0 && hex(in[i + 2]) >= 0;

		out += escape ? static_cast<char>(hex(in[i + 1]) * 16 + hex(in[i + 2])) : in[i];
		i += escape ? 2 : 0;
	}
	return out;
}

/* Before 3.0.12 the library decodes a target and then looks for the "?" (CVE-2024-1019): behind a
 * %3f nothing is in a variable that rules look at.  Give the path variables the whole path. */
void whole_path(Transaction &t, const modsec_request &req, const std::string &target)
{
	if (target.find("%3f") >= target.find('?') && target.find("%3F") >= target.find('?'))
		return;
	const std::string path = decode(target.substr(0, target.find('?')));
	const size_t at = std::string(req.method).size() + 1, slash = path.find_last_of("/\\");

	t.m_uri_no_query_string_decoded = std::make_shared<std::string>(path);
	t.m_variablePathInfo.set(path, at);
	t.m_variableRequestFilename.set(path, at);
	if (slash != std::string::npos && slash + 1 < path.size())
		t.m_variableRequestBasename.set(path.substr(slash + 1), at + slash + 1);
}
#else
void whole_path(Transaction &, const modsec_request &, const std::string &) {}
#endif

void take_head(Transaction &t, const modsec_request &req)
{
	std::string target = req.target;
	size_t hash;

	/* The library drops what follows a "#"; an origin might not. */
	while ((hash = target.find('#')) != std::string::npos)
		target.replace(hash, 1, "%23");
	t.processConnection(req.client, static_cast<int>(req.client_port), req.server_name, static_cast<int>(req.server_port));
	t.processURI(target.c_str(), req.method, req.version);
	whole_path(t, req, target);
	for (unsigned i = 0; i < req.fields_n; i++)
		t.addRequestHeader(text(req.fields[i].name), text(req.fields[i].value));
	t.m_variableServerName.set(req.server_name, 0);
}

void add_cookies(Transaction &t, const modsec_request &req)
{
	for (unsigned i = 0; i < req.extras_n; i++) {
		const extra &x = req.extras[i];

		if (x.kind != EXTRA_COOKIE)
			continue;
		t.m_variableRequestCookies.set(text(x.name), text(x.value), 0);
		t.m_variableRequestCookiesNames.set(text(x.name), text(x.name), 0);
	}
}

/* What the body holds beside what the engine finds in it. */
void add_extras(Transaction &t, const modsec_request &req)
{
	for (unsigned i = 0; i < req.extras_n; i++) {
		const extra &x = req.extras[i];

		if (x.kind == EXTRA_ARGUMENT)
			t.addArgument("POST", text(x.name), text(x.value), 0);
		else if (x.kind == EXTRA_FILE)
			t.m_variableFiles.set(text(x.name), text(x.value), 0);
	}
}

/* The engine goes by the beginning of Content-Type; here the whole of it is known. */
void read_as(Transaction &t, body_reading reading)
{
	switch (reading) {
	case BODY_AS_SAID:
		return;
	case BODY_AS_JSON:
		t.m_requestBodyProcessor = Transaction::JSONRequestBody;
		t.m_variableReqbodyProcessor.set("JSON", 0);
		return;
	case BODY_AS_XML:
		t.m_requestBodyProcessor = Transaction::XMLRequestBody;
		t.m_variableReqbodyProcessor.set("XML", 0);
		return;
	case BODY_AS_FORM:
	case BODY_AS_TEXT:
		t.m_requestBodyProcessor = Transaction::UnknownFormat;
		t.m_requestBodyType = reading == BODY_AS_FORM ? Transaction::WWWFormUrlEncoded : Transaction::UnknownFormat;
		t.m_variableReqbodyProcessor.set(reading == BODY_AS_FORM ? "URLENCODED" : "", 0);
	}
}

bool stopped(Transaction &t, modsec_verdict *out)
{
	if (!t.m_it.disruptive)
		return false;
	out->deny = true;
	out->status = t.m_it.status >= 300 && t.m_it.status <= 599 ? static_cast<unsigned>(t.m_it.status) : 403;
	return true;
}

/* `goes_on`: an answer will follow, whose phases come before the last one. */
void run_phases(Transaction &t, const modsec_request &req, bool goes_on, modsec_verdict *out)
{
	take_head(t, req);
	add_cookies(t, req);
	t.processRequestHeaders();
	if (stopped(t, out))
		return;
	read_as(t, req.reading);
	add_extras(t, req);
	if (req.with_body && req.body.len)
		t.appendRequestBody(reinterpret_cast<const unsigned char *>(req.body.at), req.body.len);
	if (stopped(t, out))
		return;
	t.processRequestBody();
	if (stopped(t, out))
		return;
	if (req.detect && !goes_on)
		t.processLogging();
}

void run_answer(Transaction &t, const modsec_answer &answer, modsec_verdict *out)
{
	for (unsigned i = 0; i < answer.fields_n; i++)
		t.addResponseHeader(text(answer.fields[i].name), text(answer.fields[i].value));
	t.processResponseHeaders(static_cast<int>(answer.status), std::string("HTTP/") + answer.version);
	if (stopped(t, out))
		return;
	if (answer.body.len)
		t.appendResponseBody(reinterpret_cast<const unsigned char *>(answer.body.at), answer.body.len);
	t.processResponseBody();
	stopped(t, out);
}

unsigned score_of(Transaction &t, std::initializer_list<const char *> names)
{
	unsigned most = 0;

	for (const char *name : names) {
		const std::unique_ptr<std::string> value = t.m_collections.m_tx_collection->resolveFirst(name);
		unsigned n = 0;

		if (value && std::sscanf(value->c_str(), "%9u", &n) == 1)
			most = std::max(most, n);
	}
	return most;
}

/* From `Matched "Operator `Rx' with parameter `...' against variable `ARGS:q' (Value: `...' )`. */
struct slice variable_of(const std::string &match)
{
	static const std::string before = "against variable `", behind = "' (Value: `";
	const size_t at = match.find(before);
	const size_t end = at == std::string::npos ? at : match.find(behind, at);

	if (end == std::string::npos)
		return slice_make("", 0);
	return slice_make(match.data() + at + before.size(), end - at - before.size());
}

void report(const RuleMessage &m, modsec_hit_fn *hit, void *context)
{
	static const std::string attack = "attack-", none;
	const auto tag = std::find_if(m.m_tags.begin(), m.m_tags.end(),
				      [](const std::string &one) { return one.compare(0, attack.size(), attack) == 0; });
	modsec_hit h = {};

	h.rule = static_cast<uint32_t>(rule_id(m, 0));
	h.phase = static_cast<unsigned>(std::min(std::max(rule_phase(m, 0), 0L), 5L));
	h.severity = static_cast<unsigned>(std::min(std::max(m.m_severity, 0), 7));
	h.message = slice_from(m.m_message);
	h.data = slice_from(m.m_data);
	h.variable = variable_of(m.m_match);
	h.tag = slice_from(tag == m.m_tags.end() ? none : *tag);
	hit(context, &h);
}

} /* namespace */

struct modsec {
	modsecurity::ModSecurity library;
	std::vector<std::unique_ptr<RulesSet>> sets;
	unsigned rules = 0;
};

/* modsec_mend.cc */
void modsec_mend();

struct modsec *modsec_load(const struct modsec_ruleset *sets, unsigned n, char *why, size_t room)
{
	modsec_mend();
	try {
		std::unique_ptr<modsec> m(new modsec);

		m->library.setServerLogCb(on_match, modsecurity::RuleMessageLogProperty);
		m->library.setConnectorInformation("Portcullis");
		for (unsigned i = 0; i < n; i++) {
			Loader loader(sets[i]);

			if (!loader.load()) {
				std::snprintf(why, room, "%s", loader.why().c_str());
				return nullptr;
			}
			m->rules += loader.loaded();
			m->sets.push_back(loader.take());
		}
		return m.release();
	} catch (const std::exception &e) {
		std::snprintf(why, room, "the rule engine failed: %s", e.what());
	} catch (...) {
		std::snprintf(why, room, "the rule engine failed");
	}
	return nullptr;
}

void modsec_free(struct modsec *m)
{
	delete m;
}

unsigned modsec_rules(const struct modsec *m)
{
	return m->rules;
}

/* A transaction and what it refers to, at one place for as long as it lives. */
struct modsec_kept {
	modsec_kept(modsec *m, const modsec_request &req)
		: id(req.id), hook{nullptr}, engine(engine_mode(req.detect)),
		  transaction(&m->library, m->sets[req.ruleset].get(), &id[0], &hook)
	{
		hook.transaction = &transaction;
	}

	std::string id;
	Hook hook;
	int engine; /* as policy has set it; a rule may have changed it since */
	Transaction transaction;
};

namespace {

/* What has matched since `from` messages. */
void report_from(Transaction &t, size_t from, modsec_hit_fn *hit, void *context)
{
	for (const RuleMessage &message : t.m_rulesMessages)
		if (from)
			from--;
		else if (hit && rule_id(message, 0) != rule_xml)
			report(message, hit, context);
}

void judge(modsec_kept &k, const modsec_request &req, bool goes_on, modsec_verdict *out, modsec_hit_fn *hit, void *context)
{
	Transaction &t = k.transaction;

	lay_over(t, req);
	run_phases(t, req, goes_on, out);
	out->score = score_of(t, {"blocking_inbound_anomaly_score", "anomaly_score", "inbound_anomaly_score"});
	report_from(t, 0, hit, context);
}

} /* namespace */

bool modsec_judge(struct modsec *m, const struct modsec_request *req, struct modsec_verdict *out, modsec_hit_fn *hit,
		  void *context)
{
	*out = modsec_verdict();
	if (req->ruleset >= m->sets.size())
		return false;
	try {
		modsec_kept k(m, *req);

		judge(k, *req, false, out, hit, context);
		return true;
	} catch (...) {
		return false;
	}
}

bool modsec_judge_kept(struct modsec *m, const struct modsec_request *req, struct modsec_verdict *out, modsec_hit_fn *hit,
		       void *context, struct modsec_kept **kept)
{
	*out = modsec_verdict();
	*kept = nullptr;
	if (req->ruleset >= m->sets.size())
		return false;
	try {
		std::unique_ptr<modsec_kept> k(new modsec_kept(m, *req));

		judge(*k, *req, true, out, hit, context);
		if (!out->deny)
			*kept = k.release();
		return true;
	} catch (...) {
		return false;
	}
}

bool modsec_judge_answer(struct modsec_kept *kept, const struct modsec_answer *answer, struct modsec_verdict *out,
			 modsec_hit_fn *hit, void *context)
{
	*out = modsec_verdict();
	try {
		Transaction &t = kept->transaction;
		const size_t before = t.m_rulesMessages.size();

		/* Where a rule has changed the mode for this request, that holds. */
		if (t.m_secRuleEngine == kept->engine)
			t.m_secRuleEngine = engine_mode(answer->detect);
		run_answer(t, *answer, out);
		out->score = score_of(t, {"blocking_outbound_anomaly_score", "outbound_anomaly_score"});
		report_from(t, before, hit, context);
		return true;
	} catch (...) {
		return false;
	}
}

void modsec_drop(struct modsec_kept *kept)
{
	delete kept;
}
