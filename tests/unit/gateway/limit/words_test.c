/* Counters that several processes change at once, some of which die doing it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/limit/words.h"

enum { PROCESSES = 4, PAGE = 4096 };

#define SECOND ((int64_t)1000000 * GCRA_TICKS_PER_US)
#define NOW (1000 * SECOND)

/* Spread like a keyed hash. */
static uint64_t tag_of(uint64_t n)
{
	n += 0x9e3779b97f4a7c15ULL;
	n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9ULL;
	n = (n ^ n >> 27) * 0x94d049bb133111ebULL;
	return n ^ n >> 31;
}

/* A table whose end is followed by a page that cannot be touched. */
static struct words *new_table(uint32_t n)
{
	size_t size = words_size(n), whole = (size + PAGE - 1) / PAGE * PAGE;
	char *at = mmap(NULL, whole + PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(at != MAP_FAILED);
	assert_int_equal(mprotect(at + whole, PAGE, PROT_NONE), 0);
	assert_int_equal(size % 128, 0);
	return words_at(at + (whole - size) % PAGE / 128 * 128, size);
}

static void *share(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(at != MAP_FAILED);
	return at;
}

static bool ask_one(struct words *w, uint64_t tag, struct gcra limit, int64_t now)
{
	struct words_charge c = {.tag = tag, .limit = limit, .charge = gcra_charge(&limit, 1), .enforced = true};

	return words_ask(w, &c, 1, now);
}

static int64_t remaining(struct words *w, uint64_t tag, struct gcra limit, int64_t now)
{
	/* The second refuses, so that nothing is charged. */
	const struct gcra nothing = {.interval = 1};
	struct words_charge c[2] = {
		{.tag = tag, .limit = limit, .charge = gcra_charge(&limit, 1)},
		{.tag = tag_of(~tag), .limit = nothing, .charge = 1, .enforced = true},
	};

	words_ask(w, c, 2, now);
	return gcra_tell(&limit, c[0].allowed, c[0].ahead, c[0].charge).remaining;
}

/* Run `work` in several processes at once; what they return is for `shared` to say. */
static void at_once(void (*work)(int who, void *shared), void *shared)
{
	pid_t pids[PROCESSES];

	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			work(i, shared);
			_exit(0);
		}
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		waitpid(pids[i], &status, 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

static void wait_for_all(_Atomic unsigned *gate, unsigned round)
{
	unsigned at = atomic_fetch_add(gate, 1) + 1;

	for (unsigned all = (round + 1) * PROCESSES; at < all; at = atomic_load(gate))
		sched_yield();
}

/* ---- One key ---- */

struct hammer {
	struct words *w;
	_Atomic unsigned gate;
	_Atomic int64_t admitted;
};

enum { HAMMER_BURST = 50000, HAMMER_TRIES = 40000 };

static void hammer_one_key(int who, void *shared)
{
	struct hammer *h = shared;
	struct gcra limit = gcra_make(1, 1000000, HAMMER_BURST);
	int64_t mine = 0;

	(void)who;
	wait_for_all(&h->gate, 0);
	for (int i = 0; i < HAMMER_TRIES; i++)
		mine += ask_one(h->w, tag_of(7), limit, NOW);
	atomic_fetch_add(&h->admitted, mine);
}

static void one_key_is_exact_across_processes(void **state)
{
	struct hammer *h = share(sizeof *h);

	(void)state;
	h->w = new_table(64);
	at_once(hammer_one_key, h);
	assert_int_equal(h->admitted, HAMMER_BURST);
}

/* ---- New keys in a full bucket ---- */

enum { ROUNDS = 3000, ROUND_BURST = 3 };

struct race {
	struct words *w;
	_Atomic unsigned gate;
	_Atomic int64_t admitted[ROUNDS];
};

static void race_for_new_keys(int who, void *shared)
{
	struct race *h = shared;
	struct gcra limit = gcra_make(1, 1000, ROUND_BURST);

	(void)who;
	for (unsigned round = 0; round < ROUNDS; round++) {
		/* All counters of earlier rounds are full again. */
		int64_t now = NOW + round * 10 * SECOND;

		wait_for_all(&h->gate, round);
		for (int i = 0; i < 2; i++)
			atomic_fetch_add(&h->admitted[round], ask_one(h->w, tag_of(round), limit, now));
	}
}

static void a_new_key_in_a_full_bucket_is_exact_too(void **state)
{
	struct race *h = share(sizeof *h);

	(void)state;
	h->w = new_table(8);
	at_once(race_for_new_keys, h);
	for (int i = 0; i < ROUNDS; i++)
		if (h->admitted[i] != ROUND_BURST)
			fail_msg("round %d admitted %d", i, (int)h->admitted[i]);
	assert_int_equal(words_evicted(h->w), 0);
}

/* ---- Several limits of one request ---- */

struct several {
	struct words *w;
	_Atomic unsigned gate;
	_Atomic int64_t admitted;
};

static const struct {
	uint64_t wide, narrow;
} several_bursts = {100000, 5000};

static void ask_wide_and_narrow(int who, void *shared)
{
	struct several *h = shared;
	struct gcra wide = gcra_make(1, 1000000, several_bursts.wide);
	struct gcra narrow = gcra_make(1, 1000000, several_bursts.narrow);
	int64_t mine = 0;

	(void)who;
	wait_for_all(&h->gate, 0);
	for (int i = 0; i < 4000; i++) {
		struct words_charge c[2] = {
			{.tag = tag_of(1), .limit = wide, .charge = wide.interval, .enforced = true},
			{.tag = tag_of(2), .limit = narrow, .charge = narrow.interval, .enforced = true},
		};

		mine += words_ask(h->w, c, 2, NOW);
	}
	atomic_fetch_add(&h->admitted, mine);
}

static void what_one_limit_refuses_the_others_get_back(void **state)
{
	struct several *h = share(sizeof *h);
	struct gcra wide = gcra_make(1, 1000000, several_bursts.wide);

	(void)state;
	h->w = new_table(64);
	at_once(ask_wide_and_narrow, h);
	assert_int_equal(h->admitted, several_bursts.narrow);
	assert_int_equal(remaining(h->w, tag_of(1), wide, NOW), several_bursts.wide - several_bursts.narrow);
}

static const struct {
	struct {
		uint64_t name, burst;
		bool enforced;
	} limits[3];
	unsigned n;
	bool passes[3]; /* of three requests */
	int64_t left[3];
	const char *says;
} groups[] = {
	{{{1, 5, true}, {2, 2, true}}, 2, {true, true, false}, {3, 0}, "the narrower refuses the third, the wider keeps it"},
	{{{1, 2, true}, {2, 5, true}}, 2, {true, true, false}, {0, 3}, "in either order"},
	{{{1, 5, true}, {2, 1, false}}, 2, {true, true, true}, {2, 0}, "one in detect refuses nobody and is full"},
	{{{1, 2, true}, {2, 5, false}}, 2, {true, true, false}, {0, 3}, "one in detect is not charged for what is refused"},
	{{{1, 3, true}, {1, 3, true}}, 2, {true, false, false}, {1, 1}, "the same counter twice is charged twice"},
	{{{1, 9, true}, {2, 9, true}, {3, 1, true}}, 3, {true, false, false}, {8, 8, 0}, "three"},
};

static void limits_of_one_request_are_charged_all_or_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
		struct words *w = new_table(64);

		for (int request = 0; request < 3; request++) {
			struct words_charge c[3];

			for (unsigned k = 0; k < groups[i].n; k++) {
				struct gcra limit = gcra_make(1, 1000000, groups[i].limits[k].burst);

				c[k] = (struct words_charge){tag_of(groups[i].limits[k].name), limit, limit.interval,
							     groups[i].limits[k].enforced, false, 0};
			}
			if (words_ask(w, c, groups[i].n, NOW) != groups[i].passes[request])
				fail_msg("%s: request %d", groups[i].says, request + 1);
		}
		for (unsigned k = 0; k < groups[i].n; k++) {
			struct gcra limit = gcra_make(1, 1000000, groups[i].limits[k].burst);

			if (remaining(w, tag_of(groups[i].limits[k].name), limit, NOW) != groups[i].left[k])
				fail_msg("%s: limit %u", groups[i].says, k);
		}
	}
}

