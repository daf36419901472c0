/* record.c -- fuzz: an exchange leaves one line of JSON, and one line of the WAF's log for each hit, whatever
 * the client and the engine put into it.
 *
 * The lines are taken where the logger would: JSON is read by jansson; of a hit's line every bracket is cut
 * out and undone again. */
#define json_object jansson_object
#include <jansson.h>
#undef json_object

#include <sys/socket.h>

#include "exchange_fuzz.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/proxy/identity.h"
#include "gateway/proxy/record.h"
#include "rules/waf.h"

static int logger = -1;

/* One line as it came, without its head; empty when there is none. */
static struct slice take(enum log_stream *stream)
{
	static char bytes[sizeof(struct log_head) + LOG_LINE + 1];
	struct log_head head;
	ssize_t n = recv(logger, bytes, sizeof bytes, MSG_DONTWAIT);

	if (n < 0)
		return SLICE("");
	MUST((size_t)n > sizeof head && (size_t)n <= sizeof head + LOG_LINE);
	memcpy(&head, bytes, sizeof head);
	*stream = (enum log_stream)head.stream;
	return slice_make(bytes + sizeof head, (size_t)n - sizeof head);
}

static void check_line(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		MUST((unsigned char)line.at[i] >= 0x20 && line.at[i] != 0x7f);
}

/* What stands in [name "..."], undone; it must be how `want` begins, and all of it if that is short. */
static void check_bracket(struct slice line, const char *name, struct slice want)
{
	char start[32];
	int n = snprintf(start, sizeof start, "[%s \"", name);
	const char *at = memmem(line.at, line.len, start, (size_t)n);
	struct slice rest;
	size_t seen = 0;

	MUST(at);
	rest = slice_after(line, (size_t)(at - line.at) + (size_t)n);
	for (; rest.len && rest.at[0] != '"'; seen++) {
		uint64_t code = (unsigned char)rest.at[0];
		bool escaped = code == '\\';

		MUST(!escaped || (rest.len >= 4 && rest.at[1] == 'x' && text_hex(slice_make(rest.at + 2, 2), &code)));
		MUST(seen < want.len && (unsigned char)want.at[seen] == code);
		rest = slice_after(rest, escaped ? 4 : 1);
	}
	MUST(slice_starts(rest, SLICE("\"]")) && (seen == want.len || seen >= 70));
}

static void check_hit(struct slice line, const struct exchange *x, const struct waf_hit *hit)
{
	check_line(line);
	MUST(text_is_utf8(line));
	check_bracket(line, "msg", hit->message);
	check_bracket(line, "data", hit->data);
	check_bracket(line, "uri", x->req.path);
	check_bracket(line, "hostname", x->req.host);
}

static void check_record(struct slice line, const struct exchange *x)
{
	json_error_t error;
	json_t *j = json_loadb(line.at, line.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

	check_line(line);
	MUST(j && json_integer_value(json_object_get(j, "status")) == x->status);
	MUST(json_is_true(json_object_get(j, "cut")) || json_is_string(json_object_get(j, "decision")));
	json_decref(j);
}

static void make_hits(struct fuzz_in *in, struct exchange *x)
{
	x->facts.waf_hits_n = fuzz_below(in, 20);
	x->facts.waf_hits = ARENA_ARRAY(&x->arena, struct waf_hit, x->facts.waf_hits_n + 1);
	MUST(x->facts.waf_hits);
	for (unsigned i = 0; i < x->facts.waf_hits_n; i++)
		x->facts.waf_hits[i] = (struct waf_hit){(uint32_t)fuzz_number(in), fuzz_below(in, 6) & 0xff, fuzz_byte(in) & 7, fuzz_run(in, 255),
							fuzz_run(in, 255), SLICE("")};
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	static struct exchange x;
	enum log_stream stream = LOG_ERRORS;
	struct slice line, target = fuzz_line(&in), agent = fuzz_line(&in);
	const char *why;
	struct buf head;
	int ends[2];

	if (logger < 0) {
		MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
		logger = ends[0];
		log_open("worker", ends[1]);
	}
	exchange_fuzz_init(&x);
	MUST(addr_parse(SLICE("192.0.2.7"), &x.peer));
	buf_init(&head, NULL);
	MUST(buf_print(&head, "GET /") && buf_put_slice(&head, target) && buf_print(&head, " HTTP/1.1\r\nHost: a\r\nUser-Agent: ") &&
	     buf_put_slice(&head, agent) && buf_print(&head, "\r\n\r\n"));
	if (h1_request(&x.arena, buf_slice(&head), &fuzz_limits, false, &x.req, &why) == 0) {
		MUST(identity_fill(&x));
		x.status = (uint16_t)(100 + fuzz_below(&in, 500));
		x.failed = (enum reason)fuzz_below(&in, REASONS);
		x.why = fuzz_byte(&in) & 1 ? "a \"reason\"" : NULL;
		x.facts.waf_us = fuzz_byte(&in);
		make_hits(&in, &x);
		record_write(&x);
		line = take(&stream);
		MUST(line.len && stream == LOG_REQUESTS);
		check_record(line, &x);
		record_waf_lines(&x, 0);
		for (unsigned i = 0; i < x.facts.waf_hits_n; i++) {
			line = take(&stream);
			MUST(line.len && stream == LOG_WAF);
			check_hit(line, &x, &x.facts.waf_hits[i]);
		}
	}
	log_warn("%.*s", SLICE_F(in.rest));
	line = take(&stream);
	MUST(line.len && stream == LOG_ERRORS && !take(&stream).len);
	check_line(line);
	buf_done(&head);
	arena_done(&x.arena);
	return 0;
}
