/* shed.c -- how late is too late, and how much is refused then. */
#include "gateway/proxy/shed.h"

#include "gateway/proxy/front_h1.h"

enum { WHOLE = 1000, STANDING = 20 /* times what is allowed: a wave of clients that comes again passes sooner */ };

/* After a pause of the whole machine it is late, too: but not for long. */
static bool is_late(struct shed *s, int64_t lag_us, int64_t most_us, int64_t now_us)
{
	bool late = lag_us > most_us;

	if (late == s->late) {
		s->other_since_us = 0;
	} else if (!s->other_since_us) {
		s->other_since_us = now_us;
	} else if (now_us - s->other_since_us >= STANDING * most_us) {
		s->late = late;
		s->other_since_us = 0;
	}
	return s->late;
}

bool shed_refuses(struct shed *s, enum shed_what what, int64_t lag_us, int64_t waiting_us, int64_t most_us, int64_t now_us)
{
	int64_t from = what == SHED_CONNECTION ? most_us : 2 * most_us, share;

	if (!most_us)
		return false;
	if (!is_late(s, lag_us, most_us, now_us) && waiting_us <= STANDING * most_us)
		return false;
	if (waiting_us > lag_us)
		lag_us = waiting_us;
	if (lag_us <= from)
		return false;
	share = (lag_us - from) * WHOLE / from;
	/* Spread evenly, without chance. */
	s->owed[what] += (uint32_t)(share < WHOLE ? share : WHOLE);
	if (s->owed[what] < WHOLE)
		return false;
	s->owed[what] -= WHOLE;
	return true;
}

bool shed_handshake(struct proxy *p)
{
	return shed_refuses(&p->shed, SHED_CONNECTION, loop_lag_us(p->loop), front_shakes_wait_us(p),
			    p->config->processes.lag_ms * 1000, loop_us(p->loop));
}

bool shed_request(struct proxy *p, enum shed_what what)
{
	return shed_refuses(&p->shed, what, loop_lag_us(p->loop), 0, p->config->processes.lag_ms * 1000, loop_us(p->loop));
}
