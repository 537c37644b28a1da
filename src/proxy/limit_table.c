#include "limit_table.h"

#include <stdatomic.h>
#include <stddef.h>

/* ---- rates ----------------------------------------------------------------------------------- */

/* As it lies in the zone (ZONE_LAYOUT). */
struct rate_entry {
    _Atomic uint64_t tag;
    _Atomic uint64_t busy_until; /* ns since the zone's birth */
};

enum { RATE_WINDOW = 32 }; /* where a key may lie; windows overlap, so that none is full alone */

static uint64_t ns_since_birth(const struct zone *z, int64_t now_ms)
{
    return now_ms > z->birth->at_ms ? (uint64_t)(now_ms - z->birth->at_ms) * 1000000 : 0;
}

static struct rate_entry *rate_window(const struct zone *z, uint64_t tag)
{
    size_t entries = z->size / sizeof(struct rate_entry);
    return (struct rate_entry *)z->memory + tag % (entries - RATE_WINDOW + 1);
}

static struct rate_entry *rate_find(struct rate_entry *window, uint64_t tag)
{
    for (size_t i = 0; i < RATE_WINDOW; i++)
        if (atomic_load(&window[i].tag) == tag)
            return &window[i];
    return NULL;
}

/* The first place whose key is free again. False: there is none. */
static bool rate_claim(struct rate_entry *window, uint64_t tag, uint64_t now)
{
    for (size_t i = 0; i < RATE_WINDOW; i++) {
        uint64_t old = atomic_load(&window[i].tag);
        if (atomic_load(&window[i].busy_until) <= now &&
            atomic_compare_exchange_strong(&window[i].tag, &old, tag))
            return true;
    }
    return false;
}

/* Another worker may claim a place for the same key, too: the first of them is the key's, and the
 * other one is free. NULL: there is no room. */
static struct rate_entry *rate_entry(const struct zone *z, uint64_t tag, uint64_t now)
{
    struct rate_entry *window = rate_window(z, tag), *e = rate_find(window, tag);
    while (e == NULL && rate_claim(window, tag, now))
        e = rate_find(window, tag);
    return e;
}

static uint64_t excess_of(uint64_t busy_until, uint64_t now, const struct rate *r)
{
    return busy_until > now ? (busy_until - now) / (r->interval_ns / 1000) : 0;
}

enum rate_verdict rate_take(const struct zone *z, uint64_t tag, const struct rate *r,
                            int64_t now_ms, uint64_t *excess)
{
    uint64_t now = ns_since_birth(z, now_ms);
    struct rate_entry *e = rate_entry(z, tag, now);
    *excess = 0;
    if (e == NULL)
        return RATE_NO_ROOM;
    uint64_t until = atomic_load(&e->busy_until), next;
    do {
        *excess = excess_of(until, now, r);
        if (*excess > r->burst)
            return RATE_TOO_MANY;
        next = (until > now ? until : now) + r->interval_ns;
    } while (!atomic_compare_exchange_weak(&e->busy_until, &until, next));
    return RATE_PASSES;
}

enum rate_verdict rate_look(const struct zone *z, uint64_t tag, const struct rate *r,
                            int64_t now_ms, uint64_t *excess)
{
    const struct rate_entry *e = rate_find(rate_window(z, tag), tag);
    *excess = e != NULL ? excess_of(atomic_load(&e->busy_until), ns_since_birth(z, now_ms), r) : 0;
    return *excess <= r->burst ? RATE_PASSES : RATE_TOO_MANY;
}

/* ---- counts ---------------------------------------------------------------------------------- */

/* state: the worker's number above, how many it holds below; 0: free. Only that worker changes it,
 * until its lease has ended: one that slept for longer may find another's things in its place. */
struct count_entry {
    _Atomic uint64_t tag, state;
};

enum {
    WORKERS_MAX = 1024, /* number 0 is nobody's */
    WINDOW = 64,        /* where a key may lie */
    WORKER_SHIFT = 48,
};

struct count_table {
    _Atomic int64_t leases[WORKERS_MAX]; /* end at, ms; 0: free */
    struct count_entry entries[];
};

static size_t count_entries(const struct zone *z)
{
    return (z->size - sizeof(struct count_table)) / sizeof(struct count_entry);
}

static unsigned worker_of(uint64_t state)
{
    return state >> WORKER_SHIFT & (WORKERS_MAX - 1);
}

static uint64_t held_in(uint64_t state)
{
    return state & ((UINT64_C(1) << WORKER_SHIFT) - 1);
}

/* One that ends later than any can is of somebody in wrong hands. Others' clocks may be a turn of
 * the loop ahead. */
static bool runs(int64_t lease, int64_t now_ms)
{
    return lease > now_ms && lease - now_ms <= (int64_t)2 * COUNT_LEASE_MS;
}

