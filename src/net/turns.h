/* Nodes that wait, by their owner's number, and whose turn it is: the owners take turns, and what
 * an owner has comes in the order it was added. Whoever has much waits for himself. */
#ifndef PORTCULLIS_SRC_NET_TURNS_H
#define PORTCULLIS_SRC_NET_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#include "portcullis/base/list.h"

enum { TURNS_QUEUES = 64 }; /* owners beyond that share one */

struct turns {
    struct list queues[TURNS_QUEUES];
    uint64_t waiting; /* a bit for each queue that may have something */
    unsigned at;      /* whose turn was last */
};

void turns_init(struct turns *t);
/* The node may be removed as from any list. */
void turns_add(struct turns *t, struct list *node, uint32_t owner);
struct list *turns_take(struct turns *t); /* NULL: nobody waits */
/* False also where all that waited was removed since. */
bool turns_is_empty(const struct turns *t);

#endif
