#include "turns.h"

#include <stddef.h>

void turns_init(struct turns *t)
{
    *t = (struct turns){0};
    for (unsigned i = 0; i < TURNS_QUEUES; i++)
        list_init(&t->queues[i]);
}

void turns_add(struct turns *t, struct list *node, uint32_t owner)
{
    unsigned i = owner % TURNS_QUEUES;

    list_push_back(&t->queues[i], node);
    t->waiting |= UINT64_C(1) << i;
}

struct list *turns_take(struct turns *t)
{
    while (t->waiting != 0) {
        t->at = (t->at + 1) % TURNS_QUEUES;
        struct list *node = t->queues[t->at].next;
        if (list_is_empty(&t->queues[t->at])) {
            t->waiting &= ~(UINT64_C(1) << t->at);
            continue;
        }
        list_remove(node);
        return node;
    }
    return NULL;
}

bool turns_is_empty(const struct turns *t)
{
    return t->waiting == 0;
}
