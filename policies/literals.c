/* literals.c -- types, and how a literal of each is written.
 *
 * One reader per type serves expressions, inline lists and list files, so that
 * a word means the same thing wherever it stands. */
#include "gateway/base/text.h"
#include "policies/policy_parts.h"

static const struct {
	const char *word, *literal;
	enum form form;
} types[TYPES] = {
#define POLICY_TYPE(id, word, form, literal) [TYPE_##id] = {word, literal, form},
#include "policies/types.def"
#undef POLICY_TYPE
};

const char *type_word(enum type t)
{
	return types[t].word;
}

const char *type_literal(enum type t)
{
	return types[t].literal;
}

enum form type_form(enum type t)
{
	return types[t].form;
}

/* ISO 3166-1, and XK, which every database of places uses for Kosovo. */
static const char countries[] =
	"AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY "
	"BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK "
	"FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR "
	"IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK "
	"ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM "
	"PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF "
	"TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW ";
static const char continents[] = "AF AN AS EU NA OC SA ";

static bool two_letters_in(struct slice letters, const char *list)
{
	for (; letters.len == 2 && *list; list += 3)
		if (list[0] == letters.at[0] && list[1] == letters.at[1])
			return true;
	return false;
}

bool country_known(struct slice letters)
{
	return two_letters_in(letters, countries);
}

bool continent_known(struct slice letters)
{
	return two_letters_in(letters, continents);
}

int64_t place_number(const char letters[2])
{
	return (int64_t)(unsigned char)letters[0] << 8 | (unsigned char)letters[1];
}

static const char *const methods[] = {
	"GET",  "HEAD",  "POST",   "PUT",      "DELETE",    "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND",
	"COPY", "MOVE",  "LOCK",   "UNLOCK",   "PROPPATCH", "MKCOL", "SEARCH",  "QUERY", "REPORT",  "PURGE",
	"BIND", "MERGE", "REBIND", "CHECKOUT", "MKCALENDAR", NULL,
};

bool method_known(struct slice text)
{
	for (unsigned i = 0; methods[i]; i++)
		if (slice_is(text, methods[i]))
			return true;
	return false;
}

static bool fail(const char **why, const char *what)
{
	*why = what;
	return false;
}

/* An upper-case form of a short word, to suggest it. */
static struct slice upper(struct slice text, char room[32])
{
	if (text.len > 31)
		return text;
	for (size_t i = 0; i < text.len; i++)
		room[i] = text.at[i] >= 'a' && text.at[i] <= 'z' ? (char)(text.at[i] - 32) : text.at[i];
	room[text.len] = 0;
	return slice_make(room, text.len);
}

static bool read_method(struct slice text, struct value *out, const char **why, const char **near)
{
	char room[32];

	out->text = text;
	if (method_known(text))
		return true;
	*near = text_nearest(upper(text, room), methods);
	return fail(why, "not a method");
}

static bool read_country(struct slice text, struct value *out, const char **why, const char **near)
{
	char room[32];

	if (slice_is(text, "UK")) {
		*near = "GB";
		return fail(why, "not a country code of ISO 3166");
	}
	if (slice_is(text, "EU"))
		return fail(why, "not a country; write ip.continent == EU");
	if (!country_known(text)) {
		if (country_known(upper(text, room)))
			return fail(why, "not a country; country codes are written in upper case");
		return fail(why, "not a country code of ISO 3166");
	}
	out->number = place_number(text.at);
	return true;
}

static bool read_continent(struct slice text, struct value *out, const char **why)
{
	if (!continent_known(text))
		return fail(why, "not a continent; use AF AN AS EU NA OC or SA");
	out->number = place_number(text.at);
	return true;
}

static bool read_asn(struct slice text, struct value *out, const char **why)
{
	uint64_t n;

	if (!slice_starts(text, SLICE("AS")))
		return fail(why, "not a network number; write AS64500");
	if (!text_uint(slice_after(text, 2), &n) || n == 0 || n > UINT32_MAX)
		return fail(why, "not a network number from AS1 to AS4294967295");
	out->number = (int64_t)n;
	return true;
}

