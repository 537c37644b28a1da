/* One server of an upstream as a worker sees it: how it did lately and how busy it is. Owned by its
 * upstream; all of it is arithmetic, so that balancers are tested without sockets. */
#ifndef PORTCULLIS_UPSTREAM_PEER_H
#define PORTCULLIS_UPSTREAM_PEER_H

#include "portcullis/config/snapshot.h"

struct peer {
    const struct peer_conf *conf;
    struct str addr_text; /* "127.0.0.1:3000", "unix:/run/app.sock" */
    /* Smooth weighted round robin: effective_weight falls with failures and grows back. */
    int64_t current_weight, effective_weight;
    unsigned conns; /* requests being served now */
    unsigned fails; /* within fail_timeout */
    int64_t failed_ms, checked_ms;
    bool timed_out; /* the last failure */
};

/* Peers of one rank: the backups are only asked when no primary one is left. */
struct peer_set {
    struct peer *items;
    size_t count;
    unsigned total_weight;
    bool is_single; /* the upstream's only peer: max_fails does not count, there is no other choice
                     */
};

void peer_init(struct peer *p, const struct peer_conf *conf, struct arena *a);

/* Neither down, nor failed too often, nor at max_conns. */
bool peer_is_available(const struct peer *p, int64_t now_ms);
/* It failed too often, but told at once: asking it costs little when nobody else is left. */
bool peer_is_worth_a_try(const struct peer *p);
/* A request goes to it. */
void peer_begin(struct peer *p, int64_t now_ms);
/* The same, to one that is not available. When it does well it is again. */
void peer_begin_early(struct peer *p, int64_t now_ms);

enum peer_result {
    PEER_OK,
    PEER_PASSED, /* another one is asked, but that is not this peer's fault: 403, 404 */
    PEER_FAILED,
    PEER_TIMED_OUT,
};
/* The request left it. True: it failed max_fails times and is left alone for fail_timeout. */
bool peer_end(struct peer *p, enum peer_result result, int64_t now_ms);
/* Without counting failures. */
void peer_release(struct peer *p);

#endif
