/* An intrusive doubly linked ring. The head is a struct list itself; a lone node points at itself.
 */
#ifndef PORTCULLIS_BASE_LIST_H
#define PORTCULLIS_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next;
};

#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}
static inline bool list_is_empty(const struct list *l)
{
    return l->next == l;
}
static inline void list_insert_before(struct list *at, struct list *node)
{
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}
static inline void list_push_back(struct list *head, struct list *node)
{
    list_insert_before(head, node);
}
static inline void list_push_front(struct list *head, struct list *node)
{
    list_insert_before(head->next, node);
}
/* Leaves node a lone one, so removing twice is harmless. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* The current node may be removed, the next one not. */
#define LIST_FOR_EACH(it, head)                                               \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head); \
         it = it##_next, it##_next = it->next)

#endif
