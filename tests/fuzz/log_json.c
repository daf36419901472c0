/* log_json.c -- fuzz: what the JSON writer is told is what jansson reads, on one line, within its room.
 *
 * Bytes that are no UTF-8 come back as the text \xNN, and so does a backslash that could be taken for the beginning of
 * one.  What did not fit is left out and said so. */
/* Both libraries have a json_object; ours is meant. */
#define json_object jansson_object
#include <jansson.h>
#undef json_object

#include "fuzz.h"
#include "gateway/base/json.h"
#include "gateway/base/text.h"

enum { DEPTH = 12, ROOM = 4096 };

static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"};

/* The value as a reader must see it. */
static json_t *text_of(struct slice s)
{
	struct buf out;
	json_t *j;

	buf_init(&out, NULL);
	MUST(buf_room(&out, 1));
	while (s.len) {
		size_t n = 1;

		/* The shortest run that is UTF-8 is one character. */
		while (n <= 4 && n <= s.len && !text_is_utf8(slice_first(s, n)))
			n++;
		if (s.at[0] == '\\' && s.len > 1 && s.at[1] == 'x')
			MUST(buf_print(&out, "\\x5c"));
		else if (n <= 4 && n <= s.len)
			MUST(buf_put(&out, s.at, n));
		else
			MUST(buf_print(&out, "\\x%02x", (unsigned char)s.at[(n = 1) - 1]));
		s = slice_after(s, n);
	}
	j = json_stringn(out.at + out.start, buf_len(&out));
	buf_done(&out);
	return j;
}

static void add(json_t *to, const char *key, json_t *value)
{
	MUST(value);
	MUST(json_is_array(to) ? !json_array_append_new(to, value) : !json_object_set_new(to, key, value));
}

static void milli(struct json *j, const char *key, json_t *to, int64_t value)
{
	value %= INT64_C(1) << 40;
	json_milli(j, key, value);
	add(to, key, json_real(value < 0 ? 0 : (double)value / 1000));
}

/* One call of the writer, and the same in the tree that is expected. */
static void step(struct fuzz_in *in, struct json *j, json_t **open, unsigned *depth)
{
	json_t *to = open[*depth - 1], *inner;
	const char *key = json_is_array(to) ? NULL : keys[fuzz_below(in, FUZZ_COUNT(keys))];
	struct slice text;

	if (key && json_object_get(to, key))
		return;
	switch (fuzz_below(in, 8)) {
	case 0:
	case 1:
		if (*depth == DEPTH)
			break;
		inner = in->rest.len % 2 ? json_array() : json_pack("{}");
		(json_is_array(inner) ? json_list : json_object)(j, key);
		add(to, key, inner);
		open[(*depth)++] = inner;
		break;
	case 2:
		if (*depth == 1)
			break;
		json_end(j);
		--*depth;
		break;
	case 3: {
		int64_t n = (int64_t)fuzz_number(in);

		json_int(j, key, n);
		add(to, key, json_integer(n));
		break;
	}
	case 4:
		milli(j, key, to, (int64_t)fuzz_number(in));
		break;
	case 5:
		json_bool(j, key, in->rest.len & 1);
		add(to, key, json_boolean(in->rest.len & 1));
		break;
	default:
		text = fuzz_run(in, 255);
		json_text(j, key, text);
		add(to, key, text_of(text));
	}
}

static void check(struct slice line, const json_t *want, bool cut)
{
	json_error_t error;
	json_t *got = json_loadb(line.at, line.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

	MUST(got && text_is_utf8(line));
	for (size_t i = 0; i < line.len; i++)
		MUST((unsigned char)line.at[i] >= 0x20 && line.at[i] != 0x7f);
	/* U+2028 and U+2029 end a line in some viewers, U+202E turns it round. */
	MUST(!slice_contains(line, SLICE("\xe2\x80\xa8")) && !slice_contains(line, SLICE("\xe2\x80\xa9")));
	MUST(!slice_contains(line, SLICE("\xe2\x80\xae")) && !slice_contains(line, SLICE("\xc2\x85")));
	if (cut)
		MUST(json_is_true(json_object_get(got, "cut")));
	else
		MUST(json_equal(got, want));
	json_decref(got);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	size_t room = 64 + fuzz_below(&in, ROOM - 64);
	char *line = malloc(room);
	json_t *open[DEPTH] = {json_pack("{}")};
	unsigned depth = 1;
	struct slice done;
	struct json j;

	MUST(line && open[0]);
	json_begin(&j, line, room);
	while (in.rest.len)
		step(&in, &j, open, &depth);
	done = json_finish(&j);
	MUST(done.at == line && done.len <= room);
	check(done, open[0], j.cut);
	json_decref(open[0]);
	free(line);
	return 0;
}
