/* The same client to the same peer: nginx's hash, so that a fleet of both sends clients alike. IPv4
 * clients count by their first three octets. */
#include "portcullis/upstream/balance.h"

#define HASH_START 89
#define HASH_TRIES 20

static struct str hashed_octets(const struct addr *client)
{
    struct str octets = addr_binary(client);

    if (addr_family(client) == AF_INET)
        return str_upto(octets, 3);
    if (addr_family(client) == AF_INET6)
        return octets;
    return STR("\0\0\0");
}

static uint32_t hash_next(uint32_t hash, struct str octets)
{
    for (size_t i = 0; i < octets.len; i++)
        hash = (hash * 113 + (unsigned char)octets.ptr[i]) % 6271;
    return hash;
}

static size_t peer_at_weight(const struct peer_set *set, unsigned w)
{
    size_t i = 0;

    while (w >= set->items[i].conf->weight)
        w -= set->items[i++].conf->weight;
    return i;
}

struct peer *balance_ip_hash(const struct peer_set *set, struct balance_input *in)
{
    struct str octets = hashed_octets(in->client);

    if (set->is_single || set->total_weight == 0)
        return balance_round_robin(set, in);
    if (in->hash_tries == 0)
        in->hash = HASH_START;
    while (in->hash_tries++ <= HASH_TRIES) {
        in->hash = hash_next(in->hash, octets);
        size_t i = peer_at_weight(set, in->hash % set->total_weight);
        if (balance_may_ask(set, in, i))
            return &set->items[i];
    }
    return balance_round_robin(set, in);
}