/* ---- Dying ---- */

/* A few more than have room: nearly every charge begins with a claim. */
enum { DYING_KEYS = 12 };

static void claim_for_ever(struct words *w, uint64_t seed)
{
	struct gcra limit = gcra_make(1, 1000, 1);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint64_t i = seed;; i++)
		ask_one(w, tag_of(i % DYING_KEYS), limit, NOW + (int64_t)(i - seed) * SECOND / 100);
}

static void a_worker_may_die_at_any_instruction(void **state)
{
	struct words *w = new_table(8);
	struct gcra limit = gcra_make(1, 1000000, 3);
	struct timespec nap = {0};

	(void)state;
	for (int life = 0; life < 300; life++) {
		pid_t pids[2];

		for (int i = 0; i < 2; i++) {
			pids[i] = fork();
			if (pids[i] == 0)
				claim_for_ever(w, (uint64_t)life * 100 + (uint64_t)i);
		}
		nap.tv_nsec = 200000 + life * 5000;
		nanosleep(&nap, NULL);
		for (int i = 0; i < 2; i++) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
		}
		/* A claim that was left behind stops nobody who needs the same tag. */
		for (int key = 0; key < DYING_KEYS; key++)
			ask_one(w, tag_of((uint64_t)(key + life) % DYING_KEYS), limit, NOW);
	}
	/* Whatever they left behind: new counters find room and are exact. */
	for (uint64_t key = 1000; key < 1008; key++) {
		int64_t later = NOW + (int64_t)(key - 999) * 10000000 * SECOND, admitted = 0;

		for (int i = 0; i < 10; i++)
			admitted += ask_one(w, tag_of(key), limit, later);
		assert_int_equal(admitted, 3);
	}
}

