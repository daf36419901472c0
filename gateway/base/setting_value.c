/* setting_value.c -- one scalar becomes a value of its kind, or a finding that shows how to write it. */
#include <stdio.h>

#include "gateway/base/setting_parts.h"
#include "gateway/base/text.h"

enum { NAME_MAX_LEN = 40, SHOWN = 60 };

/* What was written, for a message: never long. */
#define SHOWN_F(s) (int)((s).len < SHOWN ? (s).len : SHOWN), (s).at

void setting_duration_text(int64_t ms, char out[32])
{
	static const struct {
		const char *unit;
		int64_t factor;
	} units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}};

	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (ms && ms % units[i].factor == 0) {
			snprintf(out, 32, "%lld%s", (long long)(ms / units[i].factor), units[i].unit);
			return;
		}
	}
	snprintf(out, 32, "%lldms", (long long)ms);
}

void setting_size_text(int64_t bytes, char out[32])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
	unsigned unit = 0;

	while (bytes && bytes % 1024 == 0 && unit < 3) {
		bytes /= 1024;
		unit++;
	}
	snprintf(out, 32, "%lld%s", (long long)bytes, units[unit]);
}

static void number_text(const struct setting *s, int64_t value, char out[32])
{
	if (s->kind == SETTING_DURATION)
		setting_duration_text(value, out);
	else if (s->kind == SETTING_SIZE)
		setting_size_text(value, out);
	else
		snprintf(out, 32, "%lld", (long long)value);
}

static bool within(struct setting_reader *r, const struct setting *s, struct slice name, const struct yaml_node *node,
		   int64_t value)
{
	char least[32], most[32];

	if ((!s->least && !s->most) || (value >= s->least && value <= s->most))
		return true;
	number_text(s, s->least, least);
	number_text(s, s->most, most);
	return fail_at(r->fail, node->place, "%.*s: %.*s is out of bounds; write %s to %s", SLICE_F(name),
		       SHOWN_F(node->text), least, most);
}

static bool read_text(struct setting_reader *r, const struct yaml_node *node, struct slice *out)
{
	*out = arena_copy(r->arena, node->text);
	return out->at || fail_at(r->fail, node->place, "memory is used up while the file is read");
}

static bool read_name(struct setting_reader *r, struct slice name, const struct yaml_node *node, struct slice *out)
{
	struct slice s = node->text;
	bool fine = s.len >= 1 && s.len <= NAME_MAX_LEN;

	for (size_t i = 0; fine && i < s.len; i++)
		fine = (s.at[i] >= 'a' && s.at[i] <= 'z') || (s.at[i] >= '0' && s.at[i] <= '9') || s.at[i] == '-';
	if (!fine)
		return fail_at(r->fail, node->place,
			       "%.*s: \"%.*s\" is not a name; use 1 to %d of a-z, 0-9 and -", SLICE_F(name), SHOWN_F(s),
			       NAME_MAX_LEN);
	return read_text(r, node, out);
}

static bool read_path(struct setting_reader *r, struct slice name, const struct yaml_node *node, struct slice *out)
{
	if (!node->text.len)
		return fail_at(r->fail, node->place, "%.*s: the path is empty", SLICE_F(name));
	if (node->text.at[0] == '/' || !r->directory)
		return read_text(r, node, out);
	*out = arena_print(r->arena, "%s/%.*s", r->directory, SLICE_F(node->text));
	return out->at || fail_at(r->fail, node->place, "memory is used up while the file is read");
}

static bool read_int(struct setting_reader *r, const struct setting *s, struct slice name,
		     const struct yaml_node *node, int64_t *out)
{
	int64_t value;

	if (!text_int(node->text, &value))
		return fail_at(r->fail, node->place, "%.*s: \"%.*s\" is not a whole number", SLICE_F(name),
			       SHOWN_F(node->text));
	if (!within(r, s, name, node, value))
		return false;
	*out = value;
	return true;
}

static bool read_bool(struct setting_reader *r, struct slice name, const struct yaml_node *node, bool *out)
{
	static const char *const yes[] = {"yes", "on", "1", "y", "t", NULL};
	bool means_true = false;

	*out = slice_is(node->text, "true");
	if (*out || slice_is(node->text, "false"))
		return true;
	for (unsigned i = 0; yes[i]; i++)
		means_true |= slice_ieq(node->text, slice_of(yes[i]));
	return fail_at(r->fail, node->place, "%.*s: \"%.*s\" is neither true nor false; did you mean \"%s\"?", SLICE_F(name),
		       SHOWN_F(node->text), means_true || slice_ieq(node->text, SLICE("true")) ? "true" : "false");
}

static struct slice digits_of(struct slice s)
{
	size_t n = 0;

	while (n < s.len && s.at[n] >= '0' && s.at[n] <= '9')
		n++;
	return slice_first(s, n);
}

static bool read_duration(struct setting_reader *r, const struct setting *s, struct slice name,
			  const struct yaml_node *node, int64_t *out)
{
	struct slice digits = digits_of(node->text);
	int64_t value;

	if (!text_duration(node->text, &value)) {
		if (digits.len && digits.len == node->text.len)
			return fail_at(r->fail, node->place, "%.*s: %.*s has no unit; did you mean \"%.*ss\"?",
				       SLICE_F(name), SHOWN_F(node->text), SHOWN_F(digits));
		return fail_at(r->fail, node->place,
			       "%.*s: \"%.*s\" is not a duration; write 500ms, 30s, 10m, 2h or 7d", SLICE_F(name),
			       SHOWN_F(node->text));
	}
	if (!within(r, s, name, node, value))
		return false;
	*out = value;
	return true;
}

