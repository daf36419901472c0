/* body_json.c -- JSON, to the letter of RFC 8259, without building anything.
 *
 * Two readers of one object with a name twice take different values, so names
 * are compared after decoding: each is hashed together with its object, and the
 * hashes are sorted at the end.  The seed is secret, so that nobody can make two
 * names meet. */
#include "rules/body.h"

#include <stdlib.h>

#include "gateway/base/text.h"

struct json_reader {
	struct slice body;
	size_t at;
	const struct body_limits *limits;
	const struct hash_seed *seed;
	struct body_fault fault;
	uint32_t leaves, depth;
	uint64_t objects;                   /* seen so far: names them */
	uint64_t open[BODY_DEPTH_MOST];     /* number of the object; 0: an array */
	uint64_t *names;
	size_t names_n, names_cap;
};

static bool wrong(struct json_reader *r, const char *why)
{
	r->fault = (struct body_fault){why, r->at, false};
	return false;
}

static bool too_much(struct json_reader *r, const char *why)
{
	r->fault = (struct body_fault){why, r->at, true};
	return false;
}

static int peek(struct json_reader *r)
{
	while (r->at < r->body.len) {
		char c = r->body.at[r->at];

		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			return (unsigned char)c;
		r->at++;
	}
	return -1;
}

static bool is_digit(const struct json_reader *r)
{
	return r->at < r->body.len && r->body.at[r->at] >= '0' && r->body.at[r->at] <= '9';
}

static bool take_char(struct json_reader *r, char c)
{
	if (r->at == r->body.len || r->body.at[r->at] != c)
		return false;
	r->at++;
	return true;
}

static bool digits(struct json_reader *r)
{
	if (!is_digit(r))
		return wrong(r, "not a JSON number");
	while (is_digit(r))
		r->at++;
	return true;
}

/* The decimal power of the first digit that counts: 3 for 1234.5, -2 for 0.012.  False for zero. */
static bool power_of(struct slice digits, int64_t *power, unsigned *first_two)
{
	int64_t whole = (int64_t)slice_find(digits, '.');
	size_t i = 0, next;

	while (i < digits.len && (digits.at[i] == '0' || digits.at[i] == '.'))
		i++;
	if (i == digits.len)
		return false;
	*power = (int64_t)i < whole ? whole - (int64_t)i - 1 : whole - (int64_t)i;
	next = i + 1 < digits.len && digits.at[i + 1] == '.' ? i + 2 : i + 1;
	*first_two = 10u * (unsigned)(digits.at[i] - '0') + (next < digits.len ? (unsigned)(digits.at[next] - '0') : 0);
	return true;
}

/* Beyond 1.7e308, which an IEEE 754 double holds, some readers have infinity, some an error and some a text
 * (RFC 8259 section 6). */
static bool is_vast(struct slice digits, struct slice exponent)
{
	bool negative = exponent.len && exponent.at[0] == '-';
	unsigned first_two;
	int64_t power;
	uint64_t e = 0;

	if (!power_of(digits, &power, &first_two))
		return false;
	while (exponent.len && (exponent.at[0] < '1' || exponent.at[0] > '9'))
		exponent = slice_after(exponent, 1);
	if (exponent.len > 9)
		return !negative;
	text_uint(exponent, &e);
	power += negative ? -(int64_t)e : (int64_t)e;
	return power > 308 || (power == 308 && first_two > 17);
}

static bool number(struct json_reader *r)
{
	size_t from, behind_digits, exponent;

	take_char(r, '-');
	from = r->at;
	if (take_char(r, '0')) {
		if (is_digit(r))
			return wrong(r, "a JSON number begins with 0");
	} else if (!digits(r)) {
		return false;
	}
	if (take_char(r, '.') && !digits(r))
		return false;
	behind_digits = exponent = r->at;
	if (take_char(r, 'e') || take_char(r, 'E')) {
		exponent = r->at;
		if (!take_char(r, '+'))
			take_char(r, '-');
		if (!digits(r))
			return false;
	}
	if (is_vast(slice_make(r->body.at + from, behind_digits - from), slice_make(r->body.at + exponent, r->at - exponent)))
		return wrong(r, "a JSON number that no reader can hold");
	return true;
}

static bool hex4(struct json_reader *r, unsigned *out)
{
	uint64_t n;

	if (r->body.len - r->at < 4 || !text_hex(slice_make(r->body.at + r->at, 4), &n))
		return wrong(r, "not a JSON escape");
	*out = (unsigned)n;
	r->at += 4;
	return true;
}

/* Behind the backslash.  `out` has room for 4 bytes; an escape is never shorter than what it means. */
static bool escape(struct json_reader *r, char *out, size_t *n)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char c = r->at < r->body.len ? r->body.at[r->at++] : '\0';
	const char *found = c ? strchr(from, c) : NULL;
	unsigned code, low;

	if (found) {
		out[0] = to[found - from];
		*n = 1;
		return true;
	}
	if (c != 'u')
		return wrong(r, "not a JSON escape");
	if (!hex4(r, &code))
		return false;
	if (code >= 0xdc00 && code <= 0xdfff)
		return wrong(r, "half of a surrogate pair");
	if (code >= 0xd800 && code <= 0xdbff) {
		if (!take_char(r, '\\') || !take_char(r, 'u'))
			return wrong(r, "half of a surrogate pair");
		if (!hex4(r, &low))
			return false;
		if (low < 0xdc00 || low > 0xdfff)
			return wrong(r, "half of a surrogate pair");
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	*n = text_put_utf8(out, code);
	return true;
}