static bool is_held(const struct count_table *t, uint64_t state, int64_t now_ms)
{
    return state != 0 && runs(atomic_load(&t->leases[worker_of(state)]), now_ms);
}

static void forget(const struct zone *z, unsigned worker)
{
    struct count_table *t = z->memory;
    for (size_t i = 0; i < count_entries(z); i++) {
        uint64_t state = atomic_load(&t->entries[i].state);
        if (worker_of(state) == worker)
            (void)atomic_compare_exchange_strong(&t->entries[i].state, &state, 0);
    }
}

unsigned count_join(const struct zone *z, int64_t now_ms)
{
    struct count_table *t = z->memory;
    for (unsigned worker = 1; worker < WORKERS_MAX; worker++) {
        int64_t lease = atomic_load(&t->leases[worker]);
        if (runs(lease, now_ms) ||
            !atomic_compare_exchange_strong(&t->leases[worker], &lease, now_ms + COUNT_LEASE_MS))
            continue;
        forget(z, worker); /* what a dead one with this number held */
        return worker;
    }
    return 0;
}

void count_renew(const struct zone *z, unsigned worker, int64_t now_ms)
{
    struct count_table *t = z->memory;
    atomic_store(&t->leases[worker], now_ms + COUNT_LEASE_MS);
}

void count_leave(const struct zone *z, unsigned worker)
{
    struct count_table *t = z->memory;
    atomic_store(&t->leases[worker], 0);
}

static struct count_entry *window_of(const struct zone *z, uint64_t tag)
{
    struct count_table *t = z->memory;
    return t->entries + tag % (count_entries(z) - WINDOW + 1);
}

static uint64_t held_of(const struct count_table *t, const struct count_entry *window, uint64_t tag,
                        int64_t now_ms)
{
    uint64_t held = 0;
    for (size_t i = 0; i < WINDOW; i++) {
        uint64_t state = atomic_load(&window[i].state);
        if (atomic_load(&window[i].tag) == tag && is_held(t, state, now_ms))
            held += held_in(state);
    }
    return held;
}

static bool is_own(const struct count_entry *e, uint64_t state, unsigned worker, uint64_t tag)
{
    return worker_of(state) == worker && held_in(state) > 0 && atomic_load(&e->tag) == tag;
}

/* By one more or one less. False: it is not this worker's, or no longer. */
static bool count_change(struct count_entry *e, unsigned worker, uint64_t tag, int by)
{
    uint64_t state = atomic_load(&e->state), next;
    do {
        if (!is_own(e, state, worker, tag))
            return false;
        bool is_last = by < 0 && held_in(state) == 1;
        next = is_last ? 0 : state + (uint64_t)(int64_t)by;
    } while (!atomic_compare_exchange_weak(&e->state, &state, next));
    return true;
}

static struct count_entry *count_add(struct count_entry *window, unsigned worker, uint64_t tag)
{
    for (size_t i = 0; i < WINDOW; i++)
        if (count_change(&window[i], worker, tag, 1))
            return &window[i];
    return NULL;
}

static struct count_entry *count_claim(const struct count_table *t, struct count_entry *window,
                                       unsigned worker, uint64_t tag, int64_t now_ms)
{
    for (size_t i = 0; i < WINDOW; i++) {
        uint64_t state = atomic_load(&window[i].state);
        if (is_held(t, state, now_ms) ||
            !atomic_compare_exchange_strong(&window[i].state, &state,
                                            (uint64_t)worker << WORKER_SHIFT | 1))
            continue;
        atomic_store(&window[i].tag, tag);
        return &window[i];
    }
    return NULL;
}

/* Before it takes anything: what it holds is not held otherwise. */
static void keep_lease(const struct zone *z, unsigned worker, int64_t now_ms)
{
    const struct count_table *t = z->memory;
    if (!runs(atomic_load(&t->leases[worker]), now_ms))
        count_renew(z, worker, now_ms);
}

/* Counted first and looked at then: two workers at once may both refuse, never both let in. */
struct count_entry *count_take(const struct zone *z, unsigned worker, uint64_t tag, unsigned most,
                               int64_t now_ms, bool *is_full)
{
    const struct count_table *t = z->memory;
    struct count_entry *window = window_of(z, tag);
    keep_lease(z, worker, now_ms);
    struct count_entry *e = count_add(window, worker, tag);
    if (e == NULL)
        e = count_claim(t, window, worker, tag, now_ms);
    *is_full = e == NULL;
    if (e == NULL || held_of(t, window, tag, now_ms) <= most)
        return e;
    count_release(e, worker, tag);
    return NULL;
}

void count_release(struct count_entry *e, unsigned worker, uint64_t tag)
{
    (void)count_change(e, worker, tag, -1);
}
