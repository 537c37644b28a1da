#include "portcullis/base/strmap.h"

#include <assert.h>

void strmap_init(struct strmap *m, struct arena *a, bool nocase)
{
    *m = (struct strmap){.arena = a, .nocase = nocase};
}

static uint32_t hash_of(const struct strmap *m, struct str key)
{
    return m->nocase ? str_hash_nocase(key) : str_hash(key);
}

static bool keys_match(const struct strmap *m, struct str a, struct str b)
{
    return m->nocase ? str_eq_nocase(a, b) : str_eq(a, b);
}

/* The entry that holds key, or the free one where it belongs. The table is never full. */
static struct strmap_entry *slot_of(const struct strmap *m, struct str key, uint32_t hash)
{
    size_t mask = m->capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct strmap_entry *e = &m->entries[i];
        if (e->value == NULL || (e->hash == hash && keys_match(m, e->key, key)))
            return e;
    }
}

static void grow(struct strmap *m)
{
    struct strmap_entry *old = m->entries;
    size_t old_capacity = m->capacity;
    m->capacity = old_capacity == 0 ? 8 : old_capacity * 2;
    m->entries = ARENA_ARRAY(m->arena, struct strmap_entry, m->capacity);
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].value != NULL)
            *slot_of(m, old[i].key, old[i].hash) = old[i];
}

static struct strmap_entry *slot_for_writing(struct strmap *m, struct str key)
{
    if (m->count >= m->capacity / 2)
        grow(m);
    uint32_t hash = hash_of(m, key);
    struct strmap_entry *e = slot_of(m, key, hash);
    if (e->value == NULL) {
        e->key = key;
        e->hash = hash;
    }
    return e;
}

bool strmap_add(struct strmap *m, struct str key, void *value)
{
    assert(value != NULL);
    struct strmap_entry *e = slot_for_writing(m, key);
    if (e->value != NULL)
        return false;
    e->value = value;
    m->count++;
    return true;
}

void strmap_set(struct strmap *m, struct str key, void *value)
{
    assert(value != NULL);
    struct strmap_entry *e = slot_for_writing(m, key);
    m->count += e->value == NULL;
    e->value = value;
}

void *strmap_find(const struct strmap *m, struct str key)
{
    if (m->count == 0)
        return NULL;
    return slot_of(m, key, hash_of(m, key))->value;
}
