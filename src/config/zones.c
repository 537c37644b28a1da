/* Shared memory zones. They are named here, and mapped by the daemon. */
#include "loader.h"

struct zone *zone_of(struct loader *l, struct str name, size_t size)
{
    struct zone **end = &l->snapshot->zones;
    for (; *end; end = &(*end)->next)
        if (str_eq((*end)->name, name) && (*end)->size == size)
            return *end;
    *end = ARENA_NEW(l->arena, struct zone);
    **end = (struct zone){.name = name, .size = size};
    return *end;
}
