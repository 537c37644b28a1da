/* Smooth weighted round robin, nginx's: of weights 5, 1, 1 the order is a a b a c a a. */
#include "portcullis/upstream/balance.h"

bool balance_was_asked(const struct balance_input *in, size_t i)
{
    return (in->tried[i / 64] >> (i % 64) & 1) != 0;
}

bool balance_may_ask(const struct peer_set *set, const struct balance_input *in, size_t i)
{
    return !balance_was_asked(in, i) && peer_is_available(&set->items[i], in->now_ms);
}

static void grow_back(struct peer *p)
{
    if (p->effective_weight < (int64_t)p->conf->weight)
        p->effective_weight++;
}

struct peer *balance_round_robin(const struct peer_set *set, struct balance_input *in)
{
    struct peer *best = NULL;
    int64_t total = 0;

    for (size_t i = 0; i < set->count; i++) {
        struct peer *p = &set->items[i];
        if (!balance_may_ask(set, in, i))
            continue;
        p->current_weight += p->effective_weight;
        total += p->effective_weight;
        grow_back(p);
        if (best == NULL || p->current_weight > best->current_weight)
            best = p;
    }
    if (best != NULL)
        best->current_weight -= total;
    return best;
}
