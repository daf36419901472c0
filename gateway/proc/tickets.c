/* tickets.c -- the keys of session tickets change with time.
 *
 * They lie in memory that all workers map, so that a worker which starts again
 * knows them; the supervisor alone turns them. */
#include "gateway/base/log.h"
#include "gateway/proc/node.h"

void tickets_follow(struct node *n)
{
	int64_t age = loop_ms(n->loop) - n->tickets_ms, period = n->config->tls.ticket_period_ms;

	timer_start(n->loop, &n->tickets, period - age);
}

static void turn(struct timer *t)
{
	struct node *n = LIST_OF(t, struct node, tickets);

	if (!tls_ticket_turn(&n->shared->tickets))
		log_error("the keys of session tickets cannot be renewed: the kernel gives no random bytes");
	n->tickets_ms = loop_ms(n->loop);
	tickets_follow(n);
}

void tickets_begin(struct node *n)
{
	timer_init(&n->tickets, turn);
	n->tickets_ms = loop_ms(n->loop);
	tickets_follow(n);
}
