/* zone.c -- TZif files (RFC 9636) and the rules in their footers. */
#include "policies/zone.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "gateway/base/text.h"

enum { ZONE_FILE_MAX = 64 << 10, ZONE_NAME_MAX = 40, HEAD = 44 };

/* ---- The footer: a rule in the form of POSIX's TZ ---- */

struct change {
	int month, week, weekday; /* M3.5.0: the last Sunday of March */
	int32_t seconds;          /* local time of that day */
};

struct rule_text {
	struct slice rest;
	bool ok;
};

static bool eat(struct rule_text *t, char c)
{
	if (!t->rest.len || t->rest.at[0] != c)
		return false;
	t->rest = slice_after(t->rest, 1);
	return true;
}

static int32_t number(struct rule_text *t)
{
	int32_t n = 0;
	size_t i = 0;

	while (i < t->rest.len && i < 4 && t->rest.at[i] >= '0' && t->rest.at[i] <= '9')
		n = n * 10 + (t->rest.at[i++] - '0');
	if (!i)
		t->ok = false;
	t->rest = slice_after(t->rest, i);
	return n;
}

/* [+-]hh[:mm[:ss]] */
static int32_t hours(struct rule_text *t)
{
	bool minus = eat(t, '-');
	int32_t n;

	if (!minus)
		eat(t, '+');
	n = number(t) * 3600;
	if (eat(t, ':'))
		n += number(t) * 60;
	if (eat(t, ':'))
		n += number(t);
	return minus ? -n : n;
}

static void designation(struct rule_text *t)
{
	size_t i = 0;

	if (eat(t, '<')) {
		i = slice_find(t->rest, '>');
		t->ok = t->ok && i < t->rest.len;
		i += i < t->rest.len;
	} else {
		while (i < t->rest.len && ascii_lower(t->rest.at[i]) >= 'a' && ascii_lower(t->rest.at[i]) <= 'z')
			i++;
		t->ok = t->ok && i >= 3;
	}
	t->rest = slice_after(t->rest, i);
}

static struct change change(struct rule_text *t)
{
	struct change c = {.seconds = 7200};

	t->ok = t->ok && eat(t, ',') && eat(t, 'M');
	c.month = number(t);
	t->ok = t->ok && eat(t, '.');
	c.week = number(t);
	t->ok = t->ok && eat(t, '.');
	c.weekday = number(t);
	if (eat(t, '/'))
		c.seconds = hours(t);
	t->ok = t->ok && c.month >= 1 && c.month <= 12 && c.week >= 1 && c.week <= 5 && c.weekday <= 6;
	return c;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Seconds since 1970 of midnight of the day a change names, as if the place were at Greenwich. */
static int64_t day_of(const struct change *c, int year)
{
	static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int last = length[c->month - 1] + (c->month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
	char text[32];
	int64_t first, day;

	snprintf(text, sizeof text, "%04d-%02d-01", year, c->month);
	text_time(slice_of(text), &first);
	/* 1970-01-01 was a Thursday. */
	day = (c->weekday - (first / 86400 + 4) % 7 + 7) % 7 + (c->week - 1) * 7;
	while (day >= last)
		day -= 7;
	return first + day * 86400;
}

static int year_of(int64_t now)
{
	return (int)(1970 + floor_div(now, 31556952));
}

static void add(struct zone_step *steps, uint32_t *n, uint32_t most, int64_t from, int64_t offset)
{
	if (*n < most && (*n == 0 || steps[*n - 1].from < from))
		steps[(*n)++] = (struct zone_step){from, (int32_t)offset};
}

/* What the footer says for the years after the table.  A rule that is not understood leaves the table. */
static void footer_steps(struct slice footer, struct zone_step *steps, uint32_t *n, uint32_t most)
{
	struct rule_text t = {footer, true};
	int64_t standard, summer;
	struct change on, off;
	int first = *n ? year_of(steps[*n - 1].from) : 1970;

	designation(&t);
	standard = -(int64_t)hours(&t);
	if (!t.ok || !t.rest.len) {
		if (t.ok && (!*n || steps[*n - 1].offset != standard))
			add(steps, n, most, *n ? steps[*n - 1].from + 1 : INT64_MIN / 2, standard);
		return;
	}
	designation(&t);
	summer = standard + 3600;
	if (t.rest.len && t.rest.at[0] != ',')
		summer = -(int64_t)hours(&t);
	on = change(&t);
	off = change(&t);
	if (!t.ok || t.rest.len)
		return;
	for (int year = first < 1970 ? 1970 : first; year <= ZONE_LAST_YEAR; year++) {
		int64_t begins = day_of(&on, year) + on.seconds - standard;
		int64_t ends = day_of(&off, year) + off.seconds - summer;

		/* South of the equator summer ends before it begins. */
		if (begins < ends) {
			add(steps, n, most, begins, summer);
			add(steps, n, most, ends, standard);
		} else {
			add(steps, n, most, ends, standard);
			add(steps, n, most, begins, summer);
		}
	}
}

/* ---- The file ---- */

static uint64_t big(const char *at, unsigned bytes)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < bytes; i++)
		n = n << 8 | (unsigned char)at[i];
	return n;
}

