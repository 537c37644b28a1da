/* A growing array of fixed-size items whose memory is an arena's. For configuration lists:
 * `VEC(struct header_line) add_headers;` then VEC_PUSH, VEC_FOR. Zero is a valid empty one.
 * Copying the struct shares the items; VEC_PUSH on a shared copy first moves when it grows only,
 * so start a list anew (zero it) where nginx's inheritance replaces the parent's. */
#ifndef PORTCULLIS_BASE_VEC_H
#define PORTCULLIS_BASE_VEC_H

#include <stddef.h>

#include "portcullis/base/arena.h"

#define VEC(type)               \
    struct {                    \
        type *items;            \
        size_t count, capacity; \
    }

/* Returns the address of a new zeroed item. */
#define VEC_PUSH(a, v)                                                                        \
    ((v)->items = vec_grow((a), (v)->items, &(v)->count, &(v)->capacity, sizeof *(v)->items), \
     &(v)->items[(v)->count - 1])

#define VEC_FOR(type, it, v) \
    for (type *it = (v)->items; it != NULL && it < (v)->items + (v)->count; it++)

void *vec_grow(struct arena *a, void *items, size_t *count, size_t *capacity, size_t item_size);

#endif
