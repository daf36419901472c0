/* regex.cc -- the door to RE2. */
#include "policies/regex.h"

#include <re2/re2.h>

#include <cstdio>
#include <new>

/* Of one expression: program and the states made while matching. */
static const int64_t memory_max = 8 << 20;

extern "C" void *regex_new(const char *pattern, size_t len, char *why, size_t why_size, size_t *at)
{
	RE2::Options options;

	options.set_encoding(RE2::Options::EncodingLatin1);
	options.set_log_errors(false);
	options.set_max_mem(memory_max);
	options.set_never_capture(true);

	RE2 *made = new RE2(re2::StringPiece(pattern, len), options);
	if (made->ok())
		return made;
	if (at) {
		size_t found = re2::StringPiece(pattern, len).find(made->error_arg());

		*at = found == re2::StringPiece::npos ? 0 : found;
	}
	if (why)
		snprintf(why, why_size, "%s", made->error().c_str());
	delete made;
	return nullptr;
}

extern "C" void regex_free(void *regex)
{
	delete static_cast<RE2 *>(regex);
}

/* States are made while matching.  RE2 survives it when there is no memory for them, and whoever called is C: what
 * is thrown ends here.  While it compiles it does not survive, so there an empty heap ends the process. */
extern "C" enum regex_found regex_match(const void *regex, const char *text, size_t len)
{
	try {
		return RE2::PartialMatch(re2::StringPiece(text, len), *static_cast<const RE2 *>(regex)) ? REGEX_YES : REGEX_NO;
	} catch (const std::bad_alloc &) {
		return REGEX_STARVED;
	}
}