/* ---- Full tables ---- */

static void ten_million_keys_do_not_wash_a_counter_out(void **state)
{
	struct words *w = new_table(1 << 14);
	struct gcra limit = gcra_make(5, 60000, 5);
	uint64_t guilty = tag_of(424242);
	int64_t now = NOW;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_true(ask_one(w, guilty, limit, now));
	assert_false(ask_one(w, guilty, limit, now));
	for (uint64_t i = 0; i < 10000000; i++) {
		assert_true(ask_one(w, tag_of(1000000 + i), limit, now));
		/* Ten seconds in all: less than the guilty one needs to get one request back. */
		now += SECOND / 1000000;
		if (i % 1000000 == 0)
			assert_false(ask_one(w, guilty, limit, now));
	}
	assert_false(ask_one(w, guilty, limit, now));
	assert_in_range(words_evicted(w), 9000000, 10000000);
}

static void a_counter_that_is_full_again_goes_uncounted(void **state)
{
	struct words *w = new_table(8);
	struct gcra limit = gcra_make(1, 1000, 1);

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		assert_true(ask_one(w, tag_of(i), limit, NOW + (int64_t)i * SECOND));
	assert_int_equal(words_evicted(w), 0);
	for (uint64_t i = 0; i < 20; i++)
		assert_true(ask_one(w, tag_of(5000 + i), limit, NOW + 2000 * SECOND));
	assert_int_equal(words_evicted(w), 12);
}