/* Behind the quote.  *raw is what stands between the quotes; *escaped: it has escapes. */
static bool string(struct json_reader *r, struct slice *raw, bool *escaped)
{
	size_t start = r->at, n;
	char scratch[4];

	*escaped = false;
	while (r->at < r->body.len) {
		char c = r->body.at[r->at];

		if (c == '"') {
			*raw = slice_make(r->body.at + start, r->at - start);
			r->at++;
			return true;
		}
		if ((unsigned char)c < 0x20)
			return wrong(r, "a control character in a JSON string");
		r->at++;
		if (c == '\\') {
			*escaped = true;
			if (!escape(r, scratch, &n))
				return false;
		}
	}
	return wrong(r, "a JSON string does not end");
}

static bool keep_name(struct json_reader *r, struct slice name)
{
	uint64_t pair[2] = {r->open[r->depth - 1], hash_bytes(r->seed, name.at, name.len)};

	if (r->names_n == r->names_cap) {
		size_t cap = r->names_cap ? r->names_cap * 2 : 64;
		uint64_t *grown = realloc(r->names, cap * sizeof *grown);

		if (!grown)
			return too_much(r, "memory is used up");
		r->names = grown;
		r->names_cap = cap;
	}
	r->names[r->names_n++] = hash_bytes(r->seed, pair, sizeof pair);
	return true;
}

static bool member_name(struct json_reader *r)
{
	struct slice raw;
	bool escaped, kept;
	size_t len = 0, end;
	char *decoded;

	if (!take_char(r, '"'))
		return wrong(r, "a member of an object needs a name");
	if (!string(r, &raw, &escaped))
		return false;
	end = r->at;
	if (!escaped) {
		kept = keep_name(r, raw);
	} else {
		decoded = malloc(raw.len);
		if (!decoded)
			return too_much(r, "memory is used up");
		for (r->at = (size_t)(raw.at - r->body.at); r->at < end - 1;) {
			size_t n = 1;

			decoded[len] = r->body.at[r->at++];
			if (decoded[len] == '\\')
				escape(r, decoded + len, &n);
			len += n;
		}
		r->at = end;
		kept = keep_name(r, slice_make(decoded, len));
		free(decoded);
	}
	if (!kept)
		return false;
	return (peek(r) == ':' && take_char(r, ':')) || wrong(r, "a name without a colon");
}

static bool leaf(struct json_reader *r)
{
	return ++r->leaves <= r->limits->arguments || too_much(r, "more JSON values than allowed");
}

static bool word(struct json_reader *r, struct slice text)
{
	if (!slice_starts(slice_after(r->body, r->at), text))
		return wrong(r, "not a JSON value");
	r->at += text.len;
	return true;
}

static bool scalar(struct json_reader *r, int c)
{
	struct slice raw;
	bool escaped;

	if (!leaf(r))
		return false;
	switch (c) {
	case '"':
		r->at++;
		return string(r, &raw, &escaped);
	case 't':
		return word(r, SLICE("true"));
	case 'f':
		return word(r, SLICE("false"));
	case 'n':
		return word(r, SLICE("null"));
	default:
		return number(r);
	}
}

static bool enter(struct json_reader *r, bool object)
{
	uint32_t most = r->limits->depth < BODY_DEPTH_MOST ? r->limits->depth : BODY_DEPTH_MOST;

	if (r->depth == most)
		return too_much(r, "JSON nested deeper than allowed");
	r->at++;
	r->open[r->depth++] = object ? ++r->objects : 0;
	return true;
}

/* One value, or the beginning of one: of a container, up to its first leaf. */
static bool value(struct json_reader *r)
{
	int c = peek(r);
	char close = c == '{' ? '}' : ']';

	if (c != '{' && c != '[')
		return scalar(r, c);
	if (!enter(r, c == '{'))
		return false;
	if (peek(r) == close) {
		r->at++;
		r->depth--;
		return leaf(r);
	}
	if (c == '{' && !(peek(r) == '"' && member_name(r)))
		return r->fault.why ? false : wrong(r, "a member of an object needs a name");
	return value(r); /* the first element; as deep as the body nests, which is bounded */
}

/* Behind a value: close what ends, or go on to the next element. */
static bool next_element(struct json_reader *r)
{
	while (r->depth) {
		bool object = r->open[r->depth - 1] != 0;
		int c = peek(r);

		if (c == (object ? '}' : ']')) {
			r->at++;
			r->depth--;
			continue;
		}
		if (c != ',')
			return wrong(r, "a comma or a closing bracket is missing");
		r->at++;
		if (object && (peek(r) != '"' || !member_name(r)))
			return r->fault.why ? false : wrong(r, "a member of an object needs a name");
		return value(r);
	}
	return true;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

struct body_fault body_json(struct slice body, const struct body_limits *limits, const struct hash_seed *seed)
{
	struct json_reader r;
	bool fine;

	memset(&r, 0, offsetof(struct json_reader, open));
	r.names = NULL;
	r.names_n = r.names_cap = 0;
	r.body = body;
	r.limits = limits;
	r.seed = seed;
	if (!text_is_utf8(body))
		return (struct body_fault){"JSON that is not UTF-8", 0, false};
	fine = value(&r);
	while (fine && r.depth)
		fine = next_element(&r);
	if (fine && peek(&r) != -1)
		fine = wrong(&r, "something follows the JSON value");
	if (fine && r.names_n > 1) {
		qsort(r.names, r.names_n, sizeof *r.names, by_number);
		for (size_t i = 1; i < r.names_n && fine; i++)
			if (r.names[i] == r.names[i - 1])
				fine = wrong(&r, "a JSON object has two members of one name");
	}
	free(r.names);
	return r.fault;
}
