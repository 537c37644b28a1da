/* A group of servers, as one worker runs it: their state, the way a request walks through them,
 * and the idle connections kept to them. Owned by the proxy; one that was made at run time
 * (variables in proxy_pass) by its request. */
#ifndef PORTCULLIS_UPSTREAM_UPSTREAM_H
#define PORTCULLIS_UPSTREAM_UPSTREAM_H

#include "portcullis/base/list.h"
#include "portcullis/base/log.h"
#include "portcullis/net/loop.h"
#include "portcullis/upstream/balance.h"

/* The connections to all upstreams of a worker. */
struct backends {
    struct loop *loop;
    size_t open, idle;            /* open counts the idle ones too */
    bool is_draining;             /* none is kept any more */
    void (*on_gone)(void *owner); /* there is one fewer; may be NULL */
    void *owner;
};

struct upstream {
    const struct upstream_conf *conf;
    struct backends *backends;
    struct arena arena;
    struct peer_set primary, backup;
    struct list idle; /* of struct backend, the longest idle first */
    size_t idle_count, open_count;
    struct timer *idle_timer;
    bool is_orphan; /* upstream_free was called; its last backend frees it */
};

struct upstream *upstream_new(struct backends *b, const struct upstream_conf *conf);
/* Of addresses found at run time, all with that port, one try each. */
struct upstream *upstream_new_resolved(struct backends *b, struct str name,
                                       const struct addr *addrs, size_t count, uint16_t port);
void upstream_free(struct upstream *u); /* NULL is fine; idle backends are closed */
void upstream_close_idle(struct upstream *u);

/* One request's walk through the peers. Zero is none. */
struct selection {
    struct upstream *upstream;
    struct peer_set *set;
    struct peer *peer; /* being asked now, or NULL */
    uint64_t *tried;   /* a bit for each primary peer, then from a word on one for each backup */
    unsigned tries_left;
    struct balance_input input;
};

/* max_tries 0: every peer once. The bitmap is taken from a. client outlives the selection. */
void selection_init(struct selection *s, struct upstream *u, struct arena *a,
                    const struct addr *client, unsigned max_tries);
/* One that failed too often is asked when there is no other, the longest resting first; nginx would
 * say that there is none for all of fail_timeout, though it may be back. Not one that timed out,
 * where requests would gather. NULL: no live upstream. Else the peer is begun, and selection_end
 * must follow. */
struct peer *selection_next(struct selection *s);
void selection_end(struct selection *s, enum peer_result result, const struct log_context *log);

#endif
