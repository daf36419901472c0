/* reason.c -- the words, statuses and sentences of reason.def. */
#include "gateway/chain/chain.h"

static const struct {
	const char *word, *text;
	unsigned status;
} reasons[REASONS] = {
#define REASON(id, word_, status_, text_) [REASON_##id] = {.word = word_, .text = text_, .status = status_},
#include "gateway/chain/reason.def"
#undef REASON
};

const char *reason_word(enum reason r)
{
	return reasons[r].word;
}

const char *reason_text(enum reason r)
{
	return reasons[r].text;
}

unsigned reason_status(enum reason r)
{
	return reasons[r].status;
}
