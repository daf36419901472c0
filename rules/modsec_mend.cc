/* modsec_mend.cc -- two transformations of libmodsecurity that end at the first NUL, put right.
 *
 * Before 3.0.13 the results of t:cssDecode and t:utf8toUnicode are taken for C strings.  The rules against scripts
 * decode entities and escapes before the first of them, so "&#0;" or "\0" in front of a payload hid all of it.  A
 * symbol of the program comes before the library's of the same name, in the library's own tables, too; each of these
 * does what it has always done, by the library's own code, and counts bytes.  modsec_test.c sends such payloads. */
#include <cstdint>
#include <cstdlib>
#include <string>

#include <modsecurity/modsecurity.h>

/* Called by the loader: the linker takes a file of an archive only where something in it is asked for. */
void modsec_mend();
void modsec_mend() {}

#if MODSECURITY_VERSION_NUM < 30130100

namespace modsecurity {

class Transaction;

namespace actions {
namespace transformations {

class CssDecode {
public:
	std::string evaluate(const std::string &value, Transaction *transaction);
	static int css_decode_inplace(unsigned char *input, int64_t input_len);
};

class Utf8ToUnicode {
public:
	std::string evaluate(const std::string &value, Transaction *transaction);
	static char *inplace(unsigned char *input, uint64_t input_len, int *changed);
};

std::string CssDecode::evaluate(const std::string &value, Transaction *)
{
	std::string out = value;
	/* It ends what it writes with a NUL, where std::string has one. */
	const int len = css_decode_inplace(reinterpret_cast<unsigned char *>(&out[0]), static_cast<int64_t>(out.size()));

	out.resize(len < 0 ? 0 : static_cast<size_t>(len));
	return out;
}

/* Between two NULs, as the library does it: the last byte that it is given is the one that ends the string. */
static std::string piece_to_unicode(std::string piece)
{
	int changed = 0;
	char *text = Utf8ToUnicode::inplace(reinterpret_cast<unsigned char *>(&piece[0]), piece.size() + 1, &changed);
	const std::string out = text ? text : "";

	std::free(text);
	return out;
}

std::string Utf8ToUnicode::evaluate(const std::string &value, Transaction *)
{
	std::string out;

	for (size_t from = 0;;) {
		const size_t end = value.find('\0', from);

		out += piece_to_unicode(value.substr(from, end == std::string::npos ? end : end - from));
		if (end == std::string::npos)
			return out;
		out += '\0';
		from = end + 1;
	}
}

} /* namespace transformations */
} /* namespace actions */
} /* namespace modsecurity */

#endif
