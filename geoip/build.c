/* build.c -- the free country database: Tor's text files, which Debian carries, into MaxMind DB format.
 *
 * Each line is a range and a country.  Codes that are no country ("??", "AP",
 * "EU") are left out, so that their addresses have none; "UK" is Great Britain.
 * The time of the database is the time of its source: the same input gives the
 * same file on every machine. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/base/text.h"
#include "geoip/geoip.h"
#include "geoip/mmdb_write.h"

enum { SOURCE_BYTES_MAX = 256 << 20 };

static const char description[] = "Country by address. IPFire location database (https://location.ipfire.org/), "
				  "as converted by the Tor Project, CC BY-SA 4.0";

struct build {
	struct mmdb *m;
	struct fail *f;
	struct place at; /* the line being read */
	bool v6;
	int64_t built;
	uint64_t ranges;
	uint32_t values[26][26];
};

/* ---- Lines ---- */

static bool whole_number(struct slice text, unsigned __int128 *out)
{
	uint64_t n;

	if (!text_uint(text, &n) || n > UINT32_MAX)
		return false;
	*out = n;
	return true;
}

/* Not addr_parse: that folds some IPv6 networks into IPv4. */
static bool whole_v6(struct slice text, unsigned __int128 *out)
{
	char z[INET6_ADDRSTRLEN];
	uint8_t b[16];

	if (!text.len || text.len >= sizeof z)
		return false;
	memcpy(z, text.at, text.len);
	z[text.len] = 0;
	if (memchr(z, 0, text.len) || inet_pton(AF_INET6, z, b) != 1)
		return false;
	*out = 0;
	for (unsigned i = 0; i < sizeof b; i++)
		*out = *out << 8 | b[i];
	/* The first 2^32 addresses of the tree are IPv4. */
	return *out >> 32;
}

/* The value of a code; *value 0 when it is no country.  False when memory is used up. */
static bool value_of(struct build *b, struct slice text, uint32_t *value)
{
	char code[3] = {text.at[0], text.at[1], 0};
	const char *continent;
	uint32_t *known;

	if (memcmp(code, "UK", 2) == 0)
		memcpy(code, "GB", 2);
	continent = geoip_continent(code);
	*value = 0;
	if (!continent)
		return true;
	known = &b->values[code[0] - 'A'][code[1] - 'A'];
	if (!*known)
		*known = mmdb_value(b->m, code, continent);
	*value = *known;
	return *value;
}

static bool put_range(struct build *b, unsigned __int128 first, unsigned __int128 last, struct slice code)
{
	uint32_t value;

	if (!value_of(b, code, &value))
		return fail_at(b->f, b->at, "out of memory");
	if (!value)
		return true;
	b->ranges++;
	switch (mmdb_put(b->m, first, last, value)) {
	case MMDB_PUT_OVERLAPS:
		return fail_at(b->f, b->at, "this range overlaps an earlier one; get the file anew");
	case MMDB_PUT_NO_MEMORY:
		return fail_at(b->f, b->at, "out of memory");
	case MMDB_PUT_DONE:
		break;
	}
	return true;
}

static bool put_line(struct build *b, struct slice line)
{
	bool (*number)(struct slice, unsigned __int128 *) = b->v6 ? whole_v6 : whole_number;
	struct slice rest = line, first_text, last_text, code;
	unsigned __int128 first, last;

	if (!slice_cut(&rest, ',', &first_text) || !slice_cut(&rest, ',', &last_text) || !slice_cut(&rest, ',', &code) || rest.at ||
	    code.len != 2 || !number(first_text, &first) || !number(last_text, &last))
		return fail_at(b->f, b->at, b->v6 ? "not a line of the form 2001:db8::,2001:db8::ffff,DE" :
						    "not a line of the form 16777216,16777471,AU");
	if (first > last)
		return fail_at(b->f, b->at, "the range ends before it begins");
	return put_range(b, first, last, code);
}

