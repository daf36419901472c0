/* pages.c -- which pages there are, and the one that says whether all is well. */
#include "gateway/admin/pages.h"

enum { BEAT_MOST_US = 1500000 }; /* workers beat four times a second; the supervisor kills after two */

bool page_worker_serves(const struct metric_page *from, unsigned worker, int64_t now_us)
{
	int64_t beat_us = atomic_load_explicit(&from->worker[worker].beat_us, memory_order_relaxed);

	return beat_us && now_us - beat_us < BEAT_MOST_US;
}

const char *page_health(const struct metric_page *from, int64_t now_us)
{
	unsigned serving = 0;

	if (from->stopping)
		return "the gateway is stopping";
	for (unsigned i = 0; i < from->workers; i++)
		serving += page_worker_serves(from, i, now_us);
	if (!serving)
		return "no worker serves";
	if (from->inspects && !metric_total(from, METRIC_INSPECTORS))
		return "no inspector is there";
	return NULL;
}

void page_say(struct page *p, unsigned status, const char *line)
{
	*p = (struct page){.status = status, .type = "text/plain; charset=utf-8"};
	buf_init(&p->body, NULL);
	buf_print(&p->body, "%s\n", line);
}

static void say_health(struct page *p, const struct metric_page *from, int64_t now_us)
{
	const char *why = page_health(from, now_us);

	page_say(p, why ? 503 : 200, why ? why : "ok");
}

void page_make(struct page *p, struct slice path, const struct metric_page *from, int64_t now_us, int64_t wall_s)
{
	bool whole = true;

	if (slice_is(path, "/healthz")) {
		say_health(p, from, now_us);
		return;
	}
	*p = (struct page){.status = 200};
	buf_init(&p->body, NULL);
	if (slice_is(path, "/metrics")) {
		p->type = "text/plain; version=0.0.4; charset=utf-8";
		whole = page_prometheus(&p->body, from);
	} else if (slice_is(path, "/status")) {
		p->type = "application/json";
		whole = page_status(&p->body, from, now_us, wall_s);
	} else {
		page_say(p, 404, "/metrics, /status and /healthz are here");
	}
	if (!whole) {
		buf_done(&p->body);
		page_say(p, 503, "no memory for the page");
	}
}
