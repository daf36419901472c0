/* trace.c -- the decision record as JSON. */
#include <stdio.h>

#include "gateway/chain/chain.h"

static const char *verdict_word(const struct record_step *s)
{
	static const char *const words[] = {"pass", "block", "redirect", "wait", "unsure"};
	static const char *const would[] = {"pass", "would-block", "would-redirect", "wait", "unsure"};

	return (s->would ? would : words)[s->kind];
}

static void write_by(struct json *j, const struct policy_entry *by)
{
	char line[320];
	int n;

	if (!by->id.len)
		return;
	json_text(j, "by", by->id);
	n = snprintf(line, sizeof line, "%s:%u", by->file ? by->file : "", by->line);
	if (n > 0 && (size_t)n < sizeof line)
		json_text(j, "at", slice_make(line, (size_t)n));
}

static void write_step(struct json *j, const struct record_step *s)
{
	json_object(j, NULL);
	json_text(j, "filter", slice_of(s->filter));
	if (s->gate >= GATE_RESPONSE)
		json_text(j, "gate", s->gate == GATE_RESPONSE ? SLICE("answer") : SLICE("answer-body"));
	json_text(j, "verdict", slice_of(verdict_word(s)));
	if (s->reason != REASON_NONE)
		json_text(j, "reason", slice_of(reason_word(s->reason)));
	write_by(j, &s->by);
	if (s->waited_us)
		json_milli(j, "waited_ms", s->waited_us);
	json_end(j);
}

void chain_record(const struct chain_run *run, struct json *j)
{
	const struct record *r = &run->record;

	if (r->deciding >= 0 && (unsigned)r->deciding < r->steps_n) {
		const struct record_step *s = &r->steps[r->deciding];

		json_text(j, "decision", slice_of(run->verdict.kind == VERDICT_REDIRECT ? "redirect" : "block"));
		json_text(j, "filter", slice_of(s->filter));
		json_text(j, "reason", slice_of(reason_word(s->reason)));
		write_by(j, &s->by);
	} else {
		json_text(j, "decision", SLICE("pass"));
	}
	if (r->steps_n) {
		json_list(j, "steps");
		for (unsigned i = 0; i < r->steps_n; i++)
			write_step(j, &r->steps[i]);
		json_end(j);
	}
	if (r->notes_n) {
		json_list(j, "notes");
		for (unsigned i = 0; i < r->notes_n; i++) {
			json_object(j, NULL);
			json_text(j, "filter", slice_of(r->notes[i].filter));
			json_text(j, r->notes[i].key, r->notes[i].text);
			json_end(j);
		}
		json_end(j);
	}
	if (r->cut)
		json_int(j, "left_out", r->cut);
}
