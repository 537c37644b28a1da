/* How a peer is chosen among those of a set. A balancer is one function; the table in upstream.c
 * has a row for each name in balancers.def. */
#ifndef PORTCULLIS_UPSTREAM_BALANCE_H
#define PORTCULLIS_UPSTREAM_BALANCE_H

#include "portcullis/upstream/peer.h"

/* What a balancer may look at besides the peers. */
struct balance_input {
    uint64_t *tried; /* a bit for each peer of the set this request was at already */
    int64_t now_ms;
    const struct addr *client;
    uint32_t hash; /* ip_hash goes on from its last value; 0: not begun */
    unsigned hash_tries;
};

/* NULL: none of the set may be asked. Does not call peer_begin. */
typedef struct peer *balance_fn(const struct peer_set *set, struct balance_input *in);

balance_fn balance_round_robin, balance_least_conn, balance_ip_hash;

/* By this request. */
bool balance_was_asked(const struct balance_input *in, size_t i);
/* Available, and this request was not there yet. */
bool balance_may_ask(const struct peer_set *set, const struct balance_input *in, size_t i);

#endif
