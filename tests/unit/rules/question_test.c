/* question_test.c -- content in a coding: what an inspector is asked, and when its decoded content is believed. */
#include "bed.h"

#include <sys/socket.h>

#include "rules/media.h"
#include "rules/rules.h"

#define POLICY(mode) "policy: p\nwaf: {mode: " mode "}\nbodies: [{id: b, max: 300KiB}]\n"
#define PLAIN "{\"a\": \"decoded\"}"

static struct loop *loop;
static struct pool *pool;
static struct waf_shared *shared;
static struct budget budget;
static struct arena policies, arena;
static int near_end[WAF_LANES], far_end[WAF_LANES];
static struct waf_job seen;
static char message[WAF_MESSAGE];
static struct request req;
static struct facts facts;
static struct chain_run run;
static bool done, stopped;
static struct held held;

static const struct filter *const chain[] = {&rules_filter, NULL};
static const char *const rulesets[] = {"crs", NULL};
static struct rules_config conf;
static const void *const confs[] = {&conf};

static void gate_done(struct chain_run *r, bool stop)
{
	(void)r;
	done = true;
	stopped = stop;
}

static int open_bed(void **state)
{
	struct pool_plan plan = {.worker = 0, .waiting_max = 0, .budget = &budget};

	(void)state;
	arena_init(&policies, NULL, 4096);
	arena_init(&arena, NULL, 4096);
	shared = calloc(1, sizeof *shared);
	loop = loop_new();
	for (unsigned i = 0; i < WAF_LANES; i++) {
		int fd[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
		plan.lanes[i] = near_end[i] = fd[0];
		far_end[i] = fd[1];
	}
	plan.shared = shared;
	loop_virtual(loop, 5000000);
	pool = pool_new(loop, &plan);
	conf = (struct rules_config){.pool = pool, .queue_ms = 1000, .run_ms = 250, .run_ms_per_kib = 1, .rulesets = rulesets,
				     .body_max = 1 << 20};
	return pool ? 0 : -1;
}

static int close_bed(void **state)
{
	(void)state;
	pool_free(pool);
	loop_free(loop);
	for (unsigned i = 0; i < WAF_LANES; i++) {
		close(near_end[i]);
		close(far_end[i]);
	}
	free(shared);
	arena_done(&arena);
	arena_done(&policies);
	assert_int_equal(budget.used, 0);
	return 0;
}

/* JSON of so many bytes in a coding (NULL: none), at its body gate. */
static void begin(const char *policy_text, const char *coding, size_t len)
{
	static char coded[200 << 10];
	struct policy_source from = {.path = "test.yaml", .bytes = slice_of(policy_text)};
	struct fail findings = {0};
	const struct policy *policy = policy_compile(&policies, &from, &findings);

	assert_non_null(policy);
	fail_done(&findings);
	assert_true(policy_wake(policy));
	req = (struct request){.method = SLICE("POST"), .host = SLICE("shop.example"), .authority = SLICE("shop.example"), .path = SLICE("/"),
			       .target = SLICE("/"), .body = HTTP_BODY_LENGTH, .content_length = len, .port = 443, .minor = 1};
	fields_add(&req.fields, &arena, SLICE("content-type"), SLICE("application/json"));
	if (coding)
		fields_add(&req.fields, &arena, SLICE("content-encoding"), slice_of(coding));
	facts = (struct facts){.id = SLICE("00112233445566778899aabbccddeeff"), .policy = policy, .policy_ran = true, .body_max = 1 << 30};
	facts.policy_facts = (struct policy_facts){.method = req.method, .host = req.host, .path = req.path, .fields = &req.fields, .arena = &arena};
	policy_run_init(&facts.policy_run, policy, &facts.policy_facts);
	assert_true(chain_init(&run, loop, chain, confs, &req, &facts, &arena, gate_done, NULL));
	chain_gate(&run, GATE_REQUEST);
	assert_true(done && !stopped && chain_body(&run) == BODY_HELD);
	memset(coded, 'z', sizeof coded);
	held = (struct held){.memory = {coded, len}, .fd = -1, .len = len};
	run.visits[0].held = &held;
	done = stopped = false;
	chain_gate(&run, GATE_REQUEST_BODY);
}

static bool take(unsigned lane)
{
	ssize_t n = recv(far_end[lane], message, sizeof message, MSG_DONTWAIT);

	return n > 0 && waf_unpack_job(slice_make(message, (size_t)n), &arena, &seen);
}

/* An inspector's answer, with as many descriptors beside it. */
static void answer(unsigned lane, enum waf_result result, bool plain, uint64_t len, const int *fds, unsigned n)
{
	struct waf_answer *a = calloc(1, sizeof *a);
	struct buf out = {0};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control = {0};
	struct iovec part;
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	*a = (struct waf_answer){.token = seen.token, .result = result, .status = result == WAF_DENY ? 403 : 0, .plain = plain, .plain_len = len};
	assert_true(waf_pack_answer(&out, a));
	part = (struct iovec){out.at, buf_len(&out)};
	if (n) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(n * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.head), fds, n * sizeof(int));
	}
	assert_true(sendmsg(far_end[lane], &m, 0) > 0);
	buf_done(&out);
	free(a);
	loop_turn(loop, 0);
	loop_turn(loop, 0);
}

static unsigned descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void end(void)
{
	const struct policy *policy = facts.policy;

	chain_done(&run);
	policy_sleep(policy);
	loop_turn(loop, 0);
}

