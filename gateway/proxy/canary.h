/* canary.h -- known attacks and one clean request, walked through the chain of every policy of a generation.
 *
 * They prove that what is about to be put into force still refuses what it must:
 * rules that were loaded but match nothing, a threshold nobody reaches, an
 * exclusion that is too wide.  Nothing of it reaches an origin, a limit or a log;
 * what policy rules decide of them is overlooked, since the question is the WAF's. */
#ifndef PORTCULLIS_PROXY_CANARY_H
#define PORTCULLIS_PROXY_CANARY_H

#include "gateway/proxy/generation.h"

enum { CANARY_ATTACKS = 8, CANARY_CAUGHT = 5 }; /* how many there are, how many must be caught */

struct canary;

/* Begin; holds the generation.  `done` is called once, from the loop: `why` is NULL, or a line that says which
 * site is not protected.  NULL: no memory. */
struct canary *canary_new(struct generation *g, void (*done)(struct canary *c, const char *why));
/* After `done`, or before it: then it is not called. */
void canary_free(struct canary *c);

#endif
