/* exchange_group.c -- which exchanges began on one connection. */
#include "gateway/proxy/exchange_parts.h"

void exchange_group_init(struct exchange_group *g)
{
	g->n = 0;
	list_init(&g->members);
}

void exchange_group_join(struct exchange_group *g, struct exchange *x)
{
	x->group = g;
	g->n++;
	list_push_last(&g->members, &x->member);
}

void exchange_group_leave(struct exchange *x)
{
	if (!x->group)
		return;
	x->group->n--;
	x->group = NULL;
	list_remove(&x->member);
}

void exchange_group_done(struct exchange_group *g)
{
	while (!list_empty(&g->members))
		exchange_group_leave(LIST_OF(g->members.next, struct exchange, member));
}
