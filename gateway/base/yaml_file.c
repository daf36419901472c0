/* yaml_file.c -- the bytes of a file people edit, before YAML sees them; and places inside a scalar. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/text.h"
#include "gateway/base/yaml_parts.h"

/* Why the character at `s` may not stand in a file; NULL when it may. */
static const char *refused(struct slice s, size_t *len)
{
	unsigned char c = (unsigned char)s.at[0];

	*len = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c == '\t')
		return "a tab; indent and separate with spaces";
	if (c == 0)
		return "a NUL byte; save the file as UTF-8 text";
	if (c == '\r' && (s.len < 2 || s.at[1] != '\n'))
		return "a carriage return without a line feed; end lines with LF";
	if (c == 0x7f || (c < 0x20 && c != '\n' && c != '\r'))
		return "a control character; remove it";
	if (c < 0x80)
		return NULL;
	if (*len > s.len || !text_is_utf8(slice_first(s, *len)))
		return "bytes that are not UTF-8; save the file as UTF-8 text";
	if (slice_starts(s, SLICE("\xc2\x85")) || slice_starts(s, SLICE("\xe2\x80\xa8")) ||
	    slice_starts(s, SLICE("\xe2\x80\xa9")))
		return "a line break that most editors do not show (U+0085, U+2028 or U+2029); remove it";
	if (c == 0xc2 && (unsigned char)s.at[1] < 0xa0)
		return "a control character; remove it";
	if (slice_starts(s, SLICE("\xef\xbb\xbf")))
		return "a byte order mark; save the file as UTF-8 without one";
	if (c == 0xef && (unsigned char)s.at[1] == 0xbf && (unsigned char)s.at[2] >= 0xbe)
		return "a character that is none (U+FFFE or U+FFFF); remove it";
	return NULL;
}

bool yaml_check_bytes(const char *file, struct slice bytes, struct fail *f)
{
	struct place place = {file, 1, 1};

	if (bytes.len > YAML_BYTES)
		return fail_at(f, (struct place){file, 0, 0},
			       "more than 1 MiB; move long lists into list files");
	while (bytes.len) {
		size_t len;
		const char *why = refused(bytes, &len);

		if (why)
			return fail_at(f, place, "%s", why);
		place.column++;
		if (bytes.at[0] == '\n')
			place = (struct place){file, place.line + 1, 1};
		bytes = slice_after(bytes, len);
	}
	return true;
}

static bool read_whole(struct arena *a, int fd, size_t size, struct slice *out)
{
	char *at = arena_take(a, size + 1);
	size_t have = 0;

	if (!at) {
		errno = ENOMEM;
		return false;
	}
	while (have < size) {
		ssize_t n = read(fd, at + have, size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	at[have] = 0;
	*out = slice_make(at, have);
	return true;
}

bool yaml_load(struct arena *a, const char *path, size_t most, struct slice *out, struct fail *f, struct place by)
{
	struct stat st;
	bool fine = false;
	int fd;

	if (!by.file)
		by = (struct place){path, 0, 0};
	/* Non-blocking: a named pipe must not hold the reader for ever. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fail_at(f, by, "%s cannot be opened: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0)
		fail_at(f, by, "%s cannot be read: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		fail_at(f, by, "%s is not a regular file", path);
	else if ((uint64_t)st.st_size > most)
		fail_at(f, by, "%s has %lld bytes; at most %zu are read", path, (long long)st.st_size, most);
	else if (!read_whole(a, fd, (size_t)st.st_size, out))
		fail_at(f, by, "%s cannot be read: %s", path, strerror(errno));
	else
		fine = true;
	close(fd);
	return fine;
}

/* ---- Places inside a scalar ---- */

struct walk {
	struct slice rest;
	struct place place;
};

static void step(struct walk *w)
{
	unsigned char c = (unsigned char)w->rest.at[0];

	w->rest = slice_after(w->rest, 1);
	if (c == '\n') {
		w->place.line++;
		w->place.column = 1;
	} else if (!w->rest.len || ((unsigned char)w->rest.at[0] & 0xc0) != 0x80) {
		w->place.column++;
	}
}

static bool at_break(struct slice s)
{
	size_t i = 0;

	while (i < s.len && s.at[i] == ' ')
		i++;
	return i < s.len && (s.at[i] == '\n' || s.at[i] == '\r');
}

/* Plain and quoted text: a line break with its blanks is one space, n of them are n-1 breaks. */
static void walk_flow(struct walk *w, size_t offset, bool doubled)
{
	while (offset && w->rest.len) {
		if (at_break(w->rest)) {
			size_t breaks = 0, made;

			while (w->rest.len && strchr(" \r\n", w->rest.at[0])) {
				breaks += w->rest.at[0] == '\n';
				step(w);
			}
			made = breaks > 1 ? breaks - 1 : 1;
			offset -= offset < made ? offset : made;
			continue;
		}
		if (doubled && slice_starts(w->rest, SLICE("''")))
			step(w);
		step(w);
		offset--;
	}
}

/* Spaces before the first line that holds more than spaces. */
static size_t indent_of(struct slice lines)
{
	while (lines.len) {
		size_t spaces = 0;

		while (spaces < lines.len && lines.at[spaces] == ' ')
			spaces++;
		if (spaces < lines.len && lines.at[spaces] != '\n' && lines.at[spaces] != '\r')
			return spaces;
		lines = slice_after(lines, slice_find(lines, '\n') < lines.len ? slice_find(lines, '\n') + 1 : lines.len);
	}
	return 0;
}

/* A block: its own indentation is what the file has more than the text. */
static void walk_block(struct walk *w, struct slice text, size_t offset)
{
	size_t indent;

	while (w->rest.len && w->rest.at[0] != '\n')
		step(w);
	if (!w->rest.len)
		return;
	step(w);
	indent = indent_of(w->rest) - indent_of(text);
	for (;;) {
		for (size_t i = 0; i < indent && w->rest.len && w->rest.at[0] == ' '; i++)
			step(w);
		while (offset && w->rest.len && w->rest.at[0] != '\n') {
			offset -= w->rest.at[0] != '\r';
			step(w);
		}
		if (!offset || !w->rest.len)
			return;
		step(w);
		offset--;
	}
}

struct place yaml_place_in(const struct yaml_node *scalar, size_t offset)
{
	struct walk w = {scalar->source, scalar->place};

	if (offset > scalar->text.len)
		offset = scalar->text.len;
	if (!w.rest.len) {
		w.place.column += (uint32_t)offset;
		return w.place;
	}
	if (scalar->style == YAML_BLOCK) {
		walk_block(&w, scalar->text, offset);
		return w.place;
	}
	/* Behind an escape the place is not known: the scalar's own. */
	if (scalar->style == YAML_DOUBLE && slice_find(w.rest, '\\') < w.rest.len)
		return scalar->place;
	if (scalar->style != YAML_PLAIN)
		step(&w);
	walk_flow(&w, offset, scalar->style == YAML_SINGLE);
	return w.place;
}
