/* run_script.h -- the limits' script on a real redis-server, one question at a time. */
#ifndef PORTCULLIS_TESTS_RUN_SCRIPT_H
#define PORTCULLIS_TESTS_RUN_SCRIPT_H

#include <inttypes.h>

#include "gateway/limit/gcra.h"
#include "gateway/redis/redis_server.h"

enum { SCRIPT_KEYS = 64 };

struct script_answer {
	struct redis_ask q;
	bool told;
	enum redis_kind kind;
	unsigned n;
	int64_t at[SCRIPT_KEYS];
	char text[512];
};

static inline void keep_script_answer(struct redis_ask *q, enum redis_outcome how, const struct redis_value *v)
{
	struct script_answer *a = q->owner;

	a->told = true;
	a->kind = REDIS_ERROR;
	snprintf(a->text, sizeof a->text, "outcome %d", how);
	if (how != REDIS_ANSWERED)
		return;
	a->kind = v->kind;
	a->n = v->n;
	a->at[0] = v->integer;
	for (unsigned i = 0; i < v->n && i < SCRIPT_KEYS; i++)
		a->at[i] = v->at[i].kind == REDIS_INT ? v->at[i].integer : INT64_MIN;
	snprintf(a->text, sizeof a->text, "%.*s", SLICE_F(v->text));
}

/* One command, awaited. */
static inline struct script_answer run_command(struct loop *l, struct redis *r, const struct slice *argv, unsigned argc)
{
	struct script_answer a = {.q = {.answered = keep_script_answer, .owner = &a}};

	if (!redis_ask(r, &a.q, argv, argc))
		a.told = true;
	for (int i = 0; !a.told && i < 5000; i++)
		loop_turn(l, 1);
	redis_forget(&a.q);
	return a;
}

/* Words cut at spaces. */
static inline struct script_answer run_words(struct loop *l, struct redis *r, const char *command)
{
	struct slice rest = slice_of(command), argv[8];
	unsigned n = 0;

	while (n < 8 && slice_cut(&rest, ' ', &argv[n]))
		n++;
	return run_command(l, r, argv, n);
}

struct script_key {
	const char *name;
	struct gcra limit;
	uint64_t cost;
	bool enforced;
};

/* EVAL `script` for `n` keys; with `clock` (seconds, microseconds) as two arguments more. */
static inline struct script_answer run_script(struct loop *l, struct redis *r, struct slice script,
					      const struct script_key *keys, unsigned n, const int64_t *clock)
{
	struct slice argv[3 + 4 * SCRIPT_KEYS + 2] = {SLICE("EVAL"), script};
	char text[3 * SCRIPT_KEYS + 3][24];
	unsigned argc = 2, used = 0;

#define NUMBER(value)                                                                                   \
	(argv[argc++] = slice_make(text[used], (size_t)snprintf(text[used], sizeof text[used], "%" PRId64, \
								(int64_t)(value))),                     \
	 used++)
	NUMBER(n);
	for (unsigned i = 0; i < n; i++)
		argv[argc++] = slice_of(keys[i].name);
	for (unsigned i = 0; i < n; i++) {
		NUMBER(gcra_charge(&keys[i].limit, keys[i].cost));
		NUMBER(keys[i].limit.tolerance);
		NUMBER(keys[i].enforced);
	}
	if (clock) {
		NUMBER(clock[0]);
		NUMBER(clock[1]);
	}
#undef NUMBER
	return run_command(l, r, argv, argc);
}

#endif
