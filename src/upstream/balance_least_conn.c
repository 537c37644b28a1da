/* The peer with the fewest requests for its weight; round robin among equals. */
#include "portcullis/upstream/balance.h"

/* conns / weight, compared without dividing. */
static int compare_load(const struct peer *a, const struct peer *b)
{
    uint64_t load_a = (uint64_t)a->conns * b->conf->weight;
    uint64_t load_b = (uint64_t)b->conns * a->conf->weight;

    return (load_a > load_b) - (load_a < load_b);
}

static const struct peer *least_loaded(const struct peer_set *set, const struct balance_input *in)
{
    const struct peer *best = NULL;

    for (size_t i = 0; i < set->count; i++) {
        if (!balance_may_ask(set, in, i))
            continue;
        if (best == NULL || compare_load(&set->items[i], best) < 0)
            best = &set->items[i];
    }
    return best;
}

struct peer *balance_least_conn(const struct peer_set *set, struct balance_input *in)
{
    const struct peer *least = least_loaded(set, in);
    struct peer *best = NULL;
    int64_t total = 0;

    for (size_t i = 0; least != NULL && i < set->count; i++) {
        struct peer *p = &set->items[i];
        if (!balance_may_ask(set, in, i) || compare_load(p, least) != 0)
            continue;
        p->current_weight += p->effective_weight;
        total += p->effective_weight;
        if (p->effective_weight < (int64_t)p->conf->weight)
            p->effective_weight++;
        if (best == NULL || p->current_weight > best->current_weight)
            best = p;
    }
    if (best != NULL)
        best->current_weight -= total;
    return best;
}