static bool read_size(struct setting_reader *r, const struct setting *s, struct slice name,
		      const struct yaml_node *node, int64_t *out)
{
	struct slice digits = digits_of(node->text), unit = slice_after(node->text, digits.len);
	uint64_t value;

	if (!text_size(node->text, &value) || value > INT64_MAX) {
		char letter = unit.len ? ascii_lower(unit.at[0]) : 0;

		if (digits.len && (letter == 'k' || letter == 'm' || letter == 'g'))
			return fail_at(r->fail, node->place, "%.*s: \"%.*s\" is not a size; did you mean \"%.*s%ciB\"?",
				       SLICE_F(name), SHOWN_F(node->text), SHOWN_F(digits), letter - 'a' + 'A');
		return fail_at(r->fail, node->place, "%.*s: \"%.*s\" is not a size; write 512B, 64KiB, 10MiB or 1GiB",
			       SLICE_F(name), SHOWN_F(node->text));
	}
	if (!within(r, s, name, node, (int64_t)value))
		return false;
	*out = (int64_t)value;
	return true;
}

static bool read_word(struct setting_reader *r, const struct setting *s, struct slice name,
		      const struct yaml_node *node, int *out)
{
	char syntax[SETTING_SYNTAX];
	const char *near;

	for (int i = 0; s->words[i]; i++) {
		if (slice_is(node->text, s->words[i])) {
			*out = i;
			return true;
		}
	}
	near = text_nearest(node->text, s->words);
	if (near)
		return fail_at(r->fail, node->place, "%.*s: \"%.*s\" is not known; did you mean \"%s\"?", SLICE_F(name),
			       SHOWN_F(node->text), near);
	return fail_at(r->fail, node->place, "%.*s: \"%.*s\" is not known; write %.*s", SLICE_F(name), SHOWN_F(node->text),
		       SLICE_F(setting_syntax(s, syntax)));
}

bool setting_read_scalar(struct setting_reader *r, const struct setting *s, struct slice name,
			 const struct yaml_node *node, void *out)
{
	char syntax[SETTING_SYNTAX];

	if (node->kind != YAML_SCALAR)
		return fail_at(r->fail, node->place, "%.*s must be %.*s, not a %s", SLICE_F(name),
			       SLICE_F(setting_syntax(s, syntax)), node->kind == YAML_LIST ? "list" : "mapping");
	if (node->style == YAML_PLAIN && !node->text.len)
		return fail_at(r->fail, node->place, "%.*s has no value; write %.*s, or leave the key out", SLICE_F(name),
			       SLICE_F(setting_syntax(s, syntax)));
	switch (s->kind) {
	case SETTING_NAME:
		return read_name(r, name, node, out);
	case SETTING_PATH:
		return read_path(r, name, node, out);
	case SETTING_INT:
		return read_int(r, s, name, node, out);
	case SETTING_BOOL:
		return read_bool(r, name, node, out);
	case SETTING_DURATION:
		return read_duration(r, s, name, node, out);
	case SETTING_SIZE:
		return read_size(r, s, name, node, out);
	case SETTING_WORD:
		return read_word(r, s, name, node, out);
	default:
		return read_text(r, node, out);
	}
}

static int bounds(const struct setting *s, char *out, size_t room)
{
	char least[32], most[32];

	if (!s->least && !s->most)
		return 0;
	number_text(s, s->least, least);
	number_text(s, s->most, most);
	return snprintf(out, room, ", %s to %s", least, most);
}

static int words(const struct setting *s, char *out, size_t room)
{
	size_t n = 0;

	for (unsigned i = 0; s->words[i] && n < room; i++)
		n += (size_t)snprintf(out + n, room - n, "%s%s", !i ? "" : s->words[i + 1] ? ", " : " or ", s->words[i]);
	return (int)n;
}

struct slice setting_syntax(const struct setting *s, char out[SETTING_SYNTAX])
{
	static const char *const kinds[] = {
		[SETTING_TEXT] = "text",	  [SETTING_NAME] = "a name",
		[SETTING_PATH] = "a path",	  [SETTING_INT] = "a whole number",
		[SETTING_BOOL] = "true or false", [SETTING_DURATION] = "a duration",
		[SETTING_SIZE] = "a size",	  [SETTING_STRUCT] = "a mapping",
		[SETTING_LIST] = "a list of ",	  [SETTING_MAP] = "a mapping of names to ",
		[SETTING_CUSTOM] = "text",	  [SETTING_LATER] = "nothing",
	};
	char inner[SETTING_SYNTAX];
	int n;

	if (s->kind == SETTING_WORD)
		n = words(s, out, SETTING_SYNTAX);
	else if (s->kind == SETTING_CUSTOM && s->syntax)
		n = snprintf(out, SETTING_SYNTAX, "%s", s->syntax);
	else if (s->kind == SETTING_LIST || s->kind == SETTING_MAP) {
		struct slice of = setting_syntax(s->each, inner);

		if (slice_starts(of, SLICE("a ")))
			of = slice_after(of, 2);
		n = snprintf(out, SETTING_SYNTAX, "%s%.*s%s", kinds[s->kind], SLICE_F(of), s->lone ? ", or one alone" : "");
	} else {
		n = snprintf(out, SETTING_SYNTAX, "%s", kinds[s->kind]);
		n += bounds(s, out + n, SETTING_SYNTAX - (size_t)n);
	}
	if (n >= SETTING_SYNTAX)
		n = SETTING_SYNTAX - 1;
	return slice_make(out, (size_t)n);
}