/* "# Generated: Thu, 25 Jun 2026 04:33:59 GMT": the younger of both files counts. */
static void read_comment(struct build *b, struct slice line)
{
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	unsigned day, year, hour, minute, second, month = 0;
	char name[4], z[80], iso[24];
	int64_t when;

	line = slice_trim(slice_after(line, 1));
	if (!slice_starts(line, SLICE("Generated:")) || line.len >= sizeof z)
		return;
	memcpy(z, line.at, line.len);
	z[line.len] = 0;
	if (sscanf(z, "Generated: %*3[A-Za-z], %2u %3[A-Za-z] %4u %2u:%2u:%2u GMT", &day, name, &year, &hour, &minute, &second) != 6)
		return;
	while (month < 12 && strcmp(months[month], name) != 0)
		month++;
	snprintf(iso, sizeof iso, "%04u-%02u-%02uT%02u:%02u:%02uZ", year, month + 1, day, hour, minute, second);
	if (text_time(slice_of(iso), &when) && when > b->built)
		b->built = when;
}

static bool put_lines(struct build *b, struct slice text)
{
	struct slice line;

	while (text.len && slice_cut(&text, '\n', &line)) {
		b->at.line++;
		if (line.len && line.at[line.len - 1] == '\r')
			line.len--;
		if (!line.len)
			continue;
		if (line.at[0] == '#')
			read_comment(b, line);
		else if (!put_line(b, line))
			return false;
	}
	return true;
}

/* ---- Files ---- */

static bool read_file(struct build *b, const char *path, struct buf *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t r = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		fail_at(b->f, b->at, "cannot open: %s; Debian has it in the package tor-geoipdb", strerror(errno));
	else if (!S_ISREG(st.st_mode) || st.st_size > SOURCE_BYTES_MAX)
		fail_at(b->f, b->at, "not a regular file of at most 256 MiB");
	else if (!buf_room(text, (uint32_t)st.st_size + 1))
		fail_at(b->f, b->at, "out of memory");
	else {
		while ((r = read(fd, text->at + text->end, text->cap - text->end)) > 0)
			text->end += (uint32_t)r;
		if (r == 0 && buf_len(text) == (uint32_t)st.st_size) {
			close(fd);
			return true;
		}
		fail_at(b->f, b->at, "cannot read it whole; try again");
	}
	if (fd >= 0)
		close(fd);
	return false;
}

static bool put_file(struct build *b, const char *path, bool v6)
{
	uint64_t before = b->ranges;
	struct buf text;
	bool good;

	buf_init(&text, NULL);
	b->v6 = v6;
	b->at = (struct place){.file = path};
	good = read_file(b, path, &text) && put_lines(b, buf_slice(&text));
	buf_done(&text);
	b->at.line = 0;
	if (good && b->ranges == before)
		return fail_at(b->f, b->at, "no range with a country in it; is this the right file?");
	return good;
}

/* Whole or not at all: written beside its place, then renamed. */
static bool save(const char *path, struct slice bytes, struct fail *f)
{
	struct place at = {.file = path};
	struct slice left = bytes;
	char *beside = NULL;
	int fd;

	if (asprintf(&beside, "%s.XXXXXX", path) < 0)
		return fail_at(f, at, "out of memory");
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		goto failed;
	while (left.len) {
		ssize_t w = write(fd, left.at, left.len);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			goto failed;
		left = slice_after(left, (size_t)w);
	}
	if (fchmod(fd, 0644) != 0 || fsync(fd) != 0 || rename(beside, path) != 0)
		goto failed;
	close(fd);
	free(beside);
	return true;
failed:
	fail_at(f, at, "cannot be written: %s", strerror(errno));
	if (fd >= 0) {
		unlink(beside);
		close(fd);
	}
	free(beside);
	return false;
}

bool geoip_build(const char *v4_path, const char *v6_path, const char *out_path, struct fail *f)
{
	struct build *b = mem_take_zeroed(NULL, sizeof *b);
	struct mmdb_about about = {.type = "Portcullis-Country", .description = description};
	struct buf out;
	bool good;

	if (!b)
		return fail_at(f, (struct place){0}, "out of memory");
	buf_init(&out, NULL);
	b->f = f;
	b->m = mmdb_new();
	good = b->m || fail_at(f, (struct place){0}, "out of memory");
	good = good && put_file(b, v4_path, false) && put_file(b, v6_path, true);
	if (good && !b->built)
		fail_warn(f, (struct place){.file = v4_path}, "no line \"# Generated: ...\"; the database will have no date");
	about.built = (uint64_t)b->built;
	if (good && !mmdb_write(b->m, &about, &out))
		good = fail_at(f, (struct place){.file = out_path}, "too big for a database, or out of memory");
	good = good && save(out_path, buf_slice(&out), f);
	buf_done(&out);
	mmdb_free(b->m);
	mem_give(NULL, b, sizeof *b);
	return good;
}
