/* wake.c -- a process's own regular expressions of the policies it asks.
 *
 * A compiled policy is mapped by many processes and holds patterns as text.  Each
 * process compiles them once and finds them by the policy's address. */
#include "gateway/base/mem.h"
#include "policies/policy_parts.h"
#include "policies/regex.h"

struct awake {
	struct awake *next;
	const struct policy *policy;
	void *regexes[];
};

enum { WAKE_SLOTS = 64 };
static struct awake *slots[WAKE_SLOTS];

static struct awake **slot_of(const struct policy *p)
{
	return &slots[(uintptr_t)p >> 4 & (WAKE_SLOTS - 1)];
}

void *const *wake_find(const struct policy *p)
{
	for (const struct awake *w = *slot_of(p); w; w = w->next)
		if (w->policy == p)
			return w->regexes;
	return NULL;
}

static void give(struct awake *w, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		regex_free(w->regexes[i]);
	mem_give(NULL, w, sizeof *w + n * sizeof *w->regexes);
}

bool policy_wake(const struct policy *p)
{
	struct awake *w;

	if (!p->regexes_n || wake_find(p))
		return true;
	w = mem_take_zeroed(NULL, sizeof *w + p->regexes_n * sizeof *w->regexes);
	if (!w)
		return false;
	for (uint32_t i = 0; i < p->regexes_n; i++) {
		w->regexes[i] = regex_new(p->regexes[i].at, p->regexes[i].len, NULL, 0, NULL);
		if (!w->regexes[i]) {
			give(w, p->regexes_n);
			return false;
		}
	}
	w->policy = p;
	w->next = *slot_of(p);
	*slot_of(p) = w;
	return true;
}

void policy_sleep(const struct policy *p)
{
	for (struct awake **link = slot_of(p); *link; link = &(*link)->next)
		if ((*link)->policy == p) {
			struct awake *w = *link;

			*link = w->next;
			give(w, p->regexes_n);
			return;
		}
}
