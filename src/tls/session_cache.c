#include "session_cache.h"

#include <stdatomic.h>
#include <string.h>

enum {
    WAYS = 8,
    OCTETS_AN_ENTRY = 1024, /* of the ring for each place in the table: about a small ticket */
    ALIGNMENT = 8,
};

/* As they lie in the zone (ZONE_LAYOUT). */
struct record {
    unsigned char id[SESSION_ID];
    uint32_t size;
    unsigned char sealed[];
};

struct cache {
    _Atomic uint64_t head;    /* position of the next record: octets ever claimed */
    _Atomic uint64_t table[]; /* a record's position plus one; 0: none */
};

struct view {
    struct cache *cache;
    size_t buckets; /* a power of two */
    unsigned char *ring;
    uint64_t capacity; /* of the ring */
};

static struct view view_of(const struct zone *z)
{
    size_t buckets = 1;
    while (buckets * 2 * WAYS * OCTETS_AN_ENTRY <= z->size)
        buckets *= 2;
    size_t before = sizeof(struct cache) + buckets * WAYS * sizeof(uint64_t);
    return (struct view){
        .cache = z->memory,
        .buckets = buckets,
        .ring = (unsigned char *)z->memory + before,
        .capacity = (z->size - before) / ALIGNMENT * ALIGNMENT,
    };
}

/* Ids are random. */
static _Atomic uint64_t *bucket_of(const struct view *v, const unsigned char *id)
{
    uint64_t hash;
    memcpy(&hash, id, sizeof hash);
    return v->cache->table + (hash & (v->buckets - 1)) * WAYS;
}

/* A record lies in one piece: what does not fit before the ring's end begins at its start. */
static uint64_t claim(const struct view *v, uint64_t size)
{
    uint64_t head = atomic_load(&v->cache->head), at;
    do {
        uint64_t left = v->capacity - head % v->capacity;
        at = left < size ? head + left : head;
    } while (!atomic_compare_exchange_weak(&v->cache->head, &head, at + size));
    return at;
}

/* Always, unless one wrote to the zone who is no worker of ours any more. */
static bool fits(const struct view *v, uint64_t at, uint64_t size)
{
    return at % ALIGNMENT == 0 && size <= v->capacity - at % v->capacity;
}

static bool is_overwritten(const struct view *v, uint64_t at)
{
    return atomic_load(&v->cache->head) > at + v->capacity;
}

void session_cache_put(const struct zone *z, const unsigned char id[static SESSION_ID],
                       struct str sealed)
{
    struct view v = view_of(z);
    uint64_t size = (sizeof(struct record) + sealed.len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (size > v.capacity)
        return;
    uint64_t at = claim(&v, size);
    if (!fits(&v, at, size))
        return;
    struct record *r = (struct record *)(v.ring + at % v.capacity);
    memcpy(r->id, id, SESSION_ID);
    r->size = (uint32_t)sealed.len;
    memcpy(r->sealed, sealed.ptr, sealed.len);
    _Atomic uint64_t *bucket = bucket_of(&v, id), *oldest = bucket;
    for (size_t i = 1; i < WAYS; i++)
        if (atomic_load(&bucket[i]) < atomic_load(oldest))
            oldest = &bucket[i];
    atomic_store(oldest, at + 1);
}

/* The record may change while it is looked at. */
static struct str copy_record(const struct view *v, uint64_t at, const unsigned char *id,
                              struct arena *a)
{
    uint64_t offset = at % v->capacity;
    const struct record *r = (const struct record *)(v->ring + offset);
    if (!fits(v, at, sizeof *r) || is_overwritten(v, at) || memcmp(r->id, id, SESSION_ID) != 0)
        return STR_NONE;
    size_t size = *(const volatile uint32_t *)&r->size;
    if (size > v->capacity - offset - sizeof *r)
        return STR_NONE;
    struct str copy = arena_str(a, str_make((const char *)r->sealed, size));
    return is_overwritten(v, at) ? STR_NONE : copy;
}

struct str session_cache_get(const struct zone *z, const unsigned char id[static SESSION_ID],
                             struct arena *a)
{
    struct view v = view_of(z);
    _Atomic uint64_t *bucket = bucket_of(&v, id);
    for (size_t i = 0; i < WAYS; i++) {
        uint64_t place = atomic_load(&bucket[i]);
        struct str found = place > 0 ? copy_record(&v, place - 1, id, a) : STR_NONE;
        if (found.len > 0)
            return found;
    }
    return STR_NONE;
}
