/* metrics.c -- fuzz: whatever the counters hold, /metrics is Prometheus' text format and /status is JSON.
 *
 * Every sample stands behind the TYPE of its family, none comes twice, and histograms rise to their count. */
#define json_object jansson_object
#include <jansson.h>
#undef json_object

#include "fuzz.h"
#include "gateway/admin/pages.h"

enum { WORKERS = 2, LINES = 4096 };

/* Where to write next in the page, so that few bytes reach all of it. */
static void scatter(struct fuzz_in *in, struct metric_page *page)
{
	_Atomic uint64_t *words = (_Atomic uint64_t *)(void *)page->worker;
	size_t n = WORKERS * sizeof *page->worker / sizeof *words, at = 0;

	while (in->rest.len) {
		at = (at + fuzz_number(in)) % n;
		metric_put(&words[at], fuzz_number(in) >> fuzz_below(in, 64));
	}
}

static bool word_of(struct slice s, const char *also)
{
	for (size_t i = 0; i < s.len; i++)
		if (!((ascii_lower(s.at[i]) >= 'a' && ascii_lower(s.at[i]) <= 'z') || (s.at[i] >= '0' && s.at[i] <= '9') ||
		      strchr(also, s.at[i])))
			return false;
	return s.len != 0;
}

/* name{label="value",...} without repetition; *family is the name without a histogram's ends. */
static void check_sample(struct slice line, struct slice family, struct slice type, struct slice *seen, unsigned seen_n)
{
	size_t end = line.len;
	struct slice name = slice_first(line, slice_find(line, '{') < slice_find(line, ' ') ? slice_find(line, '{') : slice_find(line, ' '));
	struct slice key, value;

	while (end && line.at[end - 1] != ' ')
		end--;
	MUST(end);
	key = slice_first(line, end - 1);
	value = slice_after(line, end);
	MUST(word_of(name, "_") && slice_starts(name, family) && word_of(value, "."));
	MUST(slice_eq(name, family) || (slice_is(type, "histogram") && (slice_ends(name, SLICE("_bucket")) ||
									 slice_ends(name, SLICE("_sum")) || slice_ends(name, SLICE("_count")))));
	MUST(key.len == name.len || slice_ends(key, SLICE("\"}")));
	for (unsigned i = 0; i < seen_n; i++)
		MUST(!slice_eq(seen[i], key));
	seen[seen_n] = key;
}

static void check_prometheus(struct slice text)
{
	static struct slice seen[LINES];
	struct slice line, family = SLICE("?"), type = SLICE(""), before = SLICE("");
	unsigned long long last = 0, count;
	unsigned n = 0;

	MUST(slice_ends(text, SLICE("\n")));
	while (slice_cut(&text, '\n', &line) && line.len) {
		if (slice_starts(line, SLICE("# HELP ")))
			continue;
		if (slice_starts(line, SLICE("# TYPE "))) {
			line = slice_after(line, 7);
			family = slice_first(line, slice_find(line, ' '));
			type = slice_after(line, family.len + 1);
			MUST(slice_is(type, "counter") || slice_is(type, "gauge") || slice_is(type, "histogram"));
			last = 0;
			continue;
		}
		MUST(n < LINES);
		check_sample(line, family, type, seen, n++);
		/* A sum beyond 64 bits has gone round: nothing rises then. */
		if (slice_contains(line, SLICE("_bucket{"))) {
			count = strtoull(slice_after(line, slice_find(line, ' ')).at, NULL, 10);
			MUST(count >= last || last > UINT64_MAX / 2);
			last = count;
		} else if (slice_contains(before, SLICE("_bucket{le=\"+Inf\"}"))) {
			MUST(slice_contains(line, SLICE("_sum ")));
		}
		before = line;
	}
	MUST(!text.at || !text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const char *const sites[] = {"shop", "a-b-c", "0"};
	static struct metric_page *page;
	struct fuzz_in in = fuzz_in(bytes, n);
	struct page p;
	json_error_t error;
	json_t *j;

	if (!page)
		page = aligned_alloc(4096, metric_page_size(WORKERS));
	MUST(page);
	memset(page, 0, metric_page_size(WORKERS));
	page->workers = WORKERS;
	for (size_t i = 0; i < FUZZ_COUNT(sites); i++)
		metric_site_add(page, slice_of(sites[i]));
	scatter(&in, page);
	page_make(&p, SLICE("/metrics"), page, INT64_C(10000000), 1793534400);
	MUST(p.status == 200);
	check_prometheus(buf_slice(&p.body));
	buf_done(&p.body);
	page_make(&p, SLICE("/status"), page, INT64_C(10000000), 1793534400);
	j = json_loadb(p.body.at + p.body.start, buf_len(&p.body), JSON_REJECT_DUPLICATES, &error);
	MUST(p.status == 200 && j && !json_object_get(j, "cut"));
	json_decref(j);
	buf_done(&p.body);
	return 0;
}
