/* h2_budget.c -- bounds on what costs the gateway more than the client: kinds of frames, by the minute.
 *
 * Minutes are counted from the first of a kind on.  Nobody who means well comes near these numbers. */
#include "gateway/http/h2.h"

enum { MINUTE_MS = 60000, CONTINUATIONS_MOST = 8 };

/* WINDOW_UPDATEs may come for what was sent: some for each frame, as small as the client likes to make them. */
enum { WINDOWS_FREE = 100, WINDOWS_OF_REQUEST = 4, WINDOWS_OF_DATA = 10 };

static const struct {
	const char *word, *text;
	uint32_t a_minute;
} bounds[H2_COSTS] = {
	[H2_NO_COST] = {"none", "none", 0},
	[H2_COST_RESETS] = {"resets", "more than 100 streams reset in a minute", 100},
	[H2_COST_CONTINUATIONS] = {"continuations", "more than 8 CONTINUATION frames in one header block", 0},
	[H2_COST_SETTINGS] = {"settings", "more than 14 SETTINGS frames in a minute", 14},
	[H2_COST_PINGS] = {"pings", "more than 60 PING frames in a minute", 60},
	[H2_COST_PRIORITIES] = {"priorities", "more than 120 priority frames in a minute", 120},
	[H2_COST_EMPTY] = {"empty", "more than 10 empty DATA frames in a minute", 10},
	[H2_COST_WINDOWS] = {"windows", "more WINDOW_UPDATE frames than what was sent is worth", 0},
	[H2_COST_UNKNOWN] = {"unknown", "more than 60 frames of unknown types in a minute", 60},
	[H2_COST_FIELDS] = {"fields", "a header list several times beyond the bounds", 0},
	[H2_COST_STALL] = {"stall", "nothing was read of what was sent", 0},
};

const char *h2_cost_word(enum h2_cost c)
{
	return bounds[c].word;
}

const char *h2_cost_text(enum h2_cost c)
{
	return bounds[c].text;
}

uint32_t h2_meter_count(struct h2_meter *m, int64_t now_ms)
{
	if (!m->n || now_ms - m->since_ms >= MINUTE_MS)
		*m = (struct h2_meter){.since_ms = now_ms};
	return ++m->n;
}

bool h2_budget_count(struct h2_budget *b, enum h2_cost c, int64_t now_ms)
{
	return h2_meter_count(&b->meters[c], now_ms) <= bounds[c].a_minute;
}

static bool one_more_window(struct h2_budget *b)
{
	return ++b->windows <= WINDOWS_FREE + b->windows_granted;
}

/* Those that answer ours are as few as ours. */
static bool is_answer(const struct h2_frame *f)
{
	return (f->type == H2_SETTINGS || f->type == H2_PING) && (f->flags & H2_ACK);
}

static enum h2_cost kind_of(const struct h2_frame *f)
{
	switch (f->type) {
	case H2_DATA:
		return f->blank && !(f->flags & H2_END_STREAM) ? H2_COST_EMPTY : H2_NO_COST;
	case H2_HEADERS:
	case H2_PUSH_PROMISE:
		return H2_NO_COST;
	case H2_PRIORITY:
	case H2_PRIORITY_UPDATE:
		return H2_COST_PRIORITIES;
	case H2_RST_STREAM:
		return H2_COST_RESETS;
	case H2_SETTINGS:
		return H2_COST_SETTINGS;
	case H2_PING:
		return H2_COST_PINGS;
	case H2_WINDOW_UPDATE:
		return H2_COST_WINDOWS;
	case H2_CONTINUATION:
		return H2_COST_CONTINUATIONS;
	default:
		return H2_COST_UNKNOWN;
	}
}

enum h2_cost h2_budget_frame(struct h2_budget *b, const struct h2_frame *f, int64_t now_ms)
{
	enum h2_cost kind = is_answer(f) ? H2_COST_UNKNOWN : kind_of(f);
	bool fits;

	if (f->type != H2_CONTINUATION)
		b->continuations = 0;
	if (kind == H2_NO_COST)
		return H2_NO_COST;
	if (kind == H2_COST_CONTINUATIONS)
		fits = ++b->continuations <= CONTINUATIONS_MOST;
	else if (kind == H2_COST_WINDOWS)
		fits = one_more_window(b);
	else
		fits = h2_budget_count(b, kind, now_ms);
	return fits ? H2_NO_COST : kind;
}

void h2_budget_request(struct h2_budget *b)
{
	b->windows_granted += WINDOWS_OF_REQUEST;
}

void h2_budget_data(struct h2_budget *b)
{
	b->windows_granted += WINDOWS_OF_DATA;
}
