/* waf_answer.c -- fuzz: an inspector's answer is read as it was written; whatever else it sends is refused, or
 * within its bounds and read again as the same. */
#include "fuzz.h"
#include "rules/waf.h"

static bool same(const struct waf_answer *a, const struct waf_answer *b)
{
	for (uint32_t i = 0; i < a->hits_n && a->hits_n == b->hits_n; i++)
		if (a->hits[i].rule != b->hits[i].rule || a->hits[i].phase != b->hits[i].phase ||
		    a->hits[i].severity != b->hits[i].severity || !slice_eq(a->hits[i].message, b->hits[i].message) ||
		    !slice_eq(a->hits[i].data, b->hits[i].data) || !slice_eq(a->hits[i].tag, b->hits[i].tag))
			return false;
	return a->token == b->token && a->result == b->result && a->status == b->status && a->score == b->score &&
	       a->keeper == b->keeper && a->again == b->again && a->cpu_us == b->cpu_us && a->wall_us == b->wall_us &&
	       a->hits_n == b->hits_n && a->hits_cut == b->hits_cut && a->plain == b->plain && a->plain_len == b->plain_len;
}

static void check_round(const struct waf_answer *answer)
{
	static struct waf_answer again;
	struct buf out;

	buf_init(&out, NULL);
	MUST(waf_pack_answer(&out, answer));
	MUST(waf_unpack_answer(buf_slice(&out), &again) && same(answer, &again));
	/* A byte less, and a byte more, is none. */
	MUST(!waf_unpack_answer(slice_first(buf_slice(&out), buf_len(&out) - 1), &again));
	MUST(buf_put(&out, "", 1) && !waf_unpack_answer(buf_slice(&out), &again));
	buf_done(&out);
}

static void check_hostile(struct slice in)
{
	static struct waf_answer answer;

	if (!waf_unpack_answer(in, &answer))
		return;
	MUST(answer.token && answer.result <= WAF_SHED && answer.hits_n <= WAF_HITS && answer.keeper <= WAF_INSPECTORS);
	MUST(answer.plain_len <= WAF_PLAIN_MOST && (answer.plain || !answer.plain_len));
	MUST(answer.result == WAF_DENY ? answer.status >= 300 && answer.status <= 599 : !answer.status);
	for (uint32_t i = 0; i < answer.hits_n; i++) {
		const struct waf_hit *h = &answer.hits[i];

		MUST(h->phase <= 5 && h->severity <= 7 && h->message.len <= WAF_TEXT && h->data.len <= WAF_TEXT && h->tag.len <= WAF_TEXT);
		MUST(!h->message.len || (h->message.at >= in.at && h->message.at + h->message.len <= in.at + in.len));
	}
	check_round(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	static struct waf_answer answer;

	if (fuzz_byte(&in) & 1) {
		check_hostile(in.rest);
		return 0;
	}
	memset(&answer, 0, sizeof answer);
	answer.token = fuzz_number(&in) | 1;
	answer.result = (enum waf_result)fuzz_below(&in, 4);
	answer.status = answer.result == WAF_DENY ? (uint16_t)(300 + fuzz_below(&in, 300)) : 0;
	answer.score = (uint32_t)fuzz_number(&in);
	answer.keeper = (uint8_t)fuzz_below(&in, WAF_INSPECTORS + 1);
	answer.again = fuzz_byte(&in) & 1;
	answer.plain = answer.result == WAF_ALLOW && fuzz_byte(&in) & 1;
	answer.plain_len = answer.plain ? fuzz_number(&in) % WAF_PLAIN_MOST : 0;
	answer.cpu_us = (uint32_t)fuzz_number(&in);
	answer.hits_n = fuzz_below(&in, WAF_HITS + 1);
	for (uint32_t i = 0; i < answer.hits_n; i++)
		answer.hits[i] = (struct waf_hit){(uint32_t)fuzz_number(&in), (uint8_t)fuzz_below(&in, 6), (uint8_t)fuzz_below(&in, 8),
						  fuzz_run(&in, 60), fuzz_run(&in, 60), fuzz_run(&in, 20)};
	check_round(&answer);
	return 0;
}