struct counts {
	uint64_t utc, standard, leaps, times, types, letters;
};

/* Counts of one header; the length of its data block with times of so many bytes. */
static bool header(struct slice s, unsigned time_bytes, struct counts *c, size_t *length)
{
	if (s.len < HEAD || !slice_starts(s, SLICE("TZif")))
		return false;
	c->utc = big(s.at + 20, 4);
	c->standard = big(s.at + 24, 4);
	c->leaps = big(s.at + 28, 4);
	c->times = big(s.at + 32, 4);
	c->types = big(s.at + 36, 4);
	c->letters = big(s.at + 40, 4);
	if (c->times > 4096 || c->types == 0 || c->types > 256 || c->letters > 4096 || c->leaps > 4096 ||
	    c->utc > 256 || c->standard > 256)
		return false;
	*length = c->times * time_bytes + c->times + c->types * 6 + c->letters + c->leaps * (time_bytes + 4) +
		  c->standard + c->utc;
	return s.len - HEAD >= *length;
}

const struct zone *zone_parse(struct arena *a, struct slice name, struct slice bytes, const char **why)
{
	uint32_t most = 4096 + 2 * (ZONE_LAST_YEAR - 1970 + 1) + 1;
	struct zone_step *steps;
	struct counts c;
	struct zone *z;
	size_t length;
	struct slice s;

	*why = "its file is not a time zone file of version 2 or later";
	if (!header(bytes, 4, &c, &length) || bytes.at[4] < '2')
		return NULL;
	s = slice_after(bytes, HEAD + length);
	if (!header(s, 8, &c, &length))
		return NULL;
	*why = "memory is used up";
	if (c.times + 2 * (ZONE_LAST_YEAR - 1970 + 1) + 1 < most)
		most = (uint32_t)c.times + 2 * (ZONE_LAST_YEAR - 1970 + 1) + 1;
	z = ARENA_NEW(a, struct zone);
	steps = ARENA_ARRAY(a, struct zone_step, most);
	if (!z || !steps || !(z->name = arena_copy(a, name)).at)
		return NULL;
	z->before = (int32_t)big(s.at + HEAD + c.times * 9, 4);
	for (uint32_t i = 0; i < c.times; i++) {
		const char *at = s.at + HEAD + i * 8;
		unsigned type = (unsigned char)s.at[HEAD + c.times * 8 + i];

		*why = "its file is damaged";
		if (type >= c.types)
			return NULL;
		add(steps, &z->n, most, (int64_t)big(at, 8), (int32_t)big(s.at + HEAD + c.times * 9 + type * 6, 4));
	}
	s = slice_after(s, HEAD + length);
	if (s.len > 2 && s.at[0] == '\n' && s.at[s.len - 1] == '\n')
		footer_steps(slice_make(s.at + 1, s.len - 2), steps, &z->n, most);
	z->steps = steps;
	return z;
}

/* A name with a file: no way out of the directory. */
static bool name_is_safe(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = ascii_lower(name.at[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+' || c == '/'))
			return false;
	}
	return name.len && name.len <= ZONE_NAME_MAX && name.at[0] != '/' && name.at[name.len - 1] != '/';
}

const struct zone *zone_read(struct arena *a, struct slice name, const char *directory, const char **why)
{
	char path[256], bytes[ZONE_FILE_MAX];
	ssize_t n;
	int fd;

	*why = "not a zone such as Europe/Berlin";
	if (!name_is_safe(name))
		return NULL;
	snprintf(path, sizeof path, "%s/%.*s", directory ? directory : "/usr/share/zoneinfo", SLICE_F(name));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		*why = "not a zone that this machine knows (is tzdata installed?)";
		return NULL;
	}
	n = read(fd, bytes, sizeof bytes);
	close(fd);
	return zone_parse(a, name, slice_make(bytes, n > 0 ? (size_t)n : 0), why);
}

/* ---- Asking ---- */

int32_t zone_offset(const struct zone *z, int64_t now)
{
	uint32_t low = 0, high = z->n;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (z->steps[middle].from <= now)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? z->steps[low - 1].offset : z->before;
}

int64_t zone_clock(const struct zone *z, int64_t now)
{
	int64_t local = now + zone_offset(z, now);

	return (local - floor_div(local, 86400) * 86400) / 60;
}

int64_t zone_weekday(const struct zone *z, int64_t now)
{
	int64_t days = floor_div(now + zone_offset(z, now), 86400);

	return ((days + 4) % 7 + 7) % 7;
}