static void content_in_a_coding_is_asked_about_as_what_it_may_become(void **state)
{
	static const struct {
		size_t len;
		uint64_t most;
	} rows[] = {{100, 64 << 10}, {4000, 80000}, {100000, 300 << 10}};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		begin(POLICY("enforce"), "gzip", rows[i].len);
		/* However short: it is not, when it is decoded. */
		assert_true(take(WAF_BIG));
		assert_int_equal(seen.coding, CODING_GZIP);
		assert_int_equal(seen.plain_most, rows[i].most);
		assert_int_equal(seen.run_ms, 250 + (rows[i].most >> 10));
		answer(WAF_BIG, WAF_DENY, false, 0, NULL, 0);
		assert_true(done && stopped);
		end();
	}
}

static void decoded_content_is_what_is_sent(void **state)
{
	unsigned before = descriptors();
	int fd;

	(void)state;
	begin(POLICY("enforce"), "br", 50);
	assert_true(take(WAF_BIG));
	fd = bed_file(SLICE(PLAIN), true);
	answer(WAF_BIG, WAF_ALLOW, true, sizeof PLAIN - 1, &fd, 1);
	close(fd);
	assert_true(done && !stopped);
	assert_true(facts.content_identity && facts.content_replaced && facts.content_len == sizeof PLAIN - 1 && facts.content_fd >= 0);
	end(); /* nobody applied it: the filter closes it */
	assert_int_equal(descriptors(), before);

	begin(POLICY("enforce"), "zstd", 50);
	assert_true(take(WAF_BIG));
	answer(WAF_BIG, WAF_ALLOW, true, 0, NULL, 0);
	assert_true(done && !stopped && facts.content_replaced && !facts.content_len);
	end();
}

static void what_an_inspector_says_is_not_believed(void **state)
{
	static const struct {
		const char *says;
		bool plain, sealed;
		unsigned files;
		uint64_t len;
	} rows[] = {
		{"it decoded nothing", false, true, 0, 0},
		{"no file", true, true, 0, sizeof PLAIN - 1},
		{"a file that can still change", true, false, 1, sizeof PLAIN - 1},
		{"a shorter file", true, true, 1, sizeof PLAIN},
		{"a longer file", true, true, 1, sizeof PLAIN - 2},
		{"more than may be inspected", true, true, 1, (300 << 10) + 1},
	};
	unsigned before = descriptors();

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		int fds[4];

		begin(POLICY("enforce"), "gzip", 50);
		assert_true(take(WAF_BIG));
		for (unsigned k = 0; k < rows[i].files; k++)
			fds[k] = bed_file(SLICE(PLAIN), rows[i].sealed);
		answer(WAF_BIG, WAF_ALLOW, rows[i].plain, rows[i].len, fds, rows[i].files);
		for (unsigned k = 0; k < rows[i].files; k++)
			close(fds[k]);
		if (!done || !stopped || run.verdict.reason != REASON_WAF_LOST || facts.content_replaced)
			fail_msg("%s", rows[i].says);
		end();
		assert_int_equal(descriptors(), before);
	}
}

static void of_several_files_the_first_is_taken(void **state)
{
	unsigned before = descriptors();
	int fds[4];

	(void)state;
	begin(POLICY("enforce"), "gzip", 50);
	assert_true(take(WAF_BIG));
	for (unsigned k = 0; k < ROWS(fds); k++)
		fds[k] = bed_file(SLICE(PLAIN), true);
	answer(WAF_BIG, WAF_ALLOW, true, sizeof PLAIN - 1, fds, ROWS(fds));
	for (unsigned k = 0; k < ROWS(fds); k++)
		close(fds[k]);
	assert_true(done && !stopped && facts.content_replaced);
	end();
	assert_int_equal(descriptors(), before);
}

static void a_file_that_nobody_asked_for_is_closed(void **state)
{
	unsigned before = descriptors();
	int fd;

	(void)state;
	begin(POLICY("enforce"), NULL, 50);
	assert_true(take(WAF_SMALL));
	fd = bed_file(SLICE(PLAIN), true);
	answer(WAF_SMALL, WAF_ALLOW, true, sizeof PLAIN - 1, &fd, 1);
	assert_true(done && !stopped && !facts.content_replaced);
	/* And once more, when the question has been answered. */
	answer(WAF_SMALL, WAF_ALLOW, true, sizeof PLAIN - 1, &fd, 1);
	close(fd);
	end();
	assert_int_equal(descriptors(), before);
}

static void detect_mode_leaves_content_as_it_is(void **state)
{
	(void)state;
	begin(POLICY("detect"), "gzip", 50);
	assert_true(done && !stopped);
	assert_true(take(WAF_BIG));
	assert_int_equal(seen.coding, CODING_GZIP);
	answer(WAF_BIG, WAF_ALLOW, false, 0, NULL, 0);
	assert_false(facts.content_identity || facts.content_replaced);
	end();
	begin(POLICY("enforce"), "identity", 50);
	assert_true(take(WAF_SMALL));
	assert_int_equal(seen.coding, CODING_NONE);
	answer(WAF_SMALL, WAF_ALLOW, false, 0, NULL, 0);
	assert_true(facts.content_identity && !facts.content_replaced);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(content_in_a_coding_is_asked_about_as_what_it_may_become, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(decoded_content_is_what_is_sent, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(what_an_inspector_says_is_not_believed, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(of_several_files_the_first_is_taken, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(a_file_that_nobody_asked_for_is_closed, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(detect_mode_leaves_content_as_it_is, open_bed, close_bed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