static void a_table_is_found_again_wherever_it_is_mapped(void **state)
{
	size_t size = words_size(1000);
	int fd = memfd_create("words", MFD_CLOEXEC);
	struct gcra limit = gcra_make(1, 1000, 1);
	struct words *one, *two;

	(void)state;
	assert_int_equal(size, words_size(1024));
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	one = words_at(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), size);
	two = words_at(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), size);
	assert_non_null(one);
	assert_non_null(two);
	assert_ptr_not_equal(one, two);
	assert_true(ask_one(one, tag_of(1), limit, NOW));
	assert_false(ask_one(two, tag_of(1), limit, NOW));
	assert_null(words_at(one, size / 2));
	assert_null(words_at(two, 100));
	close(fd);
}

static void odd_tags_are_tags(void **state)
{
	static const uint64_t tags[] = {0, 1, UINT64_MAX, (uint64_t)1 << 63, (uint64_t)2 << 16, 0xffff};
	struct words *w = new_table(1 << 16);
	struct gcra limit = gcra_make(1, 1000000, 2);

	(void)state;
	for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
		assert_true(ask_one(w, tags[i], limit, NOW));
		assert_true(ask_one(w, tags[i], limit, NOW));
		assert_false(ask_one(w, tags[i], limit, NOW));
	}
}

static void what_is_known_afterwards_is_charged_without_asking(void **state)
{
	struct words *w = new_table(1 << 10);
	const struct gcra limit = {.interval = 1, .tolerance = SECOND};

	(void)state;
	assert_int_equal(words_ahead(w, tag_of(1), NOW), 0);
	words_spend(w, tag_of(1), &limit, -SECOND, NOW);
	assert_int_equal(words_ahead(w, tag_of(1), NOW), 0);
	words_spend(w, tag_of(1), &limit, SECOND, NOW);
	words_spend(w, tag_of(1), &limit, SECOND / 2, NOW);
	assert_int_equal(words_ahead(w, tag_of(1), NOW), SECOND * 3 / 2);
	assert_int_equal(words_ahead(w, tag_of(1), NOW + SECOND), SECOND / 2);
	words_spend(w, tag_of(1), &limit, -SECOND, NOW);
	assert_int_equal(words_ahead(w, tag_of(1), NOW), SECOND / 2);
	words_spend(w, tag_of(1), &limit, 100 * SECOND, NOW);
	assert_int_equal(words_ahead(w, tag_of(1), NOW), 2 * SECOND);
	assert_int_equal(words_ahead(w, tag_of(2), NOW), 0);
}

static void spend_one(int who, void *shared)
{
	const struct gcra limit = {.interval = 1, .tolerance = INT64_C(1) << 50};

	(void)who;
	for (unsigned i = 0; i < 10000; i++) {
		words_spend(shared, tag_of(7), &limit, 3, NOW);
		words_spend(shared, tag_of(7), &limit, -1, NOW);
	}
}

static void spending_is_exact_across_processes(void **state)
{
	struct words *w = new_table(1 << 10);

	(void)state;
	at_once(spend_one, w);
	assert_int_equal(words_ahead(w, tag_of(7), NOW), PROCESSES * 10000 * 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_key_is_exact_across_processes),
		cmocka_unit_test(a_new_key_in_a_full_bucket_is_exact_too),
		cmocka_unit_test(what_one_limit_refuses_the_others_get_back),
		cmocka_unit_test(limits_of_one_request_are_charged_all_or_none),
		cmocka_unit_test(a_worker_may_die_at_any_instruction),
		cmocka_unit_test(ten_million_keys_do_not_wash_a_counter_out),
		cmocka_unit_test(a_counter_that_is_full_again_goes_uncounted),
		cmocka_unit_test(a_table_is_found_again_wherever_it_is_mapped),
		cmocka_unit_test(odd_tags_are_tags),
		cmocka_unit_test(what_is_known_afterwards_is_charged_without_asking),
		cmocka_unit_test(spending_is_exact_across_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
