#include "portcullis/upstream/upstream.h"

#include <assert.h>

#include "portcullis/base/clock.h"
#include "portcullis/base/memory.h"
#include "portcullis/upstream/backend.h"

static balance_fn *const balancers[] = {
    [BALANCER_ROUND_ROBIN] = balance_round_robin,
    [BALANCER_LEAST_CONN] = balance_least_conn,
    [BALANCER_IP_HASH] = balance_ip_hash,
};
_Static_assert(sizeof balancers / sizeof balancers[0] == BALANCERS,
               "a row for each of balancers.def");

static void fill_set(struct upstream *u, struct peer_set *set, bool backup)
{
    VEC_FOR(const struct peer_conf, conf, &u->conf->peers)
        set->count += conf->backup == backup;
    set->items = ARENA_ARRAY(&u->arena, struct peer, set->count);
    size_t i = 0;
    VEC_FOR(const struct peer_conf, conf, &u->conf->peers) {
        if (conf->backup != backup)
            continue;
        peer_init(&set->items[i++], conf, &u->arena);
        set->total_weight += conf->weight;
    }
}

static struct upstream *make(struct backends *b)
{
    struct upstream *u = MEM_NEW(struct upstream);

    u->backends = b;
    arena_init(&u->arena, 1024);
    list_init(&u->idle);
    return u;
}

static void set_conf(struct upstream *u, const struct upstream_conf *conf)
{
    u->conf = conf;
    fill_set(u, &u->primary, false);
    fill_set(u, &u->backup, true);
    u->primary.is_single = u->primary.count == 1 && u->backup.count == 0;
}

struct upstream *upstream_new(struct backends *b, const struct upstream_conf *conf)
{
    struct upstream *u = make(b);

    set_conf(u, conf);
    return u;
}

struct upstream *upstream_new_resolved(struct backends *b, struct str name,
                                       const struct addr *addrs, size_t count, uint16_t port)
{
    struct upstream *u = make(b);
    struct upstream_conf *conf = ARENA_NEW(&u->arena, struct upstream_conf);

    conf->name = arena_str(&u->arena, name);
    for (size_t i = 0; i < count; i++) {
        struct peer_conf *peer = VEC_PUSH(&u->arena, &conf->peers);
        *peer = (struct peer_conf){.addr = addrs[i],
                                   .name = conf->name,
                                   .weight = 1,
                                   .max_fails = 1,
                                   .fail_timeout_ms = 10000};
        if (addr_family(&addrs[i]) != AF_UNIX)
            addr_set_port(&peer->addr, port);
    }
    set_conf(u, conf);
    return u;
}

void upstream_free(struct upstream *u)
{
    if (u == NULL)
        return;
    upstream_close_idle(u);
    timer_free(u->idle_timer);
    u->idle_timer = NULL;
    if (u->open_count > 0) {
        u->is_orphan = true;
        return;
    }
    arena_deinit(&u->arena);
    mem_free(u);
}

/* ------------------------------------------------------------------ selection */

static unsigned count_usable(const struct upstream *u)
{
    unsigned n = 0;

    VEC_FOR(const struct peer_conf, conf, &u->conf->peers)
        n += !conf->down;
    return n;
}

static size_t words_for(const struct peer_set *set)
{
    return set->count / 64 + 1;
}

static void ask_in(struct selection *s, struct peer_set *set)
{
    bool is_primary = set == &s->upstream->primary;

    s->set = set;
    s->input.tried = s->tried + (is_primary ? 0 : words_for(&s->upstream->primary));
}

void selection_init(struct selection *s, struct upstream *u, struct arena *a,
                    const struct addr *client, unsigned max_tries)
{
    *s = (struct selection){.upstream = u};
    s->tried = ARENA_ARRAY(a, uint64_t, words_for(&u->primary) + words_for(&u->backup));
    ask_in(s, &u->primary);
    s->input.client = client;
    s->tries_left = count_usable(u);
    if (max_tries > 0 && max_tries < s->tries_left)
        s->tries_left = max_tries;
}

static struct peer *only_peer(const struct peer_set *set)
{
    struct peer *p = &set->items[0];
    bool is_full = p->conf->max_conns > 0 && p->conns >= p->conf->max_conns;

    return p->conf->down || is_full ? NULL : p;
}

static struct peer *pick(struct selection *s)
{
    if (s->set->is_single)
        return only_peer(s->set);
    return balancers[s->upstream->conf->balancer](s->set, &s->input);
}

static struct peer *pick_among_all(struct selection *s)
{
    struct peer *p = pick(s);

    if (p != NULL || s->set != &s->upstream->primary || s->upstream->backup.count == 0)
        return p;
    ask_in(s, &s->upstream->backup);
    s->input.hash_tries = 0;
    return pick(s);
}

/* Of two that were asked in the same millisecond the first. */
static struct peer *longest_resting_in(struct selection *s, struct peer_set *set, struct peer *best)
{
    struct peer_set *before = s->set;

    ask_in(s, set);
    for (size_t i = 0; i < set->count; i++) {
        struct peer *p = &set->items[i];
        if (balance_was_asked(&s->input, i) || !peer_is_worth_a_try(p) ||
            (best != NULL && p->checked_ms >= best->checked_ms))
            continue;
        best = p;
        before = set;
    }
    ask_in(s, before);
    return best;
}

static struct peer *longest_resting(struct selection *s)
{
    if (s->set->is_single)
        return NULL;
    return longest_resting_in(s, &s->upstream->backup,
                              longest_resting_in(s, &s->upstream->primary, NULL));
}

struct peer *selection_next(struct selection *s)
{
    void (*begin)(struct peer *p, int64_t now_ms) = peer_begin;

    assert(s->peer == NULL);
    s->input.now_ms = clock_monotonic_ms();
    struct peer *p = pick_among_all(s);
    if (p == NULL) {
        p = longest_resting(s);
        begin = peer_begin_early;
    }
    if (p == NULL)
        return NULL;
    size_t i = (size_t)(p - s->set->items);
    s->input.tried[i / 64] |= UINT64_C(1) << (i % 64);
    begin(p, s->input.now_ms);
    s->peer = p;
    return p;
}

void selection_end(struct selection *s, enum peer_result result, const struct log_context *log)
{
    struct peer *p = s->peer;

    if (p == NULL)
        return;
    s->peer = NULL;
    if (s->tries_left > 0)
        s->tries_left--;
    if (s->set->is_single) {
        peer_release(p);
        s->tries_left = 0;
        return;
    }
    if (peer_end(p, result, clock_monotonic_ms()))
        log_write(log, LOG_WARN, "upstream server temporarily disabled");
}
