/* work.c -- a counted list. */
#include "gateway/proxy/work.h"

void work_group_init(struct work_group *g)
{
	g->n = 0;
	list_init(&g->members);
}

void work_group_done(struct work_group *g)
{
	while (!list_empty(&g->members))
		work_end(LIST_OF(g->members.next, struct work, link));
}

void work_init(struct work *w)
{
	w->group = NULL;
	list_init(&w->link);
}

void work_begin(struct work *w, struct work_group *g)
{
	w->group = g;
	g->n++;
	list_push_last(&g->members, &w->link);
}

void work_end(struct work *w)
{
	if (!w->group)
		return;
	w->group->n--;
	w->group = NULL;
	list_remove(&w->link);
}
