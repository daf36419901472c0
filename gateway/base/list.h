/* list.h -- a doubly linked list whose links live inside what it lists. */
#ifndef PORTCULLIS_BASE_LIST_H
#define PORTCULLIS_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev, *next;
};

#define LIST_OF(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))
#define LIST_EACH(item, head) for (struct list *item = (head)->next; item != (head); item = item->next)
/* The current item may be removed while walking. */
#define LIST_EACH_SAFE(item, head)                                                                      \
	for (struct list *item = (head)->next, *item##_next = item->next; item != (head);               \
	     item = item##_next, item##_next = item->next)

static inline void list_init(struct list *head)
{
	head->prev = head->next = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_push_last(struct list *head, struct list *item)
{
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
}

static inline void list_push_first(struct list *head, struct list *item)
{
	item->next = head->next;
	item->prev = head;
	head->next->prev = item;
	head->next = item;
}

/* Also fine on an item that is on no list, if it was initialised. */
static inline void list_remove(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

#endif
