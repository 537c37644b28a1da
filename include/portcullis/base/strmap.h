/* A table from strings to pointers, built at load, immutable after: server names, map values.
 * Keys are borrowed. Case-insensitive (ASCII) when made so. Memory is the arena's. */
#ifndef PORTCULLIS_BASE_STRMAP_H
#define PORTCULLIS_BASE_STRMAP_H

#include <stdbool.h>
#include <stddef.h>

#include "portcullis/base/arena.h"
#include "portcullis/base/str.h"

struct strmap_entry {
    struct str key;
    uint32_t hash;
    void *value;
};

struct strmap {
    struct arena *arena;
    bool nocase;
    struct strmap_entry *entries; /* open addressing, capacity a power of two */
    size_t count, capacity;
};

void strmap_init(struct strmap *m, struct arena *a, bool nocase);
/* False when key is there already (its value stays). value must not be NULL. */
bool strmap_add(struct strmap *m, struct str key, void *value);
void strmap_set(struct strmap *m, struct str key, void *value);
void *strmap_find(const struct strmap *m, struct str key); /* NULL: none */

#endif
