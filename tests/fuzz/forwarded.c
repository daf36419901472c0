/* forwarded.c -- fuzz: the client's address is never one that stands left of a hop nobody trusts.
 *
 * All hops are put into one list first; an answer is right if every hop behind it is a trusted address, and
 * what origins are told is what was found. */
#include "exchange_fuzz.h"
#include "gateway/proxy/identity.h"

enum { HOPS = 4096 };

static bool trusts(const struct addr *a)
{
	static const uint8_t ten[13] = {[10] = 0xff, 0xff, 10}, doc[4] = {0x20, 0x01, 0x0d, 0xb8};

	return !memcmp(a->b, ten, sizeof ten) || !memcmp(a->b, doc, sizeof doc);
}

static unsigned hops_of(const struct fields *fields, struct slice *hops)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < fields->n; i++) {
		struct slice rest = fields->at[i].value, one;

		while (slice_is(fields->at[i].name, "x-forwarded-for") && slice_cut(&rest, ',', &one) && n < HOPS)
			if (slice_trim(one).len)
				hops[n++] = slice_trim(one);
	}
	return n;
}

/* The client is the connection's other end, or one of the hops and every hop behind it is trusted. */
static bool is_allowed(const struct exchange *x, const struct slice *hops, unsigned n)
{
	struct addr a;

	if (addr_compare(&x->facts.client, &x->peer) == 0)
		return true;
	for (bool behind = trusts(&x->peer); behind && n; n--) {
		if (!addr_parse(hops[n - 1], &a))
			return false;
		if (addr_compare(&a, &x->facts.client) == 0)
			return true;
		behind = trusts(&a);
	}
	return false;
}

static void check_told(struct exchange *x)
{
	struct fields extra = {0};
	char client[ADDR_TEXT];
	const struct field *f;
	struct slice rest, first;
	struct buf out;

	addr_text(&x->facts.client, client);
	MUST(identity_upstream(x, &extra));
	f = fields_find(&extra, FIELD_X_REAL_IP);
	MUST(f && slice_is(f->value, client));
	f = fields_find(&extra, FIELD_X_FORWARDED_FOR);
	MUST(f && fields_count(&extra, FIELD_X_FORWARDED_FOR) == 1);
	rest = f->value;
	MUST(slice_cut(&rest, ',', &first) && slice_is(first, client));
	/* One statement of each kind leaves: ours. */
	buf_init(&out, NULL);
	MUST(h1_write_request(&out, &x->req, &extra, x->req.body, x->req.content_length));
	for (struct slice head = buf_slice(&out), line; slice_cut(&head, '\n', &line);)
		if (slice_starts(line, SLICE("x-forwarded-for:")))
			MUST(slice_is(slice_trim(slice_first(slice_after(line, 16), line.len - 17)), f->value.at));
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const char *const peers[] = {"10.1.2.3", "192.0.2.7", "2001:db8::7", "2001:db9::7"};
	static struct slice hops[HOPS];
	struct fuzz_in in = fuzz_in(bytes, n);
	struct slice peer = slice_of(peers[fuzz_below(&in, FUZZ_COUNT(peers))]);
	static struct exchange x;
	const char *why;
	struct buf head;

	exchange_fuzz_init(&x);
	MUST(addr_parse(peer, &x.peer));
	buf_init(&head, NULL);
	MUST(buf_print(&head, "GET / HTTP/1.1\r\nHost: a\r\n"));
	while (in.rest.len) {
		struct slice line = fuzz_line(&in);
		bool whole = memchr(line.at, ':', line.len);

		MUST(buf_print(&head, whole ? "" : "X-Forwarded-For: ") && buf_put_slice(&head, line) && buf_print(&head, "\r\n"));
	}
	MUST(buf_print(&head, "\r\n"));
	if (h1_request(&x.arena, buf_slice(&head), &fuzz_limits, false, &x.req, &why) == 0) {
		MUST(identity_fill(&x));
		MUST(is_allowed(&x, hops, hops_of(&x.req.fields, hops)) && x.peer_trusted == trusts(&x.peer));
		MUST(addr_compare(&x.facts.policy_facts.ip, &x.facts.client) == 0);
		check_told(&x);
	}
	buf_done(&head);
	arena_done(&x.arena);
	return 0;
}
