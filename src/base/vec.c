#include "portcullis/base/vec.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

void *vec_grow(struct arena *a, void *items, size_t *count, size_t *capacity, size_t item_size)
{
    if (*count == *capacity) {
        assert(*capacity < SIZE_MAX / 4 / item_size);
        size_t wanted = *capacity == 0 ? 4 : *capacity * 2;
        void *moved = arena_alloc(a, wanted * item_size);
        if (*count > 0)
            memcpy(moved, items, *count * item_size);
        items = moved;
        *capacity = wanted;
    }
    memset((char *)items + *count * item_size, 0, item_size);
    (*count)++;
    return items;
}