/* A wide IPv6 network that the form of IPv4 addresses would fall into. */
static bool covers_v4(const struct cidr *net)
{
	static const struct addr v4 = {{[10] = 0xff, [11] = 0xff}};

	for (unsigned bit = 0; bit < net->bits && bit < 96; bit++)
		if ((net->base.b[bit / 8] ^ v4.b[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	return net->bits < 96;
}

static bool read_ip(struct slice text, struct value *out, const char **why)
{
	static const struct addr v4_all = {{[10] = 0xff, [11] = 0xff}};
	struct addr none = {{0}}, none_v4 = v4_all;
	struct cidr net;

	if (!cidr_parse(text, &net, why))
		return false;
	if (net.bits && covers_v4(&net))
		return fail(why, "no network so wide is allowed; it would hold every IPv4 address");
	if (net.bits == 0 || (net.bits == 96 && addr_compare(&net.base, &v4_all) == 0))
		return fail(why, "everybody; leave the test out instead");
	if (net.bits == 128 && (addr_compare(&net.base, &none) == 0 || addr_compare(&net.base, &none_v4) == 0))
		return fail(why, "the unspecified address, which no client has");
	out->ip = net.base;
	out->bits = net.bits;
	return true;
}

static bool read_sha256(struct slice text, const char **why)
{
	if (text.len != 64)
		return fail(why, "not a SHA-256: 64 hexadecimal digits");
	for (size_t i = 0; i < 64; i++)
		if (text_hex_digit(text.at[i]) < 0 || (text.at[i] >= 'A' && text.at[i] <= 'F'))
			return fail(why, "not a SHA-256: 64 hexadecimal digits in lower case");
	return true;
}

static bool read_clock(struct slice text, struct value *out, const char **why)
{
	uint64_t hours, minutes;

	if (text.len != 5 || text.at[2] != ':' || !text_uint(slice_first(text, 2), &hours) ||
	    !text_uint(slice_after(text, 3), &minutes) || hours > 23 || minutes > 59)
		return fail(why, "not a time of day from 00:00 to 23:59");
	out->number = (int64_t)(hours * 60 + minutes);
	return true;
}

static bool read_int(struct slice text, struct value *out, const char **why)
{
	uint64_t size;

	if (text_int(text, &out->number))
		return true;
	if (!text_size(text, &size))
		return fail(why, "neither an integer nor a size such as 10KiB");
	out->number = (int64_t)size;
	return true;
}

static bool read_word(struct slice text, const char *const *words, int64_t first, struct value *out,
		      const char **why, const char **near)
{
	for (int i = 0; words[i]; i++)
		if (slice_is(text, words[i])) {
			out->number = first + i;
			return true;
		}
	*near = text_nearest(text, words);
	return fail(why, "not one of the known words");
}

bool literal_read(enum type t, struct slice text, struct value *out, const char **why, const char **near)
{
	static const char *const weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", NULL};
	static const char *const schemes[] = {"http", "https", NULL};
	static const char *const upgrades[] = {"none", "websocket", NULL};
	static const char *const versions[] = {"1.2", "1.3", NULL};

	*out = (struct value){.text = text};
	*near = NULL;
	switch (t) {
	case TYPE_METHOD:
		return read_method(text, out, why, near);
	case TYPE_COUNTRY:
		return read_country(text, out, why, near);
	case TYPE_CONTINENT:
		return read_continent(text, out, why);
	case TYPE_ASN:
		return read_asn(text, out, why);
	case TYPE_IP:
		return read_ip(text, out, why);
	case TYPE_SHA256:
		return read_sha256(text, why);
	case TYPE_CLOCK:
		return read_clock(text, out, why);
	case TYPE_INT:
		return read_int(text, out, why);
	case TYPE_TIME:
		return text_time(text, &out->number) || fail(why, "not a date or a UTC timestamp");
	case TYPE_WEEKDAY:
		return read_word(text, weekdays, 0, out, why, near);
	case TYPE_SCHEME:
		return read_word(text, schemes, 0, out, why, near);
	case TYPE_UPGRADE:
		return read_word(text, upgrades, 0, out, why, near);
	case TYPE_TLS_VERSION:
		return read_word(text, versions, 0x0303, out, why, near);
	case TYPE_TEXT:
		return true;
	default:
		return fail(why, "no literal can be written");
	}
}
