/* One connection to a peer. Whoever has it gets its stream's events; while it is idle in its
 * upstream's pool, the pool does, and drops it when anything happens on it. */
#ifndef PORTCULLIS_UPSTREAM_BACKEND_H
#define PORTCULLIS_UPSTREAM_BACKEND_H

#include "portcullis/net/stream.h"
#include "portcullis/upstream/upstream.h"

struct backend {
    struct list node; /* in upstream.idle */
    struct upstream *upstream;
    struct peer *peer;
    struct stream *stream;
    struct timer *deadline; /* for whoever has it to set its owner and start; idle, it is stopped */
    uint64_t requests;      /* served before this one */
    int64_t started_ms, idle_since_ms;
};

/* events->on_open or on_close follows. After on_close the owner calls backend_gone and nothing
 * else. */
struct backend *backend_connect(struct upstream *u, struct peer *p, int64_t timeout_ms,
                                bool so_keepalive, const struct stream_events *events, void *owner);
/* The one idle to this peer for the shortest time, or NULL. events->on_open follows or, if anything
 * came on it meanwhile, on_close. */
struct backend *backend_take(struct upstream *u, const struct peer *p,
                             const struct stream_events *events, void *owner);
/* Its exchange ended well: kept for the next when the configuration says so, else closed. The owner
 * hears nothing more of it. */
void backend_give(struct backend *b);
void backend_close(struct backend *b, enum close_reason why);
void backend_gone(struct backend *b);

#endif
